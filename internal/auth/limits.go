package auth

import (
	"encoding/json"
	"fmt"
	"math"
)

// Limits are what a key, or one end user of it, may take. A limit of 0 is none, or, of a key, that of its tier.
type Limits struct {
	// RPM is how many requests may be made in any minute.
	RPM int `yaml:"rpm" json:"rpm,omitempty" example:"600"`
	// TPM is how many tokens, of input and output together, may be used in any minute.
	TPM int64 `yaml:"tpm" json:"tpm,omitempty" example:"1_000_000"`
	// RequestsPerDay is how many requests may be made in a day, which begins at midnight UTC.
	RequestsPerDay int `yaml:"requests_per_day" json:"requests_per_day,omitempty" example:"10_000"`
	// TokensPerDay is how many tokens, of input and output together, may be used in a day, which begins at midnight UTC.
	TokensPerDay int64 `yaml:"tokens_per_day" json:"tokens_per_day,omitempty" example:"100_000"`
	// Concurrency is how many calls may be under way at once.
	Concurrency int `yaml:"concurrency" json:"concurrency,omitempty" example:"8"`
	// Budget is how much money may be spent in a day or a month.
	Budget Budget `yaml:"budget" json:"budget,omitzero" example:"{usd: 200, per: month}"`
	// Budgets are further budgets: one for the day and one for the month can hold together.
	Budgets []Budget `yaml:"budgets" json:"budgets,omitempty"`
}

// UserLimits are the limits of each end user of a key.
type UserLimits struct {
	Limits `yaml:",inline"`
	// Tracked is how many end users of a key are kept count of at a time; 0 means 10,000. Who has not called for the longest time is
	// forgotten first, but for what stands in the ledger.
	Tracked int `yaml:"tracked" json:"tracked,omitempty" max:"1000000" example:"50_000"`
}

// defaultTracked is UserLimits.Tracked where it is not set.
const defaultTracked = 10_000

// The periods of budgets. Both are of the calendar, in UTC.
const (
	PerDay   = "day"
	PerMonth = "month"
)

// The policies for calls whose price is not known.
const (
	UnpricedRefuse = "refuse"
	UnpricedAllow  = "allow"
)

// Budget is how much money may be spent in a period of the calendar.
type Budget struct {
	// USD is the amount in US dollars; 0 sets no budget.
	USD float64 `yaml:"usd" json:"usd" example:"200"`
	// Per is the period: day or month, both in UTC.
	Per string `yaml:"per" json:"per,omitempty" enum:"day,month"`
	// Unpriced says what becomes of calls to a model whose price is not known: refuse, or allow, which counts them as free.
	Unpriced string `yaml:"unpriced" json:"unpriced,omitempty" enum:"refuse,allow"`
}

// SetDefaults fills in what a file may leave out.
func (b *Budget) SetDefaults() { b.Per, b.Unpriced = PerMonth, UnpricedRefuse }

// maxUSD bounds a budget, so that it can be counted in billionths of a dollar.
const maxUSD = 1e9

// Validate reports what is wrong with the budget.
func (b *Budget) Validate(fail func(key, message string)) {
	if !(b.USD >= 0 && b.USD <= maxUSD) {
		fail("usd", fmt.Sprintf("is %v; it must be from 0 to %.0f US dollars", b.USD, maxUSD))
	}
}

// nano returns the budget in billionths of a US dollar.
func (b Budget) nano() int64 { return int64(math.Round(b.USD * 1e9)) }

// all returns the budgets that are set.
func (l *Limits) all() []Budget {
	var set []Budget
	for _, b := range append([]Budget{l.Budget}, l.Budgets...) {
		if b.USD > 0 {
			set = append(set, b)
		}
	}
	return set
}

// check reports what the fields alone cannot tell.
func (l *Limits) check(fail func(key, message string)) {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"rpm", int64(l.RPM)},
		{"tpm", l.TPM},
		{"requests_per_day", int64(l.RequestsPerDay)},
		{"tokens_per_day", l.TokensPerDay},
		{"concurrency", int64(l.Concurrency)},
	} {
		if n.value < 0 {
			fail(n.key, fmt.Sprintf("is %d; it cannot be negative", n.value))
		}
	}
	seen := map[string]bool{}
	if l.Budget.USD > 0 {
		seen[l.Budget.Per] = true
	}
	for i, b := range l.Budgets {
		at := fmt.Sprintf("budgets[%d]", i)
		if b.USD <= 0 {
			fail(at+".usd", "is missing")
		} else if seen[b.Per] {
			fail(at+".per", fmt.Sprintf("there is another budget for the %s", b.Per))
		}
		seen[b.Per] = true
	}
}

// IsZero reports whether no limit is set.
func (l Limits) IsZero() bool {
	return l.RPM == 0 && l.TPM == 0 && l.RequestsPerDay == 0 && l.TokensPerDay == 0 && l.Concurrency == 0 && len(l.all()) == 0
}

// StoredLimits are the limits of a stored key but for its concurrency, as they are written into its row.
type storedLimits struct {
	Limits
	Weight int        `json:"weight,omitempty"`
	Users  UserLimits `json:"users,omitzero"`
}

// MarshalLimits writes the limits of k, but for its concurrency and tier, as a JSON object for its row.
func (k Key) MarshalLimits() string {
	v := storedLimits{Limits: k.Limits, Weight: k.Weight, Users: k.Users}
	v.Concurrency = 0
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: write limits of a key: " + err.Error())
	}
	return string(b)
}

// UnmarshalLimits reads what MarshalLimits wrote.
func (k *Key) UnmarshalLimits(b []byte) error {
	var v storedLimits
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("read limits of key %s: %w", k.ID, err)
	}
	v.Concurrency = k.Concurrency
	k.Limits, k.Weight, k.Users = v.Limits, v.Weight, v.Users
	return nil
}

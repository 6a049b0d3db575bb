package auth

import (
	"encoding/json"
	"fmt"
	"math"
)

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

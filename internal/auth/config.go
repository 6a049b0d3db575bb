package auth

import (
	"fmt"
	"slices"
	"strings"

	"sluice/internal/llm"
)

// Config holds the clients' keys that the file names, and the tiers that they share limits by. More keys can be made
// with `sluice keys create`; those live in the database.
type Config struct {
	// Tiers are named sets of limits for keys.
	Tiers map[string]Tier `yaml:"tiers"`
	// Keys are the clients' keys. With none here and none in the database, a gateway on loopback is open.
	Keys []KeyConfig `yaml:"keys"`
}

// Tier is a set of limits that keys refer to by name.
type Tier struct {
	Limits `yaml:",inline"`
	// Weight is the tier's share of capacity among keys that wait: a key of weight 4 gets four times the tokens of one of weight 1.
	Weight int `yaml:"weight" max:"1000" example:"4"`
	// Models are the names, or patterns with *, that keys of the tier may use. With none, all.
	Models []string `yaml:"models" example:"[\"small*\"]"`
	// Users are limits for each end user of a key, whom the client names in its requests (user, safety_identifier, metadata.user_id).
	// Calls that name none have only the limits of the key.
	Users UserLimits `yaml:"users"`
}

// KeyConfig is one client's key.
type KeyConfig struct {
	// Name is what logs, metrics and the ledger call the key. Limits count by it: two keys of one name share them.
	Name string `yaml:"name" required:"true" example:"team-a"`
	// Key is the key itself, as the client sends it.
	Key llm.Secret `yaml:"key" required:"true" example:"${TEAM_A_KEY}"`
	// Tier is the tier whose limits hold where the key sets none of its own.
	Tier string `yaml:"tier" example:"free"`
	// Models are the names, or patterns with *, that the key may use. With none, those of the tier.
	Models []string `yaml:"models" example:"[smart, \"openai/*\"]"`
	// Weight is the key's share of capacity among keys that wait; 0 takes the tier's.
	Weight int `yaml:"weight" max:"1000" example:"2"`
	Limits `yaml:",inline"`
	// Users are limits for each end user of the key. What is left out is taken from users of the tier.
	Users UserLimits `yaml:"users"`
}

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

// SetDefaults fills in what a file may leave out: nothing here has a default.
func (c *Config) SetDefaults() {}

// SetDefaults fills in what a file may leave out.
func (t *Tier) SetDefaults() {
	t.Weight = 1
	t.Budget.SetDefaults()
	t.Users.Budget.SetDefaults()
}

// SetDefaults fills in what a file may leave out.
func (k *KeyConfig) SetDefaults() {
	k.Budget.SetDefaults()
	k.Users.Budget.SetDefaults()
}

// Validate reports what is wrong with the tier's limits.
func (t *Tier) Validate(fail func(key, message string)) { t.check(fail) }

// Validate reports what is wrong with the key's limits.
func (k *KeyConfig) Validate(fail func(key, message string)) { k.check(fail) }

// Validate reports what is wrong with the limits of users.
func (u *UserLimits) Validate(fail func(key, message string)) { u.check(fail) }

// Validate reports each problem with the key that it is at. A tier that does not exist is reported by the loader, which
// knows the names to suggest.
func (c *Config) Validate(fail func(key, message string)) {
	names := make(map[string]int, len(c.Keys))
	values := make(map[string]int, len(c.Keys))
	for i, k := range c.Keys {
		if first, ok := names[k.Name]; ok && k.Name != "" {
			fail(fmt.Sprintf("keys[%d].name", i), fmt.Sprintf("%q is already the name of keys[%d]", k.Name, first))
		}
		if first, ok := values[k.Key.Reveal()]; ok && !k.Key.Empty() {
			fail(fmt.Sprintf("keys[%d].key", i), fmt.Sprintf("is the same as that of keys[%d] (%q)", first, c.Keys[first].Name))
		}
		if strings.ContainsAny(k.Key.Reveal(), " \t\r\n\x00") {
			fail(fmt.Sprintf("keys[%d].key", i), "must not contain white space; no client could send it")
		}
		if n := len(k.Key.Reveal()); n > 0 && (n < 16 || n > 256) {
			fail(fmt.Sprintf("keys[%d].key", i), fmt.Sprintf("has %d bytes; a key must have 16 to 256", n))
		}
		if slices.Contains(k.Models, "") {
			fail(fmt.Sprintf("keys[%d].models", i), "must not contain an empty name")
		}
		names[k.Name], values[k.Key.Reveal()] = i, i
	}
}

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
	Weight int `yaml:"weight" default:"1" max:"1000" example:"4"`
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

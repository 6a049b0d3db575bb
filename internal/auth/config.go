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
	// Concurrency is the largest number of calls under way for one key; 0 sets no limit.
	Concurrency int `yaml:"concurrency" example:"2"`
	// Models are the names, or patterns with *, that keys of the tier may use. With none, all.
	Models []string `yaml:"models" example:"[\"small*\"]"`
}

// KeyConfig is one client's key.
type KeyConfig struct {
	// Name is what logs, metrics and the ledger call the key.
	Name string `yaml:"name" required:"true" example:"team-a"`
	// Key is the key itself, as the client sends it.
	Key llm.Secret `yaml:"key" required:"true" example:"${TEAM_A_KEY}"`
	// Tier is the tier whose limits hold where the key sets none of its own.
	Tier string `yaml:"tier" example:"free"`
	// Models are the names, or patterns with *, that the key may use. With none, those of the tier.
	Models []string `yaml:"models" example:"[smart, \"openai/*\"]"`
	// Concurrency is the largest number of calls under way for this key; 0 takes the tier's.
	Concurrency int `yaml:"concurrency" example:"8"`
}

// SetDefaults fills in what a file may leave out: nothing here has a default.
func (c *Config) SetDefaults() {}

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

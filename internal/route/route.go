// Package route turns the model name of a call into an ordered plan of targets. It is pure: a Table is built from
// configuration, never changes, and knows nothing of load or health (pace and admit do). It runs no goroutines.
package route

import (
	"sluice/internal/llm"
	"sluice/internal/model"
)

// Provider is what routing needs to know of one provider account.
type Provider struct {
	Name    string      // as in the configuration
	API     llm.Dialect // protocol it speaks
	Region  string
	Models  []string // names or globs (path.Match, where * also matches a slash) that the account serves; empty if not stated
	PriceAs string   // provider of the price table whose models it serves; empty if unknown
}

// Table resolves model names. It is immutable but for a bounded table of the names that clients make up, and safe for
// concurrent use.
type Table struct{}

// Plan is the answer for one call.
type Plan struct {
	Public     string          // name for the client, the ledger and metrics: the alias, or the model as asked for
	Configured bool            // false if the name was made up by the client: metrics then use one common label
	Tiers      [][]*llm.Target // in order of preference; read only
}

// Listing is one entry of the model list that clients can ask for.
type Listing struct {
	ID       string // name to ask for
	Provider string // account that serves it; empty for an alias
}

// NewTable builds a table. Errors name the model and the target at fault.
func NewTable(models map[string]Model, providers []Provider, prices *model.Table) (*Table, error) {
	return &Table{}, nil
}

// Plan resolves a model name: an alias, provider/model, or the bare name of a model that a provider serves. rnd is a
// random number and decides weighted choices. The error is KindNotFound and names the nearest names.
func (t *Table) Plan(name string, rnd uint64) (Plan, *llm.Error) { return Plan{}, nil }

// Targets returns the targets that configuration names, for building what hangs on them.
func (t *Table) Targets() []*llm.Target { return nil }

// List returns the names that clients may ask for: aliases first, then provider/model, each sorted.
func (t *Table) List() []Listing { return nil }

// Package route turns the model name of a call into an ordered plan of targets. It is pure: a Table is built from
// configuration, never changes, and knows nothing of load or health (pace and admit do). It runs no goroutines.
package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// Provider is what routing needs to know of one provider account.
type Provider struct {
	Name    string      // as in the configuration
	API     llm.Dialect // protocol it speaks
	Region  string
	Models  []string // names or patterns (model.Match) of the models that the account serves; empty if not stated
	PriceAs string   // provider of the price table whose models it serves; empty if unknown
}

// Table resolves model names. It is immutable but for a bounded table of the names that clients make up, and safe for
// concurrent use.
type Table struct {
	aliases   map[string]*alias
	providers []Provider // in the order of the configuration
	byName    map[string]*Provider
	prices    *model.Table
	fixed     map[string]*llm.Target // by provider/model: all that configuration names
	dynamic   interned               // what clients name
}

// alias is a public model of the configuration.
type alias struct {
	plan    Plan          // as it is for failover
	targets []*llm.Target // in the order of the configuration
	weights []int         // of the targets; nil for failover
}

// Plan is the answer for one call.
type Plan struct {
	Public     string          // name for the client, the ledger and metrics: the alias, or provider/model
	Configured bool            // false if configuration does not name it: metrics then use one common label
	Alias      bool            // Public is a name under models in the configuration, which may hold settings of its own
	Tiers      [][]*llm.Target // in order of preference; read only
}

// NewTable builds a table. The map's keys are the public names. Every error names the model and the target at fault.
func NewTable(models map[string]Model, providers []Provider, prices *model.Table) (*Table, error) {
	t := &Table{
		aliases:   make(map[string]*alias, len(models)),
		providers: slices.Clone(providers),
		byName:    make(map[string]*Provider, len(providers)),
		prices:    prices,
		fixed:     map[string]*llm.Target{},
	}
	for i := range t.providers {
		p := &t.providers[i]
		if p.Name == "" || strings.Contains(p.Name, "/") {
			return nil, fmt.Errorf("add provider %q: name must not be empty or contain a slash", p.Name)
		}
		if t.byName[p.Name] != nil {
			return nil, fmt.Errorf("add provider %q: there are two", p.Name)
		}
		t.byName[p.Name] = p
		for _, m := range p.Models {
			if !model.IsPattern(m) {
				t.fix(p, m)
			}
		}
	}
	for name, m := range models {
		a, err := t.alias(name, &m)
		if err != nil {
			return nil, fmt.Errorf("add model %q: %w", name, err)
		}
		t.aliases[name] = a
	}
	return t, nil
}

// alias builds one public model.
func (t *Table) alias(name string, m *Model) (*alias, error) {
	if len(m.Targets) == 0 {
		return nil, fmt.Errorf("it has no targets")
	}
	a := &alias{plan: Plan{Public: name, Configured: true, Alias: true}}
	for _, ref := range m.Targets {
		p, rest := t.split(ref.Target)
		if p == nil {
			return nil, fmt.Errorf("target %q: want provider/model with a provider of the configuration", ref.Target)
		}
		if ref.Weight < 0 {
			return nil, fmt.Errorf("target %q: weight is %d", ref.Target, ref.Weight)
		}
		target := t.fix(p, rest)
		if slices.Contains(a.targets, target) {
			return nil, fmt.Errorf("target %q: named twice", ref.Target)
		}
		a.targets = append(a.targets, target)
		a.weights = append(a.weights, ref.Weight)
	}
	for i := range a.targets {
		a.plan.Tiers = append(a.plan.Tiers, a.targets[i:i+1:i+1])
	}
	switch m.Strategy {
	case Weighted:
		if !slices.ContainsFunc(a.weights, func(w int) bool { return w > 0 }) {
			return nil, fmt.Errorf("no target has a weight above 0")
		}
	case Failover, "":
		a.weights = nil
	default:
		return nil, fmt.Errorf("strategy %q: want %s or %s", m.Strategy, Failover, Weighted)
	}
	return a, nil
}

// split takes a name apart if it is provider/model. Models may have slashes in their names, providers have none.
func (t *Table) split(name string) (*Provider, string) {
	provider, rest, ok := strings.Cut(name, "/")
	if !ok || rest == "" {
		return nil, ""
	}
	return t.byName[provider], rest
}

// fix returns the target of a model that configuration names.
func (t *Table) fix(p *Provider, name string) *llm.Target {
	full := p.Name + "/" + name
	if t.fixed[full] == nil {
		t.fixed[full] = p.target(full)
	}
	return t.fixed[full]
}

func (p *Provider) target(full string) *llm.Target {
	return &llm.Target{Name: full, Provider: p.Name, Model: full[len(p.Name)+1:], Region: p.Region, API: p.API}
}

// Plan resolves a model name, in this order: an alias; provider/model, which is valid for every provider; the name of a
// model that a provider serves, the first of the configuration winning; and, if there is only one provider, any name.
// rnd is a random number and decides weighted choices; for equal numbers the plan is equal. Public and the names of
// targets do not share memory with name. The error is KindNotFound and names the nearest names.
func (t *Table) Plan(name string, rnd uint64) (Plan, *llm.Error) {
	if a := t.aliases[name]; a != nil {
		if a.weights == nil {
			return a.plan, nil
		}
		p := a.plan
		p.Tiers = draw(a.targets, a.weights, rnd)
		return p, nil
	}
	if len(name) > maxName || name == "" {
		return Plan{}, t.notFound(name)
	}
	if tg := t.fixed[name]; tg != nil {
		return Plan{Public: tg.Name, Configured: true, Tiers: single(tg)}, nil
	}
	if p, rest := t.split(name); p != nil {
		return t.made(p, rest), nil
	}
	if p := t.serving(name); p != nil {
		return t.made(p, name), nil
	}
	return Plan{}, t.notFound(name)
}

// At returns the plan of a model at one provider, which must be one of the configuration. A public name that looks the same, and
// leads elsewhere, does not count. The error is KindNotFound, for a name that is too long.
func (t *Table) At(provider, name string) (Plan, *llm.Error) {
	p := t.byName[provider]
	if p == nil || name == "" || len(provider)+1+len(name) > maxName {
		return Plan{}, t.notFound(provider + "/" + name)
	}
	return t.made(p, name), nil
}

// serving returns the provider for a bare model name; nil if there is none. A provider that states its models serves no
// others; one that does not serves what the price table knows of it.
func (t *Table) serving(name string) *Provider {
	for i := range t.providers {
		p := &t.providers[i]
		if len(p.Models) > 0 {
			if slices.ContainsFunc(p.Models, func(m string) bool { return model.Match(m, name) }) {
				return p
			}
			continue
		}
		if _, ok := t.prices.Lookup(p.PriceAs, name); ok {
			return p
		}
	}
	if len(t.providers) == 1 {
		return &t.providers[0]
	}
	return nil
}

// made returns the plan for a model at a provider, with the one target that the table has for it.
func (t *Table) made(p *Provider, name string) Plan {
	var buf [maxName]byte
	full := append(append(append(buf[:0], p.Name...), '/'), name...)
	tg := t.fixed[string(full)]
	if tg != nil {
		return Plan{Public: tg.Name, Configured: true, Tiers: single(tg)}
	}
	tg = t.dynamic.target(full, p)
	_, known := t.prices.Lookup(p.PriceAs, tg.Model)
	return Plan{Public: tg.Name, Configured: known, Tiers: single(tg)}
}

func single(tg *llm.Target) [][]*llm.Target { return [][]*llm.Target{{tg}} }

// Targets returns the targets that configuration names, by name.
func (t *Table) Targets() []*llm.Target {
	all := make([]*llm.Target, 0, len(t.fixed))
	for _, tg := range t.fixed {
		all = append(all, tg)
	}
	slices.SortFunc(all, func(a, b *llm.Target) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Listing is one entry of the model list that clients can ask for.
type Listing struct {
	ID       string // name to ask for
	Provider string // account that serves it; empty for an alias
}

// List returns the names that clients may ask for: aliases first, then provider/model, each sorted. For a provider that
// does not state its models these are the ones of the price table.
func (t *Table) List() []Listing {
	var all []Listing
	for name := range t.aliases {
		all = append(all, Listing{ID: name})
	}
	seen := map[string]bool{}
	for _, tg := range t.Targets() {
		seen[tg.Name] = true
		all = append(all, Listing{tg.Name, tg.Provider})
	}
	for i := range t.providers {
		p := &t.providers[i]
		if len(p.Models) > 0 {
			continue
		}
		for _, name := range t.prices.Names(p.PriceAs) {
			if full := p.Name + "/" + name; !seen[full] {
				all = append(all, Listing{full, p.Name})
			}
		}
	}
	slices.SortFunc(all, func(a, b Listing) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// nearest is how many names a 404 suggests.
const nearest = 3

// notFound says what is near.
func (t *Table) notFound(name string) *llm.Error {
	var names []string
	for _, l := range t.List() {
		names = append(names, l.ID)
	}
	shown := name
	if len(shown) > 64 {
		shown = strings.ToValidUTF8(shown[:64], "") + "…"
	}
	e := llm.Errorf(llm.KindNotFound, "the model %q does not exist", shown)
	e.Param = "model"
	switch near := model.Nearest(name, names, nearest); {
	case name == "":
		e.Message = "no model is named"
	case len(near) > 0:
		e.Message += "; nearest: " + strings.Join(near, ", ")
	default:
		e.Message += "; /v1/models lists those that do, and provider/model always works"
	}
	return e
}

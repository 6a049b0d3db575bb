package plan

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"sluice/internal/model"
)

//go:embed tiers.json
var tierData []byte

// Source is where limits were read, and when.
type Source struct {
	Page string `json:"page"`
	URL  string `json:"url"`
	AsOf string `json:"as_of"` // the day the limits were true
	Kind string `json:"kind"`  // "provider" for its own page, "secondary" for one that repeats it, "own" for a file of yours
	Note string `json:"note,omitempty"`
}

// Rules say how a provider counts against its limits.
type Rules struct {
	Scope        string `json:"scope,omitempty"`         // who shares a limit
	CountsCached *bool  `json:"counts_cached,omitempty"` // whether cached input counts against token limits; absent if unknown
	Output       string `json:"output,omitempty"`        // "reserved": max_tokens is charged on arrival; "generated": what came
	Note         string `json:"note,omitempty"`
}

// TierLimits are the limits of one tier for some models.
type TierLimits struct {
	Models []string `json:"models"` // names or patterns with *
	Limits
	SourceID   string `json:"source"`
	Unverified bool   `json:"unverified,omitempty"` // not from the provider's own current page
	Note       string `json:"note,omitempty"`
}

// Tier is a usage tier of a provider.
type Tier struct {
	Provider    string       `json:"provider"`
	Name        string       `json:"tier"`
	Qualifies   string       `json:"qualifies,omitempty"`
	QualifiesID string       `json:"qualifies_source,omitempty"` // source of Qualifies
	Limits      []TierLimits `json:"limits"`
}

// Tiers are dated facts about providers' limits. They are immutable and safe for concurrent use.
type Tiers struct {
	Sources   map[string]Source `json:"sources"`
	Providers map[string]Rules  `json:"providers"`
	Tiers     []Tier            `json:"tiers"` // those of a provider in rising order
}

// tierFile is the shape of tiers.json and of files that override it.
type tierFile struct {
	Note string `json:"note"`
	Tiers
}

// LoadTiers returns the facts that ship with the program, with those of a file put over them: its sources and providers
// replace those of the same name, its tiers those of the same provider and name; others are added after those of their
// provider. An empty path means no file. Errors name the file and what is wrong in it.
func LoadTiers(path string) (*Tiers, error) {
	all, err := parseTiers(tierData)
	if err != nil {
		panic("BUG: plan: embedded tiers: " + err.Error())
	}
	if path == "" {
		return all, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read tiers: %w", err)
	}
	own, err := parseTiers(text)
	if err != nil {
		return nil, fmt.Errorf("read tiers: %s: %w", path, err)
	}
	all.put(own)
	return all, nil
}

// put lays the facts of a file over t.
func (t *Tiers) put(own *Tiers) {
	for id, s := range own.Sources {
		t.Sources[id] = s
	}
	for name, r := range own.Providers {
		t.Providers[name] = r
	}
	for _, n := range own.Tiers {
		same := func(o Tier) bool { return o.Provider == n.Provider && o.Name == n.Name }
		if i := slices.IndexFunc(t.Tiers, same); i >= 0 {
			t.Tiers[i] = n
			continue
		}
		t.Tiers = append(t.Tiers, n)
	}
	// Tiers of a provider stand together, in the order in which they came.
	slices.SortStableFunc(t.Tiers, func(a, b Tier) int { return strings.Compare(a.Provider, b.Provider) })
}

// parseTiers reads facts strictly.
func parseTiers(text []byte) (*Tiers, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var f tierFile
	if err := d.Decode(&f); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end")
	}
	t := f.Tiers
	if t.Sources == nil {
		t.Sources = map[string]Source{}
	}
	if t.Providers == nil {
		t.Providers = map[string]Rules{}
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.Tiers, func(a, b Tier) int { return strings.Compare(a.Provider, b.Provider) })
	return &t, nil
}

// check reports the first fact that cannot be used.
func (t *Tiers) check() error {
	for id, s := range t.Sources {
		if s.Page == "" {
			return fmt.Errorf("source %s has no page", id)
		}
		if _, err := time.Parse(time.DateOnly, s.AsOf); err != nil {
			return fmt.Errorf("source %s: as_of is %q, want a day such as 2026-11-20", id, s.AsOf)
		}
		if !slices.Contains([]string{"provider", "secondary", "own"}, s.Kind) {
			return fmt.Errorf("source %s: kind is %q, want provider, secondary or own", id, s.Kind)
		}
	}
	for name, r := range t.Providers {
		if !slices.Contains([]string{"", "reserved", "generated"}, r.Output) {
			return fmt.Errorf("provider %s: output is %q, want reserved or generated", name, r.Output)
		}
	}
	for _, tier := range t.Tiers {
		if tier.Provider == "" || tier.Name == "" {
			return errors.New("a tier has no provider or no name")
		}
		where := tier.Provider + "/" + tier.Name
		if _, ok := t.Sources[tier.QualifiesID]; !ok && tier.QualifiesID != "" {
			return fmt.Errorf("%s: qualifies_source %q is not among sources", where, tier.QualifiesID)
		}
		for _, l := range tier.Limits {
			if len(l.Models) == 0 {
				return fmt.Errorf("%s: limits without models", where)
			}
			if _, ok := t.Sources[l.SourceID]; !ok {
				return fmt.Errorf("%s: %s: source %q is not among sources", where, list(l.Models), l.SourceID)
			}
			if err := l.Limits.Check(); err != nil {
				return fmt.Errorf("%s: %s: %w", where, list(l.Models), err)
			}
		}
	}
	return nil
}

// Notes say what a reader should know of how a provider counts. reserved says whether the tokens that it charges on arrival
// are part of the question.
func (r Rules) Notes(provider string, reserved bool) []string {
	var notes []string
	if r.Scope != "" {
		notes = append(notes, fmt.Sprintf("limits of %s are of the %s: more keys of the same one add nothing", provider, r.Scope))
	}
	if r.Output == "reserved" && !reserved {
		notes = append(notes, provider+" charges max_tokens on arrival: where it is above the output, --max-tokens gives the lower capacity")
	}
	return notes
}

// Names returns the names of the providers that have tiers, sorted.
func (t *Tiers) Names() []string {
	var names []string
	for _, tier := range t.Tiers {
		names = append(names, tier.Provider)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Of returns the tiers of a provider in rising order.
func (t *Tiers) Of(provider string) []Tier {
	var all []Tier
	for _, tier := range t.Tiers {
		if tier.Provider == provider {
			all = append(all, tier)
		}
	}
	return all
}

// Source returns where limits were read.
func (t *Tiers) Source(l TierLimits) Source { return t.Sources[l.SourceID] }

// For returns the limits of a tier for a model: those whose pattern says most of its name. ok is false if there are none.
func (t *Tier) For(name string) (l TierLimits, ok bool) {
	best := -1
	for _, x := range t.Limits {
		for _, p := range x.Models {
			if weight := specific(p); weight > best && model.Match(p, name) {
				l, ok, best = x, true, weight
			}
		}
	}
	return l, ok
}

// specific orders patterns: the more characters are given, the more a pattern says; a name in full says most.
func specific(pattern string) int {
	if !model.IsPattern(pattern) {
		return 1 << 20
	}
	return len(strings.ReplaceAll(pattern, "*", ""))
}

// Find returns a tier by provider and name. The error names what there is.
func (t *Tiers) Find(provider, name string) (*Tier, error) {
	of := t.Of(provider)
	if len(of) == 0 {
		return nil, fmt.Errorf("no tiers of provider %q are known%s", provider, among(provider, t.Names()))
	}
	var names []string
	for i := range of {
		if of[i].Name == name {
			return &of[i], nil
		}
		names = append(names, of[i].Name)
	}
	return nil, fmt.Errorf("provider %s has no tier %q; it has %s", provider, name, list(names))
}

// among ends an error about an unknown name: with the nearest that there are, else with all.
func among(name string, known []string) string {
	if near := model.Nearest(name, known, 3); len(near) > 0 {
		return "; nearest: " + strings.Join(near, ", ")
	}
	return "; there are " + list(known)
}

package model

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Traits are what a model, or the server that runs it, cannot do or wants otherwise. The zero Traits are those of a model
// that takes everything its dialect has. Traits are shared: callers must not change what they point to.
type Traits struct {
	// Not are the features that the model or its server rejects or ignores. Can are those that it has although its dialect in general
	// has not. No feature is in both.
	Not, Can Features
	// Renames are top-level members of a request that the server knows by another name.
	Renames []Rename

	// MaxTemperature is the highest temperature that is taken; 0 leaves it to the dialect.
	MaxTemperature float64
	// MaxStop is the largest number of stop sequences; 0 leaves it to the dialect.
	MaxStop int
	// Efforts are the levels of effort that are taken, from the lowest; nil for all.
	Efforts []string
	// MinBudget and MaxBudget bound a budget for thinking, in tokens; 0 for no bound.
	MinBudget, MaxBudget int64
	// MaxOutput is the largest max_tokens that is taken; 0 if unknown. Table.Traits fills it in from the price table.
	MaxOutput int64
	// ToolIDs is the exact length that ids of tool calls must have, of letters and digits; 0 for no such rule.
	ToolIDs int
	// BoundThinking says that signatures of thinking hold for the model that made them only.
	BoundThinking bool
	// CallSignature stands in for the signature of a tool call that the model did not make itself, where it refuses calls without.
	CallSignature string
	// OneSampling says that temperature and top_p are refused together.
	OneSampling bool
	// SamplingWhenOff says that temperature, top_p and logprobs are rejected only while the model thinks.
	SamplingWhenOff bool
}

// Rename is a member of a request that goes by another name.
type Rename struct{ From, To string }

// TraitsOf returns the traits of a model at an account of a kind (the api of its configuration: "openai", "groq", ...). It is the
// sum of the rows of traits.tsv that match, in their order, so that a later row may take back what an earlier one says. It walks
// the table and allocates: callers keep the result for as long as their configuration lives.
func TraitsOf(api, name string) Traits {
	var t Traits
	name = strings.TrimPrefix(name, "models/") // how Gemini's API names its own
	for i := range traitRows() {
		if r := &traitRows()[i]; r.matches(api, name) {
			r.apply(&t)
		}
	}
	return t
}

// Traits returns TraitsOf, with MaxOutput from the price table where no row states it. provider is the one that Lookup is asked for.
func (t *Table) Traits(api, provider, name string) Traits {
	out := TraitsOf(api, name)
	if out.MaxOutput == 0 {
		if i, ok := t.Lookup(provider, name); ok {
			out.MaxOutput = i.MaxOutput
		}
	}
	return out
}

// traitTable has one row a line, fields separated by tabs: kinds of accounts and names of models, each a list of patterns separated by
// commas; what holds for them; the source; and the day it was true. Lines that begin with # are comments.
//
//go:embed traits.tsv
var traitTable string

// traitRows are the rows of the table. They are read once.
var traitRows = sync.OnceValue(func() []traitRow {
	rows, err := parseTraits(traitTable)
	if err != nil {
		panic("BUG: model: embedded traits: " + err.Error())
	}
	return rows
})

type traitRow struct {
	apis, models []string
	set          []traitSetting
	source, asOf string
}

// traitSetting is one word of a row: a key and what follows its equals sign.
type traitSetting func(*Traits)

func (r *traitRow) matches(api, name string) bool {
	matches := func(s string) func(string) bool { return func(p string) bool { return Match(p, s) } }
	return slices.ContainsFunc(r.apis, matches(api)) && slices.ContainsFunc(r.models, matches(name))
}

func (r *traitRow) apply(t *Traits) {
	for _, set := range r.set {
		set(t)
	}
}

func parseTraits(text string) ([]traitRow, error) {
	var rows []traitRow
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("read line %d: it has %d fields, want 5", n, len(f))
		}
		r := traitRow{apis: strings.Split(f[0], ","), models: strings.Split(f[1], ","), source: f[3], asOf: f[4]}
		for _, word := range strings.Fields(f[2]) {
			set, err := parseSetting(word)
			if err != nil {
				return nil, fmt.Errorf("read line %d: %w", n, err)
			}
			r.set = append(r.set, set)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func parseSetting(word string) (traitSetting, error) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "not", "can":
		set, err := parseFeatures(value)
		if key == "can" {
			return func(t *Traits) { t.Not, t.Can = t.Not&^set, t.Can|set }, err
		}
		return func(t *Traits) { t.Not, t.Can = t.Not|set, t.Can&^set }, err
	case "rename":
		from, to, ok := strings.Cut(value, ":")
		if !ok {
			return nil, fmt.Errorf("%q is not from:to", word)
		}
		return func(t *Traits) { t.rename(from, to) }, nil
	case "efforts":
		levels := strings.Split(value, ",")
		if value == "all" {
			levels = nil
		}
		return func(t *Traits) { t.Efforts = levels }, nil
	case "budget":
		low, high, ok := strings.Cut(value, "-")
		least, err := strconv.ParseInt(low, 10, 64)
		most, err2 := strconv.ParseInt(high, 10, 64)
		if !ok || err != nil || err2 != nil && high != "" {
			return nil, fmt.Errorf("%q is no range", word)
		}
		return func(t *Traits) { t.MinBudget, t.MaxBudget = least, most }, nil
	case "bound_thinking":
		return func(t *Traits) { t.BoundThinking = true }, nil
	case "call_signature":
		return func(t *Traits) { t.CallSignature = value }, nil
	case "one_sampling":
		return func(t *Traits) { t.OneSampling = true }, nil
	case "sampling_when_off":
		return func(t *Traits) { t.SamplingWhenOff = true }, nil
	case "max_temperature":
		v, err := strconv.ParseFloat(value, 64)
		return func(t *Traits) { t.MaxTemperature = v }, err
	}
	return parseCount(key, value)
}

// parseCount reads the settings that are whole numbers.
func parseCount(key, value string) (traitSetting, error) {
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("unknown setting %q, or %q is no number", key, value)
	}
	switch key {
	case "max_stop":
		return func(t *Traits) { t.MaxStop = int(v) }, nil
	case "max_output":
		return func(t *Traits) { t.MaxOutput = v }, nil
	case "tool_ids":
		return func(t *Traits) { t.ToolIDs = int(v) }, nil
	}
	return nil, fmt.Errorf("unknown setting %q", key)
}

// rename adds a new name, in place of another one for the same member, or one for the opposite way.
func (t *Traits) rename(from, to string) {
	t.Renames = slices.DeleteFunc(slices.Clone(t.Renames), func(r Rename) bool { return r.From == from || r.From == to && r.To == from })
	t.Renames = append(t.Renames, Rename{from, to})
}

// parseFeatures reads a list of features. sampling stands for temperature, top_p and top_k, penalties for both.
func parseFeatures(list string) (set Features, err error) {
	for _, name := range strings.Split(list, ",") {
		switch name {
		case "sampling":
			set |= Of(Temperature, TopP, TopK)
		case "penalties":
			set |= Of(FrequencyPenalty, PresencePenalty)
		case "thinking":
			set |= Of(Effort, Budget, AdaptiveThinking, ThinkingOff, ThinkingSummary)
		case "images":
			set |= Of(ImageData, ImageURL, ToolImages)
		case "files":
			set |= Of(FileData, FileURL, FileID)
		default:
			f, err := ParseFeature(name)
			if err != nil {
				return 0, err
			}
			set |= Of(f)
		}
	}
	return set, nil
}

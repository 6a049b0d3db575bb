package model

// Traits are what a model, or the server that runs it, cannot do or wants otherwise. The zero Traits are those of a model
// that takes everything its dialect has. Traits are shared: callers must not change what they point to.
type Traits struct {
	// Not are the features that the model or its server rejects.
	Not Features
	// Renames are top-level members of a request that the server knows by another name.
	Renames []Rename
	// Drops are top-level members that the server refuses and that are no Feature.
	Drops []string

	// MaxTemperature is the highest temperature that is taken; 0 leaves it to the dialect.
	MaxTemperature float64
	// MaxStop is the largest number of stop sequences; 0 leaves it to the dialect.
	MaxStop int
	// Efforts are the levels of effort that are taken, from the lowest; nil for all.
	Efforts []string
	// MinBudget and MaxBudget bound a budget for thinking, in tokens; 0 for no bound.
	MinBudget, MaxBudget int64
	// MaxOutput is the largest max_tokens that is taken; 0 if unknown.
	MaxOutput int64
	// DefaultOutput is the max_tokens for a request without one, where the dialect must have one; 0 leaves it to Adapt.
	DefaultOutput int64
	// ToolIDs is the exact length that ids of tool calls must have, of letters and digits; 0 for no such rule.
	ToolIDs int
	// BoundThinking says that signatures of thinking hold for the model that made them only.
	BoundThinking bool
}

// Rename is a member of a request that goes by another name.
type Rename struct{ From, To string }

// Zero reports whether t restricts nothing that a request in the model's own dialect could contain, so that the request need not be
// looked at.
func (t *Traits) Zero() bool {
	return t == nil || t.Not == 0 && len(t.Renames) == 0 && len(t.Drops) == 0
}

// TraitsOf returns the traits of a model at an account of a kind (the api of its configuration: "openai", "groq", ...). It is the
// sum of the rows of traits.tsv that match, in their order. It allocates: callers keep the result for as long as their
// configuration lives.
func TraitsOf(api, name string) Traits { return Traits{} }

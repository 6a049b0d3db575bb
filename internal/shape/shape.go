// Package shape says whether an answer has the form that its request demands: JSON, a JSON schema, or the arguments of a tool. It is pure.
package shape

import "sluice/internal/llm"

// Form is what a request demands of the text of its answer and of the arguments of its tools. It is safe for concurrent use.
type Form struct{}

// New returns the form that a request demands; nil if it demands none. With schema, JSON schemas count, otherwise only that the text can be
// parsed. A schema that cannot be used itself is left out: that is for the provider to judge.
func New(format *llm.Format, tools []llm.Function, schema bool) *Form { return nil }

// Check returns what is wrong with a choice that the model has ended by itself (FinishStop, FinishTools): an error of KindInvalidOutput
// whose message names the place. A refusal, an answer cut at its length, and text next to tool calls are let through.
func (f *Form) Check(c *llm.Choice) *llm.Error { return nil }

// Mend returns text with what models put around JSON taken away (a code fence, a sentence before or after), if what is left has
// the form; ok is false otherwise. It never changes the JSON itself.
func (f *Form) Mend(text string) (mended string, ok bool) { return "", false }

// Stricter returns the turns that ask for the answer again: what the model has said, and what was wrong with it.
func (f *Form) Stricter(c *llm.Choice, e *llm.Error) []llm.Turn { return nil }

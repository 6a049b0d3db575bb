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

// Instruction returns the instruction that another attempt is given after fault, what Check found.
func (f *Form) Instruction(fault *llm.Error) string { return "" }

// Text reports whether the form demands anything of the answer's text.
func (f *Form) Text() bool { return false }

// Cache makes forms, and keeps the schemas that it compiled for them. The zero value is ready. It is safe for concurrent use.
type Cache struct{}

// Form returns the form that a request demands, as New does.
func (c *Cache) Form(format *llm.Format, tools []llm.Function, schema bool) *Form {
	return New(format, tools, schema)
}

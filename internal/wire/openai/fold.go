package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// folding adds up a stream; see wire.Fold.
type folding struct{ op llm.Op }

// NewFold returns what adds up a streamed chat or legacy completion to the whole answer.
func NewFold(op llm.Op) wire.Fold { return &folding{op: op} }

// Add takes an event.
func (f *folding) Add(_, _ []byte) {}

// Append appends the answer.
func (f *folding) Append(dst []byte) (answer []byte, ok bool) { return dst, false }

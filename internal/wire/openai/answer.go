package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Answer is what Sluice reads of a whole answer.
type Answer struct {
	Usage       llm.Usage
	HasUsage    bool
	Complete    bool      // every choice has a finish reason; embeddings: the data is there
	Model       wire.Span // value of model, with its quotes; empty if there is none
	OutputBytes int
}

// ScanAnswer validates the body of a 200 answer that is not a stream, and reads it.
func ScanAnswer(op llm.Op, body []byte) (Answer, *llm.Error) { return Answer{}, nil }

// AppendAnswer appends body with its model name replaced.
func (a *Answer) AppendAnswer(dst, body []byte, model string) []byte { return append(dst, body...) }

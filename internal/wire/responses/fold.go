package responses

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// NewFold returns what takes the answer out of its stream: the terminal event has all of it, as the provider would have sent it whole.
func NewFold(llm.Op) wire.Fold { return new(folding) }

type folding struct {
	frame  frame
	answer []byte
	ok     bool
}

// Add takes an event. Of one whose name says that it is not terminal nothing is read.
func (f *folding) Add(name, data []byte) {
	if f.ok || !isTerminal(name) && bytes.HasPrefix(name, []byte("response.")) {
		return
	}
	if !f.frame.read(data) || !isTerminal(f.frame.name(data)) || f.frame.response.Len() == 0 {
		return
	}
	f.answer, f.ok = append(f.answer[:0], f.frame.response.Of(data)...), true
}

// isTerminal reports whether an event of a name ends the stream and has the whole answer.
func isTerminal(name []byte) bool {
	switch string(name) {
	case "response.completed", "response.incomplete", "response.failed":
		return true
	}
	return false
}

// Append appends the answer, byte for byte as the terminal event has it. ok is false if there was none.
func (f *folding) Append(dst []byte) (answer []byte, ok bool) { return append(dst, f.answer...), f.ok }

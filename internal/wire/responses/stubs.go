package responses

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadChat reads a whole request for its translation.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	return nil, llm.Errorf(llm.KindInternal, "not read")
}

// AppendAnswer appends a whole answer for a client.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte { return dst }

// NewWriter returns a writer of one streamed answer for a client.
func NewWriter(h *llm.Head) llm.EventWriter { return nil }

// AppendChat appends a request for a target.
func AppendChat(dst []byte, c *llm.Chat) []byte { return dst }

// ReadAnswer reads a whole answer of a target.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	return nil, llm.Errorf(llm.KindInternal, "not read")
}

// NewReader returns a reader of one streamed answer of a target.
func NewReader() llm.EventReader { return nil }

// NewFollower returns a follower of streams that are forwarded.
func NewFollower() wire.Follower { return nil }

// Scan validates a whole answer that is forwarded, and reads it.
func Scan(op llm.Op, body []byte) (wire.Answer, *llm.Error) {
	return wire.Answer{}, llm.Errorf(llm.KindInternal, "not read")
}

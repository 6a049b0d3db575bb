package gemini

import (
	"sluice/internal/llm"
)

// ReadChat reads a chat request.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) { return nil, bad("", "not yet") }

// AppendAnswer appends a whole answer.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte { return dst }

// NewWriter returns a writer.
func NewWriter(h *llm.Head) llm.EventWriter { return nil }

// AppendChat appends a chat request.
func AppendChat(dst []byte, c *llm.Chat) []byte { return dst }

// ReadAnswer reads a whole answer.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) { return nil, bad("", "not yet") }

// NewReader returns a reader.
func NewReader() llm.EventReader { return nil }

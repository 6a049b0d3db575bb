package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Request is what Sluice reads of a request body, and the places that it may change.
type Request struct {
	Model        string
	Stream       bool
	IncludeUsage bool  // stream_options.include_usage
	Choices      int   // choices to expect in the answer, at least 1
	MaxTokens    int64 // max_completion_tokens, or max_tokens; 0 if there is no limit
	User         string
	ServiceTier  string
	Inputs       int // embeddings: number of inputs
	InputBytes   int // text of the input, for an estimate of tokens

	model wire.Span
}

// ParseRequest validates body and reads it.
func ParseRequest(op llm.Op, body []byte) (Request, *llm.Error) { return Request{}, nil }

// AppendUpstream appends the body that the provider is sent.
func (r *Request) AppendUpstream(dst, body []byte, model string, injectUsage bool) []byte {
	return append(dst, body...)
}

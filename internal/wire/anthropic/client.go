package anthropic

import (
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Client is the client's end of the protocol: it words requests and reads answers. It has no state, so that many
// goroutines may use it at once.
type Client struct{}

// Name is the dialect's name in configuration.
func (Client) Name() string { return llm.Anthropic.String() }

// Path returns the path below the base URL, which ends in the version.
func (Client) Path(*llm.Prompt) string { return "/messages" }

// Authorize sets the headers of a request with a JSON body. An empty key sends none.
func (Client) Authorize(h http.Header, key llm.Secret) {
	h.Set("Content-Type", "application/json")
	h.Set("Anthropic-Version", Version)
	if !key.Empty() {
		h.Set("X-Api-Key", key.Reveal())
	}
}

// Error classifies an answer whose status is not 200, as ClassifyError does.
func (Client) Error(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	return ClassifyError(status, h, body, now)
}

// Limits reads the quota headers of an answer.
func (Client) Limits(h http.Header) llm.RateLimits { return Limits(h) }

// AppendRequest appends the body that asks for p. The protocol has no way to ask for an exact number of tokens.
func (Client) AppendRequest(dst []byte, p *llm.Prompt) []byte {
	c := llm.Chat{Model: p.Model, MaxTokens: p.Output, Stream: p.Stream, Choices: 1}
	for i := range p.Messages {
		t := llm.Turn{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: p.Messages[i].Text}}}
		switch p.Messages[i].Role {
		case "system", "developer":
			t.Role = llm.RoleSystem
		case "assistant":
			t.Role = llm.RoleAssistant
		}
		c.Messages = append(c.Messages, t)
	}
	for i := range p.Tools {
		c.Tools = append(c.Tools, llm.Function{Name: p.Tools[i].Name, Description: p.Tools[i].Description, Parameters: p.Tools[i].Parameters})
	}
	if p.Schema != "" {
		c.Format = llm.Format{Kind: llm.FormatSchema, Schema: p.Schema}
	}
	return AppendChat(dst, &c)
}

// Answer reads a 200 answer that was not streamed. The error is nil only for a complete one: one without a stop reason is of
// KindTruncated, as in a stream.
func (Client) Answer(op llm.Op, body []byte) (llm.Usage, *llm.Error) {
	a, err := Scan(op, body)
	if err != nil {
		return llm.Usage{}, err
	}
	return a.Outcome("stop_reason, or no content")
}

// Stream returns a reader for streamed answers.
func (Client) Stream(llm.Op) llm.StreamReader {
	return wire.NewClientStream(new(Stream), "a stop_reason")
}

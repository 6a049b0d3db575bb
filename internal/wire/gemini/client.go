package gemini

import (
	"net/http"
	"net/url"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Client is the client's end of the protocol for the load engine: it words requests and reads answers. It has no state, so
// that many goroutines may use it at once.
type Client struct{}

// Name is the dialect's name in configuration.
func (Client) Name() string { return llm.Gemini.String() }

// Path returns the path of the prompt's operation below the base URL, which ends in the version.
func (Client) Path(p *llm.Prompt) string {
	path := "/models/" + url.PathEscape(p.Model)
	switch {
	case p.Op == llm.OpEmbedding:
		return path + ":batchEmbedContents"
	case p.Op == llm.OpCountTokens:
		return path + ":countTokens"
	case p.Stream:
		return path + ":streamGenerateContent?alt=sse"
	default:
		return path + ":generateContent"
	}
}

// Authorize sets the headers of a request with a JSON body. An empty key sends none.
func (Client) Authorize(h http.Header, key llm.Secret) {
	h.Set("Content-Type", "application/json")
	if !key.Empty() {
		h.Set("X-Goog-Api-Key", key.Reveal())
	}
}

// Error classifies an answer whose status is not 200, as ClassifyError does.
func (Client) Error(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	return ClassifyError(status, h, body, now)
}

// Limits reads the quota headers of an answer: there are none.
func (Client) Limits(h http.Header) llm.RateLimits { return Limits(h) }

// AppendRequest appends the body that asks for p. The API has no way to ask for an exact number of tokens.
func (Client) AppendRequest(dst []byte, p *llm.Prompt) []byte {
	if p.Op == llm.OpEmbedding {
		e := llm.Embed{Model: p.Model, Inputs: make([]llm.EmbedInput, len(p.Messages))}
		for i := range p.Messages {
			e.Inputs[i].Text = p.Messages[i].Text
		}
		return AppendEmbed(dst, &e)
	}
	c := llm.Chat{Model: p.Model, Choices: 1, MaxTokens: p.Output}
	for i := range p.Messages {
		c.Messages = append(c.Messages, llm.Turn{Role: roleOf(p.Messages[i].Role), Parts: []llm.Part{{Kind: llm.PartText, Text: p.Messages[i].Text}}})
	}
	for i := range p.Tools {
		t := &p.Tools[i]
		c.Tools = append(c.Tools, llm.Function{Name: t.Name, Description: t.Description, Parameters: t.Parameters})
	}
	if p.Schema != "" {
		c.Format = llm.Format{Kind: llm.FormatSchema, Schema: p.Schema}
	}
	if p.Op == llm.OpCountTokens {
		return AppendCountRequest(dst, &c)
	}
	return AppendChat(dst, &c)
}

// roleOf returns the role of a name in OpenAI's words.
func roleOf(name string) llm.Role {
	switch name {
	case "system":
		return llm.RoleSystem
	case "developer":
		return llm.RoleDeveloper
	case "assistant", "model":
		return llm.RoleAssistant
	}
	return llm.RoleUser
}

// Answer reads a 200 answer that was not streamed. The error is nil only for a complete one: one without finish reason is
// of KindTruncated, as in a stream.
func (Client) Answer(op llm.Op, body []byte) (llm.Usage, *llm.Error) {
	a, err := Scan(op, body)
	if err != nil {
		return llm.Usage{}, err
	}
	return a.Outcome("finish reason, or no data")
}

// Stream returns a reader for streamed answers.
func (Client) Stream(llm.Op) llm.StreamReader {
	return wire.NewClientStream(new(Stream), "a finish reason")
}

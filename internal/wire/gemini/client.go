package gemini

import (
	"net/http"
	"net/url"
	"time"

	"sluice/internal/llm"
	"sluice/internal/model"
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
	u := a.Usage
	if !a.HasUsage {
		u = llm.Usage{Output: model.EstimateTokens(a.OutputBytes), Estimated: true}
	}
	if !a.Complete {
		return u, llm.Errorf(llm.KindTruncated, "provider's answer has no finish reason, or no data")
	}
	return u, nil
}

// Stream returns a reader for streamed answers.
func (Client) Stream(llm.Op) llm.StreamReader {
	r := new(streamReader)
	r.Reset()
	return r
}

// streamReader follows a stream by the gateway's own follower, so that both have one law of what a complete answer is.
type streamReader struct{ s Stream }

// Reset begins another answer.
func (r *streamReader) Reset() { r.s.Reset(wire.FollowOptions{}) }

// Observe looks at one event.
func (r *streamReader) Observe(name, data []byte) llm.Seen {
	// Whether an event has content is told by whether it sets the flags, which are otherwise of the whole stream.
	r.s.Content, r.s.Text = false, false
	ev := wire.Event{Name: name, Data: data, At: -1}
	r.s.Observe(&ev)
	var seen llm.Seen
	switch {
	case r.s.Text:
		seen = llm.SawText
	case r.s.Content:
		seen = llm.SawReasoning
	}
	if r.s.Done {
		seen |= llm.SawEnd
	}
	if r.s.Err != nil {
		seen |= llm.SawError
	}
	return seen
}

// End says what the stream amounts to.
func (r *streamReader) End() (llm.Usage, *llm.Error) {
	u := r.s.Usage
	if !r.s.HasUsage {
		u = llm.Usage{Output: model.EstimateTokens(r.s.OutputBytes), Estimated: true}
	}
	switch {
	case r.s.Err != nil:
		return u, r.s.Err
	case !r.s.Finished() && r.s.Malformed > 0:
		return u, llm.Errorf(llm.KindTruncated, "provider's stream ended without a finish reason; %d of its events were malformed", r.s.Malformed)
	case !r.s.Finished():
		return u, llm.Errorf(llm.KindTruncated, "provider's stream ended without a finish reason")
	}
	return u, nil
}

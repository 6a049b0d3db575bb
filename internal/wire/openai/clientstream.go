package openai

import (
	"net/http"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Stream returns a reader for streamed answers. Chat and completions are told apart by what they say.
func (Client) Stream(llm.Op) llm.StreamReader {
	r := new(streamReader)
	r.Reset()
	return r
}

// streamReader follows a stream by the gateway's own reader, so that both have one law of what a complete answer is.
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

// Limits reads the quota headers of an answer, as the package's Limits does.
func (Client) Limits(h http.Header) llm.RateLimits { return Limits(h) }

package wire

import (
	"sluice/internal/llm"
	"sluice/internal/model"
)

// ClientStream is the client's end of a streamed answer, as llm.StreamReader. It follows the stream by the follower that the
// gateway uses, so that both have one law of what a complete answer is.
type ClientStream struct {
	f    Follower
	seen *Progress // the follower's
	ends string
	ev   Event // of Observe; it stands here so that it is not allocated for each event
}

// NewClientStream returns a reader that follows by f, which is its own from then on. ends names what a complete answer ends with, for
// the error of one that does not: "a finish reason".
func NewClientStream(f Follower, ends string) *ClientStream {
	s := &ClientStream{f: f, seen: f.State(), ends: ends}
	s.Reset()
	return s
}

// Reset begins another answer.
func (s *ClientStream) Reset() { s.f.Reset(FollowOptions{}) }

// Observe looks at one event.
func (s *ClientStream) Observe(name, data []byte) llm.Seen {
	// Whether an event has content is told by whether it sets the flags, which are otherwise of the whole stream.
	s.seen.Content, s.seen.Text = false, false
	s.ev = Event{Name: name, Data: data, At: -1}
	s.f.Observe(&s.ev)
	var seen llm.Seen
	switch {
	case s.seen.Text:
		seen = llm.SawText
	case s.seen.Content:
		seen = llm.SawReasoning
	}
	if s.seen.Done {
		seen |= llm.SawEnd
	}
	if s.seen.Err != nil {
		seen |= llm.SawError
	}
	return seen
}

// End says what the stream amounts to.
func (s *ClientStream) End() (llm.Usage, *llm.Error) {
	u := usageOr(s.seen.Usage, s.seen.HasUsage, s.seen.OutputBytes)
	switch {
	case s.seen.Err != nil:
		return u, s.seen.Err
	case s.f.Finished():
		return u, nil
	case s.seen.Malformed > 0:
		return u, llm.Errorf(llm.KindTruncated, "provider's stream ended without %s; %d of its events were malformed", s.ends, s.seen.Malformed)
	}
	return u, llm.Errorf(llm.KindTruncated, "provider's stream ended without %s", s.ends)
}

// Outcome says what a whole answer amounts to at the client's end: its usage, estimated where it has none, and an error of
// KindTruncated, as in a stream, if it is not complete. lacks names what is then missing: "finish reason, or no data".
func (a *Answer) Outcome(lacks string) (llm.Usage, *llm.Error) {
	u := usageOr(a.Usage, a.HasUsage, a.OutputBytes)
	if !a.Complete {
		return u, llm.Errorf(llm.KindTruncated, "provider's answer has no %s", lacks)
	}
	return u, nil
}

// usageOr returns u if the provider has stated it, or else an estimate from the size of the output.
func usageOr(u llm.Usage, stated bool, outputBytes int) llm.Usage {
	if stated {
		return u
	}
	return llm.Usage{Output: model.EstimateTokens(outputBytes), Estimated: true}
}

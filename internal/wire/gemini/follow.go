package gemini

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// keepScratch is the size over which a scratch buffer is given back after use.
const keepScratch = 16 << 10

// Stream follows one streamed answer that is forwarded. It is used by one goroutine, and is ready after Reset. It is a
// wire.Follower.
//
// The protocol has no end of its own: a stream is complete when the connection ends and each candidate has its finish
// reason, or the prompt was blocked. go-genai fails at any line that does not begin with data:, so comments and event names
// are left out, and it cuts a stream at LF LF before it looks for CR LF CR LF, so that the two may not be mixed: every
// event leaves with one data line and LFs (iterateResponseStream and scan of go-genai 1.77.0).
type Stream struct {
	wire.Progress

	options wire.FollowOptions
	array   bool // the client gets a JSON array in place of events
	begun   bool // its bracket has been sent
	seen    indexes
	ended   indexes
	blocked bool    // the prompt was
	scratch []byte  // bytes of the last event that was changed
	trails  *trails // what pieces are made by, and a resumption; nil until they are asked for
}

// indexes is a set of candidates.
type indexes struct {
	bits [maxCandidates / 64]uint64
	n    int
}

// has reports whether i is in the set.
func (s *indexes) has(i int) bool { return s.bits[i/64]>>(i%64)&1 != 0 }

func (s *indexes) add(i int) {
	if bit := uint64(1) << (i % 64); s.bits[i/64]&bit == 0 {
		s.bits[i/64] |= bit
		s.n++
	}
}

// NewFollower returns a follower of streams that are forwarded as events.
func NewFollower() wire.Follower { return new(Stream) }

// NewArrayFollower returns a follower for clients that asked for a stream without alt=sse: what they get is one JSON array,
// whose elements come one after the other. The provider is asked for events all the same.
func NewArrayFollower() wire.Follower { return &Stream{array: true} }

// Reset begins the stream of an answer.
func (s *Stream) Reset(o wire.FollowOptions) {
	*s = Stream{options: o, array: s.array, scratch: s.scratch[:0], trails: s.trails, Progress: wire.Progress{Pieces: s.Pieces[:0]}}
	if o.Pieces && s.trails == nil {
		s.trails = new(trails)
	}
	if s.trails != nil {
		s.trails.reset()
	}
}

// State returns what was seen so far.
func (s *Stream) State() *wire.Progress { return &s.Progress }

// Finished reports whether every candidate that was seen has its finish reason, and there is one; or the prompt was blocked, which is
// an answer too.
func (s *Stream) Finished() bool {
	switch {
	case s.Err != nil:
		return false
	case s.seen.n == 0:
		return s.blocked
	}
	return s.ended.n == s.seen.n
}

// Observe reads an event and says what to do with it. Nothing is allocated in the long run. An event counts as a whole or
// not at all.
func (s *Stream) Observe(ev *wire.Event) wire.Action {
	s.Pieces = s.Pieces[:0]
	if cap(s.scratch) > keepScratch {
		s.scratch = nil
	}
	if s.Done || s.Err != nil {
		return wire.Drop
	}
	if ev.Comment {
		if e := bareError(ev.Raw); e != nil {
			s.Err = e
		}
		return wire.Drop
	}
	var c chunk
	if !c.read(ev.Data) {
		return s.odd(ev)
	}
	if c.isError {
		s.Err = streamError(ev.Data)
		return wire.Drop
	}
	s.account(&c, ev.Data)
	if s.options.Pieces {
		s.gather(&c, ev.Data) // frame leaves the data where they are
	}
	s.frame(&c, ev)
	return wire.Forward
}

// odd decides on data that is no JSON object.
func (s *Stream) odd(ev *wire.Event) wire.Action {
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(ev.Data), []byte("[DONE]")):
		s.Done = true // of servers that mix the protocols; go-genai fails at it
	case begins(ev.Data, '['):
		if d := readDetail(ev.Data); d.found {
			s.Err = streamError(ev.Data)
			break
		}
		s.Malformed++
	default:
		s.Malformed++
	}
	return wire.Drop
}

// account adds a chunk that is well formed and no error.
func (s *Stream) account(c *chunk, data []byte) {
	if c.usage.Len() > 0 {
		if u, tier, ok := readUsage(c.usage.Of(data)); ok {
			s.Usage, s.HasUsage = u, true
			if tier != "" {
				s.Tier = tier
			}
		}
	}
	s.blocked = s.blocked || c.blocked.Len() > 0
	c.each(data, s.add)
}

func (s *Stream) add(one sight) {
	s.seen.add(one.index)
	if one.ended {
		s.ended.add(one.index)
	}
	s.Content = s.Content || one.content
	s.Text = s.Text || one.text
	s.OutputBytes += one.bytes
}

// frame gives the event the form in which it leaves, with the model's name that the client is to see.
func (s *Stream) frame(c *chunk, ev *wire.Event) {
	rename := s.options.Model != "" && c.model.Len() > 0 && !wire.EqualString(c.model.Of(ev.Data), s.options.Model)
	head, tail := "data: ", "\n\n"
	if s.array {
		head, tail = s.separator(), ""
	}
	end := ev.At + len(ev.Data)
	if !rename && ev.At >= len(head) && len(ev.Raw) >= end+len(tail) {
		raw := ev.Raw[ev.At-len(head) : end+len(tail)]
		copy(raw, head)
		copy(raw[len(head)+len(ev.Data):], tail)
		ev.At, ev.Raw = len(head), raw
		return
	}
	out := append(s.scratch[:0], head...)
	if rename {
		out = append(out, ev.Data[:c.model.Start]...)
		out = wire.AppendString(out, s.options.Model)
		out = append(out, ev.Data[c.model.End:]...)
	} else {
		out = append(out, ev.Data...)
	}
	if !s.array { // data of several lines becomes one: JSON has line ends only between its tokens
		oneLine(out[len(head):])
	}
	end = len(out)
	out = append(out, tail...)
	s.scratch, ev.Raw, ev.Data, ev.At = out, out, out[len(head):end], len(head)
}

// oneLine replaces line ends by spaces.
func oneLine(b []byte) {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}

// separator returns what stands in front of the array's next element.
func (s *Stream) separator() string {
	if !s.begun {
		s.begun = true
		return "["
	}
	return ",\n"
}

// End appends the array's end; a stream of events has none.
func (s *Stream) End(dst []byte) []byte {
	switch {
	case !s.array:
		return dst
	case !s.begun:
		return append(dst, '[', ']')
	}
	return append(dst, ']')
}

// Fail appends an error. Both SDKs take an event with data of that form as the stream's failure (go-genai 1.77.0; @google/genai 3.1.0, where a bare
// line is seen only if it comes in a read of its own).
func (s *Stream) Fail(dst []byte, e *llm.Error) []byte {
	if s.array {
		dst = append(dst, s.separator()...)
		dst, _ = AppendError(dst, e, s.options.ID)
		return append(dst, ']')
	}
	return appendStreamError(dst, e, s.options.ID)
}

// Scan validates the body of a 200 answer that is not a stream, and reads it. The error is of KindBadAnswer if the body is no JSON
// object; an error object in the body is classified, with KindProviderStream for what says nothing more.
func Scan(op llm.Op, body []byte) (wire.Answer, *llm.Error) {
	var c chunk
	var a wire.Answer
	seen, ended := 0, 0
	switch {
	case !c.read(body):
		return wire.Answer{}, noObject(body)
	case c.isError:
		return wire.Answer{}, streamError(body)
	}
	c.each(body, func(s sight) {
		a.OutputBytes += s.bytes
		seen++
		if s.ended {
			ended++
		}
	})
	a.Model = c.model
	if c.usage.Len() > 0 {
		a.Usage, a.Tier, a.HasUsage = readUsage(c.usage.Of(body))
	}
	switch op {
	case llm.OpEmbedding:
		a.Complete = c.vectors
	case llm.OpCountTokens:
		a.Complete = c.tokens
	default:
		a.Complete = seen > 0 && ended == seen || seen == 0 && c.blocked.Len() > 0
	}
	return a, nil
}

// noObject returns the error for a body that is no JSON object.
func noObject(body []byte) *llm.Error {
	if d := readDetail(body); d.json && d.found {
		return streamError(body) // an array with an error object in it
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is empty")
	}
	var sc wire.Scanner
	sc.Reset(body)
	if k := sc.Kind(); k != wire.Invalid && wire.Valid(body) {
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is %s; it must be a JSON object", k)
	}
	return llm.Errorf(llm.KindBadAnswer, "provider's answer is not JSON: %s", wire.Plain(body))
}

// AppendPing appends what ends an event that has no lines: both official SDKs skip it, while go-genai 1.77.0 fails on comments, on other events and on
// a single line end, and takes an event with an empty object for a piece of the answer (read and tried 2026-11-21).
func AppendPing(dst []byte) []byte { return append(dst, "\n\n"...) }

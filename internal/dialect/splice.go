package dialect

import (
	"bytes"

	"sluice/internal/llm"
)

// Splice says how a stream is gone on with where another has broken off. What both make together is one answer: the second begins where
// the first ended, and what it repeats is left out.
type Splice struct {
	// Writer is that of the client's stream, in the state in which the stream was left. Open says that its last part has not ended.
	Writer llm.EventWriter
	Open   bool
	// Sofar is what the client has of the answer: one choice, whose last part may not be whole.
	Sofar *llm.Answer
	// Restart says that the stream begins the answer anew: what the client has is left out, if it is the same, and otherwise the stream
	// ends with an error of KindMismatch. Without it the stream goes on from Sofar.
	Restart bool
	// Exact says that the model was given Sofar as its own words to go on with (prefill), so that it hardly repeats any.
	Exact bool
	// Trimmed says that it was given them without the white space at their end.
	Trimmed bool
	// Before is what the parts of the answer before this one have used: the client is told the sum.
	Before llm.Usage
}

// splicer is an EventWriter that turns the events of a stream into those that go on with another one.
type splicer struct {
	o     *Splice
	w     llm.EventWriter
	open  bool
	kind  llm.PartKind // of the open part
	skip  bool         // the part under way is left out
	mixed bool         // the part under way is thinking of two models' or attempts': no signature holds for it
	err   *llm.Error

	// Of a stream that goes on.
	sofar  []byte // text of the last part, if that is text
	begun  bool   // its text has begun
	joined bool   // it is decided where its new text begins
	held   []byte // text until then
	e      llm.Event

	// Of a stream that begins anew: parts that have to come again.
	expect []llm.Part
	at     int    // in the text of expect[0]
	inside bool   // the part under way is expect[0]
	call   []byte // arguments of the call under way, which are compared when they are whole
}

func newSplicer(o *Splice, w llm.EventWriter) *splicer {
	s := &splicer{o: o, w: w, open: o.Open}
	if len(o.Sofar.Choices) == 0 {
		return s
	}
	parts := o.Sofar.Choices[0].Parts
	if len(parts) > 0 {
		last := &parts[len(parts)-1]
		s.kind = last.Kind
		if last.Kind == llm.PartText {
			s.sofar = []byte(last.Text)
		}
	}
	if o.Restart {
		for _, p := range parts {
			if p.Kind == llm.PartText && p.Text != "" || p.Kind == llm.PartToolCall || p.Kind == llm.PartRefusal && p.Text != "" {
				s.expect = append(s.expect, p)
			}
		}
	}
	return s
}

// Write appends what an event becomes.
func (s *splicer) Write(dst []byte, e *llm.Event) []byte {
	if s.err != nil || e.Choice != 0 {
		return dst
	}
	switch e.Kind {
	case llm.EventStart:
		return dst
	case llm.EventUsage:
		return s.usage(dst, e)
	case llm.EventPart:
		return s.part(dst, e)
	case llm.EventDelta:
		return s.delta(dst, e)
	case llm.EventPartEnd:
		return s.partEnd(dst, e)
	case llm.EventFinish:
		if len(s.expect) > 0 {
			return s.mismatch(dst, "ends before")
		}
		dst = s.join(dst)
		return s.w.Write(s.endPart(dst), e)
	default:
		return s.w.Write(dst, e)
	}
}

func (s *splicer) usage(dst []byte, e *llm.Event) []byte {
	s.e = *e
	if e.Usage != nil {
		u := s.o.Before.Plus(*e.Usage)
		s.e.Usage = &u
	}
	return s.w.Write(dst, &s.e)
}

// thought reports whether a part is thinking.
func thought(k llm.PartKind) bool { return k == llm.PartThinking || k == llm.PartRedacted }

// onlyThought reports whether the client has nothing but thinking.
func (s *splicer) onlyThought() bool { return thought(s.kind) || s.kind == 0 }

func (s *splicer) part(dst []byte, e *llm.Event) []byte {
	if thought(e.Part) && !s.onlyThought() {
		s.skip = true // the client has had its thinking, and reads text by now
		return dst
	}
	if len(s.expect) > 0 {
		x := &s.expect[0]
		if x.Kind != e.Part || x.Kind == llm.PartToolCall && x.Name != e.Name {
			return s.mismatch(dst, "has other parts than")
		}
		s.inside = true
		return dst
	}
	if s.open && s.kind == e.Part && (e.Part == llm.PartThinking || e.Part == llm.PartText && !s.begun && !s.o.Restart) {
		s.begun = s.begun || e.Part == llm.PartText
		s.mixed = e.Part == llm.PartThinking
		return dst // it goes on with the open one
	}
	dst = s.endPart(s.join(dst))
	s.begun = s.begun || e.Part == llm.PartText
	s.open, s.kind = true, e.Part
	return s.w.Write(dst, e)
}

// endPart ends the part that is open at the client.
func (s *splicer) endPart(dst []byte) []byte {
	if !s.open {
		return dst
	}
	s.open = false
	return s.w.Write(dst, &llm.Event{Kind: llm.EventPartEnd, Part: s.kind})
}

func (s *splicer) delta(dst []byte, e *llm.Event) []byte {
	switch {
	case s.skip:
		return dst
	case s.inside:
		return s.match(dst, e)
	case e.Part != llm.PartText || s.joined || s.o.Restart:
		return s.w.Write(dst, e)
	}
	s.held = append(s.held, e.Text...)
	if len(s.held) < s.window() {
		return dst
	}
	return s.join(dst)
}

func (s *splicer) partEnd(dst []byte, e *llm.Event) []byte {
	switch {
	case s.skip:
		s.skip = false
		return dst
	case s.inside:
		return s.matched(dst, e)
	}
	dst = s.join(dst)
	if !s.open {
		return dst
	}
	s.open = false
	if s.mixed {
		s.e = *e
		s.mixed, s.e.Signature = false, "" // it proves the second half only, and the provider would refuse the block later
		return s.w.Write(dst, &s.e)
	}
	return s.w.Write(dst, e)
}

// match compares what comes with what the client has. What goes beyond it is sent, if the part is the last, and open.
func (s *splicer) match(dst []byte, e *llm.Event) []byte {
	if s.expect[0].Kind == llm.PartToolCall {
		s.call = append(s.call, e.Text...)
		return dst
	}
	rest := s.expect[0].Text[s.at:]
	n := min(len(rest), len(e.Text))
	if string(e.Text[:n]) != rest[:n] {
		return s.mismatch(dst, "differs from")
	}
	s.at += n
	if n == len(e.Text) {
		return dst
	}
	if len(s.expect) > 1 || !s.open {
		return s.mismatch(dst, "is longer than")
	}
	s.expect, s.inside = nil, false
	s.e = *e
	s.e.Text, s.e.Logprobs = e.Text[n:], nil
	return s.w.Write(dst, &s.e)
}

// matched takes the end of a part that the client has.
func (s *splicer) matched(dst []byte, e *llm.Event) []byte {
	if s.expect[0].Kind == llm.PartToolCall {
		rest, ok := restOfCall(s.expect[0].Text, s.call)
		if !ok || len(rest) > 0 && (len(s.expect) > 1 || !s.open) {
			return s.mismatch(dst, "calls a tool otherwise than")
		}
		if s.at, s.call = len(s.expect[0].Text), nil; len(rest) > 0 {
			dst = s.w.Write(dst, &llm.Event{Kind: llm.EventDelta, Part: llm.PartToolCall, Text: rest})
		}
	}
	if s.at < len(s.expect[0].Text) {
		return s.mismatch(dst, "is shorter than")
	}
	s.expect, s.at, s.inside = s.expect[1:], 0, false
	if len(s.expect) > 0 || !s.open {
		return dst
	}
	s.open = false
	return s.w.Write(dst, e)
}

func (s *splicer) mismatch(dst []byte, how string) []byte {
	s.err = llm.Errorf(llm.KindMismatch, "the answer broke off, and a new one %s what was sent of the first (on_break)", how)
	return dst
}

// join sends what of the held text is new.
func (s *splicer) join(dst []byte) []byte {
	if s.joined || s.o.Restart || !s.begun {
		return dst
	}
	s.joined = true
	text := s.held[overlap(s.sofar, s.held, s.o.Exact, s.o.Trimmed):]
	if len(text) == 0 {
		return dst
	}
	return s.w.Write(dst, &llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: text})
}

// How much of a continuation is looked at before it is decided where it begins to be new, in bytes. A model that was given the text as its
// own hardly repeats any of it; one that was asked in words may first say that it will, or begin with the last sentence.
const (
	exactWindow = 64
	askedWindow = 400
)

// maxAnew bounds how long a continuation that begins the answer anew is held back.
const maxAnew = 64 << 10

func (s *splicer) window() int {
	switch {
	case len(s.sofar) == 0:
		return 0
	case restarts(s.sofar, s.held):
		return min(len(s.sofar)+1, maxAnew)
	case s.o.Exact:
		return exactWindow
	default:
		return askedWindow
	}
}

// restarts reports whether text begins the answer anew.
func restarts(sofar, text []byte) bool {
	n := min(len(sofar), len(text))
	return n >= 24 && bytes.Equal(sofar[:n], text[:n])
}

func (s *splicer) End(dst []byte) []byte { return s.w.End(dst) }

func (s *splicer) Fail(dst []byte, e *llm.Error) []byte { return s.w.Fail(dst, e) }

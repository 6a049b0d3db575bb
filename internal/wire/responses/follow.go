package responses

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// What of a follower's buffers is kept for the next event or stream.
const (
	keepScratch = 64 << 10 // bytes of each
	keepPieces  = 16
	keepItems   = 64
)

// Stream follows one streamed answer that is forwarded. It is a wire.Follower and a wire.Resumer, used by one goroutine, and ready after Reset.
type Stream struct {
	wire.Progress

	options  wire.FollowOptions
	last     int64 // sequence number that was seen last; -1 if none
	before   int64 // that of the event before
	finished bool
	final    []byte
	scratch  []byte // bytes of the last event that was changed
	frame    frame
	summary  summary
	scanner  wire.Scanner
	track    track // if options.Pieces
}

// NewFollower returns a follower of streams that are forwarded. It must be reset before use.
func NewFollower() wire.Follower { return new(Stream) }

// Reset begins another stream.
func (s *Stream) Reset(o wire.FollowOptions) {
	if cap(s.final) > keepScratch {
		s.final = nil
	}
	if cap(s.scratch) > keepScratch {
		s.scratch = nil
	}
	s.track.reset()
	pieces := s.Pieces[:0]
	if cap(pieces) > keepPieces {
		pieces = nil
	}
	clear(pieces[:cap(pieces)])
	*s = Stream{options: o, last: -1, final: s.final[:0], scratch: s.scratch[:0], track: s.track}
	s.Pieces = pieces
}

// State returns what was seen so far.
func (s *Stream) State() *wire.Progress { return &s.Progress }

// Finished reports whether the terminal event of a complete answer, or of one that was cut by a limit, has been seen.
func (s *Stream) Finished() bool { return s.finished && s.Err == nil }

// End appends nothing: a stream that is forwarded has its own end.
func (s *Stream) End(dst []byte) []byte { return dst }

// Withhold says that the event which was looked at last was not sent on: its number is free for Fail.
func (s *Stream) Withhold() { s.last = s.before }

// Fail appends an error event, with the number that follows the last one.
func (s *Stream) Fail(dst []byte, e *llm.Error) []byte { return appendFailure(dst, e, s.last+1) }

// Observe reads an event and says what to do with it. Errors of the provider, in either of their forms, are not forwarded: Fail
// tells of them, after another target has been tried where that may help.
func (s *Stream) Observe(ev *wire.Event) wire.Action {
	if s.options.Pieces {
		s.Pieces = s.Pieces[:0]
	}
	switch {
	case s.Done || s.Err != nil:
		return wire.Drop
	case ev.Comment:
		return wire.Forward
	case bytes.HasPrefix(ev.Data, []byte("[DONE]")):
		s.Done = true
		return wire.Drop
	}
	f := &s.frame
	if !f.read(ev.Data) {
		if string(ev.Name) == "error" {
			s.Err = faultOf(nil)
		} else {
			s.Malformed++
		}
		return wire.Drop
	}
	if f.is(ev.Data, "error") || string(ev.Name) == "error" || f.kind.Len() == 0 && f.error.Len() > 0 {
		s.Err = faultOf(ev.Data)
		return wire.Drop
	}
	before := s.last
	if f.sequence >= 0 {
		s.before, s.last = s.last, f.sequence
	}
	if f.response.Len() > 0 {
		action := s.lifecycle(ev)
		if action == wire.Drop {
			s.last = before
		}
		return action
	}
	name := f.name(ev.Data)
	s.take(name, ev.Data)
	if s.options.Pieces {
		s.tell(name, ev.Data)
	}
	return wire.Forward
}

// take accounts for an event of an item.
func (s *Stream) take(name, data []byte) {
	f := &s.frame
	switch string(name) {
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		s.Content = s.Content || f.deltaLen > 0
		s.OutputBytes += f.deltaLen
	case "response.output_item.added", "response.output_item.done":
		s.item(f.item.Of(data), string(name) == "response.output_item.done")
	case "response.image_generation_call.partial_image":
		s.Content, s.Text = true, true
	default:
		if f.deltaLen > 0 {
			s.Content, s.Text = true, true
			s.OutputBytes += f.deltaLen
		}
	}
}

// item looks at an item that begins, or is done. The beginning of a message or of reasoning is nothing that a model made; a call's
// is its name.
func (s *Stream) item(b []byte, done bool) {
	kind := itemType(b, &s.scanner)
	reasoning := wire.EqualString(kind, "reasoning")
	if done || !reasoning && !wire.EqualString(kind, "message") {
		s.Content = true
		s.Text = s.Text || !reasoning
	}
}

// itemType returns the type of an item, with its quotes.
func itemType(b []byte, sc *wire.Scanner) []byte {
	sc.Reset(b)
	if !sc.Object() {
		return nil
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return nil
		}
		if string(name) == "type" {
			return sc.Value().Of(b)
		}
		sc.Value()
	}
}

// lifecycle reads an event that carries the response, and changes its model's name.
func (s *Stream) lifecycle(ev *wire.Event) wire.Action {
	f, r := &s.frame, &s.summary
	response := f.response.Of(ev.Data)
	if !r.read(response, &s.scanner) {
		s.Malformed++
		return wire.Drop
	}
	if r.usage.Len() > 0 {
		if u, ok := readUsage(r.usage.Of(response)); ok {
			s.Usage, s.HasUsage = u, true
		}
	}
	if r.tier.Len() > 0 {
		if t := r.tier.Of(response); !wire.EqualString(t, s.Tier) {
			s.Tier = wire.TextOf(t)
		}
	}
	name := f.name(ev.Data)
	switch string(name) {
	case "response.failed":
		s.Err = faultOf(r.error.Of(response))
		return wire.Drop
	case "response.completed", "response.incomplete":
		s.finished, s.Done = true, true
	case "response.cancelled":
		s.Err = llm.Errorf(llm.KindTruncated, "the provider cancelled the answer")
		return wire.Drop
	}
	s.rename(ev)
	if s.options.Pieces {
		s.trackResponse(f.response.Of(ev.Data))
	}
	if s.finished && s.options.Keep {
		s.final = append(s.final[:0], s.frame.response.Of(ev.Data)...)
		s.Final = s.final
	}
	return wire.Forward
}

// rename gives the response in an event the model's name that the client is to see. The frame then fits the changed data.
func (s *Stream) rename(ev *wire.Event) {
	f, r := &s.frame, &s.summary
	response := f.response.Of(ev.Data)
	if s.options.Model == "" || r.model.Len() == 0 || wire.EqualString(r.model.Of(response), s.options.Model) {
		return
	}
	start, end := f.response.Start+r.model.Start, f.response.Start+r.model.End
	head := ev.At
	if head < 0 { // the data came in several lines, which are joined now
		head = 0
	}
	var out []byte
	if ev.At >= 0 {
		out = append(s.scratch[:0], ev.Raw[:ev.At]...)
	} else {
		out = append(s.scratch[:0], "event: "...)
		out = append(out, ev.Name...)
		out = append(out, "\ndata: "...)
		head = len(out)
	}
	data := ev.Data
	out = append(out, data[:start]...)
	out = wire.AppendString(out, s.options.Model)
	grown := len(out) - head - end
	out = append(out, data[end:]...)
	if ev.At < 0 {
		oneLine(out[head:])
	}
	stop := len(out)
	if ev.At >= 0 {
		out = append(out, ev.Raw[ev.At+len(data):]...)
	} else {
		out = append(out, '\n', '\n')
	}
	s.scratch, ev.Raw, ev.Data = out, out, out[head:stop]
	f.response.End += grown
}

// oneLine replaces line ends between the tokens of a JSON text; there are none within strings.
func oneLine(b []byte) {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}

// Scan validates the body of a 200 answer that is not a stream, and reads it. The error is of KindBadAnswer if the body is no JSON
// object; an error in it is classified.
func Scan(_ llm.Op, body []byte) (wire.Answer, *llm.Error) {
	var sc wire.Scanner
	var r summary
	if !r.read(body, &sc) {
		if err := sc.Err(); err != nil {
			return wire.Answer{}, llm.Errorf(llm.KindBadAnswer, "provider's answer is not valid JSON: %v", err)
		}
		return wire.Answer{}, llm.Errorf(llm.KindBadAnswer, "provider's answer is no JSON object")
	}
	status := r.status.Of(body)
	if r.error.Len() > 0 || wire.EqualString(status, "failed") {
		return wire.Answer{}, faultOf(r.error.Of(body))
	}
	a := wire.Answer{Model: r.model}
	a.Complete = wire.EqualString(status, "completed") || wire.EqualString(status, "incomplete")
	if r.usage.Len() > 0 {
		a.Usage, a.HasUsage = readUsage(r.usage.Of(body))
	}
	if r.tier.Len() > 0 {
		a.Tier = wire.TextOf(r.tier.Of(body))
	}
	p := parser{body: r.output.Of(body)}
	p.sc.Reset(p.body)
	a.OutputBytes = p.size()
	return a, nil
}

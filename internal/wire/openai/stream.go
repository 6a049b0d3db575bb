package openai

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

const (
	maxEdits    = 4        // changes to one chunk; more are a sign of a broken one
	keepScratch = 16 << 10 // a larger scratch buffer is given back after use
)

// Stream follows one streamed answer, of chat or completions. It is used by one goroutine, and is ready after Reset. It is
// a wire.Follower.
type Stream struct {
	wire.Progress

	options wire.FollowOptions
	seen    indexes // choices that there are
	ended   indexes // choices that have their finish reason
	scratch []byte  // bytes of the last event that was changed
	late    []byte  // a chunk with usage that has come before the answer's end, and goes out after it
	trails  *trails // what pieces are made by, and a resumption; nil until they are asked for
}

// Reset begins the stream of an answer.
func (s *Stream) Reset(o wire.FollowOptions) {
	s.seen.reset()
	s.ended.reset()
	*s = Stream{options: o, seen: s.seen, ended: s.ended, scratch: s.scratch[:0], late: s.late[:0], trails: s.trails, Progress: wire.Progress{Pieces: s.Pieces[:0]}}
	if o.Pieces && s.trails == nil {
		s.trails = new(trails)
	}
	if s.trails != nil {
		s.trails.reset()
	}
}

// State returns what was seen so far.
func (s *Stream) State() *wire.Progress { return &s.Progress }

// Finished reports whether there is a choice, and every one that was seen has its finish reason. Fewer choices than were
// asked for count only once [DONE] has been seen: servers that ignore n say so by it, while a stream that just ends
// may have lost the others. Without a finish reason a stream that ends is truncated, whether there was a [DONE] or not.
func (s *Stream) Finished() bool {
	return s.Err == nil && s.ended.n > 0 && s.ended.n == s.seen.n && (s.ended.n >= s.options.Choices || s.Done)
}

// Observe reads an event and says what to do with it. If something of it must change, that happens in the memory of ev.Raw,
// or ev.Raw and ev.Data become slices of the stream's own memory, valid until the next Observe. Nothing is allocated for an event that is forwarded as it is,
// and nothing in the long run for one that is changed.
//
// An event counts as a whole or not at all: one that is malformed changes nothing but Malformed, even if a finish
// reason stands in its readable part.
func (s *Stream) Observe(ev *wire.Event) wire.Action {
	s.Pieces = s.Pieces[:0]
	if cap(s.scratch) > keepScratch {
		s.scratch = nil
	}
	switch {
	case s.Done || s.Err != nil:
		return wire.Drop
	case ev.Comment:
		return s.comment(ev)
	case bytes.HasPrefix(bytes.TrimLeft(ev.Data, " \t\r\n"), []byte("[DONE]")):
		s.Done = true
		if len(s.late) > 0 && s.Finished() {
			s.late = append(s.late, ev.Raw...)
			ev.Raw, ev.At = s.late, -1
		}
		return wire.Forward
	}
	var c chunk
	if !c.read(ev.Data, &s.options) {
		return s.odd(ev)
	}
	if c.isError || string(ev.Name) == "error" {
		s.Err = streamError(ev.Data)
		return wire.Drop
	}
	return s.take(&c, ev)
}

// comment looks at an event without data. Old builds of llama.cpp send an error as an SSE field of its own.
func (s *Stream) comment(ev *wire.Event) wire.Action {
	if rest, ok := bytes.CutPrefix(ev.Raw, []byte("error:")); ok {
		s.Err = streamError(bytes.TrimSpace(rest))
		return wire.Drop
	}
	return wire.Forward
}

// odd decides on data that is no JSON object.
func (s *Stream) odd(ev *wire.Event) wire.Action {
	switch known, failed := oddEvent(ev.Name, ev.Data); {
	case failed:
		s.Err = streamError(ev.Data)
		return wire.Drop
	case known:
		return wire.Forward
	}
	s.Malformed++
	return wire.Drop
}

// oddEvent judges data that is no JSON object. Named events are not part of this protocol: whoever sends them has a client that
// knows them. An error may come as an array with an error object in it (Gemini).
func oddEvent(name, data []byte) (known, failed bool) {
	switch {
	case string(name) == "error":
		return true, true
	case len(name) > 0:
		return true, false
	}
	d := readDetail(data)
	return false, d.found && d.json
}

// take accounts for a chunk that is well formed and no error, and changes what must change.
func (s *Stream) take(c *chunk, ev *wire.Event) wire.Action {
	if c.usage.Len() > 0 {
		s.takeUsage(c.usage.Of(ev.Data))
	}
	if c.tier.Len() > 2 && !wire.EqualString(c.tier.Of(ev.Data), s.Tier) {
		s.Tier = tierOf(c.tier.Of(ev.Data))
	}
	if c.vendor.Len() > 0 {
		v := readVendor(c.vendor.Of(ev.Data))
		if v.isError {
			s.Err = streamError(ev.Data)
			return wire.Drop
		}
		s.takeUsage(v.usage.Of(c.vendor.Of(ev.Data)))
	}
	if !c.each(ev.Data, s.takeChoice) {
		s.Err = streamError(ev.Data)
		return wire.Drop
	}
	if s.options.StripUsage && c.count == 0 && c.usage.Len() > 0 {
		return wire.Drop
	}
	if s.options.Pieces && c.count == 0 && c.usage.Len() > 0 && !s.Finished() {
		s.late = append(s.late[:0], ev.Raw...) // if the answer is not whole, somebody else states the usage at its end
		return wire.Drop
	}
	if s.options.Pieces && !s.trails.known {
		s.trails.learn(ev.Data, c.count > 0)
	}
	data, shift := ev.Data, 0
	if c.edits > 0 && s.change(c, ev) {
		data, shift = ev.Data, c.shift(c.choices.Start)
	}
	if s.options.Pieces {
		s.gather(c, data, shift)
	}
	return wire.Forward
}

func (s *Stream) takeUsage(b []byte) {
	if u, ok := readUsage(b); ok {
		s.Usage, s.HasUsage = u, true
	}
}

// takeChoice accounts for a choice. It reports false if it ended in an error.
func (s *Stream) takeChoice(c choice, body []byte) bool {
	if wire.EqualString(c.finish.Of(body), "error") {
		return false
	}
	i := min(c.index, maxChoices-1)
	s.seen.add(i)
	if c.finish.Len() > 0 {
		s.ended.add(i)
	}
	s.Content = s.Content || c.content
	s.Text = s.Text || c.act || c.bytes > c.thought
	s.OutputBytes += c.bytes
	return true
}

// change writes the event anew with the chunk's edits. It reports whether that happened where the event stood.
func (s *Stream) change(c *chunk, ev *wire.Event) (inPlace bool) {
	switch {
	case ev.At < 0:
		// The data came in several lines and cannot be changed in place; ids and comments of the event go.
		data := c.apply(nil, ev.Data)
		out := wire.AppendEvent(s.scratch[:0], string(ev.Name), data)
		s.scratch, ev.Raw, ev.Data = out, out, data
	case c.cuts():
		c.cut(ev)
		return true
	default:
		out := append(s.scratch[:0], ev.Raw[:ev.At]...)
		out = c.apply(out, ev.Data)
		end := len(out)
		out = append(out, ev.Raw[ev.At+len(ev.Data):]...)
		s.scratch, ev.Raw, ev.Data = out, out, out[ev.At:end]
	}
	return false
}

// End appends the end mark, if the provider has left it out.
func (s *Stream) End(dst []byte) []byte {
	if s.Done {
		return dst
	}
	return append(append(dst, s.late...), "data: [DONE]\n\n"...)
}

// Fail appends an error event.
func (s *Stream) Fail(dst []byte, e *llm.Error) []byte { return AppendStreamError(dst, e) }

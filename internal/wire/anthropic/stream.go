package anthropic

import (
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// What is kept for the next stream.
const (
	keepScratch = 16 << 10 // bytes of scratch
	keepPieces  = 16
)

// Stream follows one streamed answer that is forwarded. It is used by one goroutine, and is ready after Reset. It is a
// wire.Follower and a wire.Resumer.
type Stream struct {
	wire.Progress

	options  wire.FollowOptions
	counts   counts
	final    bool // the usage of message_delta has been seen
	finished bool // there is a stop_reason
	scratch  []byte
	track    track // if options.Pieces
}

// NewFollower returns a follower of streams that are forwarded. It must be reset before use.
func NewFollower() wire.Follower { return new(Stream) }

// Reset begins the stream of an answer.
func (s *Stream) Reset(o wire.FollowOptions) {
	scratch := s.scratch
	if cap(scratch) > keepScratch {
		scratch = nil
	}
	pieces := s.Pieces[:0]
	if cap(pieces) > keepPieces {
		pieces = nil
	}
	clear(pieces[:cap(pieces)])
	*s = Stream{options: o, scratch: scratch[:0]}
	s.Pieces = pieces
}

// State returns what was seen so far. Until the provider has stated the usage of the whole answer, which it does with the
// stop reason, Usage has the input that message_start states and an estimate of the output.
func (s *Stream) State() *wire.Progress { return &s.Progress }

// Finished reports whether a stop reason was seen. Without one a stream that ends is truncated, whether there was a
// message_stop or not.
func (s *Stream) Finished() bool { return s.Err == nil && s.finished }

// Observe reads an event and says what to do with it. An event without a name gets the one that its data states: the
// official clients pass over unnamed events without a word (PROVIDERS.md 0.4). Events of kinds that are not known are
// forwarded; data that cannot be read would end the stream for the official clients, and is dropped.
func (s *Stream) Observe(ev *wire.Event) wire.Action {
	if s.options.Pieces {
		s.Pieces = s.Pieces[:0]
	}
	switch {
	case s.Done || s.Err != nil:
		return wire.Drop
	case ev.Comment:
		return wire.Forward
	}
	var f frame
	if !f.read(ev.Name, ev.Data) {
		return s.odd(ev)
	}
	if f.kind == errorEvent || f.kind == "" && f.failed || string(ev.Name) == errorEvent {
		s.fail(ev.Data)
		return wire.Drop
	}
	s.take(&f, ev.Data)
	if s.options.Pieces && f.kind != blockDelta {
		s.tell(&f, ev.Data)
	}
	edit := s.options.Model != "" && f.kind == messageStart && f.model.Len() > 0 && !wire.EqualString(f.model.Of(ev.Data), s.options.Model)
	if edit || len(ev.Name) == 0 {
		s.rewrite(&f, ev, edit)
	}
	return wire.Forward
}

// odd decides on data that is no JSON object.
func (s *Stream) odd(ev *wire.Event) wire.Action {
	switch {
	case string(ev.Name) == errorEvent:
		s.fail(ev.Data)
	case len(ev.Name) == 0 && string(ev.Data) == "[DONE]":
		// Some servers that follow the protocol end all streams so. Clients never see an unnamed event.
		return wire.Forward
	default:
		s.Malformed++
	}
	return wire.Drop
}

// fail notes the error that the data of an event states. One that comes before anything was made costs nothing.
func (s *Stream) fail(data []byte) {
	s.Err = streamError(data)
	if s.OutputBytes == 0 && !s.final {
		s.HasUsage = false
	}
}

// take accounts for an event.
func (s *Stream) take(f *frame, data []byte) {
	switch f.kind {
	case messageStart:
		s.takeUsage(f, data)
	case blockStart:
		s.takeBlock(f, data)
	case blockDelta:
		if f.size > 0 {
			s.took(f.size, says(f.delta.Of(data), `"thinking_delta"`))
		}
		if s.options.Pieces {
			s.addPiece(f, data)
		}
	case messageDelta:
		if f.stopReason.Len() > 0 {
			s.finished = true
		}
		s.final = s.final || f.usage.Len() > 0
		s.takeUsage(f, data)
	case messageStop:
		s.Done = true
	}
}

// takeBlock accounts for the start of a block. Text and thinking begin empty; any other block is something that the model
// made, and is there from its first event on.
func (s *Stream) takeBlock(f *frame, data []byte) {
	kind := f.blockType.Of(data)
	switch {
	case wire.EqualString(kind, "text"), wire.EqualString(kind, "thinking"):
		if f.size > 0 {
			s.took(f.size, wire.EqualString(kind, "thinking"))
		}
	case wire.EqualString(kind, "redacted_thinking"):
		s.Content = true
	case f.block.Len() > 0:
		s.took(max(f.blockName.Len()-2, 0), false)
	}
}

// took accounts for n bytes of output.
func (s *Stream) took(n int, thought bool) {
	s.Content = true
	s.Text = s.Text || !thought
	s.OutputBytes += n
	s.estimate()
}

func (s *Stream) takeUsage(f *frame, data []byte) {
	if f.usage.Len() > 0 {
		s.counts.merge(f.usage.Of(data))
		s.Usage, s.HasUsage, s.Tier = s.counts.usage(), s.counts.stated(), s.counts.tierUsed()
	}
	s.estimate()
}

// estimate keeps Output near the truth as long as the provider has only stated what it was at the start, which is 1.
func (s *Stream) estimate() {
	if !s.final {
		s.Usage.Output = max(s.counts.output, model.EstimateTokens(s.OutputBytes))
		s.Usage.Estimated = true
	}
}

// rewrite writes the event anew, with its name, and with the client's name for the model if edit is set.
func (s *Stream) rewrite(f *frame, ev *wire.Event, edit bool) {
	name, data := ev.Name, ev.Data
	if len(name) == 0 {
		name = nameIn(f.typ.Of(data))
	}
	if len(name) == 0 && !edit {
		return
	}
	// In the order of the bytes: the event's name, what of the event stands before the data, the data, the rest. Data that came
	// in several lines has no place of its own; ids and comments of such an event go.
	out := s.scratch[:0]
	if ev.At > 0 && len(ev.Name) == 0 && ev.Raw[0] == '\n' {
		ev.Raw, ev.At = ev.Raw[1:], ev.At-1 // the line feed of a CR before it: the line has ended without it
	}
	if len(name) > 0 && (len(ev.Name) == 0 || ev.At < 0) {
		out = append(append(append(out, "event: "...), name...), '\n')
	}
	if ev.At < 0 {
		out = append(out, "data: "...)
	} else {
		out = append(out, ev.Raw[:ev.At]...)
	}
	start := len(out)
	if edit {
		out = append(out, data[:f.model.Start]...)
		out = wire.AppendString(out, s.options.Model)
		out = append(out, data[f.model.End:]...)
	} else {
		out = append(out, data...)
	}
	end := len(out)
	if ev.At < 0 {
		out = append(oneLine(out, start), '\n', '\n')
		end = len(out) - 2
	} else {
		out = append(out, ev.Raw[ev.At+len(data):]...)
	}
	s.scratch, ev.Raw, ev.Data, ev.At = out, out, out[start:end], start
}

// oneLine makes one line of the JSON text b[start:], whose line feeds all stand between tokens.
func oneLine(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] == '\n' {
			b[i] = ' '
		}
	}
	return b
}

// nameIn returns what the JSON string lit says if it can be the name of an event, nil otherwise.
func nameIn(lit []byte) []byte {
	if len(lit) <= 2 {
		return nil
	}
	name := lit[1 : len(lit)-1]
	for _, c := range name {
		if c != '_' && c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return nil
		}
	}
	return name
}

// End appends the last event, if the provider has left it out.
func (s *Stream) End(dst []byte) []byte {
	if s.Done {
		return dst
	}
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// Fail appends an error event.
func (s *Stream) Fail(dst []byte, e *llm.Error) []byte { return appendErrorEvent(dst, e, s.options.ID) }

// appendErrorEvent appends e as an event within a stream, which the official clients take as the stream's failure.
func appendErrorEvent(dst []byte, e *llm.Error, id string) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst, _ = AppendError(dst, e, id)
	return append(dst, '\n', '\n')
}

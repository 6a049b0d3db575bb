package anthropic

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// track is what a follower remembers of a stream for its pieces, and so that the stream can be gone on with.
type track struct {
	begun bool // message_start was there
	next  int  // index after those of all blocks
	tools bool // a tool of the client's was called

	// The block that is open.
	open   bool
	index  int
	kind   llm.PartKind
	told   bool   // it has brought text
	again  bool   // the memory of the first piece has one of the block's deltas, of which only the text differs from the next
	signed bool   // of thinking: its signature was there
	input  []byte // of a tool call: what it began with, which counts if no delta follows; nil for an empty object
}

// tell notes what an event that is no delta brings of the answer's content; see addPiece.
func (s *Stream) tell(f *frame, data []byte) {
	switch f.kind {
	case messageStart:
		s.track.begun = true
	case blockStart:
		s.endPiece()
		if f.block.Len() > 0 {
			s.beginPiece(f, data)
		}
	case blockStop, messageStop:
		s.endPiece()
	case messageDelta:
		if s.finished {
			s.endPiece()
		}
	}
}

// beginPiece notes a block that begins. What is neither text, thinking nor a call of the client's tools is not looked into.
func (s *Stream) beginPiece(f *frame, data []byte) {
	t := &s.track
	t.open, t.index, t.told, t.again, t.signed, t.input = true, f.index, false, false, false, nil
	t.next = max(t.next, f.index+1)
	p := wire.Piece{Kind: llm.PartOther, Begin: true}
	kind := f.blockType.Of(data)
	switch {
	case wire.EqualString(kind, "text"):
		p.Kind = llm.PartText
	case wire.EqualString(kind, "thinking"):
		p.Kind = llm.PartThinking
	case wire.EqualString(kind, "tool_use"):
		p.Kind, p.Index, t.tools = llm.PartToolCall, f.index, true
		p.ID, p.Name = inside(f.blockID, data), inside(f.blockName, data)
		t.input = inputOf(f.block.Of(data))
	}
	t.kind = p.Kind
	if f.size > 0 && (p.Kind == llm.PartText || p.Kind == llm.PartThinking) {
		p.Text, p.Escaped, t.told = inside(f.text, data), true, true
	}
	s.Pieces = append(s.Pieces, p)
}

// addPiece notes a delta of the open block. One that does not fit its block is passed over, as clients do.
func (s *Stream) addPiece(f *frame, data []byte) {
	t := &s.track
	if !t.open || f.index != t.index {
		return
	}
	delta, index := f.delta.Of(data), 0
	switch t.kind {
	case llm.PartText:
		if !says(delta, `"text_delta"`) {
			return
		}
	case llm.PartThinking:
		if !says(delta, `"thinking_delta"`) {
			t.signed = t.signed || says(delta, `"signature_delta"`)
			return
		}
	case llm.PartToolCall:
		if !says(delta, `"input_json_delta"`) {
			return
		}
		index = t.index
	default:
		return
	}
	text := inside(f.text, data)
	switch {
	case len(text) == 0:
	case t.again: // most events are: writing all of a piece costs more than finding out what it is
		s.Pieces = s.Pieces[:1]
		s.Pieces[0].Text = text
	default:
		t.told, t.again = true, true
		s.Pieces = append(s.Pieces, wire.Piece{Kind: t.kind, Index: index, Text: text, Escaped: true})
	}
}

// says reports whether two JSON strings, with their quotes, mean the same. want has no escapes, which would only make it longer.
func says(lit []byte, want string) bool {
	return string(lit) == want || len(lit) > len(want) && wire.EqualString(lit, want[1:len(want)-1])
}

// endPiece notes that the open block, if there is one, is whole.
func (s *Stream) endPiece() {
	t := &s.track
	if !t.open {
		return
	}
	t.open, t.again = false, false
	p := wire.Piece{Kind: t.kind, End: true}
	if t.kind == llm.PartToolCall {
		p.Index = t.index
		switch {
		case t.told:
		case t.input != nil:
			p.Text = t.input
		default:
			p.Text = []byte("{}")
		}
	}
	s.Pieces = append(s.Pieces, p)
}

// inside returns what stands between the quotes of the JSON string at v.
func inside(v wire.Span, data []byte) []byte {
	if v.Len() <= 2 {
		return nil
	}
	return data[v.Start+1 : v.End-1]
}

// inputOf returns a copy of the input that a block of a tool call begins with, nil for none and for an empty object. The protocol has
// none there, while some servers that follow it send all of it so.
func inputOf(block []byte) []byte {
	var sc wire.Scanner
	sc.Reset(block)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return nil
		}
		kind := sc.Kind()
		v := sc.Value()
		if string(name) == "input" && kind != wire.Null && string(v.Of(block)) != "{}" {
			return append([]byte{}, v.Of(block)...)
		}
	}
}

// Resume returns a writer that goes on with the message where the forwarded part of it ends; see wire.Resumer. Of sofar nothing
// is needed: the protocol repeats nothing at its end. The usage of the forwarded part stays until an event brings another, which then is
// the one of the whole message.
//
// A thinking block whose signature was forwarded is whole, even if its end was not; so is a block of a kind that cannot be gone on with. The
// writer ends them before anything else.
func (s *Stream) Resume(h *llm.Head, _ *llm.Answer) (w llm.EventWriter, open bool) {
	t := &s.track
	r := &writer{
		head: h, begun: t.begun, index: t.next, parts: t.next, tools: t.tools, usage: s.Usage, tier: s.Tier, told: s.Tier,
		stopped: s.finished, ended: s.Done,
	}
	if t.open {
		r.open, r.index = true, t.index
		if open = t.kind != llm.PartOther && !t.signed; open {
			r.part = t.kind
		}
	}
	return r, open
}

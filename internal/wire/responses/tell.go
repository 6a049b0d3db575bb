package responses

import (
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// trackedItem returns the item of the event in frame; nil if it has not begun, or is done.
func (s *Stream) trackedItem() *tracked {
	all := s.track.items
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].index == s.frame.output {
			if all[i].done {
				return nil
			}
			return &all[i]
		}
	}
	return nil
}

// tell notes what an event of an item brings of the answer's content.
func (s *Stream) tell(name, data []byte) {
	f := &s.frame
	if f.deltaLen > 0 {
		s.tellDelta(name, data)
		return
	}
	s.track.again = 0
	switch string(name) {
	case "response.output_item.added":
		s.addItem(f.item.Of(data))
	case "response.output_item.done":
		s.endItem(f.item.Of(data))
	case "response.content_part.added":
		s.addSection(partClass(f.part.Of(data), &s.track.scanner), false)
	case "response.reasoning_summary_part.added":
		s.addSection(llm.PartThinking, true)
	case "response.content_part.done", "response.reasoning_summary_part.done":
		s.endSection(f.part.Of(data))
	case "response.output_text.annotation.added":
		s.addMark(data)
	case "response.output_text.done":
		s.tellRest(llm.PartText, false, data)
	case "response.refusal.done":
		s.tellRest(llm.PartRefusal, false, data)
	case "response.reasoning_text.done":
		s.tellRest(llm.PartThinking, false, data)
	case "response.reasoning_summary_text.done":
		s.tellRest(llm.PartThinking, true, data)
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		s.tellRest(llm.PartToolCall, false, data)
	}
}

// tellDelta notes a delta. Those of tools of the provider's are not looked into.
func (s *Stream) tellDelta(name, data []byte) {
	switch string(name) {
	case "response.output_text.delta":
		s.say(llm.PartText, false, s.frame.delta.Of(data))
		if probs := s.frame.logprobs; probs.Len() > len("[]") {
			s.track.logprobs = join(s.track.logprobs, inside(probs.Of(data)))
		}
	case "response.refusal.delta":
		s.say(llm.PartRefusal, false, s.frame.delta.Of(data))
	case "response.reasoning_text.delta":
		s.say(llm.PartThinking, false, s.frame.delta.Of(data))
	case "response.reasoning_summary_text.delta":
		s.say(llm.PartThinking, true, s.frame.delta.Of(data))
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		s.say(llm.PartToolCall, false, s.frame.delta.Of(data))
	}
}

// tellRest notes the text of a section that came without deltas.
func (s *Stream) tellRest(kind llm.PartKind, summary bool, data []byte) {
	if it := s.trackedItem(); it != nil && !(it.told && it.section == s.section(kind)) {
		s.say(kind, summary, s.frame.text.Of(data))
	}
}

// section returns which section of its item the event in frame is of. A call has one.
func (s *Stream) section(kind llm.PartKind) int {
	if kind == llm.PartToolCall {
		return 0
	}
	return s.frame.section
}

// say notes text of an item's section, as a JSON string. An item that was not announced begins with it, as servers have it that leave out
// what they can.
func (s *Stream) say(kind llm.PartKind, summary bool, lit []byte) {
	it := s.trackedItem()
	if it == nil {
		if it = s.silentItem(kind); it == nil {
			return
		}
	}
	if it.part != kind || it.section != s.section(kind) || it.summary != summary {
		if it.kind.calls() || !it.takes(kind) {
			return
		}
		s.enter(it, kind, summary)
	}
	it.shown = true
	text := inside(lit)
	if len(text) == 0 {
		return
	}
	again := &s.track.again
	if *again == it.index+1 { // most events are: writing all of a piece costs more than finding out what it is
		s.Pieces = s.Pieces[:1]
		s.Pieces[0].Text = text
		return
	}
	if kind == llm.PartThinking {
		if it.thought && !it.told {
			s.Pieces = append(s.Pieces, wire.Piece{Kind: kind, Text: []byte(partBreak)})
		}
		it.thought = true
	}
	it.told = true
	s.Pieces = append(s.Pieces, wire.Piece{Kind: kind, Index: it.pieceIndex(), Text: text, Escaped: true})
	if *again = 0; len(s.Pieces) == 1 {
		*again = it.index + 1
	}
}

// silentItem begins an item that was not announced; nil for a call, of which then neither id nor name is known.
func (s *Stream) silentItem(kind llm.PartKind) *tracked {
	class := messageItem
	switch kind {
	case llm.PartToolCall:
		return nil
	case llm.PartThinking:
		class = reasoningItem
	}
	for i := range s.track.items {
		if s.track.items[i].index == s.frame.output {
			return nil // it is done
		}
	}
	return s.newItem(class)
}

// enter goes to the section of the event in frame. Within thinking that is no new part.
func (s *Stream) enter(it *tracked, kind llm.PartKind, summary bool) {
	s.track.again = 0
	if it.part != 0 && (it.part != kind || kind != llm.PartThinking) {
		s.endPart(it)
	}
	if it.part == 0 {
		s.beginPart(it, wire.Piece{Kind: kind})
	}
	it.section, it.summary, it.told, it.shown = s.section(kind), summary, false, false
	s.track.logprobs, s.track.marks, s.track.marked = s.track.logprobs[:0], s.track.marks[:0], 0
}

func (s *Stream) beginPart(it *tracked, p wire.Piece) {
	p.Begin, p.Index = true, it.pieceIndex()
	if it.parts == 0 {
		it.first = s.track.begins
	}
	it.parts++
	s.track.begins++
	it.part = p.Kind
	s.Pieces = append(s.Pieces, p)
}

func (s *Stream) endPart(it *tracked) {
	s.Pieces = append(s.Pieces, wire.Piece{Kind: it.part, Index: it.pieceIndex(), End: true})
	it.part = 0
}

// addItem notes an item that begins. The parts of a message and of reasoning have beginnings of their own.
func (s *Stream) addItem(b []byte) *tracked {
	h := readHead(b, &s.track.scanner)
	it := s.newItem(classOf(h.kind))
	if it == nil {
		return nil
	}
	it.id = s.track.keep(h.id, maxIDs)
	switch it.kind {
	case functionItem, customItem:
		s.beginPart(it, wire.Piece{Kind: llm.PartToolCall, ID: h.call, Name: h.name})
		it.shown = true
	case otherItem:
		it.raw = s.track.keep(b, maxKept)
		s.beginPart(it, wire.Piece{Kind: llm.PartOther})
	}
	return it
}

// addSection notes a part of a message, or a section of reasoning, that begins.
func (s *Stream) addSection(kind llm.PartKind, summary bool) {
	it := s.trackedItem()
	if it == nil || kind == 0 || !it.takes(kind) {
		return
	}
	if kind == llm.PartThinking && summary && it.part == 0 { // it is a part once there is text in it
		it.section, it.summary, it.shown = s.frame.section, true, true
		return
	}
	s.enter(it, kind, summary)
	it.shown = true
}

// endSection notes the end of a part of a message, or of a section of reasoning, of which b is the whole.
func (s *Stream) endSection(b []byte) {
	it := s.trackedItem()
	if it == nil || it.kind != messageItem && it.kind != reasoningItem {
		return
	}
	if it.kind == messageItem && it.part != 0 && !it.told {
		if p, _, ok := contentOf(b); ok && p.Text != "" {
			s.Pieces = append(s.Pieces, wire.Piece{Kind: it.part, Text: []byte(p.Text)})
		}
	}
	if t := &s.track; it == &t.items[len(t.items)-1] {
		was := len(t.content)
		t.content = join(t.content, b)
		t.short = t.short || len(t.content) == was
	}
	it.section, it.told, it.shown = s.frame.section+1, false, false
	if it.kind == messageItem && it.part != 0 {
		s.endPart(it)
	}
}

// endItem notes the end of an item, of which b is the whole. One of which nothing else was told brings its text now.
func (s *Stream) endItem(b []byte) {
	it := s.trackedItem()
	if it == nil {
		for i := range s.track.items {
			if s.track.items[i].index == s.frame.output {
				return
			}
		}
		if it = s.addItem(b); it == nil {
			return
		}
	}
	if !it.thought && !it.told && (it.kind != messageItem || it.parts == 0) {
		s.tellWhole(it, b)
	}
	if it.part != 0 {
		s.endPart(it)
	}
	it.done = true
	if raw := s.track.keep(b, maxKept); raw.Len() > 0 || it.kind != otherItem {
		it.raw = raw
	}
}

// tellWhole notes the text of an item that comes in one piece.
func (s *Stream) tellWhole(it *tracked, b []byte) {
	var v item
	if it.kind == otherItem || json.Unmarshal(b, &v) != nil {
		return
	}
	parts, _ := partsOf(&v, b)
	for i := range parts {
		p := &parts[i]
		if !it.takes(p.Kind) && p.Kind != it.part {
			continue
		}
		if it.part == 0 {
			s.beginPart(it, wire.Piece{Kind: p.Kind})
		}
		if p.Text != "" {
			s.Pieces = append(s.Pieces, wire.Piece{Kind: p.Kind, Index: it.pieceIndex(), Text: []byte(p.Text)})
		}
		if it.kind == messageItem {
			s.endPart(it)
		}
	}
}

// addMark notes an annotation of the open text.
func (s *Stream) addMark(data []byte) {
	it := s.trackedItem()
	if it == nil || it.part != llm.PartText {
		return
	}
	sc := &s.track.scanner
	sc.Reset(data)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		at := string(name) == "annotation"
		if v := sc.Value(); at {
			s.track.marks = join(s.track.marks, v.Of(data))
			s.track.marked++
			return
		}
	}
}

package anthropic

import (
	"bytes"
	"slices"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// NewReader returns a reader of one streamed answer of a target. Events of kinds that are not known are passed over, and so
// are unknown deltas. A block of a kind that has no word in llm is held back until it is whole, and is then a PartOther, as in
// ReadAnswer.
func NewReader() llm.EventReader { return &reader{} }

// reader is a stream under way.
type reader struct {
	counts counts
	usage  llm.Usage // what events point to

	begun    bool
	finished bool // there is a stop_reason

	// The block that is open.
	open      bool
	index     int
	part      llm.PartKind
	size      int    // bytes of its text so far
	input     []byte // JSON that a tool call started with
	signature string // as it stands on the wire
	citations []llm.Citation
	raw       []byte // of a PartOther: the block as it started
	partial   []byte // of a PartOther: what its input is made of
	name      string // of a PartOther: its type

	text  []byte // of the delta that was read last
	media llm.Part
}

// Read appends the events that one event of the wire stands for.
func (r *reader) Read(dst []llm.Event, name, data []byte) ([]llm.Event, *llm.Error) {
	var f frame
	if !f.read(name, data) {
		switch {
		case string(name) == errorEvent:
			return dst, streamError(data)
		case len(data) == 0 || string(data) == "[DONE]":
			return dst, nil
		}
		return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
	}
	if f.kind == errorEvent || f.kind == "" && f.failed || string(name) == errorEvent {
		return dst, streamError(data)
	}
	switch f.kind {
	case messageStart:
		return r.start(dst, &f, data), nil
	case blockStart:
		return r.startBlock(dst, &f, data), nil
	case blockDelta:
		return r.delta(dst, &f, data), nil
	case blockStop:
		return r.endBlock(dst), nil
	case messageDelta:
		return r.finish(dst, &f, data), nil
	case messageStop:
		return append(r.endBlock(dst), llm.Event{Kind: llm.EventEnd}), nil
	}
	return dst, nil
}

// start reads message_start.
func (r *reader) start(dst []llm.Event, f *frame, data []byte) []llm.Event {
	if r.begun {
		return dst
	}
	r.begun = true
	e := llm.Event{Kind: llm.EventStart, ID: textOf(f.id, data), Name: textOf(f.model, data)}
	if f.usage.Len() > 0 {
		r.counts.merge(f.usage.Of(data))
		if r.counts.stated() {
			r.usage = r.counts.usage()
			e.Usage = &r.usage
		}
		e.ServiceTier = r.counts.tierUsed()
	}
	return append(dst, e)
}

// textOf returns the text of the JSON string at v, "" if there is none.
func textOf(v wire.Span, data []byte) string {
	if v.Len() < 2 {
		return ""
	}
	return wire.TextOf(v.Of(data))
}

// startBlock reads content_block_start.
func (r *reader) startBlock(dst []llm.Event, f *frame, data []byte) []llm.Event {
	dst = r.endBlock(dst)
	if f.block.Len() == 0 {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	raw := f.block.Of(data)
	p := readBlock(raw)
	r.open, r.index, r.part, r.size = true, f.index, p.Kind, 0
	r.signature, r.citations = "", p.Citations
	switch p.Kind {
	case llm.PartOther:
		r.name = p.Name
		r.raw, r.partial = append(r.raw[:0], raw...), r.partial[:0]
		return dst
	case llm.PartToolCall:
		r.input = append(r.input[:0], p.Text...)
		return append(dst, llm.Event{Kind: llm.EventPart, Part: p.Kind, ID: p.ID, Name: p.Name})
	}
	if p.Signature != "" {
		r.signature = seal(sealPart, p.Signature, p.Origin)
	}
	dst = append(dst, llm.Event{Kind: llm.EventPart, Part: p.Kind})
	if p.Text != "" {
		r.text = append(r.text[:0], p.Text...)
		dst = r.say(dst)
	}
	return dst
}

// say appends r.text as a delta of the open part.
func (r *reader) say(dst []llm.Event) []llm.Event {
	r.size += len(r.text)
	return append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: r.text})
}

// delta reads content_block_delta. One that does not fit its block is passed over.
func (r *reader) delta(dst []llm.Event, f *frame, data []byte) []llm.Event {
	if !r.open || f.index != r.index {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	kind := f.delta.Of(data)
	switch {
	case f.text.Len() > 2 && (r.part == llm.PartText && wire.EqualString(kind, "text_delta") ||
		r.part == llm.PartThinking && wire.EqualString(kind, "thinking_delta") ||
		r.part == llm.PartToolCall && wire.EqualString(kind, "input_json_delta")):
		r.text = wire.Unquote(r.text[:0], f.text.Of(data))
		return r.say(dst)
	case r.part == llm.PartOther && f.text.Len() > 2 && wire.EqualString(kind, "input_json_delta"):
		r.partial = wire.Unquote(r.partial, f.text.Of(data))
	case r.part == llm.PartThinking && wire.EqualString(kind, "signature_delta"):
		r.signature += textOf(f.signature, data)
	case r.part == llm.PartText && f.citation.Len() > 0:
		r.citations = append(r.citations, readCitation(f.citation.Of(data)))
	}
	return dst
}

// endBlock ends the open block, if there is one.
func (r *reader) endBlock(dst []llm.Event) []llm.Event {
	if !r.open {
		return dst
	}
	r.open = false
	switch {
	case r.part == llm.PartOther:
		r.media = llm.Part{Kind: llm.PartOther, Name: r.name, Raw: r.whole(), Origin: llm.Anthropic}
		dst = append(dst, llm.Event{Kind: llm.EventPart, Part: r.part, Media: &r.media})
		return append(dst, llm.Event{Kind: llm.EventPartEnd, Part: r.part, Origin: llm.Anthropic})
	case r.part == llm.PartToolCall && r.size == 0:
		r.size = len(r.input)
		dst = append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: bytes.Clone(r.input)}) // its memory may begin the next block
	}
	var p llm.Part
	sign(&p, r.signature)
	spread(r.citations, r.size)
	return append(dst, llm.Event{Kind: llm.EventPartEnd, Part: r.part, Signature: p.Signature, Origin: p.Origin, Citations: r.citations})
}

// whole returns the block of a PartOther with its input in place.
func (r *reader) whole() string {
	if !wire.Valid(r.partial) {
		return string(r.raw)
	}
	var sc wire.Scanner
	sc.Reset(r.raw)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return string(r.raw)
		}
		at := sc.Value()
		if string(name) == "input" {
			return string(slices.Concat(r.raw[:at.Start], r.partial, r.raw[at.End:]))
		}
	}
}

// finish reads message_delta.
func (r *reader) finish(dst []llm.Event, f *frame, data []byte) []llm.Event {
	if f.usage.Len() > 0 {
		r.counts.merge(f.usage.Of(data))
	}
	if f.stopReason.Len() > 0 && !r.finished {
		r.finished = true
		dst = r.endBlock(dst)
		if text := explanation(f.stopDetails.Of(data)); text != "" {
			dst = append(dst, llm.Event{Kind: llm.EventPart, Part: llm.PartRefusal},
				llm.Event{Kind: llm.EventDelta, Part: llm.PartRefusal, Text: []byte(text)},
				llm.Event{Kind: llm.EventPartEnd, Part: llm.PartRefusal})
		}
		reason := textOf(f.stopReason, data)
		dst = append(dst, llm.Event{Kind: llm.EventFinish, Finish: finishOf(reason), Name: reason, Stop: textOf(f.stopSequence, data)})
	}
	if f.usage.Len() > 0 && r.counts.stated() {
		r.usage = r.counts.usage()
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Usage: &r.usage, ServiceTier: r.counts.tierUsed()})
	}
	return dst
}

// End says what the stream amounts to, once it has ended.
func (r *reader) End(dst []llm.Event) ([]llm.Event, *llm.Error) {
	if !r.finished {
		return dst, llm.Errorf(llm.KindTruncated, "provider's stream ended without a stop_reason")
	}
	return dst, nil
}

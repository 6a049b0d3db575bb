package bedrock

import (
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// delta is where the pieces of one contentBlockDelta stand.
type delta struct {
	index                                int
	text, input                          wire.Span
	thinking, signature, redacted, image wire.Span
	citation                             wire.Span
}

// read walks the event once. With a scanner that stays, it allocates nothing: most events of a stream are these.
func (d *delta) read(sc *wire.Scanner, data []byte) {
	*d = delta{}
	sc.Reset(data)
	members(sc, func(name []byte) {
		switch string(name) {
		case "contentBlockIndex":
			n, _ := wire.Int(sc.Value().Of(data))
			d.index = int(n)
		case "delta":
			members(sc, func(name []byte) { d.member(sc, name) })
		default:
			sc.Value()
		}
	})
}

func (d *delta) member(sc *wire.Scanner, name []byte) {
	switch string(name) {
	case "text":
		d.text = text(sc)
	case "toolUse":
		members(sc, func(name []byte) {
			if string(name) == "input" {
				d.input = text(sc)
			} else {
				sc.Value()
			}
		})
	case "reasoningContent":
		members(sc, func(name []byte) {
			switch string(name) {
			case "text":
				d.thinking = text(sc)
			case "signature":
				d.signature = text(sc)
			case "redactedContent":
				d.redacted = text(sc)
			default:
				sc.Value()
			}
		})
	case "image":
		d.image = sc.Value()
	case "citation":
		d.citation = sc.Value()
	default:
		sc.Value()
	}
}

// members calls f for each member of the object ahead; f must pass over its value. What is no object is passed over.
func members(sc *wire.Scanner, f func(name []byte)) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		f(name)
	}
}

// text passes over the value ahead and returns where it stands if it is a string.
func text(sc *wire.Scanner) wire.Span {
	isText := sc.Kind() == wire.String
	v := sc.Value()
	if !isText {
		return wire.Span{}
	}
	return v
}

// blockDelta appends what a delta adds.
func (r *reader) blockDelta(dst []llm.Event, data []byte) []llm.Event {
	d := &r.piece
	d.read(&r.scan, data)
	switch {
	case d.text.Len() > 0:
		return r.delta(r.open(dst, d.index, llm.PartText), d.text.Of(data))
	case d.input.Len() > 0:
		if r.index != d.index || r.part != llm.PartToolCall {
			return append(dst, llm.Event{Kind: llm.EventMalformed}) // no start, so no name
		}
		r.wrote = r.wrote || d.input.Len() > 2
		return r.delta(dst, d.input.Of(data))
	case d.thinking.Len() > 0:
		return r.delta(r.open(dst, d.index, llm.PartThinking), d.thinking.Of(data))
	case d.signature.Len() > 0:
		dst = r.open(dst, d.index, llm.PartThinking)
		r.signature = wire.Unquote(r.signature, d.signature.Of(data))
	case d.redacted.Len() > 0:
		dst = r.open(dst, d.index, llm.PartRedacted)
		r.signature = wire.Unquote(r.signature, d.redacted.Of(data))
	case d.citation.Len() > 0:
		var c citation
		if json.Unmarshal(d.citation.Of(data), &c) == nil {
			dst = r.open(dst, d.index, llm.PartText)
			r.citations = append(r.citations, c.citation())
		}
	case d.image.Len() > 0:
		var m media
		if r.index == d.index && json.Unmarshal(d.image.Of(data), &m) == nil {
			r.media.Data += m.Source.Bytes
		}
	}
	return dst
}

// open opens a part of a kind for the block of an index, unless it is open.
func (r *reader) open(dst []llm.Event, index int, part llm.PartKind) []llm.Event {
	if r.index == index && r.part == part {
		return dst
	}
	dst = r.close(dst)
	r.index, r.part = index, part
	return append(dst, llm.Event{Kind: llm.EventPart, Part: part})
}

// delta appends a piece of text, lit being the JSON string.
func (r *reader) delta(dst []llm.Event, lit []byte) []llm.Event {
	r.text = wire.Unquote(r.text[:0], lit)
	if len(r.text) == 0 {
		return dst
	}
	return append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: r.text})
}

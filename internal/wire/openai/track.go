package openai

import (
	"encoding/hex"
	"hash/fnv"
	"strconv"

	"sluice/internal/llm"
)

// track is one choice of a stream on its way into events. In this dialect parts have no end of their own, and calls of tools may
// come interleaved. The rules:
//
//  1. parts holds what is not over yet, in order of beginning. Only the first has been told, and gets its text as it comes; the
//     text of the others is held back.
//  2. The first part is over when another one waits and nothing more can come for it: text and thinking at once, a call when its
//     arguments are one whole JSON value.
//  3. The finish reason ends them all, in order.
type track struct {
	index int
	ended bool
	parts []*pending
	tools []*pending // all calls so far, to find where a fragment belongs
	rule  ruler      // of the text under way
	cites []llm.Citation
	mark  string        // signature of the text under way
	probs []llm.Logprob // of the text that comes next
	audio *pending      // is told at the end, when it is whole
}

// pending is a part that is not over.
type pending struct {
	kind   llm.PartKind
	id     string
	name   string
	custom bool
	index  int  // of a call or a detail; -1 if there is none
	plain  bool // thinking that came as plain text
	begun  bool // it was told
	closed bool
	held   []byte
	probs  []llm.Logprob
	json   jsonEnd // of a call
	sign   string
	origin llm.Dialect
	media  *llm.Part
}

// over reports whether nothing more can come for the part, once another one has begun.
func (p *pending) over() bool { return p.kind != llm.PartToolCall || p.json.done }

// ready reports whether the part's text can be told as it comes. Arguments wait for their first bracket: what has none (null, or
// nothing at all) stands for an object without members.
func (p *pending) ready() bool {
	return p.kind != llm.PartToolCall || p.custom || p.json.begun
}

// last returns the part that began last, if it is not over.
func (t *track) last() *pending {
	if n := len(t.parts); n > 0 {
		return t.parts[n-1]
	}
	return nil
}

// plain reports whether a thought is under way that came as plain text.
func (t *track) plain() bool {
	last := t.last()
	return last != nil && last.kind == llm.PartThinking && last.plain && last.sign == ""
}

// write adds text to a part.
func (t *track) write(dst []llm.Event, p *pending, text []byte) []llm.Event {
	if p.kind == llm.PartToolCall && !p.custom {
		p.json.feed(text)
	}
	if p.kind == llm.PartText || p.kind == llm.PartRefusal {
		p.probs = append(p.probs, t.probs...)
		t.probs = t.probs[:0]
	}
	if p != t.parts[0] || !p.begun || !p.ready() || len(p.held) > 0 {
		p.held = append(p.held, text...)
		return t.advance(dst)
	}
	dst = t.say(dst, p, text)
	return t.advance(dst)
}

// say tells text of the open part.
func (t *track) say(dst []llm.Event, p *pending, text []byte) []llm.Event {
	if p.kind == llm.PartText {
		t.rule.add(text)
	}
	dst = append(dst, llm.Event{Kind: llm.EventDelta, Choice: t.index, Part: p.kind, Text: text, Logprobs: p.probs})
	p.probs = nil
	return dst
}

// advance tells what can be told by now.
func (t *track) advance(dst []llm.Event) []llm.Event {
	for len(t.parts) > 0 {
		p := t.parts[0]
		if !p.begun {
			if p.kind == llm.PartToolCall && p.name == "" {
				return dst // its name is still to come
			}
			dst = t.begin(dst, p)
		}
		if len(p.held) > 0 && p.ready() {
			dst = t.say(dst, p, p.held)
			p.held = nil // the event has it
		}
		if len(t.parts) == 1 || !p.over() {
			return dst
		}
		dst = t.end(dst)
	}
	return dst
}

func (t *track) begin(dst []llm.Event, p *pending) []llm.Event {
	p.begun = true
	return append(dst, llm.Event{
		Kind: llm.EventPart, Choice: t.index, Part: p.kind, ID: p.id, Name: p.name, Custom: p.custom, Media: p.media,
	})
}

// end tells the end of the first part.
func (t *track) end(dst []llm.Event) []llm.Event {
	p := t.parts[0]
	t.parts = t.parts[:copy(t.parts, t.parts[1:])]
	if !p.begun {
		dst = t.begin(dst, p)
	}
	if p.kind == llm.PartToolCall && !p.custom && !p.json.begun {
		switch string(p.held) {
		case "", "null":
			p.held = []byte("{}")
		}
	}
	if len(p.held) > 0 || len(p.probs) > 0 {
		dst = t.say(dst, p, p.held)
	}
	e := llm.Event{Kind: llm.EventPartEnd, Choice: t.index, Part: p.kind, Signature: p.sign, Origin: p.origin}
	if p.kind == llm.PartText {
		e.Citations, t.cites = t.cites, nil
		for i := range e.Citations {
			c := &e.Citations[i]
			c.Start, c.End = t.rule.bytes(c.Start), t.rule.bytes(c.End)
		}
		if t.mark != "" {
			e.Signature, e.Origin, t.mark = t.mark, llm.Gemini, ""
		}
		t.rule.next()
	}
	p.closed = true
	return append(dst, e)
}

// flush ends all parts.
func (t *track) flush(dst []llm.Event) []llm.Event {
	if t.audio != nil {
		t.audio.media.MIME = audioType(t.audio.media.Data)
		t.open(t.audio)
		t.audio = nil
	}
	for len(t.parts) > 0 {
		dst = t.end(dst)
	}
	if len(t.probs) > 0 {
		dst = append(dst, llm.Event{Kind: llm.EventDelta, Choice: t.index, Part: llm.PartText, Logprobs: t.probs})
		t.probs = nil
	}
	return dst
}

// open begins a part.
func (t *track) open(p *pending) *pending {
	t.parts = append(t.parts, p)
	return p
}

// callID makes an id for a call that the server gave none: the same whenever the same answer is read.
func callID(answer string, choice, call int, name string) string {
	h := fnv.New128a()
	h.Write(strconv.AppendInt(append([]byte(answer), 0), int64(choice), 10))
	h.Write(append(strconv.AppendInt([]byte{0}, int64(call), 10), name...))
	return "call_" + hex.EncodeToString(h.Sum(nil))[:24]
}

// jsonEnd finds out when a text that comes in pieces is one whole JSON object or array. It only counts brackets outside of strings:
// whether the text is right in itself is for who reads it.
type jsonEnd struct {
	depth           int
	quoted, escaped bool
	begun, done     bool
}

func (j *jsonEnd) feed(text []byte) {
	for _, c := range text {
		switch {
		case j.escaped:
			j.escaped = false
		case j.quoted:
			j.escaped = c == '\\'
			j.quoted = c != '"'
		case c == '"':
			j.quoted = true
		case c == '{' || c == '[':
			j.depth++
			j.begun = true
		case c == '}' || c == ']':
			j.depth--
			j.done = j.depth == 0
		}
	}
}

package openai

import (
	"math/bits"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Resume returns a writer that goes on with the stream where it stopped; see wire.Resumer. Its chunks have the id, the time, the
// model, the fingerprint and the tier of those that were forwarded. Calls of tools are counted on, and thinking goes on under the
// names that it had. A choice whose finish reason was forwarded gets nothing more.
//
// Parts have no end of their own here, so the last one is open, unless it is thinking that has its signature, or something that
// cannot be gone on with. Usage of the provider's part is not told: what is to be told is written by EventUsage.
func (s *Stream) Resume(h *llm.Head, sofar *llm.Answer) (llm.EventWriter, bool) {
	w := &writer{head: *h, legacy: legacy(h)}
	w.head.Chat = nil
	w.self = s.self(h)
	s.seen.each(func(i int) { w.choices = append(w.choices, written{index: i, over: s.ended.has(i)}) })
	open := false
	for i := range w.choices {
		c := &w.choices[i]
		t := s.trails.find(c.index)
		if t == nil {
			continue
		}
		w.legacy = w.legacy || t.legacy
		said := partsOf(sofar, c.index)
		if t.resume(c, said) && !c.over {
			open = true
			c.part = said[len(said)-1].Kind
		}
	}
	w.begin()
	return w, open
}

// self returns what the forwarded chunks say of the answer.
func (s *Stream) self(h *llm.Head) Head {
	created := unixTime(s.trails.created)
	self := headOf(h, "", textOf(s.trails.model), created.Unix(), created.IsZero())
	if id := textOf(s.trails.id); id != "" {
		self.ID = id
	}
	if s.options.Model != "" {
		self.Model = s.options.Model
	} else if len(s.trails.model) > 0 {
		self.Model = textOf(s.trails.model)
	}
	self.Fingerprint, self.ServiceTier = textOf(s.trails.fingerprint), s.Tier
	return self
}

// textOf returns the text of a literal, "" for none.
func textOf(lit []byte) string {
	if len(lit) < 2 {
		return ""
	}
	return wire.TextOf(lit)
}

// partsOf returns the parts of a choice.
func partsOf(a *llm.Answer, index int) []llm.Part {
	if a == nil {
		return nil
	}
	for i := range a.Choices {
		if a.Choices[i].Index == index {
			return a.Choices[i].Parts
		}
	}
	return nil
}

// find returns the choice of an index; nil if nothing was seen of it.
func (s *trails) find(index int) *trail {
	for i := range s.all {
		if s.all[i].index == index {
			return &s.all[i]
		}
	}
	return nil
}

// resume puts c into the state after said, and reports whether its last part is open.
func (t *trail) resume(c *written, said []llm.Part) (open bool) {
	c.forms, c.images, c.thoughts = t.forms&^formContent, t.images, max(t.detail, 0)
	if t.forms&formContent != 0 && c.forms != 0 {
		c.forms |= formContent
	}
	for i := range t.calls {
		q := &t.calls[i]
		c.calls = max(c.calls, q.index+1, i+1)
		c.unnumbered = c.unnumbered || q.index < 0
	}
	if len(t.calls) > 0 {
		q := &t.calls[t.tool]
		c.call, c.custom, c.id, c.name = q.index, q.custom, textIn(q.id), textIn(q.name)
	}
	if len(said) == 0 {
		return false
	}
	last := &said[len(said)-1]
	for i := range said {
		if p := &said[i]; p.Kind == llm.PartText {
			c.rule.add([]byte(p.Text))
			if i < len(said)-1 {
				c.rule.next()
			}
		}
	}
	switch last.Kind {
	case llm.PartText:
		open = t.kind == llm.PartText
		if !open {
			c.rule.next()
		}
		return open
	case llm.PartThinking:
		// Where its text stands in reasoning_details, a signature goes there without the text.
		if c.forms&formDetail == 0 {
			c.thought = append(c.thought, last.Text...)
		}
		if t.kind == last.Kind && !t.signed {
			return true
		}
		c.thoughts, c.thought = c.thoughts+1, nil
		return false
	case llm.PartRefusal, llm.PartToolCall:
		return t.kind == last.Kind
	}
	return false
}

// textIn returns the text of the inside of a literal.
func textIn(raw []byte) string { return string(wire.Unescape(nil, raw)) }

// each calls take for each index of the set, in order.
func (x *indexes) each(take func(i int)) {
	for word := range len(x.high) + 1 {
		bitsOf := x.low
		if word > 0 {
			bitsOf = x.high[word-1]
		}
		for ; bitsOf != 0; bitsOf &= bitsOf - 1 {
			take(word*64 + bits.TrailingZeros64(bitsOf))
		}
	}
}

// think appends thinking under the names that the forwarded part of the stream had for it.
func (w *writer) think(dst []byte, c *written, text []byte) []byte {
	dst = w.open(dst, c)
	start := len(dst)
	if c.forms&formContent != 0 {
		dst = wire.AppendString(append(dst, `,"reasoning_content":`...), text)
	}
	if c.forms&formShort != 0 {
		dst = wire.AppendString(append(dst, `,"reasoning":`...), text)
	}
	if c.forms&formDetail != 0 {
		p := llm.Part{Kind: llm.PartThinking, Text: string(text)}
		at := len(append(dst, `,"reasoning_details":[`...))
		dst = appendDetail(append(dst, `,"reasoning_details":[`...), &p, c.thoughts)
		if dst[at] == ',' { // it is the first entry, whatever its index
			dst = append(dst[:at], dst[at+1:]...)
		}
		dst = append(dst, ']')
	} else {
		c.thought = append(c.thought, text...)
	}
	if c.forms == formArray {
		dst = wire.AppendString(append(dst, `,"content":[{"type":"thinking","thinking":[{"type":"text","text":`...), text)
		dst = append(dst, `}]}]`...)
	}
	dst = append(dst[:start], dst[start+1:]...) // the first comma
	return w.shut(dst, c, "", "")
}

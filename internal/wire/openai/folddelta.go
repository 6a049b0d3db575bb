package openai

import (
	"bytes"

	"sluice/internal/wire"
)

// delta takes the delta ahead, or a message.
func (f *folding) delta(c *foldedChoice, data []byte) {
	if !c.said {
		c.said = true
		c.members.At([]byte(`"message"`)) // this is its place
	}
	f.sc.Object()
	for {
		name, ok := f.sc.Member()
		if !ok {
			return
		}
		at := f.sc.Name().Of(data)
		kind := f.sc.Kind()
		switch string(name) {
		case "content":
			f.content(c, c.message.At(at), data)
		case "refusal", "reasoning", "reasoning_content":
			c.message.At(at).Join(f.sc.Value().Of(data))
		case "role":
			c.message.At(at).First(f.sc.Value().Of(data))
		case "annotations", "images":
			c.message.At(at).Extend(f.sc.Value().Of(data))
		case "tool_calls":
			if kind != wire.Array {
				c.message.At(at).Set(f.sc.Value().Of(data))
				continue
			}
			f.sc.Array()
			for f.sc.Element() {
				f.call(c, c.message.At(at), f.sc.Value().Of(data))
			}
		case "reasoning_details":
			if kind != wire.Array {
				c.message.At(at).Set(f.sc.Value().Of(data))
				continue
			}
			f.sc.Array()
			for f.sc.Element() {
				c.detail(c.message.At(at), f.sc.Value().Of(data))
			}
		case "function_call":
			function(c.message.At(at), f.sc.Value().Of(data))
		case "audio":
			audio(c.message.At(at), f.sc.Value().Of(data))
		default:
			c.message.At(at).Set(f.sc.Value().Of(data))
		}
	}
}

// members calls take for each member of an object; for what is none it returns false.
func members(b []byte, take func(name, at []byte, lit []byte)) bool {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return false
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return true
		}
		at := sc.Name().Of(b)
		take(name, at, sc.Value().Of(b))
	}
}

// function takes a function_call, or the function of a call.
func function(v *wire.Merged, b []byte) {
	if len(b) == 0 || b[0] != '{' {
		v.First(b)
		return
	}
	m := v.Object()
	members(b, func(name, at, lit []byte) {
		switch string(name) {
		case "name":
			m.At(at).First(lit)
		case "arguments", "input":
			m.At(at).Join(lit)
		default:
			m.At(at).Set(lit)
		}
	})
}

// call takes an entry of tool_calls, to go on with the call that it belongs to.
func (f *folding) call(c *foldedChoice, list *wire.Merged, b []byte) {
	if len(b) == 0 || b[0] != '{' {
		return
	}
	s := &f.walk.scanner
	s.body = b
	s.sc.Reset(b)
	p := piece{kind: pieceTool, index: -1}
	s.tool(&p)
	n := c.trail.find(&p, b)
	if n < 0 {
		if n = len(c.calls); n == maxCalls {
			f.bad = true
			return
		}
		c.calls = append(c.calls, new(wire.Merge))
		c.trail.calls = append(c.trail.calls, tracedCall{index: p.index})
		list.Put(c.appendCalls)
	}
	f.walk.trace(&c.trail.calls[n], &p, b)
	m := c.calls[n]
	members(b, func(name, at, lit []byte) {
		switch string(name) {
		case "index":
		case "id", "type":
			m.At(at).First(lit)
		case "function", "custom":
			function(m.At(at), lit)
		default:
			m.At(at).Set(lit)
		}
	})
}

func (c *foldedChoice) appendCalls(dst []byte) []byte {
	return appendObjects(dst, len(c.calls), func(i int) *wire.Merge { return c.calls[i] })
}

// appendObjects appends a list of n objects.
func appendObjects(dst []byte, n int, at func(i int) *wire.Merge) []byte {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = at(i).Append(dst)
	}
	return append(dst, ']')
}

// detail takes an entry of reasoning_details. Those of one index and type are one; without an index, those that follow one another.
func (c *foldedChoice) detail(list *wire.Merged, b []byte) {
	var kind []byte
	index := indexAt(b, -1)
	if !members(b, func(name, _, lit []byte) {
		if string(name) == "type" {
			kind = lit
		}
	}) {
		return
	}
	var d *foldedDetail
	for i := len(c.details) - 1; i >= 0 && d == nil; i-- {
		if q := &c.details[i]; q.index == index && bytes.Equal(q.kind, kind) && (index >= 0 || i == len(c.details)-1) {
			d = q
		}
	}
	if d == nil {
		c.details = append(c.details, foldedDetail{index: index, kind: bytes.Clone(kind), members: new(wire.Merge)})
		d = &c.details[len(c.details)-1]
		list.Put(c.appendDetails)
	}
	members(b, func(name, at, lit []byte) {
		switch string(name) {
		case "text", "summary", "data":
			d.members.At(at).Join(lit)
		default:
			d.members.At(at).Set(lit)
		}
	})
}

func (c *foldedChoice) appendDetails(dst []byte) []byte {
	return appendObjects(dst, len(c.details), func(i int) *wire.Merge { return c.details[i].members })
}

// audio takes a piece of audio: base64, of which each piece may be padded.
func audio(v *wire.Merged, b []byte) {
	if len(b) == 0 || b[0] != '{' {
		v.First(b)
		return
	}
	m := v.Object()
	members(b, func(name, at, lit []byte) {
		one := m.At(at)
		switch string(name) {
		case "id":
			one.First(lit)
		case "transcript":
			one.Join(lit)
		case "data":
			if have := one.Text(); bytes.HasSuffix(have, []byte("=")) && len(lit) > 2 && lit[0] == '"' {
				one.Set(wire.AppendString(nil, joinBase64(string(have), wire.TextOf(lit))))
				joined := one.Append(nil)
				one.Clear()
				one.Join(joined)
				return
			}
			one.Join(lit)
		default:
			one.Set(lit)
		}
	})
}

// foldedPart is a part of a content that is an array.
type foldedPart struct {
	kind    []byte // literal of its type
	members *wire.Merge
	inner   *partList // of a thought
}

// partList is a content that is an array, or the thinking in one.
type partList struct{ parts []foldedPart }

// content takes a content: text, or an array of parts, with which text that came before and comes after becomes a part.
func (f *folding) content(c *foldedChoice, v *wire.Merged, data []byte) {
	kind := f.sc.Kind()
	lit := f.sc.Value().Of(data)
	switch {
	case kind == wire.Array:
		if c.parts.parts == nil {
			if v.Says() {
				c.parts.text(v.Append(nil))
			}
			v.Put(c.parts.append)
		}
		c.parts.add(lit)
	case len(c.parts.parts) == 0:
		v.Join(lit)
	case kind == wire.String && len(lit) > 2:
		c.parts.text(lit)
	}
}

// text adds a text, given as a literal.
func (l *partList) text(lit []byte) {
	l.at([]byte(`"text"`)).members.At([]byte(`"text"`)).Join(lit)
}

// at returns the last part, if it is of the kind, or else another.
func (l *partList) at(kind []byte) *foldedPart {
	if n := len(l.parts); n > 0 && bytes.Equal(l.parts[n-1].kind, kind) {
		return &l.parts[n-1]
	}
	p := foldedPart{kind: bytes.Clone(kind), members: new(wire.Merge)}
	p.members.At([]byte(`"type"`)).Set(kind)
	l.parts = append(l.parts, p)
	return &l.parts[len(l.parts)-1]
}

// add adds the parts of an array.
func (l *partList) add(b []byte) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Array()
	for sc.Element() {
		kind := sc.Kind()
		lit := sc.Value().Of(b)
		switch kind {
		case wire.String:
			l.text(lit)
		case wire.Object:
			l.part(lit)
		}
	}
}

func (l *partList) part(b []byte) {
	var kind []byte
	members(b, func(name, _, lit []byte) {
		if string(name) == "type" {
			kind = lit
		}
	})
	p := l.at(kind)
	members(b, func(name, at, lit []byte) {
		v := p.members.At(at)
		switch {
		case string(name) == "text", string(name) == "thinking" && lit[0] == '"':
			v.Join(lit)
		case string(name) == "thinking" && lit[0] == '[':
			if p.inner == nil {
				p.inner = new(partList)
				v.Put(p.inner.append)
			}
			p.inner.add(lit)
		default:
			v.Set(lit)
		}
	})
}

func (l *partList) append(dst []byte) []byte {
	return appendObjects(dst, len(l.parts), func(i int) *wire.Merge { return l.parts[i].members })
}

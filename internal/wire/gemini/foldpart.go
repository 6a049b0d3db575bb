package gemini

import (
	"sluice/internal/wire"
)

// shape is what is to be known of a part before it is added.
type shape struct {
	text    wire.Span // literal
	plain   bool      // a text, with no other member but thought
	thought bool
	call    wire.Span // functionCall, if it is an object
}

// shapeOf reads a part.
func shapeOf(b []byte) (s shape, ok bool) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return s, false
	}
	others := false
	for {
		name, more := sc.Member()
		if !more {
			s.plain = s.text.Len() > 0 && !others
			return s, true
		}
		kind := sc.Kind()
		switch string(name) {
		case "text":
			s.text = only(wire.String, kind, sc.Value())
			others = others || kind != wire.String
		case "thought":
			v := sc.Value().Of(b)
			s.thought = len(v) > 0 && v[0] == 't'
			others = others || kind != wire.Bool
		case "functionCall", "function_call":
			s.call = only(wire.Object, kind, sc.Value())
			others = true
		default:
			sc.Value()
			others = true
		}
	}
}

// part adds a part, which is valid JSON.
func (c *foldedCandidate) part(b []byte) {
	s, ok := shapeOf(b)
	if !ok {
		return
	}
	if s.plain && s.text.Len() == 2 {
		c.empty = true
		return
	}
	if s.plain && len(c.parts) > 0 && c.partial == nil {
		if last := c.parts[len(c.parts)-1]; last.text != nil && last.thought == s.thought {
			last.text.Join(s.text.Of(b))
			return
		}
	}
	if s.call.Len() > 0 && c.pieces(b, s.call.Of(b)) {
		return
	}
	p := &foldedPart{thought: s.thought}
	c.parts = append(c.parts, p)
	p.add(b, s.plain)
}

// add adds the members of a part.
func (p *foldedPart) add(b []byte, plain bool) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		text := plain && string(name) == "text"
		v := p.members.At(sc.Name().Of(b))
		lit := sc.Value().Of(b)
		if text {
			p.text = v
			v.Join(lit)
		} else {
			v.Set(lit)
		}
	}
}

// pieces takes a call whose arguments come in pieces, or reports that the call is none.
func (c *foldedCandidate) pieces(b, call []byte) bool {
	one := readCall(call)
	if c.partial == nil && !one.more && len(one.pieces) == 0 {
		return false
	}
	if c.partial != nil && one.name != "" && c.partial.name != "" {
		c.endPartial()
	}
	if c.partial == nil {
		c.partial = &partial{root: node{kind: nodeObject}}
		c.call = new(foldedPart)
		c.parts = append(c.parts, c.call)
	}
	p := c.partial
	if one.name != "" {
		p.name = one.name
	}
	for i := range one.pieces {
		p.add(&one.pieces[i])
	}
	c.call.addCall(b)
	if !one.more {
		c.endPartial()
	}
	return true
}

// addCall adds the members of a part whose functionCall has pieces, without those.
func (p *foldedPart) addCall(b []byte) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		v := p.members.At(sc.Name().Of(b))
		if !sameField(name, "functionCall") || !sc.Object() {
			v.Set(sc.Value().Of(b))
			continue
		}
		into := v.Object()
		for {
			name, ok := sc.Member()
			if !ok {
				break
			}
			at := sc.Name().Of(b)
			skip := sameField(name, "partialArgs") || sameField(name, "willContinue")
			if lit := sc.Value().Of(b); !skip {
				into.At(at).First(lit)
			}
		}
	}
}

// endPartial gives the call under way its arguments.
func (c *foldedCandidate) endPartial() {
	if c.partial == nil {
		return
	}
	name := `"functionCall"`
	if c.call.members.Find(name) == nil {
		name = `"function_call"`
	}
	c.call.members.At([]byte(name)).Object().At([]byte(`"args"`)).Set(c.partial.root.append(nil))
	c.partial, c.call = nil, nil
}

// appendContent appends the content, with its parts if there were any.
func (c *foldedCandidate) appendContent(dst []byte) []byte {
	if v := c.content.At([]byte(`"parts"`)); v.Missing() && (len(c.parts) > 0 || c.empty) {
		v.Put(c.appendParts)
	}
	c.content.At([]byte(`"role"`)).First([]byte(`"model"`))
	return c.content.Append(dst)
}

func (c *foldedCandidate) appendParts(dst []byte) []byte {
	if len(c.parts) == 0 {
		return append(dst, `[{"text":""}]`...)
	}
	dst = append(dst, '[')
	for i, p := range c.parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.members.Append(dst)
	}
	return append(dst, ']')
}

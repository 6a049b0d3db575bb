package openai

import "sluice/internal/wire"

// chunk is one pass over the top level of a stream's chunk: where the parts are that matter, and what must change.
type chunk struct {
	choices wire.Span // value, if it is an array
	count   int       // choices in it
	first   [4]choice // those that are kept from the validating pass: mostly there is one
	lone    wire.Span // as in reply, of all choices
	as      lone
	lones   int
	usage   wire.Span // value, if it is an object
	vendor  wire.Span // value of x_groq, if it is an object
	model   wire.Span // value, if it is a string
	tier    wire.Span // value of service_tier, if it is a string
	data    bool      // there is an array named data
	isError bool
	edits   int // edit[:edits] are the changes, in order
	edit    [maxEdits]edit
}

// read validates b and reads it. It reports false if b is no JSON object.
//
// How members are removed, so that the commas stay right: a member that follows another goes with the comma in front of
// it, so the cut is from the end of the member before to its own end, which also holds for several in a row. Members
// at the very front go with what follows them, up to the name of the first one that stays.
func (c *chunk) read(b []byte, o *wire.FollowOptions) bool {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return false
	}
	front, before := -1, -1 // start of the cut at the front; end of the member before that is not in that cut
	end := 0
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		start := sc.Name().Start
		c.model = wire.Span{}
		remove := c.member(string(name), &sc, b, o.StripUsage)
		end = sc.Pos()
		switch {
		case remove && before >= 0:
			c.add(edit{at: wire.Span{Start: before, End: end}})
			before = end
		case remove && front < 0:
			front = start
		case !remove:
			if front >= 0 {
				c.add(edit{at: wire.Span{Start: front, End: start}})
				front = -1
			}
			before = end
			if o.Model != "" && c.model.Len() > 0 && !wire.EqualString(c.model.Of(b), o.Model) {
				c.add(edit{at: c.model, text: o.Model, quote: true})
			}
		}
	}
	if front >= 0 {
		c.add(edit{at: wire.Span{Start: front, End: end}})
	}
	return sc.End() && c.edits <= maxEdits
}

// member reads the value ahead as that of the member name. It reports whether the member must be cut out.
func (c *chunk) member(name string, sc *wire.Scanner, b []byte, stripUsage bool) (remove bool) {
	kind := sc.Kind()
	if name == "choices" && kind == wire.Array {
		c.readChoices(sc, b)
		return false
	}
	v := sc.Value()
	if v.Len() == 0 {
		return false // a fault, whatever the first byte promised
	}
	switch name {
	case "choices":
		c.choices, c.count, c.lones = wire.Span{}, 0, 0
	case "usage":
		c.usage = only(wire.Object, kind, v)
		return kind == wire.Null && stripUsage
	case "model":
		c.model = only(wire.String, kind, v)
	case "service_tier":
		c.tier = only(wire.String, kind, v)
	case "data":
		c.data = kind == wire.Array
	case "x_groq":
		c.vendor = only(wire.Object, kind, v)
	case "object":
		c.isError = c.isError || kind == wire.String && wire.EqualString(v.Of(b), "error")
	case "error":
		// openai-go takes the mere presence of the key as a failure, even null (v3.42 and v3.95, 2026-11).
		c.isError = c.isError || !isEmpty(kind, v.Of(b))
		return isEmpty(kind, v.Of(b))
	}
	return false
}

// readChoices reads the array ahead.
func (c *chunk) readChoices(sc *wire.Scanner, b []byte) {
	start := sc.Pos()
	c.count = 0
	sc.Array()
	r := reply{sc: sc, body: b}
	for ; ; c.count++ {
		ch, more := r.next(c.count)
		if !more {
			break
		}
		if c.count < len(c.first) {
			c.first[c.count] = ch
		}
	}
	c.choices = wire.Span{Start: start, End: sc.Pos()}
	c.lone, c.as, c.lones = r.lone, r.as, r.lones
}

// each calls take for each choice of the chunk with the body that its places are in, until take returns false; it returns
// whether all were taken. Those that were not kept are read once more.
func (c *chunk) each(data []byte, take func(ch choice, body []byte) bool) bool {
	if c.count <= len(c.first) {
		for i := range c.count {
			if !take(c.first[i], data) {
				return false
			}
		}
		return true
	}
	var sc wire.Scanner
	body := c.choices.Of(data)
	r := newReply(&sc, body)
	for n := 0; ; n++ {
		ch, more := r.next(n)
		if !more {
			return true
		}
		if !take(ch, body) {
			return false
		}
	}
}

// only returns v if its kind is the one wanted, otherwise an empty span.
func only(want, kind wire.Kind, v wire.Span) wire.Span {
	if kind != want {
		return wire.Span{}
	}
	return v
}

// isEmpty reports whether the value of error means that there is none.
func isEmpty(kind wire.Kind, b []byte) bool {
	switch kind {
	case wire.Null, wire.Invalid:
		return true
	case wire.String:
		return len(b) == 2
	case wire.Bool:
		return b[0] == 'f'
	default:
		return false
	}
}

func (c *chunk) add(e edit) {
	if c.edits < maxEdits {
		c.edit[c.edits] = e
	}
	c.edits++
}

// apply appends b with the edits.
func (c *chunk) apply(dst, b []byte) []byte {
	s := splicer{body: b}
	for _, e := range c.edit[:c.edits] {
		dst = s.append(dst, e)
	}
	return s.rest(dst)
}

// cuts reports whether the edits only take something out.
func (c *chunk) cuts() bool {
	for i := range c.edits {
		if e := &c.edit[i]; e.quote || e.text != "" {
			return false
		}
	}
	return true
}

// shift returns by how many bytes a place moves when the edits are made that stand before it.
func (c *chunk) shift(at int) (n int) {
	for _, e := range c.edit[:c.edits] {
		if e.at.Start < at {
			n -= e.at.Len()
		}
	}
	return n
}

// cut makes the edits within the memory of the event, whose data is in one line. It is the common change, and each stream's
// memory that it does not touch is a miss less in the processor's cache.
func (c *chunk) cut(ev *wire.Event) {
	raw, end := ev.Raw, ev.At+len(ev.Data)
	to := ev.At + c.edit[0].at.Start
	for i := range c.edits {
		next := end
		if i+1 < c.edits {
			next = ev.At + c.edit[i+1].at.Start
		}
		to += copy(raw[to:], raw[ev.At+c.edit[i].at.End:next])
	}
	ev.Data = raw[ev.At:to]
	ev.Raw = raw[:to+copy(raw[to:], raw[end:])]
}

// readVendor reads an x_groq object that has been validated: it may hold the usage and an error.
func readVendor(b []byte) (c chunk) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return c
		}
		c.member(string(name), &sc, b, false)
	}
}

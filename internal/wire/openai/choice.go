package openai

import "sluice/internal/wire"

// reply walks the choices of a chunk or of a whole answer, which differ in the name of one member only.
type reply struct {
	sc   *wire.Scanner
	body []byte
	// What pieces are made of, where a chunk has one text and nothing else, as nearly all have.
	lone  wire.Span // the last text that is not empty, with its quotes
	as    lone      // its member
	lones int       // texts; what is no plain text counts as several
}

// lone is the member that a text is the value of.
type lone uint8

const (
	loneText    lone = iota + 1 // content, or text
	loneRefusal                 // refusal
	loneThought                 // reasoning_content
	loneShort                   // reasoning
)

// choice is what Sluice reads of one choice.
type choice struct {
	index   int
	finish  wire.Span // value of finish_reason, if it is a string that is not empty
	content bool      // something that the model made, if only a part of a tool call
	bytes   int       // size of its text, reasoning and tool arguments, unescaped
	thought int       // of bytes, those of reasoning
	act     bool      // a part of a tool call, or audio
}

// newReply begins at the value of choices, which has been validated. sc is memory for the walk.
func newReply(sc *wire.Scanner, choices []byte) reply {
	sc.Reset(choices)
	sc.Array()
	return reply{sc: sc, body: choices}
}

// next returns the next choice. position counts the choices before it: a choice without an index is the one at its
// position.
func (r *reply) next(position int) (c choice, ok bool) {
	if r.sc.Depth() == 0 || !r.sc.Element() {
		return choice{}, false
	}
	c.index = position
	if !r.sc.Object() {
		r.sc.Value()
		return c, true
	}
	for {
		name, more := r.sc.Member()
		if !more {
			return c, true
		}
		switch string(name) {
		case "index":
			if n, ok := wire.Int(r.sc.Value().Of(r.body)); ok && n >= 0 {
				c.index = int(min(n, 1<<31-1))
			}
		case "delta":
			r.delta(&c)
		case "message":
			r.lones += 2
			r.delta(&c)
		case "text":
			r.said(&c, loneText)
		case "finish_reason":
			isText := r.sc.Kind() == wire.String
			if v := r.sc.Value(); isText && v.Len() > 2 {
				c.finish = v
			}
		default:
			r.sc.Value()
		}
	}
}

// delta reads a delta or a message. A role alone is no content.
func (r *reply) delta(c *choice) {
	if !r.sc.Object() {
		r.sc.Value()
		return
	}
	for {
		name, more := r.sc.Member()
		if !more {
			return
		}
		switch string(name) {
		case "content":
			r.said(c, loneText)
		case "refusal":
			r.said(c, loneRefusal)
		case "reasoning_content":
			r.thought(c, loneThought)
		case "reasoning":
			r.thought(c, loneShort)
		case "tool_calls", "function_call", "audio":
			r.lones += 2
			before := c.content
			c.content = false
			r.parts(c)
			c.act = c.act || c.content
			c.content = c.content || before
		case "reasoning_details":
			// Mostly the same text as reasoning, once more; but it may be all there is.
			v := r.sc.Value()
			r.lones += 2
			c.content = c.content || v.Len() > len("null")
		case "images":
			r.lones += 2
			r.sc.Value()
		default:
			r.sc.Value()
		}
	}
}

// said reads the text of a member of a choice or its delta.
func (r *reply) said(c *choice, as lone) {
	if r.sc.Kind() != wire.String {
		r.lones += 2
		r.parts(c)
		return
	}
	v := r.sc.Value()
	if n := r.sc.StringLen(v); n > 0 {
		c.content = true
		c.bytes += n
		r.lone, r.as = v, as
		r.lones++
	}
}

// thought reads text as said does, which is reasoning.
func (r *reply) thought(c *choice, as lone) {
	before := c.bytes
	r.said(c, as)
	c.thought += c.bytes - before
}

// say reads text: a string, or an array of parts (Mistral).
func (r *reply) say(c *choice) {
	if r.sc.Kind() != wire.String {
		r.parts(c)
		return
	}
	v := r.sc.Value()
	if n := r.sc.StringLen(v); n > 0 {
		c.content = true
		c.bytes += n
	}
}

// think reads text as say does, which is reasoning.
func (r *reply) think(c *choice) {
	before := c.bytes
	r.say(c)
	c.thought += c.bytes - before
}

// parts reads a value made of parts: parts of text, tool calls, audio. Whatever is neither null nor empty is content.
// What counts for its size is the text in it; in tool calls the name of the function and its arguments.
func (r *reply) parts(c *choice) {
	switch {
	case r.sc.Array():
		for r.sc.Element() {
			c.content = true
			r.parts(c)
		}
	case r.sc.Object():
		for {
			name, more := r.sc.Member()
			if !more {
				return
			}
			c.content = true
			switch string(name) {
			case "text", "content", "transcript", "name", "arguments", "input":
				r.say(c)
			case "thinking":
				r.think(c)
			case "function", "custom":
				r.parts(c)
			default:
				r.sc.Value()
			}
		}
	default:
		r.sc.Value()
	}
}

// indexes is a set of choice indexes. It holds no memory of its own up to 64 choices.
type indexes struct {
	low  uint64
	high []uint64
	n    int
}

// add puts i, from 0 to maxChoices-1, into the set.
func (x *indexes) add(i int) {
	word := &x.low
	if i >= 64 {
		for len(x.high) < i/64 {
			x.high = append(x.high, 0)
		}
		word = &x.high[i/64-1]
	}
	if bit := uint64(1) << (i % 64); *word&bit == 0 {
		*word |= bit
		x.n++
	}
}

// has reports whether i is in the set.
func (x *indexes) has(i int) bool {
	if i < 64 {
		return x.low>>i&1 != 0
	}
	return i/64 <= len(x.high) && x.high[i/64-1]>>(i%64)&1 != 0
}

func (x *indexes) reset() { *x = indexes{high: x.high[:0]} }

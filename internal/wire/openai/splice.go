package openai

import "sluice/internal/wire"

// AppendUpstream appends body as the provider is sent it. Mostly two places differ from what the client wrote: the value of
// model, if the change has another name; and, with Usage, stream_options.include_usage, which is made true (the member is
// added, or replaces false or null). All other bytes are the same, but for the members that the change names. body is the one
// that r was parsed from.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	if !c.Plain() {
		start := len(dst)
		dst = r.splice(dst, body, c)
		return append(dst[:start], wire.AppendChanged(nil, dst[start:], c)...)
	}
	return r.splice(dst, body, c)
}

func (r *Request) splice(dst, body []byte, c *wire.Change) []byte {
	var first, second edit
	if c.Model != "" && c.Model != r.Model {
		first = edit{at: r.model, text: c.Model, quote: true}
	}
	if c.Usage {
		second = r.usageEdit()
	}
	if second.at.Start < first.at.Start {
		first, second = second, first
	}
	s := splicer{body: body}
	dst = s.append(dst, first)
	dst = s.append(dst, second)
	return s.rest(dst)
}

// usageEdit returns the change that makes include_usage true.
func (r *Request) usageEdit() edit {
	switch {
	case r.IncludeUsage:
		return edit{}
	case r.usage.Len() > 0:
		return edit{at: r.usage, text: "true"}
	case r.options.Len() == 0:
		return edit{at: wire.Span{Start: r.last, End: r.last}, text: `,"stream_options":{"include_usage":true}`}
	case r.kind == wire.Null:
		return edit{at: r.options, text: `{"include_usage":true}`}
	}
	inside := wire.Span{Start: r.options.Start + 1, End: r.options.Start + 1}
	if r.empty {
		return edit{at: inside, text: `"include_usage":true`}
	}
	return edit{at: inside, text: `"include_usage":true,`}
}

// edit is one change to a JSON text: the bytes at a place become text. The zero edit changes nothing.
type edit struct {
	at    wire.Span
	text  string
	quote bool // text is written as a JSON string
}

// splicer copies body with edits, which must come in the order of their places and not overlap.
type splicer struct {
	body []byte
	done int // body[:done] has been copied or replaced
}

func (s *splicer) append(dst []byte, e edit) []byte {
	dst = append(dst, s.body[s.done:e.at.Start]...)
	s.done = e.at.End
	if e.quote {
		return wire.AppendString(dst, e.text)
	}
	return append(dst, e.text...)
}

func (s *splicer) rest(dst []byte) []byte { return append(dst, s.body[s.done:]...) }

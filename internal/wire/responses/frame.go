package responses

import (
	"sluice/internal/wire"
)

// frame is where the parts of one event's data are that matter to a reader or a follower. Spans are empty for what is not there.
type frame struct {
	kind        wire.Span // value of type
	sequence    int64     // sequence_number; -1 if there is none
	output      int       // output_index
	section     int       // content_index or summary_index
	delta       wire.Span // if it is a string
	deltaLen    int       // of it, unescaped
	text        wire.Span // the whole text of a part: text, refusal, arguments or input, if it is a string
	logprobs    wire.Span
	item        wire.Span
	part        wire.Span
	response    wire.Span
	error, code wire.Span // of an error event; both of the documented form and of the one under error
	message     wire.Span
}

// read validates b and reads it. It reports false if b is no JSON object.
func (f *frame) read(b []byte) bool {
	*f = frame{sequence: -1}
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return false
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		f.member(string(name), &sc, b)
	}
	return sc.End()
}

func (f *frame) member(name string, sc *wire.Scanner, b []byte) {
	kind := sc.Kind()
	v := sc.Value()
	switch name {
	case "type":
		f.kind = only(wire.String, kind, v)
	case "sequence_number":
		if n, ok := wire.Int(v.Of(b)); ok && kind == wire.Number {
			f.sequence = n
		}
	case "output_index":
		f.output = small(kind, v.Of(b))
	case "content_index", "summary_index":
		f.section = small(kind, v.Of(b))
	case "delta":
		if f.delta = only(wire.String, kind, v); f.delta.Len() > 0 {
			f.deltaLen = sc.StringLen(v)
		}
	case "text", "refusal", "arguments", "input":
		f.text = only(wire.String, kind, v)
	case "logprobs":
		f.logprobs = only(wire.Array, kind, v)
	case "item":
		f.item = only(wire.Object, kind, v)
	case "part":
		f.part = only(wire.Object, kind, v)
	case "response":
		f.response = only(wire.Object, kind, v)
	case "error":
		f.error = only(wire.Object, kind, v)
	case "code":
		f.code = only(wire.String, kind, v)
	case "message":
		f.message = only(wire.String, kind, v)
	}
}

// is reports whether the event, whose data is b, is of a type.
func (f *frame) is(b []byte, name string) bool { return wire.EqualString(f.kind.Of(b), name) }

// name returns the event's type without its quotes; types have no escapes.
func (f *frame) name(b []byte) []byte {
	if f.kind.Len() < 2 {
		return nil
	}
	return b[f.kind.Start+1 : f.kind.End-1]
}

// only returns v if its kind is the one wanted, otherwise an empty span.
func only(want, kind wire.Kind, v wire.Span) wire.Span {
	if kind != want {
		return wire.Span{}
	}
	return v
}

// small reads an index.
func small(kind wire.Kind, lit []byte) int {
	if n, ok := wire.Int(lit); ok && kind == wire.Number && n >= 0 {
		return int(min(n, 1<<31-1))
	}
	return 0
}

// summary is what the road needs of a response object.
type summary struct {
	model  wire.Span // its string
	status wire.Span // its string
	usage  wire.Span // its object
	tier   wire.Span // its string
	error  wire.Span // its object
	output wire.Span // its array
}

// read reads the response object b. It reports false if it is none.
func (s *summary) read(b []byte, sc *wire.Scanner) bool {
	*s = summary{}
	sc.Reset(b)
	if !sc.Object() {
		return false
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		member := string(name)
		kind := sc.Kind()
		v := sc.Value()
		switch member {
		case "model":
			s.model = only(wire.String, kind, v)
		case "status":
			s.status = only(wire.String, kind, v)
		case "usage":
			s.usage = only(wire.Object, kind, v)
		case "service_tier":
			s.tier = only(wire.String, kind, v)
		case "error":
			s.error = only(wire.Object, kind, v)
		case "output":
			s.output = only(wire.Array, kind, v)
		}
	}
	return sc.End()
}

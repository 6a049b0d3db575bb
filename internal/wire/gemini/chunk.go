package gemini

import (
	"sluice/internal/wire"
)

// chunk is one pass over the top level of an answer, or of a part of one in a stream, which has the same shape: where the parts
// are that matter.
type chunk struct {
	candidates wire.Span // value, if it is an array
	count      int       // candidates in it
	first      [4]sight  // those that are kept from the validating pass: mostly there is one
	usage      wire.Span // value of usageMetadata, if it is an object
	model      wire.Span // value of modelVersion, if it is a string
	id         wire.Span // value of responseId, if it is a string
	created    wire.Span // value of createTime, if it is a string
	blocked    wire.Span // value of promptFeedback.blockReason, if it says something
	vectors    bool      // there is an embedding, or a list of some
	tokens     bool      // there is a totalTokens
	isError    bool
	brief      bool // set by the caller: candidates are only counted
}

// read validates b and reads it. It reports false if b is no JSON object.
func (c *chunk) read(b []byte) bool {
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
		c.member(name, &sc, b)
	}
	return sc.End()
}

func (c *chunk) member(name []byte, sc *wire.Scanner, b []byte) {
	kind := sc.Kind()
	switch string(name) {
	case "candidates":
		if kind == wire.Array {
			c.list(sc, b)
			return
		}
	case "promptFeedback", "prompt_feedback":
		c.feedback(sc, b)
		return
	}
	v := sc.Value()
	if v.Len() == 0 {
		return // a fault, whatever the first byte promised
	}
	switch string(name) {
	case "usageMetadata", "usage_metadata":
		c.usage = only(wire.Object, kind, v)
	case "modelVersion", "model_version":
		c.model = only(wire.String, kind, v)
	case "responseId", "response_id":
		c.id = only(wire.String, kind, v)
	case "createTime", "create_time":
		c.created = only(wire.String, kind, v)
	case "embedding":
		c.vectors = kind == wire.Object
	case "embeddings":
		c.vectors = kind == wire.Array && v.Len() > 2
	case "totalTokens", "total_tokens":
		c.tokens = kind == wire.Number
	case "error":
		c.isError = kind == wire.Object || kind == wire.String && v.Len() > 2
	}
}

// list reads the candidates ahead.
func (c *chunk) list(sc *wire.Scanner, b []byte) {
	sc.Kind() // passes over white space
	start := sc.Pos()
	sc.Array()
	for c.count = 0; sc.Element(); c.count++ {
		if c.brief {
			sc.Value()
		} else if one := look(sc, b, c.count); c.count < len(c.first) {
			c.first[c.count] = one
		}
	}
	c.candidates = wire.Span{Start: start, End: sc.Pos()}
}

// each calls take for each candidate of the chunk, which was read of b. Those that were not kept are read once more.
func (c *chunk) each(b []byte, take func(s sight)) {
	if c.count <= len(c.first) {
		for i := range c.count {
			take(c.first[i])
		}
		return
	}
	var sc wire.Scanner
	list := c.candidates.Of(b)
	sc.Reset(list)
	sc.Array()
	for n := 0; sc.Element(); n++ {
		take(look(&sc, list, n))
	}
}

func (c *chunk) feedback(sc *wire.Scanner, b []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		is := sameField(name, "blockReason")
		kind := sc.Kind()
		v := sc.Value()
		if is && kind == wire.String && !unspecified(v.Of(b)) {
			c.blocked = v
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

// sight is what the road has to know of a candidate in a chunk.
type sight struct {
	index   int
	ended   bool
	content bool      // something that the model made
	text    bool      // content that is no thought
	bytes   int       // of text, thoughts and arguments
	lone    wire.Span // the last text that is not empty, with its quotes
	lones   int       // texts; what is no plain text counts as several
}

// look reads the candidate ahead. n is its place, which is its index if it does not say.
func look(sc *wire.Scanner, b []byte, n int) (s sight) {
	s.index = n
	if !sc.Object() {
		sc.Value()
		return s
	}
	for {
		name, ok := sc.Member()
		if !ok {
			s.index = min(s.index, maxCandidates-1)
			return s
		}
		switch string(name) {
		case "index":
			if i, ok := wire.Int(sc.Value().Of(b)); ok && i >= 0 {
				s.index = int(min(i, maxCandidates))
			}
		case "finishReason", "finish_reason":
			kind := sc.Kind()
			v := sc.Value()
			s.ended = kind == wire.String && !unspecified(v.Of(b))
		case "content":
			s.parts(sc, b)
		default:
			sc.Value()
		}
	}
}

// parts reads the content ahead.
func (s *sight) parts(sc *wire.Scanner, b []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		if string(name) != "parts" || !sc.Array() {
			sc.Value()
			continue
		}
		for sc.Element() {
			s.part(sc, b)
		}
	}
}

// part reads the part ahead.
func (s *sight) part(sc *wire.Scanner, b []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	thought, size, act := false, 0, false
	lone := wire.Span{}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(name) {
		case "text":
			v := sc.Value()
			if kind == wire.String && v.Len() > 0 {
				size, lone = sc.StringLen(v), v
			}
		case "thought":
			v := sc.Value()
			thought = kind == wire.Bool && v.Len() > 0 && b[v.Start] == 't'
		case "functionCall", "function_call":
			s.bytes += sc.Value().Len()
			act = true
		case "thoughtSignature", "thought_signature", "partMetadata", "part_metadata":
			sc.Value()
			s.lones += 2
		default:
			sc.Value()
			act = true // inlineData, executableCode and what else the model makes
		}
	}
	if act {
		s.lones += 2
	}
	if size > 0 {
		s.lone = lone
		s.lones++
	}
	s.bytes += size
	s.content = s.content || size > 0 || act
	s.text = s.text || act || size > 0 && !thought
}

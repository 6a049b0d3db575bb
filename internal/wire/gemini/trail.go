package gemini

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// trail is what a follower remembers of one candidate: as much as reader does, by the same rules.
type trail struct {
	index  int
	open   llm.PartKind // text or thinking; 0 if no part is open
	signed bool         // the open part has its signature: more of its kind begins another
	ended  bool
	// partial is a call whose arguments come in pieces; nil for none.
	partial  *partial
	id, name []byte // of that call, as they stood on the wire
}

// trails remember the candidates of a stream. Memory is used again for the next one.
type trails struct {
	all       []trail
	id, model []byte // literals; empty if not seen
	args      []byte // scratch
}

func (s *trails) reset() { s.all, s.id, s.model = s.all[:0], s.id[:0], s.model[:0] }

// of returns the candidate of an index, which is under maxCandidates.
func (s *trails) of(index int) *trail {
	for i := range s.all {
		if s.all[i].index == index {
			return &s.all[i]
		}
	}
	n := len(s.all)
	if n < cap(s.all) {
		s.all = s.all[:n+1]
	} else {
		s.all = append(s.all, trail{})
	}
	t := &s.all[n]
	*t = trail{index: index, id: t.id[:0], name: t.name[:0]}
	return t
}

// gather makes the pieces of a chunk that was read of data.
func (s *Stream) gather(c *chunk, data []byte) {
	keep(&s.trails.id, c.id, data)
	keep(&s.trails.model, c.model, data)
	if s.trails.args = s.trails.args[:0]; cap(s.trails.args) > keepScratch {
		s.trails.args = nil
	}
	if c.count == 1 && c.first[0].lones < 2 {
		one := &c.first[0]
		t := s.trails.of(one.index)
		if one.lones == 1 && !t.ended {
			kind := llm.PartText
			if !one.text {
				kind = llm.PartThinking
			}
			s.say(t, kind, one.lone.Of(data))
		}
		t.ended = t.ended || one.ended
		return
	}
	var sc wire.Scanner
	list := c.candidates.Of(data)
	sc.Reset(list)
	if !sc.Array() {
		return
	}
	for n := 0; sc.Element(); n++ {
		s.candidate(&sc, list, n)
	}
}

// keep keeps the first literal that says something.
func keep(into *[]byte, at wire.Span, data []byte) {
	if len(*into) == 0 && at.Len() > 2 {
		*into = append(*into, at.Of(data)...)
	}
}

// candidate tells the parts of the candidate ahead, which has been validated.
func (s *Stream) candidate(sc *wire.Scanner, b []byte, n int) {
	if !sc.Object() {
		sc.Value()
		return
	}
	var content wire.Span
	index, ended := n, false
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(name) {
		case "index":
			if i, ok := wire.Int(sc.Value().Of(b)); ok && i >= 0 {
				index = int(min(i, maxCandidates))
			}
		case "content":
			content = only(wire.Object, kind, sc.Value())
		case "finishReason", "finish_reason":
			v := sc.Value()
			ended = kind == wire.String && !unspecified(v.Of(b))
		default:
			sc.Value()
		}
	}
	t := s.trails.of(min(index, maxCandidates-1))
	if !t.ended && content.Len() > 0 {
		s.parts(t, content.Of(b))
	}
	if ended && !t.ended {
		s.endPartial(t)
		t.ended = true
	}
}

// parts tells the parts of a content.
func (s *Stream) parts(t *trail, b []byte) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
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
			if p := scanPart(&sc, b); !p.empty() {
				s.part(t, &p, b)
			}
		}
	}
}

// part tells one part, which is not empty.
func (s *Stream) part(t *trail, p *rawPart, b []byte) {
	switch p.kind {
	case llm.PartText, llm.PartThinking:
		s.say(t, p.kind, p.value.Of(b))
		t.signed = t.signed || p.signature.Len() > 2
	case llm.PartToolCall:
		s.call(t, p.value.Of(b))
	default:
		t.open, t.signed = 0, false
		s.Pieces = append(s.Pieces, wire.Piece{Choice: t.index, Kind: llm.PartOther, Begin: true, End: true})
	}
}

// say tells text, given as a literal, which goes on with the open part if that is of the kind.
func (s *Stream) say(t *trail, kind llm.PartKind, lit []byte) {
	told := wire.Piece{Choice: t.index, Kind: kind, Escaped: true}
	if len(lit) > 2 {
		told.Text = lit[1 : len(lit)-1]
	}
	if t.open != kind || t.signed && len(told.Text) > 0 {
		told.Begin, t.open, t.signed = true, kind, false
	}
	if told.Begin || len(told.Text) > 0 {
		s.Pieces = append(s.Pieces, told)
	}
}

// call tells a call, which is whole, or takes what a chunk brings of one in pieces.
func (s *Stream) call(t *trail, b []byte) {
	told := wire.Piece{Choice: t.index, Kind: llm.PartToolCall, Begin: true, End: true}
	var sc wire.Scanner
	var pieces []piece
	more := false
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(name) {
		case "id":
			told.ID = inside(only(wire.String, kind, sc.Value()).Of(b))
		case "name":
			told.Name = inside(only(wire.String, kind, sc.Value()).Of(b))
		case "args":
			told.Text = only(wire.Object, kind, sc.Value()).Of(b)
		case "partialArgs", "partial_args":
			pieces = readPieces(sc.Value().Of(b))
		case "willContinue", "will_continue":
			v := sc.Value()
			more = kind == wire.Bool && b[v.Start] == 't'
		default:
			sc.Value()
		}
	}
	if t.partial != nil || more || len(pieces) > 0 {
		s.piece(t, &told, pieces, more)
		return
	}
	if len(told.Text) == 0 {
		s.trails.args = append(s.trails.args, "{}"...)
		told.Text = s.trails.args[len(s.trails.args)-2:]
	}
	t.open, t.signed = 0, false
	s.Pieces = append(s.Pieces, told)
}

// inside returns a literal without its quotes.
func inside(lit []byte) []byte {
	if len(lit) < 2 {
		return nil
	}
	return lit[1 : len(lit)-1]
}

// piece takes what a chunk brings of a call in pieces, which is told as it begins, and with its arguments once they are whole.
func (s *Stream) piece(t *trail, told *wire.Piece, pieces []piece, more bool) {
	if t.partial != nil && len(told.Name) > 0 && len(t.name) > 0 {
		s.endPartial(t)
	}
	if t.partial == nil {
		t.partial = &partial{root: node{kind: nodeObject}}
		t.id, t.name = append(t.id[:0], told.ID...), append(t.name[:0], told.Name...)
		t.open, t.signed = 0, false
		told.Text, told.End = nil, false
		s.Pieces = append(s.Pieces, *told)
	}
	for i := range pieces {
		t.partial.add(&pieces[i])
	}
	if !more {
		s.endPartial(t)
	}
}

// endPartial tells the arguments of a call that came in pieces.
func (s *Stream) endPartial(t *trail) {
	if t.partial == nil {
		return
	}
	start := len(s.trails.args)
	s.trails.args = t.partial.root.append(s.trails.args)
	t.partial = nil
	s.Pieces = append(s.Pieces, wire.Piece{Choice: t.index, Kind: llm.PartToolCall, End: true, Text: s.trails.args[start:]})
}

package openai

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what a follower remembers, for pieces and to resume. What is over them is forwarded, but told in no piece.
const (
	maxTrails = 256  // choices
	maxCalls  = 1024 // tool calls of a choice
)

// thoughtForm is how a server writes thinking: a set, since some write it twice.
type thoughtForm uint8

const (
	formContent thoughtForm = 1 << iota // reasoning_content
	formShort                           // reasoning
	formDetail                          // reasoning_details
	formArray                           // content as an array (Mistral)
)

// trail is what a follower remembers of one choice. It knows as much of the parts as reader does, by the same rules; see track.
type trail struct {
	index  int
	kind   llm.PartKind // of the part that began last; 0 if none
	ended  bool
	plain  bool // that part is thinking that came as plain text
	signed bool // it has its signature: more of its kind begins another
	detail int  // its index among reasoning_details; -1 if there is none
	id     []byte
	forms  thoughtForm
	legacy bool // calls come as function_call
	audio  bool
	images int
	tool   int // the call that began last
	calls  []tracedCall
}

// tracedCall is a tool call that was seen.
type tracedCall struct {
	index  int    // as the server numbers it; -1 if it does not
	id     []byte // as it stands on the wire, without quotes
	name   []byte
	custom bool
	begun  bool // it was told
	json   jsonEnd
}

// trails remember the choices of a stream. Memory is used again for the next one.
type trails struct {
	scanner
	all   []trail
	text  []byte // scratch
	ended int    // choices whose finish reason was seen

	known                           bool   // what the answer says of itself; a later chunk does not change it
	id, model, fingerprint, created []byte // literals as on the wire; empty if not seen
}

func (s *trails) reset() {
	s.all, s.known, s.ended = s.all[:0], false, 0
	s.id, s.model, s.fingerprint, s.created = s.id[:0], s.model[:0], s.fingerprint[:0], s.created[:0]
}

// of returns the choice of an index; nil if there are too many.
func (s *trails) of(index int) *trail {
	for i := range s.all {
		if s.all[i].index == index {
			return &s.all[i]
		}
	}
	n := len(s.all)
	if n == maxTrails {
		return nil
	}
	if n < cap(s.all) {
		s.all = s.all[:n+1]
	} else {
		s.all = append(s.all, trail{})
	}
	t := &s.all[n]
	*t = trail{index: index, detail: -1, id: t.id[:0], calls: t.calls[:0]}
	return t
}

// learn keeps what the answer says of itself, as reader does: of each member the first value that says something, until the
// first chunk with a choice.
func (s *trails) learn(data []byte, choices bool) {
	var sc wire.Scanner
	sc.Reset(data)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		var into *[]byte
		least := len(`"?"`)
		switch string(name) {
		case "id":
			into = &s.id
		case "model":
			into = &s.model
		case "system_fingerprint":
			into = &s.fingerprint
		case "created":
			into, least = &s.created, 1
		}
		kind := sc.Kind()
		v := sc.Value()
		if into == nil || len(*into) > 0 || v.Len() < least || kind != wire.String && kind != wire.Number || kind == wire.Number && least > 1 {
			continue
		}
		if least == 1 && unixTime(v.Of(data)).IsZero() {
			continue
		}
		*into = append(*into, v.Of(data)...)
	}
	s.known = choices
}

// gather makes the pieces of a chunk whose choices stand in data, moved by shift from where they were read.
func (s *Stream) gather(c *chunk, data []byte, shift int) {
	switch {
	case c.lones == 0:
	case c.lones == 1 && c.count == 1:
		at := wire.Span{Start: c.lone.Start + 1 + shift, End: c.lone.End - 1 + shift}
		if t := s.trails.of(min(c.first[0].index, maxChoices-1)); t != nil && !t.ended {
			s.lone(t, c.as, at.Of(data))
		}
	default:
		s.several(data[c.choices.Start+shift : c.choices.End+shift])
	}
	if s.trails.ended != s.ended.n {
		s.trails.ended = s.ended.n
		for i := range s.trails.all {
			t := &s.trails.all[i]
			t.ended = s.ended.has(t.index)
		}
	}
}

// several makes the pieces of choices that have more than one text. They are read once more.
func (s *Stream) several(choices []byte) {
	r := &s.trails.scanner
	r.heads, r.pieces, r.body = r.heads[:0], r.pieces[:0], choices
	r.sc.Reset(choices)
	r.choices()
	for i := range r.heads {
		h := &r.heads[i]
		if t := s.trails.of(h.index); t != nil && !t.ended {
			pieces := unrepeated(t.kind == llm.PartThinking && t.plain && !t.signed, r.pieces[h.from:h.to])
			for j := range pieces {
				s.piece(t, &pieces[j])
			}
		}
	}
	r.body = nil
	if cap(r.pieces) > maxCalls {
		r.pieces, r.heads, s.Pieces = nil, nil, s.Pieces[:len(s.Pieces):len(s.Pieces)]
	}
}

// lone tells the one text of a chunk.
func (s *Stream) lone(t *trail, as lone, raw []byte) {
	switch as {
	case loneText:
		s.say(t, llm.PartText, raw)
	case loneRefusal:
		s.say(t, llm.PartRefusal, raw)
	case loneThought:
		s.think(t, formContent, raw)
	case loneShort:
		s.think(t, formShort, raw)
	}
}

// say tells text, which goes on with the part that began last if that is of the kind.
func (s *Stream) say(t *trail, kind llm.PartKind, raw []byte) {
	begin := t.kind != kind || t.signed
	if begin {
		t.begin(kind)
	}
	s.Pieces = append(s.Pieces, wire.Piece{Choice: t.index, Kind: kind, Begin: begin, Text: raw, Escaped: true})
}

// think tells thinking.
func (s *Stream) think(t *trail, form thoughtForm, raw []byte) {
	t.forms |= form
	begins := t.kind != llm.PartThinking || t.signed
	s.say(t, llm.PartThinking, raw)
	if begins {
		t.plain = form != formArray
	}
}

func (t *trail) begin(kind llm.PartKind) {
	t.kind, t.plain, t.signed, t.detail, t.id = kind, false, false, -1, t.id[:0]
}

// piece tells one piece of a delta that has several, or has more than text.
func (s *Stream) piece(t *trail, p *piece) {
	body := s.trails.body
	switch p.kind {
	case pieceText:
		s.say(t, llm.PartText, inside(p.text.Of(body)))
	case pieceRefusal:
		s.say(t, llm.PartRefusal, inside(p.text.Of(body)))
	case pieceThinking:
		s.think(t, formArray, inside(p.text.Of(body)))
	case piecePlain:
		form := formContent
		if p.short {
			form = formShort
		}
		s.think(t, form, inside(p.text.Of(body)))
	case pieceDetail:
		s.tellDetail(t, p)
	case pieceImage:
		t.begin(llm.PartOther)
		t.images++
		s.Pieces = append(s.Pieces, wire.Piece{Choice: t.index, Kind: llm.PartOther, Begin: true, End: true})
	case pieceAudio:
		s.Pieces = append(s.Pieces, wire.Piece{Choice: t.index, Kind: llm.PartOther, Begin: !t.audio})
		t.audio = true
	case pieceTool:
		s.tellCall(t, p)
	}
}

// inside returns a literal without its quotes.
func inside(lit []byte) []byte { return lit[1 : len(lit)-1] }

// tellDetail tells an entry of reasoning_details; see reader.takeDetail.
func (s *Stream) tellDetail(t *trail, p *piece) {
	body := s.trails.body
	kind := llm.PartThinking
	if wire.EqualString(p.name.Of(body), detailEncrypted) {
		origin := llm.OpenAI
		if p.format.Len() > 0 {
			origin = originOf(wire.TextOf(p.format.Of(body)))
		}
		if kind = encrypted(origin); kind != llm.PartThinking {
			kind = llm.PartOther
		}
	}
	same := t.kind == llm.PartThinking && kind == t.kind && !t.signed && (t.detail == p.index || t.detail < 0 || p.index < 0 ||
		len(t.id) > 0 && p.id.Len() > 2 && bytes.Equal(t.id, inside(p.id.Of(body))))
	if !same {
		if p.text.Len() == 0 && p.sign.Len() == 0 {
			return
		}
		t.begin(kind)
		if t.detail = p.index; p.id.Len() > 2 {
			t.id = append(t.id, inside(p.id.Of(body))...)
		}
	}
	if p.index >= 0 {
		t.detail = p.index
	}
	t.forms |= formDetail
	told := wire.Piece{Choice: t.index, Kind: kind, Begin: !same}
	if p.text.Len() > 0 {
		told.Text, told.Escaped = inside(p.text.Of(body)), true
	}
	t.signed = t.signed || p.sign.Len() > 0
	if told.Begin || told.Text != nil {
		s.Pieces = append(s.Pieces, told)
	}
}

// tellCall tells a call, or a fragment of one; see reader.takeTool.
func (s *Stream) tellCall(t *trail, p *piece) {
	body := s.trails.body
	n := t.find(p, body)
	if n < 0 {
		if n = len(t.calls); n == maxCalls {
			return
		}
		if n < cap(t.calls) {
			t.calls = t.calls[:n+1]
		} else {
			t.calls = append(t.calls, tracedCall{})
		}
		c := &t.calls[n]
		*c = tracedCall{index: p.index, custom: p.custom, id: c.id[:0], name: c.name[:0]}
		t.begin(llm.PartToolCall)
		t.tool, t.legacy = n, t.legacy || p.legacy
	}
	c := &t.calls[n]
	s.trails.trace(c, p, body)
	told := wire.Piece{Choice: t.index, Kind: llm.PartToolCall, Index: n}
	if p.text.Len() > 0 {
		told.Text = p.text.Of(body)
		if told.Escaped = told.Text[0] == '"'; told.Escaped {
			told.Text = inside(told.Text)
		}
	}
	if !c.begun && (len(c.name) > 0 || len(told.Text) > 0) {
		c.begun, told.Begin, told.ID, told.Name = true, true, c.id, c.name
	}
	if told.Begin || len(told.Text) > 0 {
		s.Pieces = append(s.Pieces, told)
	}
}

// trace remembers what tells a call from others: its id, its name, and, where only that tells, whether its arguments are whole.
func (s *trails) trace(c *tracedCall, p *piece, body []byte) {
	if len(c.name) == 0 && p.name.Len() > 2 {
		c.name = append(c.name, inside(p.name.Of(body))...)
	}
	if len(c.id) == 0 && p.id.Len() > 2 {
		c.id = append(c.id, inside(p.id.Of(body))...)
	}
	if c.index >= 0 || c.json.done || p.text.Len() == 0 {
		return
	}
	text := p.text.Of(body)
	if text[0] != '"' {
		c.json.feed(text)
		return
	}
	s.text = wire.Unquote(s.text[:0], text)
	c.json.feed(s.text)
	if cap(s.text) > keepScratch {
		s.text = nil
	}
}

// find returns the call that a fragment belongs to, -1 if it begins one; see reader.find.
func (t *trail) find(p *piece, body []byte) int {
	if len(t.calls) == 0 {
		return -1
	}
	var id, name []byte
	if p.id.Len() > 2 {
		id = inside(p.id.Of(body))
	}
	if p.name.Len() > 2 {
		name = inside(p.name.Of(body))
	}
	if p.index >= 0 {
		for i := len(t.calls) - 1; i >= 0; i-- {
			q := &t.calls[i]
			if q.index != p.index || len(name) > 0 && len(id) > 0 && len(q.name) > 0 && !bytes.Equal(id, q.id) {
				continue
			}
			return i
		}
		return -1
	}
	if len(id) > 0 {
		for i := range t.calls {
			if bytes.Equal(id, t.calls[i].id) {
				return i
			}
		}
		return -1
	}
	last := &t.calls[len(t.calls)-1]
	if len(name) > 0 && len(last.name) > 0 && (last.json.done || !bytes.Equal(name, last.name)) {
		return -1
	}
	return len(t.calls) - 1
}

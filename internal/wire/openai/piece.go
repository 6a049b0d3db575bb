package openai

import "sluice/internal/wire"

// pieceKind is what a piece of a delta is. The order is that in which models make them, and pieces of one delta are taken in it,
// whatever the order of the members is.
type pieceKind uint8

const (
	pieceProbs       pieceKind = iota + 1 // text: the value of logprobs
	piecePlain                            // thinking: reasoning_content or reasoning
	pieceDetail                           // an entry of reasoning_details
	pieceText                             // content
	pieceThinking                         // thinking in a content that is an array (Mistral)
	pieceAnnotations                      // text: the array
	pieceMark                             // sign: of the text
	pieceRefusal
	pieceImage // text: the object
	pieceAudio // text: the object
	pieceTool
)

// rank returns the place of a kind in the order. Parts of one content keep their own.
func (k pieceKind) rank() pieceKind {
	if k == pieceThinking {
		return pieceText
	}
	return k
}

// piece is a part of a delta, or of a message, which is a delta that holds all. Its places are in the event's data, and are literals
// with their quotes.
type piece struct {
	kind   pieceKind
	custom bool
	short  bool // of thinking: the member is reasoning
	legacy bool // of a call: it is a function_call
	index  int  // -1 if there is none
	text   wire.Span
	id     wire.Span
	name   wire.Span // of a tool; of a detail, its type
	sign   wire.Span
	format wire.Span
}

// choiceHead is what a chunk says of one choice, beside its pieces.
type choiceHead struct {
	index    int
	from, to int       // its pieces
	finish   wire.Span // a string that is not empty
	stop     wire.Span // vLLM's stop_reason, SGLang's matched_stop: a string
}

// scanner takes the choices of a chunk apart, as part of the pass that validates it: nothing of it may count before the end.
type scanner struct {
	sc     wire.Scanner
	body   []byte
	whole  bool // of an answer in one piece
	heads  []choiceHead
	pieces []piece
}

// choices reads the array ahead.
func (s *scanner) choices() {
	s.sc.Array()
	for n := 0; s.sc.Element(); n++ {
		if !s.sc.Object() {
			s.sc.Value()
			continue
		}
		s.choice(n)
	}
}

// choice reads the members of a choice. One without an index is the one at its position.
func (s *scanner) choice(position int) {
	h := choiceHead{index: position, from: len(s.pieces)}
	delta := false
	for {
		name, ok := s.sc.Member()
		if !ok {
			break
		}
		switch string(name) {
		case "index":
			if n, ok := wire.Int(s.sc.Value().Of(s.body)); ok && n >= 0 {
				h.index = int(min(n, maxChoices-1))
			}
		case "delta":
			if !delta {
				s.pieces = s.pieces[:h.from] // Perplexity sends all so far as message beside it
			}
			delta = delta || s.sc.Kind() == wire.Object
			s.delta()
		case "message":
			if delta {
				s.sc.Value()
			} else {
				s.delta()
			}
		case "text":
			s.content(pieceText)
		case "logprobs":
			s.value(pieceProbs, wire.Object)
		case "finish_reason":
			h.finish = s.literal()
		case "stop_reason", "matched_stop":
			if v := s.literal(); v.Len() > 0 {
				h.stop = v
			}
		default:
			s.sc.Value()
		}
	}
	h.to = len(s.pieces)
	sortPieces(s.pieces[h.from:h.to])
	s.heads = append(s.heads, h)
}

// sortPieces puts pieces into the order of their kinds. There is mostly one.
func sortPieces(p []piece) {
	for i := 1; i < len(p); i++ {
		for j := i; j > 0 && p[j].kind.rank() < p[j-1].kind.rank(); j-- {
			p[j], p[j-1] = p[j-1], p[j]
		}
	}
}

// literal reads a string that is not empty; anything else is as good as nothing.
func (s *scanner) literal() wire.Span {
	text := s.sc.Kind() == wire.String
	if v := s.sc.Value(); text && v.Len() > 2 {
		return v
	}
	return wire.Span{}
}

// value keeps the value ahead as a piece, if it is of the kind.
func (s *scanner) value(kind pieceKind, want wire.Kind) {
	got := s.sc.Kind()
	if v := s.sc.Value(); got == want {
		s.pieces = append(s.pieces, piece{kind: kind, index: -1, text: v})
	}
}

// delta reads a delta or a message.
func (s *scanner) delta() {
	if !s.sc.Object() {
		s.sc.Value()
		return
	}
	for {
		name, ok := s.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "content":
			s.content(pieceText)
		case "refusal":
			s.content(pieceRefusal)
		case "reasoning_content":
			s.content(piecePlain)
		case "reasoning":
			n := len(s.pieces)
			s.content(piecePlain)
			for i := range s.pieces[n:] {
				s.pieces[n+i].short = true
			}
		case "reasoning_details":
			s.each(pieceDetail)
		case "tool_calls":
			s.each(pieceTool)
		case "function_call":
			p := piece{kind: pieceTool, index: -1, legacy: true}
			s.function(&p)
			if p.name.Len() > 0 || p.text.Len() > 0 {
				s.pieces = append(s.pieces, p)
			}
		case "images":
			s.each(pieceImage)
		case "audio":
			s.value(pieceAudio, wire.Object)
		case "annotations":
			s.value(pieceAnnotations, wire.Array)
		case "extra_content":
			p := piece{kind: pieceMark, index: -1}
			if s.google(&p, 0); p.sign.Len() > 0 {
				s.pieces = append(s.pieces, p)
			}
		default:
			s.sc.Value()
		}
	}
}

// content reads text: a string, or parts of it, among which thinking may be (Mistral).
func (s *scanner) content(kind pieceKind) {
	switch s.sc.Kind() {
	case wire.String:
		if v := s.sc.Value(); v.Len() > 2 {
			s.pieces = append(s.pieces, piece{kind: kind, index: -1, text: v})
		}
	case wire.Array:
		s.sc.Array()
		for s.sc.Element() {
			s.content(kind)
		}
	case wire.Object:
		s.sc.Object()
		for {
			name, ok := s.sc.Member()
			if !ok {
				return
			}
			switch string(name) {
			case "text", "content":
				s.content(kind)
			case "thinking":
				s.content(pieceThinking)
			case "refusal":
				s.content(pieceRefusal)
			case "image_url":
				p := piece{kind: pieceImage, index: -1, text: s.sc.Value()}
				s.pieces = append(s.pieces, p)
			default:
				s.sc.Value()
			}
		}
	default:
		s.sc.Value()
	}
}

// each reads an array of details, tool calls or images.
func (s *scanner) each(kind pieceKind) {
	if !s.sc.Array() {
		s.sc.Value()
		return
	}
	for s.sc.Element() {
		if s.sc.Kind() != wire.Object {
			s.sc.Value()
			continue
		}
		p := piece{kind: kind, index: -1}
		switch kind {
		case pieceDetail:
			s.detail(&p)
		case pieceTool:
			s.tool(&p)
		default:
			p.text = s.sc.Value()
		}
		s.pieces = append(s.pieces, p)
	}
}

// detail reads an entry of reasoning_details.
func (s *scanner) detail(p *piece) {
	s.sc.Object()
	for {
		name, ok := s.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "type":
			p.name = s.literal()
		case "text", "summary":
			if v := s.literal(); v.Len() > 0 {
				p.text = v
			}
		case "signature", "data":
			if v := s.literal(); v.Len() > 0 {
				p.sign = v
			}
		case "format":
			p.format = s.literal()
		case "id":
			p.id = s.literal()
		case "index":
			s.index(p)
		default:
			s.sc.Value()
		}
	}
}

func (s *scanner) index(p *piece) {
	if n, ok := wire.Int(s.sc.Value().Of(s.body)); ok && n >= 0 {
		p.index = int(min(n, maxChoices))
	}
}

// tool reads an entry of tool_calls.
func (s *scanner) tool(p *piece) {
	s.sc.Object()
	for {
		name, ok := s.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "index":
			s.index(p)
		case "id":
			p.id = s.literal()
		case "function":
			s.function(p)
		case "custom":
			p.custom = p.custom || s.sc.Kind() == wire.Object
			s.function(p)
		case "extra_content":
			s.google(p, 0)
		default:
			s.sc.Value()
		}
	}
}

// function reads which tool is called, and with what. Arguments that are no text, but the object itself, are taken as it is written.
func (s *scanner) function(p *piece) {
	if !s.sc.Object() {
		s.sc.Value()
		return
	}
	for {
		name, ok := s.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "name":
			p.name = s.literal()
		case "arguments", "input":
			kind := s.sc.Kind()
			if v := s.sc.Value(); kind == wire.Object || kind == wire.String && v.Len() > 2 {
				p.text = v
			}
		default:
			s.sc.Value()
		}
	}
}

// google looks for Gemini's signature in an extra_content.
func (s *scanner) google(p *piece, depth int) {
	if depth > 1 || !s.sc.Object() {
		s.sc.Value()
		return
	}
	for {
		name, ok := s.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "google":
			s.google(p, depth+1)
		case "thought_signature":
			p.sign = s.literal()
		default:
			s.sc.Value()
		}
	}
}

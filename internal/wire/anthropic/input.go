package anthropic

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// How the input is counted: InputBytes is its text as it reads when unescaped, which a tokens-per-byte ratio can be
// applied to, plus fixed costs for what is not text; MediaTokens is for images and documents. Both are estimates, and the
// answer's usage will tell.
const (
	// messageBytes is for the delimiters around a message: about three tokens.
	messageBytes = 12
	// numberBytes is for a number, as in a tool's input.
	numberBytes = 4

	// An image costs a token for 750 pixels, and is scaled down to at most about 1,600 (the provider's guide to vision). How
	// many pixels there are is guessed by its size: a photograph has about a bit and a half for a pixel.
	imageTokensMax = 1600
	imageTokensMin = 100
	imageBytes     = 140 // bytes of an image for one token

	// A page of a PDF costs 1,500 to 3,000 tokens as text and is shown as an image besides. Its size says little about the
	// number of pages; there are at most 100 to a document.
	pageTokens = 2500
	pageBytes  = 50 << 10
	pagesMax   = 100
	pagesGuess = 4 // of a document that is given by its address
)

// input reads a member that is sent to the model.
func (p *parser) input(f field) *llm.Error {
	k := p.sc.Kind()
	switch f {
	case fieldMessages:
		if k != wire.Array && k != wire.Invalid {
			return bad("messages", "messages is %s; it must be an array", k)
		}
		p.messages()
	case fieldSystem:
		p.r.InputBytes += p.size()
	default: // tools: schemas are shown to the model as text much like JSON
		p.r.InputBytes += p.sc.Value().Len()
	}
	return nil // a fault in the grammar comes out at the end of the walk
}

// messages reads the array ahead.
func (p *parser) messages() {
	if !p.sc.Array() {
		p.sc.Value()
		return
	}
	var w weeder
	for p.sc.Element() {
		p.sc.Kind() // passes over white space
		start, before := p.sc.Pos(), len(p.r.cuts)
		p.r.InputBytes += messageBytes
		remove := p.message()
		if remove {
			p.r.cuts = p.r.cuts[:before]
		}
		p.r.cuts = w.next(p.r.cuts, start, p.sc.Pos(), remove)
	}
}

// message reads the message ahead. It reports whether nothing of it would be left for a target of this dialect.
func (p *parser) message() (remove bool) {
	if !p.sc.Object() {
		p.r.InputBytes += p.size()
		return false
	}
	for {
		name, ok := p.sc.Member()
		if !ok {
			return remove
		}
		if string(name) == "content" && p.sc.Kind() == wire.Array {
			remove = p.blocks() || remove
			continue
		}
		p.r.InputBytes += p.size()
	}
}

// blocks reads the array of blocks ahead. It reports whether there are some and all of them must go.
func (p *parser) blocks() (all bool) {
	p.sc.Array()
	var w weeder
	kept, n := 0, 0
	for ; p.sc.Element(); n++ {
		p.sc.Kind()
		start, before := p.sc.Pos(), len(p.r.cuts)
		remove := p.block()
		if remove {
			p.r.cuts = p.r.cuts[:before]
		}
		p.r.cuts = w.next(p.r.cuts, start, p.sc.Pos(), remove)
		if !remove {
			kept++
		}
	}
	return n > 0 && kept == 0
}

// block reads the content block ahead. It reports whether it is thinking that another provider has made: see seal. Citations
// that another provider has made are cut out of it.
func (p *parser) block() (foreign bool) {
	if !p.sc.Object() {
		p.r.InputBytes += p.size()
		return false
	}
	var kind, signature, data wire.Span
	var src source
	var w weeder
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		k, start, remove := p.sc.Kind(), p.sc.Name().Start, false
		switch {
		case string(name) == "citations" && k == wire.Array:
			remove = p.citations()
		case string(name) == "type":
			kind = p.sc.Value()
		case string(name) == "source" && k == wire.Object:
			p.source(&src)
		case string(name) == "signature" && k == wire.String:
			signature = p.sc.Value()
		case string(name) == "data" && k == wire.String:
			data = p.sc.Value()
		case string(name) == "content" && k == wire.Array:
			p.content()
		default:
			p.r.InputBytes += p.size()
		}
		p.r.cuts = w.next(p.r.cuts, start, p.sc.Pos(), remove)
	}
	p.media(&src, wire.EqualString(kind.Of(p.body), "image"))
	switch {
	case wire.EqualString(kind.Of(p.body), "thinking"):
		return p.bare || signature.Len() > 0 && isForeign(signature.Of(p.body))
	case wire.EqualString(kind.Of(p.body), "redacted_thinking"):
		return p.bare || data.Len() > 2 && isForeign(data.Of(p.body))
	}
	return false
}

// citations reads the citations ahead. It reports whether one of them was made by appendCitation of what another provider said:
// it has no place in a document, or proof of a search, that this one would accept.
func (p *parser) citations() (foreign bool) {
	p.sc.Array()
	for p.sc.Element() {
		if !p.sc.Object() {
			p.sc.Value()
			continue
		}
		for {
			name, ok := p.sc.Member()
			if !ok {
				break
			}
			proof, end := string(name) == "encrypted_index", string(name) == "end_char_index"
			v := p.sc.Value().Of(p.body)
			foreign = foreign || proof && string(v) == `""` || end && string(v) == "0"
		}
	}
	return foreign
}

// content reads the blocks of a tool's result.
func (p *parser) content() {
	p.sc.Array()
	for p.sc.Element() {
		p.block()
	}
}

// source is where an image or a document comes from.
type source struct {
	encoded bool // in base64
	remote  bool // by an address or an ID
	bytes   int  // of data
}

// source reads the object ahead.
func (p *parser) source(src *source) {
	p.sc.Object()
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		k := p.sc.Kind()
		switch {
		case string(name) == "type":
			v := p.sc.Value().Of(p.body)
			src.encoded = wire.EqualString(v, "base64")
			src.remote = wire.EqualString(v, "url") || wire.EqualString(v, "file")
		case string(name) == "data" && k == wire.String:
			src.bytes = p.sc.StringLen(p.sc.Value())
		case string(name) == "content" && k == wire.Array:
			p.content()
		default:
			p.r.InputBytes += p.size()
		}
	}
	if !src.encoded {
		p.r.InputBytes += src.bytes
	}
}

// media adds the estimate for an image or a document.
func (p *parser) media(src *source, image bool) {
	size := int64(src.bytes) / 4 * 3
	switch {
	case src.encoded && image:
		p.r.MediaTokens += min(max(size/imageBytes, imageTokensMin), imageTokensMax)
	case src.encoded:
		p.r.MediaTokens += min(size/pageBytes+1, pagesMax) * pageTokens
	case src.remote && image:
		p.r.MediaTokens += imageTokensMax
	case src.remote:
		p.r.MediaTokens += pagesGuess * pageTokens
	}
}

// size passes over the value ahead and returns the bytes that it counts for.
func (p *parser) size() (n int) {
	switch p.sc.Kind() {
	case wire.String:
		v := p.sc.Value()
		return p.sc.StringLen(v)
	case wire.Array:
		p.sc.Array()
		for p.sc.Element() {
			n += p.size()
		}
		return n
	case wire.Object:
		p.sc.Object()
		for {
			if _, ok := p.sc.Member(); !ok {
				return n
			}
			n += p.size()
		}
	case wire.Number:
		p.sc.Value()
		return numberBytes
	default:
		p.sc.Value()
		return 0
	}
}

// weeder says what must be cut out of an array so that some of its elements go and the commas stay right: an element that
// follows another goes with the comma in front of it; those at the very front go with what follows them, up to the first
// that stays.
type weeder struct {
	begun  bool
	front  int // start of the cut at the front
	inCut  bool
	before int // end of the element before; used once one has stayed
}

// next takes the element from start to end, and appends what it makes certain to be cut.
func (w *weeder) next(cuts []wire.Span, start, end int, remove bool) []wire.Span {
	switch {
	case remove && w.begun:
		cuts = append(cuts, wire.Span{Start: w.before, End: end})
		w.before = end
	case remove && !w.inCut:
		w.front, w.inCut = start, true
	case !remove:
		if w.inCut {
			cuts = insertCut(cuts, wire.Span{Start: w.front, End: start})
			w.inCut = false
		}
		w.begun, w.before = true, end
	}
	return cuts
}

// insertCut puts a cut in front of those that lie behind it.
func insertCut(cuts []wire.Span, cut wire.Span) []wire.Span {
	i := len(cuts)
	for i > 0 && cuts[i-1].Start > cut.Start {
		i--
	}
	cuts = append(cuts, cut)
	copy(cuts[i+1:], cuts[i:])
	cuts[i] = cut
	return cuts
}

package responses

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// How InputBytes is counted: the text of the input as it reads when unescaped, plus a fixed cost for what is not text.
const (
	messageBytes = 12  // the delimiters that a chat template puts around an item: about three tokens
	mediaTokens  = 256 // an image, a recording or a file; the answer's usage will tell
)

// items reads the value of input: a string or a list of items.
func (p *parser) items() *llm.Error {
	k := p.sc.Kind()
	start := p.sc.Pos()
	switch k {
	case wire.String:
		p.r.InputBytes += messageBytes + p.size()
	case wire.Array:
		p.sc.Array()
		for p.sc.Element() {
			p.r.InputBytes += messageBytes + p.size()
		}
	case wire.Null, wire.Invalid:
		p.sc.Value()
	default:
		return bad("input", "input is %s; it must be a string or a list of items", k)
	}
	if p.sc.Err() != nil {
		return p.sc.Syntax()
	}
	at := wire.Span{Start: start, End: p.sc.Pos()}
	if k == wire.Array {
		p.r.sealed = bytes.Contains(at.Of(p.body), []byte(`"`+sealPrefix))
	}
	p.r.input = at
	return nil
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
		return p.members()
	default:
		p.sc.Value()
		return 0
	}
}

// members adds up the object ahead. Media count the same however they are given: by an address or as their data.
func (p *parser) members() (n int) {
	p.sc.Object()
	for {
		name, ok := p.sc.Member()
		if !ok {
			return n
		}
		switch string(name) {
		case "image_url", "input_audio", "file_data", "file_url", "file_id", "result":
			if p.sc.Kind() != wire.Null {
				p.r.MediaTokens += mediaTokens
			}
			p.sc.Value()
		case "encrypted_content", "type", "id", "call_id", "status":
			p.sc.Value()
		default:
			n += p.size()
		}
	}
}

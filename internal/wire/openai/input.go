package openai

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// How InputBytes is counted: the text of the input as it reads when unescaped, which a tokens-per-byte ratio can be
// applied to, plus fixed costs for what is not text.
const (
	// messageBytes is for the delimiters that a chat template puts around a message: about three tokens.
	messageBytes = 12
	// mediaBytes is for an image, a recording or a file, whatever its size in base64: about 256 tokens. A small image
	// costs 85, a large one some thousand; the answer's usage will tell.
	mediaBytes = 1024
	// tokenBytes is for one token of an input that was tokenized by the client.
	tokenBytes = 4
)

// input reads a member that is sent to the model: messages, prompt or input, and the definitions of tools.
func (p *parser) input(f field) *llm.Error {
	k := p.sc.Kind()
	switch {
	case f == fieldMessages && p.op == llm.OpChat:
		if k != wire.Array && k != wire.Invalid {
			return bad("messages", "messages is %s; it must be an array", k)
		}
		p.r.InputBytes += p.sizes(messageBytes)
	case f == fieldPrompt && p.op == llm.OpCompletion:
		if k != wire.String && k != wire.Array && k != wire.Null && k != wire.Invalid {
			return bad("prompt", "prompt is %s; it must be a string or an array", k)
		}
		p.prompts = p.items()
		if p.prompts > maxChoices {
			return bad("prompt", "prompt has %d items, which is over the limit of %d", p.prompts, maxChoices)
		}
	case f == fieldInput && p.op == llm.OpEmbedding:
		if k == wire.Number || k == wire.Bool {
			return bad("input", "input is %s; it must be a string or an array", k)
		}
		p.r.Inputs = p.items()
	case f == fieldTools || f == fieldFunctions:
		// Schemas are shown to the model as text much like JSON.
		p.r.InputBytes += p.sc.Value().Len()
	default:
		p.sc.Value()
	}
	return nil // a fault in the grammar comes out at the end of the walk
}

// items reads a prompt or an embedding's input and returns how many it is: a string is one, and so is an array of
// numbers, which are the tokens of one text; any other array is as many as it has elements.
func (p *parser) items() int {
	if !p.sc.Array() {
		if p.sc.Kind() == wire.Null {
			p.sc.Value()
			return 0
		}
		p.r.InputBytes += p.size()
		return 1
	}
	n, tokens := 0, false
	for p.sc.Element() {
		tokens = tokens || p.sc.Kind() == wire.Number
		p.r.InputBytes += p.size()
		n++
	}
	if tokens {
		return 1
	}
	return n
}

// size passes over the value ahead and returns the bytes that it counts for.
func (p *parser) size() int {
	switch p.sc.Kind() {
	case wire.String:
		v := p.sc.Value()
		if isMedia(v.Of(p.body)) {
			return mediaBytes
		}
		return p.sc.StringLen(v)
	case wire.Array:
		return p.sizes(0)
	case wire.Object:
		return p.members()
	case wire.Number:
		p.sc.Value()
		return tokenBytes
	default:
		p.sc.Value()
		return 0
	}
}

// sizes adds up the array ahead, with each bytes on top for every element.
func (p *parser) sizes(each int) (n int) {
	if !p.sc.Array() {
		p.sc.Value()
		return 0
	}
	for p.sc.Element() {
		n += each + p.size()
	}
	return n
}

// members adds up the object ahead. Media count the same however they are given: by an address or as their data.
func (p *parser) members() (n int) {
	if !p.sc.Object() {
		p.sc.Value()
		return 0
	}
	for {
		name, ok := p.sc.Member()
		if !ok {
			return n
		}
		switch string(name) {
		case "image_url", "input_audio", "video_url", "audio_url", "file":
			p.sc.Value()
			n += mediaBytes
		default:
			n += p.size()
		}
	}
}

// isMedia reports whether the JSON string lit is a data URI in base64.
func isMedia(lit []byte) bool {
	if !bytes.HasPrefix(lit, []byte(`"data:`)) {
		return false
	}
	return bytes.Contains(lit[:min(len(lit), 128)], []byte(";base64,"))
}

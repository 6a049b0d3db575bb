package anthropic

import (
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Signatures of other providers on their way through a client of this protocol. A model's thinking often has to go back to
// it, signed, with the results of its tool calls. Clients of this protocol send back the blocks that they got, so what another
// dialect has signed is given to them in the places that the protocol has for it:
//
//   - thinking and redacted thinking: the signature, or the data, is "sluice:" dialect ":" signature;
//   - a signed tool call (Gemini) is followed by a redacted_thinking block whose data is "sluice+:" dialect ":" signature.
//
// What comes back is undone by ReadChat. A target of this protocol could not read it and refuses the request, so
// Request.AppendUpstream leaves such blocks out.
const (
	sealPart = "sluice:"
	sealNext = "sluice+:"
)

// seal is the signature as clients are shown it.
func seal(mark, signature string, origin llm.Dialect) string {
	if signature == "" || origin == llm.Anthropic || origin == 0 {
		return signature
	}
	return mark + origin.String() + ":" + signature
}

// unseal undoes seal. A signature without a mark is this protocol's own.
func unseal(mark, sealed string) (signature string, origin llm.Dialect, ok bool) {
	rest, ok := strings.CutPrefix(sealed, mark)
	if !ok {
		return sealed, llm.Anthropic, false
	}
	name, signature, _ := strings.Cut(rest, ":")
	for d := llm.OpenAI; d <= llm.Jina; d++ {
		if d.String() == name {
			return signature, d, true
		}
	}
	return sealed, llm.Anthropic, false
}

// sign sets the signature of a thinking or redacted part as it stands on the wire.
func sign(p *llm.Part, sealed string) {
	if sealed == "" {
		return
	}
	p.Signature, p.Origin, _ = unseal(sealPart, sealed)
}

// isForeign reports whether the JSON string lit, without a signature of Anthropic's, proves nothing to it.
func isForeign(lit []byte) bool {
	if len(lit) <= 2 {
		return true
	}
	text := string(lit[1:min(len(lit)-1, 1+len(sealNext))])
	return strings.HasPrefix(text, sealPart) || strings.HasPrefix(text, sealNext)
}

// appendSealed appends a redacted_thinking block with the signature of the part before it.
func appendSealed(dst []byte, signature string, origin llm.Dialect) []byte {
	dst = append(dst, `{"type":"redacted_thinking","data":`...)
	dst = wire.AppendString(dst, seal(sealNext, signature, origin))
	return append(dst, '}')
}

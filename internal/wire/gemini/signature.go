package gemini

import (
	"encoding/base64"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Thought signatures are opaque bytes in base64, which a client sends back with the part that has them. Those that another provider made
// travel through a Gemini client in an envelope, so that they find their way back: the base64 of sluice:{dialect}:{signature}, or of
// sluice:{dialect}!{signature} for thinking that only the provider can read. What is no envelope is Google's own.
//
// Google takes the word skip_thought_signature_validator in place of the signature of a function call that has none (see
// ai.google.dev/gemini-api/docs/thought-signatures; Gemini 3 refuses calls without). It is sent only if the Chat has it as a
// signature of Origin Gemini.
const (
	envelope       = "sluice"
	envelopeBase64 = "c2x1aWNl" // what every envelope begins with
)

// seal returns the signature of a part as a client of this dialect is to see it; "" for none.
func seal(signature string, origin llm.Dialect, redacted bool) string {
	switch {
	case origin == llm.Gemini:
		return signature
	case signature == "" || origin == 0:
		return ""
	case redacted:
		return base64.StdEncoding.EncodeToString([]byte(envelope + ":" + origin.String() + "!" + signature))
	}
	return base64.StdEncoding.EncodeToString([]byte(envelope + ":" + origin.String() + ":" + signature))
}

// unseal reads a signature that a client has sent back.
func unseal(text string) (signature string, origin llm.Dialect, redacted bool) {
	if !strings.HasPrefix(text, envelopeBase64) {
		return text, llm.Gemini, false
	}
	// Parsers of base64 in JSON give either alphabet back.
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(text))
	inner, ok := strings.CutPrefix(string(raw), envelope+":")
	at := strings.IndexAny(inner, ":!")
	if err != nil || !ok || at < 0 {
		return text, llm.Gemini, false
	}
	for d := llm.OpenAI; d <= llm.Jina; d++ {
		if d.String() == inner[:at] {
			return inner[at+1:], d, inner[at] == '!'
		}
	}
	return text, llm.Gemini, false
}

// sealed reports whether the JSON string lit is an envelope, which means nothing to Google.
func sealed(lit []byte) bool {
	return len(lit) > len(envelopeBase64)+2 && string(lit[1:1+len(envelopeBase64)]) == envelopeBase64
}

// appendSignature appends the member, with the comma in front of it, if there is a signature.
func appendSignature(dst []byte, signature string) []byte {
	if signature == "" {
		return dst
	}
	dst = append(dst, `,"thoughtSignature":`...)
	return wire.AppendString(dst, signature)
}

package gemini

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendCountRequest appends a countTokens request for what a chat would be asked (of the Gemini API; Vertex AI takes the members of
// generateContentRequest by themselves, which is what AppendChat writes).
func AppendCountRequest(dst []byte, c *llm.Chat) []byte {
	dst = append(dst, `{"generateContentRequest":{"model":`...)
	dst = wire.AppendString(dst, ResourceOf(c.Model))
	dst = append(dst, ',')
	start := len(dst)
	dst = AppendChat(dst, c)
	dst = append(dst[:start], dst[start+1:]...) // its opening brace
	return append(dst, '}')
}

// AppendCount appends the answer to a countTokens request.
func AppendCount(dst []byte, tokens int64) []byte {
	dst = append(dst, `{"totalTokens":`...)
	return append(strconv.AppendInt(dst, tokens, 10), '}')
}

// ReadCount reads the answer to a countTokens request.
func ReadCount(body []byte) (tokens int64, err *llm.Error) {
	if _, err := Scan(llm.OpCountTokens, body); err != nil {
		return 0, err
	}
	var sc wire.Scanner
	sc.Reset(body)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return 0, llm.Errorf(llm.KindBadAnswer, "provider's answer has no totalTokens")
		}
		if sameField(name, "totalTokens") && sc.Count(&tokens) {
			return tokens, nil
		}
		if !sameField(name, "totalTokens") {
			sc.Value()
		}
	}
}

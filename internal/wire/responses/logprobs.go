package responses

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// logprob is one token with its probability.
type logprob struct {
	Token   string    `json:"token"`
	Bytes   []int     `json:"bytes"`
	Logprob float64   `json:"logprob"`
	Top     []logprob `json:"top_logprobs"`
}

func logprobs(all []logprob) (out []llm.Logprob) {
	for i := range all {
		l := &all[i]
		p := llm.Logprob{Token: l.Token, Logprob: l.Logprob, Top: logprobs(l.Top)}
		if l.Bytes != nil {
			p.Bytes = make([]byte, len(l.Bytes))
			for j, b := range l.Bytes {
				p.Bytes[j] = byte(b)
			}
		}
		out = append(out, p)
	}
	return out
}

// appendLogprobs appends a list without its brackets.
func appendLogprobs(dst []byte, all []llm.Logprob, top bool) []byte {
	for i := range all {
		l := &all[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"token":`...)
		dst = wire.AppendString(dst, l.Token)
		dst = append(dst, `,"bytes":[`...)
		for j, b := range bytesOf(l) {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, int64(b), 10)
		}
		dst = append(dst, `],"logprob":`...)
		dst = strconv.AppendFloat(dst, l.Logprob, 'g', -1, 64)
		if top {
			dst = append(dst, `,"top_logprobs":[`...)
			dst = appendLogprobs(dst, l.Top, false)
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	return dst
}

// bytesOf returns a token's bytes, which the protocol wants always.
func bytesOf(l *llm.Logprob) []byte {
	if l.Bytes == nil {
		return []byte(l.Token)
	}
	return l.Bytes
}

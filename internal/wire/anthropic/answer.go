package anthropic

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Scan validates the body of a 200 answer that is forwarded, to OpChat or OpCountTokens, and reads what the road needs of it.
//
// The error is of KindBadAnswer if the body is no JSON object; an error object in the body is classified as ClassifyError
// would, with KindProviderStream for what says nothing more. Nothing is allocated but the error.
func Scan(op llm.Op, body []byte) (wire.Answer, *llm.Error) {
	m, e := scanMessage(body)
	if e != nil {
		return wire.Answer{}, e
	}
	if op == llm.OpCountTokens {
		return wire.Answer{Complete: m.counted}, nil
	}
	return wire.Answer{
		Usage: m.counts.usage(), HasUsage: m.counts.stated(), Tier: m.counts.tierUsed(), Complete: m.stopped && m.content,
		Model: m.model, OutputBytes: m.bytes,
	}, nil
}

// message is what is read of a whole answer.
type message struct {
	counts  counts
	model   wire.Span
	content bool // there is an array of blocks
	bytes   int  // text, thinking, and input of tools
	stopped bool // there is a stop_reason
	counted bool // there is input_tokens at the top, as count_tokens answers
	failed  bool
}

// scanMessage validates and reads a whole answer.
func scanMessage(body []byte) (m message, e *llm.Error) {
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		return m, noObject(&sc, body)
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		m.member(string(name), &sc, body)
	}
	if !sc.End() {
		return m, llm.Errorf(llm.KindBadAnswer, "provider's answer is not valid JSON: %v", sc.Err())
	}
	if m.failed {
		return m, streamError(body)
	}
	return m, nil
}

// member reads the value ahead as that of the member name.
func (m *message) member(name string, sc *wire.Scanner, body []byte) {
	kind := sc.Kind()
	if name == "content" && kind == wire.Array {
		m.content = true
		m.blocks(sc)
		return
	}
	v := sc.Value()
	switch name {
	case "type":
		m.failed = m.failed || wire.EqualString(v.Of(body), errorEvent)
	case "error":
		m.failed = m.failed || kind == wire.Object
	case "model":
		m.model = only(wire.String, kind, v)
	case "stop_reason":
		m.stopped = kind == wire.String && v.Len() > 2
	case "input_tokens":
		m.counted = kind == wire.Number
	case "usage":
		if kind == wire.Object && v.Len() > 0 {
			m.counts.merge(v.Of(body))
		}
	}
}

// blocks adds up the content ahead.
func (m *message) blocks(sc *wire.Scanner) {
	sc.Array()
	for sc.Element() {
		if !sc.Object() {
			sc.Value()
			continue
		}
		for {
			name, ok := sc.Member()
			if !ok {
				break
			}
			switch kind := sc.Kind(); string(name) {
			case "text", "thinking", "name":
				if v := sc.Value(); kind == wire.String && v.Len() > 0 {
					m.bytes += sc.StringLen(v)
				}
			case "input":
				m.bytes += sc.Value().Len()
			default:
				sc.Value()
			}
		}
	}
}

// noObject returns the error for a body that does not begin as a JSON object.
func noObject(sc *wire.Scanner, body []byte) *llm.Error {
	switch k := sc.Kind(); {
	case k != wire.Invalid:
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is %s; it must be a JSON object", k)
	case sc.Pos() == len(body):
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is empty")
	}
	return llm.Errorf(llm.KindBadAnswer, "provider's answer is not JSON: %s", wire.Plain(body))
}

// AppendCount appends the answer to count_tokens.
func AppendCount(dst []byte, tokens int64) []byte {
	dst = append(dst, `{"input_tokens":`...)
	return append(strconv.AppendInt(dst, tokens, 10), '}')
}

// ReadCount reads a target's answer to count_tokens. The error is of KindBadAnswer if there is no number in it; an error object
// is classified.
func ReadCount(body []byte) (tokens int64, e *llm.Error) {
	m, e := scanMessage(body)
	if e != nil {
		return 0, e
	}
	var c counts
	if !m.counted {
		return 0, llm.Errorf(llm.KindBadAnswer, "provider's answer has no input_tokens")
	}
	c.merge(body)
	if !c.hasInput {
		return 0, llm.Errorf(llm.KindBadAnswer, "provider's answer has an input_tokens that is no number of tokens")
	}
	return c.input, nil
}

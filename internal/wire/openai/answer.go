package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ScanAnswer validates the body of a 200 answer that is not a stream, and reads it. White space in front is fine: some
// providers keep the line open with it.
//
// The error is of KindBadAnswer if the body is no JSON object; an error object in the body is classified as
// ClassifyError would, with KindProviderStream for what says nothing more. Nothing is allocated but the error.
func ScanAnswer(op llm.Op, body []byte) (wire.Answer, *llm.Error) {
	if op > llm.OpEmbedding {
		return scanOther(op, body)
	}
	var c chunk
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		return wire.Answer{}, noObject(&sc, body)
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		c.member(string(name), &sc, body, false)
	}
	if !sc.End() {
		return wire.Answer{}, llm.Errorf(llm.KindBadAnswer, "provider's answer is not valid JSON: %v", sc.Err())
	}
	if c.isError {
		return wire.Answer{}, streamError(body)
	}
	a := answer{Answer: wire.Answer{Model: c.model}}
	if c.usage.Len() > 0 {
		a.Usage, a.HasUsage = readUsage(c.usage.Of(body))
	}
	if c.tier.Len() > 2 {
		a.Tier = tierOf(c.tier.Of(body))
	}
	if op == llm.OpEmbedding {
		a.Complete = c.data
		return a.Answer, nil
	}
	a.Complete = c.count > 0
	if !c.each(body, a.scanChoice) {
		return wire.Answer{}, streamError(body)
	}
	return a.Answer, nil
}

// answer is an answer under way.
type answer struct{ wire.Answer }

// scanChoice accounts for a choice. It reports false if it ended in an error.
func (a *answer) scanChoice(c choice, body []byte) bool {
	if wire.EqualString(c.finish.Of(body), "error") {
		return false
	}
	a.Complete = a.Complete && c.finish.Len() > 0
	a.OutputBytes += c.bytes
	return true
}

// noObject returns the error for a body that does not begin as a JSON object.
func noObject(sc *wire.Scanner, body []byte) *llm.Error {
	if d := readDetail(body); d.json && d.found {
		return streamError(body) // an array with an error object in it
	}
	switch k := sc.Kind(); {
	case k != wire.Invalid:
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is %s; it must be a JSON object", k)
	case sc.Pos() == len(body):
		return llm.Errorf(llm.KindBadAnswer, "provider's answer is empty")
	}
	return llm.Errorf(llm.KindBadAnswer, "provider's answer is not JSON: %s", wire.Plain(body))
}

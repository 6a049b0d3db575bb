package cohere

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Scan validates a whole answer that is forwarded, and reads what the road needs of it. The error is of KindBadAnswer.
func (s Shape) Scan(_ llm.Op, body []byte) (wire.Answer, *llm.Error) {
	var a wire.Answer
	ok, err := wire.Walk(body, func(name string, at wire.Span) bool {
		switch name {
		case "model":
			if lit := at.Of(body); len(lit) > 0 && lit[0] == '"' {
				a.Model = at
			}
		case "usage", "meta":
			readUsage(&a.Usage, &a.HasUsage, at.Of(body))
		case "data", "results", "embeddings":
			a.Complete = true
		}
		return true
	})
	if err != nil || !ok {
		return wire.Answer{}, notJSON(err)
	}
	if !a.Complete {
		if message, _ := detail(body); message != "" {
			return wire.Answer{}, &llm.Error{Kind: llm.KindProviderStream, Message: "provider sent an error in its answer: " + message, Sent: llm.WasSent}
		}
	}
	return a, nil
}

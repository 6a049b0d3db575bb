package responses

import (
	"encoding/json"
	"time"

	"sluice/internal/llm"
)

// response is a whole answer, as far as there are words for it.
type response struct {
	ID         string            `json:"id"`
	Model      string            `json:"model"`
	Created    float64           `json:"created_at"`
	Status     string            `json:"status"`
	Tier       string            `json:"service_tier"`
	Output     []json.RawMessage `json:"output"`
	Usage      json.RawMessage   `json:"usage"`
	Error      json.RawMessage   `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
}

// ReadAnswer reads a whole 200 answer of a target. An error in it is classified; an answer that is not finished is one of
// KindTruncated.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	var r response
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer is not one of the Responses API: %v", err)
	}
	if raw(r.Error) != "" || r.Status == "failed" {
		return nil, faultOf(r.Error)
	}
	c := llm.Choice{}
	calls := false
	for i, v := range r.Output {
		var it item
		if err := json.Unmarshal(v, &it); err != nil {
			return nil, llm.Errorf(llm.KindBadAnswer, "output[%d] of the provider's answer cannot be read: %v", i, err)
		}
		parts, probs := partsOf(&it, v)
		c.Parts = append(c.Parts, parts...)
		c.Logprobs = append(c.Logprobs, probs...)
		calls = calls || isCall(it.Type)
	}
	var ok bool
	if c.Finish, c.Reason, ok = r.finish(calls); !ok {
		return nil, llm.Errorf(llm.KindTruncated, "the provider's answer has the status %.40q; it must be completed or incomplete", r.Status)
	}
	a := &llm.Answer{ID: r.ID, Model: r.Model, Created: unix(r.Created), ServiceTier: r.Tier, Choices: []llm.Choice{c}}
	if u := raw(r.Usage); u != "" {
		a.Usage, a.HasUsage = readUsage([]byte(u))
	}
	return a, nil
}

func unix(seconds float64) time.Time {
	if seconds <= 0 || seconds > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// finish returns why the answer ended, and the provider's word for it. ok is false if it did not.
func (r *response) finish(calls bool) (f llm.Finish, reason string, ok bool) {
	switch r.Status {
	case "completed":
		if calls {
			return llm.FinishTools, r.Status, true
		}
		return llm.FinishStop, r.Status, true
	case "incomplete":
		if r.Incomplete != nil {
			reason = r.Incomplete.Reason
		}
		switch reason {
		case reasonLength:
			return llm.FinishLength, reason, true
		case reasonFilter:
			return llm.FinishFilter, reason, true
		case reasonTurns:
			return llm.FinishPause, reason, true
		}
		return llm.FinishOther, reason, true
	}
	return llm.FinishUnset, "", false
}

func isCall(kind string) bool { return kind == "function_call" || kind == "custom_tool_call" }

// partsOf returns what an item of an answer says. What cannot be read of a known kind is as good as an unknown kind.
func partsOf(it *item, v json.RawMessage) (parts []llm.Part, probs []llm.Logprob) {
	switch it.Type {
	case "message":
		var all []json.RawMessage
		if json.Unmarshal(it.Content, &all) != nil {
			break
		}
		for _, one := range all {
			if p, probability, ok := contentOf(one); ok {
				parts, probs = append(parts, p), append(probs, probability...)
			}
		}
		return parts, probs
	case "function_call":
		if s, ok := argumentsOf(it.Arguments); ok {
			return []llm.Part{{Kind: llm.PartToolCall, ID: it.CallID, Name: it.Name, Text: s}}, nil
		}
	case "custom_tool_call":
		return []llm.Part{{Kind: llm.PartToolCall, ID: it.CallID, Name: it.Name, Text: it.Input, Custom: true}}, nil
	case "reasoning":
		return thinkingPart(it), nil
	case "image_generation_call":
		if p, ok := imageOf(it); ok {
			return []llm.Part{p}, nil
		}
	}
	return []llm.Part{{Kind: llm.PartOther, Name: it.Type, Raw: string(v), Origin: llm.Responses}}, nil
}

// contentOf returns a part of a message.
func contentOf(v json.RawMessage) (out llm.Part, probs []llm.Logprob, ok bool) {
	var p part
	if json.Unmarshal(v, &p) != nil {
		return out, nil, false
	}
	switch p.Type {
	case "output_text", "text":
		return llm.Part{Kind: llm.PartText, Text: p.Text, Citations: citations(p.Annotations, p.Text)}, logprobs(p.Logprobs), true
	case "refusal":
		return llm.Part{Kind: llm.PartRefusal, Text: p.Refusal}, nil, true
	}
	return out, nil, false
}

// thinkingPart returns a reasoning item's thinking; nothing if it neither says nor proves anything.
func thinkingPart(it *item) []llm.Part {
	text, _ := thinkingOf(it)
	p := llm.Part{Kind: llm.PartThinking, Text: text, Signature: joinSignature(it.ID, it.Encrypted)}
	if p.Signature != "" {
		p.Origin = llm.Responses
	}
	if p.Text == "" && p.Signature == "" {
		return nil
	}
	return []llm.Part{p}
}

// imageOf returns the image that a tool of the provider has made.
func imageOf(it *item) (p llm.Part, ok bool) {
	var data string
	if json.Unmarshal(it.Result, &data) != nil || data == "" {
		return p, false
	}
	format := it.Format
	if format == "" {
		format = "png"
	}
	return llm.Part{Kind: llm.PartImage, MIME: "image/" + format, Data: data}, true
}

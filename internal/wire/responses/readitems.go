package responses

import (
	"encoding/json"

	"sluice/internal/llm"
)

// item reads an event of the open item, or one that opens it.
func (r *reader) item(dst []llm.Event, data []byte) []llm.Event {
	f := &r.frame
	switch name := string(f.name(data)); name {
	case "response.output_item.added":
		return r.openItem(dst, f.item.Of(data))
	case "response.output_item.done":
		return r.itemDone(dst, data)
	case "response.content_part.added":
		return r.openPart(dst, partKind(f.part.Of(data)), f.section, false)
	case "response.content_part.done":
		return r.partDone(dst, f.part.Of(data))
	case "response.output_text.delta":
		dst = r.say(r.openPart(dst, llm.PartText, f.section, false), f.delta.Of(data))
		return r.probabilities(dst, f.logprobs.Of(data))
	case "response.refusal.delta":
		return r.say(r.openPart(dst, llm.PartRefusal, f.section, false), f.delta.Of(data))
	case "response.reasoning_text.delta":
		return r.say(r.openPart(dst, llm.PartThinking, f.section, false), f.delta.Of(data))
	case "response.reasoning_summary_text.delta":
		return r.say(r.openPart(dst, llm.PartThinking, f.section, true), f.delta.Of(data))
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		if r.part == llm.PartToolCall {
			return r.say(dst, f.delta.Of(data))
		}
	case "response.output_text.done":
		return r.rest(dst, llm.PartText, false, data)
	case "response.refusal.done":
		return r.rest(dst, llm.PartRefusal, false, data)
	case "response.reasoning_text.done":
		return r.rest(dst, llm.PartThinking, false, data)
	case "response.reasoning_summary_text.done":
		return r.rest(dst, llm.PartThinking, true, data)
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		if r.part == llm.PartToolCall && !r.told {
			return r.say(dst, f.text.Of(data))
		}
	}
	return dst
}

// rest appends the text of a section that came without deltas.
func (r *reader) rest(dst []llm.Event, kind llm.PartKind, summary bool, data []byte) []llm.Event {
	f := &r.frame
	if dst = r.openPart(dst, kind, f.section, summary); r.told {
		return dst
	}
	return r.say(dst, f.text.Of(data))
}

// openItem begins an item. A call is a part at once; of others the parts have events of their own.
func (r *reader) openItem(dst []llm.Event, v []byte) []llm.Event {
	var it struct {
		Type   string `json:"type"`
		CallID string `json:"call_id"`
		Name   string `json:"name"`
	}
	if json.Unmarshal(v, &it) != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	r.open, r.index, r.kind, r.items = true, r.frame.output, it.Type, true
	r.part, r.thought, r.told, r.emitted = 0, false, false, false
	if isCall(it.Type) {
		r.calls, r.emitted, r.part = true, true, llm.PartToolCall
		dst = append(dst, llm.Event{Kind: llm.EventPart, Part: llm.PartToolCall, ID: it.CallID, Name: it.Name, Custom: it.Type == "custom_tool_call"})
	}
	return dst
}

// openPart begins a part, unless it is open already. All of a reasoning item is one part.
func (r *reader) openPart(dst []llm.Event, kind llm.PartKind, section int, summary bool) []llm.Event {
	switch {
	case kind == 0, r.part == llm.PartToolCall:
		return dst
	case r.part == kind && r.section == section && r.summary == summary:
		return dst
	case r.part == llm.PartThinking && kind == llm.PartThinking:
		r.section, r.summary, r.told = section, summary, false
		return dst
	}
	dst = r.closePart(dst, nil)
	r.items, r.emitted = true, true
	r.part, r.section, r.summary, r.told, r.thought = kind, section, summary, false, false
	return append(dst, llm.Event{Kind: llm.EventPart, Part: kind})
}

// closePart ends the open part, if there is one.
func (r *reader) closePart(dst []llm.Event, end *llm.Event) []llm.Event {
	if r.part == 0 {
		return dst
	}
	e := llm.Event{Kind: llm.EventPartEnd, Part: r.part}
	if end != nil {
		e.Signature, e.Origin, e.Citations = end.Signature, end.Origin, end.Citations
	}
	r.part = 0
	return append(dst, e)
}

// partDone ends a part of a message, of which v is the whole. Thinking goes on until its item is done.
func (r *reader) partDone(dst []llm.Event, v []byte) []llm.Event {
	if r.part != llm.PartText && r.part != llm.PartRefusal {
		return dst
	}
	p, _, ok := contentOf(v)
	if !ok {
		return r.closePart(dst, nil)
	}
	if !r.told && p.Text != "" {
		dst = append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: []byte(p.Text)})
	}
	return r.closePart(dst, &llm.Event{Citations: p.Citations})
}

// itemDone ends an item, which the event repeats.
func (r *reader) itemDone(dst []llm.Event, data []byte) []llm.Event {
	v := r.frame.item.Of(data)
	if !r.emitted {
		r.open = false
		return r.whole(dst, v)
	}
	var it item
	if json.Unmarshal(v, &it) != nil {
		return r.closeItem(append(dst, llm.Event{Kind: llm.EventMalformed}), &item{}, nil)
	}
	return r.closeItem(dst, &it, v)
}

// closeItem ends the open item with what its last event says of it.
func (r *reader) closeItem(dst []llm.Event, it *item, v json.RawMessage) []llm.Event {
	var end llm.Event
	if v != nil {
		if parts, _ := partsOf(it, v); len(parts) > 0 {
			p := &parts[len(parts)-1]
			end.Signature, end.Origin, end.Citations = p.Signature, p.Origin, p.Citations
			if p.Text != "" && (r.part == llm.PartToolCall && !r.told || r.part == llm.PartThinking && !r.thought) {
				dst = append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: []byte(p.Text)})
			}
		}
	}
	r.open, r.emitted = false, false
	return r.closePart(dst, &end)
}

// probabilities adds the tokens' probabilities to the delta that was appended last.
func (r *reader) probabilities(dst []llm.Event, v []byte) []llm.Event {
	if len(v) <= len("[]") || len(dst) == 0 || dst[len(dst)-1].Kind != llm.EventDelta {
		return dst
	}
	var all []logprob
	if json.Unmarshal(v, &all) == nil {
		dst[len(dst)-1].Logprobs = logprobs(all)
	}
	return dst
}

// partKind returns the kind of a part that begins.
func partKind(v []byte) llm.PartKind {
	var p struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(v, &p) != nil {
		return 0
	}
	switch p.Type {
	case "output_text", "text":
		return llm.PartText
	case "refusal":
		return llm.PartRefusal
	case "reasoning_text":
		return llm.PartThinking
	}
	return 0
}

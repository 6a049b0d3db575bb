package responses

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Replay appends the stream of an answer that is there whole: what a client would have got, with each text in one piece, after the
// event with the number after; -1 is for all of it. The terminal event always comes.
func Replay(dst, body []byte, after int64) ([]byte, error) {
	var r struct {
		Status string            `json:"status"`
		Output []json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return dst, fmt.Errorf("replay answer: %w", err)
	}
	p := player{after: after, dst: dst}
	var sc wire.Scanner
	var s summary
	s.read(body, &sc)
	begun := underWay(body, &s)
	p.lifecycle("response.created", begun)
	p.lifecycle("response.in_progress", begun)
	for _, v := range r.Output {
		if err := p.item(compact(v)); err != nil {
			return dst, fmt.Errorf("replay answer: %w", err)
		}
	}
	name := "response.completed"
	if r.Status == string(incomplete) {
		name = "response.incomplete"
	}
	if p.w.sequence <= after { // the stream that the client has seen had more events: its texts came in more pieces
		p.w.sequence = after + 1
	}
	p.lifecycle(name, compact(body))
	return p.dst, nil
}

// underWay returns an answer as it was when its stream began.
func underWay(body []byte, s *summary) []byte {
	c := wire.Change{Set: []llm.Member{{Name: "status", Value: `"in_progress"`}, {Name: "output", Value: "[]"}, {Name: "usage", Value: "null"}, {Name: "incomplete_details", Value: "null"}}}
	return compact(wire.AppendChanged(nil, body, &c))
}

// player writes the events of finished items.
type player struct {
	w     writer
	after int64
	dst   []byte
}

// event appends an event, of which write writes all but its end, unless the client has it already.
func (p *player) event(write func(dst []byte) []byte) {
	start, number := len(p.dst), p.w.sequence
	p.dst = p.w.close(write(p.dst))
	if number <= p.after {
		p.dst = p.dst[:start]
	}
}

func (p *player) lifecycle(name string, response []byte) {
	p.event(func(dst []byte) []byte { return appendValue(p.w.open(dst, name), "response", response) })
}

// member appends an event of the item under way with one member of its own.
func (p *player) member(begin func(dst []byte, name string) []byte, name, member string, value []byte) {
	p.event(func(dst []byte) []byte { return appendValue(begin(dst, name), member, value) })
}

// itemEvent appends an event with the whole item.
func (p *player) itemEvent(name string, item []byte) {
	p.event(func(dst []byte) []byte {
		dst = append(p.w.open(dst, name), `,"output_index":`...)
		dst = fmt.Append(dst, p.w.items)
		return appendValue(dst, "item", item)
	})
}

// item appends the events of one item.
func (p *player) item(v []byte) error {
	var it struct {
		Type      string            `json:"type"`
		ID        string            `json:"id"`
		Arguments json.RawMessage   `json:"arguments"`
		Input     json.RawMessage   `json:"input"`
		Content   []json.RawMessage `json:"content"`
		Summary   []json.RawMessage `json:"summary"`
	}
	if err := json.Unmarshal(v, &it); err != nil {
		return err
	}
	w := &p.w
	w.itemID = string(bytes.Trim(wire.AppendString(nil, it.ID), `"`))
	p.itemEvent("response.output_item.added", opening(it.Type, v))
	switch it.Type {
	case "message":
		for w.parts = range it.Content {
			p.content(it.Content[w.parts])
		}
	case "reasoning":
		for w.parts = range it.Summary {
			p.summary(it.Summary[w.parts])
		}
	case "function_call":
		p.text(w.within, "response.function_call_arguments", "arguments", it.Arguments)
	case "custom_tool_call":
		p.text(w.within, "response.custom_tool_call_input", "input", it.Input)
	}
	p.itemEvent("response.output_item.done", v)
	w.items++
	return nil
}

// text appends a text, which is JSON, as its one delta and its end.
func (p *player) text(begin func(dst []byte, name string) []byte, name, member string, text []byte) {
	if len(text) == 0 {
		text = []byte(`""`)
	}
	logprobs := func(dst []byte, name string) []byte {
		dst = begin(dst, name)
		if member == "text" && bytes.HasPrefix([]byte(name), []byte("response.output_text")) {
			dst = append(dst, `,"logprobs":[]`...)
		}
		return dst
	}
	p.member(logprobs, name+".delta", "delta", text)
	p.member(logprobs, name+".done", member, text)
}

// content appends the events of a part of a message.
func (p *player) content(v []byte) {
	w := &p.w
	kind, empty := memberOf(v, "type"), []byte(`{"type":"output_text","text":"","annotations":[],"logprobs":[]}`)
	refusal := wire.EqualString(kind, "refusal")
	if refusal {
		empty = []byte(`{"type":"refusal","refusal":""}`)
	}
	p.member(w.inContent, "response.content_part.added", "part", empty)
	if refusal {
		p.text(w.inContent, "response.refusal", "refusal", memberOf(v, "refusal"))
	} else {
		n := 0
		eachElement(memberOf(v, "annotations"), func(a []byte) {
			p.event(func(dst []byte) []byte {
				dst = append(w.inContent(dst, "response.output_text.annotation.added"), `,"annotation_index":`...)
				return appendValue(fmt.Append(dst, n), "annotation", a)
			})
			n++
		})
		p.text(w.inContent, "response.output_text", "text", memberOf(v, "text"))
	}
	p.member(w.inContent, "response.content_part.done", "part", v)
}

// summary appends the events of a part of a reasoning item's summary.
func (p *player) summary(v []byte) {
	w := &p.w
	begin := func(dst []byte, name string) []byte {
		return fmt.Append(append(w.within(dst, name), `,"summary_index":`...), w.parts)
	}
	p.member(begin, "response.reasoning_summary_part.added", "part", []byte(`{"type":"summary_text","text":""}`))
	p.text(begin, "response.reasoning_summary_text", "text", memberOf(v, "text"))
	p.member(begin, "response.reasoning_summary_part.done", "part", v)
}

// opening returns an item as it is announced: without what its events then bring.
func opening(kind string, v []byte) []byte {
	set := []llm.Member{{Name: "status", Value: `"in_progress"`}}
	switch kind {
	case "message":
		set = append(set, llm.Member{Name: "content", Value: "[]"})
	case "reasoning":
		set = []llm.Member{{Name: "summary", Value: "[]"}}
	case "function_call":
		set = append(set, llm.Member{Name: "arguments", Value: `""`})
	case "custom_tool_call":
		set = append(set, llm.Member{Name: "input", Value: `""`})
	default:
		return v
	}
	return wire.AppendChanged(nil, v, &wire.Change{Set: set})
}

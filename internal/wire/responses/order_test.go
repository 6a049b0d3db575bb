package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"sluice/internal/wire"
)

// checkOrder returns what of a stream is not as the protocol has it: numbers without gaps, items and their parts announced and ended in pairs,
// texts that agree wherever they are repeated. "" if nothing.
func checkOrder(all []wire.Event) string {
	c := checker{}
	for i, ev := range all {
		if ev.Comment {
			continue
		}
		var d checked
		dec := json.NewDecoder(bytes.NewReader(ev.Data))
		if err := dec.Decode(&d); err != nil {
			return err.Error()
		}
		if len(ev.Name) > 0 && string(ev.Name) != d.Type {
			return "name and type differ: " + string(ev.Raw)
		}
		if d.Sequence == nil || *d.Sequence != i {
			return fmt.Sprintf("event %d has another number: %s", i, ev.Raw)
		}
		if fault := c.event(&d); fault != "" {
			return fmt.Sprintf("%s: %s", fault, ev.Raw)
		}
	}
	if c.response != nil && !c.over {
		return "there is no end"
	}
	return ""
}

// checked is what is checked of an event.
type checked struct {
	Type       string          `json:"type"`
	Sequence   *int            `json:"sequence_number"`
	Output     int             `json:"output_index"`
	Content    int             `json:"content_index"`
	Summary    int             `json:"summary_index"`
	ItemID     string          `json:"item_id"`
	Delta      string          `json:"delta"`
	Text       *string         `json:"text"`
	Refusal    *string         `json:"refusal"`
	Arguments  *string         `json:"arguments"`
	Input      *string         `json:"input"`
	Annotation any             `json:"annotation"`
	Mark       int             `json:"annotation_index"`
	Logprobs   []any           `json:"logprobs"`
	Item       map[string]any  `json:"item"`
	Part       map[string]any  `json:"part"`
	Response   map[string]any  `json:"response"`
	Rest       json.RawMessage `json:"-"`
}

type checker struct {
	response map[string]any
	over     bool
	items    []*checkedItem
}

type checkedItem struct {
	id, kind string
	done     map[string]any
	parts    []map[string]any // that are done
	open     bool
	told     bool // the whole text of the open part was repeated
	text     string
	probs    []any
	marks    []any
}

func (c *checker) event(d *checked) string {
	switch d.Type {
	case "response.created":
		if c.response != nil {
			return "created twice"
		}
		c.response = d.Response
		return ""
	case "response.in_progress":
		return ""
	case "response.completed", "response.incomplete":
		return c.end(d)
	}
	if c.response == nil || c.over {
		return "outside of the response"
	}
	if d.Type == "response.output_item.added" {
		if d.Output != len(c.items) {
			return "index"
		}
		id, _ := d.Item["id"].(string)
		kind, _ := d.Item["type"].(string)
		if id == "" {
			return "an item without id"
		}
		for _, it := range c.items {
			if it.id == id {
				return "an id twice"
			}
		}
		c.items = append(c.items, &checkedItem{id: id, kind: kind})
		return ""
	}
	if d.Output >= len(c.items) || c.items[d.Output].done != nil {
		return "of no item"
	}
	it := c.items[d.Output]
	if d.Type == "response.output_item.done" {
		it.done = d.Item
		return it.end()
	}
	if d.ItemID != it.id {
		return "of another item"
	}
	return it.event(d)
}

func (it *checkedItem) event(d *checked) string {
	index := d.Content + d.Summary
	switch d.Type {
	case "response.content_part.added", "response.reasoning_summary_part.added":
		if it.open || index != len(it.parts) {
			return "a part at the wrong place"
		}
		it.open, it.told, it.text, it.probs, it.marks = true, false, "", nil, nil
		return ""
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		it.text += d.Delta
		return ""
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		for _, s := range []*string{d.Arguments, d.Input} {
			if s != nil && *s != it.text {
				return "another text"
			}
		}
		return ""
	}
	if strings.HasPrefix(d.Type, "response.web_search_call.") {
		return ""
	}
	if !it.open || index != len(it.parts) {
		return "of no part"
	}
	switch d.Type {
	case "response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		it.text += d.Delta
		it.probs = append(it.probs, d.Logprobs...)
	case "response.output_text.annotation.added":
		if d.Mark != len(it.marks) {
			return "the number of the annotation"
		}
		it.marks = append(it.marks, d.Annotation)
	case "response.output_text.done", "response.refusal.done", "response.reasoning_summary_text.done", "response.reasoning_text.done":
		it.told = true
		for _, s := range []*string{d.Text, d.Refusal} {
			if s != nil && *s != it.text {
				return "another text than " + it.text
			}
		}
		if len(d.Logprobs)+len(it.probs) > 0 && !reflect.DeepEqual(d.Logprobs, it.probs) {
			return "other log probabilities"
		}
	case "response.content_part.done", "response.reasoning_summary_part.done":
		it.open = false
		it.parts = append(it.parts, d.Part)
		switch {
		case !it.told:
			return "a part whose text was not repeated"
		case textIn(d.Part) != it.text:
			return "another text than " + it.text
		}
		if marks, _ := d.Part["annotations"].([]any); len(marks)+len(it.marks) > 0 && !reflect.DeepEqual(marks, it.marks) {
			return fmt.Sprintf("other annotations than %v", it.marks)
		}
	default:
		return "unknown"
	}
	return ""
}

func textIn(part map[string]any) string {
	for _, name := range []string{"text", "refusal"} {
		if s, ok := part[name].(string); ok {
			return s
		}
	}
	return ""
}

// end checks an item that is done.
func (it *checkedItem) end() string {
	if it.done["id"] != it.id || it.done["type"] != it.kind {
		return "another item"
	}
	if it.open {
		return "a part is open"
	}
	var list []any
	for _, name := range []string{"content", "summary"} {
		l, _ := it.done[name].([]any)
		list = append(list, l...)
	}
	switch it.kind {
	case "message", "reasoning":
		if len(list) != len(it.parts) {
			return fmt.Sprintf("other parts than %v", it.parts)
		}
		for i := range list {
			if !reflect.DeepEqual(list[i], any(it.parts[i])) {
				return fmt.Sprintf("another part than %v", it.parts[i])
			}
		}
	case "function_call":
		if it.done["arguments"] != it.text {
			return "other arguments than " + it.text
		}
	case "custom_tool_call":
		if it.done["input"] != it.text {
			return "another input than " + it.text
		}
	}
	return ""
}

// end checks the terminal event.
func (c *checker) end(d *checked) string {
	if c.over || c.response == nil {
		return "an end too many"
	}
	c.over = true
	for _, name := range []string{"id", "model", "created_at"} {
		if d.Response[name] != c.response[name] {
			return name + " differs"
		}
	}
	output, _ := d.Response["output"].([]any)
	if len(output) != len(c.items) {
		return "other items"
	}
	for i, it := range c.items {
		if it.done == nil || !reflect.DeepEqual(output[i], any(it.done)) {
			return fmt.Sprintf("output[%d] differs", i)
		}
	}
	return ""
}

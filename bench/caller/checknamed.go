package caller

import (
	"encoding/json"
	"net/http"

	"sluice/internal/llm"
)

// anthropicChecker knows Messages.
type anthropicChecker struct {
	res     *Result
	begun   bool
	open    int // index of the open block; -1 if none is
	next    int // index of the next block
	stopped bool
	done    bool
	over    bool
}

type anthropicEvent struct {
	Type    string `json:"type"`
	Index   *int   `json:"index"`
	Message *struct {
		ID    string          `json:"id"`
		Model string          `json:"model"`
		Role  string          `json:"role"`
		Usage json.RawMessage `json:"usage"`
	} `json:"message"`
	Block json.RawMessage `json:"content_block"`
	Delta *struct {
		Type   string  `json:"type"`
		Reason *string `json:"stop_reason"`
	} `json:"delta"`
	Usage json.RawMessage `json:"usage"`
}

func (c *anthropicChecker) event(name, data []byte) {
	if c.over {
		c.res.bad("an event after the end: %.80q", data)
		return
	}
	var e anthropicEvent
	if err := json.Unmarshal(data, &e); err != nil {
		c.res.bad("an event that cannot be read: %v: %.80q", err, data)
		return
	}
	if string(name) != e.Type {
		c.res.bad("event %.40q has the type %.40q", name, e.Type)
	}
	if !c.begun && e.Type != "message_start" && e.Type != "error" && e.Type != "ping" {
		c.res.bad("%s before message_start", e.Type)
	}
	switch e.Type {
	case "ping":
	case "error":
		c.over, c.res.Told = true, readError(llm.Anthropic, http.StatusOK, data, c.res)
	case "message_start":
		c.start(&e)
	case "content_block_start", "content_block_delta", "content_block_stop":
		c.block(&e)
	case "message_delta":
		if c.open >= 0 {
			c.res.bad("message_delta while block %d is open", c.open)
		}
		if e.Delta == nil || e.Delta.Reason == nil {
			c.res.bad("message_delta without stop_reason")
		}
		if c.stopped {
			c.res.bad("a second message_delta")
		}
		c.stopped = true
	case "message_stop":
		if !c.stopped {
			c.res.bad("message_stop without a stop_reason: a truncated answer looks whole")
		}
		c.done, c.over = true, true
	default:
		c.res.bad("an event of type %.40q", e.Type)
	}
}

func (c *anthropicChecker) start(e *anthropicEvent) {
	if c.begun {
		c.res.bad("a second message_start")
	}
	c.begun = true
	if e.Message == nil || e.Message.ID == "" || e.Message.Model == "" || e.Message.Role != "assistant" || e.Message.Usage == nil {
		c.res.bad("message_start lacks id, model, role or usage")
	}
}

func (c *anthropicChecker) block(e *anthropicEvent) {
	if e.Index == nil {
		c.res.bad("%s without index", e.Type)
		return
	}
	if c.stopped {
		c.res.bad("%s after the stop_reason", e.Type)
	}
	switch e.Type {
	case "content_block_start":
		if c.open >= 0 {
			c.res.bad("block %d begins while block %d is open", *e.Index, c.open)
		}
		if *e.Index != c.next {
			c.res.bad("block %d begins, want %d", *e.Index, c.next)
		}
		if e.Block == nil {
			c.res.bad("content_block_start without content_block")
		}
		c.open, c.next = *e.Index, *e.Index+1
	case "content_block_delta":
		if *e.Index != c.open || e.Delta == nil {
			c.res.bad("a delta of block %d while %d is open", *e.Index, c.open)
		}
	default:
		if *e.Index != c.open {
			c.res.bad("block %d ends while %d is open", *e.Index, c.open)
		}
		c.open = -1
	}
}

func (c *anthropicChecker) complete() bool { return c.done && c.stopped && c.open < 0 }

func (c *anthropicChecker) end() {
	if c.stopped && !c.done && c.res.Told == nil {
		c.res.bad("no message_stop")
	}
}

// responsesChecker knows the Responses API.
type responsesChecker struct {
	res      *Result
	next     int64 // sequence number
	id       fixed
	item     string // id of the open item; "" if none is
	items    int
	content  int // parts of the open item's content
	text     map[string]string
	terminal string
	over     bool
}

func newResponsesChecker(res *Result) *responsesChecker {
	return &responsesChecker{res: res, text: map[string]string{}}
}

type responsesEvent struct {
	Type     string `json:"type"`
	Sequence *int64 `json:"sequence_number"`
	Response *struct {
		ID     string            `json:"id"`
		Status string            `json:"status"`
		Model  string            `json:"model"`
		Output []json.RawMessage `json:"output"`
		Error  *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"response"`
	Output  *int `json:"output_index"`
	Content *int `json:"content_index"`
	Item    *struct {
		ID     string `json:"id"`
		Type   string `json:"type"`
		Status string `json:"status"`
	} `json:"item"`
	ItemID    string  `json:"item_id"`
	Delta     *string `json:"delta"`
	Text      *string `json:"text"`
	Arguments *string `json:"arguments"`
	Code      *string `json:"code"`
	Message   string  `json:"message"`
}

func (c *responsesChecker) event(name, data []byte) {
	if c.over {
		c.res.bad("an event after the end: %.80q", data)
		return
	}
	var e responsesEvent
	if err := json.Unmarshal(data, &e); err != nil {
		c.res.bad("an event that cannot be read: %v: %.80q", err, data)
		return
	}
	if string(name) != e.Type {
		c.res.bad("event %.40q has the type %.40q", name, e.Type)
	}
	switch {
	case e.Sequence == nil:
		c.res.bad("%s without sequence_number", e.Type)
	case *e.Sequence != c.next:
		c.res.bad("sequence_number %d, want %d", *e.Sequence, c.next)
		c.next = *e.Sequence + 1
	default:
		c.next++
	}
	if c.next == 1 && e.Type != "response.created" && e.Type != "error" {
		c.res.bad("the stream begins with %s", e.Type)
	}
	if e.Response != nil {
		c.id.check(c.res, "response id", e.Response.ID)
	}
	c.dispatch(&e)
}

func (c *responsesChecker) dispatch(e *responsesEvent) {
	key := e.ItemID
	if e.Content != nil {
		key += string(rune('0' + *e.Content))
	}
	switch e.Type {
	case "error":
		told := &Told{Status: http.StatusOK, Type: "error", Message: e.Message}
		if e.Code != nil {
			told.Code = *e.Code
		}
		if e.Message == "" {
			c.res.bad("an error without a message")
		}
		c.over, c.res.Told = true, told
	case "response.completed", "response.incomplete", "response.failed":
		c.finish(e)
	case "response.output_item.added", "response.output_item.done":
		c.itemEvent(e)
	case "response.content_part.added":
		if e.ItemID != c.item || e.Content == nil || *e.Content != c.content {
			c.res.bad("content part of item %q, want part %d of %q", e.ItemID, c.content, c.item)
		}
		c.content++
	case "response.output_text.delta", "response.function_call_arguments.delta", "response.refusal.delta":
		if e.ItemID != c.item || e.Delta == nil {
			c.res.bad("a delta of item %q while %q is open", e.ItemID, c.item)
			return
		}
		c.text[key] += *e.Delta
	case "response.output_text.done":
		if e.Text == nil || *e.Text != c.text[key] {
			c.res.bad("%s has another text than the deltas", e.Type)
		}
	case "response.function_call_arguments.done":
		if e.Arguments == nil || *e.Arguments != c.text[key] {
			c.res.bad("%s has other arguments than the deltas", e.Type)
		}
	}
}

func (c *responsesChecker) itemEvent(e *responsesEvent) {
	if e.Item == nil || e.Output == nil {
		c.res.bad("%s without item or output_index", e.Type)
		return
	}
	if e.Type == "response.output_item.added" {
		if c.item != "" {
			c.res.bad("item %q begins while %q is open", e.Item.ID, c.item)
		}
		if *e.Output != c.items {
			c.res.bad("output_index %d, want %d", *e.Output, c.items)
		}
		c.item, c.content = e.Item.ID, 0
		return
	}
	if e.Item.ID != c.item || *e.Output != c.items {
		c.res.bad("item %q ends while %q is open", e.Item.ID, c.item)
	}
	c.item = ""
	c.items++
}

// finish takes a terminal event.
func (c *responsesChecker) finish(e *responsesEvent) {
	c.over, c.terminal = true, e.Type
	if e.Response == nil || "response."+e.Response.Status != e.Type {
		c.res.bad("%s has a response of another status", e.Type)
		return
	}
	if e.Type == "response.failed" {
		told := &Told{Status: http.StatusOK, Type: "response.failed"}
		if e.Response.Error == nil {
			c.res.bad("response.failed without an error")
		} else {
			told.Code, told.Message = e.Response.Error.Code, e.Response.Error.Message
		}
		c.res.Told = told
		return
	}
	if c.item != "" {
		c.res.bad("%s while item %q is open", e.Type, c.item)
	}
	if len(e.Response.Output) != c.items {
		c.res.bad("%s repeats %d items, %d were sent", e.Type, len(e.Response.Output), c.items)
	}
}

func (c *responsesChecker) complete() bool {
	return c.terminal == "response.completed" || c.terminal == "response.incomplete"
}

func (c *responsesChecker) end() {}

package caller

import (
	"encoding/json"
	"net/http"

	"sluice/internal/llm"
)

// checker holds the events of one stream against their protocol. What is wrong goes to the result.
type checker interface {
	event(name, data []byte)
	// end is told that the connection has ended, cleanly or not.
	end()
	// complete reports whether the protocol's own end was seen, and nothing was missing before it.
	complete() bool
}

func newChecker(d llm.Dialect, res *Result) checker {
	switch d {
	case llm.Responses:
		return newResponsesChecker(res)
	case llm.Anthropic:
		return &anthropicChecker{res: res, open: -1}
	case llm.Gemini:
		return &geminiChecker{res: res}
	default:
		return &openAIChecker{res: res, finished: map[int]bool{}}
	}
}

// fixed holds a value that must be the same in each event.
type fixed struct{ value string }

func (f *fixed) check(res *Result, what, value string) {
	switch {
	case value == "":
		res.bad("no %s", what)
	case f.value == "":
		f.value = value
	case f.value != value:
		res.bad("%s changes from %.60q to %.60q", what, f.value, value)
	}
}

// openAIChecker knows chat completions.
type openAIChecker struct {
	res                *Result
	id, model, created fixed
	finished           map[int]bool // by choice, once it has begun
	done, over         bool
	usage              int
	early              bool // usage came before the finish reason
}

type openAIChunk struct {
	ID      string      `json:"id"`
	Object  string      `json:"object"`
	Created json.Number `json:"created"`
	Model   string      `json:"model"`
	Choices *[]struct {
		Index *int `json:"index"`
		Delta *struct {
			Role      string            `json:"role"`
			Content   *string           `json:"content"`
			Refusal   *string           `json:"refusal"`
			ToolCalls []json.RawMessage `json:"tool_calls"`
		} `json:"delta"`
		Finish *string `json:"finish_reason"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
	Error json.RawMessage `json:"error"`
}

func (c *openAIChecker) event(name, data []byte) {
	if c.over {
		c.res.bad("an event after the end: %.80q", data)
		return
	}
	if len(name) > 0 {
		c.res.bad("an event with the name %.40q", name)
	}
	if string(data) == "[DONE]" {
		c.done, c.over = true, true
		return
	}
	var k openAIChunk
	if err := json.Unmarshal(data, &k); err != nil {
		c.res.bad("an event that is no chunk: %v: %.80q", err, data)
		return
	}
	if k.Error != nil {
		if string(k.Error) == "null" {
			c.res.bad(`a chunk with "error":null`)
			return
		}
		c.over, c.res.Told = true, readError(llm.OpenAI, http.StatusOK, data, c.res)
		return
	}
	c.id.check(c.res, "id", k.ID)
	c.model.check(c.res, "model", k.Model)
	c.created.check(c.res, "created", k.Created.String())
	if k.Object != "chat.completion.chunk" {
		c.res.bad("object is %.40q", k.Object)
	}
	if k.Choices == nil {
		c.res.bad("a chunk without choices")
		return
	}
	if len(k.Usage) > 0 && string(k.Usage) != "null" {
		if c.usage++; len(*k.Choices) == 0 && !c.allFinished() {
			c.early = true
		}
	}
	c.choices(&k)
}

func (c *openAIChecker) choices(k *openAIChunk) {
	for _, ch := range *k.Choices {
		if ch.Index == nil || ch.Delta == nil {
			c.res.bad("a choice without index or delta")
			continue
		}
		done, begun := c.finished[*ch.Index]
		if !begun && ch.Delta.Role != "assistant" {
			c.res.bad("choice %d begins without the role", *ch.Index)
		}
		content := ch.Delta.Content != nil && *ch.Delta.Content != "" || ch.Delta.Refusal != nil && *ch.Delta.Refusal != "" || len(ch.Delta.ToolCalls) > 0
		if done && (content || ch.Finish != nil) {
			c.res.bad("choice %d goes on after its finish reason", *ch.Index)
		}
		c.finished[*ch.Index] = done || ch.Finish != nil
	}
}

func (c *openAIChecker) allFinished() bool {
	for _, done := range c.finished {
		if !done {
			return false
		}
	}
	return len(c.finished) > 0
}

func (c *openAIChecker) complete() bool { return c.done && c.allFinished() }

func (c *openAIChecker) end() {
	switch {
	case c.res.Told != nil:
	case c.done && !c.allFinished():
		c.res.bad("[DONE] without a finish reason: a truncated answer looks whole")
	case !c.done && c.allFinished():
		c.res.bad("no [DONE]")
	}
	if c.complete() && c.early {
		c.res.bad("usage before the finish reason")
	}
	if c.complete() && c.usage > 1 {
		c.res.bad("%d chunks with usage", c.usage)
	}
}

// geminiChecker knows streamGenerateContent.
type geminiChecker struct {
	res       *Result
	id, model fixed
	finished  bool
	over      bool
}

type geminiChunk struct {
	Candidates []struct {
		Content *struct {
			Role  string `json:"role"`
			Parts []struct {
				Text string          `json:"text"`
				Call json.RawMessage `json:"functionCall"`
			} `json:"parts"`
		} `json:"content"`
		Finish string `json:"finishReason"`
	} `json:"candidates"`
	Feedback json.RawMessage `json:"promptFeedback"`
	Usage    json.RawMessage `json:"usageMetadata"`
	Model    string          `json:"modelVersion"`
	ID       string          `json:"responseId"`
	Error    json.RawMessage `json:"error"`
}

func (c *geminiChecker) event(name, data []byte) {
	if c.over {
		c.res.bad("an event after the error: %.80q", data)
		return
	}
	if len(name) > 0 {
		c.res.bad("an event with the name %.40q", name)
	}
	var k geminiChunk
	if err := json.Unmarshal(data, &k); err != nil {
		c.res.bad("an event that is no chunk: %v: %.80q", err, data)
		return
	}
	if k.Error != nil {
		c.over, c.res.Told = true, readError(llm.Gemini, http.StatusOK, data, c.res)
		return
	}
	c.id.check(c.res, "responseId", k.ID)
	c.model.check(c.res, "modelVersion", k.Model)
	if len(k.Candidates) == 0 && k.Feedback == nil && k.Usage == nil {
		c.res.bad("a chunk with nothing in it")
	}
	for _, cand := range k.Candidates {
		if c.finished && cand.Content != nil {
			for _, p := range cand.Content.Parts {
				if p.Text != "" || p.Call != nil {
					c.res.bad("content after the finish reason")
				}
			}
		}
		if cand.Finish != "" {
			if c.finished {
				c.res.bad("a second finish reason")
			}
			c.finished = true
		}
	}
	if k.Feedback != nil {
		c.finished = true // a prompt that was blocked has no candidate
	}
}

func (c *geminiChecker) complete() bool { return c.finished && !c.over }

// end finds nothing by itself: a stream without a finish reason is found by the codec, whose reader is told of the end.
func (c *geminiChecker) end() {}

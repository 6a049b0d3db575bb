package sim

import (
	"bytes"
	"slices"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// talk is what a chat asks of the model besides the text, in whatever dialect it came.
type talk struct {
	tools     []tool // functions; other kinds are accepted and never called
	choice    string // none, auto or required
	named     string // the one function that must be called
	parallel  bool
	afterTool bool // the last message is a tool's answer

	format string // json_object or json_schema
	schema []byte

	effort string // as OpenAI names it
	budget int64  // of thinking tokens; 0 if none
	off    bool   // no thinking at all
	mute   bool   // the thoughts are not shown

	logprobs bool
	top      int
	tier     string
	cache    string // lifetime of the last cache breakpoint: "5m", "1h"; "" if there is none
}

// tool is a function that may be called.
type tool struct {
	name   string
	schema []byte // of the arguments
}

func openAITalk(r *openai.ChatRequest) *talk {
	t := &talk{
		choice: r.ToolChoice.Mode, named: r.ToolChoice.Name, parallel: r.ParallelTools,
		format: r.Format.Type, schema: r.Format.Schema, effort: r.ReasoningEffort,
		logprobs: r.Logprobs, top: r.TopLogprobs, tier: r.ServiceTier,
	}
	for _, one := range r.Tools {
		if one.Type == "function" {
			t.tools = append(t.tools, tool{one.Name, one.Parameters})
		}
	}
	last := r.Messages[len(r.Messages)-1].Role
	t.afterTool = last == "tool" || last == "function"
	return t
}

// neutralJob makes a job of a chat in another dialect than OpenAI's. Its text is that of the same chat in OpenAI's dialect,
// so that the same prompt gets the same answer.
func neutralJob(c *llm.Chat, d llm.Dialect) *job {
	j := &job{
		op: llm.OpChat, model: c.Model, stream: c.Stream, usage: true, maxTokens: c.MaxTokens, choices: max(c.Choices, 1),
		stops: c.Stop, input: tokensPerPrompt,
	}
	t := &talk{
		parallel: c.Parallel == nil || *c.Parallel, effort: c.Reasoning.Effort, budget: c.Reasoning.Budget,
		logprobs: c.Logprobs, top: c.TopLogprobs, tier: c.ServiceTier,
	}
	for i := range c.Messages {
		j.addTurn(&c.Messages[i], t)
	}
	j.addTools(c, t)
	switch c.Format.Kind {
	case llm.FormatJSON:
		t.format = "json_object"
	case llm.FormatSchema:
		t.format, t.schema = "json_schema", []byte(c.Format.Schema)
	}
	j.add(string(t.schema))
	t.think(&c.Reasoning, d)
	j.talk = t
	return j
}

// addTurn counts one message. The results of several tools are messages of their own, as in OpenAI's dialect.
func (j *job) addTurn(m *llm.Turn, t *talk) {
	t.afterTool = m.Role == llm.RoleTool
	var text []byte
	var calls []*llm.Part
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.CacheTTL != "" {
			t.cache = p.CacheTTL
		}
		switch p.Kind {
		case llm.PartToolResult:
			j.addMessage("tool", "", resultText(p.Parts, p.Text, j))
		case llm.PartToolCall:
			calls = append(calls, p)
		case llm.PartText, llm.PartRefusal:
			if len(text) > 0 {
				text = append(text, '\n')
			}
			text = append(text, p.Text...)
		case llm.PartImage, llm.PartFile, llm.PartAudio:
			j.input += tokensPerMedia
		}
	}
	if m.Role == llm.RoleTool {
		return
	}
	j.addMessage(m.Role.String(), m.Name, string(text))
	for _, p := range calls {
		j.said.call(p.Name)
		j.add(p.Name)
		j.add(p.Text)
	}
}

// resultText returns the text of a tool's result. Media in it are counted.
func resultText(parts []llm.Part, text string, j *job) string {
	for i := range parts {
		if parts[i].Kind != llm.PartText {
			j.input += tokensPerMedia
			continue
		}
		if text != "" {
			text += "\n"
		}
		text += parts[i].Text
	}
	return text
}

// addTools counts the tools in OpenAI's form.
func (j *job) addTools(c *llm.Chat, t *talk) {
	switch c.ToolChoice.Mode {
	case llm.ToolsNone:
		t.choice = "none"
	case llm.ToolsAuto:
		t.choice = "auto"
	case llm.ToolsRequired:
		t.choice = "required"
	}
	only := c.ToolChoice.Names
	var text []byte
	for i := range c.Tools {
		f := &c.Tools[i]
		if f.CacheTTL != "" && t.cache == "" {
			t.cache = f.CacheTTL
		}
		text = append(text, ',')
		if f.Raw != "" {
			text = append(text, f.Raw...)
			continue
		}
		text = wire.AppendString(append(text, `{"type":"function","function":{"name":`...), f.Name)
		if f.Description != "" {
			text = wire.AppendString(append(text, `,"description":`...), f.Description)
		}
		if f.Parameters != "" {
			text = append(append(text, `,"parameters":`...), f.Parameters...)
		}
		text = append(text, "}}"...)
		if !f.Custom && (len(only) == 0 || slices.Contains(only, f.Name)) {
			t.tools = append(t.tools, tool{f.Name, []byte(f.Parameters)})
		}
	}
	if len(text) > 0 {
		text[0] = '['
		text = append(text, ']')
	}
	if len(only) == 1 && t.choice == "required" {
		t.named = only[0]
	}
	j.add(string(bytes.TrimSpace(text)))
}

// think decides whether the model thinks, and whether it shows that: each dialect has another default.
func (t *talk) think(r *llm.Reasoning, d llm.Dialect) {
	switch {
	case r.Mode == llm.ThinkOff || r.Effort == "none":
		t.off = true
	case d == llm.Anthropic || d == llm.Converse:
		t.off = r.Mode == llm.ThinkUnset
		t.mute = r.Summary == "none"
	case d == llm.Gemini || d == llm.Responses:
		t.mute = r.Summary == "" || r.Summary == "none"
	}
}

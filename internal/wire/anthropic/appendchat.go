package anthropic

import (
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

const (
	// DefaultMaxTokens is sent where a request has no limit on its output, which the protocol demands. What a model can do is
	// not known here; whoever knows it sets Chat.MaxTokens before. The provider takes the limit off the minute's quota of
	// output tokens until the answer is there, so it is not the largest number.
	DefaultMaxTokens = 4096
	// minBudget is the smallest budget for thinking that the provider takes.
	minBudget = 1024
)

// AppendChat appends a chat request for a target. Chat has been adapted: all in it can be expressed, and what cannot is left
// out without a word here.
//
//   - All system and developer turns become system, in order, wherever they stand.
//   - Turns of one role in a row become one message. The results of tools come first in theirs.
//   - Texts without anything but white space are left out, and white space at the very end of a last assistant turn is cut: the
//     provider refuses both. A request with nothing but system turns has them as the user's message instead.
//   - Thinking goes back to the provider that signed it only.
//   - A budget for thinking that is not below the limit on output is lowered, since the limit counts both.
//   - The prompt cache knows five minutes and an hour: what is to last for longer than the former gets the latter.
//   - Temperature is cut to the range from 0 to 1.
func AppendChat(dst []byte, c *llm.Chat) []byte {
	limit := c.MaxTokens
	if limit <= 0 {
		limit = DefaultMaxTokens
	}
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, c.Model)
	dst = append(dst, `,"max_tokens":`...)
	dst = strconv.AppendInt(dst, limit, 10)
	dst = appendTurns(dst, c)
	dst = appendTools(dst, c)
	dst = appendThinking(dst, &c.Reasoning, limit)
	dst = appendOutputConfig(dst, c)
	dst = appendSampling(dst, c)
	if user := c.User; user != "" || c.SafetyIdentifier != "" {
		if user == "" {
			user = c.SafetyIdentifier
		}
		dst = append(dst, `,"metadata":{"user_id":`...)
		dst = append(wire.AppendString(dst, user), '}')
	}
	switch c.ServiceTier {
	case "auto", "priority":
		dst = append(dst, `,"service_tier":"auto"`...)
	case "default", "flex":
		dst = append(dst, `,"service_tier":"standard_only"`...)
	}
	if c.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

// AppendCountChat appends the request to count the tokens of a chat request: the same without what is about the answer.
func AppendCountChat(dst []byte, c *llm.Chat) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, c.Model)
	dst = appendTurns(dst, c)
	dst = appendTools(dst, c)
	dst = appendThinking(dst, &c.Reasoning, max(c.MaxTokens, c.Reasoning.Budget+1))
	dst = appendOutputConfig(dst, c)
	return append(dst, '}')
}

// appendTurns appends system and messages.
func appendTurns(dst []byte, c *llm.Chat) []byte {
	e := turnEncoder{chat: c}
	system := e.system()
	if !e.talks() {
		dst = append(dst, `,"messages":[{"role":"user","content":[`...)
		return append(append(dst, system...), `]}]`...)
	}
	if len(system) > 0 {
		dst = append(dst, `,"system":[`...)
		dst = append(append(dst, system...), ']')
	}
	dst = append(dst, `,"messages":[`...)
	return append(e.messages(dst), ']')
}

// appendTools appends tools and tool_choice. Without tools there is no choice.
func appendTools(dst []byte, c *llm.Chat) []byte {
	start := len(dst)
	dst = append(dst, `,"tools":[`...)
	open := len(dst)
	for i := range c.Tools {
		f := &c.Tools[i]
		if f.Raw != "" && f.Origin != llm.Anthropic {
			continue
		}
		dst = comma(dst, open)
		if f.Raw != "" {
			dst = append(dst, f.Raw...)
			continue
		}
		dst = appendFunction(dst, f)
	}
	if len(dst) == open {
		return dst[:start]
	}
	return appendToolChoice(append(dst, ']'), c)
}

func appendFunction(dst []byte, f *llm.Function) []byte {
	dst = append(dst, `{"name":`...)
	dst = wire.AppendString(dst, f.Name)
	if f.Description != "" {
		dst = append(dst, `,"description":`...)
		dst = wire.AppendString(dst, f.Description)
	}
	dst = append(dst, `,"input_schema":`...)
	if f.Custom {
		dst = append(dst, `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`...)
	} else {
		dst = appendSchema(dst, f.Parameters)
	}
	if f.Strict != nil {
		dst = append(dst, `,"strict":`...)
		dst = strconv.AppendBool(dst, *f.Strict)
	}
	dst = appendCache(dst, f.CacheTTL)
	return append(dst, '}')
}

// appendSchema appends the schema of a tool's arguments, which must say that they are an object.
func appendSchema(dst []byte, schema string) []byte {
	const object = `{"type":"object"`
	var sc wire.Scanner
	sc.Reset([]byte(schema))
	if !sc.Object() {
		return append(dst, object+`,"properties":{}}`...)
	}
	start := sc.Pos()
	empty := true
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		if string(name) == "type" {
			return append(dst, schema...)
		}
		empty = false
		sc.Value()
	}
	if empty {
		return append(dst, object+`,"properties":{}}`...)
	}
	dst = append(dst, object+`,`...)
	return append(dst, schema[start:]...)
}

func appendToolChoice(dst []byte, c *llm.Chat) []byte {
	single := c.Parallel != nil && !*c.Parallel
	kind := ""
	switch c.ToolChoice.Mode {
	case llm.ToolsNone:
		return append(dst, `,"tool_choice":{"type":"none"}`...)
	case llm.ToolsRequired:
		kind = "any"
		if len(c.ToolChoice.Names) == 1 {
			kind = "tool"
		}
	case llm.ToolsAuto:
		kind = "auto"
	default:
		if !single {
			return dst
		}
		kind = "auto"
	}
	dst = append(dst, `,"tool_choice":{"type":"`...)
	dst = append(append(dst, kind...), '"')
	if kind == "tool" {
		dst = append(dst, `,"name":`...)
		dst = wire.AppendString(dst, c.ToolChoice.Names[0])
	}
	if single {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}')
}

// appendThinking appends thinking, where limit is the one on all output.
func appendThinking(dst []byte, r *llm.Reasoning, limit int64) []byte {
	mode := r.Mode
	if mode == llm.ThinkUnset && r.Effort == "none" {
		mode = llm.ThinkOff
	}
	budget := min(max(r.Budget, minBudget), limit-1)
	switch {
	case mode == llm.ThinkUnset:
		return dst
	case mode == llm.ThinkOff:
		return append(dst, `,"thinking":{"type":"disabled"}`...)
	case mode == llm.ThinkAdaptive || r.Budget <= 0:
		dst = append(dst, `,"thinking":{"type":"adaptive"`...)
	case budget < minBudget: // there is no room to think
		return dst
	default:
		dst = append(dst, `,"thinking":{"type":"enabled","budget_tokens":`...)
		dst = strconv.AppendInt(dst, budget, 10)
	}
	switch r.Summary {
	case "":
	case "none":
		dst = append(dst, `,"display":"omitted"`...)
	default:
		dst = append(dst, `,"display":"summarized"`...)
	}
	return append(dst, '}')
}

func appendOutputConfig(dst []byte, c *llm.Chat) []byte {
	effort := c.Reasoning.Effort
	switch effort {
	case "none":
		effort = ""
	case "minimal":
		effort = "low"
	}
	schema := c.Format.Kind == llm.FormatSchema
	if effort == "" && !schema {
		return dst
	}
	dst = append(dst, `,"output_config":{`...)
	open := len(dst)
	if effort != "" {
		dst = append(dst, `"effort":`...)
		dst = wire.AppendString(dst, effort)
	}
	if schema {
		dst = append(comma(dst, open), `"format":{"type":"json_schema","schema":`...)
		dst = append(append(dst, c.Format.Schema...), '}')
	}
	return append(dst, '}')
}

func appendSampling(dst []byte, c *llm.Chat) []byte {
	if c.Temperature != "" {
		dst = append(dst, `,"temperature":`...)
		dst = append(dst, clamped(c.Temperature)...)
	}
	if c.TopP != "" {
		dst = append(append(dst, `,"top_p":`...), c.TopP...)
	}
	if c.TopK != "" {
		dst = append(append(dst, `,"top_k":`...), c.TopK...)
	}
	for i, stop := range c.Stop {
		if i == 0 {
			dst = append(dst, `,"stop_sequences":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, stop)
	}
	if len(c.Stop) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// clamped returns a temperature within the range from 0 to 1. In the range it stays as it was written.
func clamped(n llm.Number) string {
	v, err := strconv.ParseFloat(string(n), 64)
	switch {
	case err == nil && v > 1:
		return "1"
	case err == nil && v < 0:
		return "0"
	}
	return string(n)
}

// appendCache appends a breakpoint of the prompt cache, if there is one.
func appendCache(dst []byte, ttl string) []byte {
	if ttl == "" {
		return dst
	}
	dst = append(dst, `,"cache_control":{"type":"ephemeral"`...)
	if d, err := time.ParseDuration(ttl); err == nil && d > 5*time.Minute || strings.HasSuffix(ttl, "d") {
		dst = append(dst, `,"ttl":"1h"`...)
	}
	return append(dst, '}')
}

// comma appends a comma unless the list that begins at start is still empty.
func comma(dst []byte, start int) []byte {
	if len(dst) == start {
		return dst
	}
	return append(dst, ',')
}

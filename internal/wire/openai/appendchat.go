package openai

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Client's end, for calls that come from another dialect: a request in llm's words becomes one that servers of OpenAI's
// dialect understand.

// Budgets of thinking in tokens, up to which an effort stands for them: Google gives its models these budgets for OpenAI's
// efforts (https://ai.google.dev/gemini-api/docs/openai, read 2026-11). OpenAI publishes no numbers.
const (
	lowBudget    = 1024
	mediumBudget = 8192
)

// AppendChat appends a chat request. What of it has no word in this dialect (thinking that others have signed, tools and parts of
// other providers, Extra) is left out: the chat was adapted, so there is none but by mistake.
//
// The limit on output is max_completion_tokens; for a server that knows only max_tokens the surface's change renames it.
func AppendChat(dst []byte, c *llm.Chat) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, c.Model)
	dst = append(dst, `,"messages":[`...)
	m := messages{}
	for i := range c.Messages {
		dst = m.append(dst, &c.Messages[i])
	}
	dst = append(dst, ']')
	if c.Stream {
		dst = append(dst, `,"stream":true`...)
		if c.StreamUsage {
			dst = append(dst, `,"stream_options":{"include_usage":true}`...)
		}
	}
	dst = appendToolUse(dst, c)
	dst = appendFormat(dst, &c.Format)
	dst = appendSampling(dst, c)
	dst = appendReasoning(dst, c)
	dst = member(dst, "user", c.User)
	dst = member(dst, "safety_identifier", c.SafetyIdentifier)
	dst = member(dst, "service_tier", c.ServiceTier)
	dst = rawMember(dst, "metadata", c.Metadata)
	dst = member(dst, "prompt_cache_key", c.CacheKey)
	return append(dst, '}')
}

// member appends a member with a text, unless it is empty. It is never the first.
func member(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return wire.AppendString(key(dst, name), text)
}

// rawMember appends a member with JSON, unless there is none.
func rawMember(dst []byte, name, json string) []byte {
	if json == "" {
		return dst
	}
	return append(key(dst, name), json...)
}

func boolMember(dst []byte, name string, v *bool) []byte {
	if v == nil {
		return dst
	}
	return strconv.AppendBool(key(dst, name), *v)
}

func intMember(dst []byte, name string, v int64) []byte {
	if v <= 0 {
		return dst
	}
	return strconv.AppendInt(key(dst, name), v, 10)
}

func key(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendSampling(dst []byte, c *llm.Chat) []byte {
	dst = intMember(dst, "max_completion_tokens", c.MaxTokens)
	if c.Choices > 1 {
		dst = intMember(dst, "n", int64(c.Choices))
	}
	for i, s := range c.Stop {
		if i == 0 {
			dst = append(dst, `,"stop":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, s)
	}
	if len(c.Stop) > 0 {
		dst = append(dst, ']')
	}
	dst = rawMember(dst, "temperature", string(c.Temperature))
	dst = rawMember(dst, "top_p", string(c.TopP))
	dst = rawMember(dst, "top_k", string(c.TopK))
	dst = rawMember(dst, "frequency_penalty", string(c.FrequencyPenalty))
	dst = rawMember(dst, "presence_penalty", string(c.PresencePenalty))
	dst = rawMember(dst, "seed", string(c.Seed))
	if c.Logprobs {
		dst = append(dst, `,"logprobs":true`...)
		dst = intMember(dst, "top_logprobs", int64(c.TopLogprobs))
	}
	return rawMember(dst, "logit_bias", c.LogitBias)
}

func appendReasoning(dst []byte, c *llm.Chat) []byte {
	return member(member(dst, "reasoning_effort", effortOf(&c.Reasoning)), "verbosity", c.Verbosity)
}

// effortOf returns the effort that says what r does; "" leaves it to the model.
func effortOf(r *llm.Reasoning) string {
	switch {
	case r.Mode == llm.ThinkOff:
		return "none"
	case r.Effort != "":
		return r.Effort
	case r.Budget > mediumBudget:
		return "high"
	case r.Budget > lowBudget:
		return "medium"
	case r.Budget > 0:
		return "low"
	case r.Mode == llm.ThinkOn:
		return "medium" // the default of some models is none
	}
	return ""
}

func appendFormat(dst []byte, f *llm.Format) []byte {
	switch f.Kind {
	case llm.FormatText:
		return append(dst, `,"response_format":{"type":"text"}`...)
	case llm.FormatJSON:
		return append(dst, `,"response_format":{"type":"json_object"}`...)
	case llm.FormatSchema:
	default:
		return dst
	}
	name := f.Name
	if name == "" {
		name = "answer" // must be there
	}
	dst = append(dst, `,"response_format":{"type":"json_schema","json_schema":{"name":`...)
	dst = wire.AppendString(dst, name)
	dst = member(dst, "description", f.Description)
	dst = boolMember(dst, "strict", f.Strict)
	dst = rawMember(dst, "schema", f.Schema)
	return append(dst, '}', '}')
}

// appendToolUse appends the tools and what is said of their use. Without tools nothing may be said.
func appendToolUse(dst []byte, c *llm.Chat) []byte {
	n := 0
	for i := range c.Tools {
		f := &c.Tools[i]
		if f.Raw != "" && f.Origin != llm.OpenAI {
			continue
		}
		if n == 0 {
			dst = append(dst, `,"tools":[`...)
		} else {
			dst = append(dst, ',')
		}
		n++
		dst = appendTool(dst, f)
	}
	if n == 0 {
		return dst
	}
	dst = append(dst, ']')
	dst = appendToolChoice(dst, c)
	return boolMember(dst, "parallel_tool_calls", c.Parallel)
}

func appendTool(dst []byte, f *llm.Function) []byte {
	switch {
	case f.Raw != "":
		return append(dst, f.Raw...)
	case f.Custom:
		dst = append(dst, `{"type":"custom","custom":{"name":`...)
		dst = wire.AppendString(dst, f.Name)
		dst = member(dst, "description", f.Description)
		dst = rawMember(dst, "format", f.Grammar)
		return append(dst, '}', '}')
	}
	dst = append(dst, `{"type":"function","function":{"name":`...)
	dst = wire.AppendString(dst, f.Name)
	dst = member(dst, "description", f.Description)
	dst = rawMember(dst, "parameters", f.Parameters)
	dst = boolMember(dst, "strict", f.Strict)
	return append(dst, '}', '}')
}

func appendToolChoice(dst []byte, c *llm.Chat) []byte {
	choice := &c.ToolChoice
	mode := "auto"
	switch choice.Mode {
	case llm.ToolsNone:
		return append(dst, `,"tool_choice":"none"`...)
	case llm.ToolsAuto:
	case llm.ToolsRequired:
		mode = "required"
	default:
		return dst
	}
	switch n := len(choice.Names); {
	case n == 0:
		return member(dst, "tool_choice", mode)
	case n == 1 && choice.Mode == llm.ToolsRequired:
		return appendNamed(append(dst, `,"tool_choice":`...), c, choice.Names[0])
	}
	dst = append(dst, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"`...)
	dst = append(dst, mode...)
	dst = append(dst, `","tools":[`...)
	for i, name := range choice.Names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNamed(dst, c, name)
	}
	return append(dst, `]}}`...)
}

// appendNamed appends the object that names a tool.
func appendNamed(dst []byte, c *llm.Chat, name string) []byte {
	kind := "function"
	for i := range c.Tools {
		if c.Tools[i].Name == name && c.Tools[i].Custom {
			kind = "custom"
		}
	}
	dst = append(append(append(dst, `{"type":"`...), kind...), `","`...)
	dst = append(append(dst, kind...), `":{"name":`...)
	return append(wire.AppendString(dst, name), '}', '}')
}

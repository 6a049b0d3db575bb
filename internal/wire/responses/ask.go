package responses

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendChat appends a request for a target. The target stores nothing: Sluice, or its client, keeps the conversation.
//
// Encrypted reasoning is asked for where the request says something about reasoning, or brings some: models that do not reason
// refuse a request for it. [K]
func AppendChat(dst []byte, c *llm.Chat) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, c.Model)
	instructions, rest := leading(c.Messages)
	dst = appendText(dst, "instructions", instructions)
	dst = append(dst, `,"input":[`...)
	dst = appendItems(dst, rest)
	dst = append(dst, `],"store":false`...)
	if c.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	if len(c.Tools) > 0 {
		dst = append(dst, `,"tools":`...)
		dst = appendTools(dst, c.Tools)
	}
	dst = appendValue(dst, "tool_choice", appendToolChoice(nil, c))
	if c.Parallel != nil {
		dst = append(dst, `,"parallel_tool_calls":`...)
		dst = strconv.AppendBool(dst, *c.Parallel)
	}
	dst = appendValue(dst, "text", appendTextSetting(nil, c))
	dst = appendValue(dst, "reasoning", appendReasoningSetting(nil, &c.Reasoning))
	dst = appendInclude(dst, c)
	if c.MaxTokens > 0 {
		dst = append(dst, `,"max_output_tokens":`...)
		dst = strconv.AppendInt(dst, c.MaxTokens, 10)
	}
	dst = appendValue(dst, "temperature", []byte(c.Temperature))
	dst = appendValue(dst, "top_p", []byte(c.TopP))
	if c.TopLogprobs > 0 {
		dst = append(dst, `,"top_logprobs":`...)
		dst = strconv.AppendInt(dst, int64(c.TopLogprobs), 10)
	}
	dst = appendValue(dst, "metadata", []byte(c.Metadata))
	dst = appendText(dst, "user", c.User)
	dst = appendText(dst, "safety_identifier", c.SafetyIdentifier)
	dst = appendText(dst, "service_tier", c.ServiceTier)
	dst = appendText(dst, "prompt_cache_key", c.CacheKey)
	return append(dst, '}')
}

// leading returns the text of a system turn that stands first, and the other turns.
func leading(all []llm.Turn) (instructions string, rest []llm.Turn) {
	if len(all) == 0 || all[0].Role != llm.RoleSystem || len(all[0].Parts) != 1 {
		return "", all
	}
	if p := &all[0].Parts[0]; p.Kind == llm.PartText && p.CacheTTL == "" && p.Text != "" {
		return p.Text, all[1:]
	}
	return "", all
}

// appendText appends a member that is a text, with a comma in front, unless it is empty.
func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return wire.AppendString(dst, value)
}

// appendValue appends a member with a comma in front, unless value is empty.
func appendValue(dst []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return append(dst, value...)
}

func appendTools(dst []byte, all []llm.Function) []byte {
	dst = append(dst, '[')
	for i := range all {
		f := &all[i]
		switch {
		case f.Raw != "" && f.Origin != llm.Responses:
			continue // a tool of another provider
		case dst[len(dst)-1] != '[':
			dst = append(dst, ',')
		}
		dst = appendTool(dst, f)
	}
	return append(dst, ']')
}

func appendTool(dst []byte, f *llm.Function) []byte {
	if f.Raw != "" {
		return append(dst, f.Raw...)
	}
	kind := "function"
	if f.Custom {
		kind = "custom"
	}
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","name":`...)
	dst = wire.AppendString(dst, f.Name)
	dst = appendText(dst, "description", f.Description)
	if f.Custom {
		dst = appendValue(dst, "format", []byte(flatGrammar(f.Grammar)))
		return append(dst, '}')
	}
	parameters := f.Parameters
	if parameters == "" {
		parameters = `{"type":"object","properties":{}}`
	}
	dst = appendValue(dst, "parameters", []byte(parameters))
	// The API takes a missing strict for true, other dialects for false.
	dst = append(dst, `,"strict":`...)
	dst = strconv.AppendBool(dst, f.Strict != nil && *f.Strict)
	return append(dst, '}')
}

// appendToolChoice appends the choice, or nothing if there is none.
func appendToolChoice(dst []byte, c *llm.Chat) []byte {
	tc := &c.ToolChoice
	mode := [...]string{llm.ToolsUnset: "", llm.ToolsAuto: "auto", llm.ToolsNone: "none", llm.ToolsRequired: "required"}[tc.Mode]
	switch {
	case mode == "":
		return dst
	case tc.Mode == llm.ToolsNone || len(tc.Names) == 0:
		return wire.AppendString(dst, mode)
	case tc.Mode == llm.ToolsRequired && len(tc.Names) == 1:
		return appendChosen(dst, c, tc.Names[0])
	}
	dst = append(dst, `{"type":"allowed_tools","mode":"`...)
	dst = append(dst, mode...)
	dst = append(dst, `","tools":[`...)
	for i, name := range tc.Names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendChosen(dst, c, name)
	}
	return append(dst, `]}`...)
}

// appendChosen names one tool.
func appendChosen(dst []byte, c *llm.Chat, name string) []byte {
	kind := "function"
	for i := range c.Tools {
		switch f := &c.Tools[i]; {
		case f.Name != name:
		case f.Raw != "":
			dst = append(dst, `{"type":`...)
			return append(wire.AppendString(dst, name), '}')
		case f.Custom:
			kind = "custom"
		}
	}
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","name":`...)
	return append(wire.AppendString(dst, name), '}')
}

// appendTextSetting appends the value of text, or nothing.
func appendTextSetting(dst []byte, c *llm.Chat) []byte {
	f := &c.Format
	if f.Kind == llm.FormatUnset && c.Verbosity == "" {
		return dst
	}
	dst = append(dst, `{"format":{"type":`...)
	switch f.Kind {
	case llm.FormatJSON:
		dst = append(dst, `"json_object"}`...)
	case llm.FormatSchema:
		dst = append(dst, `"json_schema"`...)
		name := f.Name
		if name == "" {
			name = "answer" // the API wants one
		}
		dst = appendText(dst, "name", name)
		dst = appendText(dst, "description", f.Description)
		schema := f.Schema
		if schema == "" {
			schema = "{}"
		}
		dst = appendValue(dst, "schema", []byte(schema))
		if f.Strict != nil {
			dst = append(dst, `,"strict":`...)
			dst = strconv.AppendBool(dst, *f.Strict)
		}
		dst = append(dst, '}')
	default:
		dst = append(dst, `"text"}`...)
	}
	dst = appendText(dst, "verbosity", c.Verbosity)
	return append(dst, '}')
}

// appendReasoningSetting appends the value of reasoning, or nothing.
func appendReasoningSetting(dst []byte, r *llm.Reasoning) []byte {
	effort := r.Effort
	if r.Mode == llm.ThinkOff && effort == "" {
		effort = "none"
	}
	summary := r.Summary
	if summary == "none" {
		summary = ""
	}
	if effort == "" && summary == "" {
		return dst
	}
	start := len(dst)
	dst = appendText(dst, "effort", effort)
	dst = appendText(dst, "summary", summary)
	dst[start] = '{' // in place of the first comma
	return append(dst, '}')
}

// appendInclude asks for what the answer does not contain by itself.
func appendInclude(dst []byte, c *llm.Chat) []byte {
	r := &c.Reasoning
	thinks := r.Mode == llm.ThinkOn || r.Mode == llm.ThinkAdaptive || r.Effort != "" && r.Effort != "none" || r.Summary != "" && r.Summary != "none"
	switch thinks = thinks || hasReasoning(c.Messages); {
	case thinks && c.Logprobs:
		return append(dst, `,"include":["reasoning.encrypted_content","message.output_text.logprobs"]`...)
	case thinks:
		return append(dst, `,"include":["reasoning.encrypted_content"]`...)
	case c.Logprobs:
		return append(dst, `,"include":["message.output_text.logprobs"]`...)
	}
	return dst
}

// hasReasoning reports whether there is reasoning of this dialect's models in a conversation.
func hasReasoning(all []llm.Turn) bool {
	for i := range all {
		for j := range all[i].Parts {
			if p := &all[i].Parts[j]; isReasoning(p) {
				return true
			}
		}
	}
	return false
}

// isReasoning reports whether a part is reasoning that goes back to where it came from.
func isReasoning(p *llm.Part) bool {
	return (p.Kind == llm.PartThinking || p.Kind == llm.PartRedacted) && p.Origin == llm.Responses && p.Signature != ""
}

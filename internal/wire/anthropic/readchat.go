package anthropic

import (
	"slices"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadChat reads a whole request for its translation: OpChat, or OpCountTokens, which has no max_tokens. What has no word in
// llm is in Extra, by its path without indexes; a block without one is a PartOther.
//
//   - system becomes the first turn. A user message with results of tools becomes a turn of RoleTool, followed by a user turn
//     with what else is in it.
//   - The cache_control of the request as a whole, which caches up to the last block, becomes a breakpoint there.
//   - Thinking that only happens between tool calls counts as adaptive.
//
// The error is of KindBadRequest, with the field in Param.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	var sc wire.Scanner
	sc.Reset(body)
	kind := sc.Kind()
	sc.Value()
	switch {
	case !sc.End():
		return nil, bad("", "request body is not valid JSON: %v", sc.Err())
	case kind != wire.Object:
		return nil, bad("", "request body is %s; it must be a JSON object", kind)
	}
	r := chatReader{c: &llm.Chat{Choices: 1, StreamUsage: true}, names: map[string]string{}}
	seen := map[string]bool{}
	r.members(value{raw: body}, func(name string, v value) {
		seen[name] = true
		r.member(name, v)
	})
	for _, name := range [...]string{"model", "messages", "max_tokens"} {
		if !seen[name] && (name != "max_tokens" || op == llm.OpChat) {
			r.fail(name, "Field required")
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.chat(), nil
}

// chatReader is one run of ReadChat.
type chatReader struct {
	walker
	c      *llm.Chat
	system *llm.Turn
	cache  string            // of the request as a whole
	names  map[string]string // of tools, by the ID of the call
}

// chat puts together what was read.
func (r *chatReader) chat() *llm.Chat {
	c := r.c
	if r.system != nil {
		c.Messages = slices.Insert(c.Messages, 0, *r.system)
	}
	if r.cache != "" && len(c.Messages) > 0 {
		last := c.Messages[len(c.Messages)-1].Parts
		if len(last) > 0 && last[len(last)-1].CacheTTL == "" {
			last[len(last)-1].CacheTTL = r.cache
		}
	}
	c.Extra = r.extra
	return c
}

// member reads a member of the request.
func (r *chatReader) member(name string, v value) {
	c := r.c
	switch name {
	case "model":
		c.Model = r.text(v)
	case "max_tokens":
		c.MaxTokens = r.whole(v)
	case "messages":
		r.elements(v, r.message)
	case "system":
		if parts := r.content(v); len(parts) > 0 {
			r.system = &llm.Turn{Role: llm.RoleSystem, Parts: parts}
		}
	case "stream":
		c.Stream = r.flag(v)
	case "stop_sequences":
		r.elements(v, func(e value) { c.Stop = append(c.Stop, r.text(e)) })
	case "temperature":
		c.Temperature = r.number(v)
	case "top_p":
		c.TopP = r.number(v)
	case "top_k":
		c.TopK = r.number(v)
	case "tools":
		r.elements(v, r.tool)
	case "tool_choice":
		r.toolChoice(v)
	case "thinking":
		r.thinking(v)
	case "output_config":
		r.outputConfig(v)
	case "metadata":
		r.metadata(v)
	case "service_tier":
		c.ServiceTier = tierAsked(r.text(v))
	case "cache_control":
		r.cache = r.cacheControl(v)
	case "speed":
		if r.text(v) != "standard" {
			r.note(v)
		}
	default:
		r.note(v)
	}
}

// metadata reads the user; other members have no word.
func (r *chatReader) metadata(v value) {
	r.members(v, func(name string, m value) {
		if name == "user_id" {
			r.c.User = r.text(m)
			return
		}
		r.note(m)
	})
}

// cacheControl reads a breakpoint of the prompt cache: how long it lasts.
func (r *chatReader) cacheControl(v value) (ttl string) {
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
			if ttl == "" {
				ttl = "5m"
			}
		case "ttl":
			if t := r.text(m); t != "" {
				ttl = t
			}
		default:
			r.note(m)
		}
	})
	return ttl
}

// tool reads a tool: a function of the client's, or one of the provider's, which is kept as it is.
func (r *chatReader) tool(v value) {
	kind := r.typeOf(v)
	if kind != "" && kind != "custom" {
		r.c.Tools = append(r.c.Tools, llm.Function{Name: kind, Raw: string(v.raw), Origin: llm.Anthropic})
		return
	}
	var f llm.Function
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "name":
			f.Name = r.text(m)
		case "description":
			f.Description = r.text(m)
		case "input_schema":
			if r.want(m, wire.Object) {
				f.Parameters = string(m.raw)
			}
		case "strict":
			if m.kind() != wire.Null {
				strict := r.flag(m)
				f.Strict = &strict
			}
		case "cache_control":
			f.CacheTTL = r.cacheControl(m)
		case "eager_input_streaming": // says only how the stream is cut
		default:
			r.note(m)
		}
	})
	if f.Name == "" {
		r.fail(v.path+".name", "Field required")
	}
	r.c.Tools = append(r.c.Tools, f)
}

func (r *chatReader) toolChoice(v value) {
	var name string
	kind := r.typeOf(v)
	r.members(v, func(member string, m value) {
		switch member {
		case "type":
		case "name":
			name = r.text(m)
		case "disable_parallel_tool_use":
			if m.kind() != wire.Null {
				parallel := !r.flag(m)
				r.c.Parallel = &parallel
			}
		default:
			r.note(m)
		}
	})
	choice := &r.c.ToolChoice
	switch kind {
	case "auto":
		choice.Mode = llm.ToolsAuto
	case "none":
		choice.Mode = llm.ToolsNone
	case "any":
		choice.Mode = llm.ToolsRequired
	case "tool":
		choice.Mode, choice.Names = llm.ToolsRequired, []string{name}
		if name == "" {
			r.fail(v.path+".name", "Field required")
		}
	default:
		if v.kind() == wire.Object {
			r.fail(v.path+".type", "Input is %q; it must be auto, any, tool or none", kind)
		}
	}
}

func (r *chatReader) thinking(v value) {
	t := &r.c.Reasoning
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
			switch kind := r.text(m); kind {
			case "enabled":
				t.Mode = llm.ThinkOn
			case "disabled":
				t.Mode = llm.ThinkOff
			case "adaptive":
				t.Mode = llm.ThinkAdaptive
			case "between_tools":
				t.Mode = llm.ThinkAdaptive
				r.note(m)
			default:
				r.fail(m.path, "Input is %q; it must be adaptive, enabled, disabled or between_tools", kind)
			}
		case "budget_tokens":
			t.Budget = r.whole(m)
		case "display":
			switch r.text(m) {
			case "summarized":
				t.Summary = "auto"
			case "omitted":
				t.Summary = "none"
			}
		default:
			r.note(m)
		}
	})
}

func (r *chatReader) outputConfig(v value) {
	r.members(v, func(name string, m value) {
		switch name {
		case "effort":
			r.c.Reasoning.Effort = r.text(m)
		case "format":
			r.format(m)
		default:
			r.note(m)
		}
	})
}

func (r *chatReader) format(v value) {
	if kind := r.typeOf(v); kind != "json_schema" {
		r.note(v)
		return
	}
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "schema":
			if r.want(m, wire.Object) {
				strict := true // the provider constrains the output to it
				r.c.Format = llm.Format{Kind: llm.FormatSchema, Schema: string(m.raw), Strict: &strict}
			}
		default:
			r.note(m)
		}
	})
}

package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// tool reads an entry of tools. What is neither a function nor free text is the provider's own, and only its dialect knows it.
func (r *chatReader) tool(v []byte, at *place) {
	var kind, ttl string
	var function, custom []byte
	var others []llm.Member
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			kind = r.text(v, at)
		case "function":
			function = v
		case "custom":
			custom = v
		case "cache_control":
			ttl = r.cacheTTL(v, at, "5m")
		default:
			others = append(others, llm.Member{Name: at.String(), Value: string(v)})
		}
	})
	var f llm.Function
	switch {
	case r.err != nil:
		return
	case kind == "function" || kind == "" && function != nil:
		if function == nil {
			r.fail(at.member("function"), "%s is missing", at.member("function"))
			return
		}
		f = r.function(function, at.member("function"))
	case kind == "custom":
		if custom == nil {
			r.fail(at.member("custom"), "%s is missing", at.member("custom"))
			return
		}
		f = r.custom(custom, at.member("custom"))
	case kind == "":
		r.fail(at.member("type"), "%s is missing", at.member("type"))
		return
	default:
		f = llm.Function{Name: kind, Raw: string(v), Origin: llm.OpenAI}
	}
	if f.Raw == "" {
		r.c.Extra = append(r.c.Extra, others...)
	}
	f.CacheTTL = ttl
	r.c.Tools = append(r.c.Tools, f)
}

func (r *chatReader) function(v []byte, at *place) (f llm.Function) {
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "name":
			f.Name = r.text(v, at)
		case "description":
			f.Description = r.text(v, at)
		case "parameters":
			f.Parameters = r.json(v, wire.Object, at)
		case "strict":
			f.Strict = r.boolean(v, at)
		default:
			r.extra(at.String(), v)
		}
	})
	r.named(f.Name, at)
	return f
}

func (r *chatReader) custom(v []byte, at *place) llm.Function {
	f := llm.Function{Custom: true}
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "name":
			f.Name = r.text(v, at)
		case "description":
			f.Description = r.text(v, at)
		case "format":
			f.Grammar = r.json(v, wire.Object, at)
		default:
			r.extra(at.String(), v)
		}
	})
	r.named(f.Name, at)
	return f
}

// named refuses what has no name.
func (r *chatReader) named(name string, at *place) {
	if name == "" && r.err == nil {
		r.fail(at.member("name"), "%s is missing or empty", at.member("name"))
	}
}

func (r *chatReader) toolChoice(v []byte, at *place) (choice llm.ToolChoice) {
	if kindOfValue(v) == wire.String {
		choice.Mode = toolMode(r.oneOf(v, at, "none", "auto", "required", "any")) // any is Mistral's word
		return choice
	}
	var kind string
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			kind = r.oneOf(v, at, "function", "custom", "allowed_tools", "auto", "none", "required")
		case "function", "custom":
			choice = llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{r.name(v, at)}}
		case "allowed_tools":
			choice = r.allowed(v, at)
		default:
			r.extra(at.String(), v)
		}
	})
	if r.err == nil && choice.Mode == llm.ToolsUnset {
		if choice.Mode = toolMode(kind); choice.Mode == llm.ToolsUnset {
			r.fail(at, "%s must be none, auto, required, or an object with function, custom or allowed_tools", at)
		}
	}
	return choice
}

func toolMode(s string) llm.ToolMode {
	switch s {
	case "none":
		return llm.ToolsNone
	case "auto":
		return llm.ToolsAuto
	case "required", "any":
		return llm.ToolsRequired
	}
	return llm.ToolsUnset
}

// name reads the name in an object that says nothing else.
func (r *chatReader) name(v []byte, at *place) (s string) {
	r.object(v, at, func(name string, v []byte) {
		if name == "name" {
			s = r.text(v, at.member(name))
		}
	})
	r.named(s, at)
	return s
}

func (r *chatReader) allowed(v []byte, at *place) llm.ToolChoice {
	choice := llm.ToolChoice{Mode: llm.ToolsAuto}
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "mode":
			choice.Mode = toolMode(r.oneOf(v, at, "auto", "required"))
		case "tools":
			r.array(v, at, func(i int, v []byte) {
				at := at.element(i)
				r.object(v, at, func(kind string, v []byte) {
					switch kind {
					case "function", "custom":
						choice.Names = append(choice.Names, r.name(v, at.member(kind)))
					case "name": // the form of Responses
						choice.Names = append(choice.Names, r.text(v, at.member(kind)))
					}
				})
			})
		}
	})
	if r.err == nil && len(choice.Names) == 0 {
		r.fail(at.member("tools"), "%s names no tool; allow at least one, or set tool_choice to none", at.member("tools"))
	}
	return choice
}

// functionChoice reads the legacy function_call.
func (r *chatReader) functionChoice(v []byte, at *place) llm.ToolChoice {
	if kindOfValue(v) == wire.String {
		return llm.ToolChoice{Mode: toolMode(r.oneOf(v, at, "none", "auto"))}
	}
	return llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{r.name(v, at)}}
}

func (r *chatReader) format(v []byte, at *place) (f llm.Format) {
	var schema []byte
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			switch r.oneOf(v, at, "text", "json_object", "json_schema") {
			case "text":
				f.Kind = llm.FormatText
			case "json_object":
				f.Kind = llm.FormatJSON
			case "json_schema":
				f.Kind = llm.FormatSchema
			}
		case "json_schema":
			schema = v
		default:
			r.extra(at.String(), v)
		}
	})
	switch {
	case r.err != nil:
	case f.Kind == llm.FormatUnset:
		r.fail(at.member("type"), "%s is missing", at.member("type"))
	case f.Kind == llm.FormatSchema && schema == nil:
		r.fail(at.member("json_schema"), "%s is missing", at.member("json_schema"))
	case f.Kind == llm.FormatSchema:
		r.schema(&f, schema, at.member("json_schema"))
	}
	return f
}

func (r *chatReader) schema(f *llm.Format, v []byte, at *place) {
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "name":
			f.Name = r.text(v, at)
		case "description":
			f.Description = r.text(v, at)
		case "schema":
			f.Schema = r.json(v, wire.Object, at)
		case "strict":
			f.Strict = r.boolean(v, at)
		default:
			r.extra(at.String(), v)
		}
	})
}

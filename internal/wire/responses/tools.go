package responses

import (
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// tool is a tool of a request: the members of functions and custom tools.
type tool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
	Format      json.RawMessage `json:"format"`
}

func (d *decoder) tools(value []byte) {
	var all []json.RawMessage
	if !d.into(value, "tools", "a list of tools", &all) {
		return
	}
	for i, v := range all {
		at := index("tools", i)
		var t tool
		if !d.into(v, at, "a tool", &t) {
			return
		}
		f := llm.Function{Name: t.Name, Description: t.Description}
		switch t.Type {
		case "function":
			f.Parameters, f.Strict = raw(t.Parameters), t.Strict
			d.unknown(v, at, "type", "name", "description", "parameters", "strict")
		case "custom":
			f.Custom, f.Grammar = true, nestGrammar(raw(t.Format))
			d.unknown(v, at, "type", "name", "description", "format")
		case "":
			d.err = bad(at+".type", "%s has no type", at)
			return
		default:
			f = llm.Function{Name: t.Type, Raw: string(v), Origin: llm.Responses}
		}
		if f.Name == "" {
			d.err = bad(at+".name", "%s.name is missing", at)
			return
		}
		d.chat.Tools = append(d.chat.Tools, f)
	}
}

// choice is a tool_choice that is an object.
type choice struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Mode  string `json:"mode"`
	Tools []struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tools"`
}

func (d *decoder) toolChoice(value []byte) {
	const param = "tool_choice"
	tc := &d.chat.ToolChoice
	if value[0] == '"' {
		var s string
		if d.into(value, param, "a string or an object", &s) && !modeOf(tc, s) {
			d.err = bad(param, "tool_choice is %.40q; it must be none, auto or required, or an object", s)
		}
		return
	}
	var c choice
	if !d.into(value, param, "a string or an object", &c) {
		return
	}
	d.unknown(value, param, "type", "name", "mode", "tools")
	switch c.Type {
	case "function", "custom":
		if c.Name == "" {
			d.err = bad(param+".name", "tool_choice.name is missing")
		}
		*tc = llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{c.Name}}
	case "allowed_tools":
		if c.Mode == "none" || !modeOf(tc, c.Mode) {
			d.err = bad(param+".mode", "tool_choice.mode is %.40q; it must be auto or required", c.Mode)
		}
		for _, t := range c.Tools {
			if t.Name == "" {
				t.Name = t.Type
			}
			tc.Names = append(tc.Names, t.Name)
		}
	case "":
		d.err = bad(param+".type", "tool_choice has no type")
	default:
		*tc = llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{c.Type}}
	}
}

// modeOf sets the mode of a name, and reports whether there is one.
func modeOf(tc *llm.ToolChoice, name string) bool {
	switch name {
	case "none":
		tc.Mode = llm.ToolsNone
	case "auto":
		tc.Mode = llm.ToolsAuto
	case "required":
		tc.Mode = llm.ToolsRequired
	default:
		return false
	}
	return true
}

// grammar is the form of a custom tool's input. This API has its members beside the type, the chat API, whose form llm.Function
// has, in an object under grammar.
type grammar struct {
	Type       string   `json:"type"`
	Syntax     string   `json:"syntax"`
	Definition string   `json:"definition"`
	Grammar    *grammar `json:"grammar"`
}

// nestGrammar returns format as the chat API has it.
func nestGrammar(format string) string {
	var g grammar
	if format == "" || json.Unmarshal([]byte(format), &g) != nil || g.Type != "grammar" || g.Grammar != nil {
		return format
	}
	return `{"type":"grammar","grammar":{"syntax":` + string(wire.AppendString(nil, g.Syntax)) +
		`,"definition":` + string(wire.AppendString(nil, g.Definition)) + `}}`
}

// flatGrammar undoes nestGrammar.
func flatGrammar(format string) string {
	var g grammar
	if format == "" || json.Unmarshal([]byte(format), &g) != nil || g.Grammar == nil {
		return format
	}
	return `{"type":"grammar","syntax":` + string(wire.AppendString(nil, g.Grammar.Syntax)) +
		`,"definition":` + string(wire.AppendString(nil, g.Grammar.Definition)) + `}`
}

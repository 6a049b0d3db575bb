package dialect

import (
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// format brings the form of the answer's text into what the target takes. A schema that the target cannot hold the model to becomes a
// tool that it must call, if there are no other tools and the model can be made to call one: its arguments follow the schema then,
// and are turned back into text. Otherwise it becomes an instruction, which the model may fail, so that this is told as a loss.
func (a *adapter) format() {
	f := &a.c.Format
	switch {
	case f.Kind == llm.FormatJSON && a.can(model.JSONObject) != Yes:
		a.note(model.JSONObject)
		a.instruct("Answer with one JSON object and nothing else: no code fence, no text before or after it.")
		*f = llm.Format{}
	case f.Kind == llm.FormatSchema && a.can(model.JSONSchema) != Yes:
		a.schema()
	case f.Kind == llm.FormatSchema && a.to == llm.Anthropic && !isObject(f.Schema):
		a.lost(model.JSONSchema, "the schema is no JSON object")
		*f = llm.Format{}
	case f.Kind == llm.FormatSchema && (a.to == llm.Anthropic || a.to == llm.Converse):
		f.Schema = a.narrow(model.JSONSchema, f.Schema)
	case f.Kind == llm.FormatSchema:
		f.Strict = a.loose(model.JSONSchema, f.Strict, f.Schema)
	}
}

// loose returns whether the model is held to a schema, for targets of OpenAI's: those of other dialects may be such that it refuses to.
func (a *adapter) loose(param model.Feature, strict *bool, schema string) *bool {
	ours := a.from == llm.OpenAI || a.from == llm.Responses
	if ours || strict == nil || !*strict || a.to != llm.OpenAI && a.to != llm.Responses || takesStrict([]byte(schema), 0) {
		return strict
	}
	a.lost(param, "the target holds a model only to schemas all of whose properties are required and that allow no others, so that the model may stray from it")
	return nil
}

// narrow returns a schema as Claude can be held to it, and notes what that changes. param is who has it.
func (a *adapter) narrow(param model.Feature, schema string) string {
	if !isObject(schema) {
		return schema
	}
	n := narrowSchema(schema)
	if len(n.moved) > 0 {
		a.lost(param, "the model is not held to "+strings.Join(n.moved, ", ")+" of the schema, which it can only read in a description")
	}
	if n.closed {
		a.minor(param, "objects of the schema have no other properties than those that are named, since the target takes no other schema")
	}
	return n.schema
}

func (a *adapter) schema() {
	f := a.c.Format
	a.c.Format = llm.Format{}
	r := &a.c.Reasoning
	thinks := r.Budget > 0 || r.Mode == llm.ThinkAdaptive || r.Mode == llm.ThinkOn || r.Effort != "" && r.Effort != "none"
	if len(a.c.Tools) == 0 && !a.usedTools() && !thinks && a.can(model.ForcedTools) == Yes && isObject(f.Schema) && objectSchema(f.Schema) {
		name := a.makeName(f.Name)
		if f.Name == "" {
			name = "answer"
		}
		description := f.Description
		if description == "" {
			description = "Gives the answer. Its arguments are all that the user gets."
		}
		a.c.Tools = []llm.Function{{Name: name, Description: description, Parameters: f.Schema}}
		a.c.ToolChoice = llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{name}}
		a.out.schema = name
		a.minor(model.JSONSchema, "the schema is sent as a tool that the model must call, whose arguments become the answer's text")
		return
	}
	a.instruct("Answer with one JSON text and nothing else: no code fence, no text before or after it. It must follow this JSON schema:\n" + f.Schema)
	a.lost(model.JSONSchema, "the model cannot be held to a schema: it is sent as an instruction, which the answer may not follow")
}

// objectSchema reports whether a schema describes an object, as the arguments of a tool must be.
func objectSchema(schema string) bool {
	var s struct {
		Type string `json:"type"`
	}
	return unmarshal(schema, &s) && s.Type == "object"
}

// instruct adds a paragraph to the instructions.
func (a *adapter) instruct(text string) {
	m := a.c.Messages
	for i := len(m) - 1; i >= 0; i-- {
		if m[i].Role == llm.RoleSystem || m[i].Role == llm.RoleDeveloper {
			m[i].Parts = append(m[i].Parts, llm.Part{Kind: llm.PartText, Text: "\n\n" + text})
			return
		}
	}
	role := llm.RoleSystem
	if a.t.Not.Has(model.SystemRole) {
		role = llm.RoleUser
	}
	a.c.Messages = append([]llm.Turn{{Role: role, Parts: []llm.Part{{Kind: llm.PartText, Text: strings.TrimSpace(text)}}}}, m...)
}

package dialect

import (
	"slices"
	"strings"

	"sluice/internal/wire"
)

// maxSchemaDepth bounds how deep a schema is looked into. What is deeper stays as it is, and the provider will judge.
const maxSchemaDepth = 64

// narrowed is a JSON schema within the part of the language that Claude can be held to.
type narrowed struct {
	schema string
	other  bool     // schema is another than it was
	closed bool     // objects that allowed other properties by saying nothing do not any more
	moved  []string // keywords that are said in a description in place of their own, each once
}

// narrowSchema brings a JSON schema into the form that Anthropic takes for structured output and strict tools; others are refused ("For
// 'integer' type, property 'minimum' is not supported", "additionalProperties must be explicitly set to false"):
//
//  1. each object says additionalProperties: false;
//  2. keywords that are not known (bounds of numbers, lengths, patterns, most formats) go into the description, as Anthropic's own SDKs
//     have them, where the model reads them but is not held to them;
//  3. oneOf becomes anyOf; beside a $ref nothing stands but definitions.
//
// Sources: platform.claude.com structured outputs, JSON schema limitations; transformJSONSchema of @anthropic-ai/sdk 1.11.0 (2026-11-21).
func narrowSchema(schema string) narrowed {
	var n narrowed
	if out := n.append(nil, []byte(schema), 0); n.other {
		n.schema = string(out)
	} else {
		n.schema = schema
	}
	return n
}

// append appends the schema v.
func (n *narrowed) append(dst, v []byte, depth int) []byte {
	o := walk(v)
	if depth > maxSchemaDepth || len(v) == 0 || v[0] != '{' {
		return append(dst, v...) // true and false are schemas too
	}
	_, ref := o.member("$ref")
	isObject := describesObject(o)
	dst = append(dst, '{')
	start := len(dst)
	var description, rest []byte
	for i := range o.members {
		name, value := o.members[i].name, o.members[i].value.Of(v)
		switch {
		case name == "$schema":
			n.other = true
		case name == "description" && !ref:
			description = value
		case ref && name != "$ref" && name != "$defs" && name != "definitions":
			n.move(name)
		case name == "additionalProperties" && isObject:
			if string(value) != "false" {
				n.move(name) // a map cannot be expressed
			}
		case !n.known(o, name, value):
			n.move(name)
			if rest = append(rest, ", "...); len(rest) == 2 {
				rest = rest[:0]
			}
			rest = append(append(append(rest, name...), ": "...), value...)
		default:
			dst = n.member(dst, start, o, name, value, depth)
		}
	}
	if isObject && !ref {
		if _, said := o.member("additionalProperties"); !said {
			n.closed, n.other = true, true
		}
		dst = append(comma(dst, start), `"additionalProperties":false`...)
	}
	if text := describe(description, rest); text != "" {
		dst = append(comma(dst, start), `"description":`...)
		dst = wire.AppendString(dst, text)
	}
	return append(dst, '}')
}

// describesObject reports whether a schema is of objects.
func describesObject(o object) bool {
	kind, ok := o.member("type")
	if !ok {
		_, ok = o.member("properties")
		return ok
	}
	return strings.Contains(string(kind), `"object"`)
}

// describe returns a description, a JSON string or nil, with what could not be said otherwise.
func describe(description, rest []byte) string {
	text := ""
	if len(description) > 0 && description[0] == '"' {
		text = string(wire.Unquote(nil, description))
	}
	if len(rest) == 0 {
		return text
	}
	if text != "" {
		text += "\n\n"
	}
	return text + "{" + string(rest) + "}"
}

// known reports whether a keyword with a value can stay.
func (n *narrowed) known(o object, name string, value []byte) bool {
	switch name {
	case "type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "title", "default", "additionalProperties":
		return name != "items" || len(value) > 0 && value[0] == '{'
	case "oneOf":
		_, both := o.member("anyOf")
		return !both
	case "minItems":
		return string(value) == "0" || string(value) == "1"
	case "format":
		switch strings.Trim(string(value), `"`) {
		case "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid":
			return true
		}
	}
	return false
}

// member appends a keyword whose schemas, if it has any, are narrowed.
func (n *narrowed) member(dst []byte, start int, o object, name string, value []byte, depth int) []byte {
	if name == "oneOf" {
		name, n.other = "anyOf", true
	}
	dst = append(wire.AppendString(comma(dst, start), name), ':')
	switch name {
	case "items":
		return n.append(dst, value, depth+1)
	case "properties", "$defs", "definitions":
		if value[0] != '{' {
			break
		}
		dst = append(dst, '{')
		first := len(dst)
		all := walk(value)
		for i := range all.members {
			dst = append(wire.AppendString(comma(dst, first), all.members[i].name), ':')
			dst = n.append(dst, all.members[i].value.Of(value), depth+1)
		}
		return append(dst, '}')
	case "anyOf", "allOf":
		var sc wire.Scanner
		sc.Reset(value)
		if !sc.Array() {
			break
		}
		dst = append(dst, '[')
		first := len(dst)
		for sc.Element() {
			dst = n.append(comma(dst, first), sc.Value().Of(value), depth+1)
		}
		return append(dst, ']')
	}
	return append(dst, value...)
}

// move notes a keyword that does not stay.
func (n *narrowed) move(name string) {
	n.other = true
	if !slices.Contains(n.moved, name) {
		n.moved = append(n.moved, name)
	}
}

// comma appends a comma unless nothing has been appended since start.
func comma(dst []byte, start int) []byte {
	if len(dst) == start {
		return dst
	}
	return append(dst, ',')
}

// takesStrict reports whether OpenAI holds a model to a schema. It refuses strict for one whose objects have properties that are not
// required, or allow others, and for some ways to join schemas ("'required' is required to be supplied and to be an array including every
// key in properties": OpenAI's guide to structured outputs, supported schemas, 2026-11-21).
func takesStrict(schema []byte, depth int) bool {
	o := walk(schema)
	if depth > maxSchemaDepth {
		return false
	}
	if describesObject(o) && !closedObject(schema, o) {
		return false
	}
	for i := range o.members {
		v := o.members[i].value.Of(schema)
		switch o.members[i].name {
		case "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties":
			return false
		case "items":
			if !takesStrict(v, depth+1) {
				return false
			}
		case "properties", "$defs", "definitions":
			all := walk(v)
			for j := range all.members {
				if !takesStrict(all.members[j].value.Of(v), depth+1) {
					return false
				}
			}
		case "anyOf":
			var sc wire.Scanner
			sc.Reset(v)
			for sc.Array(); sc.Depth() > 0 && sc.Element(); {
				if !takesStrict(sc.Value().Of(v), depth+1) {
					return false
				}
			}
		}
	}
	return true
}

// closedObject reports whether an object's schema names each property as required, and allows no others.
func closedObject(schema []byte, o object) bool {
	if more, ok := o.member("additionalProperties"); !ok || string(more) != "false" {
		return false
	}
	properties, _ := o.member("properties")
	required, _ := o.member("required")
	var names []string
	if len(required) > 0 && !unmarshal(string(required), &names) {
		return false
	}
	all := walk(properties)
	return !slices.ContainsFunc(all.members, func(p place) bool { return !slices.Contains(names, p.name) })
}

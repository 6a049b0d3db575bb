package gemini

import (
	"slices"
	"strings"

	"sluice/internal/wire"
)

// appendSchema appends a schema of the API's own kind, a subset of OpenAPI's, as JSON schema: the types in lower case, nullable as a second
// type or another choice, whole numbers out of their quotes, example as examples, ref and defs with their $, properties in the
// order of propertyOrdering, which JSON schema has no word for: models keep to the order that they read. b is valid JSON.
func appendSchema(dst, b []byte) []byte {
	var sc wire.Scanner
	sc.Reset(b)
	return schema(dst, &sc, b)
}

// schema appends the schema ahead. Its type comes last, since nullable may stand behind it.
func schema(dst []byte, sc *wire.Scanner, b []byte) []byte {
	if !sc.Object() {
		return append(dst, sc.Value().Of(b)...)
	}
	dst = append(dst, '{')
	start := len(dst)
	kind, nullable := "", false
	var properties, order wire.Span
	var enum, anyOf wire.Span // nullable says of both that they have null too
	for {
		member, ok := sc.Member()
		if !ok {
			break
		}
		switch name := camel(string(member)); name {
		case "type":
			if sc.Kind() == wire.String {
				kind = strings.ToLower(unquote(sc.Value().Of(b)))
				continue
			}
			dst = schemaMember(dst, start, "type", sc, b) // a list, as JSON schema has it
		case "nullable":
			v := sc.Value().Of(b)
			nullable = len(v) > 0 && v[0] == 't'
		case "properties":
			properties = sc.Value()
		case "propertyOrdering":
			order = sc.Value()
		case "enum":
			enum = sc.Value()
		case "anyOf":
			anyOf = sc.Value()
		case "ref":
			dst = appendRef(appendName(dst, start, "$ref"), sc.Value().Of(b))
		case "format":
			// Beside JSON schema's own there is enum, which says no more than the list of values does.
			if at := sc.Value(); !wire.EqualString(at.Of(b), "enum") {
				dst = appendName(dst, start, name)
				dst = append(dst, at.Of(b)...)
			}
		default:
			dst = schemaMember(dst, start, name, sc, b)
		}
	}
	if properties.Len() > 0 {
		dst = appendProperties(appendName(dst, start, "properties"), properties.Of(b), order.Of(b))
	}
	if enum.Len() > 0 {
		dst = appendChoices(appendName(dst, start, "enum"), enum.Of(b), "null", nullable, false)
	}
	if anyOf.Len() > 0 {
		dst = appendChoices(appendName(dst, start, "anyOf"), anyOf.Of(b), `{"type":"null"}`, nullable, true)
	}
	if kind == "" || kind == "type_unspecified" {
		return append(dst, '}')
	}
	dst = appendName(dst, start, "type")
	if !nullable {
		return append(wire.AppendString(dst, kind), '}')
	}
	dst = wire.AppendString(append(dst, '['), kind)
	return append(dst, `,"null"]}`...)
}

// appendProperties appends properties, those that order names first.
func appendProperties(dst, properties, order []byte) []byte {
	var sc wire.Scanner
	if sc.Reset(order); !sc.Array() {
		sc.Reset(properties)
		return schemas(dst, &sc, properties)
	}
	var names []string
	for sc.Element() {
		names = append(names, unquote(sc.Value().Of(order)))
	}
	type property struct {
		name  string
		place int
		value wire.Span
	}
	var all []property
	sc.Reset(properties)
	if !sc.Object() {
		return append(dst, properties...)
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		p := property{name: string(name), place: slices.Index(names, string(name))}
		if p.place < 0 {
			p.place = len(names)
		}
		p.value = sc.Value()
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b property) int { return a.place - b.place })
	dst = append(dst, '{')
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, all[i].name), ':')
		dst = appendSchema(dst, all[i].value.Of(properties))
	}
	return append(dst, '}')
}

// appendChoices appends a list of values, or of schemas, with null as the last if that is one of them.
func appendChoices(dst, list []byte, null string, nullable, schemas bool) []byte {
	var sc wire.Scanner
	sc.Reset(list)
	if !sc.Array() {
		return append(dst, list...)
	}
	dst = append(dst, '[')
	n := 0
	for ; sc.Element(); n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		if schemas {
			dst = schema(dst, &sc, list)
		} else {
			dst = append(dst, sc.Value().Of(list)...)
		}
	}
	if nullable {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, null...)
	}
	return append(dst, ']')
}

// appendRef appends a reference. Vertex AI's schemas have their definitions under defs (Schema of its REST reference: "#/defs/Pet").
func appendRef(dst, lit []byte) []byte {
	if rest, ok := strings.CutPrefix(unquote(lit), "#/defs/"); ok {
		return wire.AppendString(dst, "#/$defs/"+rest)
	}
	return append(dst, lit...)
}

// schemaMember appends a member of a schema whose members begin at start.
func schemaMember(dst []byte, start int, name string, sc *wire.Scanner, b []byte) []byte {
	if name == "example" {
		dst = append(append(appendName(dst, start, "examples"), '['), sc.Value().Of(b)...)
		return append(dst, ']')
	}
	if name == "defs" {
		name = "$defs"
	}
	dst = appendName(dst, start, name)
	switch name {
	case "$defs":
		return schemas(dst, sc, b)
	case "items", "additionalProperties", "not":
		return schema(dst, sc, b)
	case "oneOf", "allOf", "prefixItems":
		if !sc.Array() {
			break
		}
		dst = append(dst, '[')
		for n := 0; sc.Element(); n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = schema(dst, sc, b)
		}
		return append(dst, ']')
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		v := sc.Value().Of(b)
		if n := strings.Trim(string(v), `"`); wire.Valid([]byte(n)) {
			return append(dst, n...)
		}
		return append(dst, v...)
	}
	return append(dst, sc.Value().Of(b)...)
}

// appendName appends the name of a member of an object whose members begin at start.
func appendName(dst []byte, start int, name string) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return append(wire.AppendString(dst, name), ':')
}

// schemas appends the object ahead, whose values are schemas.
func schemas(dst []byte, sc *wire.Scanner, b []byte) []byte {
	if !sc.Object() {
		return append(dst, sc.Value().Of(b)...)
	}
	dst = append(dst, '{')
	for n := 0; ; n++ {
		name, ok := sc.Member()
		if !ok {
			return append(dst, '}')
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = schema(dst, sc, b)
	}
}

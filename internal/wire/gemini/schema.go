package gemini

import (
	"strings"

	"sluice/internal/wire"
)

// appendSchema appends a schema of the API's own kind, a subset of OpenAPI's, as JSON schema: the types in lower case, nullable as a second
// type, whole numbers out of their quotes, example as examples. What JSON schema does not know (propertyOrdering) goes. b is valid JSON.
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
		case "propertyOrdering":
			sc.Value()
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

// schemaMember appends a member of a schema whose members begin at start.
func schemaMember(dst []byte, start int, name string, sc *wire.Scanner, b []byte) []byte {
	if name == "example" {
		dst = append(append(appendName(dst, start, "examples"), '['), sc.Value().Of(b)...)
		return append(dst, ']')
	}
	dst = appendName(dst, start, name)
	switch name {
	case "properties", "$defs", "defs":
		return schemas(dst, sc, b)
	case "items", "additionalProperties", "not":
		return schema(dst, sc, b)
	case "anyOf", "oneOf", "allOf", "prefixItems":
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

package sim

import (
	"encoding/json"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// schema is the part of JSON Schema that the simulator reads. What it does not know is left unheeded.
type schema struct {
	Type       any                        `json:"type"` // string or array of strings
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	MinItems   int                        `json:"minItems"`
	Enum       []json.RawMessage          `json:"enum"`
	Const      json.RawMessage            `json:"const"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AllOf      []json.RawMessage          `json:"allOf"`
	Ref        string                     `json:"$ref"`
	Format     string                     `json:"format"`
	MinLength  int                        `json:"minLength"`
	MaxLength  *int                       `json:"maxLength"`
	Minimum    *float64                   `json:"minimum"`
	Maximum    *float64                   `json:"maximum"`
	ExclMin    *float64                   `json:"exclusiveMinimum"`
	ExclMax    *float64                   `json:"exclusiveMaximum"`
	MultipleOf float64                    `json:"multipleOf"`
}

// Bounds of a made value: deeper levels get null or empty values, longer ones are cut.
const (
	maxSchemaDepth = 12
	maxSchemaItems = 64
	maxSchemaText  = 4096
	maxSchemaValue = 1 << 16
)

// appendValue appends a JSON value that fits a simple schema. A schema that cannot be read gets an empty object.
func appendValue(dst, raw []byte, r *rng) []byte {
	v := valuer{root: raw, rng: r, start: len(dst)}
	return v.value(dst, raw, 0)
}

type valuer struct {
	root  []byte
	rng   *rng
	start int
}

func (v *valuer) value(dst, raw []byte, depth int) []byte {
	var s schema
	if json.Unmarshal(raw, &s) != nil {
		return append(dst, "{}"...) // true, or nothing that can be read
	}
	if depth > maxSchemaDepth || len(dst)-v.start > maxSchemaValue {
		return v.shallow(dst, &s)
	}
	switch {
	case s.Ref != "":
		return v.value(dst, v.resolve(s.Ref), depth+1)
	case len(s.Const) > 0:
		return append(dst, s.Const...)
	case len(s.Enum) > 0:
		return append(dst, s.Enum[v.rng.below(len(s.Enum))]...)
	case len(s.AnyOf) > 0:
		return v.value(dst, s.AnyOf[0], depth+1)
	case len(s.OneOf) > 0:
		return v.value(dst, s.OneOf[0], depth+1)
	case len(s.AllOf) == 1 && len(s.Properties) == 0:
		return v.value(dst, s.AllOf[0], depth+1)
	}
	switch s.kind() {
	case "object":
		return v.object(dst, &s, depth)
	case "array":
		return v.array(dst, &s, depth)
	case "string":
		return v.text(dst, &s)
	case "integer", "number":
		return v.number(dst, &s)
	case "boolean":
		return strconv.AppendBool(dst, v.rng.below(2) == 0)
	case "null":
		return append(dst, "null"...)
	default:
		return v.text(dst, &s)
	}
}

// kind returns the type, or the first that is not null, or what the keywords tell.
func (s *schema) kind() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
		return "null"
	}
	switch {
	case s.Properties != nil || s.AllOf != nil:
		return "object"
	case s.Items != nil:
		return "array"
	case s.Minimum != nil || s.Maximum != nil:
		return "number"
	}
	return "string"
}

// shallow ends a schema that goes on without end.
func (v *valuer) shallow(dst []byte, s *schema) []byte {
	switch s.kind() {
	case "array":
		return append(dst, "[]"...)
	case "object":
		return append(dst, "{}"...)
	default:
		return append(dst, "null"...)
	}
}

// resolve follows a reference within the schema, such as #/$defs/address.
func (v *valuer) resolve(ref string) []byte {
	path, ok := strings.CutPrefix(ref, "#")
	at := json.RawMessage(v.root)
	for ok && path != "" {
		var name string
		name, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if path != "" {
			path = "/" + path
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(at, &members) != nil {
			return nil
		}
		at = members[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return at
}

// object gives every required property, and the others until the value has gone deep.
func (v *valuer) object(dst []byte, s *schema, depth int) []byte {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		if depth < 4 || slices.Contains(s.Required, name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		key, err := json.Marshal(name)
		if err != nil {
			panic("BUG: a string cannot be encoded: " + err.Error())
		}
		dst = append(append(dst, key...), ": "...)
		dst = v.value(dst, s.Properties[name], depth+1)
	}
	return append(dst, '}')
}

func (v *valuer) array(dst []byte, s *schema, depth int) []byte {
	n := min(max(s.MinItems, 1+v.rng.below(2)), maxSchemaItems)
	if s.Items == nil {
		n = 0
	}
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = v.value(dst, s.Items, depth+1)
	}
	return append(dst, ']')
}

// formats are values for the formats of strings.
var formats = [...][2]string{
	{"date-time", "2026-03-14T09:26:53Z"},
	{"date", "2026-03-14"},
	{"time", "09:26:53Z"},
	{"email", "keeper@sluice.example"},
	{"uri", "https://sluice.example/gate/7"},
	{"hostname", "sluice.example"},
	{"uuid", "6f1c2f3e-8a54-4b0e-9d35-0c1d2e3f4a5b"},
	{"ipv4", "192.0.2.7"},
	{"ipv6", "2001:db8::7"},
	{"duration", "PT90S"},
}

func (v *valuer) text(dst []byte, s *schema) []byte {
	for _, f := range formats {
		if f[0] == s.Format {
			return append(append(append(dst, '"'), f[1]...), '"')
		}
	}
	p := prose{rng: rng(v.rng.next()), words: &english}
	var text []byte
	low := min(s.MinLength, maxSchemaText)
	for n := 2 + v.rng.below(3); n > 0 || len(text) < low; n-- {
		text = p.append(text, false)
	}
	if s.MaxLength != nil && len(text) > *s.MaxLength {
		text = text[:max(*s.MaxLength, 0)]
	}
	return append(append(append(dst, '"'), text...), '"') // the words need no escapes
}

func (v *valuer) number(dst []byte, s *schema) []byte {
	low, high := 1.0, 100.0
	if s.Minimum != nil {
		low, high = *s.Minimum, math.Max(high, *s.Minimum+99)
	}
	if s.ExclMin != nil {
		low, high = *s.ExclMin+1, math.Max(high, *s.ExclMin+100)
	}
	if s.Maximum != nil {
		high = *s.Maximum
		low = math.Min(low, high)
	}
	if s.ExclMax != nil {
		high = *s.ExclMax - 1
		low = math.Min(low, high)
	}
	x := math.Ceil(low)
	if span := math.Floor(high) - x; span > 0 {
		x += float64(v.rng.below(int(math.Min(span, 1e6)) + 1))
	}
	if x > high { // no whole number in the range
		x = low
	}
	if s.MultipleOf > 0 {
		x = math.Ceil(low/s.MultipleOf) * s.MultipleOf
	}
	if s.kind() == "integer" || math.Abs(x) < 1e15 && x == math.Trunc(x) {
		return strconv.AppendFloat(dst, x, 'f', 0, 64)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, 64)
}

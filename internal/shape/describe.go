package shape

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Bounds of a message.
const (
	maxKey   = 40  // characters of a name that a message quotes
	maxPlace = 160 // of a place
)

// deepest returns the fault that lies deepest in the value; of several alternatives that all fail, it is the one that came furthest. It looks
// at each fault once.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return e
	}
	leaves := make([]*jsonschema.ValidationError, len(e.Causes))
	var best *jsonschema.ValidationError
	for i, cause := range e.Causes {
		leaves[i] = deepest(cause)
		if best == nil || before(leaves[i], best) {
			best = leaves[i]
		}
	}
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if len(best.InstanceLocation) <= len(e.InstanceLocation) {
			return alternative(e, leaves)
		}
	}
	return best
}

// alternative returns the fault of the one alternative that is of the value's type, or that none fits. leaves are the alternatives' faults.
func alternative(e *jsonschema.ValidationError, leaves []*jsonschema.ValidationError) *jsonschema.ValidationError {
	var found *jsonschema.ValidationError
	for _, c := range leaves {
		if _, other := c.ErrorKind.(*kind.Type); other {
			continue
		}
		if found != nil {
			return e
		}
		found = c
	}
	if found == nil {
		return e
	}
	return found
}

// before orders faults: deeper ones first, then by place and reason, since the library goes through members in any order.
func before(a, b *jsonschema.ValidationError) bool {
	return cmp.Or(
		len(b.InstanceLocation)-len(a.InstanceLocation),
		slices.Compare(a.InstanceLocation, b.InstanceLocation),
		strings.Compare(reason(a), reason(b)),
	) < 0
}

// place writes a location as $.items[3].price.
func place(path []string, value any) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, token := range path {
		if b.Len() > maxPlace {
			b.WriteString("...")
			break
		}
		switch v := value.(type) {
		case []any:
			b.WriteString("[" + token + "]")
			value = nil
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			value = v[token]
			b.WriteString(member(token))
		default:
			b.WriteString(member(token))
		}
	}
	return b.String()
}

// member writes the name of a member as a step of a place.
func member(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return "[" + strconv.Quote(clip(name, maxKey)) + "]"
		}
	}
	if name == "" {
		return `[""]`
	}
	return "." + clip(name, maxKey)
}

// reason says what a value lacks.
func reason(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("want %s, got %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Required:
		return "missing " + quoteAll(k.Missing)
	case *kind.AdditionalProperties:
		return "unexpected " + quoteAll(k.Properties)
	case *kind.Enum:
		return fmt.Sprintf("is none of the %d values allowed", len(k.Want))
	case *kind.Const:
		return "is not the one value allowed"
	case *kind.MinItems:
		return fmt.Sprintf("has %d items, want at least %d", k.Got, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("has %d items, want at most %d", k.Got, k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("has %d characters, want at least %d", k.Got, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, want at most %d", k.Got, k.Want)
	case *kind.Minimum:
		return "want at least " + clip(k.Want.RatString(), maxKey)
	case *kind.Maximum:
		return "want at most " + clip(k.Want.RatString(), maxKey)
	case *kind.Pattern:
		return "does not match the pattern " + strconv.Quote(clip(k.Want, maxKey))
	case *kind.AnyOf:
		return "fits none of the alternatives"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "fits more than one of the alternatives, want one"
		}
		return "fits none of the alternatives"
	case *kind.FalseSchema:
		return "is not allowed"
	}
	if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
		return "does not meet " + strconv.Quote(clip(path[0], maxKey))
	}
	return "does not follow the schema"
}

// quoteAll quotes up to three names.
func quoteAll(names []string) string {
	var quoted []string
	for i, name := range slices.Sorted(slices.Values(names)) {
		if i == 3 {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		quoted = append(quoted, strconv.Quote(clip(name, maxKey)))
	}
	return strings.Join(quoted, ", ")
}

// clip cuts a text to n bytes at most, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}

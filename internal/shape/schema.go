package shape

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Bounds on what a schema may cost. What is over them is not used.
const (
	maxSchemaBytes = 256 << 10 // OpenAI takes 120,000 characters of names and values (structured outputs, limits)
	maxSchemaDepth = 64
	maxSchemas     = 6000 // schemas in it: the time to compile them grows with their square. OpenAI takes 5,000 properties
	maxNumber      = 400  // characters of a number; longer ones are not held against a schema
)

// schema is a compiled JSON schema. One that cannot be used accepts everything.
type schema struct {
	compiled *jsonschema.Schema // nil if it cannot be used

	patterns int // instructions, while it is compiled

	mu   sync.Mutex // held during a validation
	left int        // steps that it has left
}

// source is where the schema is said to be: a name that no document has (RFC 6761).
const source = "https://schema.invalid/form.json"

var errLoad = errors.New("load another schema: only $ref within the schema is followed")

// refuse is a loader of other documents.
type refuse struct{}

// Load refuses: a client's schema must not make the gateway fetch a file or an address.
func (refuse) Load(string) (any, error) { return nil, errLoad }

// compile compiles a schema. One that cannot be used is returned all the same, without its compiled form.
func compile(text string) (s *schema) {
	s = &schema{}
	defer func() {
		if recover() != nil {
			s.compiled = nil // a schema that the library does not cope with
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil || !usable(doc, maxSchemaDepth) || schemas(doc) > maxSchemas {
		return s
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(refuse{})
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseRegexpEngine(s.compilePattern)
	if err := c.AddResource(source, doc); err != nil {
		return s
	}
	if compiled, err := c.Compile(source); err == nil {
		s.take(reflect.ValueOf(compiled), map[*jsonschema.Schema]bool{})
		s.compiled = compiled
	}
	return s
}

// check returns what is wrong with a value.
func (s *schema) check(value any) (err error) {
	if s.compiled == nil || !usable(value, 2*maxSchemaDepth) || count(value) > maxValues {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if recover() != nil {
			err = nil // over the limit of steps, or a value that the library does not cope with
		}
	}()
	s.left = maxSteps
	var invalid *jsonschema.ValidationError
	if !errors.As(s.compiled.Validate(value), &invalid) {
		return nil
	}
	leaf := deepest(invalid)
	switch leaf.ErrorKind.(type) {
	case *kind.RefCycle, *kind.InvalidJsonValue:
		return nil // the fault of the schema, or of the library
	}
	return errors.New(place(leaf.InstanceLocation, value) + ": " + reason(leaf))
}

// usable reports whether a document is within the bounds on depth and on numbers, whose exact value the library computes.
func usable(v any, depth int) bool {
	if depth < 0 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if !usable(e, depth-1) {
				return false
			}
		}
	case []any:
		for _, e := range v {
			if !usable(e, depth-1) {
				return false
			}
		}
	case json.Number:
		return number(string(v))
	}
	return true
}

// schemas returns how many values there are in a document that may be schemas.
func schemas(v any) int {
	n := 0
	switch v := v.(type) {
	case bool:
		return 1
	case map[string]any:
		n++
		for _, e := range v {
			n += schemas(e)
		}
	case []any:
		for _, e := range v {
			n += schemas(e)
		}
	}
	return n
}

// number reports whether a number is short, with an exponent of at most three digits.
func number(s string) bool {
	if i := strings.IndexAny(s, "eE"); i >= 0 && len(strings.TrimLeft(s[i+1:], "+-0")) > 3 {
		return false
	}
	return len(s) <= maxNumber
}

package shape

import (
	"errors"
	"reflect"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// What a validation costs, in steps of about two microseconds. A schema of a few lines may ask for 2^n of them (anyOf within anyOf), or
// compare each item of an answer with thousands of values. So whatever may take long is done by Sluice's own extension of the library,
// which counts before it works: constants, enumerations, unique items, required names, lengths and patterns.
const (
	maxSteps    = 50_000  // of one validation; about 0.1 s
	maxValues   = 100_000 // JSON values in what is validated
	maxPatterns = 40_000  // instructions of all patterns of a schema

	valuesStep = 4   // JSON values compared in one step
	namesStep  = 16  // names looked up
	bytesStep  = 512 // of text read
	matchStep  = 400 // instructions of a pattern, for each byte
)

var (
	errSteps   = errors.New("validate: over the limit of steps")
	errPattern = errors.New("compile pattern: over the limit of instructions")
)

// spend counts steps. It runs while mu is held, within check, which recovers.
func (s *schema) spend(steps int) {
	if s.left -= steps; s.left < 0 {
		panic(errSteps)
	}
}

// pattern is a regular expression whose use is counted.
type pattern struct {
	*regexp.Regexp
	of   *schema
	size int
}

// MatchString reports whether text has a match.
func (p *pattern) MatchString(text string) bool {
	p.of.spend(1 + p.size*len(text)/matchStep)
	return p.Regexp.MatchString(text)
}

// compilePattern compiles a pattern, while the patterns of the schema are not too large together: `(x{1000}){1000}` is a million instructions.
func (s *schema) compilePattern(text string) (jsonschema.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	size := instructions(parsed)
	if s.patterns += size; s.patterns > maxPatterns {
		return nil, errPattern
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{Regexp: re, of: s, size: size}, nil
}

// instructions returns about how many a parsed pattern compiles to, maxPatterns+1 at most.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/8
	for _, sub := range re.Sub {
		n = min(n+instructions(sub), maxPatterns+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxPatterns+1)
}

// node is what a compiled schema demands that Sluice checks itself.
type node struct {
	of       *schema
	enum     []any
	constant *any
	values   int // JSON values in enum and constant
	required []string
	least    *int // characters
	most     *int
	unique   bool
}

// take puts the costly demands of all schemas that a compiled one leads to into extensions of theirs.
func (s *schema) take(v reflect.Value, seen map[*jsonschema.Schema]bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if one, ok := v.Interface().(*jsonschema.Schema); ok {
			if seen[one] {
				return
			}
			seen[one] = true
			s.takeOne(one)
		}
		s.take(v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.take(v.Field(i), seen)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.take(v.Index(i), seen)
		}
	case reflect.Map:
		for at := v.MapRange(); at.Next(); {
			s.take(at.Value(), seen)
		}
	}
}

func (s *schema) takeOne(one *jsonschema.Schema) {
	n := &node{of: s, constant: one.Const, required: one.Required, least: one.MinLength, most: one.MaxLength, unique: one.UniqueItems}
	if one.Enum != nil {
		n.enum = one.Enum.Values
		n.values = count(n.enum)
	}
	if n.constant != nil {
		n.values += count(*n.constant)
	}
	one.Enum, one.Const, one.Required, one.MinLength, one.MaxLength, one.UniqueItems = nil, nil, nil, nil, nil, false
	one.Default, one.Examples = nil, nil // nobody asks for them
	one.Extensions = append(one.Extensions, n)
}

// Validate checks what was taken, after all else that the schema demands.
func (n *node) Validate(c *jsonschema.ValidatorContext, v any) {
	n.of.spend(1 + shallow(v))
	n.equal(c, v)
	switch v := v.(type) {
	case map[string]any:
		n.names(c, v)
	case []any:
		n.items(c, v)
	case string:
		n.length(c, v)
	}
}

func (n *node) equal(c *jsonschema.ValidatorContext, v any) {
	text, plain := v.(string)
	if plain {
		n.of.spend(len(n.enum) / bytesStep)
	} else {
		n.of.spend(n.values / valuesStep)
	}
	same := func(want any) bool {
		if plain {
			return want == any(text)
		}
		ok, err := c.Equals(v, want)
		return ok && err == nil
	}
	if n.constant != nil && !same(*n.constant) {
		c.AddError(&kind.Const{Got: v, Want: *n.constant})
	}
	if n.enum == nil {
		return
	}
	for _, want := range n.enum {
		if same(want) {
			return
		}
	}
	c.AddError(&kind.Enum{Got: v, Want: n.enum})
}

func (n *node) names(c *jsonschema.ValidatorContext, object map[string]any) {
	n.of.spend(len(n.required) / namesStep)
	var missing []string
	for _, name := range n.required {
		if _, has := object[name]; !has {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		c.AddError(&kind.Required{Missing: missing})
	}
}

func (n *node) items(c *jsonschema.ValidatorContext, array []any) {
	if !n.unique {
		return
	}
	n.of.spend(count(array) / valuesStep)
	if i, j, err := c.Duplicates(array); err == nil && i >= 0 {
		c.AddError(&kind.UniqueItems{Duplicates: [2]int{i, j}})
	}
}

func (n *node) length(c *jsonschema.ValidatorContext, text string) {
	if n.least == nil && n.most == nil {
		return
	}
	switch got := utf8.RuneCountInString(text); {
	case n.least != nil && got < *n.least:
		c.AddError(&kind.MinLength{Got: got, Want: *n.least})
	case n.most != nil && got > *n.most:
		c.AddError(&kind.MaxLength{Got: got, Want: *n.most})
	}
}

// shallow is what it costs to look at a value, but not at what it holds.
func shallow(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v) / namesStep
	case []any:
		return len(v) / namesStep
	case string:
		return len(v) / bytesStep
	}
	return 0
}

// count returns how many JSON values there are in one, itself and names included.
func count(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += 1 + count(e)
		}
	case []any:
		for _, e := range v {
			n += count(e)
		}
	}
	return n
}

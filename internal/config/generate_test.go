package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
)

// The schema and the reference page are made here, from the Config structs and their comments, so that what makes them is
// no part of the program. go generate writes them; without -update, the test fails if they are not what it would write.

var update = flag.Bool("update", false, "write generated files")

func TestGenerated(t *testing.T) {
	t.Parallel()
	g := newGenerator(t)
	for _, f := range []struct {
		path string
		want []byte
	}{
		{"schema.json", g.schemaJSON(t)},
		{"../../docs/CONFIGURATION.md", g.reference()},
	} {
		if *update {
			if err := os.WriteFile(f.path, f.want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, f.want) {
			t.Errorf("%s is not what the Config structs say; run go generate ./internal/config", f.path)
		}
	}
}

// Every setting has its meaning in a comment: the reference page would have an empty row.
func TestEveryKeyHasAComment(t *testing.T) {
	t.Parallel()
	g := newGenerator(t)
	seen := make(map[reflect.Type]bool)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if !isStruct(typ) || seen[typ] {
			return
		}
		seen[typ] = true
		for _, f := range fieldsOf(typ) {
			if g.comment(&f) == "" {
				t.Errorf("field %s of %s has no comment", f.name, f.owner)
			}
			walk(element(f.typ))
		}
	}
	walk(reflect.TypeFor[Config]())
	if len(seen) < 15 {
		t.Errorf("walk saw %d structs only", len(seen))
	}
}

// Each number in a tag can be read: limit panics if not.
func TestEveryLimitIsReadable(t *testing.T) {
	t.Parallel()
	var walk func(reflect.Type)
	n := 0
	walk = func(typ reflect.Type) {
		if !isStruct(typ) {
			return
		}
		for _, f := range fieldsOf(typ) {
			for _, tag := range []string{"min", "max"} {
				if _, ok := f.limit(tag); ok {
					n++
				}
			}
			walk(element(f.typ))
		}
	}
	walk(reflect.TypeFor[Config]())
	if n == 0 {
		t.Error("no limits found")
	}
}

type generator struct{ comments map[string]string }

func newGenerator(t *testing.T) *generator {
	t.Helper()
	var r jsonschema.Reflector
	files, err := filepath.Glob("../*/config.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("glob config.go files: %v, %v", files, err)
	}
	for _, f := range files {
		if err := r.AddGoComments("sluice/internal/config", f, jsonschema.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	return &generator{r.CommentMap}
}

// comment returns a field's comment in one line, with the key in the place of the Go name.
func (g *generator) comment(f *field) string {
	text := g.comments[f.owner.PkgPath()+"."+f.owner.Name()+"."+f.name]
	text = strings.Join(strings.Fields(text), " ")
	if rest, ok := strings.CutPrefix(text, f.name+" "); ok {
		text = f.key + " " + rest
	}
	return text
}

// element is the type of a field's items, where it is a list or mapping of them.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

// defaults returns a struct of a type with its defaults set.
func defaults(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if d, ok := p.Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	return p.Elem()
}

func (g *generator) schemaJSON(t *testing.T) []byte {
	t.Helper()
	s := g.object(defaults(reflect.TypeFor[Config]()))
	s.Version = jsonschema.Version
	s.Title = "Sluice configuration"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

func (g *generator) object(v reflect.Value) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	for _, f := range fieldsOf(v.Type()) {
		fv := v.FieldByIndex(f.index)
		p := g.property(fv, &f)
		p.Description = g.comment(&f)
		if d := plainDefault(fv, &f); d != nil {
			p.Default = d
		}
		s.Properties.Set(f.key, p)
		if f.tag.Get("required") == "true" {
			s.Required = append(s.Required, f.key)
		}
	}
	return s
}

// property is the schema of a field. A key without a value keeps its default, so null is allowed.
func (g *generator) property(v reflect.Value, f *field) *jsonschema.Schema {
	s := g.form(v, f)
	return &jsonschema.Schema{AnyOf: append(flat(s), &jsonschema.Schema{Type: "null"})}
}

func flat(s *jsonschema.Schema) []*jsonschema.Schema {
	if s.AnyOf != nil {
		return s.AnyOf
	}
	return []*jsonschema.Schema{s}
}

func (g *generator) form(v reflect.Value, f *field) *jsonschema.Schema {
	switch t := v.Type(); {
	case isStruct(t):
		s := g.object(v)
		if _, ok := scalarField(fieldsOf(t)); ok {
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, s}}
		}
		return s
	case t.Kind() == reflect.Map, t.Kind() == reflect.Slice && f.tag.Get("keyed") != "":
		return &jsonschema.Schema{Type: "object", AdditionalProperties: g.property(defaults(t.Elem()), f)}
	case t.Kind() == reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: g.form(defaults(t.Elem()), f)}
	default:
		return scalarForm(v.Type(), f)
	}
}

// anyReference is the part of a pattern for values that hold a reference.
const anyReference = `\$\{.+\}`

func scalarForm(t reflect.Type, f *field) *jsonschema.Schema {
	// Numbers with underscores are text to most YAML parsers, and so to editors.
	text := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: "^(" + pattern + ")$|" + anyReference}
	}
	numeric := func(typ, pattern string) *jsonschema.Schema {
		s := &jsonschema.Schema{Type: typ, Minimum: "0"}
		if n, ok := f.limit("min"); ok {
			s.Minimum = json.Number(fmt.Sprint(n))
		}
		if n, ok := f.limit("max"); ok {
			s.Maximum = json.Number(fmt.Sprint(n))
		}
		if word, _, ok := f.word(); ok {
			pattern += "|" + word
		}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, text(pattern)}}
	}
	switch {
	case t == secretType:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}}}
	case t == durationType:
		// A number that is not 0 has no unit.
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			text(`0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+`), {Const: 0},
		}}
	case f.tag.Get("unit") == "bytes":
		return numeric("integer", `[0-9]+(_[0-9]+)*(\.[0-9]+)? *([KMG]i?)?B|[0-9]+(_[0-9]+)+`)
	case f.tag.Get("unit") == "share":
		s := numeric("number", `[0-9]+(\.[0-9]+)?%?`)
		s.AnyOf[0].Maximum = "1"
		return s
	case t.Kind() == reflect.Bool:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, text("true|false")}}
	case t.Kind() == reflect.Float64:
		return numeric("number", `[0-9]+(_[0-9]+)+(\.[0-9]+)?`)
	case t.Kind() == reflect.String:
		if e := f.enum(); e != nil {
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Enum: anys(e)}, {Type: "string", Pattern: anyReference}}}
		}
		return &jsonschema.Schema{Type: "string"}
	default:
		return numeric("integer", `[0-9]+(_[0-9]+)+`)
	}
}

func anys(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// plainDefault returns the default of a single value, nil for one that has none.
func plainDefault(v reflect.Value, f *field) any {
	if k := v.Kind(); isStruct(v.Type()) || k == reflect.Map || k == reflect.Slice {
		return nil
	}
	if v.Type() == secretType || v.Kind() == reflect.String && v.String() == "" {
		return nil
	}
	return plainValue(v, f)
}

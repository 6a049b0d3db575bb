package sim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// fits fails unless 20 values made for a schema are valid by a real validator.
func fits(t *testing.T, text string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("schema %s: %v", text, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("mem:schema", doc); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("mem:schema")
	if err != nil {
		t.Fatalf("schema %s: %v", text, err)
	}
	for seed := range 20 {
		r := rng(seed)
		b := appendValue(nil, []byte(text), &r)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Errorf("schema %s: %s is no JSON: %v", text, b, err)
			continue
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("schema %s: %s does not fit: %v", text, b, err)
		}
	}
}

func TestValuesFitTheirSchema(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}`,
		`{"type":"object","properties":{"list":{"type":"array","items":{"type":"number","minimum":0,"maximum":1},"minItems":3}},"required":["list"]}`,
		`{"type":"array","items":{"enum":["north","south",3,null]}}`,
		`{"type":["string","null"],"minLength":30}`,
		`{"type":"string","maxLength":4}`,
		`{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":8}`,
		`{"type":"integer","minimum":500}`,
		`{"type":"integer","maximum":-5}`,
		`{"type":"integer","multipleOf":7}`,
		`{"type":"number","minimum":0.25,"maximum":0.75}`,
		`{"type":"boolean"}`, `{"type":"null"}`, `{"const":{"x":[1]}}`, `{}`,
		`{"anyOf":[{"type":"integer"},{"type":"string"}]}`,
		`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]}]}`,
		`{"allOf":[{"type":"integer"}]}`,
		`{"type":"string","format":"date-time"}`, `{"type":"string","format":"date"}`, `{"type":"string","format":"email"}`,
		`{"type":"string","format":"uuid"}`, `{"type":"string","format":"ipv6"}`, `{"type":"string","format":"uri"}`,
		`{"type":"object","properties":{"home":{"$ref":"#/$defs/place"}},"required":["home"],"$defs":{"place":{"type":"object","properties":{"street":{"type":"string"}},"required":["street"]}}}`,
		`{"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"say":{"type":"string"},"n":{"type":"integer"}},"required":["say","n"]}}},"required":["steps"]}`,
	} {
		fits(t, text)
	}
}

func TestResponseFormatOnTheWire(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	const format = `,"response_format":{"type":"json_schema","json_schema":{"name":"plan","strict":true,"schema":{"type":"object",` +
		`"properties":{"gate":{"enum":["north","south"]},"level":{"type":"number"}},"required":["gate","level"]}}}`
	whole := parse(t, c.chat("sim-fast", "plan it", format).body)
	j := join(t, c.chat("sim-fast", "plan it", format+streamed).body, 1)
	var v struct {
		Gate  string
		Level *float64
	}
	if err := json.Unmarshal([]byte(j.texts[0]), &v); err != nil || v.Gate == "" || v.Level == nil || j.texts[0] != whole.Choices[0].Message.Content {
		t.Errorf("streamed %q, whole %q: %v", j.texts[0], whole.Choices[0].Message.Content, err)
	}
	if *j.usage != *whole.Usage || j.usage.Completion != CountTokens(j.texts[0]) {
		t.Errorf("usage %+v and %+v of %q", *j.usage, *whole.Usage, j.texts[0])
	}
}

// FuzzAppendValue checks that any schema, however odd or endless, gives JSON of bounded size.
func FuzzAppendValue(f *testing.F) {
	for _, s := range []string{
		`{}`, `true`, ``, `{"type":"array","items":{"$ref":"#"},"minItems":9}`, `{"$ref":"#"}`, `{"$ref":"#/a/b~1c"}`,
		`{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"}},"required":["a","b"]}`, `{"type":"number","multipleOf":1e308,"minimum":1e308}`,
		`{"type":"integer","minimum":1e300,"exclusiveMaximum":-1e300}`, `{"enum":[1,"a"]}`, `{"type":"string","minLength":100000}`,
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		if len(raw) > 4096 {
			return
		}
		r := rng(seed)
		b := appendValue([]byte("x"), raw, &r)
		if !json.Valid(b[1:]) {
			t.Errorf("schema %q gives %q", raw, b[1:])
		}
		if len(b) > 8<<20 {
			t.Errorf("schema %q gives %d bytes", raw, len(b))
		}
	})
}

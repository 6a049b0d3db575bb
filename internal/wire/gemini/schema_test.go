package gemini

import "testing"

// TestSchema holds schemas of the API's own kind to JSON schemas of the same meaning.
func TestSchema(t *testing.T) {
	t.Parallel()
	f := func(name, own, want string) {
		t.Helper()
		if got := string(appendSchema(nil, []byte(own))); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
	f("types", `{"type":"ARRAY","items":{"type":"STRING"},"minItems":"1"}`, `{"items":{"type":"string"},"minItems":1,"type":"array"}`)
	f("nothing of a type", `{"type":"TYPE_UNSPECIFIED","title":"t"}`, `{"title":"t"}`)
	f("nullable", `{"type":"STRING","nullable":true}`, `{"type":["string","null"]}`)
	f("nullable among values", `{"type":"STRING","format":"enum","nullable":true,"enum":["a","b"]}`, `{"enum":["a","b",null],"type":["string","null"]}`)
	f("nullable among choices", `{"nullable":true,"anyOf":[{"type":"STRING"},{"type":"OBJECT"}]}`, `{"anyOf":[{"type":"string"},{"type":"object"},{"type":"null"}]}`)
	f("references", `{"type":"OBJECT","properties":{"pet":{"ref":"#/defs/Pet"},"ref":{"type":"STRING"}},"defs":{"Pet":{"type":"STRING"}}}`,
		`{"$defs":{"Pet":{"type":"string"}},"properties":{"pet":{"$ref":"#/$defs/Pet"},"ref":{"type":"string"}},"type":"object"}`)
	f("JSON schema's references", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"STRING"}}}`, `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`)
	f("the order of properties", `{"type":"OBJECT","propertyOrdering":["c","a"],"properties":{"a":{"type":"STRING"},"b":{"type":"NUMBER"},"c":{"type":"BOOLEAN"}}}`,
		`{"properties":{"c":{"type":"boolean"},"a":{"type":"string"},"b":{"type":"number"}},"type":"object"}`)
	f("what is none", `{"properties":5,"enum":{},"anyOf":1,"propertyOrdering":[],"type":"OBJECT"}`, `{"properties":5,"enum":{},"anyOf":1,"type":"object"}`)
}

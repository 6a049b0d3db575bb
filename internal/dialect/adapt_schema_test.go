package dialect_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// TestNarrowSchema holds schemas that Anthropic would refuse to the form that it takes.
func TestNarrowSchema(t *testing.T) {
	t.Parallel()
	f := func(name, schema, want string, notes ...string) {
		t.Helper()
		for _, to := range []llm.Dialect{llm.Anthropic, llm.Converse} {
			c := &llm.Chat{MaxTokens: 9, Messages: user("q"), Format: llm.Format{Kind: llm.FormatSchema, Name: "n", Schema: schema}}
			got, all := adapt(t, c, llm.OpenAI, to, nil)
			if d := cmp.Diff(want, got.Format.Schema); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if d := cmp.Diff(notes, params(all)); d != "" {
				t.Errorf("%s: notes: %s", name, d)
			}
		}
		for _, to := range []llm.Dialect{llm.Gemini, llm.Responses} {
			c := &llm.Chat{MaxTokens: 99, Messages: user("q"), Format: llm.Format{Kind: llm.FormatSchema, Name: "n", Schema: schema}}
			if got, _ := adapt(t, c, llm.OpenAI, to, nil); got.Format.Schema != schema {
				t.Errorf("%s: %s is sent %s", name, to, got.Format.Schema)
			}
		}
	}
	good := `{"type":"object","properties":{"a":{"type":["string","null"],"enum":["x",null]},"b":{"type":"array","items":{"$ref":"#/$defs/n"},"minItems":1}},"required":["a"],"additionalProperties":false,` +
		`"$defs":{"n":{"type":"string","format":"date","default":"x","title":"N"}}}`
	f("as it must be", good, good)
	f("an open object", `{"type":"object","properties":{"a":{"properties":{}}}}`,
		`{"type":"object","properties":{"a":{"properties":{},"additionalProperties":false}},"additionalProperties":false}`, "~response_format")
	f("bounds", `{"type":"integer","description":"an \"age\"","minimum":0,"maximum":150}`,
		`{"type":"integer","description":"an \"age\"\n\n{minimum: 0, maximum: 150}"}`, "response_format")
	f("lengths and patterns", `{"type":"array","minItems":3,"items":{"type":"string","pattern":"^a\"","format":"int64"}}`,
		`{"type":"array","items":{"type":"string","description":"{pattern: \"^a\\\"\", format: \"int64\"}"},"description":"{minItems: 3}"}`, "response_format")
	f("a map", `{"type":"object","additionalProperties":{"type":"string"}}`, `{"type":"object","additionalProperties":false}`, "response_format")
	f("one of", `{"oneOf":[{"type":"string"},{"type":"object","additionalProperties":false}]}`, `{"anyOf":[{"type":"string"},{"type":"object","additionalProperties":false}]}`)
	f("a reference", `{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/n","description":"d","$defs":{"n":{"const":1}}}`,
		`{"$ref":"#/$defs/n","$defs":{"n":{"const":1}}}`, "response_format")
	f("a property with the name of a keyword", `{"type":"object","properties":{"minimum":{"type":"number"},"description":{"type":"string"}},"additionalProperties":false}`,
		`{"type":"object","properties":{"minimum":{"type":"number"},"description":{"type":"string"}},"additionalProperties":false}`)
	f("schemas that are no objects", `{"allOf":[true,false]}`, `{"allOf":[true,false]}`)
}

// TestNarrowStrictTools holds that the same goes for tools that the model is held to, and for these only.
func TestNarrowStrictTools(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	schema := `{"type":"object","properties":{"a":{"type":"number","minimum":1}}}`
	c := &llm.Chat{MaxTokens: 9, Messages: user("q"), Tools: []llm.Function{{Name: "f", Parameters: schema, Strict: &yes}, {Name: "g", Parameters: schema, Strict: &no}, {Name: "h", Parameters: schema}}}
	got, notes := adapt(t, c, llm.OpenAI, llm.Anthropic, nil)
	if want := `{"type":"object","properties":{"a":{"type":"number","description":"{minimum: 1}"}},"additionalProperties":false}`; got.Tools[0].Parameters != want {
		t.Errorf("strict: %s", got.Tools[0].Parameters)
	}
	if got.Tools[1].Parameters != schema || got.Tools[2].Parameters != schema {
		t.Errorf("not strict: %+v", got.Tools[1:])
	}
	if d := cmp.Diff([]string{"tools[].function.strict", "~tools[].function.strict"}, params(notes)); d != "" {
		t.Error(d)
	}
}

// TestStrictOfOpenAI holds that OpenAI is asked to hold a model to a schema only if it would.
func TestStrictOfOpenAI(t *testing.T) {
	t.Parallel()
	yes := true
	f := func(name string, from, to llm.Dialect, schema string, strict bool) {
		t.Helper()
		c := &llm.Chat{MaxTokens: 99, Messages: user("q"), Format: llm.Format{Kind: llm.FormatSchema, Schema: schema, Strict: &yes}, Tools: []llm.Function{{Name: "f", Parameters: schema, Strict: &yes}}}
		got, notes := adapt(t, c, from, to, nil)
		if (got.Format.Strict != nil) != strict || (got.Tools[0].Strict != nil) != strict || (len(notes) == 0) != strict {
			t.Errorf("%s: %v %v, notes %v", name, got.Format.Strict, got.Tools[0].Strict, notes)
		}
	}
	good := `{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]},"b":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false}}},"required":["b","a"],"additionalProperties":false,"$defs":{"n":{"type":"string"}}}`
	for _, to := range []llm.Dialect{llm.OpenAI, llm.Responses} {
		f("good", llm.Anthropic, to, good, true)
		f("a property that need not be there", llm.Anthropic, to, `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, false)
		f("open", llm.Anthropic, to, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, false)
		f("open within", llm.Anthropic, to, `{"type":"array","items":{"anyOf":[{"type":"object"}]}}`, false)
		f("all of", llm.Anthropic, to, `{"allOf":[{"type":"string"}]}`, false)
	}
	f("the client's own affair", llm.OpenAI, llm.Responses, `{"type":"object"}`, true)
}

// FuzzNarrowSchema holds that any schema stays valid JSON, and that narrowing twice changes nothing more than once.
func FuzzNarrowSchema(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"minimum":1,"description":"d"}},"oneOf":[{}],"anyOf":[1]}`)
	f.Add(`{"$ref":"#","additionalProperties":{"x":1},"items":[{}],"minItems":2}`)
	f.Add(`{"type":{},"properties":[],"description":5,"format":null}`)
	f.Fuzz(func(t *testing.T, schema string) {
		narrow := func(s string) string {
			c := &llm.Chat{MaxTokens: 9, Messages: user("q"), Format: llm.Format{Kind: llm.FormatSchema, Schema: s}}
			a, _, e := dialect.Adapt(c, llm.OpenAI, llm.Anthropic, nil)
			if e != nil {
				t.Fatal(e)
			}
			return a.Chat.Format.Schema
		}
		if !json.Valid([]byte(schema)) || len(schema) == 0 {
			return
		}
		once := narrow(schema)
		if once == "" {
			return // no object
		}
		if !json.Valid([]byte(once)) {
			t.Fatalf("%s becomes %s", schema, once)
		}
		if twice := narrow(once); twice != once {
			t.Errorf("%s becomes %s, and then %s", schema, once, twice)
		}
	})
}

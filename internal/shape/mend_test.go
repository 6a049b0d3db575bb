package shape_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/shape"
)

func TestMend(t *testing.T) {
	t.Parallel()
	object := shape.New(&llm.Format{Kind: llm.FormatJSON}, nil, true)
	priced := shape.New(format(order), nil, true)
	list := shape.New(format(`{"type":"array"}`), nil, true)
	str := shape.New(format(`{"type":"string"}`), nil, true)
	f := func(form *shape.Form, text, want string) {
		t.Helper()
		got, ok := form.Mend(text)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, ok, want)
		}
	}
	f(object, `{"a":1}`, `{"a":1}`)
	f(object, " {\"a\": 1.0}\n", `{"a": 1.0}`)
	f(object, "\ufeff{\"a\":1}", `{"a":1}`)
	f(object, "```json\n{\"a\":1}\n```", `{"a":1}`)
	f(object, "```\n{\"a\":1}```", `{"a":1}`)
	f(object, "```json {\"a\":1} ```", `{"a":1}`)
	f(object, "Here it is:\n\n```json\n{\"a\":\n 1}\n```\nI hope that helps {as you wished}!", "{\"a\":\n 1}")
	f(object, `Sure! {"a":1} Anything else?`, `{"a":1}`)
	f(object, `As said in [1], {"a":[2]}`, `{"a":[2]}`)
	f(object, `The set {x} is {"a":1}.`, `{"a":1}`)
	f(object, "```json\n{\"code\":\"```\"}\n```", "{\"code\":\"```\"}")
	f(object, `{"a":1} or {"a":2}`, "")
	f(object, `{"a":1`, "")
	f(object, `[1,2]`, "")
	f(object, "no JSON", "")
	f(object, "", "")
	f(object, "```json\n{}\n```\n```json\n{}\n```", "")
	f(object, strings.Repeat("{", 100)+"}", "")
	f(object, `{"a":1}`+strings.Repeat(" ", 2<<20)+"x", "")
	f(priced, `The order: {"items":[{"price":1}]}`, `{"items":[{"price":1}]}`)
	f(priced, `The order: {"items":[{"price":"1"}]}`, "")
	f(list, `The list: [{"a":1},{"b":2}]`, `[{"a":1},{"b":2}]`)
	f(list, `The list: ["a"] and {}`, "")
	f(str, "```json\n\"word\"\n```", `"word"`)
}

func TestInstruction(t *testing.T) {
	t.Parallel()
	f := func(form *shape.Form, c *llm.Choice, want ...string) {
		t.Helper()
		var fault *llm.Error
		if c != nil {
			if fault = form.Check(c); fault == nil {
				t.Fatal("no fault")
			}
		}
		got := form.Instruction(fault)
		for _, w := range want {
			if not, ok := strings.CutPrefix(w, "!"); ok == strings.Contains(got, not) {
				t.Errorf("%q: want %q", got, w)
			}
		}
	}
	object := shape.New(&llm.Format{Kind: llm.FormatJSON}, nil, true)
	f(object, nil, "Answer with one JSON object and nothing else", "no code fence", "!previous", "!schema")
	f(object, text("Hi"), "Your previous answer could not be used: the text: no JSON: invalid character 'H'", "one JSON object")
	f(shape.New(format(order), nil, true), text("{}"), `missing "items"`, "one JSON value", order)
	f(shape.New(format(order), nil, false), text("{"), "!"+order)
	f(shape.New(format(`{"type":"object","description":"`+strings.Repeat("x", 9000)+`"}`), nil, true), text("[]"), "!xxxxx", "must be exactly as there")
	tools := []llm.Function{{Name: "a", Parameters: `{"required":["x"]}`}, {Name: "b", Parameters: `{"required":["y"]}`}}
	f(shape.New(nil, tools, true), call("b", "{}"), `the arguments of tool "b": $: missing "y"`, `{"required":["y"]}`, `!{"required":["x"]}`, "!Answer with one JSON")
}

// FuzzMend holds that what is mended is a part of the text that is JSON, and that Check agrees.
func FuzzMend(f *testing.F) {
	for _, s := range []string{`{"a":1}`, "```json\n{}\n```", "x {\"a\":[1,{}]} y", "\ufeff{}", "[[[", `{"a":"}"}`, "``` {} ``` {"} {
		f.Add(s)
	}
	form := shape.New(&llm.Format{Kind: llm.FormatJSON}, nil, true)
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := form.Mend(s)
		if !ok {
			if form.Check(text(s)) == nil {
				t.Fatalf("%q has the form, and is not mended", s)
			}
			return
		}
		if !strings.Contains(s, got) || !json.Valid([]byte(got)) || form.Check(text(got)) != nil {
			t.Fatalf("%q becomes %q", s, got)
		}
	})
}

// FuzzCheck holds that no schema and no answer makes it fail.
func FuzzCheck(f *testing.F) {
	f.Add(order, `{"items":[{"price":"x"}]}`)
	f.Add(`{"$ref":"#"}`, `[]`)
	f.Add(`{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"items":{"$ref":"#"}}}}`, `[[[]]]`)
	f.Add(`{"$id":"x:/","$dynamicRef":"#a","$dynamicAnchor":"a","unevaluatedProperties":false}`, `{"a":1e400}`)
	f.Fuzz(func(t *testing.T, schema, answer string) {
		form := shape.New(format(schema), []llm.Function{{Name: "f", Parameters: schema}}, true)
		for _, c := range []*llm.Choice{text(answer), call("f", answer)} {
			e := form.Check(c)
			if e != nil && len(e.Message) > 1024 {
				t.Fatalf("a message of %d bytes", len(e.Message))
			}
			if e == nil && c.Finish == llm.FinishStop && !json.Valid([]byte(answer)) {
				t.Fatalf("%q is accepted", answer)
			}
			_ = form.Instruction(e)
		}
	})
}

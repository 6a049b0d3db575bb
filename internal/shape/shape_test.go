package shape_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/shape"
)

const order = `{"type":"object","properties":{"items":{"type":"array","items":{"type":"object","properties":{"price":{"type":"number","minimum":0},"size":{"enum":["s","m"]}},"required":["price"],"additionalProperties":false}}},"required":["items"]}`

func text(parts ...string) *llm.Choice {
	c := &llm.Choice{Finish: llm.FinishStop}
	for _, p := range parts {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartText, Text: p})
	}
	return c
}

func call(name, args string) *llm.Choice {
	return &llm.Choice{Finish: llm.FinishTools, Parts: []llm.Part{{Kind: llm.PartToolCall, Name: name, Text: args}}}
}

func format(schema string) *llm.Format { return &llm.Format{Kind: llm.FormatSchema, Schema: schema} }

// check holds a choice against a form: want is what the message says after its beginning, or empty.
func check(t *testing.T, f *shape.Form, c *llm.Choice, want string) {
	t.Helper()
	e := f.Check(c)
	if e == nil {
		if want != "" {
			t.Errorf("%+v: accepted, want %q", c.Parts, want)
		}
		return
	}
	const begin = "the model's answer is not in the form that was asked for: "
	got, ok := strings.CutPrefix(e.Message, begin)
	if !ok || got != want || e.Kind != llm.KindInvalidOutput {
		t.Errorf("%+v: %v %q, want %q", c.Parts, e.Kind, e.Message, want)
	}
}

func TestNewDemandsNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*shape.Form{
		"nothing": shape.New(nil, nil, true),
		"text":    shape.New(&llm.Format{Kind: llm.FormatText}, nil, true),
		"unset":   shape.New(&llm.Format{}, []llm.Function{}, true),
		"custom":  shape.New(nil, []llm.Function{{Name: "sh", Custom: true}, {Name: "web_search", Raw: "{}"}}, true),
	} {
		if f != nil {
			t.Errorf("%s: a form", name)
		}
	}
	var none *shape.Form
	if none.Check(text("x")) != nil || none.Text() || none.Instruction(nil) != "" {
		t.Error("a form that is nil demands something")
	}
	if _, ok := none.Mend("{}"); ok {
		t.Error("a form that is nil mends")
	}
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	object := shape.New(&llm.Format{Kind: llm.FormatJSON}, nil, true)
	f := func(text *llm.Choice, want string) {
		t.Helper()
		check(t, object, text, want)
	}
	f(text(`{"a":1}`), "")
	f(text(" \n{\"a\":1,\"a\":2}\t\r\n"), "")
	f(text(`{"a":`, `1}`), "")
	f(text(`[1]`), "the text: $: want object, got array")
	f(text(`"x"`), "the text: $: want object, got string")
	f(text(`17`), "the text: $: want object, got number")
	f(text(`null`), "the text: $: want object, got null")
	f(text(`true`), "the text: $: want object, got boolean")
	f(text(``), "the text: it is empty, want JSON")
	f(text(" \n"), "the text: it is empty, want JSON")
	f(&llm.Choice{Finish: llm.FinishStop}, "the text: it is empty, want JSON")
	f(text(`{"a":1`), "the text: no whole JSON: it ends at byte 6, within a value")
	f(text(`{"a":1}{"b":2}`), "the text: more than one JSON value: there is more after byte 7")
	f(text(`{"a":1} That is it.`), "the text: more than one JSON value: there is more after byte 7")
	f(text("Sure! {}"), "the text: no JSON: invalid character 'S' looking for beginning of value at byte 1")
	f(text(`{a:1}`), "the text: no JSON: invalid character 'a' looking for beginning of object key string at byte 2")

	// What is let through.
	cut := text(`{"a":`)
	for _, finish := range []llm.Finish{llm.FinishUnset, llm.FinishSequence, llm.FinishLength, llm.FinishContext, llm.FinishFilter, llm.FinishPause, llm.FinishOther} {
		cut.Finish = finish
		f(cut, "")
	}
	refusal := text("")
	refusal.Parts = append(refusal.Parts, llm.Part{Kind: llm.PartRefusal, Text: "I cannot."})
	f(refusal, "")
	thought := text(`{}`)
	thought.Parts = append([]llm.Part{{Kind: llm.PartThinking, Text: "Hmm."}}, thought.Parts...)
	f(thought, "")
	called := call("f", "{}")
	called.Parts = append(called.Parts, llm.Part{Kind: llm.PartText, Text: "Let me look."})
	f(called, "")
	called.Finish = llm.FinishStop
	f(called, "")
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	f := func(schema, answer, want string) {
		t.Helper()
		check(t, shape.New(format(schema), nil, true), text(answer), want)
		check(t, shape.New(format(schema), nil, false), text(answer), "")
	}
	f(order, `{"items":[]}`, "")
	f(order, `{"items":[{"price":1.5},{"price":2,"size":"m"}]}`, "")
	f(order, `{"items":[{"price":1},{"price":2},{"price":3},{"price":"4"}]}`, "the text: $.items[3].price: want number, got string")
	f(order, `{"items":[{"price":-1}]}`, "the text: $.items[0].price: want at least 0")
	f(order, `{"items":[{"price":1,"size":"xxl of which this message says nothing"}]}`, "the text: $.items[0].size: is none of the 2 values allowed")
	f(order, `{"items":[{}]}`, `the text: $.items[0]: missing "price"`)
	f(order, `{"items":[{"price":1,"colour":"red","b":1,"a":2,"c":3}]}`, `the text: $.items[0]: unexpected "a", "b", "c", and 1 more`)
	f(order, `{}`, `the text: $: missing "items"`)
	f(order, `[]`, "the text: $: want object, got array")
	f(`{"type":["string","null"]}`, `1`, "the text: $: want null or string, got number")
	f(`{"type":"string"}`, `"free"`, "")
	f(`{"properties":{"a b":{"minLength":2},"":{"maxLength":1}}}`, `{"a b":"x"}`, `the text: $["a b"]: has 1 characters, want at least 2`)
	f(`{"properties":{"":{"maxLength":1}}}`, `{"":"xyz"}`, `the text: $[""]: has 3 characters, want at most 1`)
	f(`{"minItems":2}`, `[1]`, "the text: $: has 1 items, want at least 2")
	f(`{"maxItems":0}`, `[1]`, "the text: $: has 1 items, want at most 0")
	f(`{"maximum":5}`, `6`, "the text: $: want at most 5")
	f(`{"pattern":"^a"}`, `"b"`, `the text: $: does not match the pattern "^a"`)
	f(`{"const":1}`, `2`, "the text: $: is not the one value allowed")
	f(`{"properties":{"a":false}}`, `{"a":1}`, "the text: $.a: is not allowed")
	f(`{"multipleOf":2}`, `3`, `the text: $: does not meet "multipleOf"`)
	f(`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, "the text: $: fits none of the alternatives")
	f(`{"oneOf":[{"type":"number"},{"minimum":0}]}`, `1`, "the text: $: fits more than one of the alternatives, want one")
	f(`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"null"}]}`, `{"a":1}`, "the text: $.a: want string, got number")
	f(`{"$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["next"]}},"$ref":"#/$defs/n"}`, `{"next":{"next":{}}}`, `the text: $.next.next: missing "next"`)
	f(`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"s":{"type":"string"}},"items":{"$ref":"#/definitions/s"}}`, `["a",1]`, "the text: $[1]: want string, got number")
}

// TestSchemasThatAreLeftOut holds that a schema which cannot be used, or would cost too much, accepts what can be parsed.
func TestSchemasThatAreLeftOut(t *testing.T) {
	t.Parallel()
	var chain strings.Builder // anyOf in anyOf: 2^40 ways
	for i := range 40 {
		fmt.Fprintf(&chain, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	for name, schema := range map[string]string{
		"empty":         "",
		"no JSON":       "{",
		"type":          `{"type":"STRING"}`,
		"number":        `17`,
		"pattern":       `{"pattern":"("}`,
		"file":          `{"$ref":"file:///etc/hostname"}`,
		"address":       `{"$ref":"http://127.0.0.1:1/schema.json"}`,
		"relative":      `{"$ref":"other.json"}`,
		"dialect":       `{"$schema":"http://127.0.0.1:1/dialect","type":"array"}`,
		"missing":       `{"$ref":"#/$defs/none"}`,
		"itself":        `{"$ref":"#"}`,
		"deep":          strings.Repeat(`{"items":`, 200) + `{"type":"string"}` + strings.Repeat("}", 200),
		"large":         `{"type":"string","description":"` + strings.Repeat("x", 300<<10) + `"}`,
		"large number":  `{"multipleOf":1e999999}`,
		"long":          `{"maximum":` + strings.Repeat("9", 1000) + `}`,
		"exponential":   `{"$defs":{` + chain.String() + `"d40":{"type":"string"}},"$ref":"#/$defs/d0"}`,
		"two documents": `{"type":"string"}{}`,
	} {
		if e := shape.New(format(schema), nil, true).Check(text(`[[[[1]]]]`)); e != nil {
			t.Errorf("%s: %v", name, e)
		}
		if e := shape.New(format(schema), nil, true).Check(text(`[[[[1`)); e == nil {
			t.Errorf("%s: what is no JSON is accepted", name)
		}
	}
	for _, answer := range []string{`1e99999999`, strings.Repeat("9", 100_000), strings.Repeat("[", 5000) + strings.Repeat("]", 5000)} {
		if e := shape.New(format(`{"maximum":5,"maxItems":0}`), nil, true).Check(text(answer)); e != nil {
			t.Errorf("an answer of %d bytes: %v", len(answer), e)
		}
	}
}

func TestCheckTools(t *testing.T) {
	t.Parallel()
	tools := []llm.Function{
		{Name: "price", Parameters: `{"type":"object","properties":{"sum":{"type":"number"}},"required":["sum"]}`},
		{Name: "now"},
		{Name: "shell", Custom: true},
		{Name: "broken", Parameters: `{"type":`},
	}
	with, without := shape.New(nil, tools, true), shape.New(nil, tools, false)
	f := func(name, args, parsed, held string) {
		t.Helper()
		check(t, without, call(name, args), parsed)
		check(t, with, call(name, args), held)
	}
	f("price", `{"sum":1}`, "", "")
	f("price", `{"sum":"1"}`, "", `the arguments of tool "price": $.sum: want number, got string`)
	cut := `the arguments of tool "price": no whole JSON: it ends at byte 8, within a value`
	f("price", `{"sum":1`, cut, cut)
	list := `the arguments of tool "price": $: want object, got array`
	f("price", `[1]`, list, list)
	f("price", ``, "", `the arguments of tool "price": $: missing "sum"`)
	f("now", ``, "", "")
	f("now", ` `, "", "")
	f("now", `{"zone":"UTC"}`, "", "")
	f("shell", `ls -l {`, "", "")
	f("broken", `{"x":1}`, "", "")
	f("unknown", `{`, "", "")

	custom := call("price", "free text")
	custom.Parts[0].Custom = true
	check(t, with, custom, "")
	second := call("now", "{}")
	second.Parts = append(second.Parts, llm.Part{Kind: llm.PartText, Text: "and"}, llm.Part{Kind: llm.PartToolCall, Name: "price", Text: "{"})
	check(t, with, second, `the arguments of tool "price": no whole JSON: it ends at byte 1, within a value`)
	second.Finish = llm.FinishLength
	check(t, with, second, "")
	check(t, with, text("no JSON is asked of the text"), "")
	if with.Text() {
		t.Error("tools alone demand something of the text")
	}
	if _, ok := with.Mend("{}"); ok {
		t.Error("tools alone let the text be mended")
	}
	both := shape.New(&llm.Format{Kind: llm.FormatJSON}, tools, true)
	check(t, both, text("hm"), "the text: no JSON: invalid character 'h' looking for beginning of value at byte 1")
}

// TestMessagesAreShort holds that nothing long of an answer comes back in a message.
func TestMessagesAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("véry long ", 1000)
	deep := strings.Repeat(`{"`+long+`":`, 20) + "1" + strings.Repeat("}", 20)
	schema := `{"additionalProperties":{"$ref":"#"},"type":"object"}`
	f := func(form *shape.Form, c *llm.Choice) {
		t.Helper()
		e := form.Check(c)
		if e == nil || len(e.Message) > 512 || strings.Contains(e.Message, "�") {
			t.Errorf("%v", e)
		}
	}
	f(shape.New(format(schema), nil, true), text(deep))
	f(shape.New(format(`{"additionalProperties":false}`), nil, true), text(`{"`+long+`":1,"`+long+`2":1,"`+long+`3":1,"4":4}`))
	f(shape.New(format(`{"enum":["`+long+`"]}`), nil, true), text(`"`+long+`2"`))
	f(shape.New(nil, []llm.Function{{Name: long}}, true), call(long, "{"))
}

// TestCacheIsShared holds that forms can be made and used at once, and that what a cache keeps is bounded.
func TestCacheIsShared(t *testing.T) {
	t.Parallel()
	var c shape.Cache
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 200 {
				schema := fmt.Sprintf(`{"type":"object","required":["k%d"]}`, (i+g)%150)
				f := c.Form(format(schema), nil, true)
				if e := f.Check(text(fmt.Sprintf(`{"k%d":1}`, (i+g)%150))); e != nil {
					t.Error(e)
				}
				if f.Check(text(`{}`)) == nil {
					t.Error("accepted without its member")
				}
			}
		})
	}
	wait.Wait()
}

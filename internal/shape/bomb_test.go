package shape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
)

// TestBombs: what a client's schema, or the answer that it asks for, may cost is bounded. Each of these took minutes or longer without the
// bounds.
func TestBombs(t *testing.T) {
	t.Parallel()
	f := func(name, schema, text string) {
		t.Helper()
		t.Run(name, func(t *testing.T) { // not at the same time, so that the limit can be short
			form := New(&llm.Format{Kind: llm.FormatSchema, Schema: schema}, nil, true)
			done := make(chan struct{})
			go func() { // waited for below, unless it takes too long
				defer close(done)
				begin := time.Now()
				e := form.Check(&llm.Choice{Finish: llm.FinishStop, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}})
				t.Logf("%v: %.100v", time.Since(begin), e)
			}()
			select {
			case <-done:
			case <-time.After(30 * time.Second): // fifty times what it may take
				t.Error("the check does not end")
			}
		})
	}
	numbers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d,", i)
		}
		return "[" + strings.TrimSuffix(b.String(), ",") + "]"
	}
	nested := `{"type":"integer"}`
	for range 25 {
		nested = `{"anyOf":[` + nested + `]}`
	}
	f("alternatives within each other", nested, `"x"`)
	chain := `{"$defs":{`
	for i := range 60 {
		chain += fmt.Sprintf(`"a%d":{"oneOf":[{"$ref":"#/$defs/a%d"}]},`, i, i+1)
	}
	f("a chain of alternatives", chain+`"a60":{"type":"integer"}},"$ref":"#/$defs/a0"}`, `"x"`)
	f("a large enum for each item", `{"items":{"enum":`+numbers(30_000)+`}}`, "["+strings.Repeat("29999,", 40_000)+"1]")
	f("a large constant, often", `{"$defs":{"c":{"const":`+numbers(20_000)+`}},"allOf":[`+strings.Repeat(`{"$ref":"#/$defs/c"},`, 4000)+`true]}`, numbers(20_000))
	f("unique items, often", `{"allOf":[`+strings.Repeat(`{"uniqueItems":true},`, 5000)+`true]}`, numbers(90_000))
	f("length, often", `{"allOf":[`+strings.Repeat(`{"minLength":3},`, 5000)+`true]}`, `"`+strings.Repeat("ä", 2<<20)+`"`)
	f("a large pattern", `{"pattern":"^(([a-z]{1,30}[0-9]?){1,30}x?){1,900}$"}`, `"`+strings.Repeat("a", 2<<20)+`!"`)
	f("a pattern, often", `{"items":{"pattern":"([a-z]+x)+([a-y]{1,40}){1,20}!"}}`, `[`+strings.Repeat(`"`+strings.Repeat("ab", 100)+`",`, 10_000)+`"a"]`)
	f("names against patterns", `{"patternProperties":{"([a-z]+x)+([a-y]{1,40}){1,20}!":true}}`, `{"`+strings.Repeat("ab", 1<<20)+`":1}`)
	f("many names, often", `{"allOf":[`+strings.Repeat(`{"minProperties":1,"additionalProperties":{}},`, 1500)+`true]}`, `{"`+strings.ReplaceAll(strings.Trim(numbers(30_000), "[]"), ",", `":1,"`)+`":1}`)
	f("many names that are missing", `{"items":{"required":["`+strings.ReplaceAll(strings.Trim(numbers(20_000), "[]"), ",", `","`)+`"]}}`, `[`+strings.Repeat(`{},`, 40_000)+`{}]`)
	f("many large patterns", `{"anyOf":[`+strings.Repeat(`{"pattern":"(a{1000}){900}"},`, 5000)+`true]}`, `"a"`)
	f("alternatives with large enums", `{"$defs":{"c":{"enum":[`+numbers(20_000)+`]}},"anyOf":[`+strings.Repeat(`{"$ref":"#/$defs/c"},`, 4000)+`false]}`, strings.Replace(numbers(20_000), "19999", "1", 1))
	f("many schemas", `{"allOf":[`+strings.Repeat(`{},`, 80_000)+`true]}`, `1`)
	f("a large schema", `{"properties":{`+strings.Repeat(`"p":{"type":"object","properties":{"q":{"$ref":"#"}}},`, 4000)+`"z":{}}}`, `{"p":{"q":{}}}`)
}

package openai

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// parse reads a request that must be good.
func parse(t *testing.T, op llm.Op, body string) Request {
	t.Helper()
	r, err := ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want Request) {
		t.Helper()
		got := parse(t, op, body)
		got = Request{Request: got.Request}
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
	f(llm.OpChat, `{"model":"m"}`, Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpChat, " \n{\t\"mod\\u0065l\" : \"\\u006d\" , \"x\":{\"x\":1,\"x\":2}}\r\n", Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpChat, `{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1},"n":3.0,"max_tokens":1e3,
		"max_completion_tokens":50,"user":"u\n","service_tier":"flex"}`,
		Request{Request: wire.Request{Model: "m", Stream: true, Choices: 3, MaxTokens: 50, User: "u\n", ServiceTier: "flex", IncludeUsage: true}})
	f(llm.OpChat, `{"model":"m","stream":null,"stream_options":null,"n":null,"max_tokens":null,"user":null,"service_tier":null}`,
		Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpChat, `{"model":"m","safety_identifier":"s"}`, Request{Request: wire.Request{Model: "m", Choices: 1, User: "s"}})
	f(llm.OpChat, `{"model":"m","safety_identifier":"s","user":"u"}`, Request{Request: wire.Request{Model: "m", Choices: 1, User: "u"}})
	f(llm.OpChat, `{"model":"m","max_tokens":-1}`, Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpChat, `{"model":"m","max_tokens":7,"max_completion_tokens":null}`, Request{Request: wire.Request{Model: "m", Choices: 1, MaxTokens: 7}})
	f(llm.OpChat, `{"model":"m","prompt":{"id":"p"},"input":7}`, Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpCompletion, `{"model":"m","prompt":"abc","n":2}`, Request{Request: wire.Request{Model: "m", Choices: 2, InputBytes: 3}})
	f(llm.OpCompletion, `{"model":"m","prompt":["abc","de"],"n":2}`, Request{Request: wire.Request{Model: "m", Choices: 4, InputBytes: 5}})
	f(llm.OpCompletion, `{"model":"m","prompt":[1,2,3]}`, Request{Request: wire.Request{Model: "m", Choices: 1, InputBytes: 12}})
	f(llm.OpCompletion, `{"model":"m","prompt":[[1,2,3],[4]]}`, Request{Request: wire.Request{Model: "m", Choices: 2, InputBytes: 16}})
	f(llm.OpCompletion, `{"model":"m","prompt":null}`, Request{Request: wire.Request{Model: "m", Choices: 1}})
	f(llm.OpEmbedding, `{"model":"m","input":"abc"}`, Request{Request: wire.Request{Model: "m", Choices: 1, Inputs: 1, InputBytes: 3}})
	f(llm.OpEmbedding, `{"model":"m","input":["abc","de",""]}`, Request{Request: wire.Request{Model: "m", Choices: 1, Inputs: 3, InputBytes: 5}})
	f(llm.OpEmbedding, `{"model":"m","input":[1,2]}`, Request{Request: wire.Request{Model: "m", Choices: 1, Inputs: 1, InputBytes: 8}})
	f(llm.OpEmbedding, `{"model":"m","input":[[1,2],[3]]}`, Request{Request: wire.Request{Model: "m", Choices: 1, Inputs: 2, InputBytes: 12}})
	f(llm.OpEmbedding, `{"model":"m","input":[]}`, Request{Request: wire.Request{Model: "m", Choices: 1}})
}

func TestInputBytes(t *testing.T) {
	t.Parallel()
	f := func(messages string, want int) {
		t.Helper()
		if got := parse(t, llm.OpChat, `{"model":"m","messages":`+messages+`}`).InputBytes; got != want {
			t.Errorf("%s counts %d, want %d", messages, got, want)
		}
	}
	big := strings.Repeat("QUJD", 5000)
	f(`[]`, 0)
	f(`[{"role":"user","content":"hello"}]`, messageBytes+4+5)
	f(`[{"role":"user","content":"a\nb\u00e9"}]`, messageBytes+4+5)
	f(`[{"role":"user","content":"a"},{"role":"user","content":null}]`, 2*messageBytes+4+1+4)
	f(`[{"content":[{"text":"hello"},{"image_url":{"url":"data:image/png;base64,`+big+`"}}]}]`, messageBytes+5+mediaBytes)
	f(`[{"content":[{"image_url":{"url":"https://x/y.png"}}]}]`, messageBytes+mediaBytes)
	f(`[{"content":[{"input_audio":{"data":"`+big+`","format":"wav"}}]}]`, messageBytes+mediaBytes)
	f(`[{"content":"data:image/png;base64,`+big+`"}]`, messageBytes+mediaBytes)
	f(`[{"content":"data: not an address"}]`, messageBytes+20)
	f(`[{"tool_calls":[{"id":"i","function":{"name":"f","arguments":"{}"}}]}]`, messageBytes+1+1+2)

	r := parse(t, llm.OpChat, `{"model":"m","tools":[{"a":1}],"functions":[]}`)
	if r.InputBytes != len(`[{"a":1}]`)+2 {
		t.Errorf("tools count %d", r.InputBytes)
	}
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body, param, text string) {
		t.Helper()
		_, err := ParseRequest(op, []byte(body))
		if err == nil || err.Kind != llm.KindBadRequest || err.Param != param || !strings.Contains(err.Message, text) {
			t.Errorf("%.60s: error %+v, want param %q and %q", body, err, param, text)
		}
	}
	f(llm.OpChat, ``, "", "empty")
	f(llm.OpChat, "\n ", "", "empty")
	f(llm.OpChat, "\ufeff{}", "", "byte-order mark")
	f(llm.OpChat, `[]`, "", "is an array; it must be a JSON object")
	f(llm.OpChat, `null`, "", "is null")
	f(llm.OpChat, `"x"`, "", "is a string")
	f(llm.OpChat, `<html>`, "", "unexpected character '<'")
	f(llm.OpChat, `{"model":"m"`, "", "unexpected end")
	f(llm.OpChat, `{"model":"m"}}`, "", "unexpected character '}' in JSON at byte 13")
	f(llm.OpChat, `{"model":"m"} {}`, "", "not valid JSON")
	f(llm.OpChat, `{"model":"m","x":tru3}`, "", "not valid JSON")
	f(llm.OpChat, `{"model":"m","messages":[{"content":"a]}`, "", "not valid JSON")
	f(llm.OpChat, `{"model":"m","messages":[`+strings.Repeat("[", 600), "", "deeper than 512")
	f(llm.OpChat, `{}`, "model", "missing")
	f(llm.OpChat, `{"model":""}`, "model", "empty")
	f(llm.OpChat, `{"model":null}`, "model", "is null")
	f(llm.OpChat, `{"model":7}`, "model", "is a number")
	f(llm.OpChat, `{"model":"`+strings.Repeat("m", 513)+`"}`, "model", "513 bytes, which is over the limit of 512")
	f(llm.OpChat, `{"model":"m","stream":"true"}`, "stream", "must be a boolean")
	f(llm.OpChat, `{"model":"m","stream_options":[]}`, "stream_options", "must be an object")
	f(llm.OpChat, `{"model":"m","stream_options":{"include_usage":1}}`, "stream_options.include_usage", "must be a boolean")
	f(llm.OpChat, `{"model":"m","n":0}`, "n", "from 1 to")
	f(llm.OpChat, `{"model":"m","n":1.5}`, "n", "is 1.5; it must be a whole number")
	f(llm.OpChat, `{"model":"m","n":"1"}`, "n", "must be a whole number")
	f(llm.OpChat, `{"model":"m","n":1e9}`, "n", "from 1 to")
	f(llm.OpChat, `{"model":"m","max_tokens":true}`, "max_tokens", "must be a whole number")
	f(llm.OpChat, `{"model":"m","max_completion_tokens":1e99}`, "max_completion_tokens", "must be a whole number")
	f(llm.OpChat, `{"model":"m","user":7}`, "user", "must be a string")
	f(llm.OpChat, `{"model":"m","service_tier":[]}`, "service_tier", "must be a string")
	f(llm.OpChat, `{"model":"m","messages":{}}`, "messages", "must be an array")
	f(llm.OpCompletion, `{"model":"m","prompt":7}`, "prompt", "must be a string or an array")
	f(llm.OpCompletion, `{"model":"m","n":60000,"prompt":["a","b"]}`, "n", "over the limit of 65536")
	f(llm.OpEmbedding, `{"model":"m","input":7}`, "input", "must be a string or an array")
}

func TestTwiceNamedFieldsAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range fieldNames[1:] {
		value := map[string]string{
			"model": `"m"`, "stream": "true", "stream_options": "{}", "user": `"u"`, "service_tier": `"auto"`,
			"messages": "[]", "prompt": `"p"`, "input": `"i"`, "tools": "[]", "functions": "[]",
		}[name]
		if value == "" {
			value = "1"
		}
		escaped := strings.Replace(name, "e", `\u0065`, 1)
		for _, again := range []string{name, escaped, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			body := `{"` + name + `":` + value + `,"` + again + `":` + value + `}`
			_, err := ParseRequest(llm.OpChat, []byte(body))
			if err == nil || err.Param != name {
				t.Errorf("%s: error %v, want param %s", body, err, name)
			}
		}
	}
	for _, body := range []string{
		`{"model":"m","\u017ftream":true}`, // a long s, which encoding/json takes for an s
		`{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}`,
		`{"model":"m","stream_options":{"Include_Usage":true}}`,
	} {
		if _, err := ParseRequest(llm.OpChat, []byte(body)); err == nil {
			t.Errorf("%s is accepted", body)
		}
	}
}

func TestAppendUpstream(t *testing.T) {
	t.Parallel()
	f := func(body, model string, inject bool, want string) {
		t.Helper()
		r := parse(t, llm.OpChat, body)
		if got := string(r.AppendUpstream([]byte("<"), []byte(body), &wire.Change{Model: model, Usage: inject})); got != "<"+want {
			t.Errorf("%s, %q, %t:\n got %s\nwant <%s", body, model, inject, got, want)
		}
	}
	odd := " { \"x\":1.50e+3 ,\"x\":{\"a\":1,\"a\":2},\n\"model\"\t:\"m\" , \"y\":\"\\u0041\\/\"} \n"
	f(odd, "m", false, odd)
	f(odd, "other/\"m", false, strings.Replace(odd, `"m"`, `"other/\"m"`, 1))
	f(odd, "k", true, strings.Replace(strings.Replace(odd, `"m"`, `"k"`, 1), `"} `,
		`","stream_options":{"include_usage":true}} `, 1))
	f(`{"model":"\u006d"}`, "m", false, `{"model":"\u006d"}`)
	f(`{"model":"m"}`, "m", true, `{"model":"m","stream_options":{"include_usage":true}}`)
	f(`{"stream_options":{},"model":"m"}`, "k", true, `{"stream_options":{"include_usage":true},"model":"k"}`)
	f(`{"stream_options":{ },"model":"m"}`, "m", true, `{"stream_options":{"include_usage":true },"model":"m"}`)
	f(`{"model":"m","stream_options": {"a":1}}`, "k", true, `{"model":"k","stream_options": {"include_usage":true,"a":1}}`)
	f(`{"model":"m","stream_options":{"a":1,"include_usage": false }}`, "m", true,
		`{"model":"m","stream_options":{"a":1,"include_usage": true }}`)
	f(`{"stream_options":{"include_usage":null},"model":"m"}`, "k", true,
		`{"stream_options":{"include_usage":true},"model":"k"}`)
	f(`{"stream_options": null ,"model":"m"}`, "k", true, `{"stream_options": {"include_usage":true} ,"model":"k"}`)
	f(`{"stream_options":{"include_usage":true},"model":"m"}`, "m", true, `{"stream_options":{"include_usage":true},"model":"m"}`)
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"n":2}`,
		`{"stream_options":{"include_usage":false},"model":"\u006d","x":[1e3,{"a":1,"a":2}]}`,
		" {\"model\":\"m\",\"stream_options\": null}\n", `{"model":"m","stream_options":{"x":{}}}`,
		`{"model":"m","input":["a",[1]],"prompt":["x"],"max_tokens":1.0e1}`, `{"mod`, `[]`, "\ufeff{}", `{"model":7}`,
	} {
		f.Add([]byte(s), uint8(0), "other \"name\"")
	}
	f.Fuzz(func(t *testing.T, body []byte, op uint8, model string) {
		r, err := ParseRequest(llm.Op(op%3+1), body)
		if err != nil {
			if err.Kind != llm.KindBadRequest || err.Message == "" {
				t.Fatalf("error %+v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what is no JSON")
		}
		if got := r.AppendUpstream(nil, body, &wire.Change{Model: r.Model, Usage: false}); !bytes.Equal(got, body) {
			t.Fatalf("changed to %q", got)
		}
		if got := r.AppendUpstream(nil, body, &wire.Change{Model: r.Model, Usage: r.IncludeUsage}); !bytes.Equal(got, body) {
			t.Fatalf("changed to %q", got)
		}
		out := r.AppendUpstream(nil, body, &wire.Change{Model: model, Usage: true})
		var before, after map[string]any
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("no JSON: %q", out)
		}
		quoted, _ := json.Marshal(model)
		var wantModel string
		if json.Unmarshal(quoted, &wantModel) != nil {
			t.Fatalf("no JSON: %q", quoted)
		}
		if model == "" { // leaves the client's
			wantModel, _ = before["model"].(string)
		}
		if model != r.Model && after["model"] != wantModel {
			t.Fatalf("model is %q, want %q", after["model"], wantModel)
		}
		options, _ := before["stream_options"].(map[string]any)
		if options == nil {
			options = map[string]any{}
		}
		options["include_usage"] = true
		before["stream_options"], before["model"] = options, after["model"]
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}

func requestBody(size int) []byte {
	return []byte(`{"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"` +
		strings.Repeat(`The quick brown fox jumps over the \"lazy\" dog.\n`, size/50) +
		`"}],"temperature":0.7,"stream":true,"max_tokens":256,"model":"gpt-4o"}`)
}

func TestParseRequestAllocatesOnlyTheModel(t *testing.T) {
	body, dst := requestBody(10<<10), make([]byte, 0, 12<<10)
	n := testing.AllocsPerRun(100, func() {
		r, err := ParseRequest(llm.OpChat, body)
		if err != nil {
			t.Fatal(err)
		}
		dst = r.AppendUpstream(dst[:0], body, &wire.Change{Model: "gpt-4o-mini", Usage: true})
	})
	if n > 1 {
		t.Errorf("%v allocations, want only the model's name", n)
	}
}

func benchmarkRequest(b *testing.B, size int) {
	body, dst := requestBody(size), make([]byte, 0, size+1024)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := ParseRequest(llm.OpChat, body)
		if err != nil {
			b.Fatal(err)
		}
		dst = r.AppendUpstream(dst[:0], body, &wire.Change{Model: "gpt-4o-mini", Usage: true})
	}
}

func BenchmarkRequest300B(b *testing.B) { benchmarkRequest(b, 200) }
func BenchmarkRequest10KB(b *testing.B) { benchmarkRequest(b, 10<<10) }

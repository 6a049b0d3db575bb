package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

func TestFold(t *testing.T) {
	t.Parallel()
	f := func(name, want string, data ...string) {
		t.Helper()
		fold := NewFold(llm.OpChat)
		for _, one := range append(data, "[DONE]") {
			b := []byte(one)
			fold.Add(nil, b)
			for i := range b {
				b[i] = 'x' // it was valid during the call
			}
		}
		if got, ok := fold.Append(nil); !ok || string(got) != want {
			t.Errorf("%s: %t\n got %s\nwant %s", name, ok, got, want)
		}
	}
	choice := func(delta string) string { return `{"choices":[{"index":0,"delta":` + delta + `}]}` }
	whole := func(message string) string {
		return `{"choices":[{"index":0,"message":` + message + `,"finish_reason":null}]}`
	}
	f("unknown members and numbers as written",
		`{"id":"c","new":{"a":[1.00,1e3]},"created":17.50,"choices":[{"index":0,"odd":2.0,"message":{"role":"assistant","content":"a\u00e9","x":{"y":1}},"finish_reason":"stop"}],"object":"chat.completion","usage":{"prompt_tokens":1.0,"new":null}}`,
		`{"id":"c","new":{"a":[1.00,1e3]},"created":17.50,"choices":[{"index":0,"odd":1,"delta":{"role":"assistant","content":"a"}}],"obfuscation":"zz"}`,
		`{"id":"d","object":"chat.completion.chunk","created":18,"choices":[{"index":0,"odd":2.0,"delta":{"content":"\u00e9","x":{"y":1}},"finish_reason":""}],"usage":null}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"choices":[],"usage":{"prompt_tokens":1.0,"new":null}}`)
	f("a surrogate pair in two chunks", whole(`{"role":"assistant","content":"\ud83d\ude00"}`), choice(`{"content":"\ud83d"}`), choice(`{"content":"\ude00"}`))
	f("no content", whole(`{"role":"assistant","content":null}`), choice(`{"role":"assistant","content":null}`), choice(`{}`))
	f("empty content", whole(`{"role":"assistant","content":""}`), choice(`{"role":"assistant","content":""}`), choice(`{}`))
	f("refusal", whole(`{"role":"assistant","content":null,"refusal":"no!"}`), choice(`{"role":"assistant","content":"","refusal":null}`),
		choice(`{"refusal":"no"}`), choice(`{"refusal":"!"}`))
	f("parallel calls", whole(`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},`+
		`{"id":"b","type":"function","function":{"name":"g","arguments":"{}"},"extra_content":{"z":2}}]}`),
		choice(`{"content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}`),
		choice(`{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}},{"index":0,"function":{"arguments":"{\"x\":"}}]}`),
		choice(`{"tool_calls":[{"index":0,"id":null,"function":{"name":null,"arguments":"1}"}},{"index":1,"id":"","function":{"name":"","arguments":"}"},"extra_content":{"z":2}}]}`))
	f("calls without index", whole(`{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":{"x": 1}}}]}`),
		choice(`{"tool_calls":[{"function":{"name":"f","arguments":"{"}}]}`), choice(`{"tool_calls":[{"function":{"arguments":"}"}}]}`),
		choice(`{"tool_calls":[{"function":{"name":"f","arguments":{"x": 1}}}]}`))
	f("function_call", whole(`{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}`),
		choice(`{"function_call":{"name":"f","arguments":""}}`), choice(`{"function_call":{"arguments":"{}"}}`))
	f("audio", whole(`{"role":"assistant","content":null,"audio":{"id":"a","data":"aGVsbG8=","transcript":"hi","expires_at":7}}`),
		choice(`{"audio":{"id":"a","data":"aGU=","transcript":"h"}}`), choice(`{"audio":{"data":"bGxv","transcript":"i"}}`), choice(`{"audio":{"expires_at":7}}`))
	f("lists", `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"annotations":[1, 2,3]},"logprobs":{"content":[{"a":1},{"b":2}],"refusal":null},"finish_reason":null}]}`,
		`{"choices":[{"index":0,"delta":{"annotations":[1, 2]},"logprobs":{"content":[{"a":1}],"refusal":null}}]}`,
		`{"choices":[{"index":0,"delta":{"annotations":[ ]},"logprobs":null}]}`,
		`{"choices":[{"index":0,"delta":{"annotations":[3]},"logprobs":{"content":[{"b":2}],"refusal":null}}]}`)
	f("reasoning_details", whole(`{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.text","text":"ab","index":0,"signature":"s"},{"type":"reasoning.encrypted","data":"x","index":1}]}`),
		choice(`{"reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`), choice(`{"reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}`),
		choice(`{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0},{"type":"reasoning.encrypted","data":"x","index":1}]}`))
	f("parts (Mistral)", whole(`{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"thinking","thinking":[{"type":"text","text":"bc"}],"closed":true},{"type":"text","text":"de"}]}`),
		choice(`{"content":"a"}`), choice(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"b"}]}]}`),
		choice(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"c"}],"closed":true}]}`), choice(`{"content":"d"}`), choice(`{"content":["e"]}`))
	f("all so far as message (Perplexity)", whole(`{"role":"assistant","content":"hi"}`),
		`{"choices":[{"index":0,"message":{"role":"assistant","content":"h"},"delta":{"role":"assistant","content":"h"}}]}`,
		`{"choices":[{"delta":{"content":"i"},"message":{"content":"hi"}}]}`)
	f("choices in any order", `{"choices":[{"index":0,"message":{"role":"assistant","content":"b"},"finish_reason":null},{"index":1,"message":{"role":"assistant","content":"ac"},"finish_reason":"stop"}]}`,
		`{"choices":[{"delta":{"content":"a"},"index":1},{"delta":{"content":"b"},"index":0}]}`, `{"choices":[{"delta":{"content":"c"},"finish_reason":"stop","index":1}]}`)
	f("usage of Groq", `{"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":null}],"x_groq":{"id":"r"},"usage":{"n":1}}`,
		choice(`{}`), `{"x_groq":{"id":"r"}}`, `{"x_groq":{"usage":{"n":1}}}`)
}

// TestFoldRefuses holds that what does not add up is told.
func TestFoldRefuses(t *testing.T) {
	t.Parallel()
	f := func(want bool, name string, data ...string) {
		t.Helper()
		fold := NewFold(llm.OpChat)
		for _, one := range data {
			fold.Add([]byte(name), []byte(one))
		}
		if _, ok := fold.Append(nil); ok != want {
			t.Errorf("%q: %t, want %t", data, ok, want)
		}
	}
	f(false, "")
	f(false, "", `{"id":"x","choices":[]}`)
	f(false, "", stopChunk, `{"choices":[{"delta":{"content":"a`)
	f(false, "", stopChunk, `7`)
	f(true, "own", stopChunk, `7`)
	f(false, "", `{"choices":[`+strings.Repeat(`{},`, maxTrails)+`{}]}`)
	f(false, "", `{"choices":[{"delta":{"tool_calls":[`+strings.Repeat(`{"function":{"name":"f","arguments":"{}"}},`, maxCalls)+`{"function":{"name":"f"}}]}}]}`)
}

func TestFoldDoesNotAllocate(t *testing.T) {
	data := []byte(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}],"usage":null}`)
	fold := NewFold(llm.OpChat)
	if n := testing.AllocsPerRun(5000, func() { fold.Add(nil, data) }); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func BenchmarkFold(b *testing.B) {
	_, data, _ := bytes.Cut([]byte(strings.TrimSpace(sampleChunk)), []byte("data: "))
	fold := NewFold(llm.OpChat)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		fold.Add(nil, data)
		if n++; n == 10_000 { // an answer of that many tokens
			fold, n = NewFold(llm.OpChat), 0
		}
	}
}

// FuzzFold holds that a fold of anything is JSON, and that what a follower lets through adds up unless there is no choice.
func FuzzFold(f *testing.F) {
	for _, s := range []string{
		roleChunk, textChunk, stopChunk, lastChunk, "[DONE]", `{"choices":[{"delta":{"content":[{"type":"text","text":"a"},"b"]}}]}`,
		`{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{}}}]}}]}`, `{"choices":[{"delta":{"audio":{"data":"aa=="}}}]}`,
		`{"choices":[{"message":{"content":"a"},"delta":{"reasoning_details":[{"text":"b","index":1}]}}],"x_groq":{"usage":{}}}`, `{"choices":[{"te\u0078t":"a"}]}`,
		`{"choices":[{"delta":{"content":`, `{"choices":[{"logprobs":{"content":[1]}}]}`,
	} {
		f.Add([]byte(s), []byte(textChunk))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		for _, op := range []llm.Op{llm.OpChat, llm.OpCompletion} {
			fold := NewFold(op)
			for _, data := range [][]byte{one, two, one} {
				fold.Add(nil, data)
			}
			got, ok := fold.Append(nil)
			if ok && (!json.Valid(got) || !wire.Valid(got)) {
				t.Fatalf("%q, %q: %s", one, two, got)
			}
		}
	})
}

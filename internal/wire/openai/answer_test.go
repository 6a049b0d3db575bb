package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

const chatAnswer = `{"id":"c","object":"chat.completion","model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant",` +
	`"content":"Hello\n","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
	`"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`

func TestScanAnswer(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, complete bool, usage llm.Usage, model string, size int) {
		t.Helper()
		a, err := ScanAnswer(op, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if a.Complete != complete || a.Usage != usage || a.HasUsage != (usage != llm.Usage{}) || a.OutputBytes != size ||
			string(a.Model.Of([]byte(body))) != model {
			t.Errorf("%s: %+v", body, a)
		}
	}
	used := llm.Usage{Input: 10, Output: 5}
	none := llm.Usage{}
	f(llm.OpChat, chatAnswer, true, used, `"gpt-4o-2024"`, 9)
	f(llm.OpChat, "\n\n \r\n"+chatAnswer+"\n", true, used, `"gpt-4o-2024"`, 9)
	f(llm.OpChat, strings.Replace(chatAnswer, `"stop"`, `null`, 1), false, used, `"gpt-4o-2024"`, 9)
	f(llm.OpChat, strings.Replace(chatAnswer, `"stop"`, `""`, 1), false, used, `"gpt-4o-2024"`, 9)
	f(llm.OpChat, `{"error":null,"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}`, true, none, "", 0)
	f(llm.OpChat, `{"choices":[{"finish_reason":"stop"},{}]}`, false, none, "", 0)
	f(llm.OpChat, `{"choices":[],"model":null}`, false, none, "", 0)
	f(llm.OpChat, `{"choices":null}`, false, none, "", 0)
	f(llm.OpChat, `{}`, false, none, "", 0)
	f(llm.OpCompletion, `{"choices":[{"text":"abc","finish_reason":"stop"}],"model":"m"}`, true, none, `"m"`, 3)
	f(llm.OpEmbedding, `{"data":[],"model":"e","usage":{"prompt_tokens":9223372036854775807,"total_tokens":9223372036854775807}}`,
		true, llm.Usage{}, `"e"`, 0)
	f(llm.OpEmbedding, `{"object":"list","data":[{"embedding":[0.1,-2e-5]}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		true, llm.Usage{Input: 7}, `"e"`, 0)
	f(llm.OpEmbedding, `{"object":"list","model":"e"}`, false, none, `"e"`, 0)
}

func TestScanAnswerRefuses(t *testing.T) {
	t.Parallel()
	f := func(body string, kind llm.Kind, text string) {
		t.Helper()
		_, err := ScanAnswer(llm.OpChat, []byte(body))
		if err == nil || err.Kind != kind || !strings.Contains(err.Message, text) {
			t.Errorf("%s: error %+v, want %v and %q", body, err, kind, text)
		}
	}
	f(``, llm.KindBadAnswer, "empty")
	f("\n\n", llm.KindBadAnswer, "empty")
	f(`[]`, llm.KindBadAnswer, "is an array")
	f(`"x"`, llm.KindBadAnswer, "is a string")
	f(`<html><title>Sign in</title></html>`, llm.KindBadAnswer, "an HTML page: Sign in")
	f(chatAnswer[:len(chatAnswer)-1], llm.KindBadAnswer, "unexpected end")
	f(chatAnswer+"x", llm.KindBadAnswer, "unexpected character 'x'")
	f(`{"error":{"code":429,"message":"slow"}}`, llm.KindRateLimited, "slow")
	f(`{"error":"boom"}`, llm.KindProviderStream, "boom")
	f(`{"object":"error","message":"boom"}`, llm.KindProviderStream, "boom")
	f(`[{"error":{"code":503,"message":"busy"}}]`, llm.KindOverloaded, "busy")
	f(`{"choices":[{"finish_reason":"error"}]}`, llm.KindProviderStream, "")
}

func TestAppendAnswer(t *testing.T) {
	t.Parallel()
	f := func(body, model, want string) {
		t.Helper()
		a, err := ScanAnswer(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(a.AppendAnswer([]byte("<"), []byte(body), model)); got != "<"+want {
			t.Errorf("got %s, want <%s", got, want)
		}
	}
	f(" {\"x\" :1e3, \"model\": \"m\" } ", `a"b`, " {\"x\" :1e3, \"model\": \"a\\\"b\" } ")
	f(`{"model":"\u006d"}`, "m", `{"model":"\u006d"}`)
	f(`{"choices":[]}`, "m", `{"choices":[]}`)
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{chatAnswer, `{"data":[1.5,-2e3],"model":"e"}`, `{"error":{"code":"x"}}`, `[{"error":1}]`, "\n", `{"choices":[{`} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, body []byte, op uint8) {
		a, err := ScanAnswer(llm.Op(op%3+1), body)
		if err != nil {
			if err.Kind == llm.KindNone || err.Message == "" {
				t.Fatalf("error %+v", err)
			}
			return
		}
		out := a.AppendAnswer(nil, body, "q")
		if !json.Valid(body) || !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		if a.Model.Len() > 0 {
			var v struct{ Model any }
			again, err := ScanAnswer(llm.OpChat, out)
			if json.Unmarshal(out, &v) != nil || err == nil && !wire.EqualString(again.Model.Of(out), "q") {
				t.Fatalf("%q became %q", body, out)
			}
		}
		if a.Usage.Input < a.Usage.CachedInput || a.Usage.Output < a.Usage.Reasoning || a.OutputBytes < 0 {
			t.Fatalf("usage %+v, %d bytes", a.Usage, a.OutputBytes)
		}
	})
}

func TestScanAnswerDoesNotAllocate(t *testing.T) {
	body, dst := []byte(chatAnswer), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		a, err := ScanAnswer(llm.OpChat, body)
		if err != nil {
			t.Fatal(err)
		}
		dst = a.AppendAnswer(dst[:0], body, "public")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAnswer(b *testing.B) {
	body := []byte(chatAnswer)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ScanAnswer(llm.OpChat, body); err != nil {
			b.Fatal(err)
		}
	}
}

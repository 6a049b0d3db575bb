package anthropic

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want wire.Request) {
		t.Helper()
		r, err := ParseRequest(op, []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		want.Choices = 1
		if d := cmp.Diff(want, r.Request); d != "" {
			t.Errorf("%s: (-want +got):\n%s", body, d)
		}
	}
	f(llm.OpChat, `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}`, wire.Request{Model: "m", MaxTokens: 5, InputBytes: 21})
	f(llm.OpChat, ` {"max_tokens":0,"model":"\u006d","stream":true,"metadata":{"user_id":"u","x":1},"service_tier":"standard_only","messages":[]} `,
		wire.Request{Model: "m", Stream: true, User: "u", ServiceTier: "default"})
	f(llm.OpChat, `{"model":"m","max_tokens":1e3,"stream":null,"metadata":null,"service_tier":"auto","system":"abc"}`,
		wire.Request{Model: "m", MaxTokens: 1000, ServiceTier: "auto", InputBytes: 3})
	f(llm.OpCountTokens, `{"model":"m","system":[{"type":"text","text":"abc"}],"tools":[{"name":"f"}]}`, wire.Request{Model: "m", InputBytes: 7 + len(`[{"name":"f"}]`)})
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	f := func(body, param, message string) {
		t.Helper()
		_, err := ParseRequest(llm.OpChat, []byte(body))
		if err == nil || err.Kind != llm.KindBadRequest || err.Param != param || !strings.Contains(err.Message, message) {
			t.Errorf("%s: %+v, want param %q, message with %q", body, err, param, message)
		}
	}
	f("", "", "empty")
	f("\xef\xbb\xbf{}", "", "byte-order mark")
	f("[]", "", "an array")
	f("nope", "", "not valid JSON")
	f(`{"model":"m","max_tokens":1} x`, "", "not valid JSON")
	f(`{"max_tokens":1}`, "model", "model: Field required")
	f(`{"model":"m"}`, "max_tokens", "max_tokens: Field required")
	f(`{"model":"m","max_tokens":null}`, "max_tokens", "null")
	f(`{"model":"m","max_tokens":-1}`, "max_tokens", "-1")
	f(`{"model":"m","max_tokens":1.5}`, "max_tokens", "1.5")
	f(`{"model":"m","max_tokens":"1"}`, "max_tokens", "a string")
	f(`{"model":1,"max_tokens":1}`, "model", "a number")
	f(`{"model":"","max_tokens":1}`, "model", "empty")
	f(`{"model":"`+strings.Repeat("x", 513)+`","max_tokens":1}`, "model", "512")
	f(`{"model":"m","max_tokens":1,"stream":"true"}`, "stream", "a string")
	f(`{"model":"m","max_tokens":1,"messages":{}}`, "messages", "an object")
	f(`{"model":"m","max_tokens":1,"metadata":[]}`, "metadata", "an array")
	f(`{"model":"m","max_tokens":1,"metadata":{"user_id":1}}`, "metadata.user_id", "a number")
	f(`{"model":"m","max_tokens":1,"metadata":{"user_id":"a","user_id":"b"}}`, "metadata.user_id", "twice")
	f(`{"model":"m","max_tokens":1,"metadata":{"USER_ID":"a"}}`, "metadata.user_id", "another case")
	f(`{"model":"m","max_tokens":1,"model":"n"}`, "model", "twice")
	f(`{"model":"m","max_tokens":1,"\u006dodel":"n"}`, "model", "twice")
	f(`{"model":"m","max_tokens":1,"Model":"n"}`, "model", "another case")
	f(`{"model":"m","max_tokens":1,"messages":[],"messages":[]}`, "messages", "twice")
	f(`{"model":"m","max_tokens":1,"messages":[{"content":[{]}`, "", "not valid JSON")
	f(`{"model":"m","max_tokens":1,"service_tier":5}`, "service_tier", "a number")
}

// TestMediaAreNotText: what stands in base64 is no text, whatever the order of the members.
func TestMediaAreNotText(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("QUJD", 100_000) // 300 kB
	f := func(block string, bytes int, media int64) {
		t.Helper()
		body := `{"model":"m","max_tokens":1,"messages":[{"content":[` + block + `],"role":"user"}]}`
		r, err := ParseRequest(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.InputBytes > bytes || r.InputBytes < bytes-60 || r.MediaTokens != media {
			t.Errorf("%.80s: %d bytes, %d media tokens; want about %d, %d", block, r.InputBytes, r.MediaTokens, bytes, media)
		}
	}
	f(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+data+`"}}`, 60, 1600)
	f(`{"source":{"data":"`+data+`","type":"base64"},"type":"image"}`, 60, 1600)
	f(`{"type":"image","source":{"type":"base64","data":"QUJD"}}`, 60, 100)
	f(`{"type":"image","source":{"type":"url","url":"https://x.example/i.png"}}`, 90, 1600)
	f(`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"`+data+`"}}`, 60, 6*2500)
	f(`{"type":"document","source":{"type":"file","file_id":"f"}}`, 60, 10_000)
	f(`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"`+data+`"}}`, 400_060, 0)
	f(`{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"base64","data":"`+data+`"}},{"type":"text","text":"abc"}]}}`, 60, 1600)
	f(`{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","data":"`+data+`"}}]}`, 60, 1600)
	f(`{"type":"thinking","thinking":"abc","signature":"`+data+`"}`, 60, 0)
}

func TestAppendUpstream(t *testing.T) {
	t.Parallel()
	f := func(body string, c wire.Change, want string) {
		t.Helper()
		r, err := ParseRequest(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.AppendUpstream([]byte("x"), []byte(body), &c)); got != "x"+want {
			t.Errorf("%s:\n got %s\nwant x%s", body, got, want)
		}
	}
	body := ` {"unknown" : [1.0, {"é":"\u00e9"}], "model" : "a", "max_tokens":1, "stream":true }`
	f(body, wire.Change{}, body)
	f(body, wire.Change{Model: "a", Usage: true}, body)
	f(body, wire.Change{Model: `b"`}, strings.Replace(body, `"a"`, `"b\""`, 1))
	// Bedrock and Vertex: the model and the stream stand in the path, the version in the body.
	f(body, wire.Change{Model: "b", NoModel: true, Drop: []string{"stream"}, Set: []llm.Member{{Name: "anthropic_version", Value: `"bedrock-2023-05-31"`}}},
		`{"unknown" : [1.0, {"é":"\u00e9"}],"max_tokens":1,"anthropic_version":"bedrock-2023-05-31"}`)
}

// TestForeignThinkingStaysHere: what another provider signed, or nobody, is not sent to one that would refuse it.
func TestForeignThinkingStaysHere(t *testing.T) {
	t.Parallel()
	const (
		own      = `{"type":"thinking","thinking":"a","signature":"EqQB"}`
		unsigned = `{"signature":"","type":"thinking","thinking":"b"}`
		sealed   = `{"type":"thinking","thinking":"c","signature":"sluice:gemini:xyz"}`
		redacted = `{"type":"redacted_thinking","data":"sluice+:gemini:xyz"}`
		ownRed   = `{"type":"redacted_thinking","data":"EmwK"}`
		text     = `{"type":"text","text":"d"}`
	)
	f := func(in, want string) {
		t.Helper()
		wrap := func(messages string) string { return `{"messages": [` + messages + `] ,"max_tokens":1,"model":"a"}` }
		body := wrap(in)
		r, err := ParseRequest(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got := r.AppendUpstream(nil, []byte(body), &wire.Change{Model: "b"})
		if w := strings.Replace(wrap(want), `"a"}`, `"b"}`, 1); string(got) != w {
			t.Errorf("%s:\n got %s\nwant %s", in, got, w)
		}
	}
	msg := func(blocks ...string) string {
		return `{"role":"assistant","content":[` + strings.Join(blocks, ", ") + `]}`
	}
	user := `{"role":"user","content":"hi"}`
	f(msg(own, ownRed, text), msg(own, ownRed, text))
	f(msg(unsigned, text), msg(text))
	f(msg(unsigned, sealed, text, redacted), msg(text))
	f(msg(own, sealed, redacted, text), msg(own, text))
	f(msg(text, redacted, unsigned, text, redacted), msg(text, text))
	f(user+" , "+msg(unsigned)+","+user, user+","+user)
	f(msg(unsigned, redacted)+", "+user+","+msg(text), user+","+msg(text))
	f(user+","+msg(unsigned, text)+","+msg(sealed)+","+msg(redacted, text), user+","+msg(text)+","+msg(text))
	cited := func(citation string) string { return `{"type":"text","citations":[` + citation + `],"text":"e"}` }
	const web, place = `{"type":"web_search_result_location","encrypted_index":""}`, `{"type":"char_location","end_char_index":0}`
	f(msg(cited(web), text), msg(`{"type":"text","text":"e"}`, text))
	f(msg(unsigned, cited(place)), msg(`{"type":"text","text":"e"}`))
	f(msg(`{"citations":[`+web+`],"type":"text"}`), msg(`{"type":"text"}`))
	f(msg(cited(`{"encrypted_index":"Eo8"},{"end_char_index":10}`)), msg(cited(`{"encrypted_index":"Eo8"},{"end_char_index":10}`)))
	f(msg(`{"type":"thinking","citations":[`+web+`],"signature":""}`, text), msg(text))
	f(`{"role":"assistant","content":[]}`, `{"role":"assistant","content":[]}`)
	f(`{"role":"assistant","content":[{"type":"thinking","thinking":"x"}]}`, `{"role":"assistant","content":[{"type":"thinking","thinking":"x"}]}`)
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"QQ=="}}]}]}`))
	f.Add([]byte(`{"messages":[{"content":[{"type":"thinking","signature":""},{"type":"text"}]},{"content":[{"type":"redacted_thinking","data":"sluice+:x"}]}],"model":"m","max_tokens":1,"system":"x","tools":[]}`))
	f.Add([]byte(`{"messages":[{"content":[{"type":"thinking","signature":"","citations":[{"encrypted_index":""}]},{"citations":[{"end_char_index":0}],"text":"x"}]}],"model":"m","max_tokens":1}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"metadata":{"user_id":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequest(llm.OpChat, body)
		if err != nil {
			if err.Kind != llm.KindBadRequest {
				t.Fatalf("kind %v", err.Kind)
			}
			return
		}
		out := r.AppendUpstream(nil, body, &wire.Change{Model: "another"})
		again, err := ParseRequest(llm.OpChat, out)
		if err != nil || again.Model != "another" || len(again.cuts) != 0 {
			t.Fatalf("%q was changed to %q: %v", body, out, err)
		}
		if _, err := ReadChat(llm.OpChat, out); err != nil && err.Kind != llm.KindBadRequest {
			t.Fatalf("kind %v", err.Kind)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	text := strconv.Quote(strings.Repeat("some words of a prompt ", 200))
	image := base64.StdEncoding.EncodeToString(make([]byte, 64<<10))
	body := []byte(`{"model":"m","max_tokens":5,"system":` + text + `,"messages":[{"role":"user","content":[{"type":"text","text":` + text +
		`},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + image + `"}}]}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(llm.OpChat, body); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNoThinking checks that a change to another model leaves thinking out of earlier turns, and nothing else.
func TestNoThinking(t *testing.T) {
	t.Parallel()
	f := func(content, want string) {
		t.Helper()
		body := func(content string) string {
			return `{"model":"a", "max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":` + content + `},{"role":"user","content":"y"}]}`
		}
		r, e := ParseRequest(llm.OpChat, []byte(body(content)))
		if e != nil {
			t.Fatal(e)
		}
		if got := string(r.AppendUpstream(nil, []byte(body(content)), &wire.Change{})); got != body(content) {
			t.Errorf("for its own model %s", got)
		}
		if got := string(r.AppendUpstream(nil, []byte(body(content)), &wire.Change{NoThinking: true})); got != body(want) {
			t.Errorf("got  %s\nwant %s", got, body(want))
		}
	}
	f(`"plain"`, `"plain"`)
	f(`[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"t", "odd":1e2}]`, `[{"type":"text","text":"t", "odd":1e2}]`)
	f(`[{"type":"redacted_thinking","data":"d"},{"type":"tool_use","id":"i","name":"n","input":{"thinking":1}}]`, `[{"type":"tool_use","id":"i","name":"n","input":{"thinking":1}}]`)
	f(`[{"type":"text","text":"t"},{"type":"thinking","thinking":"hm","signature":"s"}]`, `[{"type":"text","text":"t"}]`)
}

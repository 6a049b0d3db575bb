package openai

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

// TestClientRequests reads what the client words with the server's end of the protocol.
func TestClientRequests(t *testing.T) {
	t.Parallel()
	talk := []llm.Message{{Role: "system", Text: "Be \"brief\".\n"}, {Role: "user", Text: "héllo"}}
	t.Run("chat", func(t *testing.T) {
		t.Parallel()
		p := llm.Prompt{Op: llm.OpChat, Model: "m", Messages: talk, Output: 50, Exact: true, Stream: true, Schema: `{"type":"object"}`, Tools: []llm.Tool{
			{Name: "f", Description: "does", Parameters: `{"type":"object"}`}, {Name: "g"},
		}}
		r, err := DecodeChat(Client{}.AppendRequest(nil, &p))
		if err != nil {
			t.Fatal(err)
		}
		if r.Model != "m" || !r.Stream || !r.IncludeUsage || r.MaxTokens != 50 || r.OldMaxTokens || r.MinTokens != 50 || !r.IgnoreEOS {
			t.Errorf("%+v", r)
		}
		if len(r.Messages) != 2 || r.Messages[0].Text != talk[0].Text || r.Messages[1].Text != talk[1].Text || r.Messages[1].Role != "user" {
			t.Errorf("messages %+v", r.Messages)
		}
		if len(r.Tools) != 2 || r.Tools[0].Name != "f" || string(r.Tools[0].Parameters) != `{"type":"object"}` || r.Format.Type != "json_schema" || r.Format.Name == "" {
			t.Errorf("tools %+v, format %+v", r.Tools, r.Format)
		}
	})
	t.Run("old limit", func(t *testing.T) {
		t.Parallel()
		r, err := DecodeChat(Client{OldMaxTokens: true}.AppendRequest(nil, &llm.Prompt{Op: llm.OpChat, Model: "m", Messages: talk, Output: 50}))
		if err != nil || r.MaxTokens != 50 || !r.OldMaxTokens || r.Stream || r.IgnoreEOS || r.Tools != nil || r.Format.Type != "" {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("completion", func(t *testing.T) {
		t.Parallel()
		r, err := DecodeCompletion(Client{}.AppendRequest(nil, &llm.Prompt{Op: llm.OpCompletion, Model: "m", Messages: talk[1:], Output: 5, Stream: true}))
		if err != nil || len(r.Prompts) != 1 || r.Prompts[0].Text != "héllo" || r.MaxTokens != 5 || !r.Stream || !r.IncludeUsage {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("embeddings", func(t *testing.T) {
		t.Parallel()
		r, err := DecodeEmbedding(Client{}.AppendRequest(nil, &llm.Prompt{Op: llm.OpEmbedding, Model: "m", Messages: talk}))
		if err != nil || len(r.Inputs) != 2 || r.Inputs[0].Text != talk[0].Text {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestClientPathsAndHeaders(t *testing.T) {
	t.Parallel()
	for op, want := range map[llm.Op]string{llm.OpChat: "/chat/completions", llm.OpCompletion: "/completions", llm.OpEmbedding: "/embeddings"} {
		if got := (Client{}).Path(&llm.Prompt{Op: op}); got != want {
			t.Errorf("%s goes to %s", op, got)
		}
	}
	h := http.Header{}
	Client{}.Authorize(h, llm.NewSecret("sk-1"))
	if d := cmp.Diff(http.Header{"Authorization": {"Bearer sk-1"}, "Content-Type": {"application/json"}}, h); d != "" {
		t.Error(d)
	}
	h = http.Header{}
	if (Client{}).Authorize(h, llm.Secret{}); h.Get("Authorization") != "" {
		t.Errorf("no key is sent as %q", h.Get("Authorization"))
	}
	if name := (Client{}).Name(); name != "openai" {
		t.Error(name)
	}
}

// TestClientSeesEvents tells text from reasoning, and both from what is neither.
func TestClientSeesEvents(t *testing.T) {
	t.Parallel()
	r := Client{}.Stream(llm.OpChat)
	f := func(data string, want llm.Seen) {
		t.Helper()
		r.Reset()
		if got := r.Observe(nil, []byte(data)); got != want {
			t.Errorf("%s: saw %b, want %b", data, got, want)
		}
	}
	delta := func(s string) string { return `{"choices":[{"index":0,"delta":{` + s + `}}]}` }
	f(delta(`"role":"assistant"`), 0)
	f(delta(`"role":"assistant","content":""`), 0)
	f(delta(`"content":null`), 0)
	f(delta(`"content":"a"`), llm.SawText)
	f(delta(`"refusal":"no"`), llm.SawText)
	f(delta(`"reasoning_content":"hm"`), llm.SawReasoning)
	f(delta(`"reasoning":"hm"`), llm.SawReasoning)
	f(delta(`"reasoning":"hm","content":""`), llm.SawReasoning)
	f(delta(`"reasoning":"hm","content":"a"`), llm.SawText)
	f(delta(`"content":"a","reasoning_content":"hm"`), llm.SawText)
	f(delta(`"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]`), llm.SawReasoning)
	f(delta(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]`), llm.SawReasoning)
	f(delta(`"content":[{"type":"text","text":"a"}]`), llm.SawText)
	f(delta(`"tool_calls":[{"index":0,"id":"c","function":{"name":"","arguments":""}}]`), llm.SawText)
	f(delta(`"tool_calls":[]`), 0)
	f(`{"choices":[{"index":0,"text":"a"}]}`, llm.SawText)
	f(`{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, 0)
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, 0)
	f(`[DONE]`, llm.SawEnd)
	f(`{"error":{"message":"x"}}`, llm.SawError)
	f(`{"choices":`, 0)
}

func TestClientStreamEnds(t *testing.T) {
	t.Parallel()
	const (
		text   = `{"choices":[{"index":0,"delta":{"content":"sixteen letters!"}}]}`
		finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		usage  = `{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"completion_tokens_details":{"reasoning_tokens":2},"prompt_tokens_details":{"cached_tokens":3}}}`
	)
	f := func(want llm.Usage, kind llm.Kind, events ...string) {
		t.Helper()
		r := Client{}.Stream(llm.OpChat)
		for _, e := range events {
			r.Observe(nil, []byte(e))
		}
		got, err := r.End()
		if (err == nil) != (kind == llm.KindNone) || err != nil && err.Kind != kind {
			t.Errorf("%q: %v, want %s", events, err, kind)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: -want +got\n%s", events, d)
		}
	}
	full := llm.Usage{Input: 5, CachedInput: 3, Output: 6, Reasoning: 2}
	guess := llm.Usage{Output: 4, Estimated: true}
	f(full, llm.KindNone, text, finish, usage, "[DONE]")
	f(full, llm.KindNone, text, finish, usage)
	f(guess, llm.KindNone, text, finish, "[DONE]")
	f(guess, llm.KindTruncated, text, "[DONE]")
	f(full, llm.KindTruncated, text, usage)
	f(guess, llm.KindTruncated, text, "{")
	f(guess, llm.KindOverloaded, text, `{"error":{"type":"overloaded_error","message":"x"}}`, finish)
	f(llm.Usage{Estimated: true}, llm.KindTruncated)
}

func TestClientAnswers(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want llm.Usage, kind llm.Kind) {
		t.Helper()
		got, err := Client{}.Answer(op, []byte(body))
		if (err == nil) != (kind == llm.KindNone) || err != nil && err.Kind != kind || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	f(llm.OpChat, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, llm.Usage{Input: 1, Output: 2}, llm.KindNone)
	f(llm.OpChat, `{"choices":[{"message":{"content":"abcde"},"finish_reason":"stop"}]}`, llm.Usage{Output: 2, Estimated: true}, llm.KindNone)
	f(llm.OpChat, `{"choices":[]}`, llm.Usage{Estimated: true}, llm.KindTruncated)
	f(llm.OpEmbedding, `{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`, llm.Usage{Input: 3}, llm.KindNone)
	f(llm.OpChat, `[]`, llm.Usage{}, llm.KindBadAnswer)
}

func TestClientLimits(t *testing.T) {
	t.Parallel()
	f := func(want llm.RateLimits, lines ...string) {
		t.Helper()
		h := http.Header{}
		for _, l := range lines {
			k, v, _ := strings.Cut(l, ": ")
			h.Set(k, v)
		}
		if got := (Client{}).Limits(h); got != want {
			t.Errorf("%q: %+v", lines, got)
		}
	}
	f(llm.NoRateLimits())
	f(llm.RateLimits{Requests: 500, RequestsLeft: 499, Tokens: 30000, TokensLeft: 29000, InputTokens: -1, InputTokensLeft: -1, OutputTokens: -1, OutputTokensLeft: -1},
		"x-ratelimit-limit-requests: 500", "x-ratelimit-remaining-requests: 499", "x-ratelimit-limit-tokens: 30000", "x-ratelimit-remaining-tokens: 29000")
	f(llm.RateLimits{Requests: 60, RequestsLeft: 0, Tokens: 5, TokensLeft: -1, InputTokens: -1, InputTokensLeft: -1, OutputTokens: -1, OutputTokensLeft: -1, RequestsPer: time.Minute, TokensPer: time.Minute},
		"x-ratelimit-limit-req-minute: 60", "x-ratelimit-remaining-req-minute: 0", "x-ratelimit-limit-tokens-minute: 5")
	f(llm.NoRateLimits(), "x-ratelimit-limit-requests: many", "x-ratelimit-limit-tokens: -3")
}

// FuzzClientStream holds the client's reader to its word for any events: no panic, usage that adds up, nothing after the end.
func FuzzClientStream(f *testing.F) {
	f.Add(`{"choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, "[DONE]")
	f.Add(`{"choices":[{"index":0,"delta":{"reasoning":"a"}}]}`, `{"error":{"message":"x"}}`, "")
	f.Add(`{"error":null,"choices":[{"delta":{"tool_calls":[{}]}}]}`, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`, "{")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		r := Client{}.Stream(llm.OpChat)
		over := false
		for _, e := range []string{a, b, c} {
			seen := r.Observe(nil, []byte(e))
			if over && seen&(llm.SawText|llm.SawReasoning) != 0 {
				t.Fatalf("text after the end: %q", e)
			}
			over = over || seen&(llm.SawEnd|llm.SawError) != 0
		}
		u, err := r.End()
		if u.Reasoning > u.Output || u.CachedInput > u.Input || u.Output < 0 || err != nil && err.Kind == llm.KindNone {
			t.Fatalf("%+v, %v", u, err)
		}
	})
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	e := Client{}.Error(429, http.Header{"Retry-After": {"3"}}, []byte(`{"error":{"message":"slow"}}`), time.Now())
	if e.Kind != llm.KindRateLimited || e.RetryAfter != 3*time.Second {
		t.Errorf("%+v", e)
	}
}

// TestClientStreamAllocatesNothing holds the load engine's cost of an event, as it is paid for each token of a run.
func TestClientStreamAllocatesNothing(t *testing.T) {
	r := Client{}.Stream(llm.OpChat)
	data := []byte(`{"choices":[{"index":0,"delta":{"content":"a"}}]}`)
	if n := testing.AllocsPerRun(100, func() {
		if r.Observe(nil, data) != llm.SawText {
			t.Error("no text seen")
		}
	}); n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

package anthropic

import (
	"net/http"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// TestClientRequests reads what the client words with the server's end of the protocol.
func TestClientRequests(t *testing.T) {
	t.Parallel()
	p := llm.Prompt{
		Op: llm.OpChat, Model: "m", Output: 50, Stream: true, Schema: `{"type":"object"}`, Tools: []llm.Tool{{Name: "f", Description: "does"}},
		Messages: []llm.Message{{Role: "system", Text: "Be brief."}, {Role: "user", Text: "héllo"}, {Role: "assistant", Text: "hi"}, {Role: "user", Text: "more"}},
	}
	body := Client{}.AppendRequest(nil, &p)
	r, err := ParseRequest(llm.OpChat, body)
	if err != nil || r.Model != "m" || r.MaxTokens != 50 || !r.Stream {
		t.Errorf("%+v, %v", r, err)
	}
	c, err := ReadChat(llm.OpChat, body)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Messages) != 4 || c.Messages[0].Role != llm.RoleSystem || c.Messages[2].Parts[0].Text != "hi" || len(c.Tools) != 1 || c.Format.Kind != llm.FormatSchema || len(c.Extra) > 0 {
		t.Errorf("%+v", c)
	}
	h := http.Header{}
	Client{}.Authorize(h, llm.NewSecret("k"))
	if h.Get("x-api-key") != "k" || h.Get("anthropic-version") != "2023-06-01" || h.Get("content-type") != "application/json" {
		t.Errorf("%v", h)
	}
	if got := (Client{}).Path(&p) + (Client{}).Name(); got != "/messagesanthropic" {
		t.Errorf("%s", got)
	}
}

func TestClientAnswers(t *testing.T) {
	t.Parallel()
	if u, err := (Client{}).Answer(llm.OpChat, []byte(newWhole)); err != nil || u.Output != 50 || u.Estimated {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := (Client{}).Answer(llm.OpChat, []byte(`{"content":[{"type":"text","text":"12345678"}]}`)); kindOfError(err) != llm.KindTruncated || u.Output != 2 || !u.Estimated {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := (Client{}).Answer(llm.OpChat, []byte(`nope`)); kindOfError(err) != llm.KindBadAnswer {
		t.Errorf("%v", err)
	}
	if e := (Client{}).Error(529, http.Header{}, nil, noon); e.Kind != llm.KindOverloaded {
		t.Errorf("%v", e)
	}
}

func TestClientStreams(t *testing.T) {
	t.Parallel()
	r := Client{}.Stream(llm.OpChat)
	f := func(data string, want llm.Seen) {
		t.Helper()
		if got := r.Observe(nil, []byte(data)); got != want {
			t.Errorf("%s: saw %b, want %b", data, got, want)
		}
	}
	f(startEvent, 0)
	f(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}`, llm.SawReasoning)
	f(textDelta1, llm.SawText)
	f(textStop, 0)
	if _, err := r.End(); kindOfError(err) != llm.KindTruncated {
		t.Errorf("before the end: %v", err)
	}
	f("broken", 0)
	if _, err := r.End(); err == nil || !strings.Contains(err.Message, "1 of its events") {
		t.Errorf("with a malformed event: %v", err)
	}
	f(endDelta, 0)
	f(stopEvent, llm.SawEnd)
	if u, err := r.End(); err != nil || u.Output != 15 || u.Input != 140 || u.Estimated {
		t.Errorf("%+v, %v", u, err)
	}
	r.Reset()
	events(t, strings.NewReader("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"), func(ev *wire.Event) {
		if got := r.Observe(ev.Name, ev.Data); got != llm.SawError {
			t.Errorf("saw %b", got)
		}
	})
	if u, err := r.End(); kindOfError(err) != llm.KindOverloaded || !u.Estimated {
		t.Errorf("%+v, %v", u, err)
	}
}

package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/auth"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/store"
	"sluice/internal/thread"
	"sluice/internal/wire"
)

const keyB = "sk-sluice-test-key-b"

// threaded is a server with a store, whose calls are answered by a model that says what it was told.
type threaded struct {
	*Server
	t     *testing.T
	calls *calls
	store *store.Store
}

// newThreaded makes one. Its calls go to the account "openai" in their own dialect if native says so for the call, and are
// translated otherwise.
func newThreaded(t *testing.T, native func(x *gateway.Exchange) bool) *threaded {
	t.Helper()
	s, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	th := &threaded{t: t, calls: &calls{}, store: s}
	th.calls.answer = func(_ context.Context, x *gateway.Exchange, w gateway.Reply) { th.answer(x, w, native(x)) }
	other := auth.KeyConfig{Name: "team-b", Key: llm.NewSecret(keyB)}
	th.Server = server(t, th.calls, nil, team(), other)
	th.threads = s
	return th
}

func never(*gateway.Exchange) bool  { return false }
func always(*gateway.Exchange) bool { return true }

// answer does what the gateway does with a call that succeeds.
func (th *threaded) answer(x *gateway.Exchange, w gateway.Reply, native bool) {
	target := &llm.Target{Name: "openai/gpt", Provider: "openai"}
	n := string(rune('0' + len(th.calls.got)))
	if native {
		body := []byte(`{"id":"resp_native` + n + `","object":"response","status":"completed","model":"gpt","new":[1],` +
			`"output":[{"id":"rs_n","type":"reasoning","summary":[]},{"id":"msg_n","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"native ` + n + `","annotations":[]}]}]}`)
		if x.OnAnswer != nil {
			x.OnAnswer(body, nil, target)
		}
		w.Whole(http.StatusOK, body)
		return
	}
	codec := (&entry{front: llm.Responses}).codec()
	if _, e := codec.ReadChat(x.Call.Op, x.Body); e != nil {
		w.Fail(e, nil)
		return
	}
	a := &llm.Answer{Model: "claude", HasUsage: true, Choices: []llm.Choice{{Finish: llm.FinishStop, Parts: []llm.Part{
		{Kind: llm.PartThinking, Text: "hm", Signature: "sig" + n, Origin: llm.Anthropic}, {Kind: llm.PartText, Text: "answer " + n},
	}}}}
	head := x.Head
	head.ID, head.Created = x.Call.ID, x.Call.Start
	body := codec.AppendAnswer(nil, a, &head)
	if x.OnAnswer != nil {
		x.OnAnswer(nil, a, target)
	}
	w.Whole(http.StatusOK, body)
}

// create asks for a response and returns its id.
func (th *threaded) create(body string) string {
	th.t.Helper()
	w := th.ask(http.MethodPost, "/v1/responses", body)
	var got struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.ID == "" {
		th.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return got.ID
}

func (th *threaded) ask(method, path, body string) *httptest.ResponseRecorder {
	th.t.Helper()
	return ask(th.t, th, method, path, body, "Authorization", "Bearer "+keyA)
}

// last returns the call that was made last.
func (th *threaded) last() *gateway.Exchange { return th.calls.got[len(th.calls.got)-1] }

// sent returns what the last call's target of an account would be sent.
func (th *threaded) sent(account string) string {
	x := th.last()
	return string(x.Request.AppendUpstream(nil, x.Body, &wire.Change{Model: "m2", Account: account}))
}

// said returns what the last call's conversation is to a target of another dialect.
func (th *threaded) said() (out []string) {
	th.t.Helper()
	x := th.last()
	c, e := (&entry{front: llm.Responses}).codec().ReadChat(x.Call.Op, x.Body)
	if e != nil {
		th.t.Fatal(e)
	}
	for _, t := range c.Messages {
		line := t.Role.String() + ":"
		for _, p := range t.Parts {
			line += " " + p.Text
			if p.Signature != "" {
				line += "(" + p.Origin.String() + " " + p.Signature + ")"
			}
		}
		out = append(out, line)
	}
	return out
}

func (th *threaded) wantSaid(want ...string) {
	th.t.Helper()
	if d := cmp.Diff(want, th.said()); d != "" {
		th.t.Errorf("conversation (-want +got):\n%s", d)
	}
}

// TestGoOn: a conversation over targets of another dialect, of which each request names the answer before it.
func TestGoOn(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	first := th.create(`{"model":"smart","instructions":"Be brief.","input":"one"}`)
	if !strings.HasPrefix(first, "resp_") {
		t.Errorf("id %q", first)
	}
	th.wantSaid("system: Be brief.", "user: one")
	second := th.create(`{"model":"smart","input":[{"role":"user","content":"two"}],"previous_response_id":"` + first + `"}`)
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: two") // instructions do not carry over
	third := th.create(`{"model":"smart","input":"three","previous_response_id":"` + second + `","store":false}`)
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: two", "assistant: hm(anthropic sig2) answer 2", "user: three")
	if x := th.last(); x.Call.InputTokens < 20 {
		t.Errorf("the conversation counts for %d tokens", x.Call.InputTokens)
	}
	th.create(`{"model":"smart","input":"branch","previous_response_id":"` + first + `"}`)
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: branch")

	want(t, "not stored", th.ask(http.MethodGet, "/v1/responses/"+third, ""), http.StatusNotFound, "response_not_found", third)
	w := th.ask(http.MethodGet, "/v1/responses/"+second, "")
	var got struct {
		ID, Status, Model string
		Previous          string `json:"previous_response_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID != second || got.Status != "completed" || got.Previous != first || got.Model != "claude" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestGoOnNative: the account that has the response before is sent what the client wrote; every other is sent the conversation.
func TestGoOnNative(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, always)
	first := th.create(`{"model":"smart","input":"one"}`)
	if first != "resp_native1" {
		t.Errorf("id %q, want the provider's", first)
	}
	second := th.create("{\"model\":\"smart\", \"input\":\"two\",\"previous_response_id\":\"" + first + "\",\"unheard\": 0.10}")
	if d := cmp.Diff("{\"model\":\"m2\", \"input\":\"two\",\"previous_response_id\":\"resp_native1\",\"unheard\": 0.10}", th.sent("openai")); d != "" {
		t.Errorf("to the same account (-want +got):\n%s", d)
	}
	wantOther := `{"model":"m2","unheard": 0.10,"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"one"}]},` +
		`{"id":"msg_n","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"native 1","annotations":[]}]},` +
		`{"type":"message","role":"user","content":[{"type":"input_text","text":"two"}]}]}`
	if d := cmp.Diff(wantOther, th.sent("azure")); d != "" {
		t.Errorf("to another account (-want +got):\n%s", d)
	}
	w := th.ask(http.MethodGet, "/v1/responses/"+second, "")
	if !strings.Contains(w.Body.String(), `"new":[1]`) {
		t.Errorf("not as the provider said it: %s", w.Body)
	}
}

// TestGoOnAcross: a conversation that begins natively goes on at a target of another dialect, and back.
func TestGoOnAcross(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, func(x *gateway.Exchange) bool { return !strings.Contains(string(x.Body), "translate") })
	first := th.create(`{"model":"smart","input":"one"}`)
	second := th.create(`{"model":"smart","input":"translate","previous_response_id":"` + first + `"}`)
	th.wantSaid("user: one", "assistant: native 1", "user: translate")
	th.create(`{"model":"smart","input":"three","previous_response_id":"` + second + `"}`)
	th.wantSaid("user: one", "assistant: native 1", "user: translate", "assistant: hm(anthropic sig2) answer 2", "user: three")
	sent := th.sent("openai")
	if strings.Contains(sent, "previous_response_id") || strings.Contains(sent, "sluice1.") || !strings.Contains(sent, "answer 2") {
		t.Errorf("back at the native account: %s", sent)
	}
}

func TestResponseErrors(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":"one"}`)
	w := th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","background":true}`)
	want(t, "background", w, http.StatusBadRequest, "unsupported_parameter", "background")
	if e := readError(t, w); e.Error.Param == nil || *e.Error.Param != "background" {
		t.Errorf("background: %+v", e)
	}
	w = th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","previous_response_id":"resp_nope"}`)
	want(t, "unknown previous", w, http.StatusBadRequest, "previous_response_not_found", "resp_nope")
	if e := readError(t, w); e.Error.Param == nil || *e.Error.Param != "previous_response_id" || e.Error.Type != "invalid_request_error" {
		t.Errorf("unknown previous: %+v", e)
	}
	want(t, "no model", th.ask(http.MethodPost, "/v1/responses", `{"input":"x"}`), http.StatusBadRequest, "invalid_request", "model")
	want(t, "unknown", th.ask(http.MethodGet, "/v1/responses/resp_x", ""), http.StatusNotFound, "response_not_found", "resp_x")
	want(t, "delete unknown", th.ask(http.MethodDelete, "/v1/responses/resp_x", ""), http.StatusNotFound, "response_not_found")
	want(t, "cancel unknown", th.ask(http.MethodPost, "/v1/responses/resp_x/cancel", ""), http.StatusNotFound, "response_not_found")
	want(t, "cancel", th.ask(http.MethodPost, "/v1/responses/"+id+"/cancel", ""), http.StatusBadRequest, "invalid_request", "Cannot cancel a synchronous response")
	want(t, "method", th.ask(http.MethodPut, "/v1/responses/"+id, ""), http.StatusMethodNotAllowed, "method_not_allowed")
	want(t, "method", th.ask(http.MethodGet, "/v1/responses", ""), http.StatusMethodNotAllowed, "method_not_allowed")
	want(t, "compact", th.ask(http.MethodPost, "/v1/responses/compact", "{}"), http.StatusNotFound, "unknown_path")
	want(t, "nothing there", th.ask(http.MethodGet, "/v1/responses/"+id+"/output", ""), http.StatusNotFound, "unknown_path")
	want(t, "page", th.ask(http.MethodGet, "/v1/responses/"+id+"/input_items?limit=101", ""), http.StatusBadRequest, "invalid_request", "100")
	want(t, "order", th.ask(http.MethodGet, "/v1/responses/"+id+"/input_items?order=up", ""), http.StatusBadRequest, "invalid_request", "asc or desc")
	want(t, "after", th.ask(http.MethodGet, "/v1/responses/"+id+"/input_items?after=msg_9", ""), http.StatusBadRequest, "invalid_request", "msg_9")
	want(t, "starting_after", th.ask(http.MethodGet, "/v1/responses/"+id+"?stream=true&starting_after=x", ""), http.StatusBadRequest, "invalid_request", "sequence number")
	for _, path := range []string{"", "/input_items"} {
		want(t, "no key", ask(t, th, http.MethodGet, "/v1/responses/"+id+path, ""), http.StatusUnauthorized, "invalid_api_key")
	}
}

// TestResponsesBelongToKeys: another key can neither read, delete nor go on with a response.
func TestResponsesBelongToKeys(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":"secret"}`)
	as := func(method, path, body string) *httptest.ResponseRecorder {
		return ask(t, th, method, path, body, "Authorization", "Bearer "+keyB)
	}
	want(t, "read", as(http.MethodGet, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
	want(t, "items", as(http.MethodGet, "/v1/responses/"+id+"/input_items", ""), http.StatusNotFound, "response_not_found")
	want(t, "delete", as(http.MethodDelete, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
	want(t, "go on", as(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","previous_response_id":"`+id+`"}`), http.StatusBadRequest, "previous_response_not_found")
	want(t, "owner", th.ask(http.MethodGet, "/v1/responses/"+id, ""), http.StatusOK, "")
}

func TestDeleteResponse(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":"one"}`)
	w := th.ask(http.MethodDelete, "/responses/"+id, "") // without the version, as everywhere
	if d := cmp.Diff(`{"id":"`+id+`","object":"response","deleted":true}`, w.Body.String()); d != "" {
		t.Error(d)
	}
	want(t, "gone", th.ask(http.MethodGet, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
	want(t, "go on", th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","previous_response_id":"`+id+`"}`), http.StatusBadRequest, "previous_response_not_found")
}

func TestInputItems(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},` +
		`{"type":"message","id":"msg_x","role":"user","content":[{"type":"input_text","text":"three"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},` +
		`{"type":"function_call_output","call_id":"c","output":"four"}]}`)
	type list struct {
		Object  string
		Data    []struct{ ID, Type, Role string }
		FirstID string `json:"first_id"`
		LastID  string `json:"last_id"`
		HasMore bool   `json:"has_more"`
	}
	f := func(query string, more bool, want ...string) list {
		t.Helper()
		w := th.ask(http.MethodGet, "/v1/responses/"+id+"/input_items"+query, "")
		var got list
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		var ids []string
		for _, d := range got.Data {
			if d.Type == "" {
				t.Errorf("%+v has no type", d)
			}
			ids = append(ids, strings.TrimPrefix(strings.TrimPrefix(d.ID, "msg_"+id), "item_"+id))
		}
		if d := cmp.Diff(want, ids); d != "" || got.HasMore != more || got.Object != "list" {
			t.Errorf("%s: %+v (-want +got):\n%s", query, got, d)
		}
		if len(got.Data) > 0 && (got.FirstID != got.Data[0].ID || got.LastID != got.Data[len(got.Data)-1].ID) {
			t.Errorf("%s: first %s, last %s", query, got.FirstID, got.LastID)
		}
		return got
	}
	f("", false, "_in_4", "_in_3", "msg_x", "_in_1", "_in_0")
	page := f("?order=asc&limit=2", true, "_in_0", "_in_1")
	f("?order=asc&limit=2&after="+page.LastID, true, "msg_x", "_in_3")
	f("?order=asc&after=msg_x", false, "_in_3", "_in_4")
	f("?order=asc&after=item_"+id+"_in_4", false)
}

// TestReplayStored: a stored answer is streamed again, from any of its events on.
func TestReplayStored(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":"one"}`)
	whole := th.ask(http.MethodGet, "/v1/responses/"+id+"?stream=true", "")
	if ct := whole.Header().Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type %q", ct)
	}
	all := strings.SplitAfter(whole.Body.String(), "\n\n")
	all = all[:len(all)-1]
	if !strings.HasPrefix(all[0], "event: response.created\n") || !strings.HasPrefix(all[len(all)-1], "event: response.completed\n") || !strings.Contains(all[len(all)-1], "answer 1") {
		t.Errorf("stream:\n%s", whole.Body)
	}
	for _, after := range []string{"0", "5"} {
		w := th.ask(http.MethodGet, "/v1/responses/"+id+"?stream=true&starting_after="+after, "")
		n := 1 + int(after[0]-'0')
		if d := cmp.Diff(strings.Join(all[n:], ""), w.Body.String()); d != "" {
			t.Errorf("after %s (-want +got):\n%s", after, d)
		}
	}
	w := th.ask(http.MethodGet, "/v1/responses/"+id+"?stream=true&starting_after=999", "")
	if !strings.HasPrefix(w.Body.String(), "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":1000,") {
		t.Errorf("after all: %.200s", w.Body)
	}
	w = th.ask(http.MethodGet, "/v1/responses/"+id, `{"stream":true}`) // as openai-go asks
	if w.Body.String() != whole.Body.String() {
		t.Errorf("asked for in a body: %.200s", w.Body)
	}
}

// TestCountInput: counting goes the way of calls, for the whole conversation, and stores nothing.
func TestCountInput(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	id := th.create(`{"model":"smart","input":"one"}`)
	th.ask(http.MethodPost, "/v1/responses/input_tokens", `{"model":"smart","input":"two","previous_response_id":"`+id+`"}`)
	x := th.last()
	if x.Call.Op != llm.OpCountTokens || x.OnAnswer != nil || x.Path != "/responses/input_tokens" {
		t.Errorf("op %s, path %s", x.Call.Op, x.Path)
	}
	th.wantSaid("user: one", "assistant: hm(anthropic sig1) answer 1", "user: two")
}

// TestNothingStored: with a retention of 0 the provider may still know what a request goes on with; Sluice does not.
func TestNothingStored(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, func(x *gateway.Exchange) bool { return strings.Contains(string(x.Body), "native") })
	c := *th.settings.Load()
	c.Responses.Retention = 0
	th.Update(c)
	id := th.create(`{"model":"smart","input":"one"}`)
	want(t, "stored", th.ask(http.MethodGet, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
	th.create(`{"model":"smart","input":"native","previous_response_id":"resp_theirs"}`)
	if sent := th.sent("openai"); !strings.Contains(sent, "resp_theirs") {
		t.Errorf("sent: %s", sent)
	}
	w := th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","previous_response_id":"resp_theirs"}`)
	want(t, "translated", w, http.StatusBadRequest, "invalid_request", "resp_theirs")
}

// broken is a store that is away.
type broken struct{}

var errAway = errors.New("away: password hunter2")

func (broken) PutResponse(context.Context, *thread.Response) error { return errAway }
func (broken) Response(context.Context, string, string, time.Time) (thread.Response, error) {
	return thread.Response{}, errAway
}

func (broken) Conversation(context.Context, string, string, time.Time) ([]thread.Response, error) {
	return nil, errAway
}
func (broken) DeleteResponse(context.Context, string, string) error { return errAway }

// TestStoreAway: answers are given all the same; what needs the store says that it is away, and nothing more.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	th := newThreaded(t, never)
	th.threads = broken{}
	id := th.create(`{"model":"smart","input":"one"}`)
	for _, w := range []*httptest.ResponseRecorder{
		th.ask(http.MethodGet, "/v1/responses/"+id, ""), th.ask(http.MethodDelete, "/v1/responses/"+id, ""),
		th.ask(http.MethodPost, "/v1/responses", `{"model":"smart","input":"x","previous_response_id":"`+id+`"}`),
	} {
		want(t, "away", w, http.StatusServiceUnavailable, "store_unavailable")
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("told too much: %s", w.Body)
		}
	}
	th.threads = nil
	want(t, "none", th.ask(http.MethodGet, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
	want(t, "none", th.ask(http.MethodDelete, "/v1/responses/"+id, ""), http.StatusNotFound, "response_not_found")
}

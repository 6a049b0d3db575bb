package ingress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// TestEveryKindIsToldInOpenAIsShape goes through the closed vocabulary of errors.
func TestEveryKindIsToldInOpenAIsShape(t *testing.T) {
	t.Parallel()
	types := map[int]string{429: "rate_limit_error", 503: "service_unavailable_error", 401: "authentication_error", 403: "permission_error"}
	for _, k := range llm.Kinds() {
		c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
			e := llm.Errorf(k, "why %s", k)
			e.Param, e.Err = "model", errors.New("inner secret")
			w.Fail(e, nil)
		}}
		w := chat(t, server(t, c, nil))
		want(t, k.String(), w, k.Status(), k.Code(), "why "+k.Code())
		e := readError(t, w).Error
		if e.Param == nil || *e.Param != "model" || strings.Contains(w.Body.String(), "inner secret") {
			t.Errorf("%s: %s", k, w.Body)
		}
		expect := types[k.Status()]
		switch {
		case k == llm.KindQuotaExhausted, k == llm.KindKeyBudget:
			expect = "insufficient_quota"
		case expect == "" && k.Status() >= 500:
			expect = "server_error"
		case expect == "":
			expect = "invalid_request_error"
		}
		if e.Type != expect {
			t.Errorf("%s: type %q, want %q", k, e.Type, expect)
		}
		if n := w.Header().Get("Content-Length"); n != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: Content-Length %s of %d bytes", k, n, w.Body.Len())
		}
		if len(w.Header().Get("X-Request-Id")) != 26 || w.Header().Get("X-Request-Id") != w.Header().Get("X-Sluice-Request-Id") {
			t.Errorf("%s: no request id", k)
		}
	}
}

// TestRetryAfterRoundsUp checks that no client comes back too early for want of a fraction.
func TestRetryAfterRoundsUp(t *testing.T) {
	t.Parallel()
	f := func(wait time.Duration, seconds, ms string) {
		t.Helper()
		w := httptest.NewRecorder()
		(&reply{w: w, codec: dialect.Of(llm.OpenAI)}).Fail(&llm.Error{Kind: llm.KindRateLimited, Message: "m", RetryAfter: wait}, nil)
		if got := w.Header().Get("Retry-After"); got != seconds {
			t.Errorf("%v: Retry-After %q, want %q", wait, got, seconds)
		}
		if got := w.Header().Get("Retry-After-Ms"); got != ms {
			t.Errorf("%v: Retry-After-Ms %q, want %q", wait, got, ms)
		}
	}
	f(0, "", "")
	f(time.Nanosecond, "1", "1")
	f(time.Millisecond, "1", "1")
	f(time.Second, "1", "1000")
	f(time.Second+time.Microsecond, "2", "1001")
	f(1500*time.Millisecond, "2", "1500")
	f(time.Hour, "3600", "3600000")
}

// TestProvidersErrorBodies checks what of a provider's own error a client gets to see.
func TestProvidersErrorBodies(t *testing.T) {
	t.Parallel()
	f := func(status int, body string, wantStatus int, code string) {
		t.Helper()
		w := httptest.NewRecorder()
		(&reply{w: w, codec: dialect.Of(llm.OpenAI)}).Fail(openai.ClassifyError(status, nil, []byte(body), time.Now()), nil)
		if code == "" { // passed on as it is
			if w.Code != wantStatus || w.Body.String() != body {
				t.Errorf("%d %s: client got %d %s", status, body, w.Code, w.Body)
			}
			return
		}
		want(t, body, w, wantStatus, code)
		if strings.Contains(w.Body.String(), "sk-") {
			t.Errorf("%s: a credential reached the client: %s", body, w.Body)
		}
	}
	// The request itself was refused: byte for byte, odd spaces and unknown fields included.
	f(400, "{ \"error\":{\"message\":\"bad\",\"type\":\"t\",\"param\":\"n\",\"code\":null,\"extra\":1e2 } }\n", 400, "")
	f(404, `{"error":{"message":"no such model","code":"model_not_found"}}`, 404, "")
	f(422, `{"error":{"message":"unprocessable"}}`, 422, "")
	f(413, `{"error":{"message":"large"}}`, 413, "")
	f(400, `{"error":{"message":"filtered","code":"content_filter"}}`, 400, "")
	f(400, `{"error":{"message":"long","code":"context_length_exceeded"}}`, 400, "")
	f(422, `{"detail":"not OpenAI's shape"}`, 422, "provider_rejected")
	f(500, `{"error":{"message":"long","code":"context_length_exceeded"}}`, 400, "context_length_exceeded") // a status of the server's
	// It is about Sluice's account, or the provider.
	f(401, `{"error":{"message":"Incorrect API key provided: sk-proj-abcdefgh12345678","code":"invalid_api_key"}}`, 502, "provider_auth_failed")
	f(403, `{"error":{"message":"sk-proj-abcdefgh12345678 may not"}}`, 502, "provider_auth_failed")
	f(429, `{"error":{"message":"slow down"}}`, 429, "provider_rate_limited")
	f(429, `{"error":{"message":"pay","code":"insufficient_quota"}}`, 429, "provider_quota_exhausted")
	f(500, `{"error":{"message":"oops"}}`, 502, "provider_error")
	f(503, `{"error":{"message":"busy"}}`, 503, "provider_overloaded")
	f(302, ``, 502, "provider_bad_answer")
}

// TestBodyOfAnotherKindStays checks that a body goes on only where it is about the request, whoever attached it.
func TestBodyOfAnotherKindStays(t *testing.T) {
	t.Parallel()
	for _, k := range llm.Kinds() {
		w := httptest.NewRecorder()
		(&reply{w: w, codec: dialect.Of(llm.OpenAI)}).Fail(&llm.Error{Kind: k, Message: "m", ProviderStatus: 402, Body: []byte("its own")}, nil)
		passed := k == llm.KindRejected || k == llm.KindContentFilter || k == llm.KindContextLength
		if got := w.Body.String() == "its own" && w.Code == 402; got != passed {
			t.Errorf("%s: client got %d %s", k, w.Code, w.Body)
		}
	}
}

// TestNoProviderStatusBecomes401 tries every status with several bodies: a client must not take the provider's refusal of
// Sluice's credentials for one of its own.
func TestNoProviderStatusBecomes401(t *testing.T) {
	t.Parallel()
	for status := 300; status < 600; status++ {
		for _, body := range []string{``, `{}`, `{"error":{"message":"x"}}`, `{"error":{"message":"x","code":"invalid_api_key"}}`, `<html>`} {
			w := httptest.NewRecorder()
			(&reply{w: w, codec: dialect.Of(llm.OpenAI)}).Fail(openai.ClassifyError(status, nil, []byte(body), time.Now()), nil)
			if w.Code == http.StatusUnauthorized || w.Code < 400 {
				t.Errorf("provider's %d %s became %d", status, body, w.Code)
			}
		}
	}
}

// TestStream checks the headers of a stream and how its failure is told.
func TestStream(t *testing.T) {
	t.Parallel()
	c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
		w.Header()["X-Sluice-Target"] = []string{"a/m"}
		w.Begin()
		if e := w.Write([]byte("data: 1\n\n")); e != nil {
			t.Error(e)
		}
		e := llm.Errorf(llm.KindTruncated, "cut")
		w.Fail(e, openai.AppendStreamError(nil, e))
	}}
	w := chat(t, server(t, c, nil))
	if w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "X-Sluice-Target": "a/m"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	const wantBody = "data: 1\n\n" + `data: {"error":{"message":"cut","type":"server_error","param":null,"code":"provider_truncated"}}` + "\n\n"
	if w.Body.String() != wantBody {
		t.Errorf("client got %q, want %q", w.Body, wantBody)
	}
}

// TestProvidersHeadersStay checks that types which the provider set are kept.
func TestProvidersHeadersStay(t *testing.T) {
	t.Parallel()
	c := &calls{answer: func(_ context.Context, x *gateway.Exchange, w gateway.Reply) {
		w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
		w.Whole(200, []byte("{}"))
	}}
	if w := chat(t, server(t, c, nil)); w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("Content-Length") != "2" {
		t.Errorf("headers %v", w.Header())
	}
}

// TestClientThatDoesNotRead fills the connection of a client that has stopped reading.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	result := make(chan *llm.Error, 1)
	c := &calls{answer: func(_ context.Context, _ *gateway.Exchange, w gateway.Reply) {
		w.Begin()
		chunk := make([]byte, 1<<20)
		for {
			if e := w.Write(chunk); e != nil {
				w.Fail(e, nil)
				result <- e
				return
			}
		}
	}}
	addr := listen(t, server(t, c, func(c *Config) { c.Clients.WriteStall = 100 * time.Millisecond }))
	dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	e := <-result
	if e.Kind != llm.KindSlowClient || !strings.Contains(e.Message, "clients.write_stall") || !errors.Is(e, os.ErrDeadlineExceeded) {
		t.Errorf("ended with %v", e)
	}
}

// TestClientThatLeaves reads the first event of a stream, which is flushed at once, and closes the connection: the call's
// context ends, and writes say so.
func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	result := make(chan *llm.Error, 1)
	c := &calls{answer: func(ctx context.Context, _ *gateway.Exchange, w gateway.Reply) {
		w.Begin()
		if e := w.Write([]byte("data: 1\n\n")); e != nil {
			t.Error(e)
		}
		if e := w.Flush(); e != nil {
			t.Error(e)
		}
		<-ctx.Done()
		for {
			if e := w.Write([]byte("data: 2\n\n")); e != nil {
				result <- e
				return
			}
			if e := w.Flush(); e != nil {
				result <- e
				return
			}
		}
	}}
	addr := listen(t, server(t, c, nil))
	conn := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if e := <-result; e.Kind != llm.KindCanceled {
		t.Errorf("ended with %v", e)
	}
}

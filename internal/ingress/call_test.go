package ingress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

func TestCredentialForms(t *testing.T) {
	t.Parallel()
	f := func(status int, header ...string) {
		t.Helper()
		c := &calls{}
		w := chat(t, server(t, c, nil, team()), header...)
		code := ""
		if status != 200 {
			code = "invalid_api_key"
		}
		want(t, fmt.Sprint(header), w, status, code)
		if status == 200 && (len(c.got) != 1 || c.got[0].Call.Key != "team-a" || c.got[0].Key.Name() != "team-a") {
			t.Errorf("%v: the call is not the key's", header)
		}
		if status != 200 && len(c.got) != 0 {
			t.Errorf("%v: the call was made", header)
		}
	}
	f(200, "Authorization", "Bearer "+keyA)
	f(200, "Authorization", "bearer  "+keyA+" ")
	f(200, "Authorization", keyA)
	f(200, "X-Api-Key", keyA)
	f(200, "X-Goog-Api-Key", keyA)
	f(200, "Api-Key", keyA)
	f(200, "Authorization", "Bearer "+keyA, "Origin", "https://app.example", "Host", "gateway.example") // keys do what origins cannot
	f(401)
	f(401, "Authorization", "Bearer "+keyA+"x")
	f(401, "Authorization", "Bearer ")
	f(401, "Authorization", "Basic "+keyA)
	f(401, "Authorization", "Bearer wrong-key-0123456789", "X-Api-Key", keyA) // the first form counts
}

// TestOpenGatewayIsForThisMachine checks that pages of other sites cannot use a gateway without keys.
func TestOpenGatewayIsForThisMachine(t *testing.T) {
	t.Parallel()
	f := func(status int, header ...string) {
		t.Helper()
		c := &calls{}
		s := server(t, c, nil)
		code := ""
		if status == 403 {
			code = "origin_not_allowed"
		}
		want(t, fmt.Sprint(header), chat(t, s, header...), status, code)
		want(t, fmt.Sprint(header), ask(t, s, http.MethodGet, "/v1/models", "", header...), status, code)
		if (len(c.got) == 1) != (status == 200) {
			t.Errorf("%v: %d calls", header, len(c.got))
		}
	}
	f(200)
	f(200, "Authorization", "Bearer any-key-an-sdk-insists-on")
	for _, host := range []string{"localhost", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "[::1]", "app.localhost:3000"} {
		f(200, "Host", host)
		f(200, "Origin", "http://"+host)
	}
	for _, host := range []string{"example.com", "example.com:8080", "localhost.example.com", "192.168.1.2", "10.0.0.1:8080", "127.0.0.1.nip.io", ""} {
		f(403, "Host", host)
		f(403, "Origin", "https://"+host)
	}
	f(403, "Origin", "null")
	f(403, "Origin", "http://[broken")
	f(403, "Origin", "http://localhost@example.com")
}

// TestHeadersOfACall checks what the headers and the body of a request become in the call.
func TestHeadersOfACall(t *testing.T) {
	t.Parallel()
	f := func(more string, check func(x *gateway.Exchange) bool, header ...string) {
		t.Helper()
		c := &calls{}
		w := ask(t, server(t, c, nil), http.MethodPost, "/v1/chat/completions", strings.Replace(body, "}]}", "}]"+more+"}", 1), header...)
		if len(c.got) != 1 {
			t.Fatalf("%v: %d %s", header, w.Code, w.Body)
		}
		if x := c.got[0]; !check(x) {
			t.Errorf("%s %v: call %+v, retried %d", more, header, x.Call, x.Retried)
		}
	}
	class := func(want llm.Class) func(*gateway.Exchange) bool {
		return func(x *gateway.Exchange) bool { return x.Call.Class == want }
	}
	f("", class(llm.Interactive))
	f("", class(llm.Background), "X-Sluice-Class", "Background")
	f(`,"service_tier":"flex"`, class(llm.Bulk))
	f(`,"service_tier":"default"`, class(llm.Background))
	f(`,"service_tier":"priority"`, class(llm.Interactive))
	f(`,"service_tier":"auto"`, class(llm.Interactive))
	f(`,"service_tier":"on_demand"`, class(llm.Interactive))
	f(`,"service_tier":null`, class(llm.Interactive))
	f(`,"service_tier":"priority"`, class(llm.Bulk), "X-Sluice-Class", "bulk")
	f(`,"service_tier":"flex"`, class(llm.Interactive), "X-Sluice-Class", "interactive")
	f("", func(x *gateway.Exchange) bool { return x.Call.Deadline.Sub(x.Call.Start) == 1500*time.Millisecond }, "X-Sluice-Deadline", "1.5s")
	f("", func(x *gateway.Exchange) bool { return x.Call.Deadline.IsZero() })
	f("", func(x *gateway.Exchange) bool { return slices.Equal(x.Call.Tags, []string{"a", "b c"}) }, "X-Sluice-Tags", " a,, b c ,")
	f("", func(x *gateway.Exchange) bool { return x.Call.Region == "eu" }, "X-Sluice-Region", "eu")
	f("", func(x *gateway.Exchange) bool { return x.Retried == 2 }, "X-Stainless-Retry-Count", "2")
	f("", func(x *gateway.Exchange) bool { return x.Retried == 0 }, "X-Stainless-Retry-Count", "two")
	f("", func(x *gateway.Exchange) bool { return x.Call.TraceParent == "00-1-2-01" }, "Traceparent", "00-1-2-01")
	f(`,"stream":true,"n":3,"max_tokens":7,"user":"u"`, func(x *gateway.Exchange) bool {
		c := &x.Call
		return c.Stream && c.Choices == 3 && c.MaxTokens == 7 && c.User == "u" && c.Model == "smart" && c.InputTokens > 0 && c.Op == llm.OpChat
	})
	f(`,"user":"`+strings.Repeat("é", 200)+`"`, func(x *gateway.Exchange) bool { return x.Call.User == strings.Repeat("é", 64) })
	f("", func(x *gateway.Exchange) bool {
		return len(x.Call.ID) == 26 && x.Path == "/chat/completions" && !x.Checked.Before(x.Call.Start)
	})
}

// TestServiceTiers: the tier decides on the class in each dialect, and what is sent on is what came.
func TestServiceTiers(t *testing.T) {
	t.Parallel()
	f := func(path, body string, want llm.Class, header ...string) {
		t.Helper()
		c := &calls{}
		w := ask(t, server(t, c, nil), http.MethodPost, path, body, header...)
		if len(c.got) != 1 {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		if x := c.got[0]; x.Call.Class != want || string(x.Body) != body {
			t.Errorf("%s %v: class %v, want %v; body %s", body, header, x.Call.Class, want, x.Body)
		}
	}
	const responses, messages, generate = "/v1/responses", "/anthropic/v1/messages", "/gemini/v1beta/models/smart:generateContent"
	f(responses, `{"model":"smart","input":"hi","service_tier":"flex"}`, llm.Bulk)
	f(responses, `{"model":"smart","input":"hi","service_tier":"default"}`, llm.Background)
	f(responses, `{"model":"smart","input":"hi","service_tier":"priority"}`, llm.Interactive)
	f(responses, `{"model":"smart","input":"hi"}`, llm.Interactive)
	f(responses, `{"model":"smart","input":"hi","service_tier":"flex"}`, llm.Interactive, "X-Sluice-Class", "interactive")
	f(responses, `{"model":"smart","input":"hi"}`, llm.Bulk, "X-Sluice-Class", "bulk")
	f(messages, `{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"service_tier":"standard_only"}`, llm.Interactive)
	f(messages, `{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"service_tier":"auto"}`, llm.Interactive)
	f(generate, `{"contents":[{"parts":[{"text":"hi"}]}],"serviceTier":"flex"}`, llm.Bulk)
	f(generate, `{"contents":[{"parts":[{"text":"hi"}]}],"serviceTier":"standard"}`, llm.Interactive)
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	c := &calls{}
	s := server(t, c, func(c *Config) { c.MaxBody = 1024 })
	post := func(path, body string, header ...string) *httptest.ResponseRecorder {
		return ask(t, s, http.MethodPost, path, body, header...)
	}
	const path = "/v1/chat/completions"
	for _, v := range []string{"urgent", "bulk2", "0"} {
		want(t, v, chat(t, s, "X-Sluice-Class", v), 400, "invalid_request", "X-Sluice-Class", v, "background")
	}
	for _, v := range []string{"30", "0s", "-1s", "soon", "99999999999h"} {
		want(t, v, chat(t, s, "X-Sluice-Deadline", v), 400, "invalid_request", "X-Sluice-Deadline", v)
	}
	want(t, "tags", chat(t, s, "X-Sluice-Tags", strings.Repeat("t,", 17)), 400, "invalid_request", "16")
	want(t, "long tag", chat(t, s, "X-Sluice-Tags", strings.Repeat("t", 65)), 400, "invalid_request", "64")
	want(t, "encoding", chat(t, s, "Content-Encoding", "gzip"), 400, "invalid_request", "gzip")
	want(t, "long model", post(path, strings.Replace(body, "smart", strings.Repeat("m", 300), 1)), 400, "invalid_request", "256")
	want(t, "no JSON", post(path, "hello"), 400, "invalid_request")
	want(t, "empty", post(path, ""), 400, "invalid_request")
	want(t, "no model", post(path, `{"messages":[]}`), 400, "invalid_request", "model")
	want(t, "large", post(path, strings.Repeat(" ", 1025)), 413, "request_too_large", "1024", "max_body")
	want(t, "path", post("/v1/images", "{}"), 404, "unknown_path", "/v1/images")
	want(t, "path", post("/v2/chat/completions", "{}"), 404, "unknown_path")
	w := ask(t, s, http.MethodGet, path, "")
	want(t, "method", w, 405, "method_not_allowed", "GET", "POST")
	if w.Header().Get("Allow") != "POST" {
		t.Errorf("Allow is %q", w.Header().Get("Allow"))
	}
	if len(c.got) != 0 {
		t.Errorf("%d refused requests became calls", len(c.got))
	}
	want(t, "identity", chat(t, s, "Content-Encoding", "identity"), 200, "")
	if n := len(body); n > 1024 {
		t.Fatal(n)
	}
	want(t, "just fits", post(path, body+strings.Repeat(" ", 1024-len(body))), 200, "")
	for _, path := range []string{"/chat/completions", "/v1/completions", "/embeddings"} {
		want(t, path, post(path, `{"model":"m","prompt":"p","input":"i","messages":[]}`), 200, "")
	}
	if ops := []llm.Op{c.got[2].Call.Op, c.got[3].Call.Op, c.got[4].Call.Op}; !slices.Equal(ops, []llm.Op{llm.OpChat, llm.OpCompletion, llm.OpEmbedding}) {
		t.Errorf("operations %v", ops)
	}
}

// listen serves s on a real connection and returns the address.
func listen(t *testing.T, s http.Handler) string {
	t.Helper()
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	return ts.Listener.Addr().String()
}

// dial connects and sends text.
func dial(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBodiesOfUnknownLength sends chunked bodies, below and above the limit.
func TestBodiesOfUnknownLength(t *testing.T) {
	t.Parallel()
	addr := listen(t, server(t, &calls{}, func(c *Config) { c.MaxBody = 1024 }))
	f := func(size, status int) {
		t.Helper()
		text := body + strings.Repeat(" ", size-len(body))
		c := dial(t, addr, fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, text))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != status || resp.Close != (status != 200) {
			t.Errorf("%d bytes: %s, connection closes %v", size, resp.Status, resp.Close)
		}
	}
	f(1024, 200)
	f(1025, 413)
	f(5000, 413)
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	addr := listen(t, server(t, &calls{}, func(c *Config) { c.Clients.ReadBody = 50 * time.Millisecond }))
	c := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 408 || !strings.Contains(string(text), "clients.read_body") || !strings.Contains(string(text), "client_too_slow") {
		t.Errorf("%s %s", resp.Status, text)
	}
}

// TestBodyCutShort closes the connection in the middle of a body: no call is made.
func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	c := &calls{}
	s := server(t, c, nil)
	done := make(chan struct{})
	addr := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		s.ServeHTTP(w, r)
	}))
	_ = dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"+body).Close()
	<-done
	if len(c.got) != 0 {
		t.Error("half a body became a call")
	}
}

func TestDrainingRefusesCalls(t *testing.T) {
	t.Parallel()
	c := &calls{}
	s := server(t, c, nil)
	s.Drain()
	w := chat(t, s)
	want(t, "draining", w, 503, "draining")
	if w.Header().Get("Connection") != "close" || w.Header().Get("Retry-After") != "1" || len(c.got) != 0 {
		t.Errorf("headers %v", w.Header())
	}
	want(t, "health", ask(t, s, http.MethodGet, "/healthz", ""), 200, "")
}

func TestUpdateChangesLimits(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil)
	want(t, "before", chat(t, s), 200, "")
	var c Config
	c.SetDefaults()
	c.MaxBody = 10
	s.Update(c)
	want(t, "after", chat(t, s), 413, "request_too_large", "10 bytes")
}

package app

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRaw relays what has no codec, with the account's credentials.
func TestRaw(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Custom", "kept")
		w.Header().Set("Set-Cookie", "gone=1")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, r.Method+" done")
	})
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	base := strings.TrimSuffix(g.url, "/v1")
	send := func(method, path, body string, header ...string) reply {
		t.Helper()
		rq := g.request(t.Context(), "/", strings.NewReader(body), header...)
		u, err := rq.URL.Parse(base + path)
		if err != nil {
			t.Fatal(err)
		}
		rq.Method, rq.URL = method, u
		resp, err := g.client.Do(rq)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return reply{resp.StatusCode, resp.Header, string(text), err}
	}
	f := func(method, path, wantPath, wantQuery, body string) {
		t.Helper()
		rp := send(method, path, body, "Authorization", "Bearer sk-client", "X-Api-Key", "sk-client", "X-Sluice-Tags", "a")
		if rp.status != http.StatusCreated || rp.body != method+" done" || rp.header.Get("X-Custom") != "kept" || rp.header.Get("Set-Cookie") != "" {
			t.Fatalf("%s %s: %d %q %v", method, path, rp.status, rp.body, rp.header)
		}
		got := b.took()[0]
		if got.method != method || got.path != wantPath || got.query != wantQuery || got.body != body {
			t.Errorf("%s %s reached the provider as %s %s?%s %q", method, path, got.method, got.path, got.query, got.body)
		}
		for name, values := range got.header {
			if v := strings.Join(values, ","); strings.Contains(v, "sk-client") || strings.HasPrefix(name, "X-Sluice") {
				t.Errorf("the provider got %s: %s", name, v)
			}
		}
		if got.header.Get("Authorization") != "Bearer sk-provider" {
			t.Errorf("the provider was asked as %q", got.header.Get("Authorization"))
		}
		if row := g.row(rp); row.Op != "raw" || row.Provider != "p" || row.Status != http.StatusCreated || row.Tags[0] != "a" {
			t.Errorf("the row is %+v", row)
		}
	}
	f("GET", "/p/p/files?limit=2&key=sk-client&after=x", "/v1/files", "limit=2&after=x", "")
	f("DELETE", "/p/p/v1/files/file-1", "/v1/files/file-1", "", "")
	f("POST", "/p/p/vector_stores", "/v1/vector_stores", "", `{"name":"a"}`)
	f("POST", "/p/p/a%20b", "/v1/a%20b", "", strings.Repeat(" ", 2<<20))

	b.answer = func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "5") }
	if rp := send("HEAD", "/p/p/files/x", ""); rp.status != 200 || rp.header.Get("Content-Length") != "5" || rp.err != nil {
		t.Errorf("HEAD: %d %v %v", rp.status, rp.header, rp.err)
	}
	b.took()

	refused := func(path string, status int, says string) {
		t.Helper()
		if rp := send("GET", path, ""); rp.status != status || !strings.Contains(rp.body, says) {
			t.Errorf("%s: %d %s; want %d with %q", path, rp.status, rp.body, status, says)
		}
	}
	refused("/p/q/files", 404, "nearest: p")
	refused("/p/elsewhere/files", 404, "there are: p")
	refused("/p/", 404, "provider")
	refused("/p/p/%2e%2e/admin", 400, "not relayed")
	refused("/p/p/a/%2E./b", 400, "not relayed")
	refused("/p/p/a%2fb", 400, "not relayed")
	refused("/p/p/a%5Cb", 400, "not relayed")
	refused("/p/p/a%252fb", 400, "not relayed")
	if n := len(b.took()); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// TestRawAnswers passes errors on as they are, but those about the account's own credentials, and reads the usage of known forms.
func TestRawAnswers(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, nil)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	g.url = strings.TrimSuffix(g.url, "/v1")
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	b.answer = status(404, `{"error":{"message":"no such file","type":"invalid_request_error"},"more":1}`)
	rp := g.post("/p/p/files/x", `{}`)
	if rp.status != 404 || !strings.HasSuffix(rp.body, `"more":1}`) {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if row := g.row(rp); row.Status != 404 || row.Code != "provider_rejected" {
		t.Errorf("the row has %d %s", row.Status, row.Code)
	}
	b.answer = status(401, `{"error":{"message":"Incorrect API key provided: sk-provider"}}`)
	if rp = g.post("/p/p/files/x", `{}`); rp.status != 502 || strings.Contains(rp.body, "sk-provider") {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if n := len(b.took()); n != 2 {
		t.Errorf("the provider was asked %d times, want once for each call", n)
	}

	b.answer = says(`{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
	rp = g.post("/p/p/chat/completions", `{"model":"gpt-4o","messages":[]}`)
	if row := g.row(rp); row.Usage.Input != 3 || row.Usage.Output != 4 || row.Target != "p/gpt-4o" {
		t.Errorf("the row has %s %+v", row.Target, row.Usage)
	}
	read := make(chan struct{}) // closed by the client
	b.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}`+"\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-read:
		case <-time.After(soon):
			t.Error("the first event is held back")
		}
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":6}}`+"\n\ndata: [DONE]\n\n")
	}
	resp := g.open(t.Context(), "/p/p/chat/completions", `{"model":"gpt-4o","stream":true,"messages":[]}`)
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 20)); err != nil {
		t.Error(err)
	}
	close(read)
	if rest, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("%q %v", rest, err)
	}
	row := g.row(reply{header: resp.Header})
	if row.Usage.Input != 5 || row.Usage.Output != 6 {
		t.Errorf("the row of a stream has %+v", row.Usage)
	}
}

// TestRawKeys lets a key that is for some models relay only where it names all of the provider's.
func TestRawKeys(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, says(`{}`))
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1")+provide("q", "openai", b.URL+"/v1")+
		"keys:\n  - {name: some, key: sk-sluice-some-models-key, models: [p/gpt-4o]}\n  - {name: all, key: sk-sluice-all-of-p-key, models: [\"p/*\"]}\n")
	g.url = strings.TrimSuffix(g.url, "/v1")
	f := func(key, path string, status int) {
		t.Helper()
		if rp := g.post(path, `{"model":"gpt-4o"}`, "Authorization", "Bearer "+key); rp.status != status {
			t.Errorf("%s at %s: %d %s, want %d", key, path, rp.status, rp.body, status)
		}
	}
	f("sk-sluice-some-models-key", "/p/p/chat/completions", 403)
	f("sk-sluice-all-of-p-key", "/p/p/chat/completions", 200)
	f("sk-sluice-all-of-p-key", "/p/q/chat/completions", 403)
	f("sk-wrong", "/p/p/chat/completions", 401)
}

// TestRawToThatProvider: a public model whose name looks like one of a provider's leads nowhere else.
func TestRawToThatProvider(t *testing.T) {
	t.Parallel()
	p, q := serveBackend(t, says(`{"from":"p"}`)), serveBackend(t, says(`{"from":"q"}`))
	g := start(t, "providers:\n"+provide("p", "openai", p.URL+"/v1")+provide("q", "openai", q.URL+"/v1")+
		"models:\n  p/gpt-4o: {targets: [q/gpt-4o]}\n  p/raw: {targets: [q/gpt-4o]}\n")
	g.url = strings.TrimSuffix(g.url, "/v1")
	for _, body := range []string{`{"model":"gpt-4o"}`, `{}`} {
		if rp := g.post("/p/p/some/path", body); rp.status != 200 || rp.body != `{"from":"p"}` {
			t.Errorf("%s: %d %s", body, rp.status, rp.body)
		}
	}
	if n := len(q.took()); n != 0 {
		t.Errorf("the other provider was asked %d times", n)
	}
}

// TestRawWithoutBody passes on answers that have headers only.
func TestRawWithoutBody(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			w.Header().Set("Content-Length", "1234")
			w.Header().Set("Content-Type", "audio/mpeg")
		case strings.HasSuffix(r.URL.Path, "/typeless"):
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "\x00\x01")
		case strings.HasSuffix(r.URL.Path, "/same"):
			w.WriteHeader(http.StatusNotModified)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	g.url = strings.TrimSuffix(g.url, "/v1")
	f := func(method, path string, status int, kind, length, body string) {
		t.Helper()
		rq := g.request(t.Context(), path, nil)
		rq.Method = method
		resp, err := g.client.Do(rq)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		h := resp.Header
		if resp.StatusCode != status || h.Get("Content-Type") != kind || h.Get("Content-Length") != length || string(got) != body || err != nil {
			t.Errorf("%s %s: %d %q (%v), type %q, length %q", method, path, resp.StatusCode, got, err, h.Get("Content-Type"), h.Get("Content-Length"))
		}
		if row := g.row(reply{header: h}); row.Status != status || row.Code != "" {
			t.Errorf("%s %s: the row has %d %s", method, path, row.Status, row.Code)
		}
	}
	f("HEAD", "/p/p/files/1/content", 200, "audio/mpeg", "1234", "")
	f("DELETE", "/p/p/files/1", 204, "", "", "")
	f("GET", "/p/p/files/same", 304, "", "", "")
	f("GET", "/p/p/files/typeless", 200, "application/octet-stream", "2", "\x00\x01")
}

// TestRawBroken: a relayed answer that breaks off is no success in the ledger, whoever broke it off.
func TestRawBroken(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}) // closed by the provider
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		send(w, "some")
		if strings.HasSuffix(r.URL.Path, "/cut") {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
		close(ended)
	})
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	g.url = strings.TrimSuffix(g.url, "/v1")
	rp := g.post("/p/p/files/cut", `{}`)
	if rp.status != 200 || rp.err == nil {
		t.Errorf("%d %q %v; want an answer that is cut", rp.status, rp.body, rp.err)
	}
	if row := g.row(rp); row.Status != 502 || row.Code != "provider_truncated" {
		t.Errorf("cut: the row has %d %s", row.Status, row.Code)
	}
	ctx, leave := context.WithCancel(t.Context())
	resp := g.open(ctx, "/p/p/files/long", `{}`)
	leave()
	resp.Body.Close()
	await(t, "the end of the provider's request", ended)
	if row := g.row(reply{header: resp.Header}); row.Status != 499 || row.Code != "client_closed_request" {
		t.Errorf("left: the row has %d %s", row.Status, row.Code)
	}
}

// TestRawCoding passes a packed body on with the header that says so; what has to be read is refused.
func TestRawCoding(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, says(`{}`))
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	g.url = strings.TrimSuffix(g.url, "/v1")
	if rp := g.post("/p/p/files", "packed", "Content-Encoding", "gzip"); rp.status != 200 {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if got := b.took(); len(got) != 1 || got[0].header.Get("Content-Encoding") != "gzip" || got[0].body != "packed" {
		t.Errorf("the provider got %+v", got)
	}
	rq := g.request(t.Context(), "/v1/audio/transcriptions", strings.NewReader("packed"))
	rq.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	rq.Header.Set("Content-Encoding", "gzip")
	resp, err := g.client.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(text), "content encoding") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

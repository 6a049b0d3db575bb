package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// goneSoon is when a provider must have lost its connection after the client has left. The aim is 50 ms (docs/STREAMS.md); this much more, because
// test machines are busy. The fastest of goneTries counts.
const (
	goneSoon  = time.Second
	goneTries = 3
)

// patient is a provider that takes requests, sends a beginning, and then nothing until its client leaves.
type patient struct {
	*httptest.Server
	mu    sync.Mutex
	begin string // sent at once, with its content type
	kind  string

	asked chan struct{}  // one for each request, when its body and the beginning are through
	gone  chan time.Time // one for each request, when its connection is lost
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	const room = 64 // more than there are requests at once
	p := &patient{asked: make(chan struct{}, room), gone: make(chan time.Time, room)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		begin, kind := p.begin, p.kind
		p.mu.Unlock()
		if r.Header.Get("X-Partly") == "" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if begin != "" {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, begin)
			_ = http.NewResponseController(w).Flush() // whether it arrives is what the client waits for
		}
		p.asked <- struct{}{}
		if r.Header.Get("X-Partly") != "" {
			_, _ = io.Copy(io.Discard, r.Body) // ends with the client's connection
		} else {
			<-r.Context().Done()
		}
		p.gone <- time.Now()
	}))
	t.Cleanup(p.Close)
	return p
}

// TestClientGone leaves a call on every surface, while the provider is silent and in the middle of its answer, and measures when the provider
// loses its connection.
func TestClientGone(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	g := start(t, "keep_alive: {whole: 1h}\nproviders:\n"+
		provide("o", "openai", p.URL+"/v1")+provide("a", "anthropic", p.URL)+provide("g", "gemini", p.URL)+provide("c", "cohere", p.URL)+
		provide("j", "jina", p.URL+"/v1"))
	base := strings.TrimSuffix(g.url, "/v1")

	leave := func(name, method, path, body, contentType string, begun bool, requests int, header ...string) {
		t.Helper()
		fastest, slowest := time.Hour, time.Duration(0)
		for range goneTries {
			ctx, cancel := context.WithCancel(t.Context())
			rq, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			rq.Header.Set("Content-Type", contentType)
			for i := 0; i < len(header); i += 2 {
				rq.Header.Set(header[i], header[i+1])
			}
			answered := make(chan error, 1)
			got := make(chan struct{})
			go func() { // waited for below
				resp, err := g.client.Do(rq)
				if err == nil {
					_, _ = io.ReadFull(resp.Body, make([]byte, 1))
					close(got)
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				answered <- err
			}()
			for range requests {
				select {
				case <-p.asked:
				case err := <-answered:
					t.Fatalf("%s: answered: %v", name, err)
				}
			}
			if begun {
				await(t, name+": beginning of the answer", got)
			}
			left := time.Now()
			cancel()
			var last time.Time
			for range requests {
				last = await(t, name+": end at the provider", p.gone)
			}
			fastest, slowest = min(fastest, last.Sub(left)), max(slowest, last.Sub(left))
			<-answered
		}
		t.Logf("%-40s %v to %v", name, fastest.Round(10*time.Microsecond), slowest.Round(10*time.Microsecond))
		if fastest > goneSoon {
			t.Errorf("%s: the provider lost its connection after %v", name, fastest)
		}
		g.settled()
	}
	starts := func(begin, kind string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.begin, p.kind = begin, kind
	}

	const (
		js       = "application/json"
		chat     = `{"model":"%s/m","messages":[{"role":"user","content":"hi"}]%s}`
		messages = `{"model":"%s/m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]%s}`
		contents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
		stream   = `,"stream":true`
	)
	form, formType := formBody(t, "model", "o/m", "file", strings.Repeat("x", 100<<10))
	for _, c := range []struct {
		name, path, body, kind string
		requests               int
		header                 []string
	}{
		{"chat stream", "/v1/chat/completions", fmt.Sprintf(chat, "o", stream), js, 1, nil},
		{"chat whole", "/v1/chat/completions", fmt.Sprintf(chat, "o", ""), js, 1, nil},
		{"chat stream, translated", "/v1/chat/completions", fmt.Sprintf(chat, "a", stream), js, 1, nil},
		{"chat whole, translated", "/v1/chat/completions", fmt.Sprintf(chat, "g", ""), js, 1, nil},
		{"completions", "/v1/completions", `{"model":"o/m","prompt":"hi","stream":true}`, js, 1, nil},
		{"responses stream", "/v1/responses", `{"model":"o/m","input":"hi","stream":true}`, js, 1, nil},
		{"responses whole", "/v1/responses", `{"model":"o/m","input":"hi"}`, js, 1, nil},
		{"messages stream", "/anthropic/v1/messages", fmt.Sprintf(messages, "a", stream), js, 1, nil},
		{"messages whole", "/anthropic/v1/messages", fmt.Sprintf(messages, "a", ""), js, 1, nil},
		{"count_tokens", "/anthropic/v1/messages/count_tokens", fmt.Sprintf(messages, "a", ""), js, 1, nil},
		{"gemini stream", "/gemini/v1beta/models/g%2Fm:streamGenerateContent?alt=sse", contents, js, 1, nil},
		{"gemini array", "/gemini/v1beta/models/g%2Fm:streamGenerateContent", contents, js, 1, nil},
		{"gemini whole", "/gemini/v1beta/models/g%2Fm:generateContent", contents, js, 1, nil},
		{"gemini count", "/gemini/v1beta/models/g%2Fm:countTokens", contents, js, 1, nil},
		{"embeddings", "/v1/embeddings", `{"model":"o/m","input":"hi"}`, js, 1, nil},
		{"embeddings, split", "/v1/embeddings", `{"model":"o/text-embedding-3-small","input":` + inputs(5000) + `}`, js, 3, nil},
		{"moderations", "/v1/moderations", `{"model":"o/m","input":"hi"}`, js, 1, nil},
		{"rerank", "/v1/rerank", `{"model":"j/m","query":"q","documents":["a"]}`, js, 1, nil},
		{"rerank, translated", "/v1/rerank", `{"model":"c/m","query":"q","documents":["a"]}`, js, 1, nil},
		{"images", "/v1/images/generations", `{"model":"o/m","prompt":"p"}`, js, 1, nil},
		{"images, form", "/v1/images/edits", form, formType, 1, nil},
		{"speech", "/v1/audio/speech", `{"model":"o/m","input":"hi","voice":"alloy"}`, js, 1, nil},
		{"transcription", "/v1/audio/transcriptions", form, formType, 1, nil},
		{"raw GET", "/p/o/files", "", js, 1, nil},
		{"raw POST", "/p/o/vector_stores", `{"a":1}`, js, 1, nil},
		{"raw upload", "/p/o/files", form, formType, 1, nil},
		{"with X-Sluice-Resumable: false", "/v1/chat/completions", fmt.Sprintf(chat, "o", stream), js, 1, []string{"X-Sluice-Resumable", "false"}},
	} {
		method := http.MethodPost
		if c.name == "raw GET" {
			method = http.MethodGet
		}
		leave(c.name, method, c.path, c.body, c.kind, false, c.requests, c.header...)
	}

	starts(hello, "text/event-stream")
	leave("chat stream, begun", http.MethodPost, "/v1/chat/completions", fmt.Sprintf(chat, "o", stream), js, true, 1)
	leave("raw stream, begun", http.MethodPost, "/p/o/chat/completions", fmt.Sprintf(chat, "o", stream), js, true, 1)
	starts(`{"id":"x",`, js)
	leave("chat whole, begun", http.MethodPost, "/v1/chat/completions", fmt.Sprintf(chat, "o", ""), js, false, 1)
	leave("embeddings, begun", http.MethodPost, "/v1/embeddings", `{"model":"o/m","input":"hi"}`, js, false, 1)
	starts("RIFF", "audio/wav")
	leave("speech, begun", http.MethodPost, "/v1/audio/speech", `{"model":"o/m","input":"hi","voice":"alloy"}`, js, true, 1)
}

// TestClientGoneWhileUploading leaves in the middle of a body that is streamed through: the provider's request breaks off too.
func TestClientGoneWhileUploading(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	g := start(t, "providers:\n"+provide("o", "openai", p.URL+"/v1"))
	form, formType := formBody(t, "model", "o/m", "file", strings.Repeat("x", 1<<20))
	for _, path := range []string{"/v1/audio/transcriptions", "/p/o/files"} {
		ctx, cancel := context.WithCancel(t.Context())
		body, rest := io.Pipe()
		rq, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(g.url, "/v1")+path, body)
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("Content-Type", formType)
		rq.Header.Set("X-Partly", "yes")
		ended := make(chan struct{})
		go func() { // waited for below
			defer close(ended)
			if resp, err := g.client.Do(rq); err == nil {
				resp.Body.Close()
			}
		}()
		if _, err := io.WriteString(rest, form[:600<<10]); err != nil {
			t.Fatal(err)
		}
		await(t, "request at the provider", p.asked)
		left := time.Now()
		cancel()
		_ = rest.CloseWithError(io.ErrUnexpectedEOF)
		if took := await(t, path+": end at the provider", p.gone).Sub(left); took > 2*goneSoon {
			t.Errorf("%s: the provider's request ended after %v", path, took)
		}
		<-ended
		g.settled()
	}
}

// TestClientGoneInTheQueue leaves a call that waits for a slot: its place is free at once, and the provider is never asked.
func TestClientGoneInTheQueue(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	g := start(t, "providers:\n  o: {api: openai, base_url: "+p.URL+"/v1, api_key: k, concurrency: 1}\n")
	var wg sync.WaitGroup
	call := func() context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		rq := g.request(ctx, "/chat/completions", strings.NewReader(`{"model":"o/m","messages":[{"role":"user","content":"hi"}]}`))
		wg.Go(func() {
			if resp, err := g.client.Do(rq); err == nil {
				resp.Body.Close()
			}
		})
		return cancel
	}
	first := call()
	await(t, "first request at the provider", p.asked)
	second := call()
	waiting := func() bool { return strings.Contains(g.scrape(), `sluice_queue_depth{class="interactive"} 1`) }
	eventually(t, "second call in the queue", waiting)
	second()
	eventually(t, "second call out of the queue", func() bool { return !waiting() })
	first()
	await(t, "end at the provider", p.gone)
	wg.Wait()
	g.settled()
	if len(p.asked) != 0 {
		t.Error("the provider was asked for a client that had left")
	}
}

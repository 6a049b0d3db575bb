package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// step answers one request.
type step func(w http.ResponseWriter, r *http.Request)

// seen is one request as a provider got it.
type seen struct {
	at     time.Time
	header http.Header
	body   string
}

// script is a provider that answers the n-th request with the n-th step, and all further ones with the last.
type script struct {
	steps []step // set once

	mu       sync.Mutex
	requests []seen
}

func steps(s ...step) *script { return &script{steps: s} }

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a client that leaves meanwhile is seen by the step
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, seen{time.Now(), r.Header.Clone(), string(body)})
	s.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.steps[min(n, len(s.steps)-1)](w, r)
}

// got returns the requests so far.
func (s *script) got() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// count returns the number of requests so far.
func (s *script) count() int { return len(s.got()) }

const (
	usage      = `"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500,"prompt_tokens_details":{"cached_tokens":400},"completion_tokens_details":{"reasoning_tokens":100}}`
	answerText = `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi there"},"finish_reason":"stop"}],` + usage + `}`

	roleEvent   = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	textEvent   = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"hello you"},"finish_reason":null}]}` + "\n\n"
	finishEvent = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usageEvent  = `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[],` + usage + `}` + "\n\n"
	doneEvent   = "data: [DONE]\n\n"
)

// ok answers well, as the request asks.
func ok(w http.ResponseWriter, r *http.Request) { okAfter(0)(w, r) }

// okAfter answers well after a time.
func okAfter(d time.Duration) step {
	return func(w http.ResponseWriter, r *http.Request) {
		if !pause(r, d) {
			return
		}
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) { // from memory: no error
			events(roleEvent, textEvent, finishEvent, usageEvent, doneEvent)(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answerText) // a client that left does not matter
	}
}

// whole answers with a body.
func whole(body string) step {
	return func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) }
}

// fail answers with an error and headers, given as name and value in turn.
func fail(status int, header ...string) step {
	return failWith(status, fmt.Sprintf(`{"error":{"message":"status %d","type":"t","param":null,"code":"c"}}`, status), header...)
}

func failWith(status int, body string, header ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// events streams parts, each flushed. A part that is a duration is a silence; the part "hang" is one without end, and the
// part "reset" a broken connection.
func events(parts ...any) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, p := range parts {
			switch p := p.(type) {
			case time.Duration:
				if !pause(r, p) {
					return
				}
			case string:
				switch p {
				case "hang":
					<-r.Context().Done()
					return
				case "reset":
					panic(http.ErrAbortHandler)
				}
				_, _ = io.WriteString(w, p)
				w.(http.Flusher).Flush()
			}
		}
	}
}

// hang takes a request and never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// reset breaks the connection before an answer.
func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// pause waits and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

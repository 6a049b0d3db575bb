package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/report"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// Tests in virtual time: the server is net/http's over pipes, so that every instant of a record is exact.

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// measured is a run with its records.
type measured struct {
	*report.Run
	records []report.Record
}

// virtually runs f in virtual time with a dial function that reaches h.
func virtually(t *testing.T, h http.Handler, f func(t *testing.T, dial dialFunc)) {
	t.Helper()
	virtuallyMade(t, func() http.Handler { return h }, f)
}

// virtuallyMade is virtually for handlers with channels, which must be made where they are used.
func virtuallyMade(t *testing.T, handler func() http.Handler, f func(t *testing.T, dial dialFunc)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: handler()}
		served := make(chan error, 1)
		go func() { served <- server.Serve(p) }()
		defer func() {
			if err := server.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("serve: %v", err)
			}
		}()
		f(t, p.dial)
	})
}

// measure runs o against h in virtual time. The target, workload and, for a schedule, the prompter are filled in where they are missing.
func measure(t *testing.T, h http.Handler, o Options) measured {
	t.Helper()
	var m measured
	virtually(t, h, func(t *testing.T, dial dialFunc) {
		m = measureBy(t.Context(), t, dial, o)
	})
	return m
}

func measureBy(ctx context.Context, t *testing.T, dial dialFunc, o Options) (m measured) {
	t.Helper()
	o.dial = dial
	if o.Target == nil {
		o.Target = mocked()
	}
	if o.Workload == nil {
		o.Workload = &workload.Workload{Stream: true, Timeout: time.Minute}
	}
	if o.Prompts == nil && o.Schedule != nil {
		o.Prompts = texts{}
	}
	o.Record = func(r *report.Record) error {
		m.records = append(m.records, *r)
		return nil
	}
	var err error
	if m.Run, err = Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	return m
}

func mocked() *Target {
	return &Target{
		Cell: report.Cell{Target: "mock/m", Provider: "mock", Model: "m", Dialect: "openai"}, BaseURL: "http://mock/v1", Model: "m",
		Dialect: openai.Client{},
	}
}

// step is a part of a scripted answer: text that is written after a pause.
type step struct {
	after time.Duration
	text  string
}

// pause waits, or for the end of the request.
func pause(rq *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-rq.Context().Done():
	}
}

// play writes a stream.
func play(w http.ResponseWriter, rq *http.Request, script []step) {
	_, _ = io.Copy(io.Discard, rq.Body) // only then net/http sees when the client goes
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for _, s := range script {
		pause(rq, s.after)
		if s.text == cutHere {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, s.text)
		w.(http.Flusher).Flush()
	}
}

const (
	cutHere = "cut"
	role    = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	finish  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	done    = "data: [DONE]\n\n"
)

func text(s string) string {
	return fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", s)
}

func reasoning(s string) string {
	return fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"reasoning_content":%q},"finish_reason":null}]}`+"\n\n", s)
}

func usageOf(in, out, reasoned int) string {
	return fmt.Sprintf(`data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"completion_tokens_details":{"reasoning_tokens":%d}}}`+"\n\n",
		in, out, in+out, reasoned)
}

// scripted answers every request with the same stream.
func scripted(script ...step) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) { play(w, rq, script) })
}

// answering answers without a stream after a pause.
func answering(after time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, rq *http.Request) {
		_, _ = io.Copy(io.Discard, rq.Body)
		pause(rq, after)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],`+
			`"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}`)
	}
}

// whole is a workload without streams.
func whole() *workload.Workload { return &workload.Workload{Timeout: time.Minute} }

// mentions fails unless one of the reasons has all the words.
func mentions(t *testing.T, reasons []string, words ...string) {
	t.Helper()
next:
	for _, r := range reasons {
		for _, w := range words {
			if !strings.Contains(r, w) {
				continue next
			}
		}
		return
	}
	t.Errorf("no reason has %q: %q", words, reasons)
}

// failingDial opens no connection.
func failingDial(err error) dialFunc {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

package gateway_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
)

// reply records what the client is told, and checks the contract of gateway.Reply.
type reply struct {
	last    string // event of a stream that failed
	t       *testing.T
	id      string
	start   time.Time
	header  http.Header
	status  int
	body    strings.Builder
	err     *llm.Error // told to the client
	begun   bool
	over    bool
	frozen  http.Header // headers as they were sent
	took    time.Duration
	onWrite func() *llm.Error // called for each write of a stream
}

func (w *reply) Header() http.Header { return w.header }

func (w *reply) Whole(status int, body []byte) {
	w.end(!w.begun)
	w.status = status
	w.body.Write(body)
}

func (w *reply) Begin() {
	if w.begun || w.over {
		w.t.Errorf("%s: a second answer begins", w.id)
	}
	w.begun, w.status, w.frozen = true, http.StatusOK, maps.Clone(w.header)
}

func (w *reply) Write(p []byte) *llm.Error {
	if !w.begun || w.over {
		w.t.Errorf("%s: a write outside of a stream", w.id)
	}
	w.body.Write(p)
	if w.onWrite != nil {
		return w.onWrite()
	}
	return nil
}

func (w *reply) Flush() *llm.Error { return nil }

func (w *reply) Fail(e *llm.Error, event []byte) {
	w.end(true)
	w.err, w.last = e, string(event)
	if !w.begun {
		w.status = e.Kind.Status()
	}
}

// end notes the end of an answer.
func (w *reply) end(ok bool) {
	if w.over || !ok {
		w.t.Errorf("%s: a second answer", w.id)
	}
	w.over = true
	if w.frozen == nil {
		w.frozen = maps.Clone(w.header)
	}
}

// want checks the kind of a call's error, KindNone for success, and its number of attempts.
func (w *reply) want(kind llm.Kind, attempts int) {
	w.t.Helper()
	got := llm.KindNone
	if w.err != nil {
		got = w.err.Kind
	}
	if got != kind {
		w.t.Errorf("%s ended with %v (%v), want %q", w.id, got, w.err, kind)
	}
	if n := w.header.Get("X-Sluice-Attempts"); n != strconv.Itoa(attempts) {
		w.t.Errorf("%s had %s attempts, want %d", w.id, n, attempts)
	}
}

// says checks that the error's message holds each part.
func (w *reply) says(parts ...string) {
	w.t.Helper()
	for _, p := range parts {
		if w.err == nil || !strings.Contains(w.err.Message, p) {
			w.t.Errorf("%s was told %v, want a word of %q", w.id, w.err, p)
		}
	}
}

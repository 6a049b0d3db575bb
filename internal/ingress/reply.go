package ingress

import (
	"net/http"
	"strconv"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// reply writes answers in a front's dialect. It implements gateway.Reply.
type reply struct {
	w     http.ResponseWriter
	stall time.Duration // how long a write may block
	codec *dialect.Codec
	id    string // of the call
	array bool   // a stream is an array of JSON, not SSE

	begun bool
	cut   bool      // the answer has broken off in a form that has no word for that
	armed time.Time // when the write deadline was set last
}

var jsonType = []string{"application/json"} // shared header value, never changed

// Header returns the headers of the answer; they can be changed until it begins.
func (rp *reply) Header() http.Header { return rp.w.Header() }

// Whole sends a complete answer. It is flushed when the handler returns.
func (rp *reply) Whole(status int, body []byte) {
	h := rp.w.Header()
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = jsonType
	}
	rp.arm()
	rp.w.WriteHeader(status)
	_, _ = rp.w.Write(body) // the client may be gone: its call is over either way
}

// Begin opens a stream.
func (rp *reply) Begin() { rp.BeginStatus(http.StatusOK) }

// BeginStatus opens a stream with any status.
func (rp *reply) BeginStatus(status int) {
	h := rp.w.Header()
	if _, said := h["Content-Type"]; !said { // nil says that there is none
		h["Content-Type"] = []string{"text/event-stream"}
		if rp.array {
			h["Content-Type"] = jsonType
		}
	}
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"no-cache"}
	}
	h["X-Accel-Buffering"] = []string{"no"} // a proxy between here and the client must not collect events
	rp.begun = true
	rp.arm()
	rp.w.WriteHeader(status)
}

// end is called when the call is over. An answer that broke off, and could not say so, must not look complete: its connection is cut
// by a panic that net/http knows and does not log.
func (rp *reply) end() {
	if rp.cut {
		panic(http.ErrAbortHandler)
	}
}

// Write adds a part to a stream.
func (rp *reply) Write(p []byte) *llm.Error {
	rp.arm()
	if _, err := rp.w.Write(p); err != nil {
		return rp.lost(err)
	}
	return nil
}

// Flush sends what was written.
func (rp *reply) Flush() *llm.Error {
	if f, ok := rp.w.(interface{ FlushError() error }); ok {
		if err := f.FlushError(); err != nil {
			return rp.lost(err)
		}
	}
	return nil
}

// lost classifies an error of a write.
func (rp *reply) lost(err error) *llm.Error {
	if isTimeout(err) {
		e := llm.Errorf(llm.KindSlowClient, "the client did not read for %v (clients.write_stall)", rp.stall)
		e.Err = err
		return e
	}
	return &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the connection", Err: err}
}

// arm moves the write deadline ahead. It is done once in a quarter of the limit, not for every token, so a client that
// stops reading is noticed after between 3/4 and all of the limit.
func (rp *reply) arm() {
	now := time.Now()
	if now.Sub(rp.armed) < rp.stall/4 {
		return
	}
	rp.armed = now
	_ = http.NewResponseController(rp.w).SetWriteDeadline(now.Add(rp.stall)) // unsupported by some test writers only
}

// Fail sends an error: as a whole answer, or as the last event of a stream that has begun. Without an event the connection is cut.
func (rp *reply) Fail(e *llm.Error, event []byte) {
	if rp.begun {
		if rp.cut = len(event) == 0; rp.cut {
			return
		}
		if rp.Write(event) == nil {
			_ = rp.Flush() // the last that can be told; a client that left does not hear it
		}
		return
	}
	h := rp.w.Header()
	h["Content-Type"] = jsonType
	if e.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)} // rounded up: no one comes too early
		h["Retry-After-Ms"] = []string{strconv.FormatInt(int64((e.RetryAfter+time.Millisecond-1)/time.Millisecond), 10)}
	}
	if body := e.Body; len(body) > 0 && passBody(e) {
		rp.Whole(e.ProviderStatus, body)
		return
	}
	body, status := rp.codec.AppendError(nil, e, rp.id)
	rp.Whole(status, body)
}

// passBody reports whether the provider's own error body goes to the client: where the provider speaks about the request
// itself. What it says about Sluice's account is not the client's business.
func passBody(e *llm.Error) bool {
	switch e.Kind {
	case llm.KindRejected, llm.KindContentFilter, llm.KindContextLength:
		return e.ProviderStatus >= 400 && e.ProviderStatus < 500
	}
	return false
}

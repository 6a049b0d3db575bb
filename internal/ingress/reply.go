package ingress

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// reply writes answers in a front's dialect. It implements gateway.Reply. Each Write brings whole events, so that a keep-alive between two
// of them is never inside one.
type reply struct {
	// set once, before the call begins
	w     http.ResponseWriter
	stall time.Duration // how long a write may block
	codec *dialect.Codec
	id    string // of the call
	owner string // name of the client's key, where a recording is read
	array bool   // a stream is an array of JSON, not SSE
	alive alive

	// mu is held over a write: it is what keeps a keep-alive and the call's writes apart. A write ends after stall.
	mu    sync.Mutex
	held  bool      // the call is setting headers: no keep-alive may send them
	begun bool      // the status has been sent
	live  bool      // by the call itself, rather than by a keep-alive before it
	over  bool      // nothing more may be written
	cut   bool      // the answer has broken off in a form that has no word for that
	armed time.Time // when the write deadline was set last
	last  time.Time // when bytes were written last
	timer *time.Timer
}

var jsonType = []string{"application/json"} // shared header value, never changed

// Header returns the headers of the answer; they can be changed until it begins, and trailers until its end. If a keep-alive has sent them
// already, changes are lost. From here to the beginning no keep-alive looks at them.
func (rp *reply) Header() http.Header {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.held = !rp.begun
	return rp.w.Header()
}

// Whole sends a complete answer. It is flushed when the handler returns. Behind white space (keep_alive.whole) the status is 200 whatever
// it says.
func (rp *reply) Whole(status int, body []byte) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if !rp.begun {
		h := rp.w.Header()
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		if len(h["Content-Type"]) == 0 {
			h["Content-Type"] = jsonType
		}
	}
	rp.arm()
	if !rp.begun {
		rp.w.WriteHeader(status)
	}
	rp.begun, rp.live, rp.over = true, true, true
	_, _ = rp.w.Write(body) // the client may be gone: its call is over either way
}

// Begin opens a stream, unless a keep-alive has done so.
func (rp *reply) Begin() { rp.BeginStatus(http.StatusOK) }

// BeginStatus opens a stream with any status.
func (rp *reply) BeginStatus(status int) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.begin(status)
	rp.live, rp.held = true, false
}

// begin sends the headers of a stream, once.
func (rp *reply) begin(status int) {
	if rp.begun {
		return
	}
	h := rp.w.Header()
	if _, said := h["Content-Type"]; !said { // nil says that there is none
		h["Content-Type"] = []string{"text/event-stream"}
		if rp.array || rp.alive.whole {
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
	rp.stop()
	if rp.cut {
		panic(http.ErrAbortHandler)
	}
}

// Write adds a part to a stream.
func (rp *reply) Write(p []byte) *llm.Error {
	rp.mu.Lock()
	rp.arm()
	_, err := rp.w.Write(p)
	rp.mu.Unlock()
	if err != nil {
		return rp.lost(err)
	}
	return nil
}

// Flush sends what was written.
func (rp *reply) Flush() *llm.Error {
	rp.mu.Lock()
	err := rp.flush()
	rp.mu.Unlock()
	if err != nil {
		return rp.lost(err)
	}
	return nil
}

func (rp *reply) flush() error {
	if f, ok := rp.w.(interface{ FlushError() error }); ok {
		return f.FlushError()
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
	rp.last = now
	if now.Sub(rp.armed) < rp.stall/4 {
		return
	}
	rp.armed = now
	_ = http.NewResponseController(rp.w).SetWriteDeadline(now.Add(rp.stall)) // unsupported by some test writers only
}

// Fail sends an error: as a whole answer, or as the last event of a stream that has begun. Without an event the connection is cut, but
// where only keep-alives were sent: then the error is told in the stream.
func (rp *reply) Fail(e *llm.Error, event []byte) {
	if rp.tellInside(e, event) {
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

// tellInside tells an error in an answer that has begun. It returns false if none has; then none will by a keep-alive.
func (rp *reply) tellInside(e *llm.Error, event []byte) bool {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.over = true
	if !rp.begun {
		return false
	}
	if len(event) == 0 && !rp.live {
		event = rp.failure(e)
	}
	if rp.cut = len(event) == 0; !rp.cut {
		rp.arm()
		if _, err := rp.w.Write(event); err == nil {
			_ = rp.flush() // the last that can be told; a client that left does not hear it
		}
	}
	return true
}

// failure returns what tells of an error behind nothing but keep-alives.
func (rp *reply) failure(e *llm.Error) []byte {
	newFollower := rp.codec.NewFollower
	if rp.array {
		newFollower = rp.codec.NewArrayFollower
	}
	if rp.alive.whole || newFollower == nil {
		body, _ := rp.codec.AppendError(nil, e, rp.id)
		return body
	}
	f := newFollower()
	f.Reset(wire.FollowOptions{ID: rp.id})
	return f.Fail(nil, e)
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

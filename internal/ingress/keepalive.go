package ingress

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// alive is how one answer is kept alive.
type alive struct {
	every time.Duration // without bytes
	ping  string
	whole bool // the answer is not a stream
}

// The keep-alives that no codec has.
const (
	bareComment = ": keep-alive\n" // ends no event, see commentEnds
	whiteSpace  = "\n"
)

// keepAlive begins to keep an answer alive, if its client can be sent anything that it does not mind. It must be called before the call
// begins, and stop after it.
func (rp *reply) keepAlive(c KeepAlive, op llm.Op, stream bool, h http.Header) {
	var a alive
	switch {
	case stream && (op == llm.OpChat || op == llm.OpCompletion):
		a = alive{every: c.Interval, ping: pingFor(rp.codec, rp.array, h)}
	case !stream && op != llm.OpSpeech: // which is no JSON
		a = alive{every: c.Whole, ping: whiteSpace, whole: true}
	}
	if a.every <= 0 || a.ping == "" {
		return
	}
	rp.alive = a
	rp.mu.Lock() // the timer may fire before it is stored
	defer rp.mu.Unlock()
	rp.last = time.Now()
	rp.timer = time.AfterFunc(rp.alive.every, rp.beat)
}

// beat is called by the timer: it sends a keep-alive if nothing else was sent for long enough. A write only notes its time, so that an event costs
// no timer operation. A client that has left ends its call: net/http ends the request's context when a write fails.
func (rp *reply) beat() {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if rp.over {
		return
	}
	wait := rp.alive.every - time.Since(rp.last)
	if rp.held {
		wait = max(wait, rp.alive.every)
	}
	if wait > 0 {
		rp.timer.Reset(wait)
		return
	}
	rp.begin(http.StatusOK)
	rp.arm()
	if _, err := rp.w.Write([]byte(rp.alive.ping)); err != nil || rp.flush() != nil {
		return
	}
	rp.timer.Reset(rp.alive.every)
}

// stop ends the keep-alives. None is being written when it returns: what writes to an answer must be gone before its handler is.
func (rp *reply) stop() {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.over = true
	if rp.timer != nil {
		rp.timer.Stop()
	}
}

// pingFor returns what a stream's client can be sent at any time between two events.
func pingFor(codec *dialect.Codec, array bool, h http.Header) string {
	switch {
	case array:
		return whiteSpace
	case codec.AppendPing == nil:
		return ""
	case (codec.Dialect == llm.OpenAI || codec.Dialect == llm.Responses) && commentEnds(h):
		return bareComment
	}
	return string(codec.AppendPing(nil))
}

// commentEnds reports whether a client takes the blank line behind a comment for the end of an event, and then cannot read that: openai-go
// before 3.43.0 (PROVIDERS.md 0.2). A comment without a blank line it skips, as every reader of event streams does (tested with 3.42.0, 2026-11-21).
func commentEnds(h http.Header) bool {
	if h.Get("X-Stainless-Lang") != "go" {
		return false
	}
	major, rest, _ := strings.Cut(h.Get("X-Stainless-Package-Version"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA != nil || errB != nil || a < 3 || a == 3 && b < 43
}

package upstream

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// drainTime bounds the wait for the end of an answer whose last event has been seen.
const drainTime = 100 * time.Millisecond

// guard watches over one attempt with one timer. It is always in one phase, each with its own limit and error:
//
//	connect ──▶ headers ──▶ first token ──▶ idle ──▶ drain
//	                 └──(no stream)──────────▶ idle
//
// The end of the call's time holds in each of them.
//
// In the idle phase progress only stores a time; the timer, when it fires, looks whether it is really due and otherwise
// sets itself anew. So a token costs no timer operation.
type guard struct {
	start  time.Time
	limits Limits
	end    time.Duration // of the call, since start; 0 if none
	ctx    context.Context
	cancel context.CancelCauseFunc

	last atomic.Int64 // when data came last, nanoseconds since start
	conn atomic.Int64 // when a connection was had, nanoseconds since start; 0 if not yet

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	due   time.Duration // when the phase ends, since start; in the idle phase since last
	kind  llm.Kind      // error of the phase
	over  bool

	answer Answer // what Send returns: each token looks at both
}

func newGuard(parent context.Context, l Limits) (*guard, context.Context) {
	g := &guard{start: time.Now(), limits: l}
	if !l.End.IsZero() {
		g.end = max(l.End.Sub(g.start), 1)
	}
	g.ctx, g.cancel = context.WithCancelCause(parent)
	g.enter(llm.KindConnectTimeout, l.Connect)
	return g, g.ctx
}

// connected is called by the transport when the attempt gets its connection; again if it has to take another.
func (g *guard) connected(httptrace.GotConnInfo) {
	now := time.Since(g.start)
	g.conn.Store(max(int64(now), 1))
	due := time.Duration(0)
	if g.limits.Headers > 0 {
		due = now + g.limits.Headers
	}
	g.enter(llm.KindHeaderTimeout, due)
}

// enter begins a phase that ends at due, measured from the attempt's start. due <= 0 means without limit.
func (g *guard) enter(kind llm.Kind, due time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	g.kind, g.due = kind, due
	next := g.next()
	switch {
	case next <= 0:
		if g.timer != nil {
			g.timer.Stop()
		}
	case g.timer == nil:
		g.timer = time.AfterFunc(next-time.Since(g.start), g.fire)
	default:
		g.timer.Reset(next - time.Since(g.start))
	}
}

// next returns when the phase or the call ends, since start; 0 if neither does. The caller holds mu.
func (g *guard) next() time.Duration {
	due := g.due
	if g.kind == llm.KindStalled && due > 0 {
		due = time.Duration(g.last.Load()) + g.limits.Idle
	}
	if g.end > 0 && (due <= 0 || g.end < due) {
		return g.end
	}
	return due
}

func (g *guard) headersArrived(stream bool) {
	if stream && g.limits.FirstToken > 0 {
		g.enter(llm.KindFirstToken, time.Duration(g.conn.Load())+g.limits.FirstToken)
		return
	}
	g.idle()
}

func (g *guard) firstToken() { g.idle() }

func (g *guard) idle() {
	now := time.Since(g.start)
	g.last.Store(int64(now))
	if g.limits.Idle <= 0 {
		g.enter(llm.KindStalled, 0)
		return
	}
	g.enter(llm.KindStalled, now+g.limits.Idle)
}

func (g *guard) drain() { g.enter(llm.KindNone, time.Since(g.start)+drainTime) }

func (g *guard) progress() { g.last.Store(int64(time.Since(g.start))) }

// fire runs on the timer's goroutine.
func (g *guard) fire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.next()
	if g.over || next <= 0 {
		return
	}
	if left := next - time.Since(g.start); left > 0 {
		g.timer.Reset(left)
		return
	}
	g.over = true
	g.cancel(g.timeout(next == g.end))
}

// timeout makes the error of the current phase. Each names its setting.
func (g *guard) timeout(end bool) *llm.Error {
	var e *llm.Error
	kind := g.kind
	if end {
		kind = llm.KindTotalTimeout
	}
	switch kind {
	case llm.KindTotalTimeout:
		e = totalTimeout(g.limits.EndSetting)
	case llm.KindConnectTimeout:
		e = llm.Errorf(g.kind, "no connection to the provider within %v (timeouts.connect)", g.limits.Connect)
		e.Scope = llm.ScopeAccount
		return e
	case llm.KindHeaderTimeout:
		e = llm.Errorf(g.kind, "no response headers within %v (timeouts.headers)", g.limits.Headers)
	case llm.KindFirstToken:
		e = llm.Errorf(g.kind, "no content token within %v (timeouts.first_token)", g.limits.FirstToken)
	case llm.KindStalled:
		e = llm.Errorf(g.kind, "no data for %v (timeouts.idle)", g.limits.Idle)
	default:
		e = llm.Errorf(llm.KindTruncated, "the provider did not end its answer")
	}
	e.Sent = llm.WasSent
	return e
}

// totalTimeout is the error of a call whose time is over; setting is what limits it.
func totalTimeout(setting string) *llm.Error {
	return llm.Errorf(llm.KindTotalTimeout, "the call was not complete in its time (%s)", setting)
}

// cause returns why the attempt was ended from our side, nil if it was not.
func (g *guard) cause() *llm.Error { return Cause(g.ctx) }

func (g *guard) stop() {
	g.mu.Lock()
	g.over = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Unlock()
	g.cancel(context.Canceled)
}

// Cause returns the classified reason for which ctx ended: the *llm.Error it was canceled with, or KindCanceled, or
// nil if ctx has not ended.
func Cause(ctx context.Context) *llm.Error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*llm.Error](cause); ok {
		own := *e // a shutdown ends many calls with one error, and each notes in its own how far it was
		return &own
	}
	return &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the request", Err: cause}
}

// sendError classifies an error of RoundTrip. Without a connection nothing can have been sent.
func (a *Account) sendError(g *guard, err error) *llm.Error {
	if e := g.cause(); e != nil {
		if e.Sent = llm.WasSent; g.conn.Load() == 0 {
			e.Sent = llm.NotSent
		}
		return e
	}
	e := &llm.Error{Kind: llm.KindUnreachable, Err: err}
	if g.conn.Load() == 0 {
		e.Message, e.Scope = "cannot connect to the provider "+a.name, llm.ScopeAccount
		return e
	}
	e.Sent = llm.WasSent
	e.Message = "the connection to the provider " + a.name + " broke before it answered"
	return e
}

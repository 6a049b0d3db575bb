// Package admit is the only place where a call waits. It binds a call to one of several targets at the moment one has
// capacity. It does not know limits or health: it asks through a StartFunc, and is told through Freed when to ask
// again. It runs no goroutines: calls wait in their own, and one timer watches for targets that reopen.
package admit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Verdict is the answer of a StartFunc.
type Verdict uint8

// The verdicts.
const (
	Started     Verdict = iota // a place was taken; the lease is valid
	Full                       // no place now; Freed will be called when there may be one
	FullAccount                // the same, and so it is for all other targets of the provider
	Open                       // the target is out of use; with last set, it would be tried
	Limited                    // the target must not be used before a time
	Short                      // a quota does not have what this call needs before a time; a smaller call may fit
)

// StartFunc takes a place at a target without blocking. try.Last asks it to use a target that is out of use (Open), for
// want of another. until is when an Open, Limited or Short target may be asked again, zero if that is unknown. It is called
// with the queue's lock held and must not call the queue; Freed must be called after whatever makes a later call of it
// succeed, except the passing of until.
type StartFunc[L any] func(t *llm.Target, try limit.Try) (lease L, v Verdict, until time.Time)

// Ask is what a call waits for.
type Ask struct {
	Targets   []*llm.Target // any of them will do; tried in this order
	Last      bool          // there is no other tier: wait for targets that reopen, and use one that is out rather than none
	Front     bool          // go before others of the class: a call that comes back after an attempt
	NotBefore time.Time     // do not start earlier (back-off before a retry); zero means now
	Need      llm.Need      // what the call takes of quotas
	Weight    int           // of the call's key among others; 0 means 1
	Bytes     int           // that the call keeps in memory while it waits
}

// Grant is a place at one target. Its lease belongs to the caller.
type Grant[L any] struct {
	Target *llm.Target
	Lease  L
	Waited time.Duration

	// Of a call that had to wait, when it came: how many were before it, and how long it was expected to wait; 0 if that was not known.
	Position int
	Expected time.Duration

	Receipt Receipt // for Used, when the call has ended
}

// Queue is the queue. It is safe for concurrent use. While no call waits, an Acquire that finds a place takes no lock
// of the queue.
//
// Invariants, whenever mu is free and every Freed call has returned:
//
//  1. No waiter could start: each was tried after the last thing that could have let it start.
//  2. A waiter is linked into one lane for each of its targets, or into none and settled.
//  3. A waiter that is not settled has a usable lane, or is in lanes of last resort.
//  4. waiting counts the waiters that are not settled. A waiter is counted before it tries for the last time, and
//     Freed looks at the count after the place is free: so one of both sees the other, and no wake-up is lost.
type Queue[L any] struct {
	// Set once.
	start    StartFunc[L]
	capacity CapacityFunc // nil if there is none

	// Atomic.
	config  atomic.Pointer[Config]
	waiting atomic.Int64
	paused  atomic.Int64 // calls in back-off
	byClass [classes]atomic.Int64

	pausedBytes atomic.Int64 // that those keep in memory

	waiters sync.Pool // of *waiter[L]

	mu       sync.Mutex
	accounts map[string]*account[L] // by provider
	tenants  map[tenantID]*tenant[L]
	ages     [classes]ages[L]
	hogs     [classes]order[*tenant[L]] // that have waiters, most of the bounds first
	bytes    int64                      // that waiters keep in memory
	dirty    []*account[L]              // to be dispatched before mu is given up
	seq      int64                      // of the last waiter that came
	moves    int64                      // grows whenever the order of waiters changes
	alarm    *time.Timer                // calls reopened
	alarmAt  time.Time                  // when; zero if not set
	started  [classes]int64             // of those that came into the queue
	refused  [classes][reasons]int64
	spreads  int64 // answers whose time to come back is spread

	// Scratch, under mu.
	claims limit.Claims
	heads  heads[L]
	behind behind[L]
	nodes  []*node[L]
	spare  struct {
		tenants spares[tenant[L]]
		shares  spares[share[L]]
		flows   spares[flow[L]]
	}
}

// New returns an empty queue.
func New[L any](c Config, start StartFunc[L]) *Queue[L] {
	q := &Queue[L]{start: start, accounts: map[string]*account[L]{}, tenants: map[tenantID]*tenant[L]{}}
	q.Update(c)
	return q
}

// Update replaces the limits for calls that come from now on.
func (q *Queue[L]) Update(c Config) {
	c = c.withDefaults()
	q.config.Store(&c)
}

// Acquire returns a place at one of the targets, waiting for it if need be. A grant is the caller's even if ctx has
// ended meanwhile. Errors: KindQueueFull, KindDeadline (call.Deadline or max_wait is over), KindNoHealthyTarget (waiting
// would not help: try the next tier), KindCanceled, KindTotalTimeout (ctx's own deadline), or a copy of the *llm.Error
// that is the cause of ctx's end.
func (q *Queue[L]) Acquire(ctx context.Context, call *llm.Call, a Ask) (Grant[L], *llm.Error) {
	if ctx.Err() != nil {
		return Grant[L]{}, ended(ctx)
	}
	if !call.Deadline.IsZero() && !time.Now().Before(call.Deadline) {
		return Grant[L]{}, late(call, 0)
	}
	var waited time.Duration
	if !a.NotBefore.IsZero() {
		var err *llm.Error
		if waited, err = q.pause(ctx, call, &a); err != nil {
			return Grant[L]{}, err
		}
	}
	if q.waiting.Load() == 0 {
		try := limit.Try{Need: a.Need, Key: call.Key, Class: call.Class}
		g, out, until := q.try(a.Targets, try)
		if out && a.Last {
			try.Last = true
			g, _, _ = q.try(a.Targets, try)
		}
		if g.Target != nil {
			g.Waited = waited
			return g, nil
		}
		if out && !a.Last {
			return Grant[L]{}, unhealthy(a.Targets, until)
		}
	}
	g, err := q.wait(ctx, call, &a)
	g.Waited += waited
	return g, err
}

// try asks each target once. out is true if all of them are out of use, and until the earliest time at which one may be
// asked again, as far as known.
func (q *Queue[L]) try(targets []*llm.Target, ask limit.Try) (g Grant[L], out bool, until time.Time) {
	out = true
	for _, t := range targets {
		lease, v, at := q.start(t, ask)
		switch v {
		case Started:
			return Grant[L]{Target: t, Lease: lease}, false, time.Time{}
		case Full, FullAccount, Short:
			out = false
		case Open, Limited:
			until = earlier(until, at)
		}
	}
	return g, out, until
}

// earlier returns the earlier of two times, of which a zero one is unknown.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pause waits until a time: a back-off.
func (q *Queue[L]) pause(ctx context.Context, call *llm.Call, a *Ask) (time.Duration, *llm.Error) {
	begin, until := time.Now(), a.NotBefore
	d := until.Sub(begin)
	if d <= 0 {
		return 0, nil
	}
	c := q.config.Load()
	if !call.Deadline.IsZero() && until.After(call.Deadline) {
		return 0, late(call, 0)
	}
	if p := c.patience(call, begin); d > p.max {
		return 0, p.tooSoon(d)
	}
	defer q.paused.Add(-1)
	if n := q.paused.Add(1); n > int64(c.MaxQueue) {
		e := llm.Errorf(llm.KindQueueFull, "%d calls are waiting before another attempt, queue.max_calls is %d", n-1, c.MaxQueue)
		e.RetryAfter = d
		return 0, e
	}
	defer q.pausedBytes.Add(-int64(a.Bytes))
	if n := q.pausedBytes.Add(int64(a.Bytes)); n > c.MaxBytes {
		e := llm.Errorf(llm.KindQueueFull, "the requests of calls that wait before another attempt take %d bytes, queue.max_bytes is %d",
			n-int64(a.Bytes), c.MaxBytes)
		e.RetryAfter = d
		return 0, e
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Since(begin), nil
	case <-ctx.Done():
		return time.Since(begin), ended(ctx)
	}
}

// wait is the slow path: the call enters the queue, is tried in its turn, and waits.
func (q *Queue[L]) wait(ctx context.Context, call *llm.Call, a *Ask) (Grant[L], *llm.Error) {
	c := q.config.Load()
	begin := time.Now()
	p := c.patience(call, begin)
	w := q.waiter(call, a, c, begin)
	defer q.recycle(w)
	q.mu.Lock()
	err := q.admit(w, a.Weight, c, &p)
	q.mu.Unlock()
	if err != nil {
		return Grant[L]{}, err
	}

	w.timer.Reset(time.Until(p.end))
	select {
	case <-w.ready:
		return w.result(begin)
	case <-w.timer.C:
		err = p.over(time.Since(begin))
	case <-ctx.Done():
		err = ended(ctx)
	}
	q.mu.Lock()
	if w.settled { // by someone who was faster than the end of our patience
		q.mu.Unlock()
		<-w.ready
		return w.result(begin)
	}
	why := left
	if err.Kind == llm.KindDeadline {
		why = expired
		err.RetryAfter = q.comeBack(w, c)
	}
	q.refused[w.class][why]++
	q.leave(w, nil)
	q.dispatchDirty()
	q.mu.Unlock()
	return Grant[L]{}, err
}

// admit lets a call into the queue, where it may start at once, or says why it must not wait. The caller holds mu.
func (q *Queue[L]) admit(w *waiter[L], weight int, c *Config, p *patience) *llm.Error {
	o := q.outlook(w, weight)
	if err := q.turnAway(w, c, p, &o); err != nil {
		return err
	}
	q.enter(w, weight)
	if w.settled {
		return nil
	}
	w.waits = true
	w.grant.Position, w.grant.Expected = o.calls, o.wait
	if err := q.hopeless(w, c, p, &o); err != nil {
		q.leave(w, nil)
		q.dispatchDirty()
		return err
	}
	q.shed(w, c)
	return nil
}

// Stats is the state of the queue at one time.
type Stats struct {
	Waiting  [classes]int64 // calls by llm.Class
	Paused   int64          // calls in back-off before a retry
	MaxQueue int
}

// Stats returns the present state.
func (q *Queue[L]) Stats() Stats {
	s := Stats{Paused: q.paused.Load(), MaxQueue: q.config.Load().MaxQueue}
	for i := range s.Waiting {
		s.Waiting[i] = q.byClass[i].Load()
	}
	return s
}

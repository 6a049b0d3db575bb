package pace

import (
	"sync/atomic"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Outcome is how an attempt ended.
type Outcome struct {
	Kind       llm.Kind      // KindNone for success
	Scope      llm.Scope     // what of the provider the error is about; ScopeUnknown leaves that to the kind
	Window     llm.Window    // of the limit that was hit
	Status     int           // HTTP status of the provider's answer; 0 if none
	Code       string        // the provider's own code for the error, for people
	RetryAfter time.Duration // stated by the provider; 0 if none
	FirstToken time.Duration // from start to the first content; 0 if there was none
	Duration   time.Duration // from start to end
	Whole      bool          // the answer was not streamed: FirstToken is the time of all of it, and no sample of that to a first token
	Usage      llm.Usage     // tokens used, if Used
	Used       bool          // Usage is known, be it reported or estimated (Usage.Estimated)
}

// Lease is the right to have one attempt under way. The zero Lease is not valid.
type Lease struct {
	le    *lease
	turn  uint64
	trial bool // started while a breaker was open
}

// lease is what a Lease stands for. It is used again for other calls: turn tells them apart, so that a lease that is
// ended twice is noticed even then.
type lease struct {
	turn atomic.Uint64

	// Owned by whoever holds the Lease of this turn.
	f       *Fleet
	t       *llm.Target
	account *account
	target  *target
	need    llm.Need // as it was estimated
	key     string   // of the client

	// Guarded by account.mu.
	held            []held
	taken           []limit.Reservation // of held, in the same order
	trial, trialAll bool                // started while the breaker of the target, or of all of the account, was open, and has not closed it
}

// lease returns one for a new call.
func (f *Fleet) lease() *lease {
	if le, ok := f.leases.Get().(*lease); ok {
		return le
	}
	return &lease{f: f}
}

// start takes the places. The caller holds the account's mu and has seen that there is room.
func (le *lease) start(t *llm.Target, a *account, tg *target) {
	le.t, le.account, le.target = t, a, tg
	a.use.used++
	tg.use.used++
}

// Begun says that the provider has begun to answer well (first content). It closes a breaker that this call tries, so
// that the target does not have to wait for the end of a long answer. Optional, only before Done.
func (l Lease) Begun() {
	le := l.le
	if le == nil || le.turn.Load() != l.turn {
		panic("BUG: pace: lease used after its end")
	}
	if !l.trial {
		return
	}
	a := le.account
	a.mu.Lock()
	closed := (le.trial || le.trialAll) && a.succeed(le)
	all := le.trialAll
	le.trial, le.trialAll = false, false
	changes := a.takeChanges()
	a.mu.Unlock()
	le.f.tell(changes)
	if closed {
		le.f.free(le.t, all)
	}
}

// Limits takes in what the headers of the target's answer say of its quotas. Optional, only before Done.
func (l Lease) Limits(r *llm.RateLimits) {
	le := l.le
	if le == nil || le.turn.Load() != l.turn {
		panic("BUG: pace: lease used after its end")
	}
	a, f := le.account, le.f
	a.mu.Lock()
	le.limits(f.time(f.now()), r)
	a.mu.Unlock()
	f.stir()
}

// Done ends the lease and records the outcome. It must be called exactly once; a second call panics.
func (l Lease) Done(o Outcome) {
	le := l.le
	if le == nil || !le.turn.CompareAndSwap(l.turn, l.turn+1) {
		panic("BUG: pace: lease ended twice")
	}
	f, t, a, tg := le.f, le.t, le.account, le.target
	now := f.now()
	a.mu.Lock()
	a.use.used--
	tg.use.used--
	wanted := a.record(le, &o, now)
	if tg.adaptive != nil && !(refusedForNow(&o) && le.paced()) { // which is a rate's business, not that of calls at a time
		tg.adaptive.done(&o, tg.use.used+1, now)
	}
	le.settle(f.time(now), &o)
	tg.observe(&o, now)
	need, key := le.need, le.key
	all := le.trialAll
	le.trial, le.trialAll = false, false
	changes := a.takeChanges()
	a.mu.Unlock()
	le.t, le.account, le.target, le.key = nil, nil, nil, ""
	f.leases.Put(le)
	f.estimates.learn(t, key, &need, &o)
	f.tell(changes)
	if wanted && f.trouble != nil {
		f.trouble()
	}
	f.stir()
	f.free(t, all)
}

// free reports that t may have become able to start a call, or all targets of its account.
func (f *Fleet) free(t *llm.Target, all bool) {
	if f.freed == nil {
		return
	}
	if all {
		t = nil
	}
	f.freed(t)
}

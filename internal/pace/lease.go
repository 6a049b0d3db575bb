package pace

import (
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// Outcome is how an attempt ended.
type Outcome struct {
	Kind       llm.Kind      // KindNone for success
	RetryAfter time.Duration // stated by the provider; 0 if none
	FirstToken time.Duration // from start to the first content; 0 if there was none
	Duration   time.Duration // from start to end
	Whole      bool          // the answer was not streamed: FirstToken is the time of all of it, and no sample of that to a first token
}

// Lease is the right to have one attempt under way. The zero Lease is not valid.
type Lease struct {
	le    *lease
	turn  uint64
	trial bool // started while the target was out of use
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
	quotas  []*quota

	trial bool // started while the target was out of use, and has not closed the breaker; guarded by account.mu
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
	le.t, le.account, le.target, le.quotas = t, a, tg, tg.quotas
	a.use.used++
	tg.use.used++
	for _, q := range le.quotas {
		q.used++
	}
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
	le.account.mu.Lock()
	closed := le.trial && le.target.health.succeed(le)
	le.trial = false
	le.account.mu.Unlock()
	if closed && le.f.freed != nil {
		le.f.freed(le.t)
	}
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
	for _, q := range le.quotas {
		q.used--
	}
	tg.health.record(le, o, now)
	tg.observe(&o, now)
	le.trial = false
	a.mu.Unlock()
	le.t, le.account, le.target, le.quotas = nil, nil, nil, nil
	f.leases.Put(le)
	if f.freed != nil {
		f.freed(t)
	}
}

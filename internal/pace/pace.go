// Package pace keeps the live state of every quota and target: what is in use, what is broken, what a provider has
// asked to be left alone. It answers "can this start now?" and never sleeps; admit owns the waiting. State is kept by
// name, so that it survives a change of configuration. It runs no goroutines and sets no timers: time passes for it
// when it is asked.
package pace

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Refusal says why a call cannot start.
type Refusal uint8

// The answers of TryStart.
const (
	Started     Refusal = iota // it has started: the lease is valid
	Full                       // a limit of the target or of one of its quotas is reached
	FullAccount                // the limit of the whole account is reached
	Open                       // the breaker of the target or of its account is open
	Limited                    // the provider asked for a pause that is not over
	Short                      // a quota does not have what the call needs
)

// String returns the refusal's name, for logs.
func (r Refusal) String() string {
	switch r {
	case Started:
		return "started"
	case Full:
		return "full"
	case FullAccount:
		return "account full"
	case Open:
		return "breaker open"
	case Limited:
		return "paused by provider"
	case Short:
		return "quota used up"
	default:
		return "unknown"
	}
}

// Fleet is the live state of all targets. It is safe for concurrent use. Calls of different accounts share no lock.
type Fleet struct {
	// Set once.
	epoch   time.Time
	freed   func(*llm.Target)
	trouble func()
	change  func(Change)

	rules   atomic.Pointer[Breaker] // immutable
	stirred atomic.Bool             // a quota has more than was said before, which nobody has been told

	leases    sync.Pool // of *lease
	estimates *estimates

	mu       sync.Mutex                          // held to change accounts
	accounts atomic.Pointer[map[string]*account] // immutable map, replaced under mu
}

// New returns a fleet with limits. Zero fields of b get their defaults.
func New(l Limits, b Breaker) *Fleet {
	f := &Fleet{epoch: time.Now(), estimates: newEstimates()}
	f.SetBreaker(b)
	f.accounts.Store(&map[string]*account{})
	f.Update(l)
	return f
}

// OnFreed sets the function that is called, with no lock held, whenever a target may have become able to start a call:
// with the target whose lease has ended, or with nil after Update, and when a quota turns out to have more than was said before. Set it before
// the first TryStart. What becomes possible by the passing of time alone is not reported: TryStart has said when.
func (f *Fleet) OnFreed(freed func(t *llm.Target)) { f.freed = freed }

// SetBreaker replaces the rules of all breakers. What is out of use stays out as long as it was to. Zero fields get their
// defaults.
func (f *Fleet) SetBreaker(b Breaker) {
	b = b.withDefaults()
	f.rules.Store(&b)
}

// now is the time since the fleet was made, which costs half of what time.Now does.
func (f *Fleet) now() time.Duration { return time.Since(f.epoch) }

// TryStart takes a place for one call at t, if there is one now, and never waits for it. try.Last says that the caller has
// no other target: then an open breaker does not refuse (the last target is never ejected); a pause that the provider
// asked for still does. For Open, Limited and Short, until says when the target may be asked again (zero if that depends on calls under way
// and nobody knows).
func (f *Fleet) TryStart(t *llm.Target, try limit.Try) (l Lease, r Refusal, until time.Time) {
	a := f.account(t.Provider)
	a.mu.Lock()
	tg := a.target(t, f)
	all, own := false, false
	if tg.health.troubled() || a.health.troubled() {
		var at time.Duration
		now := f.now()
		r, at, all, own = a.ask(tg, now, try.Last)
		if r != Started {
			wanted := r == Open && (a.health.away() || tg.health.away()) && a.want(now, f.rules.Load())
			a.mu.Unlock()
			if wanted && f.trouble != nil {
				f.trouble()
			}
			if at > 0 {
				until = f.epoch.Add(at)
			}
			return Lease{}, r, until
		}
	}
	if r = tg.room(a); r != Started {
		a.mu.Unlock()
		return Lease{}, r, until
	}
	le := f.lease()
	if r, until = le.reserve(f.time(f.now()), tg, &try); r != Started {
		a.mu.Unlock()
		le.held, le.taken = le.held[:0], le.taken[:0]
		f.leases.Put(le)
		return Lease{}, r, until
	}
	le.start(t, a, tg)
	le.need, le.key = try.Need, try.Key
	le.trial, le.trialAll = own, all
	if own {
		tg.health.try(le)
	}
	if all {
		a.health.try(le)
	}
	l = Lease{le, le.turn.Load(), own || all}
	a.mu.Unlock()
	return l, Started, until
}

// account returns the state of an account, which is made if configuration does not name it.
func (f *Fleet) account(name string) *account {
	if a := (*f.accounts.Load())[name]; a != nil {
		return a
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addAccount(name)
}

// addAccount returns the account, made if there is none. The caller holds f.mu.
func (f *Fleet) addAccount(name string) *account {
	old := *f.accounts.Load()
	if a := old[name]; a != nil {
		return a
	}
	a := newAccount(name, f)
	all := make(map[string]*account, len(old)+1)
	for n, x := range old {
		all[n] = x
	}
	all[name] = a
	f.accounts.Store(&all)
	return a
}

// Update replaces the limits. What is in use stays counted; a lowered limit takes effect as calls end. An account that
// is not named any more has no limits, and is forgotten when it is idle.
func (f *Fleet) Update(l Limits) {
	f.mu.Lock()
	named := make(map[string]bool, len(l.Providers))
	for i := range l.Providers {
		p := &l.Providers[i]
		named[p.Name] = true
		f.addAccount(p.Name).update(p, f)
	}
	keep := map[string]*account{}
	for name, a := range *f.accounts.Load() {
		if !named[name] {
			a.update(&ProviderLimits{Name: name}, f)
		}
		if named[name] || !a.idle(f.now()) {
			keep[name] = a
		}
	}
	f.accounts.Store(&keep)
	f.mu.Unlock()
	f.stirred.Store(false) // all will be asked again
	if f.freed != nil {
		f.freed(nil)
	}
}

// Renew says that an account is another one from now on: it has other credentials, or another address. What is known of the old one's trouble
// is forgotten: pauses, open breakers, and what checks said.
func (f *Fleet) Renew(name string) {
	a := (*f.accounts.Load())[name]
	if a == nil {
		return
	}
	a.mu.Lock()
	a.renew()
	changes := a.takeChanges()
	a.mu.Unlock()
	f.tell(changes)
	if f.freed != nil {
		f.freed(nil)
	}
}

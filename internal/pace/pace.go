// Package pace keeps the live state of every quota and target: what is in use, what is broken, what a provider has
// asked to be left alone. It answers "can this start now?" and never sleeps; admit owns the waiting. State is kept by
// name, so that it survives a change of configuration. It runs no goroutines.
package pace

import (
	"time"

	"sluice/internal/llm"
)

// Limits is what configuration says about capacity.
type Limits struct {
	Providers []ProviderLimits
}

// ProviderLimits are the limits of one provider account.
type ProviderLimits struct {
	Name        string
	Concurrency int // calls at a time over all models; 0 means no limit
	Quotas      []QuotaLimits
}

// QuotaLimits is a limit shared by some models of an account.
type QuotaLimits struct {
	Models      []string // names or globs; empty means all
	Concurrency int      // calls at a time; 0 means no limit
}

// Refusal says why a call cannot start.
type Refusal uint8

// The answers of TryStart.
const (
	Started     Refusal = iota // it has started: the lease is valid
	Full                       // a limit of the target or of one of its quotas is reached
	FullAccount                // the limit of the whole account is reached
	Open                       // the target's breaker is open
	Limited                    // the provider asked for a pause that is not over
)

// Outcome is how an attempt ended.
type Outcome struct {
	Kind       llm.Kind      // KindNone for success
	RetryAfter time.Duration // stated by the provider; 0 if none
	FirstToken time.Duration // from start to the first content; 0 if there was none
	Duration   time.Duration // from start to end
}

// Fleet is the live state of all targets. It is safe for concurrent use.
type Fleet struct{}

// New returns a fleet with limits.
func New(l Limits, b Breaker) *Fleet { return &Fleet{} }

// OnFreed sets the function that is called, with no lock held, whenever a target may have become able to start a call:
// with the target whose lease has ended, or with nil after Update. Set it before the first TryStart.
func (f *Fleet) OnFreed(freed func(t *llm.Target)) {}

// Update replaces the limits. What is in use stays counted; a lowered limit takes effect as calls end.
func (f *Fleet) Update(l Limits) {}

// TryStart takes a place for one call at t, if there is one now, and never blocks for it. last says that the caller has
// no other target: then an open breaker does not refuse (the last target is never ejected), a pause that the provider
// asked for still does. For Open and Limited until says when the target may be asked again (zero if a probe is under
// way and nobody knows).
func (f *Fleet) TryStart(t *llm.Target, last bool) (l Lease, r Refusal, until time.Time) {
	return Lease{}, Started, time.Time{}
}

// Lease is the right to have one attempt under way. The zero Lease is not valid.
type Lease struct{}

// Begun says that the provider has begun to answer well (first content). It closes a breaker that this call probes,
// so that the target does not have to wait for the end of a long answer. Optional; may be called once before Done.
func (l Lease) Begun() {}

// Done ends the lease and records the outcome. It must be called exactly once; a second call panics.
func (l Lease) Done(o Outcome) {}

// Breaker says when a target is taken out of use.
type Breaker struct{}

// DefaultBreaker returns the defaults.
func DefaultBreaker() Breaker { return Breaker{} }

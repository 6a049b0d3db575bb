// Package admit is the only place where a call waits. It binds a call to one of several targets at the moment one has
// capacity. It does not know limits or health: it asks through a StartFunc, and is told through Freed when to ask
// again. It runs no goroutines; calls wait in their own.
package admit

import (
	"context"
	"time"

	"sluice/internal/llm"
)

// Verdict is the answer of a StartFunc.
type Verdict uint8

// The verdicts.
const (
	Started     Verdict = iota // a place was taken; the lease is valid
	Full                       // no place now, Freed will be called when there may be one
	FullAccount                // the same, and so it is for all other targets of the provider
	Open                       // target out of use; with last set, it would be tried
	Limited                    // target must not be used before a time
)

// StartFunc takes a place at a target without blocking. last asks it to use a target that is out of use (Open), for
// want of another. until is when an Open or Limited target may be asked again, zero if that is unknown. It must not
// call the queue.
type StartFunc[L any] func(t *llm.Target, last bool) (lease L, v Verdict, until time.Time)

// Ask is what a call waits for.
type Ask struct {
	Targets   []*llm.Target // any of them will do; tried in this order
	Last      bool          // there is no other tier: wait for targets that reopen, and use one that is out rather than none
	Front     bool          // go before others of the class: a call that comes back after an attempt
	NotBefore time.Time     // do not start earlier (back-off before a retry); zero means now
}

// Grant is a place at one target. Its lease belongs to the caller.
type Grant[L any] struct {
	Target *llm.Target
	Lease  L
	Waited time.Duration
}

// Queue is the queue. It is safe for concurrent use.
type Queue[L any] struct{}

// New returns an empty queue.
func New[L any](c Config, start StartFunc[L]) *Queue[L] { return &Queue[L]{} }

// Update replaces the limits for calls that come from now on.
func (q *Queue[L]) Update(c Config) {}

// Freed tells the queue that a place at t may have become free, or, with nil, anywhere. It does not block.
func (q *Queue[L]) Freed(t *llm.Target) {}

// Acquire returns a place at one of the targets, waiting for it if need be. A grant is the caller's even if ctx has
// ended meanwhile. Errors: KindQueueFull, KindDeadline (call.Deadline or max_wait is over), KindNoHealthyTarget (waiting
// would not help: try the next tier), KindCanceled, or the *llm.Error that is the cause of ctx's end.
func (q *Queue[L]) Acquire(ctx context.Context, call *llm.Call, a Ask) (Grant[L], *llm.Error) {
	return Grant[L]{}, nil
}

// Stats is the state of the queue.
type Stats struct {
	Waiting  [3]int64 // by llm.Class
	MaxQueue int
}

// Stats returns the present state.
func (q *Queue[L]) Stats() Stats { return Stats{} }

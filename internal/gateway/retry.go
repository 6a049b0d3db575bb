package gateway

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// Retry are the rules for further attempts of a call.
type Retry struct {
	Attempts int           // sends of a call in all, at least 1
	Budget   float64       // further attempts as a share of calls
	Base     time.Duration // first back-off; doubles each time
	Max      time.Duration // longest back-off
}

// backoff returns a wait before attempt n+1 (n >= 1 attempts were made): full jitter over an exponentially growing
// interval, so that callers that failed together do not come back together ("Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015).
func (rt *Retry) backoff(n int) time.Duration {
	ceil := rt.Base
	for i := 1; i < n && ceil < rt.Max; i++ {
		ceil *= 2
	}
	ceil = min(ceil, rt.Max)
	if ceil <= 0 {
		return 0
	}
	return time.Duration(rand.Int64N(int64(ceil)))
}

// wait returns how long to wait before the next attempt at the target that gave e. A stated wait is obeyed, with a
// little jitter on top.
func (rt *Retry) wait(e *llm.Error, n int) time.Duration {
	if e.RetryAfter > 0 {
		return e.RetryAfter + time.Duration(rand.Int64N(int64(100*time.Millisecond)))
	}
	return rt.backoff(n)
}

// retryBudget bounds further attempts to a share of calls, so that an outage does not multiply the load on whoever is
// left. Each call pays in its share, each further attempt takes one out. The balance is kept in thousandths, between 0
// and a small reserve that lets a quiet gateway retry at all.
type retryBudget struct{ milli atomic.Int64 }

const budgetReserve = 10_000

func (b *retryBudget) fill() { b.milli.Store(budgetReserve) }

func (b *retryBudget) deposit(share float64) {
	if b.milli.Load() < budgetReserve { // may overshoot by a few calls' shares: harmless
		b.milli.Add(int64(share * 1000))
	}
}

func (b *retryBudget) withdraw() bool {
	if b.milli.Add(-1000) >= 0 {
		return true
	}
	b.milli.Add(1000)
	return false
}

package gateway

import (
	"math/rand/v2"
	"time"

	"sluice/internal/llm"
)

// maxStated is the longest wait stated by a provider that a call obeys, where its deadline allows; a longer one ends the
// call with the provider's answer, so that the client can decide.
const maxStated = time.Minute

// attempts returns how many attempts a call may have that goes to so many tiers of targets, and that its client has retried
// before. Client and gateway would multiply each other's attempts if the gateway did not give up one for each of the
// client's. What it does not give up is failover: asking each target once is no repetition.
func (r *Retry) attempts(tiers, retried int) int {
	return max(r.Attempts-max(retried, 0), min(tiers, r.Attempts), 1)
}

// backoff returns a wait before attempt n+1 (n >= 1 attempts were made): full jitter over an exponentially growing
// interval, so that callers that failed together do not come back together ("Exponential Backoff And Jitter", AWS
// Architecture Blog, 2015).
func (r *Retry) backoff(n int) time.Duration {
	ceil := r.Base
	for i := 1; i < n && ceil < r.Max; i++ {
		ceil *= 2
	}
	ceil = min(ceil, r.Max)
	if ceil <= 0 {
		return 0
	}
	return rand.N(ceil)
}

// wait returns how long to wait before the next attempt, after n of which the last gave e. A wait that the provider stated
// is obeyed, with a little jitter on top, where stated says that the same target is asked again.
func (r *Retry) wait(e *llm.Error, n int, stated bool) time.Duration {
	if stated && e.RetryAfter > 0 {
		return e.RetryAfter + rand.N(100*time.Millisecond)
	}
	return r.backoff(n)
}

package gateway

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/pace"
	"sluice/internal/route"
)

// Estimator says what a call to a target is expected to take of quotas.
type Estimator func(t *llm.Target, call *llm.Call) llm.Need

// reserve charges the call to its key's limits, by what it is expected to take at the dearest of the plan's targets.
func (r *run) reserve(plan *route.Plan) *llm.Error {
	r.need = r.g.estimate(plan.Tiers[0][0], &r.x.Call)
	o := auth.Order{Need: r.need, User: r.x.Call.User}
	if r.x.Key.Priced() {
		o.NanoUSD, o.Unpriced = r.dearest(plan)
	}
	var e *llm.Error
	if r.charge, e = r.x.Key.Reserve(time.Now(), o); e != nil {
		return e
	}
	r.charged = true
	return nil
}

// dearest returns what the call may cost at most at one of a plan's targets, if its answer is as long as it may be, or, where the request
// does not say, as long as it is expected to be.
func (r *run) dearest(plan *route.Plan) (nanoUSD int64, unpriced bool) {
	u := llm.Usage{Input: r.need.Input, Output: max(r.need.Output, r.need.MaxOutput)}
	for _, tier := range plan.Tiers {
		for _, t := range tier {
			cost, priced := r.snap.info(r.g.metrics, t, r.configured).price.Cost(u, "")
			nanoUSD = max(nanoUSD, cost)
			unpriced = unpriced || !priced
		}
	}
	return nanoUSD, unpriced
}

// discharge puts what the call has used in the place of what was reserved at its key's limits.
func (r *run) discharge() {
	if r.charged {
		r.charged = false
		r.charge.Settle(time.Now(), r.usage, r.costNano)
	}
}

// Requeueing: a provider's answer that a minute's quota is used up says nothing about the call, and what the quota allows is known better
// after it. The call goes back to the front of the queue, at no cost to its attempts or to the retry budget. It does so no longer than a quota
// takes to come back: what is refused then is not short of a minute's quota.
const (
	maxRequeues    = 8
	maxRequeued    = time.Minute // of waits that providers state
	maxRequeueTime = time.Minute // from the first refusal, those waits left out

	leastRequeueWait = 50 * time.Millisecond
	mostRequeueWait  = 2 * time.Second
)

// requeue reports whether the call shall wait for a quota that the provider says is used up; over is whether it has done so for as long as it may,
// so that the provider's error is its own. Where retry.attempts is 1 it does neither: whoever sets that wants no call to be sent twice, whatever
// the reason.
func (r *run) requeue(e *llm.Error, tiers [][]*llm.Target) (again, over bool) {
	if e.Kind != llm.KindRateLimited || e.Window == llm.PerDay || e.Advice == llm.DoNotRetry || r.settings.Retry.Attempts <= 1 ||
		r.x.Call.Op == llm.OpCountTokens { // of which pace counts nothing
		return false, false
	}
	now := time.Now()
	if r.requeues == 0 {
		r.refused = now
	}
	if r.requeues >= maxRequeues || r.stated+e.RetryAfter > maxRequeued || now.Sub(r.refused)-r.stated > maxRequeueTime {
		return false, r.requeues > 0 && !slices.ContainsFunc(tiers, r.unasked)
	}
	r.requeues++
	r.stated += e.RetryAfter
	return true, false
}

// requeueWait returns how long a call that goes back to the queue keeps away from the targets. Where the provider has said when there will
// be quota again, the queue knows it. Where not, the waits double, with full jitter, up to what a short window takes: pace lets
// few calls find out when the quota is there again, and it should not be the same call each time.
func (r *run) requeueWait(e *llm.Error) time.Duration {
	if e.RetryAfter > 0 {
		return 0
	}
	return rand.N(min(leastRequeueWait<<(r.requeues-1), mostRequeueWait))
}

// counted returns the attempts that count against retry.attempts.
func (r *run) counted() int { return r.attempts - r.requeues }

// wantsRoom fills in what admission must know of the call.
func (r *run) wantsRoom(a admit.Ask) admit.Ask {
	a.Need, a.Weight, a.Bytes, a.Front = r.need, r.x.Key.Weight(), len(r.x.Body), r.attempts > 0
	return a
}

// place notes how the call stood in the queue when it came, for its headers.
func (r *run) place(g *admit.Grant[pace.Lease]) {
	if r.position == 0 {
		r.position, r.expected = g.Position, g.Expected
	}
}

// told takes in what an answer's headers say of the target's quotas.
//
//go:noinline
func (r *run) told(h http.Header) {
	if r.leg.back == nil || r.leg.back.Limits == nil {
		return
	}
	if l := r.leg.back.Limits(h); l != llm.NoRateLimits() {
		r.lease.Limits(&l)
	}
}

// used takes what the attempt has used into its outcome.
func (r *run) used(o *pace.Outcome) {
	o.Usage, o.Used = r.billed, r.billed != llm.Usage{}
}

// quotaHeaders tells how the call waited, and of the key's limits. Those take the place of the provider's: what the account has left is
// shared by all keys, and would mislead.
func (r *run) quotaHeaders(h http.Header, now time.Time) {
	if r.position > 0 {
		h["X-Sluice-Queue-Position"] = []string{strconv.Itoa(r.position)}
	}
	if r.expected > 0 {
		h["X-Sluice-Queue-Expected-Ms"] = []string{strconv.FormatInt(r.expected.Milliseconds(), 10)}
	}
	var l llm.RateLimits
	if r.charged {
		l = r.charge.Limits(now)
	} else {
		l = r.x.Key.Limits(now, r.x.Call.User)
	}
	if l == llm.NoRateLimits() {
		return
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-") {
			delete(h, name)
		}
	}
	if set := dialect.Of(r.x.Call.Front).SetLimits; set != nil {
		set(h, l, now)
	}
}

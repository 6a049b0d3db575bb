package gateway

import (
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
	"sluice/internal/pace"
)

// What hedge.after may be.
const (
	hedgeOff     = "off"
	leastPercent = 50
	mostPercent  = 99.9
	leastAfter   = time.Millisecond
	mostAfter    = 10 * time.Minute
	leastAgain   = 50 * time.Millisecond // between two times that a call asks for a second attempt
)

// hedgeTime is when a second attempt is made.
type hedgeTime struct {
	on       bool
	quantile float64       // of the target's times to first token; 0 for a fixed time
	fixed    time.Duration // from the start of the attempt
}

// when reads After. problem says what is wrong with it, if anything.
func (h *Hedge) when() (t hedgeTime, problem string) {
	const allowed = "must be a percentile from p50 to p99.9, a time from 1ms to 10m, or off"
	if h.After == "" || h.After == hedgeOff {
		return hedgeTime{}, ""
	}
	if p, ok := strings.CutPrefix(h.After, "p"); ok {
		percent, err := strconv.ParseFloat(p, 64)
		if err != nil || !(percent >= leastPercent && percent <= mostPercent) {
			return hedgeTime{}, allowed
		}
		return hedgeTime{on: true, quantile: percent / 100}, ""
	}
	d, err := time.ParseDuration(h.After)
	if err != nil || d < leastAfter || d > mostAfter {
		return hedgeTime{}, allowed
	}
	return hedgeTime{on: true, fixed: d}, ""
}

// delay returns how long after the start of an attempt at the lease's target a second one is due. It is never sooner than the time
// within which all attempts but the budget's share have begun to answer: a budget of 2 % is then spent on the slowest 2 % of calls, and
// not on the first ones to be slow. The share is steered by what the budget has saved up, from a quarter of it where nothing is left to four
// times where it is full: so a slow call seldom finds it empty, little of it is lost, and what has been observed need not be exact. ok is
// false while too little has been seen of the target.
func (h *Hedge) delay(l pace.Lease, b *hedgeBudget) (d time.Duration, ok bool) {
	t, _ := h.when() // held to be good since the configuration was read
	if !t.on {
		return 0, false
	}
	share := h.Budget * math.Exp2(4*b.level()-2)
	d, ok = l.FirstToken(max(t.quantile, 1-share, 0))
	if t.fixed > 0 {
		return max(d, t.fixed), true
	}
	return d, ok
}

// hedged reports whether the call is one that may be hedged, and has not begun to be answered.
func (r *run) hedged() bool {
	h := &r.settings.Rescue.Hedge
	if h.After == hedgeOff || h.After == "" || h.Budget <= 0 || !r.committed.IsZero() {
		return false
	}
	return isChat(r.x.Call.Op) && (r.x.Call.Stream || r.settings.Rescue.Supervise == "auto")
}

// books are the sums of a call that each of its attempts adds to.
type books struct {
	usage     llm.Usage
	costNano  int64
	malformed int
}

func (r *run) books() books { return books{r.usage, r.costNano, r.malformed} }

// absorb adds to r's books what the attempt of c has added to the same ones. Both began with base.
func (r *run) absorb(c *run, base *books) {
	used := minus(c.usage, base.usage)
	switch {
	case used == (llm.Usage{}):
	case minus(r.usage, base.usage) == (llm.Usage{}):
		r.priced = c.priced
	default:
		r.priced = r.priced && c.priced
	}
	r.usage = r.usage.Plus(used)
	r.costNano += c.costNano - base.costNano
	r.malformed += c.malformed - base.malformed
	r.attempts = max(r.attempts, c.attempts)
	if len(c.asked) > len(r.asked) {
		r.asked, c.asked = c.asked, r.asked
	}
	if r.committed.IsZero() {
		r.upstream = max(r.upstream, c.upstream)
	}
}

// minus returns what has been used since b, of which a is the later sum.
func minus(a, b llm.Usage) llm.Usage {
	return llm.Usage{
		Input: a.Input - b.Input, CachedInput: a.CachedInput - b.CachedInput, CacheWrite: a.CacheWrite - b.CacheWrite,
		Output: a.Output - b.Output, Reasoning: a.Reasoning - b.Reasoning, Estimated: a.Estimated && a != b,
		CacheWriteLong: a.CacheWriteLong - b.CacheWriteLong, AudioInput: a.AudioInput - b.AudioInput, AudioOutput: a.AudioOutput - b.AudioOutput,
	}
}

// hedgeBudget bounds second attempts to a share of a model's calls: each call pays in its share, each second attempt takes one out. It is
// kept in millionths. It begins empty, so that the share holds at any time, and what is saved up is bounded.
type hedgeBudget struct{ micro atomic.Int64 }

const (
	oneHedge     = 1_000_000
	hedgeReserve = 10 * oneHedge
)

func (b *hedgeBudget) deposit(share float64) {
	if b.micro.Load() < hedgeReserve { // may overshoot by a few calls' shares: harmless
		b.micro.Add(int64(math.Round(share * oneHedge)))
	}
}

func (b *hedgeBudget) withdraw() bool {
	if b.micro.Add(-oneHedge) >= 0 {
		return true
	}
	b.refund()
	return false
}

// level says how full the budget is, from 0 to 1.
func (b *hedgeBudget) level() float64 {
	return min(max(float64(b.micro.Load())/hedgeReserve, 0), 1)
}

// refund gives back what was taken for an attempt that did not follow.
func (b *hedgeBudget) refund() { b.micro.Add(oneHedge) }

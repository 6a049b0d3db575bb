package pace

import (
	"math"
	"time"

	"sluice/internal/llm"
)

// The observed times to first token of a target, as a histogram of logarithmic buckets.
//
//  1. A sample's weight halves with time and with the samples that come after it. It is kept by forward decay: old weights stay, and
//     that of the next sample grows instead (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for
//     Streaming Systems", ICDE 2009).
//  2. An attempt that was given up after a time without a token counts as "at least that long". Quantiles are those of the product-limit
//     estimator (Kaplan, Meier: "Nonparametric Estimation from Incomplete Observations", JASA 53, 1958): without it a target whose
//     slow calls are given up for a hedge would look the faster for it.
const (
	latencyLeast   = time.Millisecond // lower end of the first bucket
	latencyOctave  = 4                // buckets to each doubling: 19 % wide
	latencyBuckets = 72               // up to 2^18 ms, over four minutes

	latencyHalfTime  = 30 * time.Minute
	latencyHalfCount = 1000
	latencySamples   = 20   // decayed, that a quantile needs
	latencyRescale   = 60.0 // log2 of the weight at which all are made smaller
)

// latency is such a histogram. It is guarded by the account's mu. Its size is fixed: about 600 bytes.
type latency struct {
	came   [latencyBuckets]float32 // first tokens, by weight
	gaveUp [latencyBuckets]float32 // attempts that ended without one, by how long they had waited
	total  float64
	scale  float64       // log2 of the weight of the last sample
	at     time.Duration // of the last sample, since the fleet's epoch
}

// observe notes what an attempt says of the time to first token, if anything.
func (tg *target) observe(o *Outcome, now time.Duration) {
	d, came := o.FirstToken, true
	switch {
	case o.Whole:
		return
	case d > 0:
	case silence(o.Kind) && o.Duration > 0:
		d, came = o.Duration, false
	default:
		return
	}
	if tg.latency == nil {
		tg.latency = &latency{at: now}
	}
	tg.latency.add(d, came, now)
}

// silence reports whether an attempt that ended so, without a token, was still waiting for one.
func silence(k llm.Kind) bool {
	switch k {
	case llm.KindCanceled, llm.KindHeaderTimeout, llm.KindFirstToken, llm.KindStalled, llm.KindTotalTimeout, llm.KindDraining:
		return true
	}
	return false
}

func (l *latency) add(d time.Duration, came bool, now time.Duration) {
	l.scale += 1.0/latencyHalfCount + l.age(now)
	l.at = max(l.at, now)
	if l.scale > latencyRescale {
		l.shrink()
	}
	w := math.Exp2(l.scale)
	l.total += w
	i := latencyBucket(d)
	if came {
		l.came[i] += float32(w)
	} else {
		l.gaveUp[i] += float32(w)
	}
}

// age is how many half-lives have passed since the last sample.
func (l *latency) age(now time.Duration) float64 {
	return float64(max(now-l.at, 0)) / float64(latencyHalfTime)
}

// shrink makes the present weight 1. What has become too small to count is then 0.
func (l *latency) shrink() {
	by := math.Exp2(-l.scale)
	for i := range l.came {
		l.came[i] = float32(float64(l.came[i]) * by)
		l.gaveUp[i] = float32(float64(l.gaveUp[i]) * by)
	}
	l.total *= by
	l.scale = 0
}

func latencyBucket(d time.Duration) int {
	if d <= latencyLeast {
		return 0
	}
	return min(int(latencyOctave*math.Log2(float64(d)/float64(latencyLeast))), latencyBuckets-1)
}

// bound returns the time at a place in the buckets: i is the lower end of bucket i.
func bound(i float64) time.Duration {
	return time.Duration(float64(latencyLeast) * math.Exp2(i/latencyOctave))
}

// quantile returns the time within which the share q of attempts has its first token; ok is false with too few samples. If more than 1-q
// of the attempts never come to one, it is the quantile of those that do: to wait longer would be of no use.
func (l *latency) quantile(q float64, now time.Duration) (d time.Duration, ok bool) {
	if l == nil || l.total < latencySamples*math.Exp2(min(l.scale+l.age(now), 1000)) {
		return 0, false
	}
	_, never := l.fall(0)
	to := 1 - q
	if never > to {
		to = never + (1-never)*to
	}
	d, left := l.fall(to)
	return d, left <= to
}

// fall follows the share of attempts that wait still, as estimated, until it is down to a share, and returns the time of that. If it does
// not come down so far, left is what it ends at.
func (l *latency) fall(to float64) (d time.Duration, left float64) {
	var risk float64
	for i := range l.came {
		risk += float64(l.came[i]) + float64(l.gaveUp[i])
	}
	left = 1
	for i := range l.came {
		n := float64(l.came[i])
		if n > 0 && risk > 0 {
			next := left * max(1-n/risk, 0)
			if next <= to {
				return bound(float64(i) + (left-to)/(left-next)), next
			}
			left = next
		}
		risk -= n + float64(l.gaveUp[i])
	}
	return 0, left
}

// FirstToken returns the time within which the share q (0 to 1) of recent attempts at a target had the first content token of a stream,
// failed and canceled attempts counted as having waited at least as long as they did. ok is false while there are fewer than
// about 20 recent ones. It is at most 19 % off, the width of a bucket.
func (f *Fleet) FirstToken(t *llm.Target, q float64) (d time.Duration, ok bool) {
	a := (*f.accounts.Load())[t.Provider]
	if a == nil {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if tg := a.targets[t.Model]; tg != nil {
		return tg.latency.quantile(q, f.now())
	}
	return 0, false
}

// FirstToken is Fleet.FirstToken for the lease's target. Only before Done.
func (l Lease) FirstToken(q float64) (d time.Duration, ok bool) {
	le := l.le
	if le == nil || le.turn.Load() != l.turn {
		panic("BUG: pace: lease used after its end")
	}
	le.account.mu.Lock()
	defer le.account.mu.Unlock()
	return le.target.latency.quantile(q, le.f.now())
}

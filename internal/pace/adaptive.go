package pace

import (
	"math"
	"time"

	"sluice/internal/llm"
)

// The limit on calls under way that is found out for one model at one account (concurrency: adaptive).
//
//  1. It works in rounds. A round begins when the limit that it tries is reached, takes in only calls that began after that, and ends
//     after enough of them. Its measures are tokens a second, by Little's law from the calls under way and the time that each took for its
//     tokens, so that short and long answers can be mixed; and the time to first token.
//  2. Growing: the limit doubles as long as that yields more. It yields more if throughput grows by a fair part of what the limit did.
//  3. Holding: every so often a higher limit is tried for a round, then a lower one. The higher one stays if it yields more, and the
//     search goes on from there; the lower one stays if it yields as much. So the limit follows a server whose capacity changes.
//  4. A queue at the server shows in the time to first token. Little's law says how many calls are in it: the limit goes down by so many. A
//     cut that does not make first tokens any faster was no cure: what is seen is then what is normal.
//  5. An answer that says overload cuts the limit, at most once for all calls that were under way when it was cut last, and what led to it
//     is not tried again for a while.
//  6. A limit that is not used is not raised: what it would do is not known.
//
// Gradient2 (Netflix, github.com/Netflix/concurrency-limits) and AIMD were measured beside it (TestAdaptiveLab). With answers of very
// different length, the latency that Gradient2 goes by is noise: it hardly leaves its floor, and a queue that is there from the start it
// takes for normal. AIMD adds one call a round trip, which for answers of seconds is too slow for a server that takes hundreds; and the time
// per token, which has to bound it where nothing queues, rises with every call long before throughput stops doing so.
const (
	adaptiveFirst = 4
	adaptiveMost  = 1000

	adaptiveYield = 0.2  // least share of the growth that has to come out as throughput
	probeUp       = 1.25 // what is tried while holding
	probeUpYield  = 0.25
	probeDown     = 0.85
	probesUp      = 3    // for each of less
	probeDownLoss = 0.02 // of throughput, that a lower limit may cost
	probeFirst    = 4 * time.Second
	probeEvery    = 8 * time.Second // while nothing comes of it

	queueSign    = 1.5              // times the usual time to first token, that is a queue
	queueCured   = 0.85             // of the time before a cut: if it is not less, the cut was no cure
	queueFutile  = 3                // cuts in a row that were no cure: what is seen is normal
	queueSoon    = 8                // first tokens are enough to see a queue that is
	queueClear   = 2                // times as long
	overloadCut  = 0.8              // of a limit that was good
	overloadBack = 0.9              // of one that was new
	ceilingFor   = 20 * time.Second // a limit that met overload is kept out of
	fallen       = 0.75             // of the usual throughput: the server has become slower

	roundLeast, roundMost = 24, 96 // calls of a round
	firstTokens           = 10.0   // tokens whose time the time to first token is worth, as long as nothing is known
)

// adaptivePhase is what the limit is doing.
type adaptivePhase uint8

const (
	growing adaptivePhase = iota
	holding
	tryingMore
	tryingLess
)

// adaptive is such a limit. It is guarded by the account's mu. Its size is fixed.
type adaptive struct {
	limit int
	most  int
	phase adaptivePhase

	round round
	known level         // at the limit that the present one is compared with; zero if none
	base  time.Duration // usual time to first token; 0 if not known
	was   time.Duration // time to first token before a cut for it, which is on trial; else 0

	futile int // cuts in a row that were no cure

	cut     time.Duration // time of the last cut for overload
	ceiling int           // the limit stays below this
	above   time.Duration // until when
	probe   time.Duration // time of the next probe
	every   time.Duration // between probes
	probes  int           // tries of more since the last of less
}

// level is what a number of calls under way yields.
type level struct {
	calls float64 // under way
	rate  float64 // tokens a second, or what stands for it
}

// round is what the calls say that began at the present limit.
type round struct {
	begun  time.Duration // the limit was reached
	open   bool
	ended  int // calls, be it that they began before
	calls  int
	under  float64 // sum of calls under way
	peak   int     // most of them
	work   float64 // sum of tokens, and what first tokens are worth
	busy   float64 // sum of seconds
	firsts int     // first tokens seen
	logs   float64 // sum of logarithms of the seconds to them
}

func newAdaptive(most int) *adaptive {
	if most <= 0 {
		most = adaptiveMost
	}
	return &adaptive{limit: min(adaptiveFirst, most), most: most, every: probeFirst}
}

// adapt gives a target the limit that configuration wants it to have. What has been found out stays. The caller holds a.mu.
func (a *account) adapt(tg *target, now time.Duration) {
	wanted := a.adaptive
	for _, q := range tg.quotas {
		wanted = wanted || q.limits.Adaptive
	}
	switch {
	case !wanted:
		tg.adaptive = nil
	case tg.adaptive == nil:
		tg.adaptive = newAdaptive(a.mostAdaptive)
	default:
		tg.adaptive.bound(a.mostAdaptive, now)
	}
}

// full reports whether the limit is reached.
func (a *adaptive) full(used int) bool { return a != nil && used >= a.limit }

// bound changes the most that the limit may be.
func (a *adaptive) bound(most int, now time.Duration) {
	if most <= 0 {
		most = adaptiveMost
	}
	if a.most != most {
		a.most = most
		a.set(min(a.limit, most), now)
	}
}

// done takes in how a call ended, and how many were under way with it.
func (a *adaptive) done(o *Outcome, used int, now time.Duration) {
	began := now - o.Duration
	if overload(o) {
		if began >= a.cut {
			a.overloaded(used, now)
		}
		return
	}
	if o.Kind != llm.KindNone || o.Duration <= 0 {
		return
	}
	if !a.round.open {
		if used > a.limit { // calls of a higher limit have yet to end
			return
		}
		a.round = round{begun: now, open: true}
		return
	}
	a.round.ended++
	if began < a.round.begun {
		return
	}
	a.round.add(o, used)
	if a.round.calls >= a.need() || a.round.firsts >= queueSoon && a.round.first() > queueClear*a.base && a.base > 0 {
		a.judge(now)
	}
}

// need is the number of calls of a round: few while the limit doubles, which shows.
func (a *adaptive) need() int {
	if a.phase == growing {
		return min(max(a.limit/2, 4), roundMost)
	}
	return min(max(a.limit, min(4*a.limit, roundLeast)), roundMost)
}

// overload reports whether an outcome says that there were too many calls.
func overload(o *Outcome) bool {
	switch o.Kind {
	case llm.KindOverloaded, llm.KindHeaderTimeout, llm.KindFirstToken:
		return true
	case llm.KindRateLimited:
		return o.Window != llm.PerDay
	}
	return false
}

func (r *round) add(o *Outcome, used int) {
	tokens := 0.0
	if o.Used {
		tokens = float64(o.Usage.Output)
	}
	r.calls++
	r.under += float64(used)
	r.peak = max(r.peak, used)
	r.work += tokens + firstTokens
	r.busy += o.Duration.Seconds()
	if o.FirstToken > 0 && !o.Whole {
		r.firsts++
		r.logs += math.Log(o.FirstToken.Seconds())
	}
}

// level is what the round measured.
func (r *round) level() level {
	under := r.under / float64(r.calls)
	return level{under, under * r.work / r.busy}
}

// first is the typical time to first token of the round; 0 if most calls say nothing of it.
func (r *round) first() time.Duration {
	if r.firsts*2 < r.calls {
		return 0
	}
	return time.Duration(math.Exp(r.logs/float64(r.firsts)) * float64(time.Second))
}

// set makes a limit the present one, within its bounds, and begins a round.
func (a *adaptive) set(limit int, now time.Duration) {
	limit = min(limit, a.most)
	if a.above > now {
		limit = min(limit, a.ceiling-1)
	}
	a.limit = max(limit, 1)
	a.round = round{}
}

// hold stays at a limit and plans the next probe.
func (a *adaptive) hold(limit int, now time.Duration) {
	a.phase = holding
	a.set(limit, now)
	a.probe = now + a.every
}

func (a *adaptive) overloaded(used int, now time.Duration) {
	a.cut = now
	at := min(used, a.limit)
	a.ceiling, a.above = max(at, 2), now+ceilingFor
	a.probes = 0
	before := a.back()
	a.known, a.was = level{}, 0
	a.every = probeFirst
	to := int(float64(at) * overloadCut)
	switch a.phase {
	case growing:
		to = int(float64(at) * overloadBack)
	case tryingMore:
		to = before
	}
	a.hold(to, now)
}

// judge ends a round and decides on the next limit.
func (a *adaptive) judge(now time.Duration) {
	r := a.round
	a.round = round{}
	l, first := r.level(), r.first()
	if a.base == 0 {
		a.base = first
	}
	if first < a.base { // by so much as so few calls are worth: the least of noisy figures is too little
		a.base += time.Duration(float64(first-a.base) * min(1, float64(r.firsts)/roundLeast) / 2)
	}
	if r.peak < a.limit {
		return // nobody wanted more
	}
	if a.queued(&r, first, now) {
		return
	}
	switch a.phase {
	case growing:
		a.grown(l, now)
	case holding:
		a.held(l, now)
	case tryingMore:
		if gain(a.known, l) >= probeUpYield {
			a.every = probeFirst
			a.grow(l, now)
			return
		}
		a.every = min(2*a.every, probeEvery)
		a.hold(a.back(), now)
	case tryingLess:
		if l.rate >= (1-probeDownLoss)*a.known.rate {
			a.known = l
			a.hold(a.limit, now)
			a.less(now) // perhaps even less
			return
		}
		a.hold(a.back(), now)
	}
}

// back is the limit before a probe.
func (a *adaptive) back() int { return int(math.Round(a.known.calls)) }

// gain is the share of a growth of calls under way that came out as throughput: 1 if all of it did, 0 if nothing.
func gain(from, to level) float64 {
	if from.calls == 0 || to.calls < 1.05*from.calls {
		return 1
	}
	return math.Log(to.rate/from.rate) / math.Log(to.calls/from.calls)
}

func (a *adaptive) grown(l level, now time.Duration) {
	if gain(a.known, l) < adaptiveYield {
		a.hold(a.back(), now)
		a.less(now) // the last step that was worth it may have gone too far as well
		return
	}
	a.grow(l, now)
}

// grow raises the limit from a level that is worth it.
func (a *adaptive) grow(l level, now time.Duration) {
	a.known = l
	before := a.limit
	a.phase = growing
	a.set(2*a.limit, now)
	if a.limit == before {
		a.hold(before, now)
	}
}

// less makes the next probe one of less, and due.
func (a *adaptive) less(now time.Duration) { a.probes, a.probe = probesUp, now }

// probesUp is the number of probes of more for each of less. Without a time to first token, a queue shows only in that less does as well.
func (a *adaptive) probesUp() int {
	if a.base == 0 {
		return 1
	}
	return probesUp
}

func (a *adaptive) held(l level, now time.Duration) {
	if a.known.rate > 0 && l.rate < fallen*a.known.rate && l.calls > 0.9*a.known.calls {
		a.known = l
		a.less(now)
	}
	if a.known.rate == 0 {
		a.known = l
	}
	a.known = level{l.calls, (a.known.rate + l.rate) / 2}
	if now < a.probe {
		return
	}
	if most := a.probesUp(); a.probes < most {
		a.probes++
		a.phase = tryingMore
		before := a.limit
		if a.set(max(int(math.Ceil(float64(a.limit)*probeUp)), a.limit+1), now); a.limit > before {
			return
		}
		a.hold(before, now)
		return
	}
	a.probes = 0
	a.phase = tryingLess
	a.set(min(int(math.Ceil(float64(a.limit)*probeDown)), a.limit-1), now)
}

// queued looks for a queue at the server, and lowers the limit by what is in it.
func (a *adaptive) queued(r *round, first, now time.Duration) bool {
	if first == 0 {
		return false
	}
	a.futile++
	if a.was == 0 || float64(first) < queueCured*float64(a.was) {
		a.futile = 0
	}
	if a.futile >= queueFutile {
		a.base, a.futile = time.Duration(float64(first)/queueSign), 0
	}
	a.was = 0
	if float64(first) <= queueSign*float64(a.base) {
		return false
	}
	waiting := float64(r.ended) / (now - r.begun).Seconds() * (first - a.base).Seconds()
	if a.phase == tryingMore {
		a.every = min(2*a.every, probeEvery)
		a.hold(a.back(), now)
		return true
	}
	grew := a.phase == growing
	a.was = first
	a.known = level{}
	a.every = probeFirst
	if grew {
		defer a.less(now) // the last step that was worth it may have gone too far as well
	}
	a.hold(max(int(math.Ceil(float64(a.limit)-waiting)), a.limit/2), now)
	return true
}

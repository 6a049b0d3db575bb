package pace

import (
	"math"
	"time"

	"sluice/internal/limit"
)

// Hypotheses.
const (
	minute  = 60.0 // seconds of a window
	slack   = 1.0  // seconds of quota that accounts may differ by
	bins    = 120  // beginnings of fixed windows that are told apart
	binTime = time.Minute / bins
	out     = 2 // strikes

	// twoSlices is more than what is accepted within a second, part of it in either of two slices: the sizes of the first calls are estimated by half too
	// much.
	twoSlices = 2.5 // seconds of quota
)

// guess are the ways in which limits of a minute may be enforced, and what speaks against each.
type guess struct {
	settled bool
	shape   limit.Shape // when settled

	slices, sliding, bucket strikes
	fixed                   [bins]strikes // by when a window begins, within the minute

	least, most float64 // seconds of quota that a bucket holds
}

// strikes count what speaks against a hypothesis, once an episode.
type strikes struct {
	n  int8
	at time.Duration
}

// strike adds one, and no other within a while.
func (s *strikes) strike(now time.Duration, n int8) {
	if s.n > 0 && now-s.at < 400*time.Millisecond {
		return
	}
	s.n, s.at = min(s.n+n, out), now
}

func (s *strikes) in() bool { return s.n < out }

// weight is what the hypothesis counts for, of one that nothing speaks against.
func (s *strikes) weight() float64 { return [...]float64{1, 0.12, 0}[s.n] }

func (g *guess) reset(s limit.Shape) {
	*g = guess{most: math.Inf(1)}
	if s.Mode != limit.Unknown {
		g.settled, g.shape = true, s
	}
}

func (g *guess) none() bool {
	return !g.settled && !g.slices.in() && !g.sliding.in() && !g.bucket.in() && g.windows() == 0
}

// windows returns how many beginnings of fixed windows are left.
func (g *guess) windows() int {
	n := 0
	for i := range g.fixed {
		if g.fixed[i].in() {
			n++
		}
	}
	return n
}

// begin returns when the window of a bin began that a time is in.
func begin(b int, now time.Duration) time.Duration {
	at := time.Duration(b) * binTime
	n := (now - at) / time.Minute
	if now < at {
		n = -1
	}
	return at + n*time.Minute
}

// accepted takes in that a call was accepted.
func (g *guess) accepted(s *stand) {
	if g.settled {
		return
	}
	g.least = max(g.least, s.lack)
	if g.least > g.most+slack {
		g.bucket.strike(s.now, 1)
		g.most = math.Inf(1)
	}
	if s.since(s.now-time.Second+traceSlot) > twoSlices {
		g.slices.strike(s.now, out)
	}
	if s.lack > minute+slack {
		g.bucket.strike(s.now, out)
	}
	if s.since(s.now-time.Minute) > minute+slack {
		if s.since(s.now-time.Minute+traceSlot) > minute+slack {
			g.sliding.strike(s.now, out)
		}
		for b := range g.fixed {
			if g.fixed[b].in() && s.since(begin(b, s.now)+binTime) > minute+slack {
				g.fixed[b].strike(s.now, out)
			}
		}
	}
	g.settle()
}

// refused takes in that a call was refused.
func (g *guess) refused(s *stand) {
	if g.settled {
		return
	}
	if s.since(s.now-time.Second) < 1 {
		g.slices.strike(s.now, 1)
	}
	switch {
	case s.lack < g.least-slack:
		g.bucket.strike(s.now, 1)
	case s.lack < minute-slack:
		g.most = min(g.most, max(s.lack, g.least))
	}
	if s.since(s.now-time.Minute) < minute-slack {
		g.sliding.strike(s.now, 1)
	}
	hard := int8(1)
	if g.onlyFixed() {
		hard = out
	}
	for b := range g.fixed {
		if g.fixed[b].in() && s.since(begin(b, s.now)) < minute-slack {
			g.fixed[b].strike(s.now, hard)
		}
	}
	g.settle()
}

// onlyFixed reports whether windows are fixed, whenever they begin.
func (g *guess) onlyFixed() bool {
	return !g.slices.in() && !g.bucket.in() && !g.sliding.in() && g.windows() > 0
}

// narrow reports whether all that is not known is when a window begins, to two seconds.
func (g *guess) narrow() bool {
	runs := 0
	for b := range g.fixed {
		if g.fixed[b].in() && !g.fixed[(b+1)%bins].in() {
			runs++
		}
	}
	return runs == 1 && g.onlyFixed() && g.windows() <= int(narrowTime/binTime)
}

// narrowTime is how well it must be known when a window begins, to go by it without any probe.
const narrowTime = 2 * time.Second

// patience is the weight that the hypotheses by which a call is accepted must have for a probe, after a refusal. Without any knowledge of
// when windows begin that is a probe in eight seconds or so.
func (g *guess) patience() float64 {
	if !g.onlyFixed() {
		return 0.09
	}
	return min(max(float64(6*time.Second)/float64(binTime)/float64(g.windows()), 0.1), 0.34)
}

// pause is the time between probes that are rather refused.
func (g *guess) pause() time.Duration {
	if g.onlyFixed() {
		return time.Second
	}
	return 2500 * time.Millisecond
}

// told takes in until when a refused call was told to wait. Providers round up to whole seconds.
func (g *guess) told(s *stand, until time.Duration) {
	wait := until - s.now
	if g.settled || wait < 1500*time.Millisecond {
		return
	}
	if wait.Seconds() > s.cost+2 {
		// The end of a window: a bucket and slices have room for a call sooner.
		g.slices.strike(s.now, out)
		g.bucket.strike(s.now, out)
	}
	frees := s.now
	for frees < s.now+time.Minute && s.since(frees-time.Minute) > minute {
		frees += traceSlot
	}
	if until < frees-time.Second || until > frees+2*time.Second {
		g.sliding.strike(s.now, 1)
	}
	for b := range g.fixed {
		// Within the time that rounding leaves.
		if end := begin(b, s.now) + time.Minute; end < until-1200*time.Millisecond || end > until+300*time.Millisecond {
			g.fixed[b].strike(s.now, 1)
		}
	}
	g.settle()
}

// settle looks whether one hypothesis is left.
func (g *guess) settle() {
	n := g.windows()
	slices, bucket, sliding := g.slices.in(), g.bucket.in(), g.sliding.in()
	switch {
	case n == 0 && !sliding && slices && (!bucket || g.most < 2.5):
		g.found(limit.Shape{Mode: limit.Slices, Window: time.Minute})
	case n == 0 && !sliding && !slices && bucket:
		burst := time.Minute
		if !math.IsInf(g.most, 0) {
			burst = time.Duration(g.least * float64(time.Second))
		}
		g.found(limit.Shape{Mode: limit.Bucket, Window: time.Minute, Burst: burst})
	case n == 0 && !slices && !bucket && sliding:
		g.found(limit.Shape{Mode: limit.Sliding, Window: time.Minute})
	}
}

func (g *guess) found(s limit.Shape) { g.settled, g.shape = true, s }

// ask returns the weights of the hypotheses by which a call is accepted, and of those by which it is not.
func (g *guess) ask(s *stand, doubt bool) (yes, no float64) {
	vote := func(ok bool, weight float64) {
		if ok {
			yes += weight
		} else {
			no += weight
		}
	}
	if g.slices.in() {
		vote(s.since(s.now-time.Second) <= 1, g.slices.weight())
	}
	if g.bucket.in() {
		room, weight := minute-2*slack, g.bucket.weight()
		if !math.IsInf(g.most, 0) {
			room = min(room, g.least)
			weight *= 0.2 // few hold less than a minute
		}
		if doubt {
			room = max(room-1.5*slack, room/2)
		}
		vote(s.lack <= max(room, s.cost), weight) // one call fits into a full bucket, or none would ever go
	}
	full := minute
	if doubt {
		full -= 1.5 * slack
	}
	last := s.since(s.now - time.Minute)
	if g.sliding.in() {
		vote(last <= full, g.sliding.weight())
	}
	n := 0.0
	for b := range g.fixed {
		n += g.fixed[b].weight()
	}
	if n == 0 {
		return yes, no
	}
	// However few are left, that windows are fixed is not unlikely: some begin with the first call.
	each := max(n/bins, 0.3) / n
	if last <= full {
		vote(true, n*each)
		return yes, no
	}
	for b := range g.fixed {
		if g.fixed[b].in() {
			vote(s.since(begin(b, s.now)) <= full, g.fixed[b].weight()*each)
		}
	}
	return yes, no
}

// soonest returns how long it takes at least until a call is accepted by any hypothesis.
func (g *guess) soonest(s *stand) time.Duration { return 250 * time.Millisecond }

// grows reports whether a call takes a burst further than any before: nobody knows yet how much a bucket holds.
func (g *guess) grows(s *stand) bool {
	return g.bucket.in() && math.IsInf(g.most, 0) && s.lack > g.least+s.cost && g.least < minute-2*slack
}

// begin returns when windows begin, within the minute, at the earliest, and how much later it may be, if windows are fixed and little else is in
// doubt. Beginnings that nothing speaks against are preferred, if there are any.
func (g *guess) begin() (at, width time.Duration, ok bool) {
	if !g.onlyFixed() {
		return 0, 0, false
	}
	most := int8(out - 1)
	for b := range g.fixed {
		most = min(most, g.fixed[b].n)
	}
	first, gap := 0, 0 // the longest row of times at which they do not begin
	for b := range g.fixed {
		n := 0
		for n < bins && g.fixed[(b-1-n+2*bins)%bins].n > most {
			n++
		}
		if n > gap {
			first, gap = b, n
		}
	}
	if bins-gap > bins/4 {
		return 0, 0, false
	}
	return time.Duration(first) * binTime, time.Duration(bins-gap) * binTime, true
}

// possible reports whether any hypothesis allows that a call is accepted, however generously counted.
func (g *guess) possible(s *stand) bool {
	switch {
	case g.slices.in() && s.since(s.now-time.Second+traceSlot) <= twoSlices,
		g.bucket.in() && s.lack <= min(minute, g.most)+slack,
		g.sliding.in() && s.since(s.now-time.Minute+traceSlot) <= minute+slack:
		return true
	}
	for b := range g.fixed {
		if g.fixed[b].in() && s.since(begin(b, s.now)+binTime) <= minute+slack {
			return true
		}
	}
	return false
}

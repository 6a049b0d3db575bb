package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// heads is what is made of the headers of answers: what is left, and when it is whole again. They are believed while they agree with what was
// taken, and not looked at any more once they have contradicted it often.
type heads struct {
	good, bad int // answers that agreed, and did not
	off       bool

	// How the times of resets move, since the first of them.
	since   time.Duration
	answers int
	whole   int // resets were the time that a bucket takes to fill
	still   int // resets pointed to the same moment
	minute  int // resets were a minute from then
	anchor  time.Duration
	fit     [rules]float64
	fits    int

	terms [budgetDims]term
}

// reading is what headers say of one dimension.
type reading struct {
	dim         limit.Dim
	limit, left int64
	reset       time.Duration
	window      time.Duration // that the header's name states; 0 if it does not
}

// readings returns what headers say of what is left.
func readings(h *llm.RateLimits) [budgetDims]reading {
	return [...]reading{
		{limit.Requests, h.Requests, h.RequestsLeft, h.RequestsReset, h.RequestsPer},
		{limit.Tokens, h.Tokens, h.TokensLeft, h.TokensReset, h.TokensPer},
		{limit.Input, h.InputTokens, h.InputTokensLeft, h.InputTokensReset, 0},
		{limit.Output, h.OutputTokens, h.OutputTokensLeft, h.OutputTokensReset, 0},
	}
}

const (
	headsTrust  = 5  // answers that agree, before they are believed
	headsGiveUp = 12 // answers that do not, before they are not read any more
)

func (h *heads) trusted() bool { return !h.off && h.good >= headsTrust && h.good > 4*h.bad }

// answered takes in the headers of an answer, and returns what is left by them that should be taken for true, -1 for nothing.
func (l *study) answered(now time.Duration, t *note, h *llm.RateLimits) (correct [budgetDims]int64) {
	for d := range correct {
		correct[d] = -1
	}
	if l.heads.off {
		return correct
	}
	l.turn(now)
	l.state(now, h)
	worst, used := -1, 0.0
	all := readings(h)
	for d, r := range all {
		if r.left < 0 || l.rate[d] == 0 || !l.same(&r) {
			continue
		}
		if u := float64(r.limit-r.left) / l.rate[d]; worst < 0 || u > used {
			worst, used = d, u
		}
	}
	if worst < 0 {
		return correct
	}
	r := &all[worst]
	l.compare(t, worst, used)
	l.resets(t, used, r.reset)
	if !l.heads.trusted() {
		return correct
	}
	for d, r := range all {
		if r.left >= 0 && l.rate[d] > 0 && l.same(&r) {
			correct[d] = r.left
		}
	}
	return correct
}

// same reports whether a limit that headers state is the minute's that is gone by.
func (l *study) same(r *reading) bool {
	minutes := l.rate[r.dim] * minute
	return float64(r.limit) > minutes*0.97 && float64(r.limit) < minutes*1.03
}

// compare looks whether what was used, by the headers, is what we have taken, by whichever rule.
func (l *study) compare(t *note, d int, used float64) {
	h := &l.heads
	best := 1e9
	for r := range l.past {
		lack, span := t.lack[r][d]/l.rate[d], t.span[r][d]/l.rate[d]
		// Buckets have got back some of what windows still count, and a window may have begun since.
		miss := 0.0
		switch {
		case used < lack-slack:
			miss = lack - slack - used
		case used > span+slack:
			miss = used - span - slack
		}
		best = min(best, miss)
		if span-lack < 2 {
			h.fit[r] += miss
		}
	}
	switch {
	case best < 1+0.03*used:
		h.good++
	default:
		h.bad++
		if h.bad >= headsGiveUp && h.good < 2*h.bad {
			h.off = true
		}
	}
	if l.open && t.lack[ruleMax][d]-t.lack[ruleActual][d] > 4*l.rate[d] {
		if h.fits++; h.fits >= 8 && h.trusted() {
			l.decide()
		}
	}
}

// decide chooses the counting rule that agrees with the headers, where one does so much better than the others.
func (l *study) decide() {
	h := &l.heads
	best := ruleMax
	for r := range h.fit {
		if h.fit[r] < h.fit[best] {
			best = rule(r)
		}
	}
	second := 1e9
	for r := range h.fit {
		if rule(r) != best {
			second = min(second, h.fit[r])
		}
	}
	if second > 2*h.fit[best]+8 {
		l.open, l.rule, l.found = false, best, l.now
	}
	h.fits = 0
}

// resets looks at how the times of resets move.
func (l *study) resets(t *note, used float64, reset time.Duration) {
	h := &l.heads
	if reset <= 0 || used < 2 || l.guess.settled || h.answers > 0 && t.at < h.since {
		return // also, of calls that were sent before the last window began, of which answers come for seconds
	}
	end := t.at + reset
	if h.answers == 0 || end > h.anchor+time.Second || end < h.anchor-time.Second {
		h.since, h.anchor, h.still = t.at, end, 0
	}
	h.answers++
	h.still++
	if off := reset.Seconds() - used; off > -0.6 && off < 1.2 {
		h.whole++
	}
	if reset > minute*time.Second-1200*time.Millisecond && reset < minute*time.Second+1200*time.Millisecond {
		h.minute++
	}
	if h.answers < 8 || !h.trusted() {
		return
	}
	g := &l.guess
	switch n := h.answers; {
	case h.whole >= n-n/8 && h.still < n/2:
		g.only(limit.Bucket, 0, l.now)
	case h.still >= n-n/8 && h.whole < n/2 && t.at-h.since > 1200*time.Millisecond && h.minute < n/2:
		g.only(limit.Fixed, h.anchor, l.now)
	case h.minute >= n-n/8 && h.still < n/2 && h.whole < n/2:
		g.only(limit.Sliding, 0, l.now)
	case n > 64:
		h.answers, h.whole, h.minute = 0, 0, 0
	}
	l.revive(false)
}

// only keeps one hypothesis beside slices, of which headers say nothing: they count the minute.
func (g *guess) only(m limit.Mode, end, now time.Duration) {
	if m != limit.Bucket {
		g.bucket.strike(now, out)
	}
	if m != limit.Sliding {
		g.sliding.strike(now, out)
	}
	for b := range g.fixed {
		if m == limit.Fixed {
			off := (end - begin(b, end)) % time.Minute
			if off <= binTime || off >= time.Minute-binTime {
				continue
			}
		}
		g.fixed[b].strike(now, out)
	}
	g.settle()
}

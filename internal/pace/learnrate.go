package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Where nothing is known of a quota, not even that there is one.
const (
	scoutWidth  = 32   // calls that may be unconfirmed at first; an eighth of those that were accepted later on
	scoutLeast  = 8    // accepted calls in the last minute before a refusal, for a rate to follow from it
	scoutEnough = 2000 // accepted calls after which no quota is expected any more, until one refuses
)

// estimate makes a rate of what was accepted until the first refusal. If a second's worth is enforced each second, that is what the last one took,
// which is soon seen: as much is accepted again a second later. That is tried first, because a rate that is too low costs far more than
// a refusal. Else it is as if a whole minute's budget had been there at the beginning. If that is wrong, the first calls that are accepted
// beyond it say so.
func (l *study) estimate(now time.Duration) {
	l.unknown = false
	if l.told > now+2*time.Second {
		l.estimateMinute(now)
		return
	}
	l.second = second{on: true, since: now, whole: l.past[ruleMax].since(now - time.Second + traceSlot)}
	l.rate = ofDim(l.second.whole)
	l.rebase(now)
	l.guess.reset(limit.Shape{Mode: limit.Slices, Window: time.Minute})
	l.width = 1
	l.pause = l.now + secondPause
}

// estimateMinute takes what was accepted for a minute's budget.
func (l *study) estimateMinute(now time.Duration) {
	l.second = second{}
	l.estimated, l.adjusted = now, 1
	l.rate = ofDim(l.past[ruleMax].since(now - time.Minute))
	for d := range l.rate {
		l.rate[d] /= minute
	}
	l.rebase(now)
	l.guess.reset(limit.Shape{})
	l.guess.slices.strike(now, out)
	l.found = 0
}

// ofDim returns the dimension of an amount that quotas are mostly about.
func ofDim(t take) take {
	if t[limit.Tokens] > 0 {
		return take{limit.Tokens: t[limit.Tokens]}
	}
	return take{limit.Requests: max(t[limit.Requests], 1)}
}

// second is the attempt to take as much in a second as in the one before the first refusal.
type second struct {
	on      bool
	since   time.Duration
	whole   take // of that second
	taken   take // in the attempt
	refused int
}

// secondPause is how long nothing is sent before an attempt: the second that is used up is over then.
const secondPause = 1100 * time.Millisecond

// again takes in that a call was accepted in the attempt. It is over when half of the second was taken again.
func (l *study) again(e *entry) {
	s := &l.second
	if e.at <= s.since {
		return
	}
	s.taken.add(ruleMax.onArrival(&e.need))
	l.width = min(l.width*2, scoutWidth)
	rate := ofDim(s.whole)
	if s.taken.largest(&rate) >= 0.5 {
		l.second = second{}
		l.found = l.now
	}
}

// notAgain takes in that a call was refused in the attempt. One may have been somebody else's fault.
func (l *study) notAgain(now time.Duration) {
	s := &l.second
	if s.refused++; s.refused >= 2 || l.told > now+2*time.Second {
		l.estimateMinute(now)
		return
	}
	s.since, s.taken = now, take{}
	l.width = 1
	l.pause = now + secondPause
}

// Growth of a rate that was found out, while more is wanted and nothing is refused.
const (
	growSlices = 2 * time.Second
	growMinute = 10 * time.Second
)

// grow raises a rate that was found out: one that was never contradicted from above may be far too low. The more often that was wrong, the less
// and the later.
func (l *study) grow(now time.Duration) {
	every, by := growMinute, 1.05
	if l.guess.shape.Mode == limit.Slices {
		every, by = growSlices, [...]float64{1.5, 1.15, 1.04}[min(l.overgrown, 2)]
	}
	every <<= min(l.overgrown, 5)
	if l.told > now || l.hold > now || now < max(l.grewAt, l.episode, l.found)+every {
		return
	}
	l.grewAt, l.before = now, l.rate
	l.scale(by)
}

// over reports whether a call goes beyond what the shape that was found allows.
func (g *guess) over(s *stand) bool {
	switch g.shape.Mode {
	case limit.Slices:
		return s.since(s.now-time.Second) > 1
	case limit.Bucket:
		return s.lack > g.shape.Burst.Seconds()
	default:
		return s.since(s.now-time.Minute) > minute
	}
}

// adjust takes in how far an accepted call went into a minute's budget whose rate was only found out: what was under way when it was, it did
// not count.
func (l *study) adjust(s *stand) {
	if by := s.lack / minute; by > 1 && by < 1.05 && l.adjusted*by < 1.1 && s.now < l.estimated+70*time.Second {
		l.adjusted *= by
		for d := range l.rate {
			l.rate[d] *= by
		}
	}
}

// shrink takes back what grow has done, or some of the rate if it has not done anything lately.
func (l *study) shrink(now time.Duration) {
	if l.grewAt > 0 && now < l.grewAt+growMinute {
		l.overgrown++
		l.rate, l.grewAt = l.before, 0
		l.rebase(now)
		return
	}
	by := 0.95
	if l.guess.shape.Mode == limit.Slices {
		if got := l.past[l.rule].since(now - time.Second + traceSlot); got.largest(&l.rate) < 0.95 {
			by = max(got.largest(&l.rate), 0.7)
		}
		l.overgrown = max(l.overgrown, 1)
	}
	l.scale(by)
}

// rebase makes what buckets lack anew, after the rate has changed.
func (l *study) rebase(now time.Duration) {
	for r := range l.past {
		tr := &l.past[r]
		taken := tr.since(now - time.Minute)
		for d := range tr.lack {
			tr.lack[d] = min(taken[d], l.rate[d]*minute)
		}
	}
}

// scale changes the rate, which was found out and has turned out to be wrong.
func (l *study) scale(by float64) {
	for d := range l.rate {
		l.rate[d] *= by
	}
	l.rebase(l.now)
	l.width, l.doubt = firstWidth, false
}

// state takes over the limits of a minute that headers state, where none are declared. It reports whether they are new.
func (l *study) state(now time.Duration, h *llm.RateLimits) (fresh bool) {
	if l.declared {
		return false
	}
	var rate take
	stated := false
	for d, r := range readings(h) {
		if r.limit <= 0 {
			continue
		}
		if per := l.heads.per(&r); per > 0 {
			rate[d] = float64(r.limit) / per.Seconds()
			stated = true
		}
	}
	if !stated || l.heads.off || rate == l.rate {
		return false
	}
	l.rate, l.stated, l.unknown = rate, true, false
	l.rebase(now)
	return true
}

// term is what the answers before said of one dimension's time.
type term struct {
	limit  int64 // that they are of
	minute bool  // one was of a minute
	long   int   // answers in a row that were of more
}

// longTrust is how many answers in a row must say that a limit is of more than a minute: what is once far away may be a slip.
const longTrust = 2

// per returns the time that a limit is for: what the header's name says, or a minute, which is the custom. It is 0 for an hour or a day: what
// resets later than in a minute is no minute's. That is believed for good when two answers agree, since such a limit that is nearly full
// resets soon, too; one that does not fit is not taken for a change.
func (h *heads) per(r *reading) time.Duration {
	t := &h.terms[r.dim]
	if t.limit != r.limit {
		*t = term{limit: r.limit}
	}
	switch {
	case r.window > time.Minute:
		return 0
	case r.window > 0:
		return r.window
	case t.long >= longTrust:
		return 0
	case r.reset <= time.Minute+5*time.Second:
		t.minute, t.long = true, 0
		return time.Minute
	}
	if t.long++; t.minute && t.long < longTrust {
		return time.Minute
	}
	return 0
}

// higher reports whether one call may go beyond a rate that was only found out, to see whether it is too low.
func (l *study) higher(now time.Duration) bool {
	if l.declared || l.stated || l.told > now || l.hold > now || now < l.tried+max(l.reach, 200*time.Millisecond) {
		return false
	}
	return now > l.episode+min(2*time.Second<<min(l.failed, 4), 30*time.Second)
}

// beyond takes in that a call was accepted which went beyond all that the rate allows.
func (l *study) beyond() {
	if l.declared || l.stated {
		return
	}
	l.failed = 0
	if l.passed++; l.passed >= 2 {
		l.passed = 0
		l.scale(1.5)
		l.guess.reset(limit.Shape{})
		l.found = 0
	}
}

// contradicted takes in that a call was refused which the shape that had been found allows. After some, the shape is forgotten. It returns how
// long nothing should be sent, where the provider does not say.
func (l *study) contradicted(now time.Duration) (pause time.Duration) {
	if now > l.wrongAt+20*time.Second {
		l.wrong = 0
	}
	l.wrong++
	l.wrongAt = now
	if !l.declared && !l.stated {
		l.shrink(now)
		if l.guess.shape.Mode == limit.Slices {
			l.doubt = false
			if l.wrong < 12 {
				return 300 * time.Millisecond
			}
		}
	}
	if l.wrong >= 3 && (l.guess.shape.Mode != limit.Slices || l.wrong >= 6) {
		l.guess.reset(limit.Shape{})
		l.found, l.doubt, l.width = 0, true, 1
	}
	return min(100*time.Millisecond<<min(l.wrong, 6), 5*time.Second)
}

// terms returns the limits that have been found out.
func (l *study) terms() (limits []limit.Limit) {
	for d, v := range l.rate {
		if v > 0 {
			limits = append(limits, limit.Limit{Dim: limit.Dim(d), Amount: int64(v*minute + 0.5), Per: time.Minute})
		}
	}
	return limits
}

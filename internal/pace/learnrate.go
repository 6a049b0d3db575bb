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

// estimate makes a rate of what was accepted until the first refusal, as if a whole minute's budget had been there at the beginning. If that is
// wrong, the first calls that are accepted beyond it say so.
func (l *study) estimate(now time.Duration) {
	l.unknown = false
	taken := l.past[ruleMax].since(now - time.Minute)
	l.rate = take{limit.Tokens: max(taken[limit.Tokens], 1) / minute}
	if taken[limit.Tokens] == 0 {
		l.rate = take{limit.Requests: max(taken[limit.Requests], 1) / minute}
	}
	l.rebase(now)
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
		if r.limit > 0 && r.per() <= time.Minute {
			rate[d] = float64(r.limit) / r.per().Seconds()
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

// per returns the time that a limit is for: what the header's name says, or a minute, which is the custom; where a reset is further away than
// that, what its time tells, or a day.
func (r *reading) per() time.Duration {
	switch {
	case r.window > 0:
		return r.window
	case r.reset <= time.Minute+5*time.Second:
		return time.Minute
	}
	if w, ok := llm.InferWindow(r.limit, r.left, r.reset); ok && w > time.Minute {
		return w
	}
	return 24 * time.Hour
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
	if l.wrong >= 3 {
		if !l.declared && !l.stated {
			l.scale(0.95)
		}
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

package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// A study takes about 100 kB, and clients can make up names of models. So that of an undeclared quota is made when there is something to learn: after
// wakeCalls calls within a minute, at the first 429, and at the first headers that tell of a quota. Until then the last calls are remembered,
// and taken into the study when it is made. One that is not used for restTime is let go; what it has found out is kept.
const (
	wakeCalls = 8 // no rate follows from fewer, see scoutLeast
	restTime  = 10 * time.Minute
)

// scout remembers calls until a study is made.
type scout struct {
	calls [wakeCalls]scouted // the call of number n at n % wakeCalls
}

// scouted is one call.
type scouted struct {
	at   time.Duration
	need llm.Need
	n    uint64 // number of the call, from 1 on
	// accepted says that an answer has begun or ended.
	accepted bool
}

// found is what a study had found out when it was let go.
type found struct {
	Learned

	stated bool // by headers
}

// asleep reports whether a study is still to be made, when there is something to learn.
func (l *learner) asleep() bool { return !l.declared && l.study == nil }

// scouts takes note of a call that starts while there is no study. It makes one when these are more than a few in a minute, or when
// something has been found out before.
func (l *learner) scouts(now time.Duration, n *llm.Need, tk *ticket) {
	s := l.scout
	if s == nil {
		s = new(scout)
		l.scout = s
	}
	l.scouted++
	tk.scouted = l.scouted
	c := &s.calls[l.scouted%wakeCalls]
	many := c.n > 0 && now-c.at < time.Minute
	*c = scouted{at: now, need: *n, n: l.scouted}
	if many || l.found.Quota != "" {
		l.wake(now)
	}
}

// accepted takes note of an answer to a call that was sent while there was no study.
func (l *learner) accepted(tk *ticket) {
	if l.scout == nil || tk.scouted == 0 {
		return
	}
	if c := &l.scout.calls[tk.scouted%wakeCalls]; c.n == tk.scouted {
		c.accepted = true
	}
}

// wake makes the study, of the calls within the last minute.
func (l *learner) wake(now time.Duration) {
	l.study = newStudy(&limit.Terms{})
	l.studies++
	if l.found.Quota != "" {
		l.restore(now)
	}
	l.woken, l.early = 0, nil
	s := l.scout
	if s == nil {
		return
	}
	for i := l.scouted - min(l.scouted, wakeCalls) + 1; i <= l.scouted; i++ {
		c := &s.calls[i%wakeCalls]
		if c.n != i || now-c.at >= time.Minute {
			continue
		}
		if l.woken == 0 {
			l.woken = i
		}
		t := l.study.sent(c.at, &c.need)
		l.study.pending.get(t.id).accepted = c.accepted
		l.early = append(l.early, t)
	}
	l.scout = nil
}

// restore gives a study what one before has found out.
func (l *learner) restore(now time.Duration) {
	s, x := l.study, l.found
	l.found = found{}
	for _, b := range x.Limits {
		if int(b.Dim) < budgetDims && b.Per > 0 {
			s.rate[b.Dim] = float64(b.Amount) / b.Per.Seconds()
		}
	}
	s.unknown, s.stated, s.estimated, s.adjusted = false, x.stated, now, 1
	l.told = limit.Shape{}
	l.recall(l.base.Add(now), x.Learned)
}

// note returns what the study remembers of a call. There is nothing of one that was sent before the study was made, but for the last few, nor of one
// that another study knew.
func (l *learner) note(tk *ticket) *note {
	if tk.scouted > 0 && tk.study == 0 {
		if i := tk.scouted - l.woken; l.woken > 0 && i < uint64(len(l.early)) {
			tk.note, tk.study = l.early[i], l.studies
		}
	}
	if l.study == nil || tk.note.id == 0 || tk.study != l.studies {
		return nil
	}
	return &tk.note
}

// tells reports whether headers say anything of a quota.
func tells(h *llm.RateLimits) bool {
	for _, r := range readings(h) {
		if r.limit > 0 {
			return true
		}
	}
	return false
}

// rest lets a study go that has not been used for a while.
func (l *learner) rest(now time.Time) {
	if l.declared || l.study == nil || now.Sub(l.base)-l.study.now < restTime {
		return
	}
	if x, ok := l.learned(l.set.Name()); ok {
		l.found = found{x, l.study.stated}
	}
	l.study, l.early, l.woken = nil, nil, 0
}

// Rest lets go of what is only needed while quotas are found out and has not been used for ten minutes. What was found out is kept. It is meant to
// be called every minute.
func (f *Fleet) Rest() {
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		now := f.time(f.now())
		for _, tg := range a.targets {
			if tg.own != nil && tg.own.learner != nil {
				tg.own.learner.rest(now)
			}
		}
		a.mu.Unlock()
	}
}

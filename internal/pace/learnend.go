package pace

import "time"

// refused takes in that a call was refused for want of a minute's budget. wait is what the provider stated, 0 if nothing.
func (l *study) refused(now time.Duration, t *note, wait time.Duration) {
	l.time(now - t.at)
	p := &l.pending
	l.phase.turn(now)
	l.phase.sent(t.at, take{}.less(t.rule.onArrival(&t.need)))
	if e := p.get(t.id); e != nil && !e.refused {
		e.refused = true
		for r := range p.sum {
			p.sum[r].sub(rule(r).onArrival(&t.need))
		}
		if e.probe {
			p.probes--
		}
	}
	l.hold = max(l.hold, t.at+l.reach+time.Millisecond)
	if e := p.get(t.id); e == nil {
		// It came so late that the call was taken for accepted.
		for r := range l.past {
			l.past[r].void(rule(r).onArrival(&t.need), t.at)
		}
	}
	if t.at > l.episode {
		// The first refusal of those that were under way at the same time.
		l.episode = now
		l.episodes++
		l.width, l.doubt = 1, true
		l.streak = 0
		l.failed++
		if !l.unknown && !l.second.on && l.guess.slices.in() {
			l.phase.refused(t.at, l.rule.onArrival(&t.need), &l.rate)
		}
		switch {
		case l.second.on:
			if t.at > l.second.since {
				l.notAgain(now)
			}
		case l.guess.settled:
			l.pause = now + l.contradicted(now)
		}
	}
	if wait > 0 {
		l.told = max(l.told, t.at+wait)
		if now-l.toldAt > 400*time.Millisecond {
			l.toldAt = now
			s := l.stand(l.rule, p.sum[l.rule], now, &t.need)
			l.guess.told(&s, t.at+wait)
		}
	}
	l.turn(now)
}

// time takes in how long a refusal took. The time that refusals are given grows at once, and shrinks slowly: one that comes too late is worse
// than some that are waited for.
func (l *study) time(took time.Duration) {
	if l.times < 8 {
		l.times++
	}
	l.fast = max(took, l.fast*31/32)
	r := min(max(l.fast*5/4, 30*time.Millisecond), 2*time.Second)
	if r > l.reach || l.times == 8 {
		l.reach = r
	}
}

// accept takes note that a call was accepted.
func (l *study) accept(t *note) {
	if e := l.pending.get(t.id); e != nil {
		e.accepted = true
	}
}

// done takes in that a call has ended which was not refused.
func (l *study) done(now time.Duration, t *note, input, output float64) {
	l.accept(t)
	l.turn(now)
	for r := range l.past {
		l.past[r].add(rule(r).atEnd(&t.need, input, output))
	}
}

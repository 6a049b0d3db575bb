package admit

import (
	"math"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// outlook is what a call can expect when it comes.
type outlook struct {
	first bool          // nobody is before it at one of its targets: it has to be tried
	calls int           // before it
	wait  time.Duration // until it starts; 0 if that is not known
	firm  bool          // wait is known well enough to send it away
}

// outlook estimates what a call that is not in the queue yet can expect there: at the target where that is least. The caller holds mu.
func (q *Queue[L]) outlook(w *waiter[L], weight int) outlook {
	now := time.Now()
	t := q.tenants[tenantID{w.class, w.try.Key}]
	best := outlook{calls: math.MaxInt}
	for _, target := range w.targets {
		l := q.known(target, false)
		if l == nil || l.calls == 0 {
			l = q.known(target, true) // where calls go that have no other target
		}
		if l == nil || l.calls == 0 {
			return outlook{first: true}
		}
		o := q.outlookIn(l, w, t, int64(max(weight, 1)), now)
		best.first = best.first || o.first
		switch {
		case o.wait > 0 && (best.wait == 0 || o.wait < best.wait):
			o.first = best.first
			best = o
		case o.wait == 0 && best.wait == 0:
			best.calls = min(best.calls, o.calls)
		}
	}
	return best
}

// outlookIn is outlook for one lane.
//
// The calls of higher classes go before, and those of the call's own key. Of those of other keys, as many as bring their keys' counters to where
// the call's own key will be when its turn comes: at most their keys' weights times that, and at most all of them.
func (q *Queue[L]) outlookIn(l *lane[L], w *waiter[L], t *tenant[L], weight int64, now time.Time) outlook {
	o := outlook{first: true}
	var higher int64
	for c := range l.rungs[:w.class] {
		higher += l.rungs[c].tokens
		o.calls += l.rungs[c].calls
	}
	r := &l.rungs[w.class]
	ahead, before := r.ahead, r.front.len()
	if !w.front {
		var own, ownAhead, ownWeight, ownCalls, debt int64
		if t != nil {
			if f := r.by[t]; f != nil {
				own, ownAhead, ownWeight, ownCalls = f.tokens, f.tokens, t.weight, int64(f.nodes.len())
				if w.due != math.MaxInt64 {
					ownAhead = f.urgent
				}
			}
			if s := t.share(l.account); s != nil {
				debt = max(s.counter-s.field().lift(), 0) / scale
			}
		}
		turn := debt + (ownAhead+w.tokens)/weight
		all := r.tokens - r.ahead - own
		others := all
		if rivals := r.weight - ownWeight; rivals > 0 && turn < all/rivals {
			others = rivals * turn
		}
		ahead += ownAhead + others
		before += part(ownCalls, ownAhead, own) + part(int64(r.calls-r.front.len())-ownCalls, others, all)
	}
	o.calls += before
	o.first = o.calls == 0 || w.front && higher == 0
	s := q.speedOf(l, w.class, now)
	o.firm = s.firm
	o.wait = s.wait(int(w.class), higher, ahead+w.tokens, o.calls+1)
	o.wait = max(o.wait, l.blocked(now))
	return o
}

// part is the same part of n as some is of all, rounded up.
func part(n, some, all int64) int {
	if all <= 0 {
		return 0
	}
	return int(math.Ceil(float64(n) * float64(some) / float64(all)))
}

// speedOf returns the rate at which a lane's calls start, and what of its quotas is left for a class and those above it.
//
// What is left counts only where calls wait for a quota, as they do while it is found out how that is enforced: else they wait for something that it
// does not help with, such as the number of calls at a time.
func (q *Queue[L]) speedOf(l *lane[L], class llm.Class, now time.Time) speed {
	var c limit.Capacity
	if q.capacity != nil {
		c = q.capacity(l.t, class)
	}
	if c.Tokens == 0 && c.Calls > 0 && l.calls > 0 { // only calls are limited: then their number is what takes time
		var waiting int64
		for i := range l.rungs {
			waiting += l.rungs[i].tokens
		}
		mean := float64(waiting) / float64(l.calls)
		c.Tokens, c.TokensLeft = c.Calls*mean, c.CallsLeft*mean
	}
	s := l.drain.speed(now, c.Tokens, c.Calls, l.short)
	if l.short {
		s.left, s.callsLeft = c.TokensLeft, c.CallsLeft
	}
	return s
}

// maxEstimate bounds estimates: beyond it, they mean "much later". leastEstimate is the least where something is known, since 0 is not.
const (
	maxEstimate   = time.Hour
	leastEstimate = time.Millisecond
)

// wait is how long tokens of higher classes and of a class take to start, after what is left of quotas has gone at once; 0 if that is not known.
func (s *speed) wait(class int, higher, own int64, calls int) time.Duration {
	if s.all == 0 && s.calls == 0 {
		return 0
	}
	after := max(float64(higher)-s.left, 0)
	return max(s.time(class, after, max(float64(own)-max(s.left-float64(higher), 0), 0), max(float64(calls)-s.callsLeft, 0)), leastEstimate)
}

// time is how long tokens of higher classes and of a class take to start at the rate; 0 if that is not known.
func (s *speed) time(class int, higher, own, calls float64) time.Duration {
	seconds := 0.0
	if s.all > 0 {
		seconds = higher/s.all + own/s.from[class]
	}
	if s.calls > 0 {
		seconds = max(seconds, calls/s.calls)
	}
	return time.Duration(min(seconds, maxEstimate.Seconds()) * float64(time.Second))
}

// blocked is how long a lane's first call has to wait in any case, as far as that is known.
func (l *lane[L]) blocked(now time.Time) time.Duration {
	until := l.budget
	if l.out {
		until = l.until
	}
	if until.IsZero() {
		return 0
	}
	return max(until.Sub(now), 0)
}

// Calls that are sent away are told when to come back. Each of those answers books the time that its call would take to start in a schedule that
// begins when those who wait are through: so the callers come back one after the other, at the rate at which they can be served.
const (
	leastBack  = time.Second      // what clients understand in any case
	latestBack = time.Minute      // older SDKs take no longer wait seriously (PROVIDERS.md 6.1, 2026-11-20)
	earlyBack  = 45 * time.Second // from there on, the answers that would be later than the latest are spread
	overBack   = 5 * time.Second  // a wait that is over the latest by no more than this is told as the latest: a minute's window and its margin
)

// told is how long a wait is for those who are told of it.
func told(d time.Duration) time.Duration {
	if d > latestBack && d <= latestBack+overBack {
		return latestBack
	}
	return d
}

// comeBack says when a call that is sent away should come again. The caller holds mu.
func (q *Queue[L]) comeBack(w *waiter[L], c *Config) time.Duration {
	now := time.Now()
	var lane *lane[L]
	var start, end time.Time
	blocked := time.Duration(math.MaxInt64)
	for _, t := range w.targets {
		l := q.known(t, w.resort)
		if l == nil {
			continue
		}
		blocked = min(blocked, l.blocked(now))
		if at, until := q.slot(l, w, now); !at.IsZero() && (start.IsZero() || at.Before(start)) {
			lane, start, end = l, at, until
		}
	}
	if blocked == math.MaxInt64 {
		blocked = 0
	}
	blocked = told(blocked)
	switch d := start.Sub(now); {
	case lane == nil && blocked > 0:
		return max(blocked, leastBack)
	case lane == nil:
		return max(min(c.MaxWait, latestBack), leastBack)
	case d <= latestBack+overBack:
		lane.booked[w.class] = end
		return told(max(d, leastBack))
	}
	if blocked > latestBack {
		return blocked
	}
	q.spreads++
	_, f := math.Modf(float64(q.spreads) * (math.Sqrt(5) - 1) / 2) // evenly, whatever the number
	return earlyBack + time.Duration(f*float64(latestBack-earlyBack))
}

// slot returns when a lane would be through with those who wait, and with what is booked, and when it would have started one more call. Zero if
// its rate is not known.
func (q *Queue[L]) slot(l *lane[L], w *waiter[L], now time.Time) (start, end time.Time) {
	s := q.speedOf(l, w.class, now)
	if s.all == 0 && s.calls == 0 {
		return start, end
	}
	var higher int64
	calls := 0
	for c := range l.rungs[:w.class] {
		higher += l.rungs[c].tokens
		calls += l.rungs[c].calls
	}
	r := &l.rungs[w.class]
	// What is left at once does not count here: those who wait have it before anybody comes back.
	start = now.Add(max(s.time(int(w.class), float64(higher), float64(r.tokens), float64(calls+r.calls)), l.blocked(now)))
	for _, b := range l.booked[:w.class+1] {
		if b.After(start) {
			start = b
		}
	}
	return start, start.Add(s.time(int(w.class), 0, float64(w.tokens), 1))
}

package limit

import (
	"math"
	"time"
)

// maxBudgets bounds the limits of one set. Providers are known to have six: requests and tokens a minute and a day, input and output tokens
// a minute.
const maxBudgets = 8

const (
	// slice is the part of a window that Slices stands for: OpenAI enforces a minute's requests by the second (PROVIDERS.md, rate limits).
	slice = time.Second
	// credit is how late a call may start without the time being lost: timers are late, and a scheduler has other things to do.
	credit = 50 * time.Millisecond
	// longBurst is the burst from which on calls that are counted at their end are taken for used while they are under way. With a smaller
	// one that would leave most of the rate unused; there they count from their start, and are corrected at the end.
	longBurst = 10 * time.Second
)

// rule is what kind of gauge it is.
type rule uint8

const (
	paced   rule = iota // bucket that lets a call start when it is all but full, however much it takes
	strict              // bucket that never holds more than its limit
	windows             // fixed
	log                 // history
)

// gauge is a counter and what it may count up to.
type gauge struct {
	counter

	rule   rule
	limit  int64
	credit int64 // of paced: so much earlier than it is all but full, in ns
	period int64 // in which the limit comes back: the window, or the time to fill a bucket
	late   bool  // calls that are counted at their end count separately while they are under way
}

// budget is one limit of a set, as it is enforced. Some ways of enforcement take two gauges.
type budget struct {
	Limit

	gauges [2]gauge
	n      int
	added  int64 // in all, refunds not taken off
	past   past
}

// wait reports whether calls wait for the limit to come back: not for tomorrow.
func (l *Limit) wait() bool { return l.Per <= time.Minute }

// shape builds the gauges of a limit of which a fraction is ours.
func (b *budget) shape(sh Shape, fraction float64, now int64) {
	amount := max(int64(float64(b.Amount)*fraction), 1)
	per := int64(b.Per)
	worth := func(d time.Duration) int64 { return max(share(amount, int64(d), per), 1) }
	b.n = 0
	if !b.wait() {
		b.windows(amount, per, 0, 0, now) // days and hours by UTC
		return
	}
	window := sh.Window
	if window <= 0 {
		window = b.Per
	}
	switch sh.Mode {
	case Slices:
		part := min(slice, b.Per)
		if sh.aligned(part) {
			b.windows(worth(part), int64(part), sh.Anchor.UnixNano(), int64(sh.Slack), now)
			if sh.Burst > 0 {
				b.paced(amount, per, worth(sh.Burst), now)
			}
			return
		}
		b.paced(amount, per, worth(credit), now)
		b.log(worth(part), int64(part), int64(sh.Slack))
	case Bucket:
		burst := sh.Burst
		if burst <= 0 {
			burst = b.Per
		}
		b.add(gauge{
			counter: &bucket{amount: amount, per: per, at: now}, rule: strict, limit: max(worth(burst)-share(amount, int64(sh.Slack), per), 1), period: int64(burst),
			late: burst >= longBurst,
		})
	case Fixed:
		if sh.aligned(window) {
			b.windows(worth(window), int64(window), sh.Anchor.UnixNano(), int64(sh.Slack), now)
			return
		}
		b.log(worth(window), int64(window), int64(sh.Slack)) // whatever the windows are, there is never more in one
	case Sliding:
		b.log(worth(window), int64(window), int64(sh.Slack))
	default:
		b.paced(amount, per, max(worth(max(sh.Burst, credit))-share(amount, int64(sh.Slack), per), 1), now)
		if sh.Burst < slice && b.Per > slice {
			b.log(worth(slice), int64(slice), int64(sh.Slack))
		}
	}
}

// share returns n*part/whole.
func share(n, part, whole int64) int64 { return int64(float64(n) * (float64(part) / float64(whole))) }

func (b *budget) add(g gauge) {
	b.gauges[b.n] = g
	b.n++
}

func (b *budget) paced(amount, per, limit, now int64) {
	period := share(per, limit, amount)
	b.add(gauge{
		counter: &bucket{amount: amount, per: per, at: now}, rule: paced, limit: limit, credit: int64(credit), period: period,
		late: period >= int64(longBurst),
	})
}

func (b *budget) log(limit, window, slack int64) {
	b.add(gauge{
		counter: &history{window: window + slack}, rule: log, limit: limit, period: window, late: window >= int64(longBurst),
	})
}

func (b *budget) windows(limit, window, anchor, slack, now int64) {
	f := &fixed{window: window, anchor: anchor, slack: slack}
	f.turn(now)
	b.add(gauge{
		counter: f, rule: windows, limit: limit, period: window,
		late: window >= int64(longBurst) && window <= int64(time.Minute),
	})
}

// aligned reports whether it is known when windows of a length begin, well enough to go by it.
func (sh *Shape) aligned(window time.Duration) bool {
	return !sh.Anchor.IsZero() && 20*sh.Slack < 9*window
}

// ceiling returns up to which use, before it, a call that needs so much may start at a time.
func (g *gauge) ceiling(s *Set, b *budget, need int64, h holding, at int64) int64 {
	hold := s.hold(g, b, h, at)
	if g.rule == paced {
		if h == forInteractive {
			return max(g.limit-need, s.ahead(g, b))
		}
		return max(g.limit-need-hold, 0)
	}
	return g.limit - need - hold
}

// room reports whether a call fits now, or else when it will; never if that depends on calls under way. One that needs more than there can
// ever be, or than is not held back, may start when nothing is used.
func (g *gauge) room(s *Set, b *budget, need int64, h holding) (ok bool, at int64) {
	out := int64(0)
	if g.late {
		out = s.out[b.Dim]
	}
	used := g.used()
	level := g.ceiling(s, b, need, h, s.now) - out
	if used <= level {
		return true, 0
	}
	whole := b.Dim != Money && out == 0
	if whole && used == 0 {
		return true, 0
	}
	at = s.freeAt(g, b, need, level, h)
	if whole {
		at = min(at, g.free(0))
	}
	if at != never {
		if at -= g.credit; at <= s.now {
			return true, 0
		}
	}
	return false, max(at, s.now+1)
}

// carry takes over what the gauges of the same limit before have counted.
func (b *budget) carry(old *budget, out int64, now int64) {
	b.added, b.past = old.added, old.past
	for i := range b.n {
		g := &b.gauges[i]
		g.turn(now)
		switch {
		case i < old.n && old.gauges[i].rule == g.rule:
			g.inherit(&old.gauges[i], &b.past, now)
		case g.rule == windows || g.rule == log:
			b.past.replay(g, now)
		default: // what was sent lately beyond the rate
			g.add(now, min(old.gauges[0].used(), math.MaxInt64))
		}
		if !g.late && old.gauges[0].late {
			g.add(now, out)
		}
	}
}

// inherit takes over the count of a gauge of the same kind.
func (g *gauge) inherit(old *gauge, p *past, now int64) {
	switch c := g.counter.(type) {
	case *bucket:
		c.level = old.used()
	case *fixed:
		if o := old.counter.(*fixed); o.from == c.from && o.to == c.to {
			c.n, c.next = o.n, o.next
		} else {
			p.replay(g, now)
		}
	case *history:
		if o := old.counter.(*history); o.window == c.window {
			*c = *o
		} else {
			p.replay(g, now)
		}
	}
}

// seconds is how far back a past goes.
const seconds = 64

// past is what was added in each of the last seconds, for what has to be counted in another way from now on.
type past struct {
	at  int64 // second
	sum [seconds]int64
}

func (p *past) turn(now int64) {
	sec := now / int64(time.Second)
	for k := min(sec-p.at, seconds); k > 0; k-- {
		p.sum[(sec-k+1)%seconds] = 0
	}
	p.at = max(p.at, sec)
}

func (p *past) add(at, n int64) {
	if sec := at / int64(time.Second); p.at-sec < seconds {
		i := sec % seconds
		p.sum[i] = max(p.sum[i]+n, 0)
	}
}

// since returns what was added from a time on, to the second.
func (p *past) since(at int64) (n int64) {
	for sec := max(at/int64(time.Second), p.at-seconds+1); sec <= p.at; sec++ {
		n += p.sum[sec%seconds]
	}
	return n
}

// replay adds to a gauge what counts for it still.
func (p *past) replay(g *gauge, now int64) {
	switch c := g.counter.(type) {
	case *fixed:
		if c.n = p.since(c.from); c.both(now) {
			c.next = p.since(c.to - 2*c.slack)
		}
	case *history:
		for sec := p.at - seconds + 1; sec <= p.at; sec++ {
			at := min((sec+1)*int64(time.Second), now)
			if n := p.sum[sec%seconds]; n > 0 && at+c.window > now {
				c.add(at, n)
			}
		}
	}
}

package limit

import (
	"math"
	"time"

	"sluice/internal/llm"
)

// Holds. Calls of the classes background and bulk leave to interactive ones what those are expected to need until budget comes back, so that
// a burst that bulk has spent never makes them wait for the next window:
//
//  1. The set observes what interactive calls take a second, as an average in which the past fades.
//  2. Until budget comes back in a time T they will need m = rate*T, and hardly ever more than m + 3*sqrt(m*2u), where u is what one of
//     them takes: calls come as in a Poisson process, in sizes that spread about as much as an exponential distribution's.
//  3. T is the time to the window's end (Fixed); for Sliding, what ceases to count on the way is taken off; a bucket comes back all the
//     time, there T is about the time in which one call's need comes back.
//  4. So the hold shrinks to nothing towards the end of a window, and bulk takes the rest to the last token.
//  5. Bulk leaves a hundredth more, shrinking in the same way, for interactive calls that nobody has seen coming.

// holding says for whom something is held back.
type holding uint8

const (
	forInteractive holding = iota // all is for it
	forBackground
	forBulk
)

func holdingOf(c llm.Class) holding {
	switch {
	case c <= llm.Interactive:
		return forInteractive
	case c == llm.Background:
		return forBackground
	default:
		return forBulk
	}
}

const (
	fade      = time.Minute           // in which an observation's weight falls to 1/e
	deviation = 3                     // standard deviations that are held back
	floorPart = 100                   // a hundredth of a limit is held back for nobody in particular
	patience  = 20 * time.Millisecond // that an interactive call may wait for the end of a window
	aheadMost = 3                     // calls that interactive ones may be ahead of even pacing
)

// flow is the rate at which interactive calls take from a set.
type flow struct {
	sum   [Dims]float64 // faded
	first int64
	at    int64   // of sum
	norm  float64 // nanoseconds that sum stands for
}

// grain is how old sums may be: exponentials are what would cost most of a call otherwise.
const grain = int64(time.Millisecond)

// turn lets sums fade until now.
func (f *flow) turn(now int64) {
	if now-f.at < grain || f.sum[Requests] == 0 {
		return
	}
	w := math.Exp(-float64(now-f.at) / float64(fade))
	for d := range f.sum {
		f.sum[d] *= w
	}
	f.at = now
	if f.sum[Requests] < 0.001 {
		f.sum = [Dims]float64{}
	}
	age := max(float64(now-f.first), float64(time.Second)) / float64(fade)
	f.norm = float64(fade) * -math.Expm1(-age)
}

// observe takes in a call that has started, or with sign -1 one that has not after all.
func (f *flow) observe(now int64, n *Amounts, sign float64) {
	f.turn(now)
	if f.sum[Requests] == 0 {
		f.first, f.at, f.norm = now, now, float64(time.Second)
	}
	for d := range f.sum {
		f.sum[d] = max(f.sum[d]+sign*float64(n[d]), 0)
	}
}

// rate returns what is taken a nanosecond, and by one call.
func (f *flow) rate(now int64, d Dim) (perNS, size float64) {
	f.turn(now)
	if f.sum[Requests] <= 0 || f.sum[d] <= 0 {
		return 0, 0
	}
	return f.sum[d] / f.norm, f.sum[d] / f.sum[Requests]
}

// expected returns what interactive calls will hardly ever exceed in a time.
func expected(perNS, size, ns float64) float64 {
	m := perNS * ns
	return m + deviation*math.Sqrt(m*2*size)
}

// hold returns what a gauge has to keep back from a call at a time.
func (s *Set) hold(g *gauge, b *budget, h holding, at int64) int64 {
	if h == forInteractive || !b.wait() {
		return 0
	}
	perNS, size := s.flow.rate(s.now, b.Dim)
	limit := float64(g.limit)
	floor := 0.0
	if h == forBulk {
		floor = limit / floorPart
	}
	switch c := g.counter.(type) {
	case *bucket:
		return int64(min(expected(perNS, size, g.soon(size)), limit/2))
	case *fixed:
		left := float64(c.to - at - int64(patience))
		if left <= 0 {
			return 0
		}
		return int64(min(expected(perNS, size, left)+floor*left/float64(c.window), limit))
	case *history:
		if g.period < int64(longBurst) {
			return 0
		}
		return int64(min(c.shortage(s.now, at, perNS, size, floor), limit))
	default:
		return 0
	}
}

// soon is the time in which a bucket gets back what a call or two need.
func (g *gauge) soon(size float64) float64 {
	return float64(time.Second) + 2*size*float64(g.period)/float64(g.limit)
}

// ahead is how far interactive calls may be ahead of even pacing; bulk makes up for it.
func (s *Set) ahead(g *gauge, b *budget) int64 {
	perNS, size := s.flow.rate(s.now, b.Dim)
	return int64(min(expected(perNS, size, g.soon(size)), aheadMost*size))
}

// shortage returns the most by which what is expected to be needed until some time exceeds what will have ceased to count by then.
func (h *history) shortage(now, at int64, perNS, size, floor float64) float64 {
	most, back := 0.0, 0.0
	all := expected(perNS, size, float64(h.window)) + floor
	for i := range h.n {
		e := h.at(i)
		if e.end > at {
			t := float64(e.end - at)
			most = max(most, expected(perNS, size, t)+floor*t/float64(h.window)-back)
			if back >= all {
				break
			}
		}
		back += float64(e.n)
	}
	return most
}

// freeAt returns when a call will fit that may start when no more than level is used. What is held back shrinks meanwhile.
func (s *Set) freeAt(g *gauge, b *budget, need, level int64, h holding) int64 {
	at := g.free(level)
	if h == forInteractive || at <= s.now {
		return at
	}
	switch c := g.counter.(type) {
	case *fixed:
		out := c.n + need
		if g.late {
			out += s.out[b.Dim]
		}
		if out > g.limit {
			return at
		}
		lo, hi := s.now, c.to
		for hi-lo > int64(time.Millisecond)/2 {
			if mid := lo + (hi-lo)/2; out+s.hold(g, b, h, mid) <= g.limit {
				hi = mid
			} else {
				lo = mid
			}
		}
		return hi
	case *history:
		perNS, _ := s.flow.rate(s.now, b.Dim)
		if h == forBulk {
			perNS += float64(g.limit) / floorPart / float64(c.window)
		}
		if short := float64(c.sum - level); perNS > 0 && short > 0 && s.hold(g, b, h, s.now) > 0 {
			return min(at, s.now+max(int64(min(short/perNS, float64(g.period))), int64(time.Millisecond)))
		}
	}
	return at
}

package pace

import (
	"time"

	"sluice/internal/llm"
)

// The limiters that the laboratory measures beside ours, in their published form.

// gradient2 is Netflix's Gradient2Limit (github.com/Netflix/concurrency-limits, release 0.5) on the latency of a call: limit x
// clamp(tolerance x long / short) + queue, smoothed.
type gradient2 struct {
	limit float64
	long  float64 // seconds, mean of the last 600 calls
	n     float64
}

func newGradient2() *gradient2 { return &gradient2{limit: 20} }

func (g *gradient2) Limit() int { return int(g.limit) }

func (g *gradient2) Done(o *Outcome, used int, _ time.Duration) {
	if o.Kind == llm.KindOverloaded {
		g.limit = max(g.limit*0.9, 20)
		return
	}
	short := o.Duration.Seconds()
	g.n = min(g.n+1, 600)
	g.long += (short - g.long) / g.n
	if g.long/short > 2 {
		g.long *= 0.95
	}
	if float64(used) < g.limit/2 {
		return
	}
	gradient := max(0.5, min(1, 1.5*g.long/short))
	next := g.limit*gradient + 4
	g.limit = max(20, min(1000, g.limit*0.8+next*0.2))
}

// aimd adds one call a round trip, and takes a tenth off where first tokens, or the tokens after them, take twice as long as they did at
// best. Both are smoothed over some ten calls.
type aimd struct {
	limit           float64
	n               int
	first, pace     float64 // seconds, smoothed
	bestFirst, best float64
	cut             time.Duration
}

func (a *aimd) Limit() int { return int(a.limit) }

func (a *aimd) Done(o *Outcome, used int, now time.Duration) {
	slow := o.Kind == llm.KindOverloaded
	if o.Kind == llm.KindNone {
		a.n++
		weight := 1 / float64(min(a.n, 10))
		a.first += (o.FirstToken.Seconds() - a.first) * weight
		a.pace += ((o.Duration-o.FirstToken).Seconds()/float64(o.Usage.Output) - a.pace) * weight
		if a.n == 10 || a.n > 10 && a.first < a.bestFirst {
			a.bestFirst = a.first
		}
		if a.n == 10 || a.n > 10 && a.pace < a.best {
			a.best = a.pace
		}
		slow = a.n > 10 && (a.first > 2*a.bestFirst || a.pace > 2*a.best)
	}
	switch {
	case slow:
		if now-o.Duration >= a.cut {
			a.cut = now
			a.limit = max(a.limit*0.9, 1)
		}
	case float64(used) >= a.limit-1:
		a.limit = min(a.limit+1/a.limit, 1000)
	}
}

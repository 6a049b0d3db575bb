package bench

import (
	"maps"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/report"
)

const (
	liveTick  = 250 * time.Millisecond
	liveTicks = 12              // that rates are taken over: three seconds
	liveHalf  = 5 * time.Second // latencies are of the last one to two of these
)

// live is the figures of a run as it stands.
type live struct {
	ok, failed, limited, tokens, events int64
	errors                              map[string]int64
	ttft, e2e, tpot                     pair
	requestsUsed, tokensUsed            float64

	marks [liveTicks]mark // a ring
	n     int
	half  time.Duration // when the pairs were last turned
}

// mark is the counters at one tick.
type mark struct {
	at          time.Duration
	sent, ended int64
	events      int64
	cpu         time.Duration
}

// pair is a histogram of microseconds over the last seconds: the one that fills, and the one before.
type pair struct{ now, before *hdrhistogram.Histogram }

func newPair() pair {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 2) }
	return pair{h(), h()}
}

func (p *pair) turn() {
	p.now, p.before = p.before, p.now
	p.now.Reset()
}

func (p *pair) add(d time.Duration, ok bool) {
	if ok {
		observe(p.now, d)
	}
}

// at returns quantiles of both, in milliseconds.
func (p *pair) at(q ...float64) []float64 {
	h := p.before
	if p.now.TotalCount() > 0 {
		h = hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 2)
		h.Merge(p.before)
		h.Merge(p.now)
	}
	out := make([]float64, len(q))
	for i := range q {
		if h.TotalCount() > 0 {
			out[i] = float64(h.ValueAtQuantile(q[i])) / 1000
		}
	}
	return out
}

func newLive() live {
	return live{errors: map[string]int64{}, ttft: newPair(), e2e: newPair(), tpot: newPair(), requestsUsed: -1, tokensUsed: -1}
}

func (l *live) take(rec *report.Record) {
	switch {
	case rec.OK:
		l.ok++
		l.ttft.add(rec.TTFT())
		l.e2e.add(rec.E2E())
		l.tpot.add(rec.TPOT())
	case !rec.Incomplete:
		l.failed++
		l.errors[rec.Error]++
		if rec.Status == 429 {
			l.limited++
		}
	}
	l.tokens += rec.Output
	l.events += int64(rec.Events)
	if q := rec.Limits; q.Requests > 0 && q.RequestsLeft >= 0 {
		l.requestsUsed = max(0, 1-float64(q.RequestsLeft)/float64(q.Requests))
	}
	if q := rec.Limits; q.Tokens > 0 && q.TokensLeft >= 0 {
		l.tokensUsed = max(0, 1-float64(q.TokensLeft)/float64(q.Tokens))
	}
}

// progress tells how the run stands.
func (c *collector) progress() {
	if c.r.o.Progress == nil {
		return
	}
	r, l := c.r, &c.live
	now := r.now()
	if now-l.half >= liveHalf {
		l.half = now
		l.ttft.turn()
		l.e2e.turn()
		l.tpot.turn()
	}
	cpu, _ := usage()
	m := mark{at: now, sent: r.dispatched.Load(), ended: l.ok, events: r.events.Load(), cpu: cpu}
	old := l.marks[max(0, l.n-liveTicks+1)%liveTicks]
	if l.n == 0 {
		old = m
	}
	l.marks[l.n%liveTicks] = m
	l.n++
	p := Progress{
		Cell: r.target.Cell, Repeat: r.o.Repeat, Step: r.o.Step, Phase: r.phase(now), Elapsed: max(now, 0), Total: r.window.to,
		Target: r.schedule.Arrival.Rate, InFlight: r.inFlight.Load(), Sent: m.sent, OK: l.ok, Failed: l.failed, RateLimited: l.limited,
		Errors: maps.Clone(l.errors), Spent: r.o.Budget.Spent(), Cap: r.o.Budget.Cap(), RPMUsed: l.requestsUsed, TPMUsed: l.tokensUsed,
	}
	if wall := (m.at - old.at).Seconds(); wall > 0 {
		p.Rate = float64(m.sent-old.sent) / wall
		p.TPS = float64(m.ended-old.ended) / wall
		p.Tokens = float64(m.events-old.events) / wall * max(1, share(l.tokens, l.events))
		p.CPU = (m.cpu - old.cpu).Seconds() / wall
	}
	q := l.ttft.at(50, 95, 99)
	p.TTFT50, p.TTFT95, p.TTFT99 = q[0], q[1], q[2]
	q = l.e2e.at(50, 95)
	p.E2E50, p.E2E95 = q[0], q[1]
	p.TPOT50 = l.tpot.at(50)[0]
	if c.lag.TotalCount() > 0 {
		p.LagP99 = float64(c.lag.ValueAtQuantile(99)) / 1000
	}
	p.Saturated = p.LagP99 > float64(lagP99)/float64(time.Millisecond) || p.CPU > mostCPU*float64(runtime.GOMAXPROCS(0))
	r.o.Progress(p)
}

package pace

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// labFleet lets the real fleet decide.
type labFleet struct {
	f *Fleet
	t *llm.Target
}

func newLabFleet(declared bool) *labFleet {
	p := ProviderLimits{Name: "acme"}
	if declared {
		p.Quotas = []QuotaLimits{{Terms: *labTerms()}}
	}
	return &labFleet{f: New(Limits{Providers: []ProviderLimits{p}}, Breaker{}), t: &llm.Target{Name: "acme/m", Provider: "acme", Model: "m"}}
}

func (g *labFleet) study() *study {
	a := g.f.account("acme")
	if len(a.quotas) > 0 {
		return a.quotas[0].learner.study
	}
	return a.targets["m"].own.learner.study
}

func (g *labFleet) try(now time.Duration, c *labCall, claims *limit.Claims) (any, bool, time.Duration) {
	l, r, until := g.f.TryStart(g.t, limit.Try{Need: c.need, Last: true, Class: llm.Interactive, Claims: claims})
	if r == Started {
		return l, true, 0
	}
	if until.IsZero() {
		return nil, false, now + 100*time.Millisecond
	}
	return nil, false, until.Sub(g.f.epoch)
}

func (g *labFleet) answered(now time.Duration, of any, l *llm.RateLimits) { of.(Lease).Limits(l) }

func (g *labFleet) refused(now time.Duration, of any, wait time.Duration, l *llm.RateLimits) {
	if debug != "" {
		if s := g.study(); s != nil {
			fmt.Printf("%7.3f refused wait %v | %s | settled %v %v probes %d width %d\n", now.Seconds(), wait, s.guess.dump(), s.guess.settled, s.guess.shape.Mode, s.pending.probes, s.width)
		}
	}
	of.(Lease).Limits(l)
	of.(Lease).Done(Outcome{Kind: llm.KindRateLimited, Status: 429, RetryAfter: wait})
}

func (g *labFleet) done(now time.Duration, of any, c *labCall) {
	of.(Lease).Done(Outcome{Used: true, Usage: llm.Usage{Input: c.input, Output: c.output}})
}

// sleepUntil lets the time of the bubble pass.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func labTerms() *limit.Terms {
	return &limit.Terms{Limits: []limit.Limit{{Dim: limit.Requests, Amount: 9000, Per: time.Minute}, {Dim: limit.Tokens, Amount: 4_200_000, Per: time.Minute}}}
}

var debug = os.Getenv("LAB")

// labWay is how long calls take to arrive, on average.
const labWay = 3 * time.Millisecond

// labBars are the most that a run may take of the clairvoyant sender's time, and the most of its calls that may be refused.
type labBars struct{ first, firstRefused, second, secondRefused float64 }

var (
	declaredBars   = labBars{1.25, 0.005, 1.10, 0.001}
	slicesBars     = labBars{1.25, 0.005, 1.03, 0.001}
	undeclaredBars = labBars{1.5, 0.03, 1.5, 0.03}
)

// TestLab holds the bars of the scheduler's backlog in each way of enforcement.
func TestLab(t *testing.T) {
	f := func(bars labBars, c labCase) {
		t.Helper()
		c.capacity, c.delay = time.Minute, [2]time.Duration{5 * time.Millisecond, 100 * time.Millisecond}
		t.Run(strings.Join(strings.Fields(c.String()), " "), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := c.play()
				t.Log(r)
				if r.first > bars.first || r.firstRefused > bars.firstRefused || r.second > bars.second || r.secondRefused > bars.secondRefused {
					t.Errorf("bars are %.2fx %.2f%%, %.2fx %.2f%%", bars.first, 100*bars.firstRefused, bars.second, 100*bars.secondRefused)
				}
			})
		})
	}
	declared := func(bars labBars, mode labMode, wait labWait, phase time.Duration) {
		t.Helper()
		f(bars, labCase{mode: mode, headers: headersNone, wait: wait, declared: true, phase: phase})
	}
	undeclared := func(mode labMode, wait labWait, phase time.Duration) {
		t.Helper()
		f(undeclaredBars, labCase{mode: mode, headers: headersNone, wait: wait, phase: phase})
	}
	declared(declaredBars, labBucket, waitNone, 0)
	declared(declaredBars, labFixed, waitNone, -20*time.Second)
	declared(declaredBars, labFixed, waitCeil, -45*time.Second)
	declared(declaredBars, labSliding, waitNone, 0)
	declared(slicesBars, labSlices, waitNone, -370*time.Millisecond)
	declared(slicesBars, labSlices, waitCeil, -370*time.Millisecond)
	// The window ends soon after the run has begun: answers of calls that were sent in it come when the next one is under way.
	f(declaredBars, labCase{mode: labFixed, headers: headersTrue, wait: waitNone, declared: true, phase: -50 * time.Second})
	undeclared(labBucket, waitNone, 0)
	undeclared(labFixed, waitCeil, -15*time.Second)
	undeclared(labSliding, waitNone, 0)
	undeclared(labSlices, waitNone, -370*time.Millisecond)
}

// TestLabAll prints the table of all cases whose names contain the environment's LAB_CASE.
func TestLabAll(t *testing.T) {
	want := os.Getenv("LAB_CASE")
	for _, c := range labCases() {
		if want != "" && strings.Contains(c.String(), want) {
			synctest.Test(t, func(t *testing.T) { fmt.Println(c.play()) })
		}
	}
}

func labCases() (cases []labCase) {
	for _, mode := range []labMode{labBucket, labFixed, labSliding, labSlices} {
		for _, charge := range []labCharge{chargeMax, chargeCorrected, chargeActual} {
			for _, headers := range []labHeaders{headersNone, headersTrue, headersFrozen, headersRandom, headersDouble} {
				for _, wait := range []labWait{waitNone, waitExact, waitCeil} {
					for _, phase := range []time.Duration{0, 15 * time.Second, 45 * time.Second, 57 * time.Second} {
						for _, declared := range []bool{true, false} {
							if mode == labSlices && phase == 0 {
								cases = append(cases, labCase{mode, charge, headers, wait, declared, -370 * time.Millisecond, time.Minute, [2]time.Duration{5 * time.Millisecond, 100 * time.Millisecond}})
							} else if mode == labFixed || phase == 0 {
								cases = append(cases, labCase{mode, charge, headers, wait, declared, -phase, time.Minute, [2]time.Duration{5 * time.Millisecond, 100 * time.Millisecond}})
							}
						}
					}
				}
			}
		}
	}
	return cases
}

// labResult is what a case came to: times are shares of the clairvoyant sender's.
type labResult struct {
	c                     labCase
	ideal                 time.Duration
	first, firstRefused   float64
	second, secondRefused float64
	state                 string
}

func (r labResult) String() string {
	return fmt.Sprintf("%s | %6.1fs | %5.2fx %5.2f%% | %5.2fx %5.2f%% | %v", r.c, r.ideal.Seconds(), r.first, 100*r.firstRefused, r.second, 100*r.secondRefused, r.state)
}

func (c labCase) play() labResult {
	p := c.provider()
	calls := labCalls(3000, 1, p, 160*time.Second)
	ideal := c.runner(p, seer{p})
	ideal.run(0, calls)
	start := ideal.end + 90*time.Second
	ideal2 := c.runner(p, seer{p})
	ideal2.run(start, calls)

	p = c.provider()
	g := newLabFleet(c.declared)
	first := c.runner(p, g)
	first.way = labWay
	first.epoch = g.f.epoch
	first.run(0, calls)
	if debug != "" {
		fmt.Println("SECOND", g.study().guess.dump())
	}
	second := c.runner(p, g)
	second.way = labWay
	second.epoch = g.f.epoch
	start = (first.end + 90*time.Second).Truncate(time.Minute) + ideal.end%time.Minute
	start += 90 * time.Second
	q := c.provider()
	q.turn(start)
	ideal2 = c.runner(q, seer{q})
	ideal2.run(start, calls)
	second.run(start, calls)
	state := "no study"
	if s := g.study(); s != nil {
		state = fmt.Sprint(s.guess.settled, s.guess.shape.Mode, " ", s.guess.dump())
	}
	return labResult{
		c, ideal.end, float64(first.end) / float64(ideal.end), float64(first.refusals) / float64(first.sent),
		float64(second.end) / float64(ideal2.end), float64(second.refusals) / float64(second.sent), state,
	}
}

func (g *guess) dump() string {
	s := fmt.Sprintf("sl%d bu%d[%.1f,%.1f] wi%d fx", g.slices.n, g.bucket.n, g.least, g.most, g.sliding.n)
	last := int8(-1)
	for b := range g.fixed {
		if n := g.fixed[b].n; n != last {
			s += fmt.Sprintf(" %.1f:%d", float64(b)/2, n)
			last = n
		}
	}
	return s
}

// TestRecall checks that another process goes on where the first has ended.
func TestRecall(t *testing.T) {
	t.Parallel()
	f := func(shape limit.Shape, latest time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			g := newLabFleet(true)
			if all := g.f.Learned(); len(all) != 0 {
				t.Errorf("before anything was learned: %+v", all)
			}
			want := Learned{Quota: "acme/*", Shape: shape, Latest: latest, Charge: limit.ChargeCorrected}
			g.f.Recall([]Learned{want, {Quota: "acme/other"}})
			text, err := json.Marshal(g.f.Learned())
			if err != nil {
				t.Fatal(err)
			}
			var got []Learned
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Shape.Mode != shape.Mode || got[0].Shape.Burst != shape.Burst || got[0].Charge != limit.ChargeCorrected {
				t.Fatalf("recalled %+v, want %+v", got, want)
			}
			if off := got[0].Shape.Anchor.Sub(shape.Anchor).Abs() % time.Minute; shape.Mode == limit.Fixed && min(off, time.Minute-off) > time.Second {
				t.Errorf("anchor %v, want %v", got[0].Shape.Anchor, shape.Anchor)
			}
		})
	}
	f(limit.Shape{Mode: limit.Bucket, Window: time.Minute, Burst: time.Minute}, 0)
	f(limit.Shape{Mode: limit.Sliding, Window: time.Minute}, 0)
	f(limit.Shape{Mode: limit.Slices, Window: time.Minute}, 0)
	f(limit.Shape{Mode: limit.Fixed, Window: time.Minute, Anchor: time.Date(2026, 11, 21, 3, 4, 17, 0, time.UTC)}, time.Second)
}

// TestFoundRateIsCarefullySpent has callers that come back at once when they are refused, as the queue does, at a bucket of which nothing is
// known: neither when its rate has been found out, nor when it is known that it is a bucket, may all of them be sent at a guess.
func TestFoundRateIsCarefullySpent(t *testing.T) {
	t.Parallel()
	f := func(seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			c := labCase{mode: labBucket, headers: headersNone, capacity: time.Minute, delay: [2]time.Duration{5 * time.Millisecond, 30 * time.Millisecond}}
			p := c.provider()
			g := newLabFleet(false)
			r := c.runner(p, g)
			r.way, r.epoch, r.rnd, r.callers = labWay, g.f.epoch, rand.New(rand.NewPCG(5, seed)), 300
			r.run(0, labCalls(1800, 1, p, 160*time.Second))
			if share := float64(r.refusals) / float64(r.sent); share > 0.06 {
				t.Errorf("seed %d: %d of %d were refused", seed, r.refusals, r.sent)
			}
		})
	}
	for seed := range uint64(4) {
		f(seed)
	}
}

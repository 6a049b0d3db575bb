package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// suiteOf runs a suite over so many mocked targets in virtual time.
func suiteOf(t *testing.T, h http.Handler, targets int, o SuiteOptions) (s *report.Suite) {
	t.Helper()
	virtually(t, h, func(t *testing.T, dial dialFunc) {
		o.dial = dial
		o.Targets = cells(targets)
		var err error
		if s, err = Suite(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	})
	return s
}

func cells(n int) []*Target {
	var out []*Target
	for i := range n {
		m := mocked()
		m.Cell.Target = "mock/" + string(rune('A'+i))
		m.Price = func(u llm.Usage) (int64, bool) { return 1000 * (u.Input + u.Output), true }
		out = append(out, m)
	}
	return out
}

// order tells which cell was measured at which repeat and step, one after the other.
func order(s *report.Suite) string {
	var words []string
	for _, r := range s.Runs {
		words = append(words, fmt.Sprintf("%s%d.%d", strings.TrimPrefix(r.Cell.Target, "mock/"), r.Repeat, r.Step))
	}
	return strings.Join(words, " ")
}

const short = "  arrival: {process: constant, rate: 10}\n  phases: {warmup: 1s, sustain: 9s, cooldown: 30s}\n"

func TestSuiteTakesTurns(t *testing.T) {
	t.Parallel()
	w := parse(t, short+"  repeats: 3\n")
	w.Stream = false
	records := map[string]int{}
	var finished []string
	s := suiteOf(t, answering(10*ms), 3, SuiteOptions{
		Workload: w,
		Record: func(c report.Cell, r *report.Record) error {
			records[c.Target+" "+r.Run]++
			return nil
		},
		Run: func(r *report.Run) error { finished = append(finished, r.ID); return nil },
	})
	if got, want := order(s), "A0.0 B0.0 C0.0 C1.0 B1.0 A1.0 A2.0 B2.0 C2.0"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	for i, r := range s.Runs {
		if records[r.Cell.Target+" "+r.ID] != 100 || finished[i] != r.ID || r.Suite != s.ID || r.Load.Requests != 100 {
			t.Errorf("run %s of %s has %d records", r.ID, r.Cell.Target, records[r.Cell.Target+" "+r.ID])
		}
		if r.Verdict.State != Valid || r.Summary.TPS != 10 {
			t.Errorf("%+v, %v a second", r.Verdict, r.Summary.TPS)
		}
	}
	if s.Ended.Sub(s.Started) < 90*time.Second || s.Conditions.Repeats != 3 || s.Conditions.CPUs < 1 || s.Conditions.Go == "" {
		t.Errorf("%v to %v under %+v", s.Started, s.Ended, s.Conditions)
	}
}

// limited is a server that answers a request at a time, each in 50 ms: 20 a second.
func limited() http.Handler {
	place := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		_, _ = io.Copy(io.Discard, rq.Body)
		select {
		case place <- struct{}{}:
			defer func() { <-place }()
		case <-rq.Context().Done():
			return
		}
		answering(50*ms)(w, rq)
	})
}

func TestSweepEndsWithSaturation(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: constant, rate: 3}\n  phases: {warmup: 2s, sustain: 30s, cooldown: 30s}\n  repeats: 2\n")
	w.Stream = false
	virtuallyMade(t, limited, func(t *testing.T, dial dialFunc) {
		s, err := Suite(t.Context(), SuiteOptions{Workload: w, Targets: cells(2), Sweep: true, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		// 3, 6, 12 hold; 24 is more than 20.
		if got, want := order(s), "A0.0 B0.0 B0.1 A0.1 A0.2 B0.2 B0.3 A0.3 B1.0 A1.0 A1.1 B1.1 B1.2 A1.2 A1.3 B1.3"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		for _, r := range s.Runs {
			if want := r.Step == 3; Saturated(r) != want || r.Load.Rate != 3*math.Pow(2, float64(r.Step)) {
				t.Errorf("at %v a second saturated is %v", r.Load.Rate, Saturated(r))
			}
			if r.Verdict.State == Invalid {
				t.Errorf("%+v at %v a second", r.Verdict, r.Load.Rate)
			}
		}
	})
}

// TestSweepOfFailures has a server that fails over 20 requests at once: the levels below are measured as often as asked.
func TestSweepOfFailures(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: constant, rate: 8}\n  phases: {warmup: 2s, sustain: 10s, cooldown: 30s}\n  repeats: 2\n  stop_at_error_rate: 0.2\n")
	w.Stream = false
	virtuallyMade(t, func() http.Handler {
		var n atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
			defer n.Add(-1)
			if n.Add(1) > 20 {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			answering(time.Second)(w, rq)
		})
	}, func(t *testing.T, dial dialFunc) {
		s, err := Suite(t.Context(), SuiteOptions{Workload: w, Targets: cells(1), Sweep: true, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := order(s), "A0.0 A0.1 A0.2 A1.0 A1.1 A1.2"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		for _, r := range s.Runs {
			if (r.Stopped == "errors") != (r.Step == 2) {
				t.Errorf("at %v a second stopped by %q", r.Load.Rate, r.Stopped)
			}
		}
	})
}

// TestSweepEndsWithTheClient has a client that needs 20 ms for the wording of a request: 50 a second are its limit.
func TestSweepEndsWithTheClient(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: constant, rate: 20}\n  phases: {warmup: 0s, sustain: 20s, cooldown: 30s}\n  repeats: 1\n")
	w.Stream = false
	virtually(t, answering(ms), func(t *testing.T, dial dialFunc) {
		target := mocked()
		target.Dialect = wordy{openai.Client{}, 20 * ms}
		s, err := Suite(t.Context(), SuiteOptions{Workload: w, Targets: []*Target{target}, Sweep: true, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		var states []string
		for _, r := range s.Runs {
			states = append(states, r.Verdict.State)
		}
		if d := cmp.Diff([]string{Valid, Valid, Invalid, Invalid}, states); d != "" { // 20, 40, 80, 160 a second
			t.Error(d)
		}
	})
}

// wordy is a dialect whose requests take a while to make.
type wordy struct {
	openai.Client
	each time.Duration
}

func (d wordy) AppendRequest(dst []byte, p *llm.Prompt) []byte {
	time.Sleep(d.each) // virtual time
	return d.Client.AppendRequest(dst, p)
}

func TestSearchFindsTheLimit(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: constant, rate: 5}\n  phases: {warmup: 2s, sustain: 30s, cooldown: 30s}\n  slo: {e2e: 200ms}\n")
	w.Stream = false
	var found []report.Found
	virtuallyMade(t, limited, func(t *testing.T, dial dialFunc) {
		s, err := Suite(t.Context(), SuiteOptions{Workload: w, Targets: cells(1), Search: true, dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		found = s.Found
	})
	if len(found) != 1 || found[0].Rate < 19 || found[0].Rate > 20 || found[0].Verified != 3 {
		t.Errorf("found %+v, the limit is 20", found)
	}
}

func TestSuiteStops(t *testing.T) {
	t.Parallel()
	w := parse(t, short+"  repeats: 3\n")
	w.Stream = false
	t.Run("by spend", func(t *testing.T) {
		t.Parallel()
		s := suiteOf(t, answering(10*ms), 2, SuiteOptions{Workload: w, MaxSpend: 0.0005 * 10})
		// 30 tokens at a micro-dollar: 100 requests are 0.003 dollars.
		if s.Stopped != "spend" || len(s.Runs) != 2 || s.Runs[1].Stopped != "spend" {
			t.Errorf("stopped by %q after %d runs", s.Stopped, len(s.Runs))
		}
	})
	t.Run("by interrupt", func(t *testing.T) {
		t.Parallel()
		virtually(t, answering(10*ms), func(t *testing.T, dial dialFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(15*time.Second, cancel)
			s, err := Suite(ctx, SuiteOptions{Workload: w, Targets: cells(2), dial: dial})
			if err != nil || s.Stopped != "interrupted" || len(s.Runs) != 2 || s.Runs[0].Stopped != "" || s.Runs[1].Stopped != "interrupted" {
				t.Errorf("stopped by %q after %d runs: %v", s.Stopped, len(s.Runs), err)
			}
		})
	})
}

func TestSuiteRefuses(t *testing.T) {
	t.Parallel()
	f := func(o SuiteOptions, want string) {
		t.Helper()
		if o.Targets == nil {
			o.Targets = cells(1)
		}
		_, err := Suite(t.Context(), o)
		_, err2 := Estimate(o)
		if err == nil || err2 == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err2.Error(), want) {
			t.Errorf("%v and %v, want %q", err, err2, want)
		}
	}
	w := parse(t, short)
	closed := parse(t, "  concurrent_users: 3\n")
	f(SuiteOptions{}, "no workload")
	f(SuiteOptions{Workload: w, Sweep: true, Search: true}, "exclude each other")
	f(SuiteOptions{Workload: w, Search: true}, "no SLO")
	f(SuiteOptions{Workload: closed, Sweep: true}, "needs the rate to begin with")
	f(SuiteOptions{Workload: parse(t, "  arrival: {rate: 10}\n  phases: {warmup: 0s, sustain: 2s}\n"), Sweep: true}, "needs 4s of measured time")
	f(SuiteOptions{Workload: w, Rates: []float64{1, -1}}, "rate -1 is not above 0")
	f(SuiteOptions{Workload: w, MaxSpend: 1, Targets: []*Target{mocked()}}, "there is no price for mock/m")
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	w := parse(t, short+"  repeats: 3\n")
	e, err := Estimate(SuiteOptions{Workload: w, Targets: append(cells(2), mocked())})
	if err != nil {
		t.Fatal(err)
	}
	if e.Runs != 9 || e.Requests != 900 || e.OutputTokens != 9000 || e.Duration != 9*40*time.Second || !e.Bounded || e.AtMost {
		t.Errorf("%+v", e)
	}
	if d := cmp.Diff([]string{"mock/m"}, e.Unpriced); d != "" {
		t.Error(d)
	}
	if want := float64(e.InputTokens+e.OutputTokens) * 2 / 3 * 1e-6; math.Abs(e.Dollars-want) > 1e-12 {
		t.Errorf("%v dollars, want %v", e.Dollars, want)
	}
	e, err = Estimate(SuiteOptions{Workload: parse(t, "  concurrent_users: 3\n"), Targets: cells(1)})
	if err != nil || e.Bounded || e.Requests != 0 || e.Cells[0].PerRequest < 40e-6 || e.Cells[0].PerRequest > 80e-6 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestEstimateOfASweep has rates that no schedule holds in the end: the sweep ends before them, and none of its levels is drawn
// but the first.
func TestEstimateOfASweep(t *testing.T) {
	t.Parallel()
	w := parse(t, "  arrival: {process: constant, rate: 10}\n  phases: {warmup: 0s, sustain: 10m, cooldown: 30s}\n  repeats: 2\n")
	o := SuiteOptions{Workload: w, Targets: cells(1), Sweep: true}
	e, err := Estimate(o)
	if err != nil {
		t.Fatal(err)
	}
	// 10, 20 ... 5120 a second: the next one is 6,144,000 requests.
	if e.Runs != 2*10 || e.Requests != 2*6000*1023 || e.OutputTokens != 10*e.Requests || !e.AtMost {
		t.Errorf("%+v", e)
	}
	if want := float64(e.InputTokens+e.OutputTokens) * 1e-6; math.Abs(e.Dollars-want) > 1e-9*want {
		t.Errorf("%v dollars, want %v", e.Dollars, want)
	}
	o.Steps = 3
	if e, err = Estimate(o); err != nil || e.Requests != 2*6000*7 {
		t.Errorf("%+v, %v", e, err)
	}
	h := newHunt(10, closeness, 3, 60)
	h.most = w.MaxRate()
	for !h.over() {
		h.tell(true)
	}
	if h.low() != 5120 || !strings.Contains(h.reason, "a schedule holds no more") {
		t.Errorf("a search ended at %v: %s", h.low(), h.reason)
	}
}

// TestEstimateSweep estimates sweeps whose highest levels would have more requests than a schedule holds: they end before.
func TestEstimateSweep(t *testing.T) {
	t.Parallel()
	f := func(text string, runs int, requests int64) {
		t.Helper()
		e, err := Estimate(SuiteOptions{Workload: parse(t, text), Targets: cells(1), Sweep: true})
		if err != nil {
			t.Fatal(err)
		}
		if e.Runs != runs || e.Requests != requests || !e.AtMost || !e.Bounded {
			t.Errorf("%s: %+v, want %d runs and %d requests", text, e, runs, requests)
		}
		per := float64(e.InputTokens+e.OutputTokens) * 1e-6
		if math.Abs(e.Dollars-per) > 1e-6*per {
			t.Errorf("%s: $%v, want $%v", text, e.Dollars, per)
		}
	}
	base := "  arrival: {process: constant, rate: 10}\n  phases: {warmup: 0s, ramp: 0s, cooldown: 1s, sustain: "
	f(base+"10s}\n  repeats: 1\n", 16, 100*(1<<16-1))
	f(base+"1h}\n  repeats: 2\n", 2*7, 2*36_000*(1<<7-1)) // 36,000 x 64 is the last that is sure to fit
}

// TestHunt searches for random limits: the rate that is found holds, and what is little above it does not.
func TestHunt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := math.Exp(rapid.Float64Range(-3, 8).Draw(t, "limit"))
		first := math.Exp(rapid.Float64Range(-3, 8).Draw(t, "first"))
		h := newHunt(first, closeness, 3, 60)
		for !h.over() {
			if h.high > 0 && h.low() >= h.high {
				t.Fatalf("holds at %v and fails at %v", h.low(), h.high)
			}
			h.tell(h.rate <= limit)
		}
		if got := h.low(); got > limit || got < limit/(1+closeness) || h.verified != 3 {
			t.Fatalf("found %v of %v, verified %d times: %s", got, limit, h.verified, h.reason)
		}
	})
}

// TestHuntOfNoise searches where the answers contradict each other: it ends, and never holds what has failed below.
func TestHuntOfNoise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		h := newHunt(1, closeness, 3, steps)
		failed := math.Inf(1)
		for !h.over() {
			held := rapid.Bool().Draw(t, "held")
			if !held {
				failed = min(failed, h.rate)
			}
			h.tell(held)
			if h.low() >= failed || h.tried > steps || !(h.rate > 0) {
				t.Fatalf("low %v, failed %v, %d tried, next %v", h.low(), failed, h.tried, h.rate)
			}
		}
	})
}

func TestSaturated(t *testing.T) {
	t.Parallel()
	f := func(name string, want bool, process string, tps float64, failed int64, inFlight ...int64) {
		t.Helper()
		run := &report.Run{To: time.Duration(len(inFlight)) * time.Second, Load: report.Load{Process: process}}
		run.Summary = report.Summary{Requests: 10 * int64(len(inFlight)), TPS: tps, Failed: failed}
		for _, n := range inFlight {
			run.Series = append(run.Series, report.Second{InFlight: n})
		}
		if got := Saturated(run); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("steady", false, workload.Poisson, 10, 0, 10, 12, 9, 10, 11, 10, 12, 9, 10)
	f("edge of the window", false, workload.Poisson, 8, 0, 20, 20, 20, 20, 20, 20, 20, 20, 20)
	f("grows all the time", true, workload.Poisson, 9.8, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
	f("grew, and answers are missing", true, workload.Poisson, 7, 0, 10, 10, 10, 60, 60, 60, 60, 60, 60)
	f("grew, and stays", false, workload.Poisson, 10, 0, 10, 10, 10, 60, 60, 60, 60, 60, 60)
	f("fails", true, workload.Poisson, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)
	f("by chance", false, workload.Poisson, 10, 0, 2, 1, 2, 3, 2, 3, 4, 3, 4)
	f("closed", false, workload.Closed, 1, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
	f("too short", false, workload.Poisson, 1, 0, 10, 90)
}

// TestHuntDoubts: a trial that cannot be believed says nothing of the target, and is tried once more.
func TestHuntDoubts(t *testing.T) {
	t.Parallel()
	h := newHunt(8, closeness, 1, 20)
	h.tell(true)
	h.doubt("a pause")
	if h.over() || h.rate != 16 || h.low() != 8 {
		t.Fatalf("after one doubt: over %v, next rate %v, held %v; want 16 tried again and 8 held", h.over(), h.rate, h.low())
	}
	h.tell(false)
	h.doubt("a pause")
	if h.over() {
		t.Fatalf("a doubt at another rate ended the search: %s", h.reason)
	}
	rate := h.rate
	h.doubt("late by 200 ms")
	if !h.over() || h.rate != rate || !strings.Contains(h.reason, "late by 200 ms") {
		t.Errorf("after two doubts at %v: over %v because %q, want the reason of the doubt", rate, h.over(), h.reason)
	}
}

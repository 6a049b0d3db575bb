package report

import (
	"fmt"
	"iter"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/stat"
	"sluice/internal/workload"
)

func runOf(c Cell, step, repeat int, s Summary) *Run {
	return &Run{ID: fmt.Sprintf("%s-%d-%d", c.Model, step, repeat), Cell: c, Step: step, Repeat: repeat, Summary: s, Verdict: Verdict{State: StateValid}}
}

func TestFiguresOverRepeats(t *testing.T) {
	t.Parallel()
	c := testCell("p", "m", "eu")
	s := &Suite{}
	for i, tps := range []float64{9, 10, 11} {
		sum := Summary{Window: 10, TPS: tps, Requests: 100, OK: 90, Failed: 10, Errors: map[string]int64{"overloaded": 10}, CostPerCall: .1, RPMUsed: -1, TPMUsed: .1 * tps}
		sum.TTFT = Dist{N: 90, P50: 100 * tps, P95: 200, P99: 300}
		if i == 1 {
			sum.Unpriced = 90 // no price: the run has no cost per call
		}
		s.Runs = append(s.Runs, runOf(c, 0, 2-i, sum))
	}
	s.Runs[0].Verdict = Verdict{State: StateInvalid, Reasons: []string{"late"}}
	results, err := Aggregate(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 {
		t.Fatalf("%d results", len(results))
	}
	r := results[0]
	// Student's t of 2 degrees of freedom at 95 % is 4.302653.
	half := 4.302653 / math.Sqrt(3)
	if s := r.TPS; s.N != 3 || !isNear(s.Mean, 10) || !isNear(s.Std, 1) || !isNear(s.CV, .1) || s.Min != 9 || s.Max != 11 ||
		math.Abs(s.Lo-10+half) > 1e-5 || math.Abs(s.Hi-10-half) > 1e-5 {
		t.Errorf("TPS: %+v", s)
	}
	if r.CostPerCall.N != 2 || r.TPOT.P50.Has() || r.CostPerCall.Mean != .1 {
		t.Errorf("a figure that runs lack is counted: %+v %+v", r.CostPerCall, r.TPOT.P50)
	}
	wantNear(t, "ttft p50", r.TTFT.P50.Mean, 1000)
	wantNear(t, "error rate", r.ErrorRate.Mean, .1)
	wantNear(t, "tokens in use", r.TPMUsed, 1.1)
	if r.RPMUsed != -1 || r.Failed != 30 || r.Errors["overloaded"] != 30 || r.Repeats != 3 {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(Verdict{State: StateInvalid, Reasons: []string{"repeat 3: late"}}, r.Verdict); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"m-0-0", "m-0-1", "m-0-2"}, r.Runs); diff != "" {
		t.Error(diff)
	}
	if one := newStat([]float64{5}); one.HasInterval() || one.Lo != 5 || one.Hi != 5 || one.N != 1 {
		t.Errorf("of one run: %+v", one)
	}
}

func TestPooledIsNotTheMeanOfPercentiles(t *testing.T) {
	t.Parallel()
	c := testCell("p", "m", "eu")
	s := &Suite{}
	var all []*Record
	for repeat := range 2 {
		sum := NewSummarizer(workload.SLO{})
		run := &Run{ID: fmt.Sprint(repeat), Cell: c, Repeat: repeat, To: 10e9}
		for i := range 500 {
			ttft := 10 * ms
			if repeat == 1 { // one run slower than the other
				ttft = 110 * ms
			}
			r := streamed(0, ttft+time.Duration(i)*ms/10, 300*ms, 5)
			r.Run = run.ID
			if i%100 == 7 {
				r = failure(0, "overloaded", 503)
				r.Run = run.ID
			}
			all = append(all, r)
			sum.Add(r)
		}
		if err := sum.Finish(run); err != nil {
			t.Fatal(err)
		}
		s.Runs = append(s.Runs, run)
	}
	stray := streamed(0, 9000*ms, 9001*ms, 5)
	stray.Run = "not of the suite"
	warm := streamed(0, 9000*ms, 9001*ms, 5)
	warm.Run, warm.Phase = "0", workload.Warmup
	all = append(all, stray, warm)
	source := func(Cell) iter.Seq2[*Record, error] {
		return func(yield func(*Record, error) bool) {
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	exact, err := Aggregate(s, source)
	if err != nil {
		t.Fatal(err)
	}
	var xs []float64
	for _, r := range all[:1000] {
		if d, ok := r.TTFT(); ok {
			xs = append(xs, Milliseconds(d))
		}
	}
	// Both runs come in order, and the second lies above the first.
	p := exact[0].Pooled.TTFT
	if p.N != 990 || p.P50 != stat.Quantile(xs, .5) || p.P99 != stat.Quantile(xs, .99) {
		t.Errorf("pooled: %+v", p)
	}
	if mean := exact[0].TTFT.P99.Mean; math.Abs(mean-p.P99) < 30 {
		t.Errorf("the mean of p99 is %v, the pooled one %v: the test shows nothing", mean, p.P99)
	}
	lo, hi, _ := stat.QuantileInterval(xs, .95, Confidence)
	if got := p.Interval.P95; got != (Interval{lo, hi, MarkSound}) || !(lo < p.P95 && p.P95 < hi) {
		t.Errorf("interval of p95 is %+v, want %v..%v", got, lo, hi)
	}
	if got := p.Interval.P999; got.Mark != MarkOmitted {
		t.Errorf("p99.9 of 990 values is %+v", got)
	}
	merged, err := Aggregate(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := merged[0].Pooled.TTFT
	for _, c := range [][2]float64{{p.P25, m.P25}, {p.P95, m.P95}, {p.P99, m.P99}, {p.Mean, m.Mean}, {p.Interval.P95.Lo, m.Interval.P95.Lo}, {p.Interval.P95.Hi, m.Interval.P95.Hi}} {
		if math.Abs(c[0]-c[1]) > .01*c[0] {
			t.Errorf("from histograms %v, from records %v", c[1], c[0])
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	ps := percentiles()
	f := func(q float64, n int64, want Mark) {
		t.Helper()
		for i := range ps {
			if ps[i].q == q {
				if got := ps[i].mark(n); got != want {
					t.Errorf("%v of %d values is %s, want %s", q, n, got, want)
				}
			}
		}
	}
	f(.5, 6, MarkSound)
	f(.5, 5, MarkWide)
	f(.5, 1, MarkOmitted)
	f(.95, 76, MarkSound)
	f(.95, 75, MarkWide)
	f(.95, 19, MarkOmitted)
	f(.99, 441, MarkSound)
	f(.99, 440, MarkWide)
	f(.99, 100, MarkWide)
	f(.99, 99, MarkOmitted)
	f(.999, 4394, MarkSound)
	f(.999, 0, MarkOmitted)
}

func TestOrderAndBest(t *testing.T) {
	t.Parallel()
	sum := func(tps, good, ttft, cost float64) Summary {
		return Summary{Window: 10, TPS: tps, Goodput: good, Requests: 10, OK: 10, CostPerCall: cost, TTFT: Dist{N: 10, P95: ttft}, RPMUsed: -1, TPMUsed: -1}
	}
	a, b, x := testCell("p", "a", "eu"), testCell("p", "a", "us"), testCell("p", "x", "")
	bad := runOf(x, 0, 0, sum(1000, 1000, 1, .001))
	bad.Verdict.State = StateInvalid
	s := &Suite{Runs: []*Run{
		bad,
		runOf(b, 0, 0, sum(5, 5, 80, .02)),
		runOf(a, 1, 0, sum(20, 2, 900, .02)),
		runOf(a, 0, 0, sum(10, 9, 100, .02)),
	}}
	results, err := Aggregate(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprint(r.Cell.Target, " ", r.Cell.Region, " ", r.Step, " ", r.Best))
	}
	want := []string{"p/a eu 0 [goodput]", "p/a eu 1 [tps]", "p/a us 0 [ttft_p95_ms]", "p/x  0 []"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	for _, r := range Headline(results) {
		got = append(got, fmt.Sprint(r.Cell.Target, " ", r.Cell.Region, " ", r.Step))
	}
	if diff := cmp.Diff([]string{"p/a eu 0", "p/a us 0", "p/x  0"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestStatBounds: two repeats that differ give a wide interval, which does not go below what a figure can be.
func TestStatBounds(t *testing.T) {
	t.Parallel()
	if s := newStat([]float64{2, 4}); s.Mean != 3 || s.Lo != 0 || s.Hi < 15 {
		t.Errorf("%+v, want a mean of 3 between 0 and more than 15", s)
	}
}

package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/stat"
	"sluice/internal/workload"
)

const ms = time.Millisecond

// streamed is a streamed request that was sent on time and took its first token after ttft and its last after e2e.
func streamed(at, ttft, e2e time.Duration, out int64) *Record {
	return &Record{
		Run: "r", Phase: workload.Sustain, Kind: "chat", Stream: true, Group: -1,
		Scheduled: at, Dispatched: at, Written: at, FirstByte: at + ttft, FirstEvent: at + ttft, FirstToken: at + ttft,
		FirstText: at + ttft, LastToken: at + e2e, Done: at + e2e + ms,
		Events: int(out), Reads: int(out), Input: 100, Output: out, OK: true, Status: 200, Cost: 1_000_000, Priced: true, Limits: NoLimits(),
	}
}

// failure is a request that failed at once.
func failure(at time.Duration, kind string, status int) *Record {
	return &Record{
		Run: "r", Phase: workload.Sustain, Kind: "chat", Stream: true, Group: -1,
		Scheduled: at, Dispatched: at, Written: at, FirstByte: at + ms, FirstEvent: None, FirstToken: None, FirstText: None,
		LastToken: None, Done: at + ms, Status: status, Error: kind, Limits: NoLimits(),
	}
}

// summarize feeds records of a run whose window is [0, window).
func summarize(t *testing.T, slo workload.SLO, window time.Duration, records ...*Record) *Run {
	t.Helper()
	s := NewSummarizer(slo)
	for _, r := range records {
		s.Add(r)
	}
	run := &Run{ID: "r", To: window}
	if err := s.Finish(run); err != nil {
		t.Fatal(err)
	}
	return run
}

func isNear(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func wantNear(t *testing.T, name string, got, want float64) {
	t.Helper()
	if !isNear(got, want) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

func TestSummaryOfAKnownRun(t *testing.T) {
	t.Parallel()
	// Ten requests, one a second; request i takes its first of 11 tokens after (i+1)*10 ms and one more each 5 ms.
	var records []*Record
	for i := range 10 {
		ttft := time.Duration(i+1) * 10 * ms
		records = append(records, streamed(time.Duration(i)*time.Second, ttft, ttft+50*ms, 11))
	}
	run := summarize(t, workload.SLO{TTFT: 50 * ms}, 10*time.Second, records...)
	s := run.Summary
	wantNear(t, "window", s.Window, 10)
	wantNear(t, "tps", s.TPS, 1)
	wantNear(t, "goodput", s.Goodput, .5)
	wantNear(t, "good fraction", s.GoodFraction, .5)
	wantNear(t, "rpm", s.RPM, 60)
	wantNear(t, "whole tps", s.WholeTPS, 10/9.151)
	wantNear(t, "whole output", s.WholeOutput, 110/9.151)
	wantNear(t, "input rate", s.InputRate, 100)
	wantNear(t, "tokens per event", s.TokensPerEvent, 1)
	wantNear(t, "cost", s.Cost, .01)
	wantNear(t, "cost per call", s.CostPerCall, .001)
	wantNear(t, "cost per hour", s.CostPerHour, 3.6)
	wantNear(t, "ttft mean", s.TTFT.Mean, 55)
	wantNear(t, "ttft p50", s.TTFT.P50, 55)   // between the fifth and the sixth
	wantNear(t, "ttft p95", s.TTFT.P95, 95.5) // .95*9 = 8.55
	wantNear(t, "ttft p99", s.TTFT.P99, 99.1)
	wantNear(t, "ttft std", s.TTFT.Std, math.Sqrt(825))
	wantNear(t, "tpot p50", s.TPOT.P50, 5)
	wantNear(t, "tpot max", s.TPOT.Max, 5)
	wantNear(t, "ntpot max", s.NTPOT.Max, 13.636363) // whole nanoseconds of 150/11
	wantNear(t, "e2e min", s.E2E.Min, 60)
	wantNear(t, "e2e max", s.E2E.Max, 150)
	wantNear(t, "concurrency", s.Concurrency, (.550+.5+.01)/10)
	wantNear(t, "little", s.Little, 1)
	if s.TTFT.N != 10 || s.TPOT.N != 10 || s.OK != 10 || s.Requests != 10 {
		t.Errorf("counts: %+v", s)
	}
	if s.RPMLimit != -1 || s.RPMUsed != -1 || s.TPMUsed != -1 {
		t.Errorf("limits without headers: %d %v %v", s.RPMLimit, s.RPMUsed, s.TPMUsed)
	}
}

func TestFailuresCountButHaveNoLatency(t *testing.T) {
	t.Parallel()
	cut := streamed(3*time.Second, 10*ms, 20*ms, 3)
	cut.OK, cut.Incomplete, cut.LastToken, cut.Done = false, true, None, None
	never := failure(4*time.Second, "", 0)
	run := summarize(t, workload.SLO{}, 10*time.Second,
		streamed(0, 100*ms, 200*ms, 11), failure(time.Second, "rate_limited", 429), failure(2*time.Second, "rate_limited", 429), cut, never)
	s := run.Summary
	if s.Requests != 5 || s.OK != 1 || s.Failed != 3 || s.Incomplete != 1 || s.RateLimited != 2 {
		t.Errorf("counts: %+v", s)
	}
	if s.TTFT.N != 1 || s.TTFT.Min != 100 || s.E2E.N != 1 || s.TPOT.N != 1 || s.Input.N != 1 {
		t.Errorf("a failed request is in a distribution: %+v", s.TTFT)
	}
	if diff := cmp.Diff(map[string]int64{"rate_limited": 2, "unknown": 1}, s.Errors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int64{"200": 1, "429": 2, "none": 1}, s.Statuses); diff != "" {
		t.Error(diff)
	}
	wantNear(t, "good fraction", s.GoodFraction, .2)
	wantNear(t, "tps", s.TPS, .1)
}

func TestMissingStaysMissing(t *testing.T) {
	t.Parallel()
	whole := streamed(0, 0, 0, 20)
	whole.Stream, whole.FirstEvent, whole.FirstToken, whole.FirstText, whole.LastToken = false, None, None, None, None
	whole.Done = 300 * ms
	single := streamed(time.Second, 40*ms, 40*ms, 1)
	thinking := streamed(2*time.Second, 40*ms, 100*ms, 5)
	thinking.FirstText = None // reasoning only
	s := summarize(t, workload.SLO{TTFT: 50 * ms, TPOT: ms}, 10*time.Second, whole, single, thinking).Summary
	f := func(name string, d Dist, n int64, least float64) {
		t.Helper()
		if d.N != n || n > 0 && !isNear(d.Min, least) {
			t.Errorf("%s: %d values from %v, want %d from %v", name, d.N, d.Min, n, least)
		}
	}
	f("ttft", s.TTFT, 2, 40)
	f("ttfo", s.TTFO, 1, 40)
	f("tpot", s.TPOT, 1, 15)
	f("e2e", s.E2E, 3, 40)
	f("first event", s.FirstEvent, 2, 40)
	f("icl", s.ICL, 0, 0)
	// The answer in one piece has neither limit to meet, the single token no TPOT; thinking misses TPOT.
	wantNear(t, "goodput", s.Goodput, .2)
}

func TestReasoning(t *testing.T) {
	t.Parallel()
	hidden := streamed(0, time.Second, 1100*ms, 511)
	hidden.Reasoning = 500
	hidden.Events = 11
	shown := streamed(0, 100*ms, 1100*ms, 101)
	shown.Reasoning, shown.FirstText = 50, 600*ms
	s := summarize(t, workload.SLO{}, 2*time.Second, hidden).Summary
	wantNear(t, "tpot of hidden reasoning", s.TPOT.P50, 10)
	wantNear(t, "tokens per event", s.TokensPerEvent, 1)
	s = summarize(t, workload.SLO{}, 2*time.Second, shown).Summary
	wantNear(t, "tpot of shown reasoning", s.TPOT.P50, 10)
	wantNear(t, "ttft", s.TTFT.P50, 100)
	wantNear(t, "ttfo", s.TTFO.P50, 600)
}

func TestScheduleIsTheClockOfTheUser(t *testing.T) {
	t.Parallel()
	r := streamed(time.Second, 10*ms, 20*ms, 2)
	r.Scheduled = 0 // sent a second late
	s := summarize(t, workload.SLO{E2E: 500 * ms}, 2*time.Second, r).Summary
	wantNear(t, "ttft", s.TTFT.P50, 10)
	wantNear(t, "ttft from the schedule", s.TTFTSched.P50, 1010)
	wantNear(t, "e2e", s.E2E.P50, 20)
	wantNear(t, "e2e from the schedule", s.E2ESched.P50, 1020)
	wantNear(t, "goodput", s.Goodput, 0)
}

func TestRatesAreOfTheWindow(t *testing.T) {
	t.Parallel()
	early := streamed(500*ms, 10*ms, 1000*ms, 5) // in the ramp, ends inside
	early.Phase = workload.Ramp
	late := streamed(2900*ms, 10*ms, 500*ms, 5) // measured, ends after the window
	s := NewSummarizer(workload.SLO{})
	s.Add(late)
	s.Add(early)
	run := &Run{From: time.Second, To: 3 * time.Second, Series: []Second{{Tokens: 1000}, {Tokens: 10}, {Tokens: 20}, {Tokens: 1000}}}
	if err := s.Finish(run); err != nil {
		t.Fatal(err)
	}
	sum := run.Summary
	wantNear(t, "tps", sum.TPS, .5)
	wantNear(t, "output", sum.OutputRate, 15)
	wantNear(t, "tpm", sum.TPM, (15+50)*60)
	wantNear(t, "rpm", sum.RPM, 30)
	wantNear(t, "concurrency", sum.Concurrency, (.501+.1)/2)
	if sum.Requests != 1 || sum.E2E.N != 1 || sum.E2E.Max != 500 {
		t.Errorf("a request of the ramp is measured: %+v", sum)
	}
	wantNear(t, "half a second", emitted(run.Series, 1500*ms, 2250*ms), 10)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	a, b, c := streamed(0, ms, 2*ms, 2), streamed(time.Second, ms, 2*ms, 2), failure(2*time.Second, "rate_limited", 429)
	a.Limits = Limits{Requests: 100, RequestsLeft: 40, Tokens: 1000, TokensLeft: 900}
	b.Limits = Limits{Requests: 200, RequestsLeft: 100, Tokens: -1, TokensLeft: -1}
	c.Limits = Limits{Requests: -1, RequestsLeft: -1, Tokens: 1000, TokensLeft: 250}
	for _, order := range [][]*Record{{a, b, c}, {c, b, a}} {
		s := summarize(t, workload.SLO{}, 3*time.Second, order...).Summary
		if s.RPMLimit != 200 || s.TPMLimit != 1000 {
			t.Errorf("limits %d and %d, want 200 and 1000", s.RPMLimit, s.TPMLimit)
		}
		wantNear(t, "requests in use", s.RPMUsed, .6)
		wantNear(t, "tokens in use", s.TPMUsed, .75)
	}
}

func TestKnownCosts(t *testing.T) {
	t.Parallel()
	f := func(nano int64, perSecond int, call, hour float64) {
		t.Helper()
		var records []*Record
		for i := range perSecond {
			r := streamed(time.Duration(i)*ms, ms, 2*ms, 200)
			r.Cost = nano
			records = append(records, r)
		}
		s := summarize(t, workload.SLO{}, time.Second, records...).Summary
		wantNear(t, "cost per call", s.CostPerCall, call)
		wantNear(t, "cost per hour", s.CostPerHour, hour)
	}
	f(11_000_000, 40, .011, 1584)
	f(550_000, 60, .00055, 118.8)
	free := streamed(0, ms, 2*ms, 2)
	free.Priced, free.Cost = false, 0
	if s := summarize(t, workload.SLO{}, time.Second, free).Summary; s.Unpriced != 1 || s.CostPerCall != 0 {
		t.Errorf("unpriced %d at %v a call, want 1 and none", s.Unpriced, s.CostPerCall)
	}
}

func TestLengthMiss(t *testing.T) {
	t.Parallel()
	f := func(want, got int64, share float64) {
		t.Helper()
		r := streamed(0, ms, 2*ms, got)
		r.WantOutput = want
		wantNear(t, fmt.Sprintf("miss of %d for %d", got, want), summarize(t, workload.SLO{}, time.Second, r).Summary.LengthMiss, share)
	}
	f(100, 110, 0)
	f(100, 90, 0)
	f(100, 111, 1)
	f(100, 89, 1)
	f(0, 89, 0)
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	var records []*Record
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		at := time.Duration(i) * 10 * ms
		r := streamed(at, time.Duration(rnd.ExpFloat64()*float64(100*ms)), 0, 10)
		r.LastToken = r.FirstToken + time.Duration(rnd.ExpFloat64()*float64(400*ms))
		r.Done = r.LastToken + ms
		if i%50 == 0 {
			r = failure(at, "overloaded", 503)
		}
		records = append(records, r)
	}
	forth := summarize(t, workload.SLO{TTFT: 150 * ms}, 30*time.Second, records...)
	rnd.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	back := summarize(t, workload.SLO{TTFT: 150 * ms}, 30*time.Second, records...)
	if diff := cmp.Diff(forth, back, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Error(diff)
	}
	if g, tps := forth.Summary.Goodput, forth.Summary.TPS; g <= 0 || g >= tps {
		t.Errorf("goodput %v of %v", g, tps)
	}
}

func TestBinsShowAStall(t *testing.T) {
	t.Parallel()
	var records []*Record
	for i := range 600 {
		at := time.Duration(i) * 500 * ms // 300 s: bins of 4 s, merged to 32 s for want of requests
		e2e := 20 * ms
		if i == 200 {
			e2e = 2 * time.Second
		}
		records = append(records, streamed(at, 10*ms, e2e, 2))
	}
	bins := summarize(t, workload.SLO{}, 300*time.Second, records...).Bins
	if len(bins) != 10 {
		t.Fatalf("%d bins, want 10", len(bins))
	}
	for i, b := range bins {
		want := 20.
		if i == 3 {
			want = 2000
		}
		n := int64(64)
		if i == 9 {
			n = 24
		}
		if b.E2E.N != n || b.E2E.Max != want || b.To-b.From != 32*time.Second || b.From != time.Duration(i)*32*time.Second || b.TTFT.P95 != 10 {
			t.Errorf("bin %d: %+v", i, b)
		}
	}
}

func TestTimelineIsExactForWholeSeconds(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	// The longest run makes a tick a quarter of a second long.
	for _, length := range []time.Duration{30 * time.Second, 10 * time.Minute, 4 * time.Hour} {
		var l timeline
		var records []*Record
		for range 2000 {
			r := streamed(time.Duration(rnd.Int64N(int64(length))), ms, time.Duration(rnd.Int64N(int64(10*time.Second))), 2)
			records = append(records, r)
			l.add(r, true)
		}
		from, to := (length / 4).Truncate(time.Second), (length / 2).Truncate(time.Second)
		var sent, ok, flight float64
		for _, r := range records {
			if r.Dispatched >= from && r.Dispatched < to {
				sent++
			}
			if r.Done >= from && r.Done < to {
				ok++
			}
			flight += max(0, min(to, r.Done)-max(from, r.Dispatched)).Seconds()
		}
		got := l.window(from, to)
		wantNear(t, "sent", got.sent, sent)
		wantNear(t, "ok", got.ok, ok)
		wantNear(t, "in flight", got.inFlight, flight)
		if len(l.ticks) > lineTicks {
			t.Errorf("%d ticks", len(l.ticks))
		}
	}
}

func TestUnfinishedRequestsStayInFlight(t *testing.T) {
	t.Parallel()
	r := streamed(time.Second, ms, 2*ms, 2)
	r.OK, r.Incomplete, r.Done = false, true, None
	s := summarize(t, workload.SLO{}, 5*time.Second, r).Summary
	wantNear(t, "concurrency", s.Concurrency, 4./5)
}

func TestGaps(t *testing.T) {
	t.Parallel()
	h := newHist()
	for range 99 {
		record(h, 10_000)
	}
	record(h, 500_000)
	text, err := EncodeHist(h)
	if err != nil {
		t.Fatal(err)
	}
	run := &Run{To: time.Second, Gaps: text}
	if err := NewSummarizer(workload.SLO{}).Finish(run); err != nil {
		t.Fatal(err)
	}
	if d := run.Summary.ICL; d.N != 100 || math.Abs(d.P50-10) > .01 || math.Abs(d.Max-500) > .5 {
		t.Errorf("gaps: %+v", d)
	}
	if err := NewSummarizer(workload.SLO{}).Finish(&Run{ID: "x", Gaps: "bogus!"}); err == nil {
		t.Error("a broken histogram was taken")
	}
}

func TestSampleBeyondExact(t *testing.T) {
	t.Parallel()
	var s sample
	rnd := rand.New(rand.NewPCG(5, 6))
	xs := make([]float64, exactValues+1000)
	for i := range xs {
		xs[i] = 100 * math.Exp(rnd.NormFloat64())
		s.add(xs[i])
	}
	if s.hist == nil || s.chunks != nil {
		t.Fatal("the values are still kept")
	}
	slices.Sort(xs)
	d, _ := s.dist(nil)
	for _, c := range []struct{ q, got float64 }{{.5, d.P50}, {.95, d.P95}, {.99, d.P99}, {.999, d.P999}} {
		if want := stat.Quantile(xs, c.q); math.Abs(c.got-want) > .0015*want {
			t.Errorf("quantile %v is %v, want %v", c.q, c.got, want)
		}
	}
	if d.N != int64(len(xs)) || d.Min != xs[0] || d.Max != xs[len(xs)-1] {
		t.Errorf("%+v", d)
	}
}

// TestMemoryIsBounded holds the number in the comment of Summarizer. It does not run in parallel with others, whose garbage
// would be in the count.
func TestMemoryIsBounded(t *testing.T) {
	const bound = 100 << 20
	s := NewSummarizer(workload.SLO{TTFT: time.Second})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := streamed(0, 10*ms, 200*ms, 20)
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range 1_000_000 {
		*r = *streamed(time.Duration(i)*100*time.Microsecond, time.Duration(rnd.Int64N(int64(time.Second))), 2*time.Second, 20)
		s.Add(r)
	}
	if used := int64(heap() - before); used > bound {
		t.Errorf("a million records take %d MB, want at most %d", used>>20, bound>>20)
	}
	s.Add(r)
	s.Add(r)
	if used := int64(heap() - before); used > 20<<20 {
		t.Errorf("beyond a million, records take %d MB, want at most 20", used>>20)
	}
	if err := s.Finish(&Run{To: 100 * time.Second}); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSummarizerAdd(b *testing.B) {
	s := NewSummarizer(workload.SLO{TTFT: time.Second})
	r := streamed(0, 10*ms, 200*ms, 20)
	rnd := rand.New(rand.NewPCG(7, 8))
	b.ReportAllocs()
	for b.Loop() {
		r.Dispatched += 10 * time.Microsecond
		r.Scheduled = r.Dispatched
		r.FirstToken = r.Dispatched + time.Duration(rnd.Int64N(int64(time.Second)))
		r.LastToken = r.FirstToken + time.Second
		r.Done = r.LastToken
		s.Add(r)
	}
}

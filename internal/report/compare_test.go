package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// suiteOf makes a suite with one cell a target, whose runs have these times to the first token.
func suiteOf(id string, cells map[string][]float64) *Suite {
	s := &Suite{ID: id, Started: time.Unix(1_700_000_000, 0).UTC(), Workload: Workload{Name: "chat", Hash: "h", Source: "name: chat\nrate: 5\n"}}
	for target, values := range cells {
		for i, v := range values {
			s.Runs = append(s.Runs, &Run{
				ID: fmt.Sprint(id, target, i), Cell: Cell{Target: target}, Repeat: i, Load: Load{Mode: "open", Process: "poisson", Rate: 5},
				Summary: Summary{Requests: 500, OK: 500, TPS: 5, TTFT: Dist{N: 500, P50: v, P95: 2 * v, P99: 3 * v}},
				Verdict: Verdict{State: "valid"},
			})
		}
	}
	return s
}

func one(values ...float64) map[string][]float64 { return map[string][]float64{"p/m": values} }

func compareOne(t *testing.T, base, candidate []float64, o CompareOptions) Difference {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = []string{"ttft_p50_ms"}
	}
	c, err := Compare(suiteOf("a", one(base...)), suiteOf("b", one(candidate...)), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Differences) != 1 {
		t.Fatalf("%d differences", len(c.Differences))
	}
	return c.Differences[0]
}

func TestCompareJudges(t *testing.T) {
	t.Parallel()
	f := func(name string, want Outcome, say string, base, candidate []float64) {
		t.Helper()
		d := compareOne(t, base, candidate, CompareOptions{})
		if d.Outcome != want || !strings.Contains(d.Reason, say) {
			t.Errorf("%s: %s (%s), want %s with %q; p %v", name, d.Outcome, d.Reason, want, say, d.P)
		}
	}
	five := []float64{99, 100, 101, 100, 100}
	f("the same", Same, "no difference beyond", five, []float64{100, 99, 101, 101, 100})
	f("slower", Worse, "not by chance", five, []float64{110, 111, 109, 110, 112})
	f("faster", Better, "not by chance", five, []float64{90, 91, 89, 90, 88})
	f("slower, but little", Same, "real, and within", five, []float64{103, 103, 104, 103, 103})
	f("noisy", Unsure, "but chance can do that", five, []float64{80, 140, 100, 130, 110})
	f("noisy around the same", Unsure, "reaches beyond", []float64{90, 110, 100, 95, 105}, []float64{91, 109, 100, 94, 108})
	f("three repeats, far apart", Worse, "", []float64{99, 100, 101}, []float64{149, 150, 151})
	f("three repeats, near", Unsure, "repeats of each would tell", []float64{97, 100, 103}, []float64{104, 106, 111})
	f("one run", Unsure, "one run says nothing", []float64{100}, []float64{200})
	f("no spread", Worse, "", []float64{100, 100, 100}, []float64{106, 106, 106})
	f("no spread, no difference", Same, "", []float64{100, 100, 100}, []float64{100, 100, 100})
	f("from zero", Worse, "", []float64{0, 0, 0}, []float64{1, 1, 1})
}

func TestCompareFigures(t *testing.T) {
	t.Parallel()
	d := compareOne(t, []float64{98, 100, 102, 99, 101}, []float64{108, 110, 112, 109, 111}, CompareOptions{})
	if math.Abs(*d.Change-0.1) > 1e-12 || d.Base.Mean != 100 || d.Candidate.Max != 112 || math.Abs(d.Base.CV-0.0158113883) > 1e-9 {
		t.Errorf("figures %+v", d)
	}
	// t = 10, df = 8: p = 8.49e-6, and the interval 10 ± 2.306.
	if math.Abs(*d.P-8.488e-6) > 1e-8 || math.Abs(*d.Lo-0.07694) > 1e-5 || math.Abs(*d.Hi-0.12306) > 1e-5 {
		t.Errorf("p %v, interval %v..%v", *d.P, *d.Lo, *d.Hi)
	}
	if d.U == nil || math.Abs(*d.U-2.0/252) > 1e-12 {
		t.Errorf("p of U = %v, want 0.0079", d.U)
	}
	if d = compareOne(t, []float64{98, 100, 102}, []float64{108, 110, 112}, CompareOptions{}); d.U != nil {
		t.Error("a U-test of three repeats, which cannot be significant")
	}
	// Rates are better when they are higher, and shares are compared in points.
	a, b := suiteOf("a", one(1, 1, 1)), suiteOf("b", one(1, 1, 1))
	for i := range a.Runs {
		a.Runs[i].Summary.TPS, b.Runs[i].Summary.TPS = 5+0.001*float64(i), 4+0.001*float64(i)
		b.Runs[i].Summary.OK, b.Runs[i].Summary.Failed = 485+int64(i), 15-int64(i)
	}
	c, err := Compare(a, b, CompareOptions{Metrics: []string{"tps", "error_rate"}})
	if err != nil || c.Differences[0].Outcome != Worse || c.Differences[1].Outcome != Worse || math.Abs(*c.Differences[1].Change-0.028) > 1e-9 {
		t.Errorf("differences %+v, %v", c.Differences, err)
	}
	if err := c.Regression(); err == nil || !strings.Contains(err.Error(), "tps of p/m at 5/s poisson, error_rate of p/m") {
		t.Errorf("regression: %v", err)
	}
	if c, err = Compare(a, b, CompareOptions{Metrics: []string{"error_rate"}, ErrorTolerance: 0.03}); err != nil || c.Differences[0].Outcome != Same {
		t.Errorf("within 3 points: %+v, %v", c.Differences, err)
	}
}

func TestCompareMissingFigures(t *testing.T) {
	t.Parallel()
	a, b := suiteOf("a", one(1, 2)), suiteOf("b", one(1, 2))
	a.Runs[0].Summary.TTFT.N, a.Runs[1].Summary.TTFT.N = 75, 0
	a.Runs[0].Verdict = Verdict{State: "degraded"}
	b.Runs[0].Summary.Unpriced = 3
	b.Runs[1].Verdict = Verdict{State: "invalid", Reasons: []string{"late by 200 ms"}}
	c, err := Compare(a, b, CompareOptions{Metrics: []string{"ttft_p50_ms", "ttft_p95_ms", "cost_per_transaction_usd", "tpot_p50_ms"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one run", "baseline: no request has it", "candidate: the price is not known", "baseline: no request has it"} {
		if d := c.Differences[i]; !strings.Contains(d.Reason, want) {
			t.Errorf("%s: %s, want %q", d.Metric, d.Reason, want)
		}
	}
	for _, want := range []string{"the candidate: 1 of 2 runs are invalid and left out (late by 200 ms)", "the baseline: 1 of 2 runs are degraded"} {
		if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("warnings %q do not say %q", c.Warnings, want)
		}
	}
	b.Runs = append(b.Runs, &Run{Cell: Cell{Target: "new/m"}, Verdict: Verdict{State: "valid"}})
	b.Runs[0].Verdict.State = "invalid"
	if c, err = Compare(a, b, CompareOptions{Metrics: []string{"tps"}}); err != nil || c.Counts.Missing != 2 || c.Differences[0].Reason != "baseline: the cell is not in it" {
		t.Errorf("a cell on one side: %+v, %v", c, err)
	}
	if c, err = Compare(a, b, CompareOptions{}); err != nil || c.Differences[len(c.Differences)-1].Reason != "candidate: all its runs are invalid" {
		t.Errorf("all invalid: %+v, %v", c.Differences[0], err)
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(b *Suite), o CompareOptions) {
		t.Helper()
		b := suiteOf("b", one(1, 2, 3))
		change(b)
		_, err := Compare(suiteOf("a", one(1, 2, 3)), b, o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	other := func(b *Suite) {
		b.Workload.Hash, b.Workload.Source = "h2", "name: chat\nrate: 7\n"
		b.Runs[0].Load.Rate = 7
	}
	f(`only the baseline has "rate: 5"; only the candidate has "rate: 7"; load 5/s poisson and 7/s poisson`, other, CompareOptions{})
	f("the same file with other settings", func(b *Suite) { b.Workload.Hash = "h2" }, CompareOptions{})
	f("no cell in common: a has p/m at 5/s poisson, b has p/m in eu at 5/s poisson", func(b *Suite) {
		for _, r := range b.Runs {
			r.Cell.Region = "eu"
		}
	}, CompareOptions{})
	f(`no metric "ttft_p50"; did you mean ttft_p50_ms`, func(*Suite) {}, CompareOptions{Metrics: []string{"ttft_p50"}})
	f(`no metric "zzzzzzzzzz"; there are tps, `, func(*Suite) {}, CompareOptions{Metrics: []string{"zzzzzzzzzz"}})
	f("tolerance is 1.5", func(*Suite) {}, CompareOptions{Tolerance: 1.5})
	f("false discovery rate is NaN", func(*Suite) {}, CompareOptions{FDR: math.NaN()})

	b := suiteOf("b", one(1, 2, 3))
	other(b)
	var different *WorkloadError
	if _, err := Compare(suiteOf("a", one(1)), b, CompareOptions{}); !errors.As(err, &different) {
		t.Errorf("error %v", err)
	}
	b.Runs[0].Load.Rate = 5
	b.Conditions.CPUs = 8
	c, err := Compare(suiteOf("a", one(1, 2, 3)), b, CompareOptions{Force: true})
	if err != nil || !strings.Contains(strings.Join(c.Warnings, "\n"), "workloads differ") || !strings.Contains(strings.Join(c.Warnings, "\n"), "CPUs 0 and 8") {
		t.Errorf("forced: %v, %v", c, err)
	}
}

// TestCompareIsSymmetric: what is better one way is worse the other way, and chance is the same both ways.
func TestCompareIsSymmetric(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(90, 120), 2, 6)
		x, y := values.Draw(t, "a"), values.Draw(t, "b")
		run := func(a, b []float64) Difference {
			c, err := Compare(suiteOf("a", one(a...)), suiteOf("b", one(b...)), CompareOptions{Metrics: []string{"ttft_p95_ms"}})
			if err != nil {
				t.Fatal(err)
			}
			return c.Differences[0]
		}
		there, back := run(x, y), run(y, x)
		if math.Abs(*there.P-*back.P) > 1e-9 {
			t.Errorf("p %v and %v", *there.P, *back.P)
		}
		if there.Outcome == Worse && back.Outcome == Worse || there.Outcome == Better && back.Outcome == Better {
			t.Errorf("%s both ways", there.Outcome)
		}
		if (there.Outcome == Worse || there.Outcome == Better) && math.Abs(*there.Change) <= 0.05 {
			t.Errorf("%s within the tolerance: %v", there.Outcome, *there.Change)
		}
	})
}

// TestRepeatsNeeded: about four of five comparisons with the number of repeats that is proposed find the change.
func TestRepeatsNeeded(t *testing.T) {
	t.Parallel()
	d := Difference{Base: newSample([]float64{95, 100, 105}), Candidate: newSample([]float64{95, 100, 105})}
	// s/change = 1: 2 (2.02 + 0.84)^2 = 16.4, so 17, as tables of sample sizes have it.
	if got := d.repeatsNeeded(0.05); got != 17 {
		t.Errorf("repeats = %d, want 17", got)
	}
	d = Difference{Base: newSample([]float64{50, 100, 150}), Candidate: newSample([]float64{50, 100, 150})}
	d.unsure(0.05, "5 %", false)
	if d.Repeats != 0 || !strings.Contains(d.Reason, "differ too much") {
		t.Errorf("%d repeats, %s", d.Repeats, d.Reason)
	}
}

func TestComparisonTexts(t *testing.T) {
	t.Parallel()
	a := suiteOf("a", map[string][]float64{"p/fast": {99, 100, 101, 100, 100}, "q/slow_|x": {99, 100, 101, 100, 100}})
	b := suiteOf("b", map[string][]float64{"p/fast": {99, 100, 101, 100, 101}, "q/slow_|x": {110, 111, 109, 110, 112}})
	b.Name = "night <b>"
	c, err := Compare(a, b, CompareOptions{Metrics: []string{"ttft_p50_ms", "error_rate", "tpot_p50_ms"}})
	if err != nil {
		t.Fatal(err)
	}
	text := func(write func(*bytes.Buffer) error) string {
		t.Helper()
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := func(what, text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), p) {
				t.Errorf("%s lacks %q:\n%s", what, p, text)
			}
		}
	}
	table := text(func(w *bytes.Buffer) error { return c.WriteText(w, false) })
	want("table", table, "q/slow_|x at 5/s poisson ttft_p50_ms 100 ms ±0.71% 110.4 ms ±1% +10.4% +9.0% .. +11.8% <0.0001 worse",
		"1 worse, 0 better, 3 the same, 0 unsure, 2 missing: a regression.", "- missing (baseline: no request has it)")
	if strings.Contains(table, "p/fast at 5/s poisson  ttft") {
		t.Errorf("the table shows what is the same:\n%s", table)
	}
	want("table of all", text(func(w *bytes.Buffer) error { return c.WriteText(w, true) }), "p/fast at 5/s poisson ttft_p50_ms 100 ms", "0% 0% +0.00 pp +0.00 pp .. +0.00 pp")
	md := text(func(w *bytes.Buffer) error { return c.WriteMarkdown(w) })
	want("Markdown", md, "### Regression in 1 of 6 figures", `| **worse** | q/slow\_\|x at 5/s poisson |`, "<details><summary>3 figures are the same</summary>", "night &lt;b&gt;")
	var back Comparison
	if err := json.Unmarshal([]byte(text(func(w *bytes.Buffer) error { return c.WriteJSON(w) })), &back); err != nil || back.Counts != c.Counts || len(back.Differences) != 6 {
		t.Errorf("JSON: %v, %+v", err, back.Counts)
	}
}

// TestComparisonUnsure: each row that is not sure says how many repeats it needs, and one sentence has the largest number.
func TestComparisonUnsure(t *testing.T) {
	t.Parallel()
	near, far := []float64{99, 100, 101}, []float64{97, 100, 103}
	a := suiteOf("a", map[string][]float64{"p/near": {98, 100, 102}, "p/far": far, "p/wild": {50, 100, 150}, "p/one": near[:1]})
	b := suiteOf("b", map[string][]float64{"p/near": {97, 99, 101}, "p/far": {104, 106, 111}, "p/wild": {60, 110, 150}, "p/one": near[:1]})
	c, err := Compare(a, b, CompareOptions{Metrics: []string{"ttft_p50_ms"}})
	if err != nil {
		t.Fatal(err)
	}
	var text, md bytes.Buffer
	if err := errors.Join(c.WriteText(&text, false), c.WriteMarkdown(&md)); err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, d := range c.Differences {
		want := map[string]string{"p/one": "unsure (one run)", "p/wild": "unsure (over 50 repeats)"}[d.Cell.Target]
		if want == "" {
			want = fmt.Sprintf("unsure (%d repeats)", d.Repeats)
			most = max(most, d.Repeats)
		}
		row := regexp.MustCompile(`(?m)^` + d.Cell.Target + `.*  ` + regexp.QuoteMeta(want) + `$`)
		if !row.MatchString(text.String()) {
			t.Errorf("no row of %s ends with %q:\n%s", d.Cell.Target, want, &text)
		}
		if marked := strings.Replace(want, "unsure", "**unsure**", 1); !strings.Contains(md.String(), "| "+marked+" | "+d.Cell.Target) {
			t.Errorf("no row of %s begins with %q:\n%s", d.Cell.Target, marked, &md)
		}
	}
	for _, out := range []string{text.String(), md.String()} {
		if n := strings.Count(out, "would tell"); n != 1 || !strings.Contains(out, fmt.Sprintf("%d repeats of each suite would tell", most)) {
			t.Errorf("%d sentences, want one with %d repeats:\n%s", n, most, out)
		}
	}
}

func TestSignificant(t *testing.T) {
	t.Parallel()
	f := func(v float64, want string) {
		t.Helper()
		if got := significant(v); got != want {
			t.Errorf("significant(%v) = %s, want %s", v, got, want)
		}
	}
	f(0, "0")
	f(123456, "123456")
	f(1234.56, "1235")
	f(12.3456, "12.35")
	f(0.000123456, "0.0001235")
	f(1, "1")
	f(100, "100")
	f(-0.5, "-0.5")
}

package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// past makes a history of suites, one a day, with two cells of one provider. level gives the time to the first token of a
// day, and change alters its suite.
func past(days int, level func(day int) float64, change func(day int, s *Suite)) []*Suite {
	r := rand.New(rand.NewPCG(11, 12))
	var list []*Suite
	for day := range days {
		v := func() float64 { return level(day) * (1 + 0.02*r.NormFloat64()) }
		s := suiteOf(fmt.Sprintf("s%02d", day), map[string][]float64{"p/m": {v(), v(), v()}})
		s.Started = time.Date(2026, 1, 1+day, 3, 0, 0, 0, time.UTC)
		if change != nil {
			change(day, s)
		}
		list = append(list, s)
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) // NewHistory sorts
	return list
}

// step is a level of 100 that is 120 from a day on.
func step(at int) func(int) float64 {
	return func(day int) float64 {
		if day >= at {
			return 120
		}
		return 100
	}
}

func newHistory(t *testing.T, suites []*Suite, notes []Annotation) *History {
	t.Helper()
	h, err := NewHistory(suites, notes, HistoryOptions{Metrics: []string{"ttft_p50_ms"}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHistoryFindsChanges(t *testing.T) {
	t.Parallel()
	h := newHistory(t, past(30, step(20), nil), nil)
	if len(h.Suites) != 30 || h.Suites[0].ID != "s00" || len(h.Lines) != 1 || len(h.Lines[0].Changes) != 1 {
		t.Fatalf("history %+v", h)
	}
	c := h.Lines[0].Changes[0]
	if c.Point != 20 || c.Suite.ID != "s20" || c.Outcome != Worse || *c.Change < 0.17 || *c.Change > 0.23 || c.Cause != CauseCapacity {
		t.Errorf("change %+v", c)
	}
	if p := h.Lines[0].Points[3]; p.N != 3 || p.Min > p.Value || p.Max < p.Value {
		t.Errorf("point %+v", p)
	}
	better := newHistory(t, past(30, func(d int) float64 { return 10000 / step(20)(d) }, nil), nil)
	if c := better.Lines[0].Changes[0]; c.Outcome != Better {
		t.Errorf("a fall of latency is %s", c.Outcome)
	}
	if still := newHistory(t, past(30, step(99), nil), nil); len(still.Lines[0].Changes) != 0 {
		t.Errorf("changes where there are none: %+v", still.Lines[0].Changes)
	}
	if short := newHistory(t, past(4, step(2), nil), nil); len(short.Lines[0].Changes) != 0 {
		t.Errorf("changes of 4 suites: %+v", short.Lines[0].Changes)
	}
}

// TestHistoryOfErrors: shares change by points, and a rise from nothing is found.
func TestHistoryOfErrors(t *testing.T) {
	t.Parallel()
	f := func(failed int64, want int) {
		t.Helper()
		suites := past(20, step(99), func(day int, s *Suite) {
			if day >= 12 {
				for _, r := range s.Runs {
					r.Summary.OK, r.Summary.Failed = 1000-failed, failed
				}
			}
		})
		h, err := NewHistory(suites, nil, HistoryOptions{Metrics: []string{"error_rate"}})
		if err != nil || len(h.Lines[0].Changes) != want {
			t.Fatalf("%d failures: %+v, %v", failed, h.Lines[0].Changes, err)
		}
		if want == 1 && (h.Lines[0].Changes[0].Point != 12 || h.Lines[0].Changes[0].Change != nil || h.Lines[0].Changes[0].Outcome != Worse) {
			t.Errorf("change %+v", h.Lines[0].Changes[0])
		}
	}
	f(50, 1)
	f(5, 0) // half a point
}

func TestCauses(t *testing.T) {
	t.Parallel()
	f := func(want Cause, say string, level func(int) float64, change func(s *Suite)) {
		t.Helper()
		h := newHistory(t, past(30, level, func(day int, s *Suite) {
			for _, r := range s.Runs {
				r.Summary.Output.Mean, r.Summary.OutputTokens, r.Summary.TokensPerEvent = 200, 100_000, 1
				r.Summary.RPMLimit, r.Summary.TPMLimit, r.Summary.CostPerCall = 500, -1, 0.01
			}
			if day >= 20 && change != nil {
				change(s)
			}
		}), nil)
		changes := h.Lines[0].Changes
		if len(changes) == 0 {
			t.Fatalf("%s: no change found", want)
		}
		for _, c := range changes {
			if c.Cause != want || !strings.Contains(c.Why, say) {
				t.Errorf("cause %s (%s), want %s with %q", c.Cause, c.Why, want, say)
			}
		}
	}
	runs := func(change func(s *Summary)) func(*Suite) {
		return func(s *Suite) {
			for _, r := range s.Runs {
				change(&r.Summary)
			}
		}
	}
	f(CauseCapacity, "neither what is sent", step(20), nil)
	f(CauseWorkload, `only the candidate has "rate: 9"`, step(20), func(s *Suite) { s.Workload.Hash, s.Workload.Source = "h9", "name: chat\nrate: 9" })
	f(CauseNoise, "measured elsewhere", step(20), func(s *Suite) { s.Conditions.Host = "other" })
	f(CauseLimit, "from 500 to 100 a minute", step(20), runs(func(s *Summary) { s.RPMLimit = 100 }))
	f(CauseLimit, "10.0 % of answers had status 429, before 0.0 %", step(20), runs(func(s *Summary) { s.RateLimited = 50 }))
	f(CauseModel, "length of answers went from 200 to 260", step(20), runs(func(s *Summary) { s.Output.Mean = 260 }))
	f(CauseModel, "tokens per event went from 1 to 4", step(20), runs(func(s *Summary) { s.TokensPerEvent = 4 }))
	f(CauseModel, "reasoning is 50 % of the output, before 0 %", step(20), runs(func(s *Summary) { s.ReasoningTokens = 50_000 }))
	f(CauseModel, "cost of a call in dollars went from 0.01 to 0.012", step(20), runs(func(s *Summary) { s.CostPerCall = 0.012 }))
	f(CauseNoise, "back", func(day int) float64 {
		if day == 20 || day == 21 {
			return 150
		}
		return 100
	}, nil)
}

// TestCapacityIsShared: that other cells of the provider changed too is said.
func TestCapacityIsShared(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 3))
	suites := past(30, step(20), func(day int, s *Suite) {
		for _, target := range []string{"p/other", "q/m"} {
			run := *s.Runs[0]
			run.Cell.Target = target
			level := step(20)(day)
			if target == "q/m" {
				level = 100
			}
			run.Summary.TTFT.P50 = level * (1 + 0.02*r.NormFloat64())
			s.Runs = append(s.Runs, &run)
		}
	})
	h := newHistory(t, suites, nil)
	if why := h.Lines[0].Changes[0].Why; !strings.HasSuffix(why, "; 1 other cells of p changed at the same time") {
		t.Errorf("why: %s", why)
	}
}

func TestAnnotationsMeetTheirChanges(t *testing.T) {
	t.Parallel()
	suites := past(30, step(20), nil)
	plain := newHistory(t, suites, nil)
	at, id := plain.Lines[0].Cell, plain.Lines[0].Changes[0].ID
	f := func(want bool, a Annotation) {
		t.Helper()
		h := newHistory(t, suites, []Annotation{a})
		got := len(h.Lines[0].Changes[0].Notes) == 1
		if got != want || (len(h.Unexplained(10)) == 0) != want {
			t.Errorf("%+v: annotated = %v, unexplained %v", a, got, h.Unexplained(10))
		}
	}
	f(true, Annotation{Suite: "s20", Cause: CauseModel})
	f(true, Annotation{Suite: "s22", Cause: CauseModel}) // the place of a change may move by a suite or two
	f(false, Annotation{Suite: "s23", Cause: CauseModel})
	f(false, Annotation{Suite: "gone", Cause: CauseModel})
	f(true, Annotation{Suite: "s20", Cell: at.String(), Metric: "ttft_p50_ms"})
	f(false, Annotation{Suite: "s20", Metric: "tps"})
	f(false, Annotation{Suite: "s20", Cell: "p/other at 5/s poisson"})

	if n := len(plain.Unexplained(9)); n != 0 { // the change is at the tenth from the end
		t.Errorf("%d changes among the newest 9", n)
	}
	suite, cell, metric, ok := plain.FindChange(id[:6])
	if !ok || suite.ID != "s20" || cell != at || metric != "ttft_p50_ms" {
		t.Errorf("change %s is %v, %v, %s, %v", id, suite, cell, metric, ok)
	}
	if _, _, _, ok := plain.FindChange("c"); ok {
		t.Error("the beginning of all ids is one")
	}
}

func TestHistoryTexts(t *testing.T) {
	t.Parallel()
	suites := past(30, step(20), nil)
	h := newHistory(t, suites, []Annotation{{Suite: "s20", Cause: CauseModel, Note: "new engine"}})
	var text, table bytes.Buffer
	if err := h.WriteText(&text, 100); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"30 suites from 2026-01-01 to 2026-01-30", "p/m at 5/s poisson\n", "│", "worse +2", "from s20, 2026-01-21", "model-update, new engine"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("text lacks %q:\n%s", want, &text)
		}
	}
	if err := h.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 31 || rows[21][0] != "s20" || rows[21][15] != h.Lines[0].Changes[0].ID || rows[21][17] != "model-update" || rows[20][15] != "" {
		t.Errorf("CSV has %d rows, %v: %v", len(rows), err, rows[21])
	}
	var empty bytes.Buffer
	none, err := NewHistory(nil, nil, HistoryOptions{})
	if err != nil || none.WriteText(&empty, 80) != nil || empty.String() != "no suites\n" {
		t.Errorf("of nothing: %q, %v", &empty, err)
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	f := func(want string, width int, changes []int, values ...float64) {
		t.Helper()
		l := &Line{}
		for i, v := range values {
			l.Points = append(l.Points, Point{Suite: i, Value: v})
		}
		for _, c := range changes {
			l.Changes = append(l.Changes, Change{Point: c})
		}
		if got := l.Sparkline(width); got != want {
			t.Errorf("sparkline of %v = %q, want %q", values, got, want)
		}
	}
	f("▁▂▃▄▅▆▇█", 20, nil, 1, 2, 3, 4, 5, 6, 7, 8)
	f("▁▁│██", 20, []int{2}, 1, 1, 2, 2)
	f("▅▅▅", 20, nil, 100, 100.5, 100)
	f("▁█", 2, nil, 9, 9, 1, 2)
	f("▅", 10, nil, 0)
}

func TestParseCause(t *testing.T) {
	t.Parallel()
	for _, c := range Causes() {
		if got, err := ParseCause(string(c)); got != c || err != nil {
			t.Errorf("ParseCause(%s) = %s, %v", c, got, err)
		}
	}
	if _, err := ParseCause("model-updat"); err == nil || !strings.Contains(err.Error(), "did you mean model-update") {
		t.Errorf("error %v", err)
	}
	if !slices.Contains(DefaultMetrics(), "ttft_p50_ms") || len(DefaultMetrics()) != 8 {
		t.Errorf("default metrics %v", DefaultMetrics())
	}
}

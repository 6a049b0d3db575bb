package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func yes() *bool { b := true; return &b }
func no() *bool  { return new(bool) }

func share(f float64) *Exact { x := Float(f); return &x }

func TestChoose(t *testing.T) {
	t.Parallel()
	f := func(name string, w Work, want, runnerUp string) {
		t.Helper()
		p, err := PatternMatrix().Choose(&w)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if p.Choice != want || p.RunnerUp != runnerUp {
			t.Errorf("%s: %s, then %s; want %s, then %s (%+v)", name, p.Choice, p.RunnerUp, want, runnerUp, p.Scores)
		}
		for _, r := range p.Reasons {
			if r.Text == "" {
				t.Errorf("%s: no reason for %s", name, r.Criterion)
			}
		}
		if len(p.Guards) == 0 {
			t.Errorf("%s: no failures to guard against", name)
		}
	}
	ms := time.Millisecond
	f("chat", Work{Interactive: yes(), Output: Int(400), TTFT: 400 * ms, TPOT: 20 * ms, PartialUseful: yes()}, Stream, Direct)
	f("classifier behind a form", Work{Interactive: yes(), Output: Int(5), TTFT: 200 * ms, TPOT: 20 * ms, CompleteJSON: yes(), PartialUseful: no(), CostSensitivity: "low"}, Direct, Stream)
	f("nightly extraction", Work{Interactive: no(), MaxWait: 24 * time.Hour, Deadline: 48 * time.Hour, Volume: Int(200_000), CompleteJSON: yes(), CostSensitivity: "high"}, Batch, Direct)
	f("the same, due in the morning", Work{Interactive: no(), Deadline: 8 * time.Hour, Volume: Int(200_000), CompleteJSON: yes(), CostSensitivity: "high"}, Direct, Stream)
	f("agent", Work{Interactive: no(), Tools: yes(), MaxWait: 5 * time.Minute, PartialUseful: no()}, Direct, Stream)
	f("long report", Work{Output: Int(8000), TTFT: 500 * ms, TPOT: 20 * ms}, Stream, Batch)
	f("mixed traffic", Work{Interactive: yes(), Output: Int(400), TTFT: 400 * ms, TPOT: 20 * ms, Burst: Int(3), Deferrable: share(0.6)}, Hybrid, Stream)
	f("all can wait", Work{Volume: Int(100_000), Deferrable: share(1)}, Batch, Direct)
	f("nothing can wait", Work{Volume: Int(100_000), CostSensitivity: "high", Deferrable: share(0)}, Direct, Stream)
}

// The cases that the code knows are those of the matrix, each with a reason.
func TestMatrixIsComplete(t *testing.T) {
	t.Parallel()
	m := PatternMatrix()
	works := []Work{
		{Interactive: yes(), PartialUseful: yes(), Tools: yes(), CompleteJSON: yes(), CostSensitivity: "low"},
		{Interactive: no(), PartialUseful: no(), Tools: no(), CompleteJSON: no(), CostSensitivity: "medium"},
		{CostSensitivity: "high"},
	}
	for _, d := range []time.Duration{time.Nanosecond, 2 * time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour, 48 * time.Hour, 1 << 62} {
		works = append(works, Work{MaxWait: d}, Work{Deadline: d}, Work{Output: Int(1), TTFT: d, TPOT: 1})
	}
	for _, n := range []int64{1, 1000, 50_000, 50_001} {
		works = append(works, Work{Volume: Int(n)}, Work{Burst: Int(n)})
	}
	works = append(works, Work{Burst: Int(2)})
	seen := map[string]bool{}
	for i := range works {
		p, err := m.Choose(&works[i]) // panics on a case that the matrix lacks
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Reasons {
			seen[r.Criterion+": "+r.Case] = true
		}
	}
	for _, c := range m.Criteria {
		for _, k := range c.Cases {
			if !seen[c.Name+": "+k.When] {
				t.Errorf("no work has the case %q of %s", k.When, c.Name)
			}
			if k.Reason == "" {
				t.Errorf("%s: %s has no reason", c.Name, k.When)
			}
			for name := range k.Points {
				if name != Direct && name != Stream && name != Batch {
					t.Errorf("%s: points for %q", c.Name, name)
				}
			}
			for _, name := range k.RulesOut {
				if name != Batch { // something must be left: only batches are ever ruled out
					t.Errorf("%s rules out %s", c.Name, name)
				}
			}
		}
	}
	for _, pattern := range []string{Direct, Stream, Batch} {
		if !slices.ContainsFunc(m.Guards, func(g Guard) bool { return g.Pattern == pattern }) {
			t.Errorf("no failures of %s", pattern)
		}
	}
}

func TestPatternRefuses(t *testing.T) {
	t.Parallel()
	f := func(w Work, want string) {
		t.Helper()
		if _, err := PatternMatrix().Choose(&w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f(Work{}, "nothing is stated")
	f(Work{CostSensitivity: "extreme"}, "want low, medium, high")
	f(Work{MaxWait: -1}, "negative")
	f(Work{MaxWait: time.Hour, Deadline: time.Minute}, "due in 1m0s")
	f(Work{Burst: Float(0.5)}, "below 1")
	f(Work{Interactive: yes(), MaxWait: 24 * time.Hour}, "does not wait 24h")
	f(Work{Interactive: yes(), Deferrable: share(1)}, "state one")
	f(Work{Deferrable: share(2)}, "deferrable")
}

// A batch is never recommended where it is ruled out, and a stated wish never makes what it speaks for worse.
func TestPatternHolds(t *testing.T) {
	t.Parallel()
	flag := rapid.SampledFrom([]*bool{nil, yes(), no()})
	rapid.Check(t, func(t *rapid.T) {
		w := Work{
			Interactive: flag.Draw(t, "interactive"), PartialUseful: flag.Draw(t, "partial"), Tools: flag.Draw(t, "tools"),
			CompleteJSON: flag.Draw(t, "json"), CostSensitivity: rapid.SampledFrom([]string{"", "low", "medium", "high"}).Draw(t, "cost"),
			MaxWait: time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "wait")), Volume: Int(rapid.Int64Range(0, 1e15).Draw(t, "volume")),
			Output: Int(rapid.Int64Range(0, 1e9).Draw(t, "output")), TPOT: time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "tpot")),
		}
		p, err := PatternMatrix().Choose(&w)
		if err != nil {
			return
		}
		out := slices.ContainsFunc(p.Reasons, func(r Reason) bool { return slices.Contains(r.RulesOut, Batch) })
		if out && (p.Choice == Batch || p.RunnerUp == Batch) {
			t.Fatalf("batch is ruled out, and yet %s before %s", p.Choice, p.RunnerUp)
		}
		if p.Scores[0].Pattern != p.Choice {
			t.Fatalf("%s is recommended, %s leads", p.Choice, p.Scores[0].Pattern)
		}
	})
}

package plan

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exactly is a figure of three repeats that agree to one percent.
func exactly(x float64) Figure { return Figure{N: 3, Mean: x, Lo: 0.99 * x, Hi: 1.01 * x} }

// candidate measured so: p95 TTFT in ms, dollars for a transaction, answers a second.
func candidate(target string, ttft, usd, tps float64) Candidate {
	return Candidate{
		Target: target, Suite: "s1", Date: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC), Load: Float(tps).Round(1) + "/s poisson", Repeats: 3, State: "valid",
		TTFT: Latency{P50: exactly(ttft / 2), P95: exactly(ttft), P99: exactly(ttft * 2)}, E2E: Latency{P95: exactly(ttft * 5)},
		TPS: exactly(tps), ErrorRate: Figure{N: 3}, Cost: exactly(usd), Tokens: 700,
	}
}

func question(all ...Candidate) *RouteQuestion {
	return &RouteQuestion{
		Name: "smart", Candidates: all, TTFT: 500 * time.Millisecond, Percentile: "p95", MaxErrors: Float(0.01), Peak: Int(1),
		Headroom: Float(0.2), Prefer: PreferCost, Targets: 3,
	}
}

// outcome writes a route in short: strategy, targets with weights, and what was rejected.
func outcome(r *Route) string {
	var parts []string
	for _, t := range r.Targets {
		s := t.Target
		if r.Strategy == "weighted" {
			s += ":" + Int(int64(t.Weight)).String()
		}
		parts = append(parts, s)
	}
	var out []string
	for _, x := range r.Rejected {
		out = append(out, x.Target)
	}
	s := strings.TrimSpace(r.Strategy + " " + strings.Join(parts, " "))
	if s == "" {
		s = "none"
	}
	if len(out) > 0 {
		s += " / " + strings.Join(out, " ")
	}
	return s
}

func TestRoute(t *testing.T) {
	t.Parallel()
	fast, cheap, mid := candidate("a/fast", 200, 0.01, 50), candidate("b/cheap", 450, 0.001, 20), candidate("a/mid", 300, 0.004, 30)
	slow := candidate("c/slow", 600, 0.0005, 40)
	f := func(name string, change func(*RouteQuestion), want string, reasons ...string) *Route {
		t.Helper()
		q := question(fast, cheap, mid, slow)
		change(q)
		r, err := q.Route()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := outcome(r); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		var all []string
		for _, x := range r.Rejected {
			all = append(all, x.Reasons...)
		}
		for _, reason := range reasons {
			if !strings.Contains(strings.Join(append(all, r.Failure), "\n"), reason) {
				t.Errorf("%s: no reason %q in\n%s\n%s", name, reason, strings.Join(all, "\n"), r.Failure)
			}
		}
		return r
	}
	// The cheapest leads; behind it the next cheapest of another provider.
	f("by cost", func(*RouteQuestion) {}, "failover b/cheap a/mid a/fast / c/slow", "p95 TTFT 600 ms misses 500 ms by 20 % (95 % interval 594-606 ms)")
	f("by latency", func(q *RouteQuestion) { q.Prefer = PreferLatency }, "failover a/fast b/cheap a/mid / c/slow")
	f("balanced", func(q *RouteQuestion) { q.Prefer = PreferBalanced }, "failover b/cheap a/mid a/fast / c/slow")
	f("two targets", func(q *RouteQuestion) { q.Targets = 2 }, "failover b/cheap a/mid / a/fast c/slow", "the route has 2 targets already")
	// 20/s with 20 % headroom carry 16.
	f("load that one carries", func(q *RouteQuestion) { q.Rate = Int(16) }, "failover b/cheap a/mid a/fast / c/slow")
	f("load above the cheapest", func(q *RouteQuestion) { q.Rate = Int(17) }, "failover a/mid a/fast b/cheap / c/slow")
	f("peak above the cheapest", func(q *RouteQuestion) { q.Rate, q.Peak = Int(10), Float(1.7) }, "failover a/mid a/fast b/cheap / c/slow")
	// 16 + 24 + 40 carry 80 together.
	f("load for two", func(q *RouteQuestion) { q.Rate = Int(41); q.Candidates = []Candidate{fast, cheap, mid} }, "weighted b/cheap:20 a/mid:30 a/fast:50")
	f("load for two, third stands by", func(q *RouteQuestion) {
		q.Rate, q.Prefer = Int(45), PreferLatency
		q.Candidates = []Candidate{fast, cheap, mid}
	}, "weighted a/fast:63 a/mid:38 b/cheap:0")
	f("too much for all", func(q *RouteQuestion) { q.Rate = Int(81) }, "none / a/fast a/mid b/cheap c/slow", "carry 80/s together", "81/s are wanted", "capacity too low: carries 16/s (measured)")
	f("too much for two", func(q *RouteQuestion) { q.Rate, q.Targets = Int(41), 2 }, "none / a/fast a/mid b/cheap c/slow", "takes 3 targets together, and no more than 2")
	f("price of a transaction", func(q *RouteQuestion) { q.MaxCost = Float(0.004) }, "failover b/cheap a/mid / a/fast c/slow", "$0.01 a transaction is above $0.004")
	// 10/s in a month are 26.28 million calls: $26,280 at $0.001, $105,120 at $0.004.
	f("budget", func(q *RouteQuestion) { q.Rate, q.Budget = Int(10), Float(30_000) }, "failover b/cheap / a/fast a/mid c/slow", "$105,120 a month at 10/s is over the budget of $30,000")
	f("nothing meets it", func(q *RouteQuestion) { q.TTFT = time.Millisecond }, "none / a/fast a/mid b/cheap c/slow", "no measured target meets all conditions")
	f("percentile", func(q *RouteQuestion) { q.Percentile = "p99" }, "failover a/fast / a/mid b/cheap c/slow", "p99 TTFT 600 ms misses 500 ms by 20 %")
	f("limit that was not measured", func(q *RouteQuestion) { q.TPOT = time.Second }, "none / a/fast a/mid b/cheap c/slow", "p95 TPOT was not measured")
}

func TestRouteRejects(t *testing.T) {
	t.Parallel()
	good := candidate("a/good", 200, 0.01, 50)
	f := func(name string, break_ func(*Candidate, *RouteQuestion), want string) {
		t.Helper()
		bad := candidate("b/bad", 100, 0.001, 100)
		q := question(good)
		break_(&bad, q)
		q.Candidates = append(q.Candidates, bad)
		r, err := q.Route()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch {
		case want == "" && (len(r.Rejected) > 0 || r.Targets[0].Target != "b/bad"):
			t.Errorf("%s: %s, %+v", name, outcome(r), r.Rejected)
		case want != "" && (outcome(r) != "failover a/good / b/bad" || !strings.Contains(r.Rejected[0].Reasons[0], want)):
			t.Errorf("%s: %s, %+v, want %q", name, outcome(r), r.Rejected, want)
		}
	}
	f("as it is", func(*Candidate, *RouteQuestion) {}, "")
	f("invalid", func(c *Candidate, _ *RouteQuestion) {
		c.State, c.Reasons = "invalid", []string{"dispatch lag p99 is 140 ms"}
	}, "measurement is invalid: dispatch lag p99 is 140 ms")
	f("invalid without a word", func(c *Candidate, _ *RouteQuestion) { c.State = "invalid" }, "measurement is invalid")
	f("invalid, degraded accepted", func(c *Candidate, q *RouteQuestion) { c.State, q.Degraded = "invalid", true }, "measurement is invalid")
	f("degraded", func(c *Candidate, _ *RouteQuestion) { c.State = "degraded" }, "measurement is degraded")
	f("degraded accepted", func(c *Candidate, q *RouteQuestion) { c.State, q.Degraded = "degraded", true }, "")
	f("not judged", func(c *Candidate, q *RouteQuestion) { c.State, q.Degraded = "", true }, "measurement is")
	f("errors", func(c *Candidate, _ *RouteQuestion) { c.ErrorRate = exactly(0.05) }, "error rate 5 % misses 1 % by 400 %")
	f("errors of a kind", func(c *Candidate, _ *RouteQuestion) { c.ErrorRate, c.MainError = exactly(0.05), "rate_limited" }, "(95 % interval 4.95-5.05 %), mostly rate_limited")
	f("any error", func(c *Candidate, q *RouteQuestion) { c.ErrorRate, q.MaxErrors = exactly(0.05), Exact{} }, "error rate 5 % misses 0 %")
	f("not proven", func(c *Candidate, _ *RouteQuestion) { c.TTFT.P95 = Figure{N: 3, Mean: 480, Lo: 420, Hi: 540} },
		"p95 TTFT 480 ms meets 500 ms, but its interval does not (95 % interval 420-540 ms)")
	f("not proven, accepted", func(c *Candidate, q *RouteQuestion) {
		c.TTFT.P95, q.Unproven = Figure{N: 3, Mean: 480, Lo: 420, Hi: 540}, true
	}, "")
	f("one repeat", func(c *Candidate, _ *RouteQuestion) { c.TTFT.P95 = Figure{N: 1, Mean: 480, Lo: 480, Hi: 480} }, "one repeat proves nothing")
	f("unpriced with a budget", func(c *Candidate, q *RouteQuestion) { c.Cost, q.MaxCost = Figure{}, Int(1) }, "unpriced")
}

// Without a budget an unpriced target is taken, behind those whose price is known, with a word on it.
func TestUnpricedCandidate(t *testing.T) {
	t.Parallel()
	free := candidate("b/unknown", 100, 0, 100)
	free.Cost = Figure{}
	r, err := question(free, candidate("a/dear", 400, 9, 50)).Route()
	if err != nil {
		t.Fatal(err)
	}
	if outcome(r) != "failover a/dear b/unknown" {
		t.Error(outcome(r))
	}
	if !strings.HasPrefix(r.Targets[1].Why, "its price is not known") || !strings.HasPrefix(r.Targets[0].Why, "on the Pareto front") {
		t.Errorf("%s; %s", r.Targets[0].Why, r.Targets[1].Why)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "b/unknown is unpriced") }) {
		t.Error(r.Notes)
	}
}

// Of a sweep the highest load that meets everything is what a target carries; limits in headers can be lower.
func TestStepsOfASweep(t *testing.T) {
	t.Parallel()
	step := func(n int, ttft, tps float64) Candidate {
		c := candidate("a/m", ttft, 0.01, tps)
		c.Step = n
		return c
	}
	r, err := question(step(2, 700, 40), step(0, 200, 10), step(1, 300, 20)).Route()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Targets[0]; got.Step != 1 || got.Carries.String() != "16" {
		t.Errorf("step %d carries %s", got.Step, got.Carries)
	}
	limited := step(1, 300, 20)
	limited.Limits = Limits{RPM: 600, TPM: 1_000_000}
	r, err = question(limited).Route()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Targets[0]; got.Carries.String() != "8" || got.capacity != "limit rpm 600 from headers" {
		t.Errorf("carries %s, %s", got.Carries, got.capacity)
	}
	// All steps fail: the one nearest to meeting everything speaks.
	bad := step(3, 800, 40)
	bad.ErrorRate = exactly(0.5)
	r, err = question(bad, step(1, 600, 20)).Route()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rejected) != 1 || r.Rejected[0].Load != "20/s poisson" || r.Failure == "" {
		t.Errorf("%+v", r)
	}
}

func TestRegionsOfOneTarget(t *testing.T) {
	t.Parallel()
	eu, us := candidate("a/m", 200, 0.01, 50), candidate("a/m", 400, 0.01, 50)
	eu.Region, us.Region = "eu", "us"
	r, err := question(us, eu).Route()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Targets) != 1 || r.Targets[0].Region != "eu" || len(r.Rejected) != 1 || r.Rejected[0].Region != "us" {
		t.Errorf("%s: %+v", outcome(r), r.Rejected)
	}
}

func TestPareto(t *testing.T) {
	t.Parallel()
	r, err := question(candidate("a/best", 200, 0.001, 50), candidate("b/worse", 300, 0.002, 40), candidate("c/fast", 100, 0.01, 10)).Route()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Targets {
		if dominated := strings.HasPrefix(c.Why, "dominated by a/best"); dominated != (c.Target == "b/worse") {
			t.Errorf("%s: %s", c.Target, c.Why)
		}
	}
}

// The same measurements make the same bytes, whatever order they come in.
func TestRouteIsDeterministic(t *testing.T) {
	t.Parallel()
	all := []Candidate{
		candidate("a/one", 200, 0.01, 50), candidate("a/two", 200, 0.01, 50), candidate("b/one", 200, 0.01, 50),
		candidate("b/two", 900, 0.01, 50), candidate("c/one", 300, 0.002, 5), candidate("c/two", 901, 0.01, 50),
	}
	write := func() string {
		q := question(slices.Clone(all)...)
		q.Rate = Int(20)
		r, err := q.Route()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.WriteYAML(&b, q); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := write()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(want, write()); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestRouteYAML(t *testing.T) {
	t.Parallel()
	odd := candidate("b/we: ird #1", 300, 0.02, 30)
	bad := candidate("c/bad\nmodels: {}", 100, 0.02, 30)
	bad.State, bad.Reasons = "invalid", []string{"line\nbreak"}
	q := question(candidate("a/m", 200, 0.01, 50), odd, bad)
	q.Name, q.Rate = "on", Int(1)
	q.Inputs = []Input{{"slo-ttft", "500ms", ""}, {"headroom", "20%", "default"}}
	r, err := q.Route()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteYAML(&b, q); err != nil {
		t.Fatal(err)
	}
	want := `# Made by sluice plan route from measurements.
# slo-ttft: 500ms
# headroom: 20% (default)
models:
  "on":
    strategy: failover
    targets:
      # a/m: suite s1 of 2026-11-21, 50/s poisson, 3 repeats, valid
      #   p95 TTFT 200 ms (95 % interval 198-202 ms)
      #   errors 0 %, carries 40/s with headroom (measured), $0.01 a transaction, $26,280 a month
      #   on the Pareto front: no other target is better in one thing and as good in the others
      - a/m
      # b/we: ird #1: suite s1 of 2026-11-21, 30/s poisson, 3 repeats, valid
      #   p95 TTFT 300 ms (95 % interval 297-303 ms)
      #   errors 0 %, carries 24/s with headroom (measured), $0.02 a transaction, $52,560 a month
      #   dominated by a/m, which is as good in cost, latency, errors and capacity, and better in one
      - "b/we: ird #1"
# Rejected:
#   c/bad models: {} at 30/s poisson: measurement is invalid: line break
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRouteRefuses(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*RouteQuestion)) {
		t.Helper()
		q := question(candidate("a/m", 200, 0.01, 50))
		change(q)
		if _, err := q.Route(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f("name", func(q *RouteQuestion) { q.Name = "" })
	f("no measured targets", func(q *RouteQuestion) { q.Candidates = nil })
	f("no limit on latency", func(q *RouteQuestion) { q.TTFT = 0 })
	f("needs the rate", func(q *RouteQuestion) { q.Budget = Int(1) })
	f("at least one target", func(q *RouteQuestion) { q.Targets = 0 })
	f("peak", func(q *RouteQuestion) { q.Peak = Exact{} })
	f("headroom", func(q *RouteQuestion) { q.Headroom = Int(1) })
	f("preference", func(q *RouteQuestion) { q.Prefer = "beauty" })
	f("percentile", func(q *RouteQuestion) { q.Percentile = "p42" })
}

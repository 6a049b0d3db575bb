//go:build linux

package main

import (
	"math"
	"testing"
	"time"
)

// same are n calls of equal size.
func same(n int, tokens float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = tokens
	}
	return all
}

// TestClairvoyant holds the reference against times that follow from the rules by hand: 6,000 tokens a minute.
func TestClairvoyant(t *testing.T) {
	t.Parallel()
	const s = time.Second
	f := func(name string, where terms, tokens []float64, callers int, service, want time.Duration) {
		t.Helper()
		where.tpm, where.rpm = 6000, max(where.rpm, 1e6)
		if got := where.clairvoyant(tokens, callers, service); (got - want).Abs() > time.Microsecond {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	f("a full bucket", terms{mode: "bucket"}, same(60, 100), 60, s, s)
	f("twice a bucket", terms{mode: "bucket"}, same(120, 100), 120, s, 61*s)
	f("few callers", terms{mode: "bucket"}, same(60, 100), 10, s, 6*s)
	f("windows", terms{mode: "fixed", into: 20 * s}, same(150, 100), 150, s, 101*s)
	f("a call that does not fit the rest", terms{mode: "fixed"}, []float64{5000, 2000, 1000}, 3, 0, 60*s)
	f("slices", terms{mode: "slices"}, same(30, 50), 30, s, 15*s)
	f("slices, later", terms{mode: "slices", into: s / 2}, same(30, 50), 30, s, 14*s+s/2)
	f("sliding", terms{mode: "sliding"}, same(150, 100), 150, s, 121*s)
	f("sliding, few callers", terms{mode: "sliding"}, same(90, 100), 30, s, 61*s) // 30 at 0 s, 30 at 1 s, 30 at 60 s
	f("nothing", terms{mode: "sliding"}, nil, 10, 0, 0)
	if got, want := (&terms{mode: "bucket", tpm: 6000}).steady(same(90, 100), s), 91*s; got != want {
		t.Errorf("steady: %v, want %v", got, want)
	}
	if got := (&terms{tpm: 6000}).even(same(3, 100)); got[0] != s || got[2] != 3*s {
		t.Errorf("even: %v", got)
	}
}

// TestPlanKeepsTheRules adds up what the plan sends, by itself.
func TestPlanKeepsTheRules(t *testing.T) {
	t.Parallel()
	tokens := charges(mixed().draw(400, 7, "m"))
	for _, mode := range modes() {
		where := &terms{mode: mode, rpm: 9000, tpm: 300_000, into: 13 * time.Second}
		if mode == "slices" {
			where.tpm, where.into = 60*30_000, 0
		}
		plan := where.plan(tokens, 100, time.Second)
		windows := map[int64]float64{}
		for i, at := range plan {
			window := time.Minute
			if mode == "slices" {
				window = time.Second
			}
			windows[int64((at+where.into)/window)] += tokens[i]
			var since, last float64
			for j, other := range plan {
				if other > at && other <= at+time.Minute-1 {
					last += tokens[j]
				}
				if other <= at {
					since += tokens[j]
				}
			}
			if mode == "sliding" && last > where.tpm {
				t.Errorf("%v tokens in the minute after %v", last, at)
			}
			if allowed := where.tpm + where.rate()*at.Seconds(); mode == "bucket" && since > allowed+1 {
				t.Errorf("%v tokens until %v, the bucket had %v", since, at, allowed)
			}
		}
		most := map[string]float64{"fixed": where.tpm, "slices": where.rate()}[mode]
		for w, sum := range windows {
			if most > 0 && sum > most {
				t.Errorf("%s: %v tokens in window %d of %v", mode, sum, w, most)
			}
		}
	}
}

// TestMixedSizes holds that the backlog is what the bars are about.
func TestMixedSizes(t *testing.T) {
	t.Parallel()
	asks := mixed().draw(3000, 1, "m")
	all := charges(asks)
	mean := total(all) / float64(len(all))
	if mean < 3400 || mean > 4000 {
		t.Errorf("calls have %.0f tokens on average", mean)
	}
	where := &terms{mode: "bucket", rpm: backlogRPM, tpm: backlogTPM}
	steady, best := where.steady(all, service), where.clairvoyant(all, 500, service)
	if steady < 145*time.Second || steady > 170*time.Second {
		t.Errorf("the plain rate takes %v", steady)
	}
	if ratio := float64(steady) / float64(best); math.Abs(ratio-1.6) > 0.1 {
		t.Errorf("a steady sender takes %.2f times as long as one that knows the bucket", ratio)
	}
	again := mixed().draw(10, 1, "m")
	if string(again[9].body) != string(asks[9].body) {
		t.Error("the same seed makes other calls")
	}
}

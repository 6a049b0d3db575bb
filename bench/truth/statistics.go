//go:build linux

package main

import (
	"context"
	"fmt"

	"sluice/internal/report"
)

// The bars of comparisons and histories, as shares.
const (
	barAlarms = 0.05 // of pairs without a difference
	barFound  = 0.95 // of pairs with one
	oneTarget = "one target"
)

// runStatistics simulates comparisons and histories, for several seeds: a bar holds on average over all of them.
func runStatistics(_ context.Context, l *lab, f *findings) error {
	seeds := uint64(l.rounds(5))
	var all report.Trials
	for seed := range seeds {
		t, err := report.RunTrials(seed + 1)
		if err != nil {
			return err
		}
		all.Target, all.Matrix = addPairs(all.Target, t.Target), addPairs(all.Matrix, t.Matrix)
		all.History.Histories += t.History.Histories
		all.History.Found += t.History.Found / float64(seeds)
		all.History.False += t.History.False / float64(seeds)
	}
	n := float64(seeds)
	for _, side := range []struct {
		name   string
		trials report.PairTrials
	}{{oneTarget, all.Target}, {"four targets, one of them slower", all.Matrix}} {
		p := side.trials
		f.add(side.name+": A/A, false alarms", fmt.Sprintf("<= %.0f %%", 100*barAlarms), held(p.FalseAlarms/n <= barAlarms), "%.1f %% of %d pairs", 100*p.FalseAlarms/n, p.Pairs)
		want, status := fmt.Sprintf("found >= %.0f %%", 100*barFound), held(p.Found/n >= barFound)
		if side.name != oneTarget { // more chances of a false alarm ask for more evidence
			want, status = "no bar", informal
		}
		f.add(side.name+": 10 % slower at 3 % CV, 5 repeats", want, status, "%.1f %% of %d pairs, each latency %.1f %%", 100*p.Found/n, p.Pairs, 100*p.FoundEach/n)
	}
	h := all.History
	f.add("60 runs with a step of 10 %", fmt.Sprintf("found within 2 runs >= %.0f %%", 100*barFound), held(h.Found >= barFound), "%.1f %% of %d histories", 100*h.Found, h.Histories)
	f.add("60 runs without one", fmt.Sprintf("a step found <= %.0f %%", 100*barAlarms), held(h.False <= barAlarms), "%.1f %% of %d histories", 100*h.False, h.Histories)
	return nil
}

// addPairs adds up the shares of several seeds.
func addPairs(a, b report.PairTrials) report.PairTrials {
	return report.PairTrials{
		Pairs: a.Pairs + b.Pairs, FalseAlarms: a.FalseAlarms + b.FalseAlarms, Found: a.Found + b.Found,
		FoundEach: a.FoundEach + b.FoundEach, Elsewhere: a.Elsewhere + b.Elsewhere,
	}
}

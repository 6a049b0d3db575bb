//go:build linux

package main

import (
	"context"
	"slices"
	"time"

	"sluice/internal/workload"
)

// truthPlan is a server with reasoning, text and failures of each sort, its times spread so widely that percentiles differ.
func truthPlan() plan {
	return plan{
		Seed: 20261121, First: delay{Median: 60 * time.Millisecond, Sigma: 0.5}, Gap: delay{Median: 9 * time.Millisecond, Sigma: 0.6}, Events: [2]int{4, 40},
		Reasoning: 6, Failures: []failure{{40, 7, 429}, {40, 17, 500}, {40, 27, 503}, {40, 37, 200}},
	}
}

// runTruth measures a server that logs each write, at constant and at Poisson arrivals in turn.
func runTruth(ctx context.Context, l *lab, f *findings) error {
	server, addr, err := l.serveTruth(ctx, truthPlan())
	if err != nil {
		return err
	}
	defer server.Stop()
	return l.arrivals(f, func(s shape) (*outcome, []truthOf, error) {
		o, err := l.load(ctx, job{URL: "http://" + addr + "/v1", Model: "truth", Shape: s, Keep: true}, s.total())
		if err != nil {
			return nil, nil, err
		}
		entries, err := takeEntries(addr)
		if err != nil {
			return nil, nil, err
		}
		all := make([]truthOf, len(entries))
		for i, e := range entries {
			all[i] = e.truth()
		}
		return o, all, nil
	})
}

// arrivals runs a load at constant and at Poisson arrivals, several times in turn, and adds what comes of it.
func (l *lab) arrivals(f *findings, run func(shape) (*outcome, []truthOf, error)) error {
	processes := []string{workload.Constant, workload.Poisson}
	sides := map[string]*comparison{}
	for _, p := range processes {
		sides[p] = newComparison()
	}
	for round := range l.rounds(3) {
		order := slices.Clone(processes)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, p := range order {
			l.say("%s arrivals, round %d", p, round+1)
			o, truth, err := run(shape{Process: p, Rate: 120, Sustain: l.span(5, 3), Cooldown: 5 * time.Second, Output: 64, Seed: uint64(round + 1)})
			if err != nil {
				return err
			}
			sides[p].add(o, truth)
		}
	}
	for _, p := range processes {
		sides[p].judge(f, p)
	}
	return nil
}

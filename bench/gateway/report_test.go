//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"sluice/bench/rig"
	"sluice/internal/bench"
	"sluice/internal/report"

	"github.com/google/go-cmp/cmp"
)

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	f := func(in []float64, want spread) {
		t.Helper()
		if diff := cmp.Diff(want, spreadOf(in)); diff != "" {
			t.Errorf("spreadOf(%v): %s", in, diff)
		}
	}
	f(nil, spread{})
	f([]float64{3}, spread{1, 3, 3, 3})
	f([]float64{9, 1, 2}, spread{3, 2, 1, 9})
	f([]float64{4, 1, 2, 10}, spread{4, 3, 1, 10})
}

func TestJudge(t *testing.T) {
	t.Parallel()
	streams := job{Kind: "streams", Streams: 100, Rate: 2, Peer: 1, PeerCPUs: []int{0}, LoadCPUs: []int{1}}
	calls := job{Kind: "open", Peer: 1, PeerCPUs: []int{0}, LoadCPUs: []int{1}}
	closed := job{Kind: "closed", Peer: 1, PeerCPUs: []int{0}, LoadCPUs: []int{1}}
	f := func(j job, change func(*result), wantInvalid, wantNote string) {
		t.Helper()
		r := &result{
			Units: 10, Wall: time.Second, OpenBefore: 100, OpenAfter: 100,
			PeerCPU: 300 * time.Millisecond, PeerCores: 310 * time.Millisecond,
			MockCPU: 100 * time.Millisecond, ClientCPU: 100 * time.Millisecond, LoadCores: 210 * time.Millisecond,
		}
		change(r)
		invalid, notes := judge(j, r)
		if got := strings.Join(invalid, "; "); got != wantInvalid {
			t.Errorf("invalid %q, want %q", got, wantInvalid)
		}
		if got := strings.Join(notes, "; "); got != wantNote {
			t.Errorf("notes %q, want %q", got, wantNote)
		}
	}
	busy := func(r *result) { r.ClientCPU, r.LoadCores = 800*time.Millisecond, 900*time.Millisecond }
	f(streams, func(*result) {}, "", "")
	f(calls, busy, "mock and client 90 % busy", "")
	f(closed, busy, "", clientBoundMsg)
	f(calls, func(r *result) { r.DispatchLag.P99 = int64(2 * time.Millisecond) }, "dispatch 2ms late", "")
	f(streams, func(r *result) { r.DispatchLag.P99 = int64(2 * time.Millisecond) }, "", "")
	f(streams, func(r *result) { r.MockLag.P99 = int64(200 * time.Millisecond) }, "mock 200ms late", "")
	f(streams, func(r *result) { r.OpenAfter = 90 }, "only 90 streams open", "")
	f(streams, func(r *result) { r.OpenAfter, r.Failed = 90, 10 }, "", "") // failed streams are the peer's result
	f(calls, func(r *result) { r.Verdict = report.Verdict{State: bench.Invalid, Reasons: []string{"late", "slow"}} }, "the load engine: late", "")
	f(calls, func(r *result) { r.Units = 0 }, "nothing ended in the window", "")
	f(calls, func(r *result) { r.PeerCores = 500 * time.Millisecond }, "", "others used 20 % of the CPU of the peer")
	f(calls, func(r *result) { r.PeerCores = 900 * time.Millisecond }, "others used 60 % of the CPU of the peer", "")
}

// TestRowsAndBars follows made-up samples to the rows and verdicts.
func TestRowsAndBars(t *testing.T) {
	t.Parallel()
	const us = int64(time.Microsecond)
	ph := phase{Name: "calls", Unit: "call", Job: job{Kind: "open", Size: 300}}
	rec := &runRecord{Phases: []phase{ph}, Peers: []peer{{Name: direct}, {Name: reverseProxy}, {Name: sluice}}}
	add := func(round int, peer string, cpuUS int64, p50 int64, failed int64, invalid ...string) {
		rec.Samples = append(rec.Samples, sample{Round: round, Peer: peer, Phase: "calls", Invalid: invalid, Result: &result{
			Units: 100, Sent: 100, Failed: failed, Wall: time.Second, PeerCPU: time.Duration(cpuUS * us * 100), Latency: rig.Quantiles{P50: p50 * us, P99: 3 * p50 * us},
		}})
	}
	for round, cpu := range []int64{60, 90, 66} { // ratios 1, 1.5 and 1.1 with the rounds' own base of 60
		add(round, direct, 0, 100, 0)
		add(round, reverseProxy, 60, 200, 0)
		add(round, sluice, cpu, 250, 0)
	}
	add(3, direct, 0, 100, 0)
	add(3, reverseProxy, 60, 200, 0)
	add(3, sluice, 900, 9000, 2, "dispatch late") // counted as failed, kept out of the figures
	rec.Rows = summarizeRows(rec)
	w := rec.row("calls", sluice)
	if diff := cmp.Diff(spread{3, 1.1, 1, 1.5}, w.Ratio); diff != "" {
		t.Errorf("ratio: %s", diff)
	}
	if w.CPU != 66 || w.P50 != 0.25 || w.Added50.Mid != 0.15 || math.Abs(w.Added99.Mid-0.45) > 1e-9 || w.Failed != 2 || w.Valid != 3 || w.Samples != 4 {
		t.Errorf("row %+v", *w)
	}
	f := func(want string) {
		t.Helper()
		rec.Rows = summarizeRows(rec)
		if bars := judgeBars(rec); len(bars) != 1 || bars[0].Status != want {
			t.Errorf("bars %+v, want %s", bars, want)
		}
	}
	f("met")
	add(4, direct, 0, 100, 0)
	add(4, reverseProxy, 60, 200, 0)
	add(4, sluice, 120, 250, 0) // the median ratio is now that of 1.1 and 1.5
	f("missed")
	for i := range rec.Samples {
		rec.Samples[i].Invalid = []string{"noise"}
	}
	f("not measured: invalid")
	rec.Samples = nil
	rec.Peers[2].Missing = "not built"
	f("not measured")
}

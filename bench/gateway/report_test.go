//go:build linux

package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

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

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte("77 (a b) c) S 1 1 1 0 -1 4194560 5 6 7 8 123 45 9 9 20 0 1 0 100 0 0\n"))
	if err != nil || got != 1680*time.Millisecond {
		t.Errorf("got %v, %v; want 1.68s", got, err)
	}
	if _, err := parseStat([]byte("77 (a) S 1")); err == nil {
		t.Error("short line: no error")
	}
}

// TestCPUTimeAgrees burns CPU until both clocks have moved and compares them.
func TestCPUTimeAgrees(t *testing.T) {
	t.Parallel()
	start, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	now := start
	for x := 1.0; now-start < 100*time.Millisecond; {
		for range 100_000 {
			x = math.Sqrt(x + 1)
		}
		if now, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	low, err := statTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	high, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// stat rounds both of its parts down to ticks.
	if low > high || low < now-3*time.Second/userHZ {
		t.Errorf("stat says %v, between clock readings %v and %v", low, now, high)
	}
}

func TestParseCores(t *testing.T) {
	t.Parallel()
	const stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 400 5 6 7 8 0 0\ncpu1 10 0 0 0 0 0 0 0 0 0\nintr 1 2 3 4 5 6 7 8 9\n"
	f := func(cpus []int, want time.Duration) {
		t.Helper()
		got, err := parseCores(stat, cpus)
		if err != nil || got != want {
			t.Errorf("CPUs %v: %v, %v; want %v", cpus, got, err, want)
		}
	}
	f([]int{0}, 140*time.Millisecond)
	f([]int{0, 1}, 240*time.Millisecond)
	if _, err := parseCores(stat, []int{2}); err == nil {
		t.Error("CPU that is not there: no error")
	}
}

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		got, err := parseCPUs(in)
		if err != nil {
			got, want = nil, "error, want "+want
		}
		if joinCPUs(got) != want {
			t.Errorf("%q: %s, want %s", in, joinCPUs(got), want)
		}
	}
	f("0", "0")
	f("1,3-5", "1,3,4,5")
	for _, bad := range []string{"", "x", "3-1", "-1", "1,,2", "0-99999"} {
		if got, err := parseCPUs(bad); err == nil {
			t.Errorf("%q: %v, want an error", bad, got)
		}
	}
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
			Units: 100, Sent: 100, Failed: failed, Wall: time.Second, PeerCPU: time.Duration(cpuUS * us * 100), Latency: quantiles{P50: p50 * us, P99: 3 * p50 * us},
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

//go:build linux

package main

import (
	"io"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestSoak runs the command for some seconds, with fewer callers.
func TestSoak(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // parent-death signals follow the thread
	defer runtime.UnlockOSThread()
	o := options{program: os.Getenv("SLUICE"), time: 10 * time.Second, callers: 60, deadline: 15 * time.Second, progress: time.Minute, seed: 2, out: io.Discard}
	rec, err := soak(t.Context(), o, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rec.print(t.Output())
	for _, b := range rec.Bars {
		// A busy machine can make every target of a call too slow, and a few hundred calls are no measure of 0.05 %.
		met := b.Met || b.Name == "complete right answers" && rec.Classes[toldError] <= 3 && rec.Good+rec.Classes[toldError] == rec.Calls
		if !met {
			t.Errorf("%s: want %s, got %s", b.Name, b.Want, b.Got)
		}
	}
}

func TestGauges(t *testing.T) {
	t.Parallel()
	got := gauges("# HELP a b\n# TYPE a gauge\na{x=\"1 }\",y=\"2\"} 3\na{x=\"2\"} 4\ngo_goroutines 12\n")
	if got["a"] != 7 || got["go_goroutines"] != 12 {
		t.Errorf("gauges: %v", got)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	f := func(want bool, mb ...int64) {
		t.Helper()
		kb := make([]int64, len(mb))
		for i, v := range mb {
			kb[i] = v << 10
		}
		if text, flat := growth(kb); flat != want {
			t.Errorf("growth of %v: flat %v: %s", mb, flat, text)
		}
	}
	f(true, 50, 90)
	f(true, 10, 60, 100, 100, 80, 110, 100, 100)
	f(false, 10, 60, 100, 100, 150, 200, 250, 300)
}

func TestClassesMissBars(t *testing.T) {
	t.Parallel()
	rec := &record{}
	rec.tally([]call{{}, {Class: truncated, Why: "short", Wall: time.Second}})
	rec.Audit = audited{Exact: 2, Differ: 1, Missing: 1}
	rec.After.Goroutines = 100
	rec.judge()
	missed := map[string]bool{}
	for _, b := range rec.Bars {
		missed[b.Name] = !b.Met
	}
	for _, name := range []string{"complete right answers", truncated, "left behind", "calls without a ledger row", "tokens that providers reported"} {
		if !missed[name] {
			t.Errorf("bar %q is met", name)
		}
	}
	if rec.err() == nil {
		t.Error("no error")
	}
}

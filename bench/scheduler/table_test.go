//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/sim"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := &Table{Title: "what is measured", Columns: []string{"cell", "time"}}
	table.Row("short", 1)
	table.Row("a längerer", "100.0 s")
	table.Note("%d notes", 1)
	table.AtMost("most", "%.1f", 1.0, 1.0)
	table.AtMost("more", "%.1f", 1.2, 1.0)
	table.AtMost("no number", "%.1f", math.NaN(), 1.0)
	table.AtLeast("least", "%.2f", 0.98, 0.99)
	var b strings.Builder
	table.Print(&b)
	want := `what is measured

cell           time
short             1
a längerer  100.0 s
1 notes

bar        measured         wanted
most            1.0    at most 1.0     met
more            1.2    at most 1.0  MISSED
no number       NaN    at most 1.0  MISSED
least          0.98  at least 0.99  MISSED
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	f := func(q float64, want time.Duration, all ...time.Duration) {
		t.Helper()
		if got := quantile(sorted(all), q); got != want {
			t.Errorf("quantile %v of %v is %v, want %v", q, all, got, want)
		}
	}
	f(.5, 0)
	f(.5, 2, 3, 1, 2)
	f(.99, 3, 3, 1, 2)
	f(0, 1, 3, 1, 2)
	f(.5, 2, 4, 3, 2, 1)
	f(1, 4, 4, 3, 2, 1)
}

func TestChoose(t *testing.T) {
	t.Parallel()
	f := func(only string, want ...string) {
		t.Helper()
		got, err := choose([]section{{name: "a"}, {name: "b"}, {name: "c"}}, only)
		var names []string
		for _, s := range got {
			names = append(names, s.name)
		}
		if diff := cmp.Diff(want, names); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", only, err, diff)
		}
	}
	f("", "a", "b", "c")
	f("c,a", "c", "a")
	f("d")
}

func TestReadBars(t *testing.T) {
	t.Parallel()
	got := readBars(strings.NewReader(`=== RUN   TestBarFair
=== RUN   TestBarFair/weights
    fair_test.go:12: shares 0.2501
    --- PASS: TestBarFair/weights (0.01s)
    fair_test.go:20: Jain 0.9999
--- PASS: TestBarFair (0.02s)
=== RUN   TestBarMillion
    million_test.go:9: 3 reservations were left
--- FAIL: TestBarMillion (1.00s)
FAIL
FAIL	sluice/internal/limit	1.1s
ok  	sluice/internal/admit	0.1s
`))
	want := &Table{
		Notes: []string{"TestBarFair/weights: shares 0.2501", "TestBarFair: Jain 0.9999", "TestBarMillion: 3 reservations were left"},
		Bars: []Bar{
			{"TestBarFair", "pass (0.02s)", "pass", true},
			{"TestBarMillion", "fail (1.00s)", "pass", false},
			{"FAIL", "fail", "pass", false},
			{"FAIL\tsluice/internal/limit\t1.1s", "fail", "pass", false},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := readBars(strings.NewReader("ok  	sluice/internal/admit	0.1s [no tests to run]\n")); len(got.Bars) != 1 || got.Bars[0].Met {
		t.Errorf("without tests: %+v", got.Bars)
	}
}

func TestReadBenchmarks(t *testing.T) {
	t.Parallel()
	got := readBenchmarks(strings.NewReader(`goos: linux
BenchmarkWaiting         	   58640	     25000 ns/op	      96 B/op	       2 allocs/op
BenchmarkWaiting         	   58640	     19990 ns/op	      96 B/op	       2 allocs/op
BenchmarkWaiting         	   58640	     21000 ns/op	      96 B/op	       2 allocs/op
BenchmarkWaiting-2       	   58640	     30000 ns/op	      96 B/op	       2 allocs/op
BenchmarkUncontended     	 1000000	       100 ns/op	       0 B/op	       0 allocs/op
BenchmarkUncontended-2   	 1000000	       130 ns/op	       0 B/op	       0 allocs/op
BenchmarkKeys/10         	 1000000	      1000 ns/op
BenchmarkKeys/100000     	 1000000	      4900 ns/op
PASS
`))
	rows := [][]string{
		{"BenchmarkWaiting", "1", "19990.0", "50025", "2"},
		{"BenchmarkWaiting", "2", "30000.0", "33333", "2"},
		{"BenchmarkUncontended", "1", "100.0", "10000000", "0"},
		{"BenchmarkUncontended", "2", "130.0", "7692308", "0"},
		{"BenchmarkKeys/10", "1", "1000.0", "1000000", ""},
		{"BenchmarkKeys/100000", "1", "4900.0", "204082", ""},
	}
	if diff := cmp.Diff(rows, got.Rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var met []bool
	for _, b := range got.Bars {
		met = append(met, b.Met)
	}
	if diff := cmp.Diff([]bool{true, false, false, true}, met); diff != "" { // the third was not measured
		t.Errorf("bars %+v (-want +got):\n%s", got.Bars, diff)
	}
	for _, b := range readBenchmarks(strings.NewReader("PASS\n")).Bars {
		if b.Met {
			t.Errorf("a bar is met that was not measured: %+v", b)
		}
	}
}

// TestPlainRate holds what share of the quota's plain rate, 70,000 tokens a second, was charged.
func TestPlainRate(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	f := func(enforce string, want float64, tokens ...int64) {
		t.Helper()
		q := &sim.QuotaStats{Enforce: enforce, Start: begun}
		for _, n := range tokens {
			q.Tokens += n
			s := sim.QuotaSecond{Tokens: n}
			if n > 0 {
				s.Accepted = 1
			}
			q.Seconds = append(q.Seconds, s)
		}
		if got := plainRate(q, begun); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s %v: %v, want %v", enforce, tokens, got, want)
		}
	}
	f("slices", 1, 10_000, 70_000, 70_000, 500, 0)
	f("slices", 0.75, 70_000, 35_000, 70_000, 500)
	f("slices", 0, 70_000, 70_000)
	f("bucket", 1, 140_000, 35_000, 35_000, 0, 0)
	f("bucket", 60, 4_200_000, 0, 0)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	f := func(c cell, n int, r cellRun, missed ...string) {
		t.Helper()
		r.Clairvoyant, r.Steady = 100*time.Second, 160*time.Second
		table := &Table{}
		c.judge(table, n, &r)
		var got []string
		for _, b := range table.Bars {
			if !b.Met {
				got = append(got, strings.TrimPrefix(b.What, ": "))
			}
		}
		if diff := cmp.Diff(missed, got); diff != "" {
			t.Errorf("%s, run %d (-want +got):\n%s", c.name(), n, diff)
		}
	}
	const s = time.Second
	good := cellRun{Took: 110 * s, Sent: 3003, Limited: 3, Rate: 0.99, Peak: 1}
	f(cell{mode: "bucket", kind: "declared"}, 1, good)
	slow := good
	slow.Took, slow.Limited = 126*s, 16
	f(cell{mode: "bucket", kind: "declared"}, 1, slow, "time/clairvoyant", "share of 429")
	f(cell{mode: "bucket", kind: "declared"}, 0, slow, "time/clairvoyant", "share of 429")
	f(cell{mode: "bucket", kind: "headers"}, 0, slow)
	f(cell{mode: "bucket", kind: "sdk"}, 0, slow)
	slow.Took, slow.Limited, slow.Lost, slow.Rate, slow.Peak = 151*s, 91, 1, 0.9, 1.1
	f(cell{mode: "fixed", kind: "none"}, 0, slow, "time/clairvoyant", "share of 429", "calls with an error", "highest use of a window")
	slow.Took = 165 * s
	f(cell{mode: "slices", kind: "declared"}, 1, slow, "time/steady", "share of 429", "calls with an error", "of the quota's plain rate", "highest use of a window")
}

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// packages are those whose own tests hold bars of the scheduler, in simulated time.
func packages() []string {
	return []string{"sluice/internal/admit", "sluice/internal/limit", "sluice/internal/pace"}
}

// fairness runs the packages' own bars: fairness between keys, and a million calls that are canceled, fail and settle.
func fairness(ctx context.Context, _ *lab) (*Table, error) {
	text, err := goTest(ctx, append([]string{"-run", "^TestBar", "-v", "-count=1", "-timeout", "9m"}, packages()...)...)
	if err != nil {
		return nil, err
	}
	t := readBars(bytes.NewReader(text))
	t.Title = "bars of the packages, in simulated time: go test -run '^TestBar' -v"
	return t, nil
}

// speed runs the benchmarks of admission, on one core and on two, three times each: what else runs on the machine only ever makes them slower.
func speed(ctx context.Context, l *lab) (*Table, error) {
	args := []string{"-run", "^$", "-bench", ".", "-benchmem", "-cpu", "1,2", "-count", "3", "-timeout", "9m"}
	if l.o.quick {
		args = append(args, "-benchtime", "300ms")
	}
	text, err := goTest(ctx, append(args, packages()...)...)
	if err != nil {
		return nil, err
	}
	t := readBenchmarks(bytes.NewReader(text))
	t.Title = "go test " + strings.Join(args, " ") + ", the best of each"
	return t, nil
}

// goTest runs go test and returns what it wrote. Tests that fail are no error: what they wrote says so.
func goTest(ctx context.Context, args ...string) ([]byte, error) {
	progress("go test %s", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil || bytes.Contains(text, []byte("[build failed]")) || bytes.Contains(text, []byte("[setup failed]"))) {
		return nil, fmt.Errorf("run go test: %w: %.300s", err, bytes.TrimSpace(text))
	}
	return text, nil
}

// readBars makes a table of the output of go test -v: what a test has logged are its notes, whether it passed is its bar.
func readBars(r io.Reader) *Table {
	t := &Table{}
	var logged []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		text := strings.TrimSpace(line)
		verdict, rest, ok := strings.Cut(strings.TrimPrefix(text, "--- "), ": ")
		switch {
		case strings.HasPrefix(text, "--- ") && ok:
			name, took, _ := strings.Cut(rest, " ")
			for _, l := range logged {
				t.Note("%s: %s", name, l)
			}
			logged = nil
			if line == text { // not that of a part of a test
				t.Bars = append(t.Bars, Bar{What: name, Got: strings.ToLower(verdict) + " " + took, Want: "pass", Met: verdict == "PASS"})
			}
		case strings.HasPrefix(text, "FAIL") || strings.HasPrefix(text, "panic:"):
			t.Bars = append(t.Bars, Bar{What: text, Got: "fail", Want: "pass"})
		case strings.Contains(line, ".go:"):
			_, said, _ := strings.Cut(text, ": ")
			logged = append(logged, said)
		}
	}
	if len(t.Bars) == 0 {
		t.Bars = append(t.Bars, Bar{What: "bars of the packages", Got: "none", Want: "at least 1"})
	}
	return t
}

// benchmark is one line of go test -bench.
type benchmark struct {
	name   string
	cpus   int
	ns     float64 // an operation
	allocs string
}

// readBenchmark reads such a line.
func readBenchmark(line string) (b benchmark, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") || f[3] != "ns/op" {
		return b, false
	}
	b.name, b.cpus = f[0], 1
	if i := strings.LastIndexByte(f[0], '-'); i > 0 {
		if n, err := strconv.Atoi(f[0][i+1:]); err == nil {
			b.name, b.cpus = f[0][:i], n
		}
	}
	var err error
	b.ns, err = strconv.ParseFloat(f[2], 64)
	for i := 4; i+1 < len(f); i++ {
		if f[i+1] == "allocs/op" {
			b.allocs = f[i]
		}
	}
	return b, err == nil
}

// The bars of speed: 50,000 calls a second that come, wait behind 10,000 others, start and settle, on one core; on two cores no more time for each
// than on one, where nothing is shared but what must be; and from 10 keys to 100,000 no more than log n, which is five times as much.
const (
	mostWaiting   = 20_000 // ns
	mostContended = 1.0    // times as much
	mostForKeys   = 5.0    // times as much
)

// readBenchmarks makes a table of what go test -bench wrote. Of several runs of one the best counts.
func readBenchmarks(r io.Reader) *Table {
	t := &Table{Columns: []string{"benchmark", "cores", "ns an operation", "operations a second", "allocations"}}
	var best []benchmark
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		b, ok := readBenchmark(lines.Text())
		if !ok {
			if strings.HasPrefix(lines.Text(), "FAIL") {
				t.Bars = append(t.Bars, Bar{What: lines.Text(), Got: "fail", Want: "pass"})
			}
			continue
		}
		i := slices.IndexFunc(best, func(o benchmark) bool { return o.name == b.name && o.cpus == b.cpus })
		if i < 0 {
			best = append(best, b)
		} else if b.ns < best[i].ns {
			best[i] = b
		}
	}
	for _, b := range best {
		t.Row(b.name, b.cpus, fmt.Sprintf("%.1f", b.ns), fmt.Sprintf("%.0f", 1e9/b.ns), b.allocs)
	}
	one := func(name string, cpus int) float64 {
		for _, b := range best {
			if b.name == name && b.cpus == cpus {
				return b.ns
			}
		}
		return math.NaN() // was not measured, and so misses any bar
	}
	t.AtMost("BenchmarkWaiting on one core, ns", "%.0f", one("BenchmarkWaiting", 1), mostWaiting)
	for _, name := range []string{"BenchmarkUncontended", "BenchmarkTryStartDone/quota,_an_account_for_each_core"} {
		t.AtMost(name+" on two cores, to one", "%.2f", one(name, 2)/one(name, 1), mostContended)
	}
	t.AtMost("BenchmarkKeys of 100,000 keys, to 10", "%.1f", one("BenchmarkKeys/100000", 1)/one("BenchmarkKeys/10", 1), mostForKeys)
	return t
}

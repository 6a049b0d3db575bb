//go:build linux

package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bench/rig"
)

// TestQuick runs the subset of the matrix that has each direct and stream row of table F once a front, through the real program. Limits of time are
// wider than the command's by seconds: a test machine may be busy.
func TestQuick(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // parent-death signals follow the thread
	defer runtime.UnlockOSThread()
	dir := t.TempDir()
	program := os.Getenv("SLUICE")
	if program == "" {
		var err error
		if program, err = rig.Build(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	var quick []scenario
	for _, s := range scenarios() {
		if s.quick {
			quick = append(quick, s)
		}
	}
	cells := matrix(quick, func(name string) bool { return !strings.ContainsAny(name, ">+") })
	verdicts, err := runRounds(t.Context(), options{program: program, workers: 16, scale: 3, slack: 6 * time.Second}, dir, cells)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Grade != pass || len(v.Misses) > 0 {
			t.Errorf("%s: %s %s %q\n%.2000s", v.Cell, v.Grade, v.Why, v.Misses, v.body)
		}
	}
}

// TestDocs holds the table of scenarios in docs/CONFORMANCE.md against the scenarios, and its list of those that CI runs.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	if err := listScenarios(&want); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- scenarios -->\n")
	table, rest, _ := strings.Cut(rest, "<!-- /scenarios -->")
	if diff := cmp.Diff(want.String(), table); diff != "" {
		t.Errorf("the table differs from go run ./bench/conformance -list (-want +got):\n%s", diff)
	}
	listed, _, _ := strings.Cut(rest, "## Soak")
	for _, s := range scenarios() {
		if in := strings.Contains(listed, "`"+s.name+"`"); in != s.quick {
			t.Errorf("scenario %s: CI runs it: %v, the text says so: %v", s.name, s.quick, in)
		}
	}
}

//go:build linux

package main

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

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
	pending := regexp.MustCompile(`^(stall|cut-rst|cut-eof|error-after|no-end-marker|no-finish|tool-cut|json-cut|json-invalid)/|/(openai|gemini)/whole$`)
	cells := matrix(quick, func(name string) bool { return !strings.Contains(name, ">") && !pending.MatchString(name) })
	verdicts, err := runRound(t.Context(), options{program: program, workers: 12}, dir, cells, 4*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Grade != pass || len(v.Misses) > 0 {
			t.Errorf("%s: %s %s %q\n%.2000s", v.Cell, v.Grade, v.Why, v.Misses, v.body)
		}
	}
}

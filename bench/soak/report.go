//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/bench/rig"
)

// record is everything that came of a run.
type record struct {
	Time    time.Time
	Took    string
	Commit  string
	Machine rig.Machine
	Callers int

	Calls, Good int
	Late        time.Duration // longest call
	Classes     map[string]int
	Reasons     map[string]int // why calls did not end well, by text
	Bad         []call         // the first of them
	Before      state
	After       state
	Memory      []int64 // resident KiB, once a second
	Audit       audited
	Bars        []bar
}

// bar is something that must hold.
type bar struct {
	Name, Want, Got string
	Met             bool
}

// maxBadCalls bounds the calls that are kept one by one.
const maxBadCalls = 200

// tally counts how calls ended.
func (rec *record) tally(calls []call) {
	rec.Calls, rec.Classes, rec.Reasons = len(calls), map[string]int{}, map[string]int{}
	for i := range calls {
		c := &calls[i]
		rec.Late = max(rec.Late, c.Wall)
		if c.Class == "" {
			rec.Good++
			continue
		}
		rec.Classes[c.Class]++
		rec.Reasons[fmt.Sprintf("%s, %s, %s, stream %v, %s attempts, %v: %.160s", c.Class, c.Front, c.Kind, c.Stream, c.Attempts, c.Wall.Round(time.Second), c.Why)]++
		if len(rec.Bad) < maxBadCalls {
			rec.Bad = append(rec.Bad, *c)
		}
	}
}

// minGood is the least share of calls that end with the complete right answer.
const minGood = 0.9995

// judge holds what came against the bars.
func (rec *record) judge() {
	add := func(name, want string, met bool, got string, args ...any) {
		rec.Bars = append(rec.Bars, bar{name, want, fmt.Sprintf(got, args...), met})
	}
	share := float64(rec.Good) / float64(max(rec.Calls, 1))
	add("complete right answers", fmt.Sprintf("at least %.2f %%", 100*minGood), rec.Calls > 0 && share >= minGood, "%.3f %% of %d", 100*share, rec.Calls)
	for _, class := range []string{truncated, wrong, malformed, brokenOff} {
		add(class, "none", rec.Classes[class] == 0, "%d", rec.Classes[class])
	}
	add("past the deadline", "none", rec.Classes[hung] == 0, "%d; the longest call took %v", rec.Classes[hung], rec.Late.Round(time.Millisecond))
	left := rec.After.left(rec.Before)
	add("left behind", "nothing", len(left) == 0, "%s; %d goroutines before, %d after", orNothing(left), rec.Before.Goroutines, rec.After.Goroutines)
	a := &rec.Audit
	add("calls without a ledger row", "none", a.Missing == 0, "%d of %d", a.Missing, rec.Calls)
	add("tokens that providers reported", "the same in both books", a.Differ == 0 && a.Exact > 0, "%d of %d calls differ; ledger %v, simulators %v; %d calls left out", a.Differ, a.Exact, a.Ledger, a.Billed, a.LeftOut)
	ratio := 1.0
	if a.SimEst.Output > 0 {
		ratio = float64(a.LedgerEst.Output) / float64(a.SimEst.Output)
	}
	add("estimated output", fmt.Sprintf("within %.0f %%", 100*tolerance), ratio >= 1-tolerance && ratio <= 1+tolerance, "%.2f of what was billed, in %d calls; ledger %v, simulators %v", ratio, a.Estimated, a.LedgerEst, a.SimEst)
	lost := a.Attempts - a.Requests
	add("attempts", "the same in both books, but for 0.1 % that went to a connection which was being closed", lost >= 0 && lost <= 1+a.Attempts/1000, "ledger %d, simulators %d", a.Attempts, a.Requests)
	grown, flat := growth(rec.Memory)
	add("memory", "flat", flat, "%s", grown)
}

func orNothing(all []string) string {
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// growth compares the last quarter of a run with the second: the first warms up. Up to an eighth and 32 MB more are noise of the collector.
func growth(kb []int64) (text string, flat bool) {
	n := len(kb) / 4
	if n == 0 {
		return "not measured: the run was too short", true
	}
	mean := func(part []int64) int64 {
		var sum int64
		for _, v := range part {
			sum += v
		}
		return sum / int64(len(part))
	}
	second, last := mean(kb[n:2*n]), mean(kb[len(kb)-n:])
	return fmt.Sprintf("%d MB in the second quarter, %d MB in the last, %d MB at most", second>>10, last>>10, slices.Max(kb)>>10), last <= second+second/8+32<<10
}

func counts(m map[string]int) string {
	if len(m) == 0 {
		return "none"
	}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%d %s", m[k], k))
	}
	return strings.Join(all, ", ")
}

// print writes the summary.
func (rec *record) print(w io.Writer) {
	fmt.Fprintf(w, "\nCommit %s, %s\n%s\n%d callers, %s, %d calls\n\n", rec.Commit, rec.Time.Format("2006-01-02 15:04 MST"), rec.Machine, rec.Callers, rec.Took, rec.Calls)
	for _, b := range rec.Bars {
		mark := "met   "
		if !b.Met {
			mark = "MISSED"
		}
		fmt.Fprintf(w, "%s  %s: want %s, got %s\n", mark, b.Name, b.Want, b.Got)
	}
	if len(rec.Reasons) > 0 {
		fmt.Fprintf(w, "\nCalls that did not end well:\n")
		reasons := slices.SortedFunc(maps.Keys(rec.Reasons), func(a, b string) int { return rec.Reasons[b] - rec.Reasons[a] })
		for _, r := range reasons[:min(len(reasons), 40)] {
			fmt.Fprintf(w, "%5d  %s\n", rec.Reasons[r], r)
		}
	}
	for _, e := range rec.Audit.Examples {
		fmt.Fprintf(w, "differs: %s\n", e)
	}
}

// err says whether all bars are met.
func (rec *record) err() error {
	var missed []string
	for _, b := range rec.Bars {
		if !b.Met {
			missed = append(missed, b.Name)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%d of %d bars missed: %s", len(missed), len(rec.Bars), strings.Join(missed, ", "))
	}
	return nil
}

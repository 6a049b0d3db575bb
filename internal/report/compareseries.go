package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// CellAt is a cell at a load level: what runs must have in common to be repeats of each other, within a suite and from one
// suite to the next.
type CellAt struct {
	Target string `json:"target"`
	Region string `json:"region,omitempty"`
	Via    string `json:"via,omitempty"`
	Load   string `json:"load"` // as Load.String
}

// String names the cell for people.
func (c CellAt) String() string {
	s := c.Target
	if c.Region != "" {
		s += " in " + c.Region
	}
	if c.Via != "" {
		s += " via " + c.Via
	}
	return s + " at " + c.Load
}

// At returns the cell and load level of a run.
func (r *Run) At() CellAt {
	return CellAt{Target: r.Cell.Target, Region: r.Cell.Region, Via: r.Cell.Via, Load: r.Load.String()}
}

// String names the load level: "5/s poisson" or "32 users".
func (l Load) String() string {
	switch {
	case l.Mode == "closed" || l.Process == "closed":
		return fmt.Sprintf("%d users", l.Concurrency)
	case l.Concurrency > 0:
		return fmt.Sprintf("%.6g/s %s, at most %d", l.Rate, l.Process, l.Concurrency)
	}
	return fmt.Sprintf("%.6g/s %s", l.Rate, l.Process)
}

// bySeries returns the figures of a suite's runs by cell, repeats in order. Invalid runs are left out; a cell of which
// nothing else is left has an empty list.
func bySeries(s *Suite) map[CellAt][]*Summary {
	series := map[CellAt][]*Summary{}
	runs := slices.Clone(s.Runs)
	slices.SortStableFunc(runs, func(a, b *Run) int { return cmp.Compare(a.Repeat, b.Repeat) })
	for _, r := range runs {
		at := r.At()
		if series[at] == nil {
			series[at] = []*Summary{}
		}
		if r.Verdict.State != StateInvalid {
			series[at] = append(series[at], &r.Summary)
		}
	}
	return series
}

// cellsOf returns the cells of both, in order.
func cellsOf(left, right map[CellAt][]*Summary) []CellAt {
	all := maps.Clone(left)
	maps.Copy(all, right)
	return slices.SortedFunc(maps.Keys(all), compareCells)
}

func compareCells(a, b CellAt) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Via, b.Via),
		cmp.Compare(len(a.Load), len(b.Load)), cmp.Compare(a.Load, b.Load)) // the length first: 5 before 10
}

func names(series map[CellAt][]*Summary) string {
	var list []string
	for _, at := range slices.SortedFunc(maps.Keys(series), compareCells) {
		list = append(list, at.String())
	}
	if len(list) == 0 {
		return "no runs"
	}
	return strings.Join(list, ", ")
}

// workloadDifferences says what differs between two workloads, as far as the suites tell.
func workloadDifferences(a, b *Suite) []string {
	var list []string
	differ := func(what string, x, y any) {
		if x != y {
			list = append(list, fmt.Sprintf("%s %v and %v", what, x, y))
		}
	}
	differ("name", a.Workload.Name, b.Workload.Name)
	differ("version", a.Workload.Version, b.Workload.Version)
	list = append(list, lineDifferences(a.Workload.Source, b.Workload.Source)...)
	if len(a.Runs) > 0 && len(b.Runs) > 0 {
		x, y := a.Runs[0].Load, b.Runs[0].Load
		differ("load", x.String(), y.String())
		differ("sustained", x.Sustain, y.Sustain)
		differ("warmed up", x.Warmup, y.Warmup)
	}
	if len(list) == 0 {
		return []string{"the same file with other settings, such as another seed or kind of answers (compare the commands: " +
			a.Command + " and " + b.Command + ")"}
	}
	return list
}

// lineDifferences returns lines that only one of two texts has, the first few.
func lineDifferences(a, b string) []string {
	const most = 3
	lines := func(text string) map[string]bool {
		set := map[string]bool{}
		for l := range strings.Lines(text) {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
				set[l] = true
			}
		}
		return set
	}
	var list []string
	only := func(text string, other map[string]bool, which string) {
		n := 0
		for l := range strings.Lines(text) {
			if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") || other[l] {
				continue
			}
			if n++; n <= most {
				list = append(list, fmt.Sprintf("only the %s has %q", which, l))
			}
		}
	}
	only(a, lines(b), "baseline")
	only(b, lines(a), "candidate")
	return list
}

// warnings says what else may explain a difference.
func warnings(base, candidate *Suite) []string {
	list := append(suiteWarnings("the baseline", base), suiteWarnings("the candidate", candidate)...)
	a, b := base.Conditions, candidate.Conditions
	var differ []string
	for _, f := range []struct {
		what string
		x, y any
	}{
		{"version of sluice", a.Version, b.Version},
		{"Go", a.Go, b.Go},
		{"system", a.OS, b.OS},
		{"kernel", a.Kernel, b.Kernel},
		{"CPU", a.CPU, b.CPU},
		{"CPUs", a.CPUs, b.CPUs},
		{"GOMAXPROCS", a.GOMAXPROCS, b.GOMAXPROCS},
		{"host", a.Host, b.Host},
		{"price list", a.Prices, b.Prices},
		{"order of runs", a.Order, b.Order},
	} {
		if f.x != f.y {
			differ = append(differ, fmt.Sprintf("%s %v and %v", f.what, f.x, f.y))
		}
	}
	if len(differ) > 0 {
		list = append(list, "measured under different conditions: "+strings.Join(differ, ", "))
	}
	if base.ID == candidate.ID && base.ID != "" {
		list = append(list, "both are the same suite")
	}
	return list
}

// suiteWarnings says why a suite may not be what it seems.
func suiteWarnings(which string, s *Suite) []string {
	var list []string
	invalid, degraded, stopped := 0, 0, 0
	why := map[string]bool{}
	for _, r := range s.Runs {
		switch r.Verdict.State {
		case StateInvalid:
			invalid++
			for _, reason := range r.Verdict.Reasons {
				why[reason] = true
			}
		case StateDegraded:
			degraded++
		}
		if r.Stopped != "" {
			stopped++
		}
	}
	if invalid > 0 {
		list = append(list, fmt.Sprintf("%s: %d of %d runs are invalid and left out (%s)", which, invalid, len(s.Runs),
			strings.Join(slices.Sorted(maps.Keys(why)), "; ")))
	}
	if degraded > 0 {
		list = append(list, fmt.Sprintf("%s: %d of %d runs are degraded: the measuring side was at its limit at times", which, degraded, len(s.Runs)))
	}
	if stopped > 0 {
		list = append(list, fmt.Sprintf("%s: %d of %d runs ended early", which, stopped, len(s.Runs)))
	}
	if d := s.Ended.Sub(s.Started); d > 24*time.Hour {
		list = append(list, fmt.Sprintf("%s: it took %s, long enough for its target to change meanwhile", which, d.Round(time.Hour)))
	}
	return list
}

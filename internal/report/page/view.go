package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/report"
)

// hues is how many colours tell targets apart; marks of different shapes tell those apart that share one.
const hues = 8

// sloMet is the share of requests that must be within all limits for a target to be said to meet them. Failures count as
// outside.
const sloMet = 0.95

// view is a suite as the page looks at it. Its methods make the sections.
type view struct {
	suite   *report.Suite
	results []report.CellResult
	cells   []report.Cell // in the order of results, each once; the index is the target's colour
	head    []int         // indexes of the headline results, one for each cell
	marks   *report.Marker
}

func newView(s *report.Suite, results []report.CellResult) *view {
	v := &view{suite: s, results: results, marks: report.NewMarker()}
	indexes := map[*report.CellResult]int{}
	for i := range results {
		indexes[&results[i]] = i
		if !slices.Contains(v.cells, results[i].Cell) {
			v.cells = append(v.cells, results[i].Cell)
		}
	}
	for _, r := range report.Headline(results) {
		v.head = append(v.head, indexes[r])
	}
	return v
}

func (v *view) cell(c report.Cell) int { return slices.Index(v.cells, c) }

// cellName is a cell in a few words.
func cellName(c report.Cell) string {
	s := c.Target
	if c.Region != "" {
		s += " · " + c.Region
	}
	if c.Via != "" {
		s += " via " + c.Via
	}
	return s
}

// who is a cell as tables name it: the target, and the rest below it.
type who struct {
	Target, Region string
	Hue            int
}

func (v *view) who(c report.Cell) who {
	var rest []string
	if c.Region != "" {
		rest = append(rest, c.Region)
	}
	if c.Via != "" {
		rest = append(rest, "via "+c.Via)
	}
	return who{Target: c.Target, Region: strings.Join(rest, " · "), Hue: v.cell(c) % hues}
}

// loadWords says how requests arrived.
func loadWords(l report.Load) string {
	switch l.Mode {
	case "closed":
		return counted(int64(l.Concurrency), "user", "users")
	case "hybrid":
		return fmt.Sprintf("%s requests/s, at most %d at once", brief(l.Rate), l.Concurrency)
	default:
		if l.Rate <= 0 {
			return l.Process
		}
		return brief(l.Rate) + " requests/s"
	}
}

// loadLevel is a load as a number on an axis.
func loadLevel(l report.Load) (x float64, unit string) {
	if l.Mode == "closed" {
		return float64(l.Concurrency), "concurrent users"
	}
	return l.Rate, "offered requests/s"
}

// sweep says whether any cell has several load levels.
func (v *view) sweep() bool { return len(v.results) > len(v.cells) }

// believed are the headline results that may be compared: valid or degraded, with at least one success.
func (v *view) believed() []int {
	return slices.DeleteFunc(slices.Clone(v.head), func(i int) bool {
		r := &v.results[i]
		return r.Verdict.State == report.StateInvalid || r.OK == 0
	})
}

// worst is the worst verdict of all results.
func (v *view) worst() *report.Verdict {
	if len(v.results) == 0 {
		return nil
	}
	r := slices.MaxFunc(v.results, func(a, b report.CellResult) int {
		return cmp.Compare(a.Verdict.Badness(), b.Verdict.Badness())
	})
	return &r.Verdict
}

// any says whether any result has a latency.
func (v *view) any(l latencyAt) bool {
	return slices.ContainsFunc(v.results, func(r report.CellResult) bool {
		_, ok := leastN(&r, l)
		return ok
	})
}

// named is the suite's name, or a word where it has none.
func (v *view) named() string {
	return cmp.Or(v.suite.Name, v.suite.Workload.Name, "Benchmark")
}

func (v *view) title() string { return v.named() }

func (v *view) lede() string {
	s := v.suite
	var parts []string
	if s.Workload.Name != "" {
		parts = append(parts, strings.TrimSpace("workload "+s.Workload.Name+" "+s.Workload.Version))
	}
	if !s.Started.IsZero() {
		parts = append(parts, s.Started.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	if d := s.Ended.Sub(s.Started); !s.Ended.IsZero() && d > 0 {
		parts = append(parts, "took "+lasting(d))
	}
	return strings.Join(parts, " · ")
}

func (v *view) footer() string {
	return strings.TrimSpace("Written by Sluice "+v.suite.Conditions.Version) + ". Suite " + cmp.Or(v.suite.ID, "without an ID") +
		". The page needs no network: its figures are those of aggregate.json beside it."
}

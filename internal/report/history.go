package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/internal/stat"
)

// Cause is why a figure changed, as far as anybody knows.
type Cause string

// The causes of a change.
const (
	CauseModel    Cause = "model-update" // the provider changed the model, its engine or its price
	CauseLimit    Cause = "limit-change" // the account's limits were changed, or met
	CauseCapacity Cause = "capacity"     // the provider has more or less to spare
	CauseWorkload Cause = "workload"     // what is sent changed
	CauseNoise    Cause = "noise"        // nothing that lasts, or nothing of the target
)

// Causes returns all causes.
func Causes() []Cause {
	return []Cause{CauseModel, CauseLimit, CauseCapacity, CauseWorkload, CauseNoise}
}

// ParseCause reads the name of a cause.
func ParseCause(s string) (Cause, error) {
	if slices.Contains(Causes(), Cause(s)) {
		return Cause(s), nil
	}
	var known []string
	for _, c := range Causes() {
		known = append(known, string(c))
	}
	return "", fmt.Errorf("there is no cause %q%s", s, orOneOf(s, known))
}

// Annotation is what somebody knows about a suite, or about a change that begins with it.
type Annotation struct {
	ID      string    `json:"id"`
	Suite   string    `json:"suite"`            // id
	Cell    string    `json:"cell,omitempty"`   // CellAt.String; "" for all cells
	Metric  string    `json:"metric,omitempty"` // "" for all metrics
	Cause   Cause     `json:"cause"`
	Note    string    `json:"note,omitempty"`
	Created time.Time `json:"created"`
}

// HistoryOptions are the settings of NewHistory. Zero fields take their default.
type HistoryOptions struct {
	Metrics   []string // default DefaultMetrics
	Cell      string   // only cells in whose name this is found
	Tolerance float64  // changes that are smaller do not count; default 0.05 (0.01 points for shares)
	MaxP      float64  // highest p of a change; default 0.001
}

func (o HistoryOptions) withDefaults() HistoryOptions {
	if o.Tolerance == 0 {
		o.Tolerance = 0.05
	}
	if o.MaxP == 0 {
		o.MaxP = 0.001
	}
	return o
}

// History is how the figures of a workload went over many suites.
type History struct {
	Workload string     `json:"workload"`
	Suites   []SuiteRef `json:"suites"` // oldest first
	Lines    []Line     `json:"lines"`  // by cell, then by metric
}

// Line is one figure of one cell over time.
type Line struct {
	Cell    CellAt   `json:"cell"`
	Metric  string   `json:"metric"`
	Unit    string   `json:"unit"`
	Higher  bool     `json:"higher_is_better"`
	Points  []Point  `json:"points"` // of the suites that have the figure
	Changes []Change `json:"changes"`
}

// Point is the figure of one suite.
type Point struct {
	Suite int     `json:"suite"` // index in History.Suites
	Value float64 `json:"value"` // mean of the runs
	N     int     `json:"n"`     // of which there were so many
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

// Change is where a line changed its level.
type Change struct {
	ID      string       `json:"id"`    // stays the same as long as suite, cell and metric do
	Point   int          `json:"point"` // index in Line.Points of the first one after the change
	Suite   SuiteRef     `json:"suite"`
	Before  float64      `json:"before"` // means of the levels
	After   float64      `json:"after"`
	Change  *float64     `json:"change"` // relative; nil from zero
	P       float64      `json:"p"`
	Outcome Outcome      `json:"outcome"`         // Better or Worse
	Cause   Cause        `json:"estimated_cause"` // what the figures suggest
	Why     string       `json:"why"`
	Notes   []Annotation `json:"notes,omitempty"` // what people say, newest last
}

// MinHistory is the least number of points in which changes are looked for.
const MinHistory = 5

// NewHistory follows the figures of suites of one workload, which it sorts by time. Suites of which a cell has no valid run
// are passed over in that cell's lines. Change points are looked for in lines of at least five points; below ten only large
// changes can be found.
func NewHistory(suites []*Suite, notes []Annotation, o HistoryOptions) (*History, error) {
	metrics, err := FindMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("show history: %w", err)
	}
	o = o.withDefaults()
	suites = slices.Clone(suites)
	slices.SortStableFunc(suites, func(a, b *Suite) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
	h := &History{}
	b := builder{suites: suites, series: make([]map[CellAt][]*Summary, len(suites))}
	cells := map[CellAt][]*Summary{}
	for i, s := range suites {
		h.Workload = s.Workload.Name
		h.Suites = append(h.Suites, s.ref())
		b.series[i] = bySeries(s)
		maps.Copy(cells, b.series[i])
	}
	for _, at := range slices.SortedFunc(maps.Keys(cells), compareCells) {
		if !strings.Contains(at.String(), o.Cell) {
			continue
		}
		for _, m := range metrics {
			h.Lines = append(h.Lines, b.line(at, m, o))
		}
	}
	b.explain(h)
	h.annotate(notes)
	return h, nil
}

// builder holds what the lines of a history are made from.
type builder struct {
	suites []*Suite
	series []map[CellAt][]*Summary // of each suite
}

// line follows one figure.
func (b *builder) line(at CellAt, m Metric, o HistoryOptions) Line {
	l := Line{Cell: at, Metric: m.Name, Unit: m.Unit, Higher: m.Higher, Points: []Point{}, Changes: []Change{}}
	var values []float64
	for i := range b.suites {
		var runs []float64
		for _, s := range b.series[i][at] {
			if v, why := m.value(s); why == "" {
				runs = append(runs, v)
			}
		}
		if len(runs) == 0 {
			continue
		}
		s := newSample(runs)
		l.Points = append(l.Points, Point{Suite: i, Value: s.Mean, N: len(runs), Min: s.Min, Max: s.Max})
		values = append(values, s.Mean)
	}
	if m.Points {
		o.Tolerance = 0 // relative changes of a share say little; minPoints decides
	}
	for _, c := range findChanges(values, o) {
		if m.Points && max(c.After-c.Before, c.Before-c.After) < minPoints {
			continue
		}
		suite := b.suites[l.Points[c.Index].Suite]
		change := Change{
			ID: ChangeID(suite.ID, at, m.Name), Point: c.Index, Suite: suite.ref(), Before: c.Before, After: c.After, Change: finite(c.Change()),
			P: c.P, Outcome: Worse,
		}
		if (c.After > c.Before) == m.Higher {
			change.Outcome = Better
		}
		l.Changes = append(l.Changes, change)
	}
	return l
}

// minPoints is the least change of a share that counts.
const minPoints = 0.01

// findChanges looks for changes in one line.
func findChanges(values []float64, o HistoryOptions) []stat.ChangePoint {
	if len(values) < MinHistory {
		return nil
	}
	return stat.ChangePoints(values, stat.ChangeOptions{MaxP: o.MaxP, MinMagnitude: o.Tolerance})
}

// ChangeID names a change by the suite with which it begins, its cell and its metric.
func ChangeID(suite string, at CellAt, metric string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{suite, at.Target, at.Region, at.Via, at.Load, metric}, "\x00")))
	return "c" + hex.EncodeToString(sum[:4])
}

// FindChange returns the suite, cell and metric that the id of a change stands for, also if the change is no longer
// found. id may be the beginning of one.
func (h *History) FindChange(id string) (suite SuiteRef, at CellAt, metric string, ok bool) {
	for _, l := range h.Lines {
		for _, p := range l.Points {
			s := h.Suites[p.Suite]
			if strings.HasPrefix(ChangeID(s.ID, l.Cell, l.Metric), id) {
				if ok {
					return SuiteRef{}, CellAt{}, "", false
				}
				suite, at, metric, ok = s, l.Cell, l.Metric, true
			}
		}
	}
	return suite, at, metric, ok
}

// annotateNear is how many suites a change may be from the one that was annotated: when more runs follow, the place of a
// change can move a little.
const annotateNear = 2

// annotate puts annotations to the changes that they are about.
func (h *History) annotate(notes []Annotation) {
	index := map[string]int{}
	for i, s := range h.Suites {
		index[s.ID] = i
	}
	for i := range h.Lines {
		l := &h.Lines[i]
		for j := range l.Changes {
			c := &l.Changes[j]
			for _, n := range notes {
				at, ok := index[n.Suite]
				if !ok || n.Cell != "" && n.Cell != l.Cell.String() || n.Metric != "" && n.Metric != l.Metric {
					continue
				}
				if d := at - l.Points[c.Point].Suite; d >= -annotateNear && d <= annotateNear {
					c.Notes = append(c.Notes, n)
				}
			}
		}
	}
}

// Unexplained returns the changes for the worse that begin with one of the newest suites and that nobody has annotated.
func (h *History) Unexplained(newest int) []Change {
	var list []Change
	for _, l := range h.Lines {
		for _, c := range l.Changes {
			if c.Outcome == Worse && len(c.Notes) == 0 && l.Points[c.Point].Suite >= len(h.Suites)-newest {
				list = append(list, c)
			}
		}
	}
	return list
}

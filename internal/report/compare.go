package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sluice/internal/stat"
)

// Outcome is what a comparison says about one figure of one cell.
type Outcome string

// The outcomes of a comparison.
const (
	Same    Outcome = "same"    // the difference is within the tolerance, as far as the repeats can tell
	Better  Outcome = "better"  // beyond the tolerance, and not by chance
	Worse   Outcome = "worse"   // likewise, the other way
	Unsure  Outcome = "unsure"  // more repeats are needed to tell
	Missing Outcome = "missing" // one of the suites does not have the figure
)

// CompareOptions are the settings of Compare. Zero fields take their default.
type CompareOptions struct {
	Tolerance      float64  // change that does not matter, as a share; default 0.05
	ErrorTolerance float64  // the same for shares such as the error rate, in points; default 0.01
	FDR            float64  // share of false alarms among the differences found; default 0.05
	Metrics        []string // default DefaultMetrics
	Force          bool     // compare different workloads
}

// withDefaults fills in what is zero, and checks the rest.
func (o CompareOptions) withDefaults() (CompareOptions, error) {
	for _, f := range []struct {
		name string
		v    *float64
		def  float64
	}{{"tolerance", &o.Tolerance, 0.05}, {"tolerance of shares", &o.ErrorTolerance, 0.01}, {"false discovery rate", &o.FDR, 0.05}} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if !(*f.v > 0 && *f.v < 1) {
			return o, fmt.Errorf("compare suites: the %s is %v; it must be between 0 and 1", f.name, *f.v)
		}
	}
	return o, nil
}

// Comparison is what two suites say about each other.
type Comparison struct {
	Base           SuiteRef     `json:"base"`
	Candidate      SuiteRef     `json:"candidate"`
	Tolerance      float64      `json:"tolerance"`
	ErrorTolerance float64      `json:"tolerance_points"`
	FDR            float64      `json:"false_discovery_rate"`
	Warnings       []string     `json:"warnings,omitempty"`
	Counts         Counts       `json:"counts"`
	Differences    []Difference `json:"differences"` // by cell, then by metric in the order asked for
}

// SuiteRef names a suite.
type SuiteRef struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Hash    string    `json:"workload_hash"`
}

// Counts are numbers of differences by outcome.
type Counts struct {
	Same    int `json:"same"`
	Better  int `json:"better"`
	Worse   int `json:"worse"`
	Unsure  int `json:"unsure"`
	Missing int `json:"missing"`
}

// Difference compares one figure of one cell.
type Difference struct {
	Cell      CellAt   `json:"cell"`
	Metric    string   `json:"metric"`
	Unit      string   `json:"unit"`
	Higher    bool     `json:"higher_is_better"`
	Points    bool     `json:"in_points"` // Change, Lo and Hi are differences of shares, not relative
	Base      Sample   `json:"base"`
	Candidate Sample   `json:"candidate"`
	Change    *float64 `json:"change"` // of the mean: 0.1 is 10 % up; nil from zero
	Lo        *float64 `json:"lo"`     // interval of Change, 95 %; nil if there are too few runs
	Hi        *float64 `json:"hi"`
	P         *float64 `json:"p"`          // Welch's t-test on the runs
	Adjusted  *float64 `json:"p_adjusted"` // for the number of differences looked at, by Benjamini and Hochberg
	U         *float64 `json:"p_u"`        // Mann-Whitney's U-test, from four runs a side on; for information
	Outcome   Outcome  `json:"outcome"`
	Reason    string   `json:"reason"`
	Repeats   int      `json:"repeats_needed,omitempty"` // of each suite to tell a change of the size of the tolerance; if Unsure

	nowhere bool // neither suite has the figure, for a reason that is no fault
}

// Sample holds the figures of the runs of one side.
type Sample struct {
	Values []float64 `json:"values"`
	Mean   float64   `json:"mean"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	CV     float64   `json:"cv"` // 0 with fewer than two runs, or a mean of 0
}

func newSample(values []float64) Sample {
	s := Sample{Values: values}
	if len(values) == 0 {
		return s
	}
	s.Mean, s.Min, s.Max = stat.Mean(values), slices.Min(values), slices.Max(values)
	if cv := stat.CV(values); !math.IsNaN(cv) {
		s.CV = cv
	}
	return s
}

// Compare says for each cell and metric whether candidate differs from base. Each run is one observation: requests within a
// run share their circumstances, so that with thousands of them any trifle would be significant.
//
//  1. The difference of the means is tested by Welch's t-test.
//  2. The p of all differences are adjusted together (Benjamini and Hochberg), since one of twenty would stand out by chance.
//  3. A difference counts as better or worse if it is beyond the tolerance and its adjusted p is at most FDR. It counts
//     as the same if the interval of the change is within the tolerance, or if the difference itself is, and is
//     significant. What is left is unsure: more repeats would tell.
//
// Runs whose verdict is "invalid" describe the measuring side and are left out, with a warning. The error is a *WorkloadError if the
// suites put different loads on their targets.
func Compare(base, candidate *Suite, o CompareOptions) (*Comparison, error) {
	asked := o.Metrics
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	metrics, err := FindMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("compare suites: %w", err)
	}
	c := &Comparison{
		Base: base.ref(), Candidate: candidate.ref(), Tolerance: o.Tolerance, ErrorTolerance: o.ErrorTolerance, FDR: o.FDR,
	}
	if base.Workload.Hash != candidate.Workload.Hash {
		different := &WorkloadError{Base: c.Base, Candidate: c.Candidate, Differences: workloadDifferences(base, candidate)}
		if !o.Force {
			return nil, different
		}
		c.Warnings = append(c.Warnings, "the workloads differ, and with them what is compared: "+strings.Join(different.Differences, "; "))
	}
	c.Warnings = append(c.Warnings, warnings(base, candidate)...)
	left, right := bySeries(base), bySeries(candidate)
	cells := cellsOf(left, right)
	if !slices.ContainsFunc(cells, func(at CellAt) bool { return left[at] != nil && right[at] != nil }) {
		return nil, fmt.Errorf("compare suites: %s and %s have no cell in common: %s has %s, %s has %s", base.ID, candidate.ID,
			base.ID, names(left), candidate.ID, names(right))
	}
	for _, at := range cells {
		for _, m := range metrics {
			d := difference(at, m, left[at], right[at])
			if d.nowhere && len(asked) == 0 {
				continue // embeddings have no first token, own servers no price; only who asks for it is told
			}
			c.Differences = append(c.Differences, d)
		}
	}
	c.judge(o)
	return c, nil
}

// judge adjusts the p and decides.
func (c *Comparison) judge(o CompareOptions) {
	ps := make([]float64, len(c.Differences))
	for i, d := range c.Differences {
		ps[i] = math.NaN()
		if d.P != nil {
			ps[i] = *d.P
		}
	}
	rejected, adjusted := stat.BenjaminiHochberg(ps, o.FDR)
	for i := range c.Differences {
		d := &c.Differences[i]
		d.Adjusted = finite(adjusted[i])
		tolerance := o.Tolerance
		if d.Points {
			tolerance = o.ErrorTolerance
		}
		if d.Outcome == "" {
			d.judge(tolerance, rejected[i])
		}
		switch d.Outcome {
		case Same:
			c.Counts.Same++
		case Better:
			c.Counts.Better++
		case Worse:
			c.Counts.Worse++
		case Unsure:
			c.Counts.Unsure++
		case Missing:
			c.Counts.Missing++
		}
	}
}

// WorkloadError says that two suites cannot be compared, since what they sent is different.
type WorkloadError struct {
	Base, Candidate SuiteRef
	Differences     []string
}

// Error names what differs.
func (e *WorkloadError) Error() string {
	return fmt.Sprintf("compare suites: %s and %s have different workloads (%.12s and %.12s): %s", e.Base.ID, e.Candidate.ID,
		e.Base.Hash, e.Candidate.Hash, strings.Join(e.Differences, "; "))
}

// Regression is the error of a comparison in which something is worse; nil if nothing is.
func (c *Comparison) Regression() error {
	if c.Counts.Worse == 0 {
		return nil
	}
	var worse []string
	for _, d := range c.Differences {
		if d.Outcome == Worse {
			worse = append(worse, fmt.Sprintf("%s of %s", d.Metric, d.Cell))
		}
	}
	const most = 5
	if n := len(worse) - most; n > 0 {
		worse = append(worse[:most], fmt.Sprintf("%d more", n))
	}
	return errors.New("worse than the baseline: " + strings.Join(worse, ", "))
}

func (s *Suite) ref() SuiteRef {
	return SuiteRef{ID: s.ID, Name: s.Name, Started: s.Started, Hash: s.Workload.Hash}
}

// finite is v, or nil if v is not a number that JSON has.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

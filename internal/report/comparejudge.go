package report

import (
	"fmt"
	"math"

	"sluice/internal/stat"
)

// uRepeats is the number of runs a side from which on the U-test can be significant at all: with three, its smallest p is
// 0.10.
const uRepeats = 4

// difference measures one figure. Its outcome is set only if there is nothing to judge.
func difference(at CellAt, m Metric, base, candidate []*Summary) Difference {
	d := Difference{Cell: at, Metric: m.Name, Unit: m.Unit, Higher: m.Higher, Points: m.Points}
	var why [2]string
	var side [2][]float64
	for i, runs := range [][]*Summary{base, candidate} {
		if runs == nil {
			why[i] = "the cell is not in it"
		} else if len(runs) == 0 {
			why[i] = "all its runs are invalid"
		}
		for _, s := range runs {
			v, reason := m.value(s)
			if reason != "" {
				why[i] = reason
				continue
			}
			side[i] = append(side[i], v)
		}
	}
	d.Base, d.Candidate = newSample(side[0]), newSample(side[1])
	d.nowhere = why[0] == why[1] && (why[0] == noneHas || why[0] == notPriced) && len(side[0])+len(side[1]) == 0
	for i, name := range []string{"baseline", "candidate"} {
		if len(side[i]) == 0 {
			d.Outcome, d.Reason = Missing, name+": "+why[i]
			return d
		}
	}
	scale := 1.0
	if !m.Points {
		scale = math.Abs(d.Base.Mean)
	}
	gap := d.Candidate.Mean - d.Base.Mean
	if gap == 0 && scale == 0 {
		scale = 1 // zero stayed zero
	}
	w := stat.WelchTest(side[0], side[1])
	lo, hi := w.Interval(gap, Confidence)
	d.Change, d.Lo, d.Hi, d.P = finite(gap/scale), finite(lo/scale), finite(hi/scale), finite(w.P)
	if len(side[0]) >= uRepeats && len(side[1]) >= uRepeats {
		_, u := stat.MannWhitney(side[0], side[1])
		d.U = finite(u)
	}
	return d
}

// judge decides on the outcome. significant is that of the adjusted p.
func (d *Difference) judge(tolerance float64, significant bool) {
	gap := d.Candidate.Mean - d.Base.Mean
	beyond := d.Change == nil || math.Abs(*d.Change) > tolerance // nil: from zero, beyond any tolerance
	limit := d.percent(tolerance)
	switch {
	case d.P == nil:
		d.Outcome = Unsure
		d.Repeats = 5
		d.Reason = "one run says nothing of chance: measure at least 2 of each, better 5"
	case significant && beyond && (gap > 0) == d.Higher:
		d.Outcome, d.Reason = Better, "beyond the tolerance of "+limit+", and not by chance"
	case significant && beyond:
		d.Outcome, d.Reason = Worse, "beyond the tolerance of "+limit+", and not by chance"
	case significant:
		d.Outcome, d.Reason = Same, "a difference that is real, and within the tolerance of "+limit
	case d.Lo != nil && *d.Lo >= -tolerance && *d.Hi <= tolerance:
		d.Outcome, d.Reason = Same, "no difference beyond the tolerance of "+limit
	default:
		d.unsure(tolerance, limit, beyond)
	}
}

// unsure says how many repeats would do.
func (d *Difference) unsure(tolerance float64, limit string, beyond bool) {
	d.Outcome = Unsure
	d.Repeats = d.repeatsNeeded(tolerance)
	what := "the interval reaches beyond the tolerance of " + limit
	if beyond {
		what = "beyond the tolerance of " + limit + ", but chance can do that"
	}
	switch {
	case d.Repeats > maxRepeats:
		d.Reason = fmt.Sprintf("%s: the runs differ too much among themselves to tell with %d repeats", what, maxRepeats)
		d.Repeats = 0
	case d.Repeats > 0:
		d.Reason = fmt.Sprintf("%s: %d repeats of each would tell", what, d.Repeats)
	default:
		d.Reason = what
	}
}

// maxRepeats is the largest number of repeats that is proposed.
const maxRepeats = 50

// repeatsNeeded is the number of runs of each side of which a t-test finds a change of the size of the tolerance four times
// out of five: the usual formula 2 (t + 0.84)^2 (s / change)^2 with t of the runs that it comes to, and at least one more
// than there are.
func (d *Difference) repeatsNeeded(tolerance float64) int {
	scale := 1.0
	if !d.Points {
		scale = math.Abs(d.Base.Mean)
	}
	a, b := stat.Std(d.Base.Values), stat.Std(d.Candidate.Values)
	if scale == 0 || math.IsNaN(a) || math.IsNaN(b) {
		return 0
	}
	spread := math.Sqrt((a*a + b*b) / 2)
	have := min(len(d.Base.Values), len(d.Candidate.Values))
	need := func(t float64) float64 { return 2 * math.Pow((t+0.84)*spread/scale/tolerance, 2) }
	for n := max(have+1, 3, int(min(need(1.96), maxRepeats+1))); n <= maxRepeats; n++ { // t is never below 1.96
		if float64(n) >= need(stat.TCritical(Confidence, float64(2*n-2))) {
			return n
		}
	}
	return maxRepeats + 1
}

// percent writes a change as people read it.
func (d *Difference) percent(v float64) string {
	if d.Points {
		return fmt.Sprintf("%.3g points", v*100)
	}
	return fmt.Sprintf("%.3g %%", v*100)
}

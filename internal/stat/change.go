package stat

import (
	"math"
	"slices"
)

// ChangeOptions are the settings of ChangePoints. Zero fields take their default.
type ChangeOptions struct {
	MaxP         float64 // highest p of a change that counts; default 0.001
	MinMagnitude float64 // least change that counts, as a share of the smaller mean; default 0
	Window       int     // length of the windows that are searched, at least 4; default 50
}

// ChangePoint is a place in a series where its values begin to differ from those before.
type ChangePoint struct {
	Index         int     // of the first value after the change
	Before, After float64 // means between this change and its neighbours
	P             float64 // of the test for a difference of these means
}

// Change is the relative change of the mean: 0.1 is 10 % up. It is infinite for a rise from zero.
func (c ChangePoint) Change() float64 {
	if c.Before == c.After {
		return 0
	}
	return (c.After - c.Before) / math.Abs(c.Before)
}

// magnitude is the change relative to the smaller of the two means, so that a fall by half counts as much as a doubling.
func (c ChangePoint) magnitude() float64 {
	return math.Abs(c.After-c.Before) / min(math.Abs(c.Before), math.Abs(c.After))
}

// ChangePoints finds where a series of measurements, in the order of time, changed its level.
//
// Steps:
//
//  1. E-divisive (Matteson and James, arXiv 1306.4933, alpha = 1): of all ways to cut a segment in two, the one with the
//     largest energy statistic is the candidate, and it stands if the difference is significant; then both parts are
//     searched. It needs no assumption about the size or number of changes.
//  2. Hunter (Fleming and others, arXiv 2301.03034) replaces the permutation test by a t-test, which makes the result
//     the same each time, and searches windows that overlap by half, so that an old and large change does not hide a
//     small one, at ten times the wanted p, since a change near the end of its window looks weak there.
//  3. Then the weakest change is dropped, and its neighbours are tested again over the joined segments, until all that are
//     left are significant at the wanted p, and large enough.
//
// Values that are NaN are not allowed. Series of fewer than four values have no change points.
func ChangePoints(xs []float64, o ChangeOptions) []ChangePoint {
	if o.MaxP <= 0 {
		o.MaxP = 0.001
	}
	if o.Window < 4 {
		o.Window = 50
	}
	return prune(xs, weakPoints(xs, o.Window, min(1, 10*o.MaxP)), o)
}

// weakPoints returns the sorted places of changes within windows.
func weakPoints(xs []float64, window int, maxP float64) []int {
	var cuts []int
	for start := 0; start < len(xs); {
		end := min(start+window, len(xs))
		found := divide(xs[start:end], maxP)
		for _, c := range found {
			if !slices.Contains(cuts, start+c) {
				cuts = append(cuts, start+c)
			}
		}
		if end == len(xs) {
			break
		}
		// The next window begins half a window on, or at the last change: what is before it is settled.
		next := start + window/2
		if len(found) > 0 {
			next = max(next, start+found[len(found)-1])
		}
		start = next
	}
	slices.Sort(cuts)
	return cuts
}

// divide returns the sorted places of changes within one window.
func divide(xs []float64, maxP float64) []int {
	cut, end := bestCut(xs)
	if cut == 0 || levelTest(xs[:cut], xs[cut:end]) >= maxP {
		return nil
	}
	cuts := append(divide(xs[:cut], maxP), cut)
	for _, c := range divide(xs[cut:], maxP) {
		cuts = append(cuts, cut+c)
	}
	return cuts
}

// minSegment is the length of the shortest segments that are told apart: a spread within them must be known.
const minSegment = 2

// bestCut returns the cut for which the energy statistic between xs[:cut] and xs[cut:end] is largest. Not only the whole
// rest is tried as the second part: after a peak, the rest may be like what was before it. cut is 0 if xs is too short.
func bestCut(xs []float64) (cut, end int) {
	n := len(xs)
	// upTo[j][i] is the sum of distances from xs[j] to the first i values.
	upTo := make([][]float64, n)
	for j := range xs {
		upTo[j] = make([]float64, n+1)
		for i := range xs {
			upTo[j][i+1] = upTo[j][i] + math.Abs(xs[j]-xs[i])
		}
	}
	best, within := math.Inf(-1), 0.0 // within: distances among the values before k
	for k := 1; k <= n-minSegment; k++ {
		within += upTo[k-1][k-1]
		if k < minSegment {
			continue
		}
		between, after := 0.0, 0.0
		for e := k + 1; e <= n; e++ {
			between += upTo[e-1][k]
			after += upTo[e-1][e-1] - upTo[e-1][k]
			if e-k < minSegment {
				continue
			}
			a, b := float64(k), float64(e-k)
			energy := 2*between/(a*b) - 2*within/(a*(a-1)) - 2*after/(b*(b-1))
			if q := a * b / (a + b) * energy; q > best {
				best, cut, end = q, k, e
			}
		}
	}
	return cut, end
}

// levelTest is the p of Student's t-test with pooled variance: segments may have two values, too few for variances of
// their own.
func levelTest(a, b []float64) float64 {
	na, nb := float64(len(a)), float64(len(b))
	if na+nb < 3 {
		return 1
	}
	ma, mb := Mean(a), Mean(b)
	df := na + nb - 2
	v := (sumSquares(a, ma) + sumSquares(b, mb)) / df * (1/na + 1/nb)
	if v == 0 {
		if ma == mb {
			return 1
		}
		return 0
	}
	return tTwoSided((mb-ma)/math.Sqrt(v), df)
}

// prune drops weak changes, the weakest first.
func prune(xs []float64, cuts []int, o ChangeOptions) []ChangePoint {
	for {
		points := measure(xs, cuts)
		drop := -1
		for i, p := range points {
			if p.P >= o.MaxP && (drop < 0 || p.P > points[drop].P) {
				drop = i
			}
		}
		if drop < 0 {
			for i, p := range points {
				if p.magnitude() < o.MinMagnitude && (drop < 0 || p.magnitude() < points[drop].magnitude()) {
					drop = i
				}
			}
		}
		if drop < 0 {
			return points
		}
		cuts = slices.Delete(cuts, drop, drop+1)
	}
}

// measure tests each cut between its neighbours.
func measure(xs []float64, cuts []int) []ChangePoint {
	points := make([]ChangePoint, len(cuts))
	for i, c := range cuts {
		from, to := 0, len(xs)
		if i > 0 {
			from = cuts[i-1]
		}
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		points[i] = ChangePoint{Index: c, Before: Mean(xs[from:c]), After: Mean(xs[c:to]), P: levelTest(xs[from:c], xs[c:to])}
	}
	return points
}

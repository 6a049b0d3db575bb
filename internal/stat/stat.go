// Package stat holds the statistics that measurements are judged by: quantiles with honest intervals, tests for differences
// between runs, control of false alarms over many comparisons, and change points in a history. Pure functions.
package stat

import (
	"math"
	"slices"
)

// Mean is the arithmetic mean; NaN if xs is empty.
func Mean(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	// Shifted by the first value, so that values all alike have exactly that mean and a deviation of zero.
	sum := 0.0
	for _, x := range xs {
		sum += x - xs[0]
	}
	return xs[0] + sum/float64(len(xs))
}

// Std is the sample standard deviation, with n-1 in the denominator; NaN for fewer than two values.
func Std(xs []float64) float64 {
	if len(xs) < 2 {
		return math.NaN()
	}
	return math.Sqrt(sumSquares(xs, Mean(xs)) / float64(len(xs)-1))
}

func sumSquares(xs []float64, mean float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += (x - mean) * (x - mean)
	}
	return sum
}

// CV is the coefficient of variation, Std over the size of Mean: 0.05 is 5 %. NaN for fewer than two values or a mean of zero.
func CV(xs []float64) float64 {
	mean := Mean(xs)
	if mean == 0 {
		return math.NaN()
	}
	return Std(xs) / math.Abs(mean)
}

// Quantile is the q-quantile of sorted values, 0 <= q <= 1, by linear interpolation between order statistics: number 7 of
// Hyndman and Fan (1996), the default of R and NumPy. NaN if there are no values or q is outside its range.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	h := q * float64(len(sorted)-1)
	i := int(h)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// BenjaminiHochberg controls the false discovery rate over many tests (Benjamini and Hochberg 1995): of the tests it lets
// through, at most the share fdr is expected to be false alarms. rejected[i] says that test i is significant; adjusted[i] is
// the smallest fdr at which it would be. A p that is NaN stands for a test that was not made: it is neither significant nor
// counted, and its adjusted value is NaN.
func BenjaminiHochberg(ps []float64, fdr float64) (rejected []bool, adjusted []float64) {
	rejected, adjusted = make([]bool, len(ps)), make([]float64, len(ps))
	order := make([]int, 0, len(ps))
	for i, p := range ps {
		if math.IsNaN(p) {
			adjusted[i] = p
			continue
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ps[a] < ps[b]:
			return -1
		case ps[a] > ps[b]:
			return 1
		}
		return 0
	})
	low := 1.0
	for rank := len(order); rank > 0; rank-- {
		i := order[rank-1]
		low = min(low, ps[i]*(float64(len(order))/float64(rank))) // in this order never below ps[i] by rounding
		adjusted[i], rejected[i] = low, low <= fdr
	}
	return rejected, adjusted
}

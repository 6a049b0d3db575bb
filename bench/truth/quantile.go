//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// quantile returns the q-quantile of sorted values, by linear interpolation (type 7 of Hyndman and Fan). It is written
// here, apart from the code that it checks.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// three are the p50, p95 and p99 of a figure, in milliseconds.
type three [3]float64

// percentiles names the members of three.
func percentiles() [3]string { return [3]string{"p50", "p95", "p99"} }

func threeOf(values []float64) three {
	s := slices.Sorted(slices.Values(values))
	return three{quantile(s, .5), quantile(s, .95), quantile(s, .99)}
}

func (t three) String() string { return fmt.Sprintf("%.4g %.4g %.4g", t[0], t[1], t[2]) }

// medianOf returns the median of each percentile over runs.
func medianOf(runs []three) three {
	var t three
	for i := range t {
		var v []float64
		for _, r := range runs {
			v = append(v, r[i])
		}
		t[i] = median(v)
	}
	return t
}

func median(v []float64) float64 { return quantile(slices.Sorted(slices.Values(v)), .5) }

// near says whether a figure is within 2 % or 1 ms of the truth, both in milliseconds.
func near(got, truth float64) bool {
	return math.Abs(got-truth) <= max(0.02*truth, 1) // false for NaN
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

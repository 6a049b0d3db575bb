package stat

import (
	"math"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

func ramp(from float64, n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = from + float64(i)
	}
	return xs
}

func TestMannWhitney(t *testing.T) {
	t.Parallel()
	f := func(wantU, wantP float64, a, b []float64) {
		t.Helper()
		u, p := MannWhitney(a, b)
		if u != wantU || math.Abs(p-wantP) > 1e-12*wantP {
			t.Errorf("MannWhitney(%v, %v) = %v, %v, want %v, %v", a, b, u, p, wantU, wantP)
		}
	}
	// Samples that do not overlap: 2 / (2n choose n). Three repeats cannot reach 0.05.
	f(9, 0.10, ramp(0, 3), ramp(10, 3))
	f(16, 2.0/70, ramp(0, 4), ramp(10, 4))    // 0.0286
	f(0, 2.0/252, ramp(10, 5), ramp(0, 5))    // 0.0079
	f(36, 2.0/924, ramp(0, 6), ramp(10, 6))   // 0.0022
	f(45, 2.0/2002, ramp(0, 9), ramp(100, 5)) // 14 choose 5
	// The example of scipy.stats.mannwhitneyu, from Conover: diagnosis of diabetes, ages of men and women.
	f(17, 1.0/9, []float64{20, 11, 17, 12}, []float64{19, 22, 16, 29, 24})
	f(4.5, 1, []float64{1, 2, 3}, []float64{1, 2, 3})
	f(2, 1, []float64{5, 5}, []float64{5, 5})

	// The example of R's wilcox.test, one-sided p = 0.1272.
	_, p := MannWhitney(
		[]float64{1.15, 0.88, 0.90, 0.74, 1.21},
		[]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46},
	)
	if math.Abs(p/2-0.1272) > 0.00005 {
		t.Errorf("p = %v, want twice 0.1272", p)
	}
	if _, p := MannWhitney(nil, []float64{1}); !math.IsNaN(p) {
		t.Errorf("p without values = %v", p)
	}
}

// TestMannWhitneyIsExact compares with all ways to split the values, ties included.
func TestMannWhitneyIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Map(rapid.IntRange(0, 6), func(i int) float64 { return float64(i) })
		a := rapid.SliceOfN(value, 1, 6).Draw(t, "a")
		b := rapid.SliceOfN(value, 1, 6).Draw(t, "b")
		all := append(append([]float64{}, a...), b...)
		wins := func(mask uint) float64 { // U of the values in mask over the others
			u := 0.0
			for i, x := range all {
				for j, y := range all {
					if mask&(1<<i) != 0 && mask&(1<<j) == 0 {
						switch {
						case x > y:
							u++
						case x == y:
							u += 0.5
						}
					}
				}
			}
			return u
		}
		mean := float64(len(a)*len(b)) / 2
		own := wins((1<<len(all) - 1) &^ (1<<len(a) - 1))
		far, ways := 0, 0
		for mask := range uint(1) << len(all) {
			if bits.OnesCount(mask) != len(b) {
				continue
			}
			ways++
			if math.Abs(wins(mask)-mean) >= math.Abs(own-mean) {
				far++
			}
		}
		u, p := MannWhitney(a, b)
		if want := float64(far) / float64(ways); u != own || math.Abs(p-want) > 1e-12 {
			t.Errorf("%v and %v: u %v, p %v, want %v, %v", a, b, u, p, own, want)
		}
	})
}

// TestMannWhitneyApproximates compares the approximation, where it begins, with the exact distribution.
func TestMannWhitneyApproximates(t *testing.T) {
	t.Parallel()
	f := func(a, b []float64) {
		t.Helper()
		u, p := MannWhitney(a, b)
		ranks, sum, _ := doubleRanks(a, b)
		n, all := len(b), len(a)+len(b)
		if u != float64(sum-n*(n+1))/2 {
			t.Errorf("u = %v", u)
		}
		off := sum - n*(all+1)
		exact := exactRankSum(ranks, n, n*(all+1), max(off, -off))
		if p == exact || math.Abs(p-exact) > 0.05*exact {
			t.Errorf("%d and %d values: p %v, exactly %v", len(a), n, p, exact)
		}
	}
	f(ramp(0, 45), ramp(5.5, 45))
	f(ramp(4.5, 45), ramp(0, 45))
	f(ramp(0, 45), ramp(5, 45)) // with ties
	f(ramp(0, 40), ramp(-3.5, 60))
}

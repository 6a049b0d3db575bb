package stat

import (
	"math"

	"github.com/aclements/go-moremath/mathx"
)

// TInterval is the confidence interval of the mean by Student's t distribution, for values that are about normal, as the
// means of runs are. conf is such as 0.95. Both bounds are NaN for fewer than two values or conf outside (0, 1).
func TInterval(xs []float64, conf float64) (lo, hi float64) {
	if len(xs) < 2 || !(conf > 0 && conf < 1) {
		return math.NaN(), math.NaN()
	}
	n := float64(len(xs))
	mean, half := Mean(xs), TCritical(conf, n-1)*Std(xs)/math.Sqrt(n)
	return mean - half, mean + half
}

// Test is the outcome of a test for a difference of means.
type Test struct {
	T, DF, P float64 // statistic, degrees of freedom, two-sided p
	SE       float64 // standard error of the difference
}

// Welch tests whether the means of a and b differ, without assuming that they vary alike (Welch 1947). t is positive if
// b's mean is greater. With fewer than two values on a side nothing can be tested: p is NaN. Where neither side varies at
// all, p is 1 for equal means and 0 otherwise.
func Welch(a, b []float64) (t, df, p float64) {
	w := WelchTest(a, b)
	return w.T, w.DF, w.P
}

// WelchTest is Welch with the standard error, from which Interval makes a confidence interval.
func WelchTest(a, b []float64) Test {
	nan := math.NaN()
	if len(a) < 2 || len(b) < 2 {
		return Test{nan, nan, nan, nan}
	}
	na, nb := float64(len(a)), float64(len(b))
	ma, mb := Mean(a), Mean(b)
	va, vb := sumSquares(a, ma)/(na-1)/na, sumSquares(b, mb)/(nb-1)/nb // of the means
	se := math.Sqrt(va + vb)
	if se == 0 {
		if ma == mb {
			return Test{0, na + nb - 2, 1, 0}
		}
		return Test{math.Inf(int(math.Copysign(1, mb-ma))), na + nb - 2, 0, 0}
	}
	df := (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
	t := (mb - ma) / se
	return Test{t, df, tTwoSided(t, df), se}
}

// Interval is the confidence interval of the difference b - a. Both bounds are NaN if nothing could be tested.
func (w Test) Interval(diff, conf float64) (lo, hi float64) {
	if math.IsNaN(w.P) || !(conf > 0 && conf < 1) {
		return math.NaN(), math.NaN()
	}
	if w.SE == 0 {
		return diff, diff
	}
	half := TCritical(conf, w.DF) * w.SE
	return diff - half, diff + half
}

// manyDF is where the continued fraction of BetaInc, which gives up after 200 terms, is replaced.
const manyDF = 5000

// tTwoSided is the probability that Student's t with df degrees of freedom is farther from 0 than t. It comes from the
// incomplete beta function directly: as 2(1-CDF) small values would drown in rounding.
func tTwoSided(t, df float64) float64 {
	t = math.Abs(t)
	switch {
	case math.IsNaN(t) || !(df > 0):
		return math.NaN()
	case math.IsInf(t, 0):
		return 0
	case df > manyDF: // Wallace (1959): the error is of the order 1/df^2
		z := math.Sqrt(df*math.Log1p(t*t/df)) * (8*df + 1) / (8*df + 3)
		return math.Erfc(z / math.Sqrt2)
	}
	return mathx.BetaInc(df/(df+t*t), df/2, 0.5)
}

// TCritical is the t that Student's t with df degrees of freedom exceeds in size with the probability 1-conf: 4.303 for 0.95
// and 2. conf must be in (0, 1), and df positive.
//
// It is found by Newton's method from 0: the probability falls with t and is convex, so that no step goes too far.
func TCritical(conf, df float64) float64 {
	half, _ := math.Lgamma(df / 2)
	more, _ := math.Lgamma((df + 1) / 2)
	scale := 2 * math.Exp(more-half) / math.Sqrt(df*math.Pi) // twice the density at 0
	t := 0.0
	for range 1000 {
		slope := scale * math.Exp(-(df+1)/2*math.Log1p(t*t/df))
		step := (tTwoSided(t, df) - (1 - conf)) / slope
		if t += step; !(math.Abs(step) > 1e-14*t) {
			break
		}
	}
	return t
}

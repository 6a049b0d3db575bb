package stat

import (
	"math"

	"github.com/aclements/go-moremath/stats"
)

// QuantileInterval is a confidence interval of the q-quantile of the population that the sorted values are a sample of, made
// of two of them. It assumes nothing of the distribution, only that the values are independent. ok is false, and the bounds
// mean nothing, if there are too few values for an interval with two ends. The interval is the one of quantileRanks, so that
// its confidence is at least conf.
func QuantileInterval(sorted []float64, q, conf float64) (lo, hi float64, ok bool) {
	l, r, ok := quantileRanks(len(sorted), q, conf)
	if !ok {
		return 0, 0, false
	}
	return sorted[l-1], sorted[r-1], true
}

// quantileRanks returns the ranks, from 1, of the order statistics that bound the q-quantile of n values.
//
// How many of the values lie below the quantile has a binomial distribution: the quantile is between the values of rank k
// and k+1 with the probability of k. Starting from the likeliest k, neighbours are added, the likelier one first, until they
// have the confidence; this is exact, where the usual normal approximation is not for quantiles near 1.
func quantileRanks(n int, q, conf float64) (l, r int, ok bool) {
	if n < 1 || !(q > 0 && q < 1) || !(conf > 0 && conf < 1) {
		return 0, 0, false
	}
	N, odds := float64(n), q/(1-q)
	k := min(n, int(math.Ceil((N+1)*q)-1))
	up := func(k int) float64 { return (N - float64(k)) / float64(k+1) * odds } // p(k+1) / p(k)
	first := binomial(n, k, q)
	l, r = k, k+1 // the interval [l, r) of k is in sum
	left, right := 0.0, 0.0
	if l > 0 {
		left = first / up(l-1)
	}
	if r <= n {
		right = first * up(k)
	}
	for sum := first; sum < conf; {
		switch {
		case left == 0 && right == 0:
			return 0, 0, false
		case left >= right:
			sum, l = sum+left, l-1
			if l > 0 {
				left /= up(l - 1)
			} else {
				left = 0
			}
		default:
			sum, r = sum+right, r+1
			if r <= n {
				right *= up(r - 1)
			} else {
				right = 0
			}
		}
	}
	return l, r, l >= 1 && r <= n
}

// binomial is the probability of k successes in n trials of probability q.
func binomial(n, k int, q float64) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q))
}

// enoughConf is the confidence at which Enough wants an interval.
const enoughConf = 0.95

// Enough reports whether n values are enough to print their q-quantile: whether n is at least MinSamples(q).
func Enough(q float64, n int) bool {
	if q = max(q, 1-q); q < 1 && n >= 2*leastSamples(q) {
		return true // most questions end here, without a search
	}
	return minSamples(q, n) > 0
}

// MinSamples is the least number of values of which the q-quantile may be printed: 6 for the median, 39 for p90, 76 for
// p95, 441 for p99 and 4,394 for p99.9. It is 0 if q is outside (0, 1).
//
// It is the first n at which the interval of 95 % has two ends, by the normal approximation with a correction for
// continuity if n is over 30. The exact interval has them a little earlier (34, 76, 377 and 3,765) for values that are
// independent; those of one run are not quite, so the stricter rule decides.
func MinSamples(q float64) int { return minSamples(q, math.MaxInt) }

// minSamples is MinSamples if that is at most limit, otherwise 0.
func minSamples(q float64, limit int) int {
	q = max(q, 1-q)
	if !(q < 1) {
		return 0
	}
	for n := leastSamples(q); n <= limit; n++ {
		if ci := stats.QuantileCI(n, q, enoughConf); ci.LoOrder >= 1 && ci.HiOrder <= n {
			return n
		}
	}
	return 0
}

// leastSamples is a number of values from which there may be an interval with two ends: it leaves out that all values are
// below the quantile, which has the probability q^n. MinSamples is less than twice as large.
func leastSamples(q float64) int { return max(2, int(math.Log(1-enoughConf)/math.Log(q))) }

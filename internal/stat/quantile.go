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

// Enough reports whether n values are enough to print their q-quantile. The least n are 6 for the median, 39 for p90, 76 for
// p95, 441 for p99 and 4,394 for p99.9: those from which on the interval of 95 % has two ends by the normal approximation
// with a correction for continuity. The exact interval has them a little earlier (34, 76, 377, 3,765), for values that
// are independent; those of one run are not quite, so the stricter rule decides.
func Enough(q float64, n int) bool {
	if !(q > 0 && q < 1) || n < 1 {
		return false
	}
	_, _, ok := quantileRanks(n, q, enoughConf)
	if !ok {
		return false
	}
	if far := 20 / min(q, 1-q); float64(n) > far {
		return true // the approximation is good here, and its interval far from the end
	}
	for m := n; m > 0 && 2*m >= n; m-- { // its rule skips some n after its first
		if ci := stats.QuantileCI(m, q, enoughConf); ci.LoOrder >= 1 && ci.HiOrder <= m {
			return true
		}
	}
	return false
}

// MinSamples is the least n for which Enough is true; 0 if q is outside (0, 1).
func MinSamples(q float64) int {
	if !(q > 0 && q < 1) {
		return 0
	}
	lo, hi := 0, 1 // Enough(lo) is false
	for !Enough(q, hi) {
		lo, hi = hi, hi*2
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; Enough(q, mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

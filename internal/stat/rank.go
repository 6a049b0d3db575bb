package stat

import (
	"math"
	"slices"
)

// exactWork bounds the work of the exact distribution of U: values drawn, times values, times rank sums. It is reached at
// about 60 values a side, and takes some tenths of a second.
const exactWork = 20_000_000

// MannWhitney tests whether values of b tend to be larger or smaller than those of a (Mann and Whitney 1947), two-sided. u
// is the number of pairs in which b's value is the greater one, ties counting half. p is exact, also with ties: the share
// of all ways to draw b from the values together whose u is at least as far from its mean. Beyond about 40 values a side it
// is the normal approximation with corrections for ties and continuity. p is NaN if a side is empty, and 1 if all values
// are equal.
//
// The library that the package uses elsewhere is no use here: with ties and sides of different size it takes U's
// distribution for symmetric, which it is not.
func MannWhitney(a, b []float64) (u, p float64) {
	if len(a) == 0 || len(b) == 0 {
		return math.NaN(), math.NaN()
	}
	ranks, sum, ties := doubleRanks(a, b)
	n, m := len(b), len(a)
	u = float64(sum-n*(n+1)) / 2
	off := sum - n*(n+m+1) // from the mean of the doubled rank sum of b
	if off < 0 {
		off = -off
	}
	if off == 0 {
		return u, 1
	}
	// Seen from either side the distance is the same, and the smaller side is less work.
	if k := min(n, m); k*(n+m)*k*(n+m+max(n, m)) <= exactWork {
		return u, exactRankSum(ranks, k, k*(n+m+1), off)
	}
	N := float64(n + m)
	sd := math.Sqrt(float64(n) * float64(m) / 12 * (N + 1 - ties/(N*(N-1))))
	if sd == 0 {
		return u, 1
	}
	z := (float64(off)/2 - 0.5) / sd
	return u, min(1, math.Erfc(z/math.Sqrt2))
}

// doubleRanks returns twice the rank of each value of both sides together, which is whole also for ties, twice the rank sum
// of b, and the correction for ties, the sum of t^3-t.
func doubleRanks(a, b []float64) (ranks []int, sum int, ties float64) {
	type value struct {
		x float64
		b int
	}
	all := make([]value, 0, len(a)+len(b))
	for _, x := range a {
		all = append(all, value{x, 0})
	}
	for _, x := range b {
		all = append(all, value{x, 1})
	}
	slices.SortFunc(all, func(p, q value) int {
		switch {
		case p.x < q.x:
			return -1
		case p.x > q.x:
			return 1
		}
		return 0
	})
	ranks = make([]int, len(all))
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].x == all[i].x {
			j++
		}
		for k := i; k < j; k++ {
			ranks[k] = i + 1 + j
			sum += ranks[k] * all[k].b
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, sum, ties
}

// exactRankSum is the probability that n of the ranks, drawn at random, have a sum at least off away from mean. share[k][s]
// is the probability that a draw, item by item, has taken k with the sum s: each item is taken with the probability of what
// is left to take over what is left to look at.
func exactRankSum(ranks []int, n, mean, off int) float64 {
	most := 0
	for _, r := range ranks[len(ranks)-n:] {
		most += r
	}
	share := make([][]float64, n+1)
	for k := range share {
		share[k] = make([]float64, most+1)
	}
	share[0][0] = 1
	reach := make([]int, n+1) // the largest sum that k of the ranks so far have: those of the last k, as ranks ascend
	for i, r := range ranks {
		left := float64(len(ranks) - i)
		for k := min(i+1, n); k >= 0; k-- {
			stay := 1 - float64(n-k)/left
			if k > 0 {
				reach[k] = reach[k-1] + r
			}
			for s := reach[k]; s >= 0; s-- {
				v := share[k][s] * max(0, stay)
				if k > 0 && s >= r {
					v += share[k-1][s-r] * float64(n-k+1) / left
				}
				share[k][s] = v
			}
		}
	}
	p := 0.0
	for s, v := range share[n] {
		if s <= mean-off || s >= mean+off {
			p += v
		}
	}
	return min(1, p)
}

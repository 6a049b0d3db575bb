package route

import (
	"math/rand/v2"

	"sluice/internal/llm"
)

// draw orders targets at random, one a tier: each place goes to one of those that are left, by their weights. Targets
// of weight 0 come last, in the order written. Equal random numbers give equal orders.
func draw(targets []*llm.Target, weights []int, rnd uint64) [][]*llm.Target {
	n := len(targets)
	left := make([]int, n) // weights, 0 once drawn
	sum := copyWeights(left, weights)
	tiers := make([][]*llm.Target, 0, n)
	order := make([]*llm.Target, 0, n)
	src := rand.NewPCG(rnd, 0x51_1c_ce)
	for sum > 0 {
		at := below(src, uint64(sum))
		for i, w := range left {
			if at < uint64(w) {
				order = append(order, targets[i])
				sum -= w
				left[i] = 0
				break
			}
			at -= uint64(w)
		}
	}
	for i, w := range weights {
		if w == 0 {
			order = append(order, targets[i])
		}
	}
	for i := range order {
		tiers = append(tiers, order[i:i+1:i+1])
	}
	return tiers
}

func copyWeights(to, from []int) (sum int) {
	for i, w := range from {
		to[i] = w
		sum += w
	}
	return sum
}

// below returns a random number under n. The error of the plain remainder is under one in 2^40 for weights as
// configuration allows them.
func below(src *rand.PCG, n uint64) uint64 { return src.Uint64() % n }

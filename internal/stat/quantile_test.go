package stat

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuantileRanks(t *testing.T) {
	t.Parallel()
	f := func(n int, q float64, wantL, wantR int) {
		t.Helper()
		if l, r, ok := quantileRanks(n, q, 0.95); l != wantL || r != wantR || !ok {
			t.Errorf("ranks of q %v, n %d = %d..%d, %v, want %d..%d", q, n, l, r, ok, wantL, wantR)
		}
	}
	f(1000, 0.99, 984, 997)
	f(5000, 0.99, 4936, 4964)
	f(6, 0.5, 1, 6)
	f(100, 0.5, 40, 60) // David and Nagaraja
	for _, n := range []int{0, 1, 5} {
		if _, _, ok := quantileRanks(n, 0.5, 0.95); ok {
			t.Errorf("an interval of the median from %d values", n)
		}
	}
	for _, q := range []float64{0, 1, -1, 2, math.NaN()} {
		if _, _, ok := quantileRanks(1000, q, 0.95); ok {
			t.Errorf("an interval of quantile %v", q)
		}
	}
}

// TestQuantileRanksAreExact sums up the binomial distribution in rational numbers: the interval has the confidence, and
// without its least likely end it would not.
func TestQuantileRanksAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(6, 120).Draw(t, "n")
		percent := rapid.Int64Range(1, 99).Draw(t, "percent")
		l, r, ok := quantileRanks(n, float64(percent)/100, 0.95)
		if !ok {
			return
		}
		p := func(k int) *big.Rat {
			in := new(big.Int).Exp(big.NewInt(percent), big.NewInt(int64(k)), nil)
			out := new(big.Int).Exp(big.NewInt(100-percent), big.NewInt(int64(n-k)), nil)
			ways := new(big.Int).Binomial(int64(n), int64(k))
			all := new(big.Int).Exp(big.NewInt(100), big.NewInt(int64(n)), nil)
			return new(big.Rat).SetFrac(ways.Mul(ways, in.Mul(in, out)), all)
		}
		sum := new(big.Rat)
		for k := l; k < r; k++ {
			sum.Add(sum, p(k))
		}
		last := p(l)
		if p(r-1).Cmp(last) < 0 {
			last = p(r - 1)
		}
		want := big.NewRat(95, 100)
		if sum.Cmp(want) < 0 || new(big.Rat).Sub(sum, last).Cmp(want) >= 0 {
			c, _ := sum.Float64()
			t.Errorf("n %d, q %d %%: ranks %d..%d have confidence %v", n, percent, l, r, c)
		}
	})
}

// TestQuantileIntervalCovers draws samples of a known distribution: at least 95 % of the intervals hold the true quantile.
func TestQuantileIntervalCovers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	f := func(q float64, n int) {
		t.Helper()
		const tries = 2000
		hit := 0
		xs := make([]float64, n)
		for range tries {
			for i := range xs {
				xs[i] = r.Float64()
			}
			slices.Sort(xs)
			if lo, hi, ok := QuantileInterval(xs, q, 0.95); ok && lo <= q && q <= hi {
				hit++
			}
		}
		if hit < tries*94/100 { // two standard errors below
			t.Errorf("q %v, n %d: %d of %d intervals hold it", q, n, hit, tries)
		}
	}
	f(0.5, 20)
	f(0.95, 200)
	f(0.99, 800)
	if lo, hi, ok := QuantileInterval(ramp(1, 1000), 0.99, 0.95); lo != 984 || hi != 997 || !ok {
		t.Errorf("interval = %v, %v, %v", lo, hi, ok)
	}
	big := ramp(0, 1_000_000)
	if lo, hi, ok := QuantileInterval(big, 0.5, 0.95); math.Abs(lo-499_020) > 2 || math.Abs(hi-500_980) > 2 || !ok {
		t.Errorf("interval of a million = %v, %v, %v", lo, hi, ok)
	}
}

func TestMinSamples(t *testing.T) {
	t.Parallel()
	f := func(q float64, want int) {
		t.Helper()
		if got := MinSamples(q); got != want {
			t.Errorf("MinSamples(%v) = %d, want %d", q, got, want)
		}
		if want > 0 && (Enough(q, want-1) || !Enough(q, want)) {
			t.Errorf("Enough(%v) does not begin at %d", q, want)
		}
	}
	f(0.5, 6)
	f(0.9, 39)
	f(0.95, 76)
	f(0.99, 441)
	f(0.999, 4394)
	f(0.01, 441)
	f(0, 0)
	f(1, 0)
}

// TestMinSamplesIsStricter: where a quantile may be printed, its exact interval exists.
func TestMinSamplesIsStricter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.Float64Range(0.5, 0.999).Draw(t, "q")
		least := MinSamples(q)
		if Enough(q, least-1) || !Enough(q, least) || !Enough(q, least+1) || !Enough(q, 10*least) {
			t.Errorf("q %v: Enough does not begin at %d", q, least)
		}
		if least >= 2*leastSamples(q) {
			t.Errorf("q %v: the least is %d, not below %d", q, least, 2*leastSamples(q))
		}
		if _, _, ok := quantileRanks(least, q, 0.95); !ok {
			t.Errorf("q %v: no interval from %d values", q, least)
		}
	})
}

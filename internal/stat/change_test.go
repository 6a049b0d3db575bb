package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// levels is a series with normal noise of standard deviation 3 around each mean.
func levels(r *rand.Rand, means ...float64) []float64 {
	xs := make([]float64, len(means))
	for i, m := range means {
		xs[i] = m + 3*r.NormFloat64()
	}
	return xs
}

func repeat(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

func TestChangePoints(t *testing.T) {
	t.Parallel()
	f := func(name string, means []float64, want ...int) {
		t.Helper()
		r := rand.New(rand.NewPCG(7, 8))
		const tries = 200
		good := 0
		for range tries {
			got := ChangePoints(levels(r, means...), ChangeOptions{MinMagnitude: 0.05})
			if len(got) != len(want) {
				continue
			}
			ok := true
			for i, c := range got {
				ok = ok && c.Index >= want[i]-2 && c.Index <= want[i]+2
			}
			if ok {
				good++
			}
		}
		if good < tries*90/100 {
			t.Errorf("%s: %d of %d series have the changes %v", name, good, tries, want)
		}
	}
	f("no change", repeat(100, 60))
	f("one change", slices.Concat(repeat(100, 35), repeat(112, 25)), 35)
	f("a fall", slices.Concat(repeat(100, 35), repeat(88, 25)), 35)
	f("a peak", slices.Concat(repeat(100, 30), repeat(120, 6), repeat(100, 24)), 30, 36)
	f("two steps", slices.Concat(repeat(100, 30), repeat(115, 30), repeat(130, 30)), 30, 60)
	f("a small one before a large one", slices.Concat(repeat(100, 25), repeat(112, 25), repeat(500, 25)), 25, 50)
	f("far beyond one window", slices.Concat(repeat(100, 110), repeat(115, 90)), 110)
	f("at the end", slices.Concat(repeat(100, 50), repeat(130, 3)), 50)
}

func TestChangePointsOfSmallSeries(t *testing.T) {
	t.Parallel()
	f := func(want []ChangePoint, xs ...float64) {
		t.Helper()
		if got := ChangePoints(xs, ChangeOptions{}); !slices.Equal(got, want) {
			t.Errorf("ChangePoints(%v) = %v, want %v", xs, got, want)
		}
	}
	f(nil)
	f(nil, 1)
	f(nil, 1, 1, 9)
	f(nil, 5, 5, 5, 5, 5, 5)
	f([]ChangePoint{{Index: 3, Before: 1, After: 2}}, 1, 1, 1, 2, 2)
	f([]ChangePoint{{Index: 2, Before: 0, After: 2}}, 0, 0, 2, 2)
}

func TestChangeMagnitude(t *testing.T) {
	t.Parallel()
	f := func(before, after, want float64) {
		t.Helper()
		if got := (ChangePoint{Before: before, After: after}).Change(); got != want {
			t.Errorf("change from %v to %v = %v, want %v", before, after, got, want)
		}
	}
	f(100, 110, 0.1)
	f(100, 50, -0.5)
	f(0, 1, math.Inf(1))
	f(0, 0, 0)
	xs := slices.Concat(repeat(100, 10), repeat(104, 10), repeat(130, 10))
	if got := ChangePoints(xs, ChangeOptions{MinMagnitude: 0.05}); len(got) != 1 || got[0].Index != 20 || got[0].Before != 102 {
		t.Errorf("with a least magnitude of 5 %%: %v", got)
	}
}

// TestBestCutIsTheBest compares the running sums with the definition.
func TestBestCutIsTheBest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 100), 4, 14).Draw(t, "xs")
		q := func(a, b []float64) float64 {
			sum := func(x, y []float64) (s float64) {
				for _, v := range x {
					for _, w := range y {
						s += math.Abs(v - w)
					}
				}
				return s
			}
			n, m := float64(len(a)), float64(len(b))
			return n * m / (n + m) * (2*sum(a, b)/(n*m) - sum(a, a)/(n*(n-1)) - sum(b, b)/(m*(m-1)))
		}
		best := math.Inf(-1)
		for k := 2; k <= len(xs)-2; k++ {
			for e := k + 2; e <= len(xs); e++ {
				best = max(best, q(xs[:k], xs[k:e]))
			}
		}
		k, e := bestCut(xs)
		if got := q(xs[:k], xs[k:e]); got < best-1e-9*(1+math.Abs(best)) {
			t.Errorf("cut %d, end %d has %v, the best %v", k, e, got, best)
		}
	})
}

// TestChangePointsAreSound: whatever the series, changes come in order, are significant, and stay the same when all values
// are scaled.
func TestChangePointsAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(1, 1000), 0, 130).Draw(t, "xs")
		got := ChangePoints(xs, ChangeOptions{MaxP: 0.01, Window: 20})
		last := 0
		for _, c := range got {
			if c.Index <= last || c.Index >= len(xs) || !(c.P < 0.01) {
				t.Errorf("change %+v after %d of %d values", c, last, len(xs))
			}
			last = c.Index
		}
		scaled := make([]float64, len(xs))
		for i, x := range xs {
			scaled[i] = x * 4 // exact in floating point
		}
		again := ChangePoints(scaled, ChangeOptions{MaxP: 0.01, Window: 20})
		if !slices.EqualFunc(got, again, func(a, b ChangePoint) bool { return a.Index == b.Index }) {
			t.Errorf("scaled by 4: %v, before %v", again, got)
		}
	})
}

func BenchmarkChangePoints(b *testing.B) {
	xs := levels(rand.New(rand.NewPCG(1, 1)), slices.Concat(repeat(100, 500), repeat(110, 500))...)
	for b.Loop() {
		ChangePoints(xs, ChangeOptions{})
	}
}

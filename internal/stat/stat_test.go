package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// near fails unless got is want within a relative tolerance.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > tolerance*math.Max(math.Abs(want), 1e-300) && got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestMoments(t *testing.T) {
	t.Parallel()
	xs := []float64{2, 4, 4, 4, 5, 5, 7, 9}
	near(t, "mean", Mean(xs), 5, 1e-15)
	near(t, "std", Std(xs), math.Sqrt(32.0/7), 1e-15)
	near(t, "cv", CV(xs), math.Sqrt(32.0/7)/5, 1e-15)
	near(t, "cv of a negative mean", CV([]float64{-1, -3}), math.Sqrt2/2, 1e-15)
	for name, v := range map[string]float64{
		"mean of none": Mean(nil), "std of one": Std([]float64{1}), "cv of one": CV([]float64{1}), "cv of mean 0": CV([]float64{-1, 1}),
	} {
		if !math.IsNaN(v) {
			t.Errorf("%s = %v, want NaN", name, v)
		}
	}
	same := slices.Repeat([]float64{0.1}, 7)
	if Mean(same) != 0.1 || Std(same) != 0 {
		t.Errorf("of equal values: mean %v, std %v", Mean(same), Std(same))
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	f := func(q, want float64, xs ...float64) {
		t.Helper()
		near(t, "quantile", Quantile(xs, q), want, 1e-14)
	}
	f(0.5, 2.5, 1, 2, 3, 4)
	f(0.25, 1.75, 1, 2, 3, 4) // numpy.quantile([1,2,3,4], 0.25)
	f(0.9, 3.7, 1, 2, 3, 4)
	f(0, 1, 1, 2)
	f(1, 2, 1, 2)
	f(0.7, 5, 5)
	f(0.5, math.NaN())
	f(-0.1, math.NaN(), 1)
	f(math.NaN(), math.NaN(), 1)
}

// TestTInterval compares with the tables of Student's t: 4.303, 2.776, 2.228 and 63.657.
func TestTInterval(t *testing.T) {
	t.Parallel()
	f := func(n int, conf, want, tolerance float64) {
		t.Helper()
		xs := make([]float64, n) // of mean 0 and standard deviation 1
		for i := range xs {
			xs[i] = float64(i)
		}
		mean, std := Mean(xs), Std(xs)
		for i := range xs {
			xs[i] = (xs[i] - mean) / std
		}
		lo, hi := TInterval(xs, conf)
		near(t, "t", hi*math.Sqrt(float64(n)), want, tolerance)
		near(t, "-t", lo*math.Sqrt(float64(n)), -want, tolerance)
	}
	f(3, 0.95, 4.302652729749464, 1e-12)
	f(5, 0.95, 2.7764451051977934, 1e-12)
	f(11, 0.95, 2.2281388519862744, 1e-12)
	f(2, 0.99, 63.65674116287158, 1e-11)
	f(5001, 0.95, 1.960438, 1e-6) // the last that BetaInc answers
	f(5002, 0.95, 1.960438, 1e-6) // the first approximation
	f(200001, 0.95, 1.959977, 1e-6)
	for _, xs := range [][]float64{nil, {1}} {
		if lo, hi := TInterval(xs, 0.95); !math.IsNaN(lo) || !math.IsNaN(hi) {
			t.Errorf("TInterval(%v) = %v, %v", xs, lo, hi)
		}
	}
	if lo, _ := TInterval([]float64{1, 2}, 1); !math.IsNaN(lo) {
		t.Error("an interval of confidence 1")
	}
}

// TestWelch has the examples of https://en.wikipedia.org/wiki/Welch%27s_t-test, where p comes from R.
func TestWelch(t *testing.T) {
	t.Parallel()
	f := func(wantT, wantDF, wantP float64, a, b []float64) {
		t.Helper()
		gotT, df, p := Welch(b, a)
		if math.Abs(gotT-wantT) > 0.005 || math.Abs(df-wantDF) > 0.05 || math.Abs(p-wantP) > 0.0005 {
			t.Errorf("Welch = %.4f, %.3f, %.5f, want %v, %v, %v", gotT, df, p, wantT, wantDF, wantP)
		}
	}
	f(
		-2.46, 25.0, 0.021,
		[]float64{27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4},
		[]float64{27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4},
	)
	f(
		-1.57, 9.9, 0.149,
		[]float64{17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8},
		[]float64{21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5, 23.6, 21.5, 22.5, 23.5, 21.5, 21.8},
	)
	f(
		-2.22, 24.5, 0.036,
		[]float64{19.8, 20.4, 19.6, 17.8, 18.5, 18.9, 18.3, 18.9, 19.5, 22.0},
		[]float64{28.2, 26.6, 20.1, 23.3, 25.2, 22.1, 17.7, 27.6, 20.6, 13.7, 23.2, 17.5, 20.6, 18.0, 23.9, 21.6, 24.3, 20.4, 24.0, 13.2},
	)
}

func TestWelchAtTheEdges(t *testing.T) {
	t.Parallel()
	f := func(wantP float64, a, b []float64) {
		t.Helper()
		if _, _, p := Welch(a, b); p != wantP && !(math.IsNaN(p) && math.IsNaN(wantP)) {
			t.Errorf("p of %v and %v = %v, want %v", a, b, p, wantP)
		}
	}
	f(math.NaN(), []float64{1}, []float64{1, 2})
	f(math.NaN(), []float64{1, 2}, nil)
	f(1, []float64{0.3, 0.3, 0.3}, []float64{0.3, 0.3})
	f(0, []float64{0.3, 0.3, 0.3}, []float64{0.4, 0.4})
	lo, hi := WelchTest([]float64{1, 1}, []float64{2, 2}).Interval(1, 0.95)
	if lo != 1 || hi != 1 {
		t.Errorf("interval without spread = %v, %v", lo, hi)
	}
	if lo, _ := WelchTest([]float64{1}, []float64{2}).Interval(1, 0.95); !math.IsNaN(lo) {
		t.Errorf("interval of one value each = %v", lo)
	}
	// Many values: the continued fraction is out of its depth, the answer must not be.
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]float64, 60_000), make([]float64, 60_000)
	for i := range a {
		a[i], b[i] = r.NormFloat64(), r.NormFloat64()+0.02
	}
	w := WelchTest(a, b)
	near(t, "p of 120,000 values", w.P, math.Erfc(math.Abs(w.T)/math.Sqrt2), 1e-3)
}

// TestTTwoSided compares with the closed forms for 1, 2 and 4 degrees of freedom.
func TestTTwoSided(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0.001, 1000).Draw(t, "t")
		c := x / math.Sqrt(2+x*x)
		for df, want := range map[float64]float64{
			1: 2 / math.Pi * math.Atan(1/x),
			2: 2 / (2 + x*x) / (1 + c), // 1-c without cancellation
		} {
			if got := tTwoSided(x, df); math.Abs(got-want) > 1e-11*want {
				t.Errorf("t = %v, df = %v: %v, want %v", x, df, got, want)
			}
		}
	})
}

// TestBenjaminiHochberg has the example of the paper, with adjusted values as SciPy's documentation shows them.
func TestBenjaminiHochberg(t *testing.T) {
	t.Parallel()
	ps := []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0}
	want := []float64{0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.06385714, 0.06385714, 0.0645, 0.0765, 0.486, 0.58118182, 0.714875, 0.75323077, 0.81321429, 1}
	r := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		r.Shuffle(len(ps), func(i, j int) { ps[i], ps[j] = ps[j], ps[i]; want[i], want[j] = want[j], want[i] })
		rejected, adjusted := BenjaminiHochberg(ps, 0.05)
		n := 0
		for i := range ps {
			near(t, "adjusted", adjusted[i], want[i], 1e-7)
			if rejected[i] {
				n++
			}
			if rejected[i] != (ps[i] <= 0.0095) {
				t.Errorf("p %v: rejected = %v", ps[i], rejected[i])
			}
		}
		if n != 4 {
			t.Errorf("%d rejected, want 4 as in the paper", n)
		}
	}
	rejected, adjusted := BenjaminiHochberg([]float64{math.NaN(), 0.03}, 0.05)
	if rejected[0] || !rejected[1] || !math.IsNaN(adjusted[0]) || adjusted[1] != 0.03 {
		t.Errorf("with a test that was not made: %v, %v", rejected, adjusted)
	}
}

// TestBenjaminiHochbergRounding: 0.8007812500000004 * 5 / 5 is less than it was.
func TestBenjaminiHochbergRounding(t *testing.T) {
	t.Parallel()
	const p = 0.8007812500000004
	if _, adjusted := BenjaminiHochberg([]float64{0.5, 0.5, 0.5, 0.5, p}, 0.05); adjusted[4] != p {
		t.Errorf("adjusted %v, want %v", adjusted[4], p)
	}
}

// TestBenjaminiHochbergIsMonotone: a smaller p never has a larger adjusted value, and none falls below its p.
func TestBenjaminiHochbergIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		rejected, adjusted := BenjaminiHochberg(ps, 0.1)
		for i := range ps {
			if adjusted[i] < ps[i] || adjusted[i] > 1 || rejected[i] != (adjusted[i] <= 0.1) {
				t.Errorf("p %v: adjusted %v, rejected %v", ps[i], adjusted[i], rejected[i])
			}
			for j := range ps {
				if ps[i] < ps[j] && adjusted[i] > adjusted[j] {
					t.Errorf("p %v < %v, but adjusted %v > %v", ps[i], ps[j], adjusted[i], adjusted[j])
				}
			}
		}
	})
}

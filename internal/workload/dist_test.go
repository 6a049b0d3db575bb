package workload

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDistributionCompletesTables(t *testing.T) {
	t.Parallel()
	f := func(name string, knots []knot, want dist) {
		t.Helper()
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 0.01*max(1, math.Abs(a)) })
		if diff := cmp.Diff(want, newDist(knots), near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("nothing", nil, dist{})
	f("one percentile is all of them", []knot{{0.5, 500}}, dist{P: []float64{0, 0.5, 1}, X: []float64{500, 500, 500}})
	f("bounds given", []knot{{0, 10}, {1, 20}}, dist{P: []float64{0, 1}, X: []float64{10, 20}})
	// A log-normal with median 500 and sigma 0.843 has p95 = 2000; its p1 is 500*exp(-2.326*0.843) = 70.4.
	f("down to p1, no further up than named", []knot{{0.5, 500}, {0.95, 2000}},
		dist{P: []float64{0, 0.5, 0.95, 1}, X: []float64{70.4, 500, 2000, 2000}})
	f("not below 1", []knot{{0.5, 2}, {0.6, 900}}, dist{P: []float64{0, 0.5, 0.6, 1}, X: []float64{1, 2, 900, 900}})
	f("p50 and p99 the same", []knot{{0.5, 1000}, {0.99, 1000}},
		dist{P: []float64{0, 0.5, 0.99, 1}, X: []float64{1000, 1000, 1000, 1000}})
}

// anyDist draws a table of percentiles.
func anyDist(t *rapid.T) dist {
	ps := rapid.SliceOfNDistinct(rapid.IntRange(0, 1000), 1, 8, rapid.ID).Draw(t, "per mille")
	slices.Sort(ps)
	xs := rapid.SliceOfN(rapid.Float64Range(1, 1e5), len(ps), len(ps)).Draw(t, "lengths")
	slices.Sort(xs)
	knots := make([]knot, len(ps))
	for i := range ps {
		knots[i] = knot{float64(ps[i]) / 1000, xs[i]}
	}
	return newDist(knots)
}

func TestDistributionGoesThroughItsTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := anyDist(t)
		for i, p := range d.P {
			if got := d.at(p); math.Abs(got-d.X[i]) > 1e-9*d.X[i] {
				t.Fatalf("at %v: %v, want %v", p, got, d.X[i])
			}
		}
		u := rapid.Float64Range(0, 1).Draw(t, "u")
		v := rapid.Float64Range(u, 1).Draw(t, "v")
		if d.at(u) > d.at(v)*(1+1e-12) || d.at(u) < 1 {
			t.Fatalf("at %v: %v, at %v: %v; it must not fall, nor be below 1", u, d.at(u), v, d.at(v))
		}
		var sum float64
		const n = 20000
		for i := range n {
			sum += d.at((float64(i) + 0.5) / n)
		}
		if mean := d.mean(); math.Abs(mean-sum/n) > 0.01*mean {
			t.Fatalf("mean %v, by adding up %v", mean, sum/n)
		}
	})
}

func TestSamplesHaveThePercentilesOfTheirTable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"azure-conv", "azure-code", "mooncake-conversation", "rag"} {
		w, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		l := w.load.Mix[0].Lengths
		const n = 40000
		src := Key{Seed: 7}.common("lengths")
		in, out := make([]float64, n), make([]float64, n)
		for i := range uint64(n) {
			a, b := l.draw(src.at(i))
			in[i], out[i] = float64(a), float64(b)
		}
		for _, f := range []struct {
			what    string
			samples []float64
			d       dist
		}{{"input", in, l.In}, {"output", out, l.Out}} {
			slices.Sort(f.samples)
			for i, p := range f.d.P {
				if p < 0.02 || p > 0.991 {
					continue
				}
				// The true rank is within 4 standard errors; so is the length between those of these ranks.
				se := 4 * math.Sqrt(p*(1-p)/n)
				low, high := f.d.at(p-se)-1, f.d.at(min(p+se, 1))+1
				if got := f.samples[int(p*n)]; got < low || got > high {
					t.Errorf("%s, %s at %v: %v, want %v (%v to %v)", name, f.what, p, got, f.d.X[i], low, high)
				}
			}
		}
	}
}

// The published means of the whole traces (docs of the profiles): the tables must come near them though they do not have them.
func TestProfilesHaveTheMeansOfTheirTraces(t *testing.T) {
	t.Parallel()
	f := func(name string, in, out float64) {
		t.Helper()
		w, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		l := w.load.Mix[0].Lengths
		if a, b := l.In.mean(), l.Out.mean(); math.Abs(a/in-1) > 0.04 || math.Abs(b/out-1) > 0.06 {
			t.Errorf("%s: means %.1f and %.1f, want %.1f and %.1f", name, a, b, in, out)
		}
	}
	f("azure-conv", 1154.7, 211.1)
	f("azure-code", 2047.8, 27.9)
	f("mooncake-conversation", 12035, 343)
}

func TestOneRowIsOneRequest(t *testing.T) {
	t.Parallel()
	w := mustParse(t, `
  request_distribution:
    - {percentile: 50, input_tokens: 500, output_tokens: 100}
    - {percentile: 95, input_tokens: 5000, output_tokens: 1000}
  concurrent_users: 1`)
	s := mustSchedule(t, w, ScheduleOptions{})
	var long int
	for i := range int64(5000) {
		slot := s.Slot(i)
		if (slot.Input > 500) != (slot.Output > 100) && slot.Input != 500 && slot.Output != 100 {
			t.Fatalf("request %d: %d in, %d out; a row is long in both or in none", i, slot.Input, slot.Output)
		}
		if slot.Input == 5000 {
			long++
		}
	}
	if long < 180 || long > 320 { // a twentieth
		t.Errorf("%d of 5000 are as long as the last row, want about 250", long)
	}
}

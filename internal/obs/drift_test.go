package obs

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

// streamed is an answered stream with a time to the first token and one per output token.
func streamed(ttft, tpot time.Duration) *CallStats {
	c := &CallStats{Stream: true, Attempts: 1, FirstToken: ttft, Usage: llm.Usage{Output: 11}, HasUsage: true}
	c.Stages[StageStream] = 10 * tpot
	return c
}

func TestDriftOfLiveCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(MetricsOptions{})
		s := m.Series(llm.OpChat, "smart", "p/m", "p", "")
		s.Observe(streamed(time.Second, time.Second)) // without a baseline nothing is kept
		m.SetBaseline([]BaselineFigure{
			{Target: "p/m", Metric: DriftTTFT, Quantile: 0.5, Seconds: 0.2},
			{Target: "p/m", Metric: DriftTTFT, Quantile: 0.95, Seconds: 0.5},
			{Target: "p/m", Metric: DriftTPOT, Quantile: 0.5, Seconds: 0.02},
			{Target: "p/m", Metric: DriftTPOT, Quantile: 0.5, Seconds: 9}, // a second time must not fail the scrape
			{Target: "idle", Metric: DriftTTFT, Quantile: 0.5, Seconds: 1},
			{Target: "bad", Metric: DriftTTFT, Quantile: 0.5, Seconds: 0},
			{Target: "bad", Metric: DriftTTFT, Quantile: 1, Seconds: 1},
		})
		for range 29 {
			s.Observe(streamed(300*time.Millisecond, 20*time.Millisecond))
		}
		text := scrape(t, m)
		wantLines(t, text,
			`sluice_baseline_seconds{metric="ttft",quantile="0.95",target="p/m"} 0.5`,
			`sluice_baseline_seconds{metric="tpot",quantile="0.5",target="p/m"} 0.02`,
			`sluice_drift_calls{metric="ttft",target="p/m"} 29`,
			`sluice_drift_calls{metric="ttft",target="idle"} 0`)
		if strings.Contains(text, "sluice_drift_ratio{") || strings.Contains(text, `"bad"`) {
			t.Errorf("a ratio of 29 calls, or a figure that cannot be:\n%s", text)
		}
		s.Observe(streamed(300*time.Millisecond, 20*time.Millisecond))
		wantRatio(t, m, DriftTTFT, "0.5", 1.5)
		wantRatio(t, m, DriftTPOT, "0.5", 1)
		wantRatio(t, m, DriftTTFT, "0.95", math.NaN()) // 30 calls are too few for p95
		failed := streamed(5*time.Second, time.Second)
		failed.Kind = llm.KindOverloaded
		for range 70 {
			s.Observe(streamed(time.Second, 20*time.Millisecond))
			s.Observe(failed) // only answered calls count
		}
		wantRatio(t, m, DriftTTFT, "0.95", 2)
		wantRatio(t, m, DriftTTFT, "0.5", 5)

		// Setting the same baseline again keeps the calls; after ten minutes they have left.
		m.SetBaseline([]BaselineFigure{{Target: "p/m", Metric: DriftTTFT, Quantile: 0.5, Seconds: 1}})
		wantRatio(t, m, DriftTTFT, "0.5", 1)
		time.Sleep(driftWindow - driftSlice)
		wantRatio(t, m, DriftTTFT, "0.5", 1)
		time.Sleep(driftSlice)
		wantRatio(t, m, DriftTTFT, "0.5", math.NaN())
		wantLines(t, scrape(t, m), `sluice_drift_calls{metric="ttft",target="p/m"} 0`)

		m.SetBaseline(nil)
		if text := scrape(t, m); strings.Contains(text, "sluice_baseline") {
			t.Error("a baseline that was taken away is exported")
		}
	})
}

// wantRatio fails unless sluice_drift_ratio of p/m is within 5 % of want, or absent if want is NaN.
func wantRatio(t *testing.T, m *Metrics, metric DriftMetric, quantile string, want float64) {
	t.Helper()
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := math.NaN()
	for _, f := range families {
		if f.GetName() != "sluice_drift_ratio" {
			continue
		}
		for _, s := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range s.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["metric"] == metric.String() && labels["quantile"] == quantile && labels["target"] == "p/m" {
				got = s.GetGauge().GetValue()
			}
		}
	}
	if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 0.05*want {
		t.Errorf("ratio of %s %s = %v, want %v", metric, quantile, got, want)
	}
}

// TestDriftQuantilesAreClose: buckets cost less than 3 % of the value, whatever it is.
func TestDriftQuantilesAreClose(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, median := range []float64{0.0005, 0.02, 0.3, 40} {
		c := &driftCalls{}
		values := make([]float64, 5000)
		for i := range values {
			values[i] = median * math.Exp(0.5*r.NormFloat64())
			c.add(7, values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0.5, 0.95, 0.99} {
			got, n := c.quantile(7, q)
			want := values[int(q*float64(len(values)))]
			if n != 5000 || math.Abs(got-want) > 0.03*want {
				t.Errorf("q %v about %v: %v of %d calls, want %v", q, median, got, n, want)
			}
		}
	}
	c := &driftCalls{}
	for range 100 {
		c.add(1, 0)
		c.add(1, 1e9)
	}
	if lo, _ := c.quantile(1, 0.1); lo > 2*driftLowest {
		t.Errorf("of zeros: %v", lo)
	}
	if hi, _ := c.quantile(1, 0.9); hi < 600 {
		t.Errorf("of ages: %v", hi)
	}
}

func TestDriftIsBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{MaxSeries: 2})
	var figures []BaselineFigure
	for _, name := range []string{"a", "b", "c", "d"} {
		figures = append(figures, BaselineFigure{Target: name, Metric: DriftTTFT, Quantile: 0.5, Seconds: 1})
	}
	m.SetBaseline(figures)
	if got := strings.Count(scrape(t, m), "\nsluice_baseline_seconds{"); got != 2 {
		t.Errorf("%d targets, want 2", got)
	}
}

// TestDriftAllocatesNothing is not parallel: it counts the allocations of the whole process.
func TestDriftAllocatesNothing(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	s := m.Series(llm.OpChat, "smart", "p/m", "p", "")
	m.SetBaseline([]BaselineFigure{{Target: "p/m", Metric: DriftTTFT, Quantile: 0.5, Seconds: 1}})
	c := streamed(300*time.Millisecond, 20*time.Millisecond)
	if n := testing.AllocsPerRun(1000, func() { s.Observe(c) }); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

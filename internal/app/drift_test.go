package app

import (
	"io"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/obs"
	"sluice/internal/report"
)

// measured is a suite with one run of a target, with times to the first token in milliseconds.
func measured(id, workload, target string, ttft float64) *report.Suite {
	return &report.Suite{
		ID: id, Workload: report.Workload{Name: workload}, Started: time.Unix(1_700_000_000, 0),
		Runs: []*report.Run{{
			ID: id + "-0", Cell: report.Cell{Target: target}, Load: report.Load{Mode: "open", Process: "poisson", Rate: 1},
			Summary: report.Summary{Requests: 100, OK: 100, TTFT: report.Dist{N: 100, P50: ttft, P95: 2 * ttft}, TPOT: report.Dist{N: 100, P50: 2}},
			Verdict: report.Verdict{State: "valid"},
		}},
	}
}

// TestDriftFromTheBaseline runs calls against a simulated provider that is slower than a suite says it was.
func TestDriftFromTheBaseline(t *testing.T) {
	t.Parallel()
	g := start(t, "providers: {lab: {api: sim, models: [tiny], sim: {models: [{name: tiny, output: {min: 2, max: 2}, speed: {overhead: 40ms}}]}}}\n")
	const target = "lab/tiny"
	var w baselineWatch
	w.update(t.Context(), g.App)
	if ratio(g, "0.5") != 0 {
		t.Error("drift without a baseline")
	}
	if err := g.store.SaveSuite(t.Context(), measured("s1", "chat", target, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.store.SetBaseline(t.Context(), "s1", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.update(t.Context(), g.App)
	g.wantMetrics(
		`sluice_baseline_seconds{metric="ttft",quantile="0.5",target="lab/tiny"} 0.01`,
		`sluice_baseline_seconds{metric="ttft",quantile="0.95",target="lab/tiny"} 0.02`,
		`sluice_baseline_seconds{metric="tpot",quantile="0.5",target="lab/tiny"} 0.002`)
	for range 30 {
		resp := g.open(t.Context(), "/chat/completions", `{"model":"tiny","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			t.Fatalf("call: %d, %v", resp.StatusCode, err)
		}
		resp.Body.Close()
	}
	g.settled()
	if got := ratio(g, "0.5"); got < 3.8 {
		t.Errorf("drift ratio %v, want at least 40 ms over 10 ms", got)
	}
	if _, err := g.store.ClearBaseline(t.Context(), "chat"); err != nil {
		t.Fatal(err)
	}
	w.update(t.Context(), g.App)
	if ratio(g, "0.5") != 0 {
		t.Error("drift from a baseline that was cleared")
	}
}

// ratio is the drift of the time to the first token, 0 if there is none.
func ratio(g *gate, quantile string) float64 {
	m := regexp.MustCompile(`sluice_drift_ratio\{metric="ttft",quantile="` + quantile + `",target="lab/tiny"\} (\S+)`).FindStringSubmatch(g.scrape())
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func TestBaselineFigures(t *testing.T) {
	t.Parallel()
	old, newer := measured("old", "rag", "p/m", 100), measured("new", "chat", "p/m", 200)
	swept := measured("sweep", "chat", "q/m", 5000)
	light := *swept.Runs[0]
	light.Load.Rate, light.Summary.TTFT.P50, light.Summary.TTFT.N = 0.5, 300, 50 // too few for p95
	invalid := light
	invalid.Load.Rate, invalid.Verdict.State = 0.1, "invalid"
	elsewhere := light
	elsewhere.Load.Rate, elsewhere.Cell.Region = 0.1, "us"
	swept.Runs = append(swept.Runs, &light, &invalid, &elsewhere)
	got := baselineFigures([]*report.Suite{newer, old, swept}, []place{{"p/m", "eu"}, {"q/m", "eu"}, {"none/m", ""}})
	want := []obs.BaselineFigure{
		{Target: "p/m", Metric: obs.DriftTTFT, Quantile: 0.5, Seconds: 0.2},
		{Target: "p/m", Metric: obs.DriftTTFT, Quantile: 0.95, Seconds: 0.4},
		{Target: "p/m", Metric: obs.DriftTPOT, Quantile: 0.5, Seconds: 0.002},
		{Target: "q/m", Metric: obs.DriftTTFT, Quantile: 0.5, Seconds: 0.3},
		{Target: "q/m", Metric: obs.DriftTPOT, Quantile: 0.5, Seconds: 0.002},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures (-want +got):\n%s", d)
	}
}

package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/internal/report"
	"sluice/internal/workload"
)

// pagesVar names a directory into which the pages of TestPages are written, each with its aggregate.json, for the tests that
// open them in a browser and for eyes.
const pagesVar = "SLUICE_TEST_PAGES"

// targets are six that answer well, in two regions.
func targets() []behaviour {
	return []behaviour{
		{cell: pageCell("openai", "gpt-4o-mini", "eu-west"), ttft: 280 * time.Millisecond, perToken: 11 * time.Millisecond, capacity: 60, price: [2]float64{0.15, 0.60}, fail: 0.002, kind: "server_error", status: 500, limit: 2000},
		{cell: pageCell("openai", "gpt-4o-mini", "us-east"), ttft: 340 * time.Millisecond, perToken: 12 * time.Millisecond, capacity: 55, price: [2]float64{0.15, 0.60}, fail: 0.004, kind: "server_error", status: 500, limit: 2000},
		{cell: pageCell("openai", "gpt-4o", "eu-west"), ttft: 420 * time.Millisecond, perToken: 18 * time.Millisecond, capacity: 35, price: [2]float64{2.5, 10}, fail: 0.01, kind: "provider_rate_limited", status: 429, limit: 800},
		{cell: pageCell("openai", "gpt-4o", "us-east"), ttft: 510 * time.Millisecond, perToken: 19 * time.Millisecond, capacity: 34, price: [2]float64{2.5, 10}, fail: 0.05, kind: "provider_rate_limited", status: 429, limit: 700},
		{cell: pageCell("mistral", "mistral-large", "eu-west"), ttft: 390 * time.Millisecond, perToken: 22 * time.Millisecond, capacity: 30, price: [2]float64{2, 6}, fail: 0.006, kind: "stalled", status: 200},
		{cell: pageCell("groq", "llama-3.3-70b", "us-east"), ttft: 160 * time.Millisecond, perToken: 4 * time.Millisecond, capacity: 45, price: [2]float64{0.59, 0.79}, fail: 0.02, kind: "provider_overloaded", status: 503, limit: 900},
	}
}

func pageSLO() workload.SLO {
	return workload.SLO{TTFT: 900 * time.Millisecond, E2E: 6 * time.Second}
}

// pagePlans are the suites whose pages are looked at.
func pagePlans() []pagePlan {
	matrix := pagePlan{name: "chatbot-support", targets: targets(), loads: []report.Load{openLoad(20, 120*time.Second)}, repeats: 3, slo: pageSLO()}

	sweep := matrix
	sweep.name, sweep.loads = "sweep", nil
	for _, rate := range []float64{2, 5, 10, 15, 20, 25, 30} {
		sweep.loads = append(sweep.loads, openLoad(rate, 60*time.Second))
	}
	return []pagePlan{matrix, sweep}
}

func TestPages(t *testing.T) {
	dir := os.Getenv(pagesVar)
	for _, p := range pagePlans() {
		t.Run(p.name, func(t *testing.T) {
			m := p.make(t)
			var page, figures bytes.Buffer
			if err := report.WriteHTML(&page, m.suite, m.results); err != nil {
				t.Fatal(err)
			}
			if err := report.JSON(&figures, m.suite, m.results); err != nil {
				t.Fatal(err)
			}
			if dir == "" {
				return
			}
			for name, b := range map[string]*bytes.Buffer{p.name + ".html": &page, p.name + ".json": &figures} {
				if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

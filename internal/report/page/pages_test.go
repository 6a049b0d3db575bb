package page_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/report"
	"sluice/internal/report/page"
	"sluice/internal/workload"
)

// pagesVar names a directory into which TestPages writes its suites, each in a directory of its own with its files and
// report.html: for the tests that open them in a browser, and for eyes.
const pagesVar = "SLUICE_TEST_PAGES"

// hostileName would be a script, if anything that shows it forgot to escape it.
const hostileName = `</script><img src=x onerror="document.title='hacked'">`

// targets are six that answer, in two regions.
func targets() []behaviour {
	return []behaviour{
		{cell: pageCell("openai", "gpt-4o-mini", "eu-west"), ttft: 280 * time.Millisecond, perToken: 11 * time.Millisecond, capacity: 60, price: [2]float64{0.15, 0.60}, fail: 0.002, kind: "provider_error", status: 500, limit: 2000},
		{cell: pageCell("openai", "gpt-4o-mini", "us-east"), ttft: 340 * time.Millisecond, perToken: 12 * time.Millisecond, capacity: 55, price: [2]float64{0.15, 0.60}, fail: 0.004, kind: "provider_error", status: 500, limit: 2000},
		{cell: pageCell("openai", "gpt-4o", "eu-west"), ttft: 420 * time.Millisecond, perToken: 18 * time.Millisecond, capacity: 35, price: [2]float64{2.5, 10}, fail: 0.01, kind: "provider_rate_limited", status: 429, limit: 1300},
		{cell: pageCell("openai", "gpt-4o", "us-east"), ttft: 510 * time.Millisecond, perToken: 19 * time.Millisecond, capacity: 34, price: [2]float64{2.5, 10}, fail: 0.15, kind: "provider_rate_limited", status: 429, limit: 1200},
		{cell: pageCell("mistral", "mistral-large", "eu-west"), ttft: 390 * time.Millisecond, perToken: 22 * time.Millisecond, capacity: 30, price: [2]float64{2, 6}, fail: 0.006, kind: "stalled", status: 200},
		{cell: pageCell("groq", "llama-3.3-70b", "us-east"), ttft: 160 * time.Millisecond, perToken: 4 * time.Millisecond, capacity: 45, price: [2]float64{0.59, 0.79}, fail: 0.04, kind: "provider_overloaded", status: 503, limit: 1500},
	}
}

func pageSLO() workload.SLO {
	return workload.SLO{TTFT: 900 * time.Millisecond, E2E: 6 * time.Second}
}

// pagePlans are the suites whose pages are looked at.
func pagePlans() []pagePlan {
	load := []report.Load{openLoad(20, 80*time.Second)}
	short := []report.Load{openLoad(5, 12*time.Second)}
	matrix := pagePlan{name: "matrix", targets: targets(), loads: load, repeats: 3, slo: pageSLO()}

	sweep := pagePlan{name: "sweep", targets: targets()[2:], repeats: 2, slo: workload.SLO{TTFT: 900 * time.Millisecond, E2E: 15 * time.Second}}
	for _, rate := range []float64{2, 5, 10, 20, 25, 30} {
		sweep.loads = append(sweep.loads, openLoad(rate, 30*time.Second))
	}

	many := pagePlan{name: "many", loads: []report.Load{openLoad(8, 20*time.Second)}, repeats: 2, slo: pageSLO()}
	for _, region := range []string{"ap-northeast", "eu-west", "us-east", "us-west"} {
		for _, i := range []int{0, 2, 4, 5} {
			b := targets()[i]
			b.cell.Region = region
			b.ttft += time.Duration(len(many.targets)) * 9 * time.Millisecond
			many.targets = append(many.targets, b)
		}
	}

	single := pagePlan{name: "single", targets: targets()[:1], repeats: 1, loads: []report.Load{{Mode: "closed", Process: "closed", Concurrency: 8, Warmup: 2 * time.Second, Sustain: 20 * time.Second}}}
	single.targets[0].price = [2]float64{}
	single.targets[0].limit = 0

	failed := pagePlan{name: "failed", targets: targets()[:2], loads: short, repeats: 3, slo: pageSLO()}
	for i := range failed.targets {
		failed.targets[i].fail, failed.targets[i].kind, failed.targets[i].status, failed.targets[i].limit = 1, "provider_auth_failed", 401, 0
	}

	invalid := pagePlan{name: "invalid", targets: targets()[:3], loads: short, repeats: 3, slo: pageSLO()}
	invalid.verdict = func(cell, repeat, _ int) report.Verdict {
		switch {
		case cell == 0 && repeat > 0:
			return report.Verdict{State: report.StateInvalid, Reasons: []string{"dispatch lag p99 of 412 ms is over 100 ms", "97.2 % of the scheduled requests were sent, less than 99 %"}}
		case cell == 1:
			return report.Verdict{State: report.StateDegraded, Reasons: []string{"dispatch lag p50 of 14 ms is over 10 ms"}}
		default:
			return report.Verdict{State: report.StateValid}
		}
	}

	hostile := pagePlan{name: "hostile", targets: targets()[:2], loads: short, repeats: 2, slo: pageSLO()}
	hostile.targets[0].cell = pageCell(`"><svg onload=alert(1)>`, hostileName, "eu<b>west")
	hostile.targets[0].fail, hostile.targets[0].kind = 0.3, `<!--<script>`+hostileName
	hostile.verdict = func(int, int, int) report.Verdict {
		return report.Verdict{State: report.StateDegraded, Reasons: []string{hostileName + strings.Repeat("x", 200)}}
	}
	return []pagePlan{matrix, sweep, many, single, failed, invalid, hostile, {name: "empty", repeats: 0}}
}

// writePage writes a suite's page beside its files, and returns it.
func writePage(t testing.TB, m madePage) string {
	t.Helper()
	var text bytes.Buffer
	if err := page.Write(&text, m.suite, m.results); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "report.html"), text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// pagesDir is where a test keeps a plan's suite.
func pagesDir(t testing.TB, p pagePlan) string {
	t.Helper()
	if dir := os.Getenv(pagesVar); dir != "" {
		return filepath.Join(dir, p.name)
	}
	return t.TempDir()
}

func TestPages(t *testing.T) {
	t.Parallel()
	for _, p := range pagePlans() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			m := p.make(t, pagesDir(t, p))
			page := writePage(t, m)
			checkFigures(t, m, page)
			checkSayings(t, p.name, page)
			checkOffline(t, page)
			if p.name != "hostile" { // whose names are full of what they look for
				checkHoles(t, page)
			}
		})
	}
}

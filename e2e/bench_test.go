package e2e

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/e2e/harness"
)

// benchWorkload is the shape of the benchmark guide, with nothing of our own in it.
const benchWorkload = `benchmark_workload:
  name: "Customer Support Chatbot"
  version: "1.0"
  description: "Typical customer support interactions"
  request_distribution:
    - percentile: 50
      input_tokens: 150
      output_tokens: 20
    - percentile: 90
      input_tokens: 500
      output_tokens: 40
    - percentile: 99
      input_tokens: 2000
      output_tokens: 80
  latency_sla_ms: 2000
  concurrent_users: 8
  test_duration_seconds: 2
`

// benchResults returns the one directory of results below dir.
func benchResults(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "bench-results", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("results are in %v, %v; want one directory", found, err)
	}
	return found[0]
}

// records reads the rows of requests in a directory of results, by the name of the column.
func records(t *testing.T, dir string) []map[string]string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*_20??-??-??.csv"))
	if len(files) != 1 {
		t.Fatalf("%s has files of records %v, want one", dir, files)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		all = append(all, m)
	}
	return all
}

// simConfig names a simulated provider that runs elsewhere, so that the load crosses a wire.
func simConfig(sim *harness.Sim) string {
	return fmt.Sprintf("providers:\n  p: {api: openai, base_url: %q, region: lab, models: [sim-fast]}\n", sim.URL)
}

// measured are the exit codes of a measurement that took place: a busy machine may make a run invalid.
func measured(code int) bool { return code == 0 || code == 4 }

// TestBenchGuideWorkload measures a server on the wire with the workload file of the guide as it is.
func TestBenchGuideWorkload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sim := harness.StartSim(t, "")
	harness.WriteFile(t, filepath.Join(dir, "sluice.yaml"), simConfig(sim))
	harness.WriteFile(t, filepath.Join(dir, "support.yaml"), benchWorkload)
	code, out, log := harness.Run(t, dir, harness.Env(), "bench", "run", "support.yaml", "--repeats", "1", "--warmup", "0s", "--yes", "--exact-output")
	if !measured(code) {
		t.Fatalf("exit code %d\n%s\n%s", code, out, log)
	}
	for _, want := range []string{"p/sim-fast", "lab", "closed"} {
		if !strings.Contains(out+log, want) {
			t.Errorf("the output lacks %q:\n%s\n%s", want, out, log)
		}
	}
	results := benchResults(t, dir)
	rows := records(t, results)
	if asked := sim.Stats(t).Requests; int64(len(rows)) != int64(asked) {
		t.Errorf("%d rows of requests, the server was asked %d times", len(rows), asked)
	}
	for _, row := range rows {
		if row["ok"] != "true" && row["incomplete"] != "true" {
			t.Fatalf("a request neither succeeded nor was cut off by the end: %v", row)
		}
	}
	page, err := os.ReadFile(filepath.Join(results, "report.html"))
	if err != nil || !strings.Contains(string(page), "Customer Support Chatbot") {
		t.Errorf("report.html: %v, or it does not name the workload", err)
	}
}

// TestBenchThroughGateway sends the same load through a gateway.
func TestBenchThroughGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sim := harness.StartSim(t, "")
	conf := simConfig(sim)
	g := harness.StartGateway(t, conf)
	harness.WriteFile(t, filepath.Join(dir, "sluice.yaml"), conf)
	code, out, log := harness.Run(t, dir, harness.Env(), "bench", "run", "--via", g.URL+"/v1", "--rate", "20", "--duration", "1s", "--warmup", "0s", "--repeats", "1", "--yes", "--json")
	if !measured(code) {
		t.Fatalf("exit code %d\n%s\n%s", code, out, log)
	}
	var report struct {
		Results []struct {
			Cell struct{ Target, Via string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Results) != 1 || report.Results[0].Cell.Via != g.URL+"/v1" {
		t.Errorf("%v; the result does not say that a gateway was in between: %.300s", err, out)
	}
	if got := g.Metric(t, `sluice_calls_total{cause="",code="ok"}`); got == 0 {
		t.Error("the gateway saw no call")
	}
}

// TestBenchInterrupted presses Ctrl-C in the middle: what was measured is kept and whole.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	results, code, log := benchEnded(t, func(p *harness.Proc) { p.Signal(t, os.Interrupt) })
	if code != 1 && code != 4 {
		t.Errorf("exit code %d, want 1 of a measurement that ended early\n%s", code, log)
	}
	for _, name := range []string{"suite.json", "summary.csv", "report.html"} {
		if _, err := os.Stat(filepath.Join(results, name)); err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	}
}

// TestBenchKilled kills it in the middle: the rows of requests that had ended for a second or more are there, and the
// directory can be reported on.
func TestBenchKilled(t *testing.T) {
	t.Parallel()
	results, _, _ := benchEnded(t, func(p *harness.Proc) { p.Signal(t, syscall.SIGKILL) })
	code, out, log := harness.Run(t, filepath.Dir(filepath.Dir(results)), harness.Env(), "bench", "report", results)
	if code != 0 {
		t.Errorf("report after a kill: exit code %d\n%s\n%s", code, out, log)
	}
}

// benchEnded begins a measurement of a minute, ends it once rows of requests are on the disk, and checks the rows.
func benchEnded(t *testing.T, end func(*harness.Proc)) (results string, code int, log string) {
	t.Helper()
	dir := t.TempDir()
	sim := harness.StartSim(t, "")
	harness.WriteFile(t, filepath.Join(dir, "sluice.yaml"), simConfig(sim))
	p := harness.Start(t, dir, harness.Env(), "bench", "run", "aa-1k", "--rate", "20", "--duration", "60s", "--warmup", "0s", "--repeats", "1", "--yes", "--plain")
	harness.Eventually(t, 20*time.Second, func() error {
		files, _ := filepath.Glob(filepath.Join(dir, "bench-results", "*", "*_20??-??-??.csv"))
		if len(files) == 1 {
			if text, err := os.ReadFile(files[0]); err == nil && strings.Count(string(text), "\n") > 20 {
				return nil
			}
		}
		return errors.New("no rows of requests are on the disk")
	})
	end(p)
	code = p.Exit(t, 20*time.Second)
	results = benchResults(t, dir)
	if rows := records(t, results); len(rows) < 20 {
		t.Errorf("%d rows of requests are left, want at least the 20 that were seen before", len(rows))
	}
	return results, code, p.Log()
}

// TestBenchWrongInput reads its errors as a user would.
func TestBenchWrongInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "bad.yaml"), strings.Replace(benchWorkload, "concurrent_users", "concurent_users", 1))
	f := func(want string, args ...string) {
		t.Helper()
		code, out, log := harness.Run(t, dir, harness.Env(), args...)
		if code != 1 || !strings.Contains(log, want) {
			t.Errorf("%v: exit code %d, want 1 and a log with %q:\n%s\n%s", args, code, want, out, log)
		}
	}
	f("concurrent_users", "bench", "run", "bad.yaml")
	f("chatbot-support", "bench", "run", "chatbot-suport")
	f("no/such", "bench", "report", "no/such")
	f("nobody", "bench", "run", "--target", "nobody/none")
}

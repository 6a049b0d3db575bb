package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/config"
	"sluice/internal/report"
)

// runBench runs `sluice bench` with args in a directory of its own and returns what it prints to each stream.
func runBench(t *testing.T, args ...string) (out, log string, err error) {
	t.Helper()
	cmd := newBenchCommand()
	var o, l bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&l)
	cmd.SetIn(strings.NewReader(""))
	cmd.SetArgs(args)
	cmd.SilenceErrors = true
	err = cmd.ExecuteContext(t.Context())
	return o.String(), l.String(), err
}

// fastConfig is a configuration of two simulated regions of one model that answer at once, and one that refuses.
const fastConfig = `
providers:
  near: {api: sim, region: eu-central-1, sim: {latency: none, models: [{name: m}]}}
  far:  {api: sim, region: us-east-1, sim: {models: [{name: m, speed: {overhead: 20ms, step: 1ms}}]}}
  busy: {api: sim, sim: {latency: none, models: [{name: m}], faults: [{fault: "429"}]}}
models:
  smart: {targets: [near/m, far/m]}
`

// fastWorkload is half a second of a load.
const fastWorkload = `
benchmark_workload:
  name: quick
  version: "1"
  description: for tests
  request_distribution:
    - {percentile: 50, input_tokens: 20, output_tokens: 8}
    - {percentile: 99, input_tokens: 40, output_tokens: 16}
  arrival: {process: constant, rate: 40}
  phases: {warmup: 100ms, sustain: 500ms, cooldown: 2s}
  repeats: 2
  slo: {e2e: 2s}
`

// benchDir returns a directory with the two files.
func benchDir(t *testing.T) (dir, conf, load string) {
	t.Helper()
	dir = t.TempDir()
	conf, load = filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "quick.yaml")
	for path, text := range map[string]string{conf: fastConfig + "data_dir: " + filepath.Join(dir, "data") + "\n", load: fastWorkload} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, conf, load
}

func TestBenchMatrix(t *testing.T) {
	t.Parallel()
	dir, conf, load := benchDir(t)
	out := filepath.Join(dir, "out")
	text, log, err := runBench(t, "matrix", load, "-c", conf, "-t", "smart", "-o", out, "--export", "vllm,aiperf", "--plain")
	if coded := (*codedError)(nil); err != nil && !errors.As(err, &coded) { // a busy machine may make a run invalid
		t.Fatalf("%v\n%s", err, log)
	}
	for _, want := range []string{"near/m", "far/m", "eu-central-1", "us-east-1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the tables lack %q:\n%s", want, text)
		}
	}
	dirs, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("results are in %v, %v; want one directory", dirs, err)
	}
	suite, err := report.ReadSuite(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range suite.Runs {
		order = append(order, r.Cell.Provider)
		if r.Summary.OK != 20 || r.Summary.Failed != 0 {
			t.Errorf("%s repeat %d: %d ok, %d failed, want the 20 requests of the schedule", r.Cell.Target, r.Repeat, r.Summary.OK, r.Summary.Failed)
		}
	}
	if got := strings.Join(order, " "); got != "near far far near" {
		t.Errorf("order of runs %q, want repeats interleaved there and back", got)
	}
	for _, pattern := range []string{"m_eu-central-1_20*.csv", "m_us-east-1_20*.csv", "summary.csv", "series.csv", "aggregate.json", "suite.json", "report.html", "*.jsonl"} {
		if found, _ := filepath.Glob(filepath.Join(dirs[0], pattern)); len(found) == 0 {
			if found, _ = filepath.Glob(filepath.Join(dirs[0], "aiperf", "*", pattern)); len(found) == 0 {
				t.Errorf("the results have no %s", pattern)
			}
		}
	}
	rows := readCSV(t, filepath.Join(dirs[0], "m_eu-central-1_*.csv"))
	if len(rows) != 1+2*24 { // a tenth of a second of warm-up and half a second of load at 40 a second, twice
		t.Errorf("%d rows of requests, want 49 with the header", len(rows))
	}

	again, _, err := runBench(t, "report", dirs[0], "--json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(again)) || !strings.Contains(again, "far/m") {
		t.Errorf("report --json: %.200s", again)
	}
}

func readCSV(t *testing.T, pattern string) [][]string {
	t.Helper()
	files, _ := filepath.Glob(pattern)
	if len(files) != 1 {
		t.Fatalf("%s matches %v, want one file", pattern, files)
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
	return rows
}

func TestBenchRunFailures(t *testing.T) {
	t.Parallel()
	dir, conf, load := benchDir(t)
	text, _, err := runBench(t, "run", load, "-c", conf, "-t", "busy/m", "-o", filepath.Join(dir, "out"), "--repeats", "1", "--no-save", "-q")
	if coded := (*codedError)(nil); !errors.As(err, &coded) && (err == nil || !strings.Contains(err.Error(), "no request was answered by busy/m (provider_rate_limited 20 times)")) {
		t.Fatalf("%v, want an error that says that nothing was measured", err)
	}
	if !strings.Contains(text, "rate_limited") || !strings.Contains(text, "20") {
		t.Errorf("the tables do not name the 20 refused requests:\n%s", text)
	}
}

// closedPipe is an output that nobody reads any more.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestBenchKeepsFirst: what was measured is in the database before it is printed, since printing may end the process.
func TestBenchKeepsFirst(t *testing.T) {
	t.Parallel()
	dir, conf, load := benchDir(t)
	cmd := newBenchCommand()
	cmd.SetOut(closedPipe{})
	cmd.SetErr(io.Discard)
	cmd.SilenceErrors = true
	cmd.SetArgs([]string{"run", load, "-c", conf, "-t", "near/m", "-o", filepath.Join(dir, "out"), "--repeats", "1", "--warmup", "0s", "--duration", "100ms"})
	if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, want the error of the output", err)
	}
	list, _, err := runBench(t, "history", "-c", conf)
	if err != nil || !strings.Contains(list, "quick") {
		t.Errorf("the database has not got the suite: %v\n%s", err, list)
	}
}

// TestBenchOpensDatabaseFirst: a database that cannot be opened is told before a request is sent.
func TestBenchOpensDatabaseFirst(t *testing.T) {
	t.Parallel()
	dir, conf, load := benchDir(t)
	out := filepath.Join(dir, "out")
	_, _, err := runBench(t, "run", load, "-c", conf, "-t", "near/m", "-o", out, "--data-dir", filepath.Join(conf, "below-a-file"))
	if err == nil || !strings.Contains(err.Error(), "--no-save") {
		t.Errorf("%v, want an error that names --no-save", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("it was measured all the same")
	}
}

// TestBenchLeavesOut: a matrix of all targets leaves out those that cannot answer the workload, unless they are named.
func TestBenchLeavesOut(t *testing.T) {
	t.Parallel()
	dir, _, chat := benchDir(t)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("both.yaml", "providers: {p: {api: sim, sim: {models: [{name: talk}, {name: vec, kind: embedding}]}}}\n")
	embed := write("embed.yaml", "benchmark_workload: {name: e, request_distribution: {input_tokens: 5}, mix: [{kind: embeddings}], arrival: {rate: 5}}\n")
	mixed := write("mixed.yaml", "benchmark_workload: {name: x, request_distribution: {input_tokens: 5, output_tokens: 5}, mix: [{kind: chat}, {kind: embeddings}], arrival: {rate: 5}}\n")
	f := func(want string, left bool, args ...string) {
		t.Helper()
		text, log, err := runBench(t, append(args, "-c", conf, "--dry-run")...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{"p/talk", "p/vec"} {
			if strings.Contains(text, name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want || strings.Contains(log, "left out") != left {
			t.Errorf("%v: measures %v, want %q; says %q", args, got, want, log)
		}
	}
	f("p/talk", true, "matrix", chat)
	f("p/vec", true, "matrix", embed)
	f("p/talk p/vec", false, "matrix", mixed)
	f("p/vec", false, "matrix", chat, "-t", "p/vec")
	f("p/vec", false, "run", embed)
}

func TestBenchPricesOfAFile(t *testing.T) {
	t.Parallel()
	dir, conf, _ := benchDir(t)
	f := func(row, want string) {
		t.Helper()
		prices := filepath.Join(dir, "prices.json")
		text := `{"models": [{"provider": "near", "model": "m", "input_per_mtok": 1, "output_per_mtok": 2` + row + `}]}`
		if err := os.WriteFile(prices, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(conf, func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		c.Prices.PricesFile = prices
		fl, err := newFleet(c, nil, via{url: "http://127.0.0.1:1/v1"}, false)
		if err != nil || fl.prices != want {
			t.Errorf("prices of %q, %v; want %q", fl.prices, err, want)
		}
	}
	f("", undated)
	f(`, "as_of": "2026-11-01"`, "2026-11-01")
}

func TestBenchDryRun(t *testing.T) {
	t.Parallel()
	dir, conf, load := benchDir(t)
	text, _, err := runBench(t, "matrix", load, "-c", conf, "--dry-run", "-o", filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"6 runs", "144 requests", "unpriced"} {
		if !strings.Contains(text, want) {
			t.Errorf("the estimate lacks %q:\n%s", want, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("a dry run wrote results")
	}
}

func TestBenchWrongFlags(t *testing.T) {
	t.Parallel()
	_, conf, load := benchDir(t)
	f := func(want string, args ...string) {
		t.Helper()
		_, _, err := runBench(t, append([]string{"run", load, "-c", conf, "-o", t.TempDir()}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", args, err, want)
		}
	}
	f("--rate is -1", "--rate", "-1")
	f("--rate is 0", "--rate", "0")
	f("--rate is NaN", "--rate", "NaN")
	f("--users is 0", "--users", "0")
	f("--duration is 0s", "--duration", "0s")
	f("--warmup is -5s", "--warmup", "-5s")
	f("--repeats is 0, want a number from 1 to 1000", "--repeats", "0")
	f("--repeats is 1001, want a number from 1 to 1000", "--repeats", "1001")
	f("--max-spend is 0", "--max-spend", "0")
	f("--label has 201 bytes, want at most 200", "--label", strings.Repeat("x", 201))
	f("--sweep is empty", "--sweep", "")
	f("not both", "--sweep", "1,2", "--search")
	f(`--sweep has "x"`, "--sweep", "1,x")
	f("rising rates", "--sweep", "4,2")
	f("--export is", "--export", "excel")
	f("nearest: near/m", "--target", "naer/m")
	f("SLUICE_TEST_NOT_SET, which is not set", "--via", "http://127.0.0.1:1/v1", "--via-key", "SLUICE_TEST_NOT_SET")
	f("want a base URL", "--via", "127.0.0.1:1")
	f("belongs to --via", "--via-key", "X")
	f("--detailed belongs to", "--detailed")
	f("limit of $5 cannot be kept", "--max-spend", "5")
}

func TestBenchAsksBeforeItSpends(t *testing.T) {
	t.Parallel()
	dir, _, load := benchDir(t)
	conf := filepath.Join(dir, "real.yaml")
	text := "providers:\n  openai: {api: openai, api_key: k, base_url: \"http://127.0.0.1:9/v1\", models: [gpt-4o]}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := runBench(t, "run", load, "-c", conf, "-o", filepath.Join(dir, "out"))
	if err == nil || !strings.Contains(err.Error(), "--yes") || !strings.Contains(err.Error(), "--max-spend") {
		t.Errorf("%v, want an error that names --yes and --max-spend", err)
	}
}

// TestBenchAsksWithoutPrices does not propose a limit on the spend that would be refused.
func TestBenchAsksWithoutPrices(t *testing.T) {
	t.Parallel()
	dir, _, load := benchDir(t)
	conf := filepath.Join(dir, "local.yaml")
	text := "providers:\n  local: {api: openai, api_key: k, base_url: \"http://127.0.0.1:9/v1\", models: [llama]}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := runBench(t, "run", load, "-c", conf, "-o", filepath.Join(dir, "out"))
	if err == nil || !strings.Contains(err.Error(), "no price is known for local/llama") || !strings.Contains(err.Error(), "prices_file") {
		t.Errorf("%v, want an error that names the target and prices_file", err)
	}
}

func TestFleetThroughGateway(t *testing.T) {
	t.Parallel()
	_, conf, _ := benchDir(t)
	c, err := config.Load(conf, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	fl, err := newFleet(c, nil, via{url: "http://127.0.0.1:1/v1/"}, false)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := fl.choose(c, []string{"*/m"})
	if err != nil || len(targets) != 3 {
		t.Fatalf("%d targets, %v, want 3", len(targets), err)
	}
	got := targets[1]
	if got.Model != "far/m" || got.BaseURL != "http://127.0.0.1:1/v1" || got.Cell.Via == "" || got.Cell.Region != "us-east-1" {
		t.Errorf("through a gateway the target is %+v", got)
	}
	if len(fl.closer) != 0 {
		t.Error("a simulation was started that nothing is sent to")
	}
}

// TestBenchExample: the example of a matrix is whole, with prices for each of its targets.
func TestBenchExample(t *testing.T) {
	t.Chdir("../../examples/bench")
	text, _, err := runBench(t, "matrix", "workload.yaml", "-c", "sluice.yaml", "--dry-run", "-o", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(text, "ap-southeast-2")+strings.Count(text, "sydney/") == 0 || strings.Contains(text, "unpriced") || !strings.Contains(text, "27 runs") {
		t.Errorf("the estimate of the example:\n%s", text)
	}
}

package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/workload"
)

func testCell(provider, model, region string) Cell {
	return Cell{Target: provider + "/" + model, Provider: provider, Model: model, Region: region, Dialect: "openai"}
}

func testSuite() *Suite {
	return &Suite{
		ID: "s1", Name: "nightly", Started: time.Date(2026, 11, 21, 14, 10, 40, 0, time.UTC), Ended: time.Date(2026, 11, 21, 14, 22, 43, 0, time.UTC),
		Command:    "sluice bench matrix",
		Workload:   Workload{Name: "chatbot support", Version: "1.0", Hash: "abc", Source: "name: chatbot support\n", SLO: workload.SLO{TTFT: 150 * ms}},
		Conditions: Conditions{Version: "dev", Go: "go1.26", OS: "linux", Kernel: "6.1", CPU: "a CPU", CPUs: 2, GOMAXPROCS: 2, Memory: 8 << 30, Prices: "2026-11-01", Repeats: 3, Order: "ABBA"},
	}
}

// testRun makes the records of one run: n requests in 10 s, TTFT exponential of mean, every fail-th one failed.
func testRun(id string, c Cell, repeat int, n int, mean time.Duration, fail int) (*Run, []*Record) {
	rnd := rand.New(rand.NewPCG(uint64(repeat), uint64(n)))
	run := &Run{
		ID: id, Suite: "s1", Cell: c, Repeat: repeat, Started: time.Date(2026, 11, 21, 14, 11, repeat, 0, time.UTC),
		Load: Load{Mode: "open", Process: "poisson", Rate: float64(n) / 10, Sustain: 10 * time.Second, Requests: int64(n)},
		To:   10 * time.Second, Verdict: Verdict{State: StateValid}, Series: make([]Second, 10),
	}
	var records []*Record
	for i := range n {
		at := time.Duration(i) * 10 * time.Second / time.Duration(n)
		ttft := time.Duration(rnd.ExpFloat64() * float64(mean))
		r := streamed(at, ttft, ttft+time.Duration(100+rnd.IntN(100))*ms, 11)
		if fail > 0 && i%fail == 0 {
			r = failure(at, "rate_limited", 429)
		}
		r.Run, r.Repeat, r.Index = id, repeat, int64(i)
		r.Limits = Limits{Requests: 1000, RequestsLeft: int64(1000 - i), Tokens: -1, TokensLeft: -1}
		records = append(records, r)
		run.Series[int(at/time.Second)].Tokens += float64(r.Output)
	}
	return run, records
}

// writeRun puts a run through a Summarizer and a Writer.
func writeRun(t *testing.T, w *Writer, slo workload.SLO, run *Run, records []*Record) {
	t.Helper()
	s := NewSummarizer(slo)
	for _, r := range records {
		s.Add(r)
		if err := w.Record(run.Cell, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(run); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(run); err != nil {
		t.Fatal(err)
	}
}

// writeTestSuite leaves a suite of two cells with three repeats.
func writeTestSuite(t *testing.T) (string, []CellResult) {
	t.Helper()
	s := testSuite()
	w, err := Create(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	a, b := testCell("acme", "small", "eu"), testCell("acme", "large", "")
	for repeat := range 3 {
		run, records := testRun("a"+string(rune('0'+repeat)), a, repeat, 600, 50*ms, 0)
		writeRun(t, w, s.Workload.SLO, run, records)
		run, records = testRun("b"+string(rune('0'+repeat)), b, repeat, 100, 100*ms, 10)
		if repeat == 1 {
			run.Verdict = Verdict{State: StateDegraded, Reasons: []string{"dispatch lag p99 is 140 ms"}}
		}
		writeRun(t, w, s.Workload.SLO, run, records)
	}
	results, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return w.Dir(), results
}

func TestSuiteRoundTrip(t *testing.T) {
	t.Parallel()
	dir, results := writeTestSuite(t)
	if name := filepath.Base(dir); name != "2026-11-21T14-10-40Z_chatbot-support" {
		t.Errorf("the directory is %s", name)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"aggregate.json", "large_default_2026-11-21.csv", "series.csv", "small_eu_2026-11-21.csv", "suite.json", "summary.csv"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}

	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Aggregate()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results, again, cmpopts.EquateEmpty()); diff != "" {
		t.Error("figures change when the suite is read:", diff)
	}
	// The figures of a run come out of its rows again.
	for _, run := range r.Suite.Runs {
		s := NewSummarizer(r.Suite.Workload.SLO)
		for rec, err := range r.Records(run.Cell) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Run == run.ID {
				s.Add(rec)
			}
		}
		copied := *run
		if err := s.Finish(&copied); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(run, &copied, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	// Without the records, all but the last digits are still there.
	if err := os.Rename(filepath.Join(dir, "small_eu_2026-11-21.csv"), filepath.Join(t.TempDir(), "away")); err != nil {
		t.Fatal(err)
	}
	again, err = r.Aggregate()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again[1].Pooled.TTFT, results[1].Pooled.TTFT; got.N != want.N || math.Abs(got.P95-want.P95) > .01*want.P95 {
		t.Errorf("from histograms %+v, want %+v", got, want)
	}
	var file aggregateFile
	b, err := os.ReadFile(filepath.Join(dir, AggregateFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results, file.Results, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestAKillLosesNothingFinished(t *testing.T) {
	t.Parallel()
	s := testSuite()
	w, err := Create(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	c := testCell("acme", "small", "eu")
	run, records := testRun("done", c, 0, 200, 50*ms, 0)
	writeRun(t, w, workload.SLO{}, run, records)
	_, more := testRun("killed", c, 1, 2000, 50*ms, 0)
	for _, r := range more {
		if err := w.Record(c, r); err != nil {
			t.Fatal(err)
		}
	}
	// No Close: the process is gone. The system kept a part of its last write.
	path := filepath.Join(w.Dir(), run.File)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(b, []byte("\n")) {
		t.Error("a row is not whole")
	}
	if held := len(more) + len(records) - bytes.Count(b, []byte("\n")) + 1; held <= 0 || held > heldBytes/200 {
		t.Errorf("%d rows are held back", held)
	}
	if err := os.WriteFile(path, b[:len(b)-7], 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Open(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Suite.Runs) != 1 || r.Suite.Runs[0].ID != "done" {
		t.Fatalf("runs: %+v", r.Suite.Runs)
	}
	results, err := r.Aggregate()
	if err != nil {
		t.Fatal(err)
	}
	if res := results[0]; res.BadRows != 1 || res.Pooled.TTFT.N != 200 || res.OK != 200 {
		t.Errorf("%d bad rows, %d pooled, %d ok", res.BadRows, res.Pooled.TTFT.N, res.OK)
	}
	if err := w.Flush(); err != nil { // ends the handles' buffers before the directory goes
		t.Fatal(err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	var dirs []string
	for range 3 {
		w, err := Create(parent, testSuite())
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, filepath.Base(w.Dir()))
	}
	base := "2026-11-21T14-10-40Z_chatbot-support"
	if diff := cmp.Diff([]string{base, base + "-2", base + "-3"}, dirs); diff != "" {
		t.Error(diff)
	}

	w, err := Create(parent, testSuite())
	if err != nil {
		t.Fatal(err)
	}
	via := testCell("acme", "m", "eu")
	via.Via = "http://gateway:8080"
	cells := []Cell{testCell("acme", "m", "eu"), testCell("zeta", "M", "eu"), via, testCell("acme", "../../etc/passwd", ""), testCell("acme", "org/m:free", "a b")}
	cells = append(cells, testCell("ac/me", "m", "eu"), testCell("ac:me", "m", "eu"))
	for i, c := range cells {
		for range i + 1 {
			if err := w.Record(c, streamed(0, ms, 2*ms, 2)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(&Run{ID: "r", Cell: c}); err != nil {
			t.Fatal(err)
		}
	}
	var files []string
	for i, run := range w.suite.Runs {
		files = append(files, run.File)
		n := 0
		for _, err := range (&Results{Dir: w.Dir(), Suite: w.suite}).Records(run.Cell) {
			if err != nil {
				t.Error(err)
			}
			n++
		}
		if n != i+1 {
			t.Errorf("%s has %d records, want %d", run.File, n, i+1)
		}
	}
	want := []string{
		"m_eu_2026-11-21.csv", "zeta_M_eu_2026-11-21.csv", "acme_m_eu_2026-11-21.csv", "etc-passwd_default_2026-11-21.csv",
		"org-m-free_a-b_2026-11-21.csv", "ac-me_m_eu_2026-11-21.csv", "ac-me_m_eu_2_2026-11-21.csv",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
}

func TestSafeName(t *testing.T) {
	t.Parallel()
	f := func(s, want string) {
		t.Helper()
		if got := safeName(s); got != want {
			t.Errorf("%q is named %q, want %q", s, got, want)
		}
	}
	f("gpt-4.1", "gpt-4.1")
	f("..", "unnamed")
	f("", "unnamed")
	f("a/b\\c:d", "a-b-c-d")
	f("模型", "模型")
	f("x\x00y", "x-y")
	f(strings.Repeat("é", 50), strings.Repeat("é", 30))
}

func TestReplaceFileKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no more paper")
	err := replaceFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "new and half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the file is %q", b)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestReadSuiteRefuses(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		if _, err := ParseSuite([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	f(`{`, "parse suite")
	f(`{}`, "format is 0")
	f(`{"format":2}`, "format is 2, this version of sluice reads 1 to 1")
	f(`{"format":1,"runs":[null]}`, "run 0 is null")
	f(`{"format":1,"runs":[{"id":"x","file":"../secret.csv"}]}`, "not a name within")
	f(`{"format":1,"runs":[{"id":"x","file":".."}]}`, "not a name within")
	f(`{"format":1,"runs":[{"id":"x","file":"/etc/passwd"}]}`, "not a name within")
	if _, err := ReadSuite(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no suite: %v", err)
	}
}

func FuzzParseSuite(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"x","runs":[{"id":"a","cell":{"target":"p/m"},"from_ns":1,"file":"a.csv","series":[{"sent":1}]}]}`))
	f.Add([]byte(`{"format":1,"runs":[{"hists":{"ttft":"SElTVA=="},"gaps":"x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSuite(b)
		if err != nil {
			return
		}
		results, err := Aggregate(s, nil)
		if err != nil {
			return
		}
		if err := Text(io.Discard, s, results, TextOptions{}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTidyFiles(t *testing.T) {
	t.Parallel()
	dir, _ := writeTestSuite(t)
	read := func(name string) (header map[string]int, rows [][]string) {
		t.Helper()
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		header = map[string]int{}
		for i, name := range all[0] {
			if _, twice := header[name]; twice {
				t.Errorf("two columns %s", name)
			}
			header[name] = i
		}
		return header, all[1:]
	}
	s, err := ReadSuite(dir)
	if err != nil {
		t.Fatal(err)
	}
	at, rows := read(SummaryFile)
	if len(rows) != 6 {
		t.Fatalf("%d rows, want 6", len(rows))
	}
	for i, row := range rows {
		sum := s.Runs[i].Summary
		if row[at["run_id"]] != s.Runs[i].ID || row[at["tps_per_s"]] != csvFloat(sum.TPS) || row[at["ttft_p99_ms"]] != csvFloat(sum.TTFT.P99) {
			t.Errorf("row %d: %v", i, row)
		}
		if row[at["icl_n"]] != "0" || row[at["icl_p50_ms"]] != "" || row[at["limit_tokens_per_min"]] != "" || row[at["limit_requests_per_min"]] != "1000" {
			t.Errorf("row %d: a figure that is missing is %q, %q", i, row[at["icl_p50_ms"]], row[at["limit_tokens_per_min"]])
		}
	}
	at, rows = read(SeriesFile)
	var tokens float64
	var metrics []string
	for _, row := range rows {
		if row[at["metric"]] == "output" && row[at["target"]] == "acme/small" && row[at["repeat"]] == "0" {
			tokens += parseFloat(t, row[at["value"]])
		}
		if m := row[at["metric"]] + " " + row[at["stat"]] + " " + row[at["unit"]]; !slices.Contains(metrics, m) {
			metrics = append(metrics, m)
		}
	}
	if tokens != 6600 {
		t.Errorf("%v tokens in the series, want 6600", tokens)
	}
	for _, m := range []string{"sent count requests", "in_flight last requests", "ttft p99 ms", "tpot p50 ms", "e2e_sched p95 ms"} {
		if !slices.Contains(metrics, m) {
			t.Errorf("no %s in %v", m, metrics)
		}
	}
}

func parseFloat(t *testing.T, s string) float64 {
	t.Helper()
	var v float64
	if err := json.Unmarshal([]byte(s), &v); err != nil || math.IsNaN(v) {
		t.Fatalf("%q: %v", s, err)
	}
	return v
}

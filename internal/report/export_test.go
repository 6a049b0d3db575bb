package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/workload"
)

// exportSuite is a suite of one run that can be reckoned by hand: three requests succeed, one fails, one is cut off. The first
// is sent at 1 s, the last of the measured ones is done at 5.001 s: 4.001 s in all.
func exportSuite(t *testing.T) *Results {
	t.Helper()
	s := testSuite()
	w, err := Create(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	c := testCell("acme", "org/small", "eu")
	run := &Run{
		ID: "run-1", Suite: s.ID, Cell: c, Seed: 42, Started: s.Started.Add(20 * time.Second), From: time.Second, To: 6 * time.Second,
		Load:    Load{Mode: "hybrid", Process: "gamma", Rate: 1, Shape: .5, Concurrency: 8, Ramp: time.Second, Sustain: 5 * time.Second},
		Series:  []Second{{Tokens: 3}, {Tokens: 11}, {Tokens: 7}},
		Client:  Client{MaxInFlight: 2},
		Verdict: Verdict{State: StateValid},
	}
	h := newHist()
	record(h, 10_000)
	if run.Gaps, err = EncodeHist(h); err != nil {
		t.Fatal(err)
	}
	one := streamed(time.Second, 100*ms, 200*ms, 11)
	one.FirstText = one.FirstToken + 20*ms
	two := streamed(2*time.Second, 200*ms, 500*ms, 31)
	two.Scheduled -= 50 * ms // waited for the cap
	three := streamed(4*time.Second, 300*ms, time.Second, 1)
	failed := failure(3*time.Second, "rate_limited", 429)
	failed.Detail = "slow down"
	cut := streamed(5*time.Second, 0, 0, 0)
	cut.OK, cut.Incomplete, cut.Done, cut.Status, cut.FirstByte = false, true, None, 0, None
	warm := streamed(0, 900*ms, 950*ms, 5)
	warm.Phase = workload.Warmup
	cool := streamed(6*time.Second, 900*ms, 950*ms, 5)
	cool.Phase = workload.Cooldown
	records := []*Record{warm, one, two, three, failed, cut, cool}
	for i, r := range records {
		r.Run, r.Index = run.ID, int64(i)
	}
	writeRun(t, w, s.Workload.SLO, run, records)
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readJSON(t *testing.T, path string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// wantKeys checks that all keys are there, and none but those and more.
func wantKeys(t *testing.T, what string, got map[string]any, keys, more string) {
	t.Helper()
	for _, key := range strings.Fields(keys) {
		if _, ok := got[key]; !ok {
			t.Errorf("%s: no key %s", what, key)
		}
	}
	for key := range got {
		if !slices.Contains(strings.Fields(keys+" "+more), key) {
			t.Errorf("%s: key %s is not in the list", what, key)
		}
	}
}

// statistics are the keys of one figure in a vLLM file.
func statistics(name string) string {
	var b strings.Builder
	for _, s := range []string{"mean", "median", "std", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9"} {
		b.WriteString(s + "_" + name + "_ms ")
	}
	return b.String()
}

const (
	vllmKeys = `date endpoint_type backend label model_id tokenizer_id num_prompts request_rate burstiness max_concurrency
		duration completed failed total_input_tokens total_output_tokens request_throughput request_goodput output_throughput
		total_token_throughput max_output_tokens_per_s max_concurrent_requests rtfx `
	vllmArrays   = `input_lens output_lens ttfts itls latencies start_times queue_times generated_texts errors `
	vllmMetadata = `provider target region run_id repeat step incomplete verdict workload workload_hash sluice_version`
)

func TestVLLMExport(t *testing.T) {
	t.Parallel()
	r := exportSuite(t)
	paths, err := ExportVLLM(r.Dir, r, true)
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(r.Dir, "vllm", "nightly-org-small_eu_2026-11-21_r1-1.0qps-concurrency8-small-20261121-141100.json")
	if diff := cmp.Diff([]string{want}, paths); diff != "" {
		t.Fatal(diff)
	}
	got := readJSON(t, paths[0])
	stats := statistics("ttft") + statistics("tpot") + statistics("itl") + statistics("e2el") + statistics("client_queue_time") + statistics("e2el_including_client_queue")
	wantKeys(t, "vllm", got, vllmKeys+vllmArrays+stats, vllmMetadata)
	for key, want := range map[string]any{
		"model_id": "org/small", "num_prompts": 4., "completed": 3., "failed": 1., "request_rate": 1., "burstiness": .5, "max_concurrency": 8.,
		"duration": 4.001, "request_throughput": 3 / 4.001, "total_input_tokens": 300., "total_output_tokens": 43.,
		"output_throughput": 43 / 4.001, "total_token_throughput": 343 / 4.001, "max_output_tokens_per_s": 11., "max_concurrent_requests": 2.,
		// The limit on TTFT is 150 ms: one request meets it.
		"request_goodput": 1 / 4.001,
		// Scalars are in milliseconds.
		"mean_ttft_ms": 200., "median_ttft_ms": 200., "p99_ttft_ms": 298., "std_ttft_ms": 81.64965809277261,
		"mean_tpot_ms": 10., "median_e2el_ms": 500., "p90_e2el_ms": 900., "mean_itl_ms": 10.,
		"mean_client_queue_time_ms": 50. / 3, "p50_e2el_including_client_queue_ms": 550.,
		"date": "20261121-141100", "incomplete": "1", "region": "eu",
	} {
		if x, number := want.(float64); number {
			y, _ := got[key].(float64)
			if d := x - y; d > 1e-2 || d < -1e-2 {
				t.Errorf("%s is %v, want %v", key, got[key], want)
			}
			continue
		}
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	// Arrays are in seconds, and all of one length.
	for key, want := range map[string]any{
		"ttfts": []any{.1, .2, .3, 0.}, "latencies": []any{.2, .5, 1., 0.}, "output_lens": []any{11., 31., 1., 0.}, "input_lens": []any{100., 100., 100., 0.},
		"start_times": []any{1., 2., 4., 3.}, "queue_times": []any{0., .05, 0., 0.}, "errors": []any{"", "", "", "rate_limited: slow down"},
		"itls": []any{[]any{}, []any{}, []any{}, []any{}}, "generated_texts": []any{"", "", "", ""},
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

func TestVLLMExportWithoutDetail(t *testing.T) {
	t.Parallel()
	dir, _ := writeTestSuite(t)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := ExportVLLM(t.TempDir(), r, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 6 {
		t.Fatalf("%d files, want 6", len(paths))
	}
	for _, path := range paths {
		got := readJSON(t, path)
		// There are no gaps in these runs: no itl, rather than 0.
		wantKeys(t, path, got, vllmKeys+statistics("ttft")+statistics("tpot")+statistics("e2el"), vllmMetadata)
		var sum *Summary
		for _, run := range r.Suite.Runs {
			if run.ID == got["run_id"] {
				sum = &run.Summary
			}
		}
		if got["p95_ttft_ms"] != sum.TTFT.P95 || got["request_throughput"] != sum.WholeTPS || got["max_concurrency"] != nil {
			t.Errorf("%s: %v %v", path, got["p95_ttft_ms"], got["max_concurrency"])
		}
	}
}

func TestVLLMRate(t *testing.T) {
	t.Parallel()
	f := func(l Load, want string) {
		t.Helper()
		if got := vllmRate(l); got != want {
			t.Errorf("%+v is %s, want %s", l, got, want)
		}
	}
	f(Load{}, "inf")
	f(Load{Rate: 10}, "10.0")
	f(Load{Rate: .25}, "0.25")
}

func TestAIPerfExport(t *testing.T) {
	t.Parallel()
	r := exportSuite(t)
	paths, err := ExportAIPerf(r.Dir, r)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(r.Dir, "aiperf", "org-small_eu_2026-11-21_r1")
	want := []string{filepath.Join(dir, "profile_export_aiperf.json"), filepath.Join(dir, "profile_export_aiperf.csv"), filepath.Join(dir, "profile_export.jsonl")}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Fatal(diff)
	}
	got := readJSON(t, paths[0])
	dists := `time_to_first_token time_to_first_output_token request_latency inter_token_latency inter_chunk_latency
		output_token_throughput_per_user output_sequence_length input_sequence_length`
	singles := `output_token_throughput request_throughput request_count error_request_count goodput good_request_fraction benchmark_duration`
	wantKeys(t, "aiperf", got, `schema_version aiperf_version benchmark_id start_time end_time was_cancelled input_config run_info
		error_summary warmup_metrics `+dists+" "+singles, "")
	wantKeys(t, "run_info", got["run_info"].(map[string]any), `sweep_id random_seed trial run_label variation_label variation_index
		variation_values cli_command`, "")
	for _, tag := range strings.Fields(dists) {
		wantKeys(t, tag, got[tag].(map[string]any), "unit avg min max p1 p5 p10 p25 p50 p75 p90 p95 p99 std count sum", "")
	}
	for _, tag := range strings.Fields(singles) {
		wantKeys(t, tag, got[tag].(map[string]any), "unit avg", "")
	}
	f := func(tag, stat string, want float64) {
		t.Helper()
		if x := got[tag].(map[string]any)[stat].(float64); x-want > 1e-6 || want-x > 1e-6 {
			t.Errorf("%s %s is %v, want %v", tag, stat, x, want)
		}
	}
	f("time_to_first_token", "avg", 200)
	f("time_to_first_token", "p1", 102)
	f("time_to_first_token", "p99", 298)
	f("time_to_first_token", "sum", 600)
	f("time_to_first_output_token", "min", 120)
	f("request_latency", "max", 1000)
	f("inter_token_latency", "count", 2)
	f("inter_token_latency", "p50", 10)
	f("output_token_throughput_per_user", "avg", 100)
	f("output_sequence_length", "max", 31)
	f("request_count", "avg", 3)
	f("error_request_count", "avg", 1)
	f("request_throughput", "avg", 3/4.001)
	f("good_request_fraction", "avg", .2)
	f("benchmark_duration", "avg", 4.001)
	errs := []any{map[string]any{"error_details": map[string]any{"code": 429., "type": "rate_limited", "message": ""}, "count": 1.}}
	if diff := cmp.Diff(errs, got["error_summary"]); diff != "" {
		t.Error(diff)
	}
	checkAIPerfTable(t, paths[1])
	checkAIPerfLines(t, r, paths[2])
}

func checkAIPerfTable(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, second, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		t.Fatal("the table has one part")
	}
	read := func(part string) map[string][]string {
		t.Helper()
		rows, err := csv.NewReader(strings.NewReader(part)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]string{}
		for _, row := range rows {
			out[row[0]] = row[1:]
		}
		return out
	}
	stats, singles := read(first), read(second)
	for name, want := range map[string]string{
		"Metric":                   "avg min max p1 p5 p10 p25 p50 p75 p90 p95 p99 std",
		"Time to First Token (ms)": "200.00 100.00 300.00 102.00 110.00 120.00 150.00 200.00 250.00 280.00 290.00 298.00 81.65",
	} {
		if diff := cmp.Diff(strings.Fields(want), stats[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, want := range map[string]string{"Metric": "Value", "Request Count": "3", "Request Throughput (requests/sec)": "0.75", "Benchmark Duration (sec)": "4.00"} {
		if diff := cmp.Diff([]string{want}, singles[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func checkAIPerfLines(t *testing.T, r *Results, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for scan := bufio.NewScanner(bytes.NewReader(b)); scan.Scan(); {
		var v map[string]any
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, "line", v, "metadata metrics error", "")
		wantKeys(t, "metadata", v["metadata"].(map[string]any), `session_num x_request_id x_correlation_id conversation_id turn_index request_start_ns
			request_ack_ns request_end_ns worker_id benchmark_phase was_cancelled`, "record_processor_id cancellation_time_ns")
		lines = append(lines, v)
	}
	if len(lines) != 6 { // all but the request that cooled down
		t.Fatalf("%d lines, want 6", len(lines))
	}
	phase := func(i int) any { return lines[i]["metadata"].(map[string]any)["benchmark_phase"] }
	if phase(0) != "warmup" || phase(1) != "profiling" {
		t.Errorf("phases %v, %v", phase(0), phase(1))
	}
	tags := slices.Sorted(maps.Keys(lines[1]["metrics"].(map[string]any)))
	if diff := cmp.Diff(strings.Fields(`input_sequence_length inter_token_latency output_sequence_length output_token_throughput_per_user
		request_latency time_to_first_output_token time_to_first_token`), tags); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"value": 100., "unit": "ms"}, lines[1]["metrics"].(map[string]any)["time_to_first_token"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"code": 429., "type": "rate_limited", "message": "slow down"}, lines[4]["error"]); diff != "" {
		t.Error(diff)
	}
	if cut := lines[5]["metadata"].(map[string]any); cut["was_cancelled"] != true || cut["request_ack_ns"] != nil {
		t.Errorf("cut off: %v", cut)
	}
	var exact aiperfRecord
	if err := json.Unmarshal(bytes.Split(b, []byte("\n"))[1], &exact); err != nil {
		t.Fatal(err)
	}
	if want := r.Suite.Runs[0].Started.Add(time.Second).UnixNano(); exact.Metadata.RequestStartNS != want {
		t.Errorf("start %d, want %d", exact.Metadata.RequestStartNS, want)
	}
}

func TestExportFailsWhole(t *testing.T) {
	t.Parallel()
	r := exportSuite(t)
	if err := os.Remove(filepath.Join(r.Dir, r.Suite.Runs[0].File)); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if _, err := ExportAIPerf(out, r); err == nil {
		t.Error("no error without records")
	}
	if _, err := ExportVLLM(out, r, true); err == nil {
		t.Error("no error without records")
	}
	left, err := filepath.Glob(filepath.Join(out, "*", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

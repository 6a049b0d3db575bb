package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"sluice/internal/stat"
	"sluice/internal/workload"
)

// ExportAIPerf writes a directory for each run, with the files that AIPerf leaves (export schema 1.5, seen on 2026-11-21),
// below dir/aiperf, and returns their paths: profile_export_aiperf.json and .csv with the statistics, profile_export.jsonl
// with a line for each request. Figures are of the measured requests; time_to_second_token is not measured.
func ExportAIPerf(dir string, r *Results) ([]string, error) {
	paths, err := export(r, func(run *Run) (exporter, error) {
		a := &aiperfRun{
			suite: r.Suite, run: run, dir: filepath.Join(dir, "aiperf", runLabel(r.Suite, run)), samples: map[string]*sample{}, failures: map[aiperfError]int64{},
		}
		if err := os.MkdirAll(a.dir, 0o755); err != nil {
			return nil, err
		}
		var err error
		a.lines, err = createFile(filepath.Join(a.dir, "profile_export.jsonl"))
		return a, err
	})
	if err != nil {
		return paths, fmt.Errorf("export for AIPerf: %w", err)
	}
	return paths, nil
}

// aiperfRun gathers one run.
type aiperfRun struct {
	suite    *Suite
	run      *Run
	dir      string
	lines    *newFile
	streamed bool

	samples  map[string]*sample // by tag
	failures map[aiperfError]int64
}

// aiperfMetric is one metric's statistics. Those of a single value have Avg only.
type aiperfMetric struct {
	Unit  string   `json:"unit"`
	Avg   *float64 `json:"avg"`
	P1    *float64 `json:"p1,omitempty"`
	P5    *float64 `json:"p5,omitempty"`
	P10   *float64 `json:"p10,omitempty"`
	P25   *float64 `json:"p25,omitempty"`
	P50   *float64 `json:"p50,omitempty"`
	P75   *float64 `json:"p75,omitempty"`
	P90   *float64 `json:"p90,omitempty"`
	P95   *float64 `json:"p95,omitempty"`
	P99   *float64 `json:"p99,omitempty"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
	Std   *float64 `json:"std,omitempty"`
	Count *int64   `json:"count,omitempty"`
	Sum   *float64 `json:"sum,omitempty"`
}

type aiperfValue struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

type aiperfError struct {
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

type aiperfMetadata struct {
	SessionNum        int64  `json:"session_num"`
	XRequestID        string `json:"x_request_id"`
	XCorrelationID    string `json:"x_correlation_id"`
	ConversationID    string `json:"conversation_id"`
	TurnIndex         int    `json:"turn_index"`
	RequestStartNS    int64  `json:"request_start_ns"`
	RequestAckNS      *int64 `json:"request_ack_ns"`
	RequestEndNS      int64  `json:"request_end_ns"`
	WorkerID          string `json:"worker_id"`
	RecordProcessorID string `json:"record_processor_id"`
	BenchmarkPhase    string `json:"benchmark_phase"`
	WasCancelled      bool   `json:"was_cancelled"`
	CancellationNS    *int64 `json:"cancellation_time_ns"`
}

type aiperfRecord struct {
	Metadata aiperfMetadata         `json:"metadata"`
	Metrics  map[string]aiperfValue `json:"metrics"`
	Error    *aiperfError           `json:"error"`
}

func (a *aiperfRun) drop() { a.lines.abort() }

// add writes a request's line and takes its values. Requests that were never sent, or sent to cool down, have none.
func (a *aiperfRun) add(r *Record) error {
	if r.Dispatched == None || r.Phase == workload.Cooldown {
		return nil
	}
	a.streamed = a.streamed || r.Stream
	rec := aiperfRecord{Metadata: a.metadata(r), Metrics: aiperfValues(r)}
	if !r.OK {
		rec.Error = &aiperfError{Code: r.Status, Type: r.Error, Message: r.Detail}
		if r.Incomplete {
			rec.Error = &aiperfError{Code: 499, Type: "RequestCancellationError", Message: "cut off by the end of the run"}
		}
	}
	if r.Phase == workload.Sustain {
		if r.OK {
			for tag, v := range rec.Metrics {
				if a.samples[tag] == nil {
					a.samples[tag] = &sample{whole: v.Unit == "tokens"}
				}
				a.samples[tag].add(v.Value)
			}
		} else if !r.Incomplete {
			// One message stands for all of a kind: they often differ in nothing but an id.
			a.failures[aiperfError{Code: r.Status, Type: r.Error}]++
		}
	}
	b, err := json.Marshal(&rec)
	if err != nil {
		return err
	}
	if _, err := a.lines.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write profile_export.jsonl: %w", err)
	}
	return nil
}

func (a *aiperfRun) metadata(r *Record) aiperfMetadata {
	at := func(d time.Duration) int64 { return a.run.Started.Add(d).UnixNano() }
	m := aiperfMetadata{
		SessionNum: r.Index, XRequestID: r.RequestID, TurnIndex: r.Turn, RequestStartNS: at(r.Dispatched), RequestEndNS: at(max(r.Done, r.Dispatched)),
		WorkerID: "sluice", RecordProcessorID: "sluice", BenchmarkPhase: "profiling", WasCancelled: r.Incomplete,
	}
	if r.Phase != workload.Sustain {
		m.BenchmarkPhase = "warmup"
	}
	if m.XRequestID == "" {
		m.XRequestID = fmt.Sprintf("%s-%d", r.Run, r.Index)
	}
	group := r.Index
	if r.Group >= 0 {
		group = r.Group
	}
	m.ConversationID = strconv.FormatInt(group, 10)
	m.XCorrelationID = r.Run + "-" + m.ConversationID
	if r.FirstByte != None {
		ack := at(r.FirstByte)
		m.RequestAckNS = &ack
	}
	if r.Incomplete {
		end := m.RequestEndNS
		m.CancellationNS = &end
	}
	return m
}

// aiperfValues are the metrics of one request, by tag.
func aiperfValues(r *Record) map[string]aiperfValue {
	if !r.OK {
		return map[string]aiperfValue{"error_isl": {float64(r.WantInput), "tokens"}}
	}
	out := map[string]aiperfValue{
		"input_sequence_length":  {float64(r.Input), "tokens"},
		"output_sequence_length": {float64(r.Output), "tokens"},
	}
	put := func(tag string, d time.Duration, ok bool) {
		if ok {
			out[tag] = aiperfValue{Milliseconds(d), "ms"}
		}
	}
	d, ok := r.TTFT()
	put("time_to_first_token", d, ok)
	d, ok = r.TTFO()
	put("time_to_first_output_token", d, ok)
	d, ok = r.E2E()
	put("request_latency", d, ok)
	d, ok = r.TPOT()
	put("inter_token_latency", d, ok)
	if ok && d > 0 {
		out["output_token_throughput_per_user"] = aiperfValue{1 / d.Seconds(), "tokens/sec/user"}
	}
	return out
}

func (a *aiperfRun) finish() ([]string, error) {
	metrics, err := a.metrics()
	if err != nil {
		a.drop()
		return nil, err
	}
	if err := a.lines.commit(); err != nil {
		return nil, fmt.Errorf("write profile_export.jsonl: %w", err)
	}
	out := a.about()
	for tag, m := range metrics {
		out[tag] = m
	}
	summary, table := filepath.Join(a.dir, "profile_export_aiperf.json"), filepath.Join(a.dir, "profile_export_aiperf.csv")
	if err := writeJSON(summary, out); err != nil {
		return nil, err
	}
	if err := replaceFile(table, func(w io.Writer) error { return writeAIPerfTable(w, metrics) }); err != nil {
		return nil, fmt.Errorf("write profile_export_aiperf.csv: %w", err)
	}
	return []string{summary, table, a.lines.path}, nil
}

// about is all of the JSON that is not a metric.
func (a *aiperfRun) about() map[string]any {
	run, s := a.run, a.suite
	load := map[string]any{}
	if run.Load.Rate > 0 {
		load["request_rate"] = run.Load.Rate
	}
	if run.Load.Concurrency > 0 {
		load["concurrency"] = run.Load.Concurrency
	}
	errs := []any{}
	for _, e := range slices.SortedFunc(maps.Keys(a.failures), compareAIPerfErrors) {
		errs = append(errs, map[string]any{"error_details": e, "count": a.failures[e]})
	}
	length := run.Load.Warmup + run.Load.Ramp + run.Load.Sustain + run.Load.Cooldown
	return map[string]any{
		"schema_version": "1.5", "aiperf_version": "sluice " + s.Conditions.Version, "benchmark_id": run.ID,
		"start_time": run.Started.UTC().Format(time.RFC3339Nano), "end_time": run.Started.Add(max(length, run.To)).UTC().Format(time.RFC3339Nano),
		"was_cancelled": run.Stopped != "",
		"input_config": map[string]any{
			"endpoint": map[string]any{"model_names": []string{run.Cell.Model}, "type": "chat", "streaming": a.streamed},
			"loadgen":  load,
		},
		"run_info": map[string]any{
			"sweep_id": s.ID, "random_seed": run.Seed, "trial": run.Repeat + 1, "run_label": runLabel(s, run),
			"variation_label": loadName(run.Load), "variation_index": run.Step, "variation_values": load, "cli_command": s.Command,
		},
		"error_summary": errs, "warmup_metrics": nil,
	}
}

func compareAIPerfErrors(x, y aiperfError) int {
	if x.Code != y.Code {
		return x.Code - y.Code
	}
	return slices.Compare([]string{x.Type, x.Message}, []string{y.Type, y.Message})
}

// metrics are all of the run's, by tag.
func (a *aiperfRun) metrics() (map[string]aiperfMetric, error) {
	s := &a.run.Summary
	one := func(unit string, v float64) aiperfMetric { return aiperfMetric{Unit: unit, Avg: &v} }
	out := map[string]aiperfMetric{
		"request_throughput":      one("requests/sec", s.WholeTPS),
		"output_token_throughput": one("tokens/sec", s.WholeOutput),
		"request_count":           one("requests", float64(s.OK)),
		"error_request_count":     one("requests", float64(s.Failed)),
		"benchmark_duration":      one("sec", s.Whole),
	}
	if hasSLO(a.suite.Workload.SLO) {
		out["goodput"] = one("requests/sec", perSecond(good(s), s.Whole))
		out["good_request_fraction"] = one("ratio", s.GoodFraction)
	}
	var buf []float64
	for tag, x := range a.samples {
		unit := map[string]string{
			"input_sequence_length": "tokens", "output_sequence_length": "tokens", "output_token_throughput_per_user": "tokens/sec/user",
		}[tag]
		if unit == "" {
			unit = "ms"
		}
		var d Dist
		d, buf = x.dist(buf)
		p1, p5 := x.low(buf)
		out[tag] = aiperfDist(unit, d, p1, p5)
	}
	gaps, err := DecodeHist(a.run.Gaps)
	if err != nil {
		return nil, fmt.Errorf("read gaps of run %s: %w", a.run.ID, err)
	}
	if d := histDist(gaps, 1000); d.N > 0 {
		at := func(p float64) float64 { return max(d.Min, float64(gaps.ValueAtPercentile(p))/1000) }
		out["inter_chunk_latency"] = aiperfDist("ms", d, at(1), at(5))
	}
	return out, nil
}

// low are the first and fifth percentile, from what dist left in sorted.
func (s *sample) low(sorted []float64) (p1, p5 float64) {
	if s.hist != nil {
		at := func(p float64) float64 { return s.clamp(float64(s.hist.ValueAtPercentile(p)) / s.scale()) }
		return at(1), at(5)
	}
	return stat.Quantile(sorted, .01), stat.Quantile(sorted, .05)
}

func aiperfDist(unit string, d Dist, p1, p5 float64) aiperfMetric {
	sum := d.Mean * float64(d.N)
	return aiperfMetric{
		Unit: unit, Avg: &d.Mean, P1: &p1, P5: &p5, P10: &d.P10, P25: &d.P25, P50: &d.P50, P75: &d.P75, P90: &d.P90, P95: &d.P95,
		P99: &d.P99, Min: &d.Min, Max: &d.Max, Std: &d.Std, Count: &d.N, Sum: &sum,
	}
}

// aiperfNames are the metrics as people read them.
func aiperfNames() map[string]string {
	return map[string]string{
		"time_to_first_token": "Time to First Token", "time_to_first_output_token": "Time to First Output Token", "request_latency": "Request Latency",
		"inter_token_latency": "Inter Token Latency", "inter_chunk_latency": "Inter Chunk Latency",
		"output_token_throughput_per_user": "Output Token Throughput Per User", "output_sequence_length": "Output Sequence Length",
		"input_sequence_length": "Input Sequence Length", "request_throughput": "Request Throughput",
		"output_token_throughput": "Output Token Throughput", "request_count": "Request Count", "error_request_count": "Error Request Count",
		"goodput": "Goodput", "good_request_fraction": "Good Request Fraction", "benchmark_duration": "Benchmark Duration",
	}
}

// writeAIPerfTable writes the two parts of the CSV: metrics with statistics, and after an empty line single values.
func writeAIPerfTable(dst io.Writer, metrics map[string]aiperfMetric) error {
	w := csv.NewWriter(dst)
	names := aiperfNames()
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', 2, 64)
	}
	rows := [][]string{{"Metric", "avg", "min", "max", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "std"}}
	singles := [][]string{{}, {"Metric", "Value"}}
	for _, tag := range slices.Sorted(maps.Keys(metrics)) {
		m := metrics[tag]
		name := names[tag]
		if m.Unit != "requests" {
			name += " (" + m.Unit + ")"
		}
		if m.P50 == nil {
			value := number(m.Avg)
			if m.Unit == "requests" {
				value = strconv.FormatFloat(*m.Avg, 'f', 0, 64)
			}
			singles = append(singles, []string{name, value})
			continue
		}
		row := []string{name}
		for _, v := range []*float64{m.Avg, m.Min, m.Max, m.P1, m.P5, m.P10, m.P25, m.P50, m.P75, m.P90, m.P95, m.P99, m.Std} {
			row = append(row, number(v))
		}
		rows = append(rows, row)
	}
	// The first error stays in w.
	_ = w.WriteAll(append(rows, singles...))
	return w.Error()
}

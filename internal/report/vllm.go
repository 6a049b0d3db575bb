package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/workload"
)

// ExportVLLM writes a file for each run, as vLLM's serving benchmark saves its results (vllm/benchmarks/serve.py, seen on
// 2026-11-21), into dir/vllm, and returns the paths. Scalars are in milliseconds and arrays in seconds, as there. A figure
// that the run does not have is left out, where vLLM writes 0. With detailed, arrays with an element for each measured
// request are added; as in vLLM, a failed request is 0 in them and has a text in errors. Gaps between single events are not
// kept, so that each request's itls are empty; the statistics of itl are those of ICL.
func ExportVLLM(dir string, r *Results, detailed bool) ([]string, error) {
	dir = filepath.Join(dir, "vllm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("export for vLLM: %w", err)
	}
	names := map[string]bool{}
	paths, err := export(r, func(run *Run) (exporter, error) {
		name := vllmName(r.Suite, run)
		if names[name] {
			return nil, fmt.Errorf("two runs have the name %s", name)
		}
		names[name] = true
		return &vllmRun{suite: r.Suite, run: run, path: filepath.Join(dir, name), detailed: detailed}, nil
	})
	if err != nil {
		return paths, fmt.Errorf("export for vLLM: %w", err)
	}
	return paths, nil
}

// vllmRun gathers one run.
type vllmRun struct {
	suite    *Suite
	run      *Run
	path     string
	detailed bool

	queue, whole     sample // of successes, milliseconds
	inputs, outputs  []int64
	ttfts, latencies []float64 // seconds
	starts, queues   []float64
	errors           []string
}

// vllmName is {label}-{rate}qps[-concurrency{N}]-{model}-{date}.json. The label tells runs apart that began in one second.
func vllmName(s *Suite, run *Run) string {
	concurrency := ""
	if run.Load.Concurrency > 0 {
		concurrency = fmt.Sprintf("-concurrency%d", run.Load.Concurrency)
	}
	model := run.Cell.Model[strings.LastIndexByte(run.Cell.Model, '/')+1:]
	return fmt.Sprintf("%s-%sqps%s-%s-%s.json", vllmLabel(s, run), vllmRate(run.Load), concurrency, safeName(model), vllmDate(run.Started))
}

func vllmLabel(s *Suite, run *Run) string { return safeName(s.Name) + "-" + runLabel(s, run) }

func vllmDate(t time.Time) string { return t.UTC().Format("20060102-150405") }

// vllmRate is the rate as Python prints it.
func vllmRate(l Load) string {
	if l.Rate <= 0 {
		return "inf"
	}
	s := strconv.FormatFloat(l.Rate, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func (v *vllmRun) add(r *Record) error {
	if r.Phase != workload.Sustain || r.Incomplete {
		return nil
	}
	queue, _ := since(r.Dispatched, r.Scheduled)
	if d, ok := r.E2ESched(); r.OK && ok {
		v.queue.add(Milliseconds(queue))
		v.whole.add(Milliseconds(d))
	}
	if !v.detailed {
		return nil
	}
	input, output := r.WantInput, int64(0) // of a failed request vLLM has the length that it sent
	var ttft, latency time.Duration
	failure := ""
	if r.OK {
		input, output = r.Input, r.Output
		ttft, _ = r.TTFT() // 0 if there is none, as in vLLM
		latency, _ = r.E2E()
	} else {
		failure = strings.TrimSpace(r.Error + ": " + r.Detail)
	}
	v.inputs = append(v.inputs, input)
	v.outputs = append(v.outputs, output)
	v.ttfts = append(v.ttfts, ttft.Seconds())
	v.latencies = append(v.latencies, latency.Seconds())
	v.starts = append(v.starts, r.Dispatched.Seconds())
	v.queues = append(v.queues, queue.Seconds())
	v.errors = append(v.errors, failure)
	return nil
}

func (v *vllmRun) drop() {}

func (v *vllmRun) finish() ([]string, error) {
	out := v.scalars()
	v.addStatistics(out)
	if v.detailed {
		v.addArrays(out)
	}
	return []string{v.path}, writeJSON(v.path, out)
}

func (v *vllmRun) scalars() map[string]any {
	run, s := v.run, &v.run.Summary
	out := map[string]any{
		"date": vllmDate(run.Started), "endpoint_type": "openai-chat", "backend": "openai-chat", "label": vllmLabel(v.suite, run),
		"model_id": run.Cell.Model, "tokenizer_id": run.Cell.Model, "num_prompts": s.OK + s.Failed,
		"request_rate": any("inf"), "burstiness": nil, "max_concurrency": nil,
		"duration": s.Whole, "completed": s.OK, "failed": s.Failed,
		"total_input_tokens": s.InputTokens, "total_output_tokens": s.OutputTokens,
		"request_throughput": s.WholeTPS, "request_goodput": nil, "output_throughput": s.WholeOutput,
		"total_token_throughput":  perSecond(float64(s.InputTokens+s.OutputTokens), s.Whole),
		"max_output_tokens_per_s": peakTokens(run.Series), "max_concurrent_requests": run.Client.MaxInFlight, "rtfx": 0.0,
		// What --metadata would add: texts.
		"provider": run.Cell.Provider, "target": run.Cell.Target, "region": run.Cell.Region, "run_id": run.ID,
		"repeat": strconv.Itoa(run.Repeat), "step": strconv.Itoa(run.Step), "incomplete": strconv.FormatInt(s.Incomplete, 10),
		"verdict": run.Verdict.State, "workload": v.suite.Workload.Name, "workload_hash": v.suite.Workload.Hash,
		"sluice_version": v.suite.Conditions.Version,
	}
	if run.Load.Rate > 0 {
		out["request_rate"] = run.Load.Rate
	}
	switch run.Load.Process {
	case "poisson":
		out["burstiness"] = 1.0
	case "gamma":
		out["burstiness"] = run.Load.Shape
	case "ramp":
		out["ramp_up_strategy"], out["ramp_up_end_rps"] = "linear", run.Load.Rate
	}
	if run.Load.Concurrency > 0 {
		out["max_concurrency"] = run.Load.Concurrency
	}
	if hasSLO(v.suite.Workload.SLO) {
		out["request_goodput"] = perSecond(good(s), s.Whole)
	}
	return out
}

func perSecond(n, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return n / seconds
}

// peakTokens is the most tokens in a second. vLLM counts events under this name.
func peakTokens(series []Second) float64 {
	var most float64
	for _, x := range series {
		most = max(most, x.Tokens)
	}
	return most
}

func (v *vllmRun) addStatistics(out map[string]any) {
	s := &v.run.Summary
	dists := map[string]Dist{"ttft": s.TTFT, "tpot": s.TPOT, "itl": s.ICL, "e2el": s.E2E}
	if v.run.Load.Concurrency > 0 { // vLLM writes these when a cap can make requests wait
		dists["client_queue_time"], _ = v.queue.dist(nil)
		if v.run.Load.Rate > 0 {
			dists["e2el_including_client_queue"], _ = v.whole.dist(nil)
		}
	}
	for name, d := range dists {
		if d.N == 0 {
			continue
		}
		for stat, x := range map[string]float64{
			"mean": d.Mean, "median": d.P50, "std": d.Std, "p10": d.P10, "p25": d.P25, "p50": d.P50, "p75": d.P75, "p90": d.P90,
			"p95": d.P95, "p99": d.P99, "p99.9": d.P999,
		} {
			out[stat+"_"+name+"_ms"] = x
		}
	}
}

func (v *vllmRun) addArrays(out map[string]any) {
	n := len(v.errors)
	out["input_lens"] = orEmpty(v.inputs)
	out["output_lens"] = orEmpty(v.outputs)
	out["ttfts"] = orEmpty(v.ttfts)
	out["latencies"] = orEmpty(v.latencies)
	out["start_times"] = orEmpty(v.starts)
	out["queue_times"] = orEmpty(v.queues)
	out["errors"] = orEmpty(v.errors)
	out["generated_texts"] = slices.Repeat([]string{""}, n) // prompts and answers are not kept
	out["itls"] = slices.Repeat([][]float64{{}}, n)
}

// orEmpty is xs, as [] rather than null in JSON.
func orEmpty[T any](xs []T) []T {
	if xs == nil {
		return []T{}
	}
	return xs
}

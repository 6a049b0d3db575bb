package workload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// guide is a workload as the benchmark guide writes it.
const guide = `
benchmark_workload:
  name: customer_support
  version: "1.0"
  description: Support conversations of one week
  request_distribution:
    - percentile: 50
      input_tokens: 500
      output_tokens: 150
    - percentile: 95
      input_tokens: 2000
      output_tokens: 500
    - percentile: "p99"
      input_tokens: 4000
      output_tokens: 1000
  latency_sla_ms: 3000
  concurrent_users: 50
  test_duration_seconds: 300
`

func TestGuideShapeWorksAsIs(t *testing.T) {
	t.Parallel()
	w, err := Parse("guide.yaml", []byte(guide))
	if err != nil {
		t.Fatal(err)
	}
	if w.Name != "customer_support" || w.Version != "1.0" || w.Source != guide || len(w.Hash) != 64 {
		t.Errorf("name %q, version %q, hash %q", w.Name, w.Version, w.Hash)
	}
	got := *w
	got.Name, got.Version, got.Description, got.Source, got.Hash = "", "", "", "", ""
	want := Workload{
		Seed: 1, Stream: true, Repeats: 3, Timeout: 5 * time.Minute,
		Arrival: Arrival{Process: Closed, Concurrency: 50},
		Phases:  Phases{10 * time.Second, 10 * time.Second, 5 * time.Minute, time.Minute},
		SLO:     SLO{E2E: 3 * time.Second},
		load:    w.load,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Workload{}), cmp.Comparer(func(a, b load) bool { return true })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l := w.load.Mix[0].Lengths
	for u, lengths := range map[float64][2]int32{0.5: {500, 150}, 0.95: {2000, 500}, 0.99: {4000, 1000}, 1: {4000, 1000}} {
		if got := [2]int32{l.In.tokens(u), l.Out.tokens(u)}; got != lengths {
			t.Errorf("at %v: %v tokens, want %v", u, got, lengths)
		}
	}
	if !l.Joint {
		t.Error("the lengths of one row are drawn one by one")
	}
}

func TestArrivalsThatFilesMean(t *testing.T) {
	t.Parallel()
	f := func(keys string, want Arrival, mode string) {
		t.Helper()
		w := mustParse(t, short+"\n"+keys)
		if diff := cmp.Diff(want, w.Arrival); diff != "" {
			t.Errorf("%s (-want +got):\n%s", keys, diff)
		}
		if got := w.Arrival.Mode(); got != mode {
			t.Errorf("%s: mode %s, want %s", keys, got, mode)
		}
	}
	f("  concurrent_users: 5", Arrival{Process: Closed, Concurrency: 5}, "closed")
	f("  arrival: {concurrency: 5, process: closed, think: 3s}", Arrival{Process: Closed, Concurrency: 5, Think: 3 * time.Second}, "closed")
	f("  arrival: {rate: 2.5}", Arrival{Process: Poisson, Rate: 2.5}, "open")
	f("  arrival: {rate: 2}\n  concurrent_users: 9", Arrival{Process: Poisson, Rate: 2, Concurrency: 9}, "hybrid")
	f("  arrival: {process: constant, rate: 2, concurrency: 9}", Arrival{Process: Constant, Rate: 2, Concurrency: 9}, "hybrid")
	f("  arrival: {rate: 2, shape: 0.5}", Arrival{Process: Gamma, Rate: 2, Shape: 0.5}, "open")
	f("  arrival: {rate: 2, from: 1}", Arrival{Process: Rising, Rate: 2, From: 1}, "open")
	f("  arrival: {process: ramp, rate: 2}", Arrival{Process: Rising, Rate: 2, From: 0.2}, "open")
}

func TestErrorsNameTheirPlaceAllAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"bad.csv": "a,b\n", "bad.jsonl": "{}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(src string, want ...string) {
		t.Helper()
		_, err := Parse(filepath.Join(dir, "w.yaml"), []byte(src))
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%s\n%v, want an error of a workload file", src, err)
			return
		}
		got := strings.Split(strings.ReplaceAll(err.Error(), filepath.Join(dir, ""), ""), "\n")
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "/w.yaml:")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", src, diff)
		}
		if strings.Count(bad.Excerpt(), "^\n") != len(want) {
			t.Errorf("excerpt without a caret for each problem:\n%s", bad.Excerpt())
		}
	}
	in := func(keys string) string { return "benchmark_workload:\n  name: x\n  " + keys + "\n" }
	lengths := "request_distribution: {input_tokens: 5, output_tokens: 5}\n  "

	f("", "1:1: is empty; a workload file has the key benchmark_workload")
	f("workload: {}", `1:1: workload: is not a known key; known here: benchmark_workload`)
	f("benchmark_worklod: {name: x}", `1:1: benchmark_worklod: is not a known key; did you mean "benchmark_workload"?`)
	f("- 1", "1:1: must be a mapping, not a list")
	f("benchmark_workload:", "1:1: has no key benchmark_workload with a value")
	f(in("a: 1\n---\nb: 2"), "5:1: a second document begins here; a workload file is one")
	f("benchmark_workload:\n  arival: {rate: 5}\n  phases: {warm_up: 5s, sustain: 5}\n  arrival: {process: posson, rate: -1, rate: 2}\n  slo: {ttft: fast}\n",
		`2:3: arival: is not a known key; did you mean "arrival"?`,
		`3:12: phases.warm_up: is not a known key; did you mean "warmup"?`,
		`3:34: phases.sustain: needs a unit, such as 5s or 5ms`,
		`4:22: arrival.process: must be one of closed, constant, poisson, gamma, trace, ramp, not "posson"`,
		`4:36: arrival.rate: is -1; it must be between 0.000001 and 1000000`,
		`4:40: arrival.rate: is already set in line 4`,
		`5:15: slo.ttft: must be a duration such as 250ms, 5s or 10m, not "fast"`,
	)
	f(in("request_distribution:\n    - {percentile: 50, input_tokens: 500, output_tokens: 100}\n    - {percentile: 95, input_tokens: 50, output_tokens: 100}\n    - {percentile: 95, input_tokens: 500, output_tokens: 100}\n    - {input_tokens: 0.5}\n    - {percentile: p101}"),
		"5:24: request_distribution[1].input_tokens: is 50 at p95, below the 500 at p50: lengths cannot fall as percentiles rise",
		"6:43: request_distribution[2].output_tokens: is a second value for this percentile",
		"7:7: request_distribution[3]: needs percentile",
		"7:22: request_distribution[3].input_tokens: is 0.5; it must be between 1 and 10000000",
		`8:20: request_distribution[4].percentile: must be min, max, or a percentile between p0 and p100, not "p101"`,
	)
	f(in("request_distribution: {input_tokens: {p50: 5, fixed: 3}, output_tokens: {mean: 3}}"),
		"3:49: request_distribution.input_tokens.fixed: cannot stand beside percentiles",
		`3:76: request_distribution.output_tokens.mean: must be min, max, or a percentile between p0 and p100, not "mean"`)
	f(in(lengths+"concurrent_users: 2.5\n  repeats: many\n  stream: 1\n  stop_at_error_rate: 120%\n  seed: &a 1\n  mix: {kind: chat}"),
		"4:21: concurrent_users: must be a whole number, not 2.5",
		`5:12: repeats: must be a number such as 80 or 0.5, not "many"`,
		`6:11: stream: must be true or false, not "1"`,
		`7:23: stop_at_error_rate: must be a share between 0 and 1 such as 20% or 0.2, not "120%"`,
		`8:9: seed: must be a single value, not an alias or anchor, which workload files do not have`,
		`9:8: mix: must be a list, not a mapping`)

	// What does not go together.
	f("benchmark_workload:\n  concurrent_users: 1",
		"1:1: name: is needed", "1:1: request_distribution: needs input_tokens for chat")
	f(in(lengths+"version: 1"), "1:1: arrival: is needed: rate, or concurrent_users for a closed loop, or a trace")
	f(in("request_distribution: {input_tokens: 5}\n  concurrent_users: 1"), "3:3: request_distribution: needs output_tokens for chat")
	f(in(lengths+"arrival: {process: closed, rate: 4, speed: 2}"),
		"4:3: arrival.concurrency: is needed for a closed loop (or concurrent_users)",
		"4:30: arrival.rate: means nothing to the process closed, which has think, concurrency",
		"4:39: arrival.speed: means nothing to the process closed, which has think, concurrency")
	f(in(lengths+"arrival: {process: gamma, rate: 4}"), "4:3: arrival.shape: is needed for gamma arrivals; 1 is Poisson, below 1 is bursty")
	f(in(lengths+"arrival: {process: poisson}"), "4:3: arrival.rate: is needed for poisson arrivals")
	f(in(lengths+"arrival: {process: trace}"), "1:1: trace: is needed for arrivals of a trace")
	f(in(lengths+"concurrent_users: 5\n  arrival: {concurrency: 6}\n  latency_sla_ms: 5\n  slo: {e2e: 6ms}\n  test_duration_seconds: 5\n  phases: {sustain: 6s}"),
		"5:13: arrival.concurrency: says 6 and concurrent_users says 5; set one of them",
		"6:3: latency_sla_ms: says 5ms and slo.e2e says 6ms; set one of them",
		"8:3: test_duration_seconds: says 5s and phases.sustain says 6s; set one of them")
	f(in(lengths+"concurrent_users: 5\n  phases: {sustain: 0s}\n  timeout: 0s\n  mix: [{weight: 0}]"),
		"5:12: phases.sustain: must be above 0s: it is what is measured",
		"6:3: timeout: must be above 0s", "7:3: mix: has no weight above 0")
	f(in(lengths+"concurrent_users: 5\n  prefix: {tokens: 5, hit_rate: 0.5}\n  turns: {think: 5s}"),
		"5:3: prefix: has tokens and share, or block_tokens and hit_rate, not both",
		"6:3: turns: needs one of mean, fixed and distribution")
	f(in(lengths+"concurrent_users: 5\n  prefix: {hit_rate: 0.5}"), "5:3: prefix: needs block_tokens and hit_rate, both above 0")
	f(in(lengths+"trace: {name: azure}\n  turns: {mean: 2}"),
		"3:3: request_distribution: cannot stand beside trace, which has the lengths of requests and what they share",
		"4:11: trace.name: cannot be read: no trace \"azure\" ships with the program; azure-code, azure-conv, mooncake-conversation do",
		"5:3: turns: cannot stand beside trace, which has the lengths of requests and what they share")
	f(in("trace: {}\n  concurrent_users: 1"), "3:3: trace: needs file, or name for a trace that ships with the program (azure-code, azure-conv, mooncake-conversation)")
	f(in("trace: {file: bad.csv}"), "3:11: trace.file: cannot be read: line 1: is the beginning of no known format (azure, mooncake, csv)")
	f(in("trace: {name: azure-code, speed: 2}\n  arrival: {rate: 4}"), "4:13: arrival.rate: cannot stand beside a speed: it is the speed of the trace as a mean rate")
	f(in(lengths+"prompts: {file: bad.jsonl}\n  concurrent_users: 1\n  prefix: {tokens: 5}"),
		"3:3: request_distribution: has input_tokens, and the prompts have their own length; give output_tokens only",
		`4:13: prompts.file: cannot be read: line 1: needs one of "prompt", "messages" and "input"`,
		"6:3: prefix: cannot stand beside prompts, which are sent as they are")
	f(in("prompts: {unique: true}\n  concurrent_users: 1"), "3:3: prompts: needs file")
}

func TestFilesThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if _, err := Parse("w.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want an error with %q", src, err, want)
		}
	}
	f(strings.Repeat("#", maxFile+1), "is larger than 1024 KiB")
	f(strings.Repeat("[", 1000), "nests deeper than 32")
	f(strings.Repeat("- ", 1000), "nests deeper than")
	f("a: \x00", "is not UTF-8 text")
	f("a: \xff", "is not UTF-8 text")
	f("a: [", "is no valid YAML")
	f("a: &a [*a]", "is not a known key")
	f("benchmark_workload: {name: x, trace: {file: /dev/zero}}", "is no regular file")
	f("benchmark_workload: {name: x, prompts: {file: .}}", "is no regular file")
	f("benchmark_workload: {name: x, prompts: {file: none.jsonl}}", "no such file")
}

func TestHashIsOfWhatIsSent(t *testing.T) {
	t.Parallel()
	base := strings.TrimSpace(guide)
	w, err := Parse("a.yaml", []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	f := func(same bool, old, replacement string) {
		t.Helper()
		src := strings.Replace(base, old, replacement, 1)
		if src == base {
			t.Fatalf("%q is not in the file", old)
		}
		got, err := Parse("b.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if (got.Hash == w.Hash) != same {
			t.Errorf("%q in place of %q: the hash is the same: %v, want %v", replacement, old, !same, same)
		}
	}
	f(true, "Support", "Other")
	f(true, "name: customer_support", "name: x # and a comment")
	f(true, `"1.0"`, "2")
	f(true, "latency_sla_ms: 3000", "slo: {ttft: 1s}")
	f(true, "input_tokens: 500\n      output_tokens: 150", "output_tokens: 150\n      input_tokens: 5_00.0")
	f(false, "500", "501")
	f(false, "concurrent_users: 50", "concurrent_users: 51")
	f(false, "test_duration_seconds: 300", "test_duration_seconds: 301")
	f(false, "latency_sla_ms: 3000", "seed: 2")
	f(false, "latency_sla_ms: 3000", "stream: false")
	f(false, "latency_sla_ms: 3000", "turns: {mean: 2}")
	f(false, "latency_sla_ms: 3000", "prefix: {tokens: 2}")
	f(false, "latency_sla_ms: 3000", "mix: [{kind: tools}]")
	f(false, "latency_sla_ms: 3000", "arrival: {rate: 3}")
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	w, err := Parse("a.yaml", []byte(guide))
	if err != nil {
		t.Fatal(err)
	}
	before := *w
	seed := uint64(9)
	stream := false
	f := func(o Overrides, want Arrival) {
		t.Helper()
		got, err := w.With(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Arrival); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", o, diff)
		}
		if got.Hash == w.Hash {
			t.Errorf("%+v does not change the hash", o)
		}
	}
	closed := Arrival{Process: Closed, Concurrency: 50}
	f(Overrides{Rate: 5}, Arrival{Process: Poisson, Rate: 5})
	f(Overrides{Rate: 5, Concurrency: 8}, Arrival{Process: Poisson, Rate: 5, Concurrency: 8})
	f(Overrides{Concurrency: 8}, Arrival{Process: Closed, Concurrency: 8})
	f(Overrides{Seed: &seed}, closed)
	f(Overrides{Stream: &stream}, closed)
	f(Overrides{Phases: &Phases{Sustain: time.Second}}, closed)
	if before.Hash != w.Hash || w.Arrival != closed || w.Seed != 1 {
		t.Error("the workload itself was changed")
	}
	for _, o := range []Overrides{{Rate: -1}, {Concurrency: -1}, {Rate: 1e9}, {Phases: &Phases{Warmup: time.Second}}, {Phases: &Phases{Sustain: -1}}, {Phases: &Phases{Sustain: 1, Ramp: -1}}} {
		if _, err := w.With(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	tr, err := Load("azure-code-trace")
	if err != nil {
		t.Fatal(err)
	}
	fast, err := tr.With(Overrides{Rate: 4 * tr.Arrival.Rate})
	if err != nil {
		t.Fatal(err)
	}
	s := mustSchedule(t, fast, ScheduleOptions{})
	if diff := s.Phases.Sustain*4 - tr.Phases.Sustain; diff.Abs() > time.Second || fast.Arrival.Speed < 3.99 || fast.Arrival.Speed > 4.01 {
		t.Errorf("at four times its rate the trace lasts %v at speed %v, it lasts %v", s.Phases.Sustain, fast.Arrival.Speed, tr.Phases.Sustain)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(guide), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := Load(path); err != nil || w.Name != "customer_support" {
		t.Errorf("a file: %v, %v", w, err)
	}
	f := func(name, want string) {
		t.Helper()
		if _, err := Load(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", name, err, want)
		}
	}
	f("chatbot-suport", `did you mean "chatbot-support"?`)
	f("zzzzzz", "profiles are aa-100k, aa-10k,")
	f("./rag", "no such file")
	f(path+"x", "no such file")
	f(filepath.Dir(path), "is no regular file")
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	profiles := Profiles()
	var names []string
	for _, p := range profiles {
		names = append(names, p.Name)
		w, err := Load(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if w.Name != p.Name || w.Description != p.Description || w.Citation != p.Citation || p.Description == "" || p.Citation == "" || w.Source != p.Source {
			t.Errorf("profile %+v is workload %s: %s (%s)", p.Name, w.Name, w.Description, w.Citation)
		}
		if !strings.HasPrefix(p.Source, "# ") {
			t.Errorf("profile %s does not begin with where its numbers come from", p.Name)
		}
		if in, out := w.Expected(); in < 1 || out < 1 {
			t.Errorf("profile %s expects %v tokens in and %v out", p.Name, in, out)
		}
		mustSchedule(t, w, ScheduleOptions{})
	}
	want := []string{
		"aa-100k", "aa-10k", "aa-1k", "agent", "azure-code", "azure-code-trace", "azure-conv", "azure-conv-trace", "batch-extraction",
		"chatbot-support", "code-completion", "mooncake-conversation", "mooncake-conversation-trace", "rag",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

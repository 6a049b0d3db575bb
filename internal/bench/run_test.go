package bench

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/sim"
	"sluice/internal/wire/anthropic"
	"sluice/internal/wire/gemini"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// texts is a Prompter that says which slot it is.
type texts struct{}

func (texts) Messages(s workload.Slot) []workload.Message {
	return []workload.Message{{Role: "user", Text: "Tell a story about the number " + string(rune('a'+s.Index%26)) + "."}}
}

// constant is a schedule of n requests at a rate, all of them measured.
func constant(n int, every time.Duration, output int32) *workload.Schedule {
	s := &workload.Schedule{
		Arrival: workload.Arrival{Process: workload.Constant, Rate: float64(time.Second) / float64(every)},
		Phases:  workload.Phases{Sustain: time.Duration(n) * every, Cooldown: 5 * time.Second},
	}
	for i := range n {
		s.Slots = append(s.Slots, workload.Slot{
			At: time.Duration(i) * every, Index: int64(i), Phase: workload.Sustain, Input: 20, Output: output, Group: -1,
		})
	}
	return s
}

// simulate serves a simulator and returns a target for one of its models.
func simulate(t testing.TB, c sim.Config, model string) *Target {
	t.Helper()
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &Target{
		Cell: report.Cell{Target: "sim/" + model, Provider: "sim", Model: model, Dialect: "openai"}, BaseURL: url, Model: model,
		Dialect: openai.Client{}, Exact: true,
	}
}

func TestOpenLoopAgainstSimulator(t *testing.T) {
	t.Parallel()
	target := simulate(t, sim.Config{Seed: 1, Models: []sim.ModelConfig{{Name: "m", Speed: sim.Speed{Overhead: 20 * time.Millisecond, Step: 2 * time.Millisecond}}}}, "m")
	target.Price = func(u llm.Usage) (int64, bool) { return u.Input*10 + u.Output*20, true }
	const n, output = 60, 10
	var records []report.Record
	var began []time.Time
	run, err := Run(t.Context(), Options{
		Target: target, Workload: &workload.Workload{Stream: true, Timeout: 10 * time.Second}, Schedule: constant(n, 5*time.Millisecond, output), Prompts: texts{},
		Began:  func(anchor time.Time) { began = append(began, anchor) },
		Record: func(r *report.Record) error { records = append(records, *r); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(began) != 1 || began[0] != run.Started {
		t.Errorf("began at %v, the run says %v", began, run.Started)
	}
	if len(records) != n {
		t.Fatalf("%d records, want %d", len(records), n)
	}
	var tokens float64
	for _, s := range run.Series {
		tokens += s.Tokens
	}
	if tokens != n*output {
		t.Errorf("series has %v tokens, want %d", tokens, n*output)
	}
	for _, r := range records {
		if !r.OK || r.Output != output || r.Events != output || r.Cost != r.Input*10+r.Output*20 {
			t.Fatalf("%+v", r)
		}
		steps := []time.Duration{0, r.Scheduled, r.Dispatched, r.Written, r.FirstByte, r.FirstEvent, r.FirstToken, r.LastToken, r.Done}
		for i := range steps[1:] {
			if steps[i+1] < steps[i] {
				t.Fatalf("instants go back: %v", steps)
			}
		}
		if ttft, _ := r.TTFT(); ttft < 20*time.Millisecond {
			t.Errorf("TTFT %v is below the server's own 20 ms", ttft)
		}
	}
	t.Logf("%+v %+v", run.Client, run.Verdict)
}

// TestDialectsAgainstSimulator measures a model with a slash in its name in each dialect, streamed and not.
func TestDialectsAgainstSimulator(t *testing.T) {
	t.Parallel()
	f := func(d Dialect, version string, stream bool) {
		t.Helper()
		target := simulate(t, sim.Config{Seed: 1, Latency: "none", Models: []sim.ModelConfig{{Name: "maker/m"}}}, "maker/m")
		target.Dialect, target.BaseURL = d, strings.TrimSuffix(target.BaseURL, "/v1")+version
		var records []report.Record
		if _, err := Run(t.Context(), Options{
			Target: target, Workload: &workload.Workload{Stream: stream, Timeout: 10 * time.Second}, Schedule: constant(3, 5*time.Millisecond, 10), Prompts: texts{},
			Record: func(r *report.Record) error { records = append(records, *r); return nil },
		}); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if !r.OK || r.Stream != stream || r.Input == 0 || r.Output != 10 || (r.Events > 0) != stream {
				t.Errorf("%s, stream %t: %+v", d.Name(), stream, r)
			}
		}
		if len(records) != 3 {
			t.Errorf("%s: %d records", d.Name(), len(records))
		}
	}
	for _, stream := range []bool{true, false} {
		f(openai.Client{}, "/v1", stream)
		f(anthropic.Client{}, "/v1", stream)
		f(gemini.Client{}, "/v1beta", stream)
	}
}

// TestKindsAgainstSimulator sends each kind of request to a server that reads them strictly.
func TestKindsAgainstSimulator(t *testing.T) {
	t.Parallel()
	f := func(model string, kind workload.Kind, stream bool) {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			target := simulate(t, sim.Config{Seed: 1, Latency: "none"}, model)
			s := constant(5, 5*time.Millisecond, 10)
			for i := range s.Slots {
				s.Slots[i].Kind = kind
			}
			var records []report.Record
			_, err := Run(t.Context(), Options{
				Target: target, Workload: &workload.Workload{Stream: true, Timeout: 10 * time.Second}, Schedule: s, Prompts: texts{},
				Record: func(r *report.Record) error { records = append(records, *r); return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if !r.OK || r.Kind != kind.String() || r.Stream != stream || r.Input == 0 || (r.Output > 0) != stream || (r.Events > 0) != stream {
					t.Errorf("%+v", r)
				}
			}
			if len(records) != 5 {
				t.Errorf("%d records", len(records))
			}
		})
	}
	f("sim-fast", workload.Chat, true)
	f("sim-fast", workload.Tools, true)
	f("sim-fast", workload.Structured, true)
	f("sim-embed", workload.Embeddings, false)
}

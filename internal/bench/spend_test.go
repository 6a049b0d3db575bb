package bench

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/workload"
)

// TestSpendStops gives a budget for seven requests and a bit.
func TestSpendStops(t *testing.T) {
	t.Parallel()
	target := mocked()
	target.Price = func(u llm.Usage) (int64, bool) { return u.Input*1_000_000 + u.Output*2_000_000, true } // 0.04 dollars an answer
	// The bound of a request of 20 tokens is 37 tokens of input and 10 of output: 0.057 dollars.
	b := NewBudget(0.04*6 + 0.057 + 0.001)
	m := measure(t, answering(10*ms), Options{Target: target, Workload: whole(), Schedule: constant(50, 100*ms, 10), Budget: b})
	if len(m.records) != 7 || m.Stopped != "spend" || m.Summary.OK != 7 {
		t.Errorf("%d records, %d answered, stopped by %q", len(m.records), m.Summary.OK, m.Stopped)
	}
	if b.Spent() != 0.28 || b.Spent() > b.Cap() {
		t.Errorf("spent %v of %v", b.Spent(), b.Cap())
	}
	if m.To != 700*ms {
		t.Errorf("the window ends at %v, the load ended at 700ms", m.To)
	}
}

func TestCapThatCannotBeKept(t *testing.T) {
	t.Parallel()
	f := func(target *Target, s *workload.Schedule, want string) {
		t.Helper()
		_, err := Run(t.Context(), Options{Target: target, Workload: whole(), Schedule: s, Prompts: texts{}, Budget: NewBudget(1)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(mocked(), constant(1, time.Second, 10), "price is not known")
	target := mocked()
	target.Price = func(llm.Usage) (int64, bool) { return 1, true }
	f(target, constant(1, time.Second, 0), "request 0 has no limit on its output")
}

// TestClosedLoopKeepsTheCap has requests without a limit on their output, which a closed loop has no list of.
func TestClosedLoopKeepsTheCap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"prompts.jsonl": `{"prompt": "Tell a story."}`,
		"test.yaml":     "benchmark_workload:\n  name: test\n  prompts: {file: prompts.jsonl}\n  concurrent_users: 2\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := workload.Load(filepath.Join(dir, "test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	target := mocked()
	target.Price = func(llm.Usage) (int64, bool) { return 1, true }
	_, err = Run(t.Context(), Options{Target: target, Workload: w, Budget: NewBudget(1)})
	if err == nil || !strings.Contains(err.Error(), "request 0 has no limit on its output") {
		t.Errorf("%v, want one that names the request", err)
	}
	r := &run{o: &Options{Budget: NewBudget(1)}, target: target}
	if r.reserve(&job{slot: workload.Slot{Input: 10}}) {
		t.Error("a request without a limit, which is met later, may be sent")
	}
	r.o.Budget = NewBudget(0)
	if !r.reserve(&job{slot: workload.Slot{Input: 10}}) {
		t.Error("without a cap, a request without a limit may not be sent")
	}
}

// TestReserveCoversTools checks that what is billed beside the text of a prompt is reserved: its messages, tools and schema.
func TestReserveCoversTools(t *testing.T) {
	t.Parallel()
	r := &run{o: &Options{Workload: whole()}, target: mocked(), prompts: texts{}}
	r.bodies.New = func() any { return new([]byte) }
	plain := len(*r.prepare(workload.Slot{Input: 20, Output: 10}).body)
	f := func(kind workload.Kind) {
		t.Helper()
		j := r.prepare(workload.Slot{Kind: kind, Input: 20, Output: 10})
		least := 20 + 7 + model.EstimateTokens(len(*j.body)-plain) // OpenAI counts 7 tokens beside the text of one message
		if u := worst(j); u.Input < least || u.Output != 10 {
			t.Errorf("%v: %+v, want at least %d", kind, u, least)
		}
	}
	f(workload.Chat)
	f(workload.Tools)
	f(workload.Structured)
}

// TestBrokenAnswersAreBooked has answers that break off before they tell their usage: the provider bills them all the same.
func TestBrokenAnswersAreBooked(t *testing.T) {
	t.Parallel()
	f := func(name string, stream bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := mocked()
			target.Price = func(u llm.Usage) (int64, bool) { return u.Input*1_000_000 + u.Output*2_000_000, true }
			w := whole()
			w.Stream = stream
			h := http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
				_, _ = io.Copy(io.Discard, rq.Body)
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, text("half an answer"))
			})
			b := NewBudget(0.1) // a request may cost 0.057 dollars
			m := measure(t, h, Options{Target: target, Workload: w, Schedule: constant(5, time.Second, 10), Budget: b})
			if m.Stopped != "spend" || len(m.records) != 1 || b.Spent() != 0.057 {
				t.Errorf("%d requests sent, stopped by %q, spent %v", len(m.records), m.Stopped, b.Spent())
			}
			if r := m.records[0]; r.OK || r.Status != 200 || r.Priced != stream {
				t.Errorf("%+v", r)
			}
		})
	}
	f("stream", true)
	f("whole", false)
}

package bench

import (
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// TestSlowRecordsAreTheClients has records that are kept more slowly than requests come, until workers wait to hand theirs over.
// Under a cap that keeps others from being sent: it must not look as if the server held the places.
func TestSlowRecordsAreTheClients(t *testing.T) {
	t.Parallel()
	virtually(t, answering(ms), func(t *testing.T, dial dialFunc) {
		s := constant(3000, 5*ms, 10)
		s.Arrival.Concurrency = 2
		run, err := Run(t.Context(), Options{
			Target: mocked(), Workload: whole(), Schedule: s, Prompts: texts{}, dial: dial,
			Record: func(*report.Record) error {
				time.Sleep(20 * ms) // virtual time
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if run.Verdict.State != Invalid || run.Client.Lag.P99 < 20 {
			t.Errorf("%+v with lag %+v", run.Verdict, run.Client.Lag)
		}
		mentions(t, run.Verdict.Reasons, "held their place until their record could be kept")
	})
}

// slowReader is a dialect that takes its time to understand an answer.
type slowReader struct{ openai.Client }

func (d slowReader) Answer(op llm.Op, body []byte) (llm.Usage, *llm.Error) {
	time.Sleep(50 * ms) // virtual time
	return d.Client.Answer(op, body)
}

// TestAnswerEndsWithItsBytes checks that the client's own work on an answer counts as its own.
func TestAnswerEndsWithItsBytes(t *testing.T) {
	t.Parallel()
	target := mocked()
	target.Dialect = slowReader{}
	m := measure(t, answering(40*ms), Options{Target: target, Workload: whole(), Schedule: constant(3, 100*ms, 10)})
	for _, r := range m.records {
		if e2e, ok := r.E2E(); !ok || e2e != 40*ms {
			t.Errorf("E2E is %v, the server took 40ms", e2e)
		}
	}
	w := parse(t, "  concurrent_users: 2\n  phases: {warmup: 0s, ramp: 0s, sustain: 10s, cooldown: 5s}\n")
	w.Stream = false
	m = measure(t, answering(40*ms), Options{Target: target, Workload: w})
	if m.Verdict.State != Invalid || m.Client.Lag.P50 < 49 {
		t.Errorf("users who are late by 50 ms each time: %+v, lag %+v", m.Verdict, m.Client.Lag)
	}
}

// TestErrorBeforeTheCut has a stream that fails, and a run that ends while the server keeps the connection open after it.
func TestErrorBeforeTheCut(t *testing.T) {
	t.Parallel()
	h := scripted(step{4500 * ms, `data: {"error":{"message":"broken","type":"server_error"}}` + "\n\n"}, step{time.Minute, ""})
	m := measure(t, h, Options{Schedule: constant(1, 100*ms, 10)}) // the cool-down ends at 5.1 s
	if r := m.records[0]; r.Incomplete || r.Error == "" || r.Done != 4500*ms {
		t.Errorf("%+v", r)
	}
}

// TestLastEventCounts has a stream whose last event, with content, lacks its empty line.
func TestLastEventCounts(t *testing.T) {
	t.Parallel()
	h := scripted(step{100 * ms, text("one two three")},
		step{1500 * ms, `data: {"choices":[{"index":0,"delta":{"content":"four five six"},"finish_reason":"stop"}]}` + "\n"})
	m := measure(t, h, Options{Schedule: constant(1, 100*ms, 10)})
	var tokens float64
	for _, s := range m.Series {
		tokens += s.Tokens
	}
	if r := m.records[0]; !r.OK || r.Events != 2 || r.Reads != 2 || r.Phase != workload.Sustain || tokens != float64(r.Output) {
		t.Errorf("%v tokens in the series, %+v", tokens, r)
	}
}

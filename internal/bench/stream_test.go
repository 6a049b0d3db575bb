package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/report"
)

const ms = time.Millisecond

// stamps are the facts of a record that a stream decides.
type stamps struct {
	FirstByte, FirstEvent, FirstToken, FirstText, LastToken, Done time.Duration
	Events                                                        int
	Input, Output, Reasoning                                      int64
	Estimated, OK                                                 bool
	Error                                                         string
}

// TestStreamInstants plays answers to one request and checks to the millisecond what is recorded of them.
func TestStreamInstants(t *testing.T) {
	t.Parallel()
	const none = report.None
	f := func(name string, want stamps, script ...step) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := measure(t, scripted(script...), Options{Schedule: constant(1, time.Second, 10)})
			if len(m.records) != 1 {
				t.Fatalf("%d records", len(m.records))
			}
			r := &m.records[0]
			got := stamps{
				r.FirstByte, r.FirstEvent, r.FirstToken, r.FirstText, r.LastToken, r.Done, r.Events,
				r.Input, r.Output, r.Reasoning, r.Estimated, r.OK, r.Error,
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s%s", d, r.Detail)
			}
			if r.Dispatched != 0 || r.Written != 0 || r.Scheduled != 0 {
				t.Errorf("scheduled %v, dispatched %v, written %v", r.Scheduled, r.Dispatched, r.Written)
			}
		})
	}
	f("role-only chunk is no token",
		stamps{FirstEvent: 10 * ms, FirstToken: 50 * ms, FirstText: 50 * ms, LastToken: 70 * ms, Done: 75 * ms, Events: 2, Input: 7, Output: 2, OK: true},
		step{10 * ms, role}, step{40 * ms, text("a")}, step{20 * ms, text("b")}, step{5 * ms, finish + usageOf(7, 2, 0) + done})
	f("several tokens in an event",
		stamps{FirstEvent: 30 * ms, FirstToken: 30 * ms, FirstText: 30 * ms, LastToken: 90 * ms, Done: 90 * ms, Events: 2, Input: 7, Output: 9, OK: true},
		step{30 * ms, text("a b c d")}, step{60 * ms, text("e f g h i") + finish + usageOf(7, 9, 0) + done})
	f("reasoning counts for the first token, not for the first text",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 60 * ms, LastToken: 60 * ms, Done: 60 * ms, Events: 3, Input: 7, Output: 12, Reasoning: 8, OK: true},
		step{10 * ms, reasoning("hm")}, step{20 * ms, reasoning("hm")}, step{30 * ms, text("yes") + finish + usageOf(7, 12, 8) + done})
	f("only reasoning",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: none, LastToken: 10 * ms, Done: 10 * ms, Events: 1, Input: 7, Output: 12, Reasoning: 12, OK: true},
		step{10 * ms, reasoning("hm") + finish + usageOf(7, 12, 12) + done})
	f("tool call",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 20 * ms, Done: 20 * ms, Events: 2, Input: 7, Output: 5, OK: true},
		step{10 * ms, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}` + "\n\n"},
		step{10 * ms, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}` + "\n\n" + finish + usageOf(7, 5, 0) + done})
	f("missing usage is estimated",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 20 * ms, Events: 1, Input: 20, Output: 4, Estimated: true, OK: true},
		step{10 * ms, text("sixteen letters!")}, step{10 * ms, finish + done})
	f("usage in every chunk: the last counts",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 20 * ms, Done: 20 * ms, Events: 2, Input: 7, Output: 2, OK: true},
		step{10 * ms, `data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}` + "\n\n"},
		step{10 * ms, `data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}` + "\n\n" + done})
	f("comments are no events",
		stamps{FirstEvent: 30 * ms, FirstToken: 30 * ms, FirstText: 30 * ms, LastToken: 30 * ms, Done: 30 * ms, Events: 1, Input: 7, Output: 1, OK: true},
		step{10 * ms, ": PROCESSING\n\n"}, step{20 * ms, text("a") + finish + usageOf(7, 1, 0) + done})
	f("malformed event is passed over",
		stamps{FirstEvent: 10 * ms, FirstToken: 20 * ms, FirstText: 20 * ms, LastToken: 20 * ms, Done: 20 * ms, Events: 1, Input: 7, Output: 1, OK: true},
		step{10 * ms, "data: {\"choices\":[{\"del\n\n"}, step{10 * ms, text("a") + finish + usageOf(7, 1, 0) + done})
	f("no finish reason",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 20 * ms, Events: 1, Input: 7, Output: 1, Error: "provider_truncated"},
		step{10 * ms, text("a")}, step{10 * ms, usageOf(7, 1, 0) + done})
	f("cut connection",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 15 * ms, Events: 1, Input: 20, Output: 1, Estimated: true, Error: "provider_truncated"},
		step{10 * ms, text("a")}, step{5 * ms, cutHere})
	f("error in the stream",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 20 * ms, Events: 1, Input: 20, Output: 1, Estimated: true, Error: "provider_overloaded"},
		step{10 * ms, text("a")}, step{10 * ms, `data: {"error":{"message":"too much","type":"overloaded_error"}}` + "\n\n"}, step{50 * ms, text("b")})
	f("end without a line end",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 20 * ms, Events: 1, Input: 7, Output: 1, OK: true},
		step{10 * ms, text("a") + finish + usageOf(7, 1, 0)}, step{10 * ms, "data: [DONE]"})
	f("server that does not end the body",
		stamps{FirstEvent: 10 * ms, FirstToken: 10 * ms, FirstText: 10 * ms, LastToken: 10 * ms, Done: 20 * ms, Events: 1, Input: 7, Output: 1, OK: true},
		step{10 * ms, text("a") + finish + usageOf(7, 1, 0)}, step{10 * ms, done}, step{20 * time.Second, ""})
}

// TestGapsAndReads checks what events that share a read do.
func TestGapsAndReads(t *testing.T) {
	t.Parallel()
	m := measure(t, scripted(step{10 * ms, text("a") + text("b") + text("c") + text("d")}, step{30 * ms, text("e")}, step{20 * ms, finish + usageOf(7, 5, 0) + done}),
		Options{Schedule: constant(10, 100*ms, 5)})
	h, err := report.DecodeHist(m.Gaps)
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalCount() != 40 || h.ValueAtQuantile(50) != 0 || h.Max() < 29_900 || h.Max() > 30_100 {
		t.Errorf("%d gaps, median %d us, most %d us; want 40, 0 and 30000", h.TotalCount(), h.ValueAtQuantile(50), h.Max())
	}
	if m.Client.EventsRead != 2.5 {
		t.Errorf("%v events a read, want 2.5", m.Client.EventsRead)
	}
	if m.Verdict.State != Degraded {
		t.Errorf("verdict is %+v", m.Verdict)
	}
	mentions(t, m.Verdict.Reasons, "2.50 events", "ICL")
}

// TestTokensFallIntoTheirSeconds checks that the series counts tokens when they come, and all of them.
func TestTokensFallIntoTheirSeconds(t *testing.T) {
	t.Parallel()
	m := measure(t, scripted(step{500 * ms, text("a")}, step{time.Second, text("b")}, step{time.Second, text("c") + finish + usageOf(7, 30, 0) + done}),
		Options{Schedule: constant(2, 2*time.Second, 30)})
	var got []float64
	for _, s := range m.Series {
		got = append(got, s.Tokens)
	}
	if d := cmp.Diff([]float64{10, 10, 20, 10, 10}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if tok := m.Summary.OutputRate; tok != 50.0/4 {
		t.Errorf("%v tokens a second in the window of 4 s, want 12.5", tok)
	}
}

// TestEventsDoNotAllocate holds the path of one event to no allocation.
func TestEventsDoNotAllocate(t *testing.T) {
	w, o, s, src := followed()
	allocs := testing.AllocsPerRun(1000, func() {
		src.rewind()
		if _, err := w.events.Fill(src); err != nil {
			t.Fatal(err)
		}
		seen, err := w.take(s, o, time.Millisecond)
		if err != nil || seen&llm.SawText == 0 {
			t.Fatalf("saw %d, %v", seen, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for an event", allocs)
	}
}

// BenchmarkEvent is the path of one event after its read.
func BenchmarkEvent(b *testing.B) {
	w, o, s, src := followed()
	b.ReportAllocs()
	for b.Loop() {
		src.rewind()
		if _, err := w.events.Fill(src); err != nil {
			b.Fatal(err)
		}
		if _, err := w.take(s, o, time.Millisecond); err != nil {
			b.Fatal(err)
		}
	}
}

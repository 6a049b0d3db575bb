package obs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sluice/internal/llm"
)

// answered is a streamed call that was answered by its second attempt.
func answered() *CallStats {
	c := &CallStats{
		Class: llm.Background, Stream: true, Attempts: 2, Total: 3 * time.Second, Overhead: 40 * time.Microsecond,
		FirstToken: 300 * time.Millisecond,
		Usage:      llm.Usage{Input: 100, CachedInput: 60, CacheWrite: 10, Output: 51, Reasoning: 20},
		HasUsage:   true, CostNanoUSD: 2_500_000, Priced: true, Malformed: 3,
	}
	c.Stages[StageAuth] = 2 * time.Microsecond
	c.Stages[StageAdmit] = 200 * time.Millisecond
	c.Stages[StageStream] = 2500 * time.Millisecond
	return c
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape = %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// wantLines fails unless each line stands in the scrape.
func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	have := "\n" + text
	for _, l := range lines {
		if !strings.Contains(have, "\n"+l+"\n") {
			name, _, _ := strings.Cut(l, "{")
			var near []string
			for h := range strings.Lines(text) {
				if strings.HasPrefix(h, name) {
					near = append(near, h)
				}
			}
			t.Errorf("no line %q; have\n%s", l, strings.Join(near, ""))
		}
	}
}

func TestObserveCountsACall(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{Version: "v1", Revision: "abc"})
	s := m.Series(llm.OpChat, "smart", "openai/gpt-4o", "openai", "us-east-1")
	s.Target().Attempt(llm.KindRateLimited)
	s.Target().Attempt(llm.KindNone)
	s.Observe(answered())
	failed := &CallStats{Kind: llm.KindOverloaded, Attempts: 1, Total: time.Second}
	s.Observe(failed)
	m.Observe(&CallStats{Kind: llm.KindUnauthorized})
	unpriced := answered()
	unpriced.Priced, unpriced.CostNanoUSD = false, 0
	s.Observe(unpriced)

	const chat = `gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="smart"`
	const where = `region="us-east-1",target="openai/gpt-4o"`
	wantLines(t, scrape(t, m),
		`gen_ai_client_operation_duration_seconds_count{error_type="",`+chat+`,`+where+`} 2`,
		`gen_ai_client_operation_duration_seconds_count{error_type="provider_overloaded",`+chat+`,`+where+`} 1`,
		`gen_ai_client_token_usage_sum{`+chat+`,gen_ai_token_type="input",`+where+`} 200`,
		`gen_ai_client_token_usage_sum{`+chat+`,gen_ai_token_type="output",`+where+`} 102`,
		`gen_ai_server_time_to_first_token_seconds_sum{`+chat+`,`+where+`} 0.6`,
		`gen_ai_server_time_per_output_token_seconds_sum{`+chat+`,`+where+`} 0.1`, // twice 2.5 s for 50 tokens
		`sluice_tokens_total{`+chat+`,gen_ai_token_type="cached_input",target="openai/gpt-4o"} 120`,
		`sluice_tokens_total{`+chat+`,gen_ai_token_type="reasoning",target="openai/gpt-4o"} 40`,
		`sluice_cost_usd_total{gen_ai_request_model="smart",target="openai/gpt-4o"} 0.0025`,
		`sluice_unpriced_calls_total{gen_ai_request_model="smart",target="openai/gpt-4o"} 1`,
		`sluice_calls_total{cause="",code="ok"} 2`,
		`sluice_calls_total{cause="provider",code="provider_overloaded"} 1`,
		`sluice_calls_total{cause="caller",code="invalid_api_key"} 1`,
		`sluice_calls_total{cause="gateway",code="ledger_full"} 0`,
		`sluice_attempts_total{outcome="ok",target="openai/gpt-4o"} 1`,
		`sluice_attempts_total{outcome="provider_rate_limited",target="openai/gpt-4o"} 1`,
		`sluice_provider_429_total{target="openai/gpt-4o"} 1`,
		`sluice_retries_total 2`,
		`sluice_malformed_events_total 6`,
		`sluice_overhead_seconds_count 2`,
		`sluice_stage_seconds_count{stage="auth"} 2`,
		`sluice_stage_seconds_count{stage="route"} 0`,
		`sluice_queue_wait_seconds_sum{class="background"} 0.4`,
		`sluice_queue_wait_seconds_count{class="interactive"} 1`, // the failed one: admitted without waiting
	)
}

func TestEmbeddingsHaveNoOutputTokens(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	s := m.Series(llm.OpEmbedding, "e", "p/e", "p", "")
	c := &CallStats{Attempts: 1, Usage: llm.Usage{Input: 8}, HasUsage: true, Priced: true}
	s.Observe(c)
	text := scrape(t, m)
	wantLines(t, text, `sluice_cost_usd_total{gen_ai_request_model="e",target="p/e"} 0`)
	if strings.Contains(text, `gen_ai_token_type="output",region`) || strings.Contains(text, "time_to_first_token") {
		t.Error("embeddings have metrics of output tokens")
	}
}

func TestNegativeUsageDoesNotPanic(t *testing.T) {
	t.Parallel()
	s := NewMetrics(MetricsOptions{}).Series(llm.OpChat, "m", "t", "p", "")
	s.Observe(&CallStats{Usage: llm.Usage{Input: -5, Output: -1}, HasUsage: true, Priced: true, CostNanoUSD: -3, Stream: true})
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{MaxSeries: 4})
	for i := range 100 {
		name := fmt.Sprint("m", i)
		s := m.Series(llm.OpChat, name, "p/"+name, "p", "")
		s.Observe(&CallStats{Attempts: 1})
		s.Target().Attempt(llm.KindNone)
	}
	if a, b := m.Series(llm.OpChat, "new", "t", "p", ""), m.Series(llm.OpChat, "newer", "t", "p", ""); a != b {
		t.Error("two names over the limit have series of their own")
	}
	if a, b := m.Series(llm.OpChat, "m0", "p/m0", "p", ""), m.Series(llm.OpChat, "m1", "p/m1", "p", ""); a == b {
		t.Error("two names under the limit share a series")
	}
	text := scrape(t, m)
	if got := strings.Count("\n"+text, "\ngen_ai_client_operation_duration_seconds_count{"); got != 5 {
		t.Errorf("duration has %d label sets, want 4 and other", got)
	}
	wantLines(t, text,
		`gen_ai_client_operation_duration_seconds_count{error_type="",gen_ai_operation_name="chat",gen_ai_provider_name="other",gen_ai_request_model="other",region="other",target="other"} 96`,
		`sluice_attempts_total{outcome="ok",target="other"} 96`)
}

func TestSourcesAreReadAtScrape(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	if strings.Contains(scrape(t, m), "sluice_queue_depth") {
		t.Error("queue depth without a source")
	}
	m.SetSources(Sources{
		QueueDepth: func(c llm.Class) int { return 10 + int(c) },
		Breakers: func(emit func(Breaker)) {
			emit(Breaker{"a", BreakerOpen, "auth", "key"})
			emit(Breaker{"b", BreakerClosed, "none", "unknown"})
			emit(Breaker{"a", BreakerClosed, "none", "unknown"}) // a second time must not fail the scrape
		},
		Ledger: func() LedgerStats { return LedgerStats{Backlog: 7, Written: 100, Failed: 2} },
	})
	m.CallStarted()
	m.CallStarted()
	m.CallEnded()
	m.StreamOpened()
	m.Reloaded(true)
	m.Reloaded(false)
	m.BreakerCheck("p", false)
	m.BreakerOpened("p", "auth", "key")
	if strings.Contains(scrape(t, m), `sluice_breaker_out{cause="none"`) {
		t.Error("a closed breaker is out")
	}
	wantLines(t, scrape(t, m),
		`sluice_breaker_out{cause="auth",scope="key",target="a"} 1`,
		`sluice_breaker_checks_total{gen_ai_provider_name="p",result="error"} 1`,
		`sluice_breaker_openings_total{cause="auth",gen_ai_provider_name="p",scope="key"} 1`,
		`sluice_queue_depth{class="interactive"} 10`, `sluice_queue_depth{class="bulk"} 12`,
		`sluice_breaker_state{target="a"} 2`, `sluice_breaker_state{target="b"} 0`,
		`sluice_ledger_backlog 7`, `sluice_ledger_rows_total 100`, `sluice_ledger_write_errors_total 2`,
		`sluice_inflight 1`, `sluice_open_streams 1`,
		`sluice_config_reloads_total{result="ok"} 1`, `sluice_config_reloads_total{result="error"} 1`)
	m.StreamClosed()
	if m.InFlight() != 1 || m.OpenStreams() != 0 {
		t.Errorf("in flight %d, streams %d, want 1, 0", m.InFlight(), m.OpenStreams())
	}
}

func TestMetricNamesPassTheLinter(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	m.Series(llm.OpChat, "m", "t", "p", "").Observe(answered())
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestHistogramsHaveBothForms(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	m.Series(llm.OpChat, "m", "t", "p", "").Observe(answered())
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "gen_ai_") && !strings.HasPrefix(f.GetName(), "sluice_") {
			continue
		}
		for _, x := range f.GetMetric() {
			h := x.GetHistogram()
			if h == nil {
				continue
			}
			seen++
			if h.Schema == nil || len(h.GetBucket()) == 0 {
				t.Errorf("%s: native schema %v, %d classic buckets", f.GetName(), h.Schema, len(h.GetBucket()))
			}
		}
	}
	if seen < 7 {
		t.Errorf("saw %d histograms, want at least 7", seen)
	}
}

func TestHandlerCompresses(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	NewMetrics(MetricsOptions{}).Handler().ServeHTTP(w, r)
	if got := w.Header().Get("Content-Encoding"); got != "gzip" {
		t.Errorf("Content-Encoding = %q, want gzip", got)
	}
}

func TestObserveConcurrently(t *testing.T) {
	t.Parallel()
	m := NewMetrics(MetricsOptions{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, k := range llm.Kinds() {
				s := m.Series(llm.OpChat, "m", "t", "p", "")
				s.Target().Attempt(k)
				s.Observe(&CallStats{Kind: k, Total: time.Second, Attempts: 1})
			}
			_, _ = m.reg.Gather() // a scrape at the same time
		})
	}
	wg.Wait()
	text := scrape(t, m)
	for _, k := range llm.Kinds() {
		wantLines(t, text, fmt.Sprintf(`sluice_attempts_total{outcome=%q,target="t"} 4`, k.Code()))
	}
}

// TestObserveAllocatesNothing is not parallel: it counts the allocations of the whole process.
func TestObserveAllocatesNothing(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	s := m.Series(llm.OpChat, "m", "t", "p", "")
	c := answered()
	op := func() {
		m.CallStarted()
		s.Target().Attempt(llm.KindRateLimited)
		s.Target().Attempt(llm.KindNone)
		s.Observe(c)
		m.CallEnded()
	}
	op()
	if n := testing.AllocsPerRun(1000, op); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := NewMetrics(MetricsOptions{}).Series(llm.OpChat, "m", "t", "p", "")
	c := answered()
	b.ReportAllocs()
	for b.Loop() {
		s.Target().Attempt(llm.KindNone)
		s.Observe(c)
	}
}

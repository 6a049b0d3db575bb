package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/internal/llm"
)

// vectors are all metrics by name. The gen_ai ones and the first three of their labels are named by the OpenTelemetry
// conventions for generative AI (semantic conventions v1.41, https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/),
// written the way the OpenTelemetry-to-Prometheus mapping writes them.
type vectors struct {
	duration   *prometheus.HistogramVec
	usage      *prometheus.HistogramVec
	firstToken *prometheus.HistogramVec
	perToken   *prometheus.HistogramVec

	calls      *prometheus.CounterVec
	tokens     *prometheus.CounterVec
	cost       *prometheus.CounterVec
	unpriced   *prometheus.CounterVec
	overhead   prometheus.Histogram
	stage      *prometheus.HistogramVec
	wait       *prometheus.HistogramVec
	attempts   *prometheus.CounterVec
	limited    *prometheus.CounterVec
	hedges     *prometheus.CounterVec
	openings   *prometheus.CounterVec
	checks     *prometheus.CounterVec
	retries    prometheus.Counter
	malformed  prometheus.Counter
	rescues    *prometheus.CounterVec
	guards     *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	spans      *prometheus.CounterVec
	suppressed prometheus.Counter
	build      *prometheus.GaugeVec
}

func newVectors() vectors {
	labels := []string{"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "target", "region"}
	with := func(more ...string) []string { return append(labels[:len(labels):len(labels)], more...) }
	return vectors{
		duration: histogramVec("gen_ai_client_operation_duration_seconds",
			"Time of a call from its arrival to the end of the answer.", durationBuckets(), with("error_type")...),
		usage: histogramVec("gen_ai_client_token_usage",
			"Tokens of a call.", tokenBuckets(), with("gen_ai_token_type")...),
		firstToken: histogramVec("gen_ai_server_time_to_first_token_seconds",
			"Time from sending a call to the provider until its first content token, for streamed calls that were answered.", firstTokenBuckets(), labels...),
		perToken: histogramVec("gen_ai_server_time_per_output_token_seconds",
			"Time per output token after the first one, for streamed calls that were answered.", perTokenBuckets(), labels...),

		calls:    counterVec("sluice_calls_total", "Calls ended, by code (ok, or the error's) and by who caused it.", "code", "cause"),
		tokens:   counterVec("sluice_tokens_total", "Tokens by type. Input includes cached_input and cache_write, output includes reasoning.", "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "target", "gen_ai_token_type"),
		cost:     counterVec("sluice_cost_usd_total", "Cost of calls with a known price, in US dollars.", "gen_ai_request_model", "target"),
		unpriced: counterVec("sluice_unpriced_calls_total", "Calls with usage whose price is not known.", "gen_ai_request_model", "target"),
		overhead: prometheus.NewHistogram(histogramOpts("sluice_overhead_seconds",
			"Time that Sluice itself added to a call.", overheadBuckets())),
		stage:      histogramVec("sluice_stage_seconds", "Time of a call by stage.", stageBuckets(), "stage"),
		wait:       histogramVec("sluice_queue_wait_seconds", "Time that calls waited for capacity, by class; zero for those that did not wait.", stageBuckets(), "class"),
		attempts:   counterVec("sluice_attempts_total", "Sends to providers, by outcome (ok, or the error's code).", "target", "outcome"),
		limited:    counterVec("sluice_provider_429_total", "Attempts refused for rate or quota by the provider.", "target"),
		hedges:     counterVec("sluice_hedges_total", "Second attempts for calls that were slow to begin: won, lost, failed, or not made (no_budget, no_target).", "target", "result"),
		openings:   counterVec("sluice_breaker_openings_total", "Circuit breakers that opened, of targets and of whole accounts, by cause and scope.", "gen_ai_provider_name", "cause", "scope"),
		checks:     counterVec("sluice_breaker_checks_total", "Free checks of providers in trouble, by result (ok, error).", "gen_ai_provider_name", "result"),
		retries:    prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_retries_total", Help: "Attempts after the first one of a call."}),
		malformed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_malformed_events_total", Help: "Stream events of providers that could not be read."}),
		rescues:    counterVec("sluice_rescues_total", "Streams that broke after their client had seen part of them, by how they were gone on with (continue, restart) and the result (ok, failed).", "how", "result"),
		guards:     counterVec("sluice_guard_total", "Answers that a guard has found fault with (degenerate_output, provider_too_slow, invalid_output), by what was done (retry, cancel, flag, mend).", "fault", "action"),
		reloads:    counterVec("sluice_config_reloads_total", "Attempts to take over a changed configuration (ok, error).", "result"),
		spans:      counterVec("sluice_trace_spans_total", "Spans sent to the collector (ok) and not taken by it (error).", "result"),
		suppressed: prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_log_suppressed_total", Help: "Log records kept back because their message repeated too fast."}),
		build:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_build_info", Help: "Always 1; the labels say what is running."}, []string{"version", "revision", "go_version"}),
	}
}

func (v *vectors) all() []prometheus.Collector {
	return []prometheus.Collector{
		v.duration, v.usage, v.firstToken, v.perToken,
		v.calls, v.tokens, v.cost, v.unpriced, v.overhead, v.stage, v.wait, v.attempts, v.limited, v.hedges, v.openings, v.checks, v.retries, v.malformed,
		v.rescues, v.guards, v.reloads, v.spans, v.suppressed, v.build,
	}
}

// histogramOpts gives a histogram both forms: native buckets for scrapers that know them, classic ones for the others.
func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

func histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(histogramOpts(name, help, buckets), labels)
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gaugeFunc(name, help string, f func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
}

// The classic buckets. Those of the gen_ai metrics are the boundaries that the conventions advise; durations go on to the
// ten minutes that a call may take.

func durationBuckets() []float64 { return prometheus.ExponentialBuckets(0.01, 2, 17) }
func tokenBuckets() []float64    { return prometheus.ExponentialBuckets(1, 4, 14) }

func firstTokenBuckets() []float64 {
	return []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 30, 60}
}

func perTokenBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}
}

func overheadBuckets() []float64 {
	return []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, .001, .0025, .005, .01, .025, .1, 1}
}

// stageBuckets span a key check of a microsecond and an answer of ten minutes.
func stageBuckets() []float64 { return prometheus.ExponentialBuckets(1e-6, 4, 16) }

// sourceCollector turns what Sources say at the time of a scrape into metrics.
type sourceCollector struct{ m *Metrics }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func (sourceCollector) depth() *prometheus.Desc {
	return desc("sluice_queue_depth", "Calls that wait for capacity, by class.", "class")
}

func (sourceCollector) breaker() *prometheus.Desc {
	return desc("sluice_breaker_state", "Circuit breaker of a target: 0 closed, 1 half-open, 2 open.", "target")
}

func (sourceCollector) trouble() *prometheus.Desc {
	return desc("sluice_breaker_out", "1 for a target that is not simply in use (open, half-open, paused by the provider), with what is behind it.", "target", "cause", "scope")
}

func (sourceCollector) backlog() *prometheus.Desc {
	return desc("sluice_ledger_backlog", "Ledger rows that are not yet written.")
}

func (sourceCollector) rows() *prometheus.Desc {
	return desc("sluice_ledger_rows_total", "Ledger rows written.")
}

func (sourceCollector) failures() *prometheus.Desc {
	return desc("sluice_ledger_write_errors_total", "Writes of groups of ledger rows that did not succeed and were tried again.")
}

func (sourceCollector) connected() *prometheus.Desc {
	return desc("sluice_cluster_connected", "1 while Redis answers; 0 while each replica goes by its own share of all limits.")
}

func (sourceCollector) replicas() *prometheus.Desc {
	return desc("sluice_cluster_replicas", "Replicas that share limits, or that did when Redis answered last.")
}

func (sourceCollector) shared() *prometheus.Desc {
	return desc("sluice_cluster_sets", "Quotas and keys whose limits were shared by the last refresh.")
}

func (sourceCollector) refresh() *prometheus.Desc {
	return desc("sluice_cluster_refresh_seconds", "Time of the last round trip to Redis.")
}

func (sourceCollector) refreshes() *prometheus.Desc {
	return desc("sluice_cluster_refreshes_total", "Round trips to Redis that succeeded.")
}

func (sourceCollector) lost() *prometheus.Desc {
	return desc("sluice_cluster_lost_total", "Times that Redis was lost.")
}

func (sourceCollector) baseline() *prometheus.Desc {
	return desc("sluice_baseline_seconds", "What the baseline suite measured of a target's streamed calls, by quantile.", "target", "metric", "quantile")
}

func (sourceCollector) drift() *prometheus.Desc {
	return desc("sluice_drift_ratio", "The same quantile of live calls of the last ten minutes over that of the baseline; absent while there are too few calls.", "target", "metric", "quantile")
}

func (sourceCollector) driftCalls() *prometheus.Desc {
	return desc("sluice_drift_calls", "Live calls of the last ten minutes that are held against the baseline.", "target", "metric")
}

// Describe implements prometheus.Collector.
func (s sourceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.depth(), s.breaker(), s.trouble(), s.backlog(), s.rows(), s.failures(), s.connected(), s.replicas(), s.shared(), s.refresh(), s.refreshes(), s.lost(), s.baseline(), s.drift(), s.driftCalls()} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s sourceCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s.collectDrift(gauge)
	src := s.m.sources.Load()
	if src == nil {
		return
	}
	if src.QueueDepth != nil {
		for c := range llm.Class(numClasses) {
			gauge(s.depth(), float64(src.QueueDepth(c)), c.String())
		}
	}
	if src.Breakers != nil {
		s.collectBreakers(src, gauge)
	}
	if src.Ledger != nil {
		l := src.Ledger()
		gauge(s.backlog(), float64(l.Backlog))
		ch <- prometheus.MustNewConstMetric(s.rows(), prometheus.CounterValue, float64(l.Written))
		ch <- prometheus.MustNewConstMetric(s.failures(), prometheus.CounterValue, float64(l.Failed))
	}
	if src.Cluster != nil {
		c := src.Cluster()
		connected := 0.0
		if c.Connected {
			connected = 1
		}
		gauge(s.connected(), connected)
		gauge(s.replicas(), float64(c.Replicas))
		gauge(s.shared(), float64(c.Sets))
		gauge(s.refresh(), c.Refresh.Seconds())
		ch <- prometheus.MustNewConstMetric(s.refreshes(), prometheus.CounterValue, float64(c.Refreshes))
		ch <- prometheus.MustNewConstMetric(s.lost(), prometheus.CounterValue, float64(c.Lost))
	}
}

// collectBreakers keeps to the limit on series and gives each target once: a name twice would fail the whole scrape.
func (s sourceCollector) collectBreakers(src *Sources, gauge func(*prometheus.Desc, float64, ...string)) {
	seen := make(map[string]bool)
	d, out := s.breaker(), s.trouble()
	src.Breakers(func(b Breaker) {
		if seen[b.Target] || len(seen) >= s.m.maxSeries {
			return
		}
		seen[b.Target] = true
		gauge(d, float64(b.State), b.Target)
		if b.State != BreakerClosed {
			gauge(out, 1, b.Target, b.Cause, b.Scope)
		}
	})
}

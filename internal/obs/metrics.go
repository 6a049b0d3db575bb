package obs

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/internal/llm"
)

// Other is the label value that stands for every name over the limit, and for models that are not configured.
const Other = "other"

// DefaultMaxSeries is how many label sets of Series, and how many targets, are kept apart when MetricsOptions does not say.
// One Series that sees all outcomes costs about 20 KB, one that only answers about 12 KB and 90 lines of a scrape.
const DefaultMaxSeries = 256

// MetricsOptions are the settings of NewMetrics.
type MetricsOptions struct {
	Version   string // of Sluice, for sluice_build_info
	Revision  string // commit, for sluice_build_info
	MaxSeries int    // label sets of Series, and targets, before they fold into Other; 0 means DefaultMaxSeries
}

// Metrics is the registry of everything that Sluice counts. All methods are safe for concurrent use. Handles are resolved
// ahead of a call (Series, Target), so that counting is atomic adds: no label lookup, no allocation.
type Metrics struct {
	// Set once.
	reg       *prometheus.Registry
	maxSeries int
	born      time.Time
	vec       vectors
	calls     []prometheus.Counter // by llm.Kind
	stages    [StageCount]prometheus.Observer
	wait      [numClasses]prometheus.Observer

	// Atomic.
	sources  atomic.Pointer[Sources]
	baseline atomic.Pointer[[]baselineEntry]
	inFlight atomic.Int64
	streams  atomic.Int64

	mu      sync.Mutex
	series  map[seriesKey]*Series // guarded by mu
	targets map[string]*Target    // guarded by mu
}

// numClasses is the number of priority classes.
const numClasses = int(llm.Bulk) + 1

type seriesKey struct {
	op                              llm.Op
	model, target, provider, region string
}

// NewMetrics makes a registry of its own, with the collectors of the Go runtime and of the process in it.
func NewMetrics(o MetricsOptions) *Metrics {
	m := &Metrics{
		reg:       prometheus.NewRegistry(),
		maxSeries: o.MaxSeries,
		born:      time.Now(),
		vec:       newVectors(),
		series:    map[seriesKey]*Series{},
		targets:   map[string]*Target{},
	}
	if m.maxSeries <= 0 {
		m.maxSeries = DefaultMaxSeries
	}
	m.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.reg.MustRegister(m.vec.all()...)
	m.reg.MustRegister(
		gaugeFunc("sluice_inflight", "Calls under way.", func() float64 { return float64(m.inFlight.Load()) }),
		gaugeFunc("sluice_open_streams", "Streamed answers under way.", func() float64 { return float64(m.streams.Load()) }),
		sourceCollector{m},
		schedulerCollector{m},
	)
	m.vec.build.WithLabelValues(o.Version, o.Revision, runtime.Version()).Set(1)
	m.preset()
	return m
}

// preset resolves the handles whose labels are closed vocabularies, which also makes their zeros visible from the start.
func (m *Metrics) preset() {
	m.calls = make([]prometheus.Counter, len(llm.Kinds())+1)
	m.calls[llm.KindNone] = m.vec.calls.WithLabelValues(outcomeOK, "")
	for _, k := range llm.Kinds() {
		m.calls[k] = m.vec.calls.WithLabelValues(k.Code(), k.Cause().String())
	}
	for s := range m.stages {
		m.stages[s] = m.vec.stage.WithLabelValues(Stage(s).String())
	}
	for c := range m.wait {
		m.wait[c] = m.vec.wait.WithLabelValues(llm.Class(c).String())
	}
	for _, k := range []llm.Kind{llm.KindDegenerate, llm.KindTooSlow, llm.KindInvalidOutput} {
		m.vec.guards.WithLabelValues(k.Code(), "retry")
	}
	for _, how := range []string{"continue", "restart"} {
		m.vec.rescues.WithLabelValues(how, "ok")
		m.vec.rescues.WithLabelValues(how, "failed")
	}
	for _, result := range []string{"ok", "error"} {
		m.vec.reloads.WithLabelValues(result)
		m.vec.spans.WithLabelValues(result)
	}
}

// outcomeOK is the code of calls and the outcome of attempts that were answered.
const outcomeOK = "ok"

// Handler serves the registry in the format that the scraper asks for, compressed if it accepts that.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.reg, promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{
		Registry:            m.reg,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: 4, // a scrape walks every series; more at once is a misconfigured scraper
		ErrorHandling:       promhttp.ContinueOnError,
	}))
}

// SetSources names the functions that a scrape reads. It replaces those set before.
func (m *Metrics) SetSources(s Sources) { m.sources.Store(&s) }

// CallStarted counts a call that is under way; CallEnded ends it.
func (m *Metrics) CallStarted() { m.inFlight.Add(1) }

// CallEnded ends what CallStarted began.
func (m *Metrics) CallEnded() { m.inFlight.Add(-1) }

// InFlight returns the number of calls under way.
func (m *Metrics) InFlight() int { return int(m.inFlight.Load()) }

// Rescue counts a stream that broke after its client had seen part of it, and was gone on with, or not.
func (m *Metrics) Rescue(how string, ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	m.vec.rescues.WithLabelValues(how, result).Inc()
}

// Guard counts an answer that a guard has found fault with. action is one of retry, cancel, flag and mend.
func (m *Metrics) Guard(fault llm.Kind, action string) {
	m.vec.guards.WithLabelValues(fault.Code(), action).Inc()
}

// StreamOpened counts a streamed answer that is under way; StreamClosed ends it.
func (m *Metrics) StreamOpened() { m.streams.Add(1) }

// StreamClosed ends what StreamOpened began.
func (m *Metrics) StreamClosed() { m.streams.Add(-1) }

// OpenStreams returns the number of streamed answers under way.
func (m *Metrics) OpenStreams() int { return int(m.streams.Load()) }

// Reloaded counts one attempt to take over a changed configuration.
func (m *Metrics) Reloaded(ok bool) {
	result := "ok"
	if !ok {
		result = "error"
	}
	m.vec.reloads.WithLabelValues(result).Inc()
}

// BreakerCheck counts one free check of a provider in trouble. The name must come from the configuration.
func (m *Metrics) BreakerCheck(provider string, ok bool) {
	result := "ok"
	if !ok {
		result = "error"
	}
	m.vec.checks.WithLabelValues(provider, result).Inc()
}

// BreakerOpened counts one opening of a breaker. The name must come from the configuration, the words from closed vocabularies.
func (m *Metrics) BreakerOpened(provider, cause, scope string) {
	m.vec.openings.WithLabelValues(provider, cause, scope).Inc()
}

// Target returns the handle of a target, the same one for the same name. It may take a lock: resolve it ahead of calls.
func (m *Metrics) Target(name string) *Target {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.targetLocked(name)
}

func (m *Metrics) targetLocked(name string) *Target {
	if t, ok := m.targets[name]; ok {
		return t
	}
	if len(m.targets) >= m.maxSeries && name != Other {
		return m.targetLocked(Other)
	}
	t := newTarget(&m.vec, name)
	m.targets[name] = t
	return t
}

// Series returns the handle of one combination of labels, the same one for the same names. All names must come from the
// configuration; a model that a client made up is passed as Other. Over MetricsOptions.MaxSeries combinations all further
// ones of an operation share the one named Other. It may take a lock: resolve it ahead of calls, once per snapshot.
func (m *Metrics) Series(op llm.Op, model, target, provider, region string) *Series {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := seriesKey{op, model, target, provider, region}
	if s, ok := m.series[k]; ok {
		return s
	}
	if len(m.series) >= m.maxSeries {
		k = seriesKey{op, Other, Other, Other, Other}
		if s, ok := m.series[k]; ok {
			return s
		}
	}
	s := newSeries(m, k)
	m.series[k] = s
	return s
}

// Observe counts a call that ended before it had a target: refused, or its model unknown.
func (m *Metrics) Observe(c *CallStats) {
	m.calls[c.Kind].Inc()
	if c.Overhead > 0 {
		m.vec.overhead.Observe(c.Overhead.Seconds())
	}
	for s, d := range c.Stages {
		if d > 0 {
			m.stages[s].Observe(d.Seconds())
		}
	}
	if wait := c.Stages[StageAdmit]; (c.Attempts > 0 || wait > 0) && int(c.Class) < numClasses {
		m.wait[c.Class].Observe(wait.Seconds())
	}
	if c.Attempts > 1 {
		m.vec.retries.Add(float64(c.Attempts - 1))
	}
	if c.Malformed > 0 {
		m.vec.malformed.Add(float64(c.Malformed))
	}
}

// spansExported counts spans that left, or that the collector did not take.
func (m *Metrics) spansExported(n int, ok bool) {
	if m == nil {
		return
	}
	result := "ok"
	if !ok {
		result = "error"
	}
	m.vec.spans.WithLabelValues(result).Add(float64(n))
}

// logSuppressed counts one log record that the limit kept back.
func (m *Metrics) logSuppressed() {
	if m != nil {
		m.vec.suppressed.Inc()
	}
}

// perToken is the time from each output token to the next, after the first one; ok is false if there were not two.
func perToken(c *CallStats) (seconds float64, ok bool) {
	d := c.Stages[StageStream]
	if !c.Stream || d <= 0 || c.Usage.Output < 2 {
		return 0, false
	}
	return d.Seconds() / float64(c.Usage.Output-1), true
}

// nanoUSD is the unit of CallStats.CostNanoUSD in dollars.
const nanoUSD = 1e-9

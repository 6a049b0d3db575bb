package obs

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DriftMetric is a figure of streamed calls that is held against a baseline, the value of the label `metric`.
type DriftMetric uint8

// The metrics of drift.
const (
	DriftTTFT DriftMetric = iota // time to the first token, from sending to the provider
	DriftTPOT                    // time per output token after the first
	numDriftMetrics
)

// String returns the metric's name.
func (d DriftMetric) String() string {
	return [...]string{"ttft", "tpot"}[d]
}

// BaselineFigure is what a benchmark measured of a target's streamed calls.
type BaselineFigure struct {
	Target   string // as in Series
	Metric   DriftMetric
	Quantile float64 // in (0, 1)
	Seconds  float64 // positive
}

// The window of live calls: as long as it takes to see a trend, cut into slices so that old calls leave it.
const (
	driftWindow = 10 * time.Minute
	driftSlices = 20
	driftSlice  = driftWindow / driftSlices
)

// The buckets of live calls are 5 % wide and reach from 0.1 ms to 20 minutes; quantiles within one are interpolated.
const (
	driftLowest  = 100e-6
	driftGrowth  = 1.05
	driftBuckets = 335
)

// driftEnough is the number of live calls from which on a quantile is compared: of a hundred, the p95 leaves out five.
func driftEnough(q float64) uint64 {
	return uint64(max(30, math.Ceil(5/(1-q)-1e-9)))
}

// SetBaseline says what live calls are held against, in place of what was set before. Figures of targets over
// MetricsOptions.MaxSeries are left out. Live calls that were counted already stay in the window.
func (m *Metrics) SetBaseline(figures []BaselineFigure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	watched := map[string]bool{}
	kept := make([]baselineEntry, 0, len(figures))
	for _, f := range figures {
		if !(f.Seconds > 0) || !(f.Quantile > 0 && f.Quantile < 1) || f.Metric >= numDriftMetrics {
			continue
		}
		t := m.targetLocked(f.Target)
		if t.name != f.Target {
			continue
		}
		watched[f.Target] = true
		if t.drift.Load() == nil {
			t.drift.Store(&driftWindows{})
		}
		kept = append(kept, baselineEntry{f, t.drift.Load()})
	}
	for name, t := range m.targets {
		if !watched[name] {
			t.drift.Store(nil)
		}
	}
	m.baseline.Store(&kept)
}

// baselineEntry is a figure with the live calls that it is compared with.
type baselineEntry struct {
	BaselineFigure
	live *driftWindows
}

// driftWindows holds the live calls of one target.
type driftWindows [numDriftMetrics]driftCalls

// driftCalls counts the calls of the last ten minutes by bucket. Adding takes a lock of its own for some tens of
// nanoseconds, once a call, and only for targets that have a baseline.
type driftCalls struct {
	mu     sync.Mutex
	slices [driftSlices]struct { // guarded by mu
		number int64 // of the slice of time that is counted here
		counts [driftBuckets]uint32
	}
}

// sliceNumber counts slices of time from 1, so that 0 is none.
func (m *Metrics) sliceNumber() int64 { return 1 + int64(time.Since(m.born)/driftSlice) }

// add counts one call.
func (c *driftCalls) add(number int64, seconds float64) {
	b := 0
	if seconds > driftLowest {
		b = min(driftBuckets-1, int(math.Log(seconds/driftLowest)/math.Log(driftGrowth)))
	}
	c.mu.Lock()
	s := &c.slices[number%driftSlices]
	if s.number != number {
		s.number = number
		clear(s.counts[:])
	}
	s.counts[b]++
	c.mu.Unlock()
}

// quantile returns the q-quantile of the calls in the window and their number; NaN if there are too few.
func (c *driftCalls) quantile(number int64, q float64) (v float64, n uint64) {
	var sums [driftBuckets]uint64
	c.mu.Lock()
	for i := range c.slices {
		s := &c.slices[i]
		if s.number <= number-driftSlices || s.number == 0 {
			continue
		}
		for b, k := range s.counts {
			sums[b] += uint64(k)
			n += uint64(k)
		}
	}
	c.mu.Unlock()
	if n < driftEnough(q) {
		return math.NaN(), n
	}
	rank := q * float64(n)
	for b, k := range sums {
		if float64(k) >= rank && k > 0 {
			return driftLowest * math.Pow(driftGrowth, float64(b)+rank/float64(k)), n
		}
		rank -= float64(k)
	}
	return math.NaN(), n
}

// observeDrift counts a streamed call that was answered, if the target has a baseline.
func (t *Target) observeDrift(m *Metrics, metric DriftMetric, seconds float64) {
	if w := t.drift.Load(); w != nil {
		w[metric].add(m.sliceNumber(), seconds)
	}
}

// collectDrift gives the metrics of drift at a scrape. Each combination of labels is given once.
func (s sourceCollector) collectDrift(gauge func(*prometheus.Desc, float64, ...string)) {
	entries := s.m.baseline.Load()
	if entries == nil {
		return
	}
	number := s.m.sliceNumber()
	type series struct{ target, metric, quantile string }
	seen := map[series]bool{}
	for _, e := range *entries {
		at := series{e.Target, e.Metric.String(), strconv.FormatFloat(e.Quantile, 'g', -1, 64)}
		if seen[at] {
			continue
		}
		seen[at] = true
		live, n := e.live[e.Metric].quantile(number, e.Quantile)
		gauge(s.baseline(), e.Seconds, at.target, at.metric, at.quantile)
		if !math.IsNaN(live) {
			gauge(s.drift(), live/e.Seconds, at.target, at.metric, at.quantile)
		}
		if counted := (series{at.target, at.metric, ""}); !seen[counted] {
			seen[counted] = true
			gauge(s.driftCalls(), float64(n), at.target, at.metric)
		}
	}
}

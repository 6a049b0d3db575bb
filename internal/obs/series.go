package obs

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/internal/llm"
)

// Series is the preresolved handle for calls of one operation, public model and target. Observing allocates nothing, except
// the first time that a kind of error is seen.
type Series struct {
	// Set once.
	m          *Metrics
	key        seriesKey
	target     *Target
	input      prometheus.Observer
	output     prometheus.Observer
	firstToken prometheus.Observer
	perToken   prometheus.Observer
	tokens     [numTokenTypes]prometheus.Counter
	cost       prometheus.Counter
	unpriced   prometheus.Counter

	durations []atomic.Pointer[observer] // by llm.Kind; made when the kind is first seen
}

// observer makes an interface value fit for atomic.Pointer.
type observer struct{ prometheus.Observer }

// The values of the label gen_ai_token_type. The conventions know input and output; the others are parts of these.
const (
	tokenInput = iota
	tokenCachedInput
	tokenCacheWrite
	tokenOutput
	tokenReasoning
	numTokenTypes
)

func newSeries(m *Metrics, k seriesKey) *Series {
	v := &m.vec
	op, labels := k.op.String(), []string{k.op.String(), k.provider, k.model, k.target, k.region}
	s := &Series{
		m: m, key: k, target: m.targetLocked(k.target),
		input:     v.usage.WithLabelValues(append(labels, "input")...),
		cost:      v.cost.WithLabelValues(k.model, k.target),
		unpriced:  v.unpriced.WithLabelValues(k.model, k.target),
		durations: make([]atomic.Pointer[observer], len(m.calls)),
	}
	for i, name := range [...]string{"input", "cached_input", "cache_write", "output", "reasoning"} {
		s.tokens[i] = v.tokens.WithLabelValues(op, k.provider, k.model, k.target, name)
	}
	if k.op != llm.OpEmbedding { // which has no output tokens
		s.output = v.usage.WithLabelValues(append(labels, "output")...)
		s.firstToken = v.firstToken.WithLabelValues(labels...)
		s.perToken = v.perToken.WithLabelValues(labels...)
	}
	s.duration(llm.KindNone)
	return s
}

// Target returns the handle of the series' target.
func (s *Series) Target() *Target { return s.target }

// Observe counts a finished call. Attempts are counted apart, by Target.Attempt, as each of them ends.
func (s *Series) Observe(c *CallStats) {
	s.m.Observe(c)
	s.duration(c.Kind).Observe(c.Total.Seconds())
	if c.Kind == llm.KindNone && s.output != nil {
		if c.FirstToken > 0 {
			s.firstToken.Observe(c.FirstToken.Seconds())
			s.target.observeDrift(s.m, DriftTTFT, c.FirstToken.Seconds())
		}
		if t, ok := perToken(c); ok {
			s.perToken.Observe(t)
			s.target.observeDrift(s.m, DriftTPOT, t)
		}
	}
	if c.HasUsage {
		s.observeUsage(c)
	}
}

func (s *Series) observeUsage(c *CallStats) {
	u := &c.Usage
	s.input.Observe(float64(u.Input))
	if s.output != nil {
		s.output.Observe(float64(u.Output))
	}
	for i, n := range [numTokenTypes]int64{u.Input, u.CachedInput, u.CacheWrite, u.Output, u.Reasoning} {
		if n > 0 { // a provider's negative number must not panic the counter
			s.tokens[i].Add(float64(n))
		}
	}
	switch {
	case !c.Priced:
		s.unpriced.Inc()
	case c.CostNanoUSD > 0:
		s.cost.Add(float64(c.CostNanoUSD) * nanoUSD)
	}
}

// duration returns the histogram of the calls that ended with a kind.
func (s *Series) duration(k llm.Kind) prometheus.Observer {
	p := &s.durations[k]
	if o := p.Load(); o != nil {
		return o.Observer
	}
	o := &observer{s.m.vec.duration.WithLabelValues(
		s.key.op.String(), s.key.provider, s.key.model, s.key.target, s.key.region, k.Code())}
	p.Store(o) // a second one made at the same time is the same child of the vector
	return o.Observer
}

// Target is the preresolved handle for attempts at one target.
type Target struct {
	// Set once.
	name     string
	vec      *vectors
	limited  prometheus.Counter
	attempts []atomic.Pointer[counter] // by llm.Kind; made when the kind is first seen

	drift atomic.Pointer[driftWindows] // live calls of late; nil without a baseline
}

// counter makes an interface value fit for atomic.Pointer.
type counter struct{ prometheus.Counter }

func newTarget(v *vectors, name string) *Target {
	t := &Target{
		name: name, vec: v,
		limited:  v.limited.WithLabelValues(name),
		attempts: make([]atomic.Pointer[counter], len(llm.Kinds())+1),
	}
	t.counter(llm.KindNone)
	return t
}

// Attempt counts one send to the target and how it ended; KindNone is an answer.
func (t *Target) Attempt(k llm.Kind) {
	t.counter(k).Inc()
	if k == llm.KindRateLimited || k == llm.KindQuotaExhausted {
		t.limited.Inc()
	}
}

func (t *Target) counter(k llm.Kind) prometheus.Counter {
	p := &t.attempts[k]
	if c := p.Load(); c != nil {
		return c.Counter
	}
	outcome := outcomeOK
	if k != llm.KindNone {
		outcome = k.Code()
	}
	c := &counter{t.vec.attempts.WithLabelValues(t.name, outcome)}
	p.Store(c)
	return c.Counter
}

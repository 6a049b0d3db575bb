package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/route"
	"sluice/internal/upstream"
)

// maxDynamicTargets bounds how many targets named only by clients (provider/model) have their lookups kept.
const maxDynamicTargets = 4096

// Snapshot is one configuration as the road reads it: immutable, one for each call.
type Snapshot struct {
	ID       string // hash of the configuration; goes into ledger rows
	Routes   *route.Table
	Accounts map[string]*Account
	Models   map[string]*Settings // by public name
	Default  *Settings            // for names that are not configured
	Prices   *model.Table
	// RequestedName makes answers carry the model name that the client asked for; otherwise the provider's stays.
	RequestedName bool

	targets sync.Map // string (Target.Name) -> *targetInfo
	dynamic atomic.Int64
}

// Account is a provider account with what the road must know of it.
type Account struct {
	*upstream.Account
	Settings    upstream.Provider // as it was opened with
	StreamUsage bool              // ask for usage in streams (stream_options.include_usage)
	PriceOf     string            // provider whose price list holds; empty if none is known
	MaxAnswer   int64             // bytes of an answer that is not streamed
	MaxEvent    int               // bytes of one event of a stream
}

// Settings are a model's own timeouts and retry rules.
type Settings struct {
	Timeouts   upstream.Timeouts
	Retry      Retry
	Rescue     Rescue
	Parameters dialect.Policy
}

// settings returns the settings of a public model name.
func (s *Snapshot) settings(public string) *Settings {
	if m, ok := s.Models[public]; ok {
		return m
	}
	return s.Default
}

// targetInfo is what the road looks up of a target once.
type targetInfo struct {
	account   *Account
	price     *model.Info // nil if the price list does not have it
	traits    model.Traits
	foreign   model.Traits // for calls that are translated
	header    []string     // value of X-Sluice-Target
	target    *obs.Target
	series    sync.Map    // seriesKey -> *obs.Series
	noStream  atomic.Bool // the provider refuses streams of this model
	noPrefill atomic.Bool // it refuses to go on with an assistant turn
}

type seriesKey struct {
	op    llm.Op
	model string
}

// withoutSampling is the first version of Anthropic's API that refuses temperature, top_p and top_k, even at their defaults (PROVIDERS.md 0.1,
// 2026-11-20). A client of that dialect states the version itself; other calls have the account's.
const withoutSampling = "2026-10-21"

// info returns the lookups of a target. configured says that its name comes from the configuration.
func (s *Snapshot) info(m *obs.Metrics, t *llm.Target, configured bool) *targetInfo {
	if v, ok := s.targets.Load(t.Name); ok {
		return v.(*targetInfo)
	}
	ti := &targetInfo{account: s.Accounts[t.Provider], header: []string{t.Name}}
	ti.traits = s.Prices.Traits(ti.account.Settings.Kind(), ti.account.PriceOf, t.Model)
	ti.foreign = ti.traits
	if ti.account.Settings.Kind() == "anthropic" && ti.account.Settings.APIVersion >= withoutSampling {
		ti.foreign.Not |= model.Of(model.Temperature, model.TopP, model.TopK)
	}
	if ti.account.PriceOf != "" {
		ti.price, _ = s.Prices.Lookup(ti.account.PriceOf, t.Model)
	}
	if configured || ti.price != nil {
		ti.target = m.Target(t.Name)
	} else {
		ti.target = m.Target(t.Provider + "/" + obs.Other)
	}
	if !configured && s.dynamic.Load() >= maxDynamicTargets {
		return ti
	}
	if v, loaded := s.targets.LoadOrStore(t.Name, ti); loaded {
		return v.(*targetInfo)
	}
	if !configured {
		s.dynamic.Add(1)
	}
	return ti
}

// metrics returns the handles of one operation on a target under a public model name. Names that clients make up become
// one label value.
func (s *Snapshot) metrics(m *obs.Metrics, ti *targetInfo, t *llm.Target, op llm.Op, public string, configured bool) *obs.Series {
	target := t.Name
	if !configured && ti.price == nil {
		public, target = obs.Other, t.Provider+"/"+obs.Other
	}
	key := seriesKey{op, public}
	if v, ok := ti.series.Load(key); ok {
		return v.(*obs.Series)
	}
	series := m.Series(op, public, target, t.Provider, t.Region)
	ti.series.Store(key, series)
	return series
}

// imageIdle is the least that timeouts.idle is taken for where an image is made.
const imageIdle = 2 * time.Minute

// limits returns the timeouts of one attempt. Where the model leaves them open they grow with what has to be read
// and written: a minute, plus a second for each 1,000 input tokens, plus the time that the answer takes: at 20
// tokens a second when it comes whole, and at 100 before the first visible token of a stream, since a
// model may think first and most providers do not show it.
func (r *run) limits() upstream.Limits {
	t, c := &r.settings.Timeouts, &r.x.Call
	l := upstream.Limits{End: c.Deadline, EndSetting: r.endSetting, Connect: t.Connect, Headers: t.Headers, FirstToken: t.FirstToken, Idle: t.Idle}
	const base = time.Minute
	const maxOutput = 1 << 24 // a client may name any number, and must not make the product wrap around
	input, output := time.Duration(c.InputTokens)*time.Millisecond, min(c.MaxTokens, maxOutput)
	if c.Op == llm.OpImage {
		l.Idle = max(l.Idle, imageIdle) // nothing comes while a picture is made
	}
	if r.streams() && !isMedia(c.Op) {
		if l.FirstToken == 0 {
			l.FirstToken = base + input + time.Duration(output)*time.Second/100
		}
		if l.Headers == 0 {
			l.Headers = l.FirstToken
		}
		return l
	}
	if l.Headers == 0 {
		if output == 0 && c.Op != llm.OpEmbedding {
			output = 4096
		}
		l.Headers = base + input + time.Duration(output)*time.Second/20
	}
	if c.Stream && l.FirstToken == 0 {
		l.FirstToken = l.Headers
	}
	return l
}

package gateway

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

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
	Models   map[string]Settings // by public name
	Default  Settings            // for names that are not configured
	Prices   *model.Prices
	// RequestedName makes answers carry the model name that the client asked for; otherwise the provider's stays.
	RequestedName bool

	// Known lists the label values that metrics may use for models; all others are one value.
	Known map[string]bool

	targets sync.Map // string (Target.Name) -> *targetInfo
	dynamic atomic.Int64
}

// Account is a provider account with what the road must know of it.
type Account struct {
	*upstream.Account
	StreamUsage bool   // ask for usage in streams (stream_options.include_usage)
	PriceOf     string // provider whose price list holds; empty if none is known
}

// Settings are a model's own timeouts and retry rules.
type Settings struct {
	Timeouts Timeouts
	Retry    Retry
}

// Timeouts of a model. Zero Headers and FirstToken are scaled by the expected length, other zeros mean without limit.
type Timeouts struct {
	Headers    time.Duration
	FirstToken time.Duration
	Idle       time.Duration
	Total      time.Duration
}

// settings returns the settings of a public model name.
func (s *Snapshot) settings(public string) *Settings {
	if m, ok := s.Models[public]; ok {
		return &m
	}
	return &s.Default
}

// targetInfo is what the road looks up of a target once.
type targetInfo struct {
	account *Account
	price   model.Info
	known   bool       // price row found
	header  []string   // value of X-Sluice-Target
	series  sync.Map   // seriesKey -> *obs.Series
}

type seriesKey struct {
	op    llm.Op
	model string
}

// info returns the lookups of a target.
func (s *Snapshot) info(t *llm.Target) *targetInfo {
	if v, ok := s.targets.Load(t.Name); ok {
		return v.(*targetInfo)
	}
	ti := &targetInfo{account: s.Accounts[t.Provider], header: []string{t.Name}}
	if ti.account.PriceOf != "" {
		ti.price, ti.known = s.Prices.Lookup(ti.account.PriceOf, t.Model)
	}
	if s.dynamic.Load() >= maxDynamicTargets {
		return ti
	}
	if v, loaded := s.targets.LoadOrStore(t.Name, ti); loaded {
		return v.(*targetInfo)
	}
	s.dynamic.Add(1)
	return ti
}

// metrics returns the handles of one operation on a target under a public model name.
func (s *Snapshot) metrics(m *obs.Metrics, ti *targetInfo, t *llm.Target, op llm.Op, public string) *obs.Series {
	key := seriesKey{op, public}
	if v, ok := ti.series.Load(key); ok {
		return v.(*obs.Series)
	}
	modelLabel, targetLabel := public, t.Name
	if !s.Known[public] {
		modelLabel = "other"
	}
	if !s.Known[t.Name] {
		targetLabel = t.Provider + "/other"
	}
	series := m.Series(op, modelLabel, targetLabel, t.Provider, t.Region)
	if modelLabel != "other" || strings.HasPrefix(public, t.Provider+"/") {
		ti.series.Store(key, series)
	}
	return series
}

// limits returns the timeouts of one attempt. Where the model leaves them open they grow with what has to be read
// and written: a minute, plus a second for each 1,000 input tokens, plus the time that the answer takes: at 20
// tokens a second when it comes whole, and at 100 before the first visible token of a stream, since a
// model may think first and most providers do not show it.
func (t *Timeouts) limits(c *llm.Call) upstream.Limits {
	l := upstream.Limits{Header: t.Headers, FirstToken: t.FirstToken, Idle: t.Idle}
	const base = time.Minute
	input := time.Duration(c.InputTokens) * time.Millisecond
	if c.Stream {
		if l.FirstToken == 0 {
			l.FirstToken = base + input + time.Duration(c.MaxTokens)*time.Second/100
		}
		if l.Header == 0 {
			l.Header = l.FirstToken
		}
		return l
	}
	if l.Header == 0 {
		output := c.MaxTokens
		if output == 0 && c.Op != llm.OpEmbedding {
			output = 4096
		}
		l.Header = base + input + time.Duration(output)*time.Second/20
	}
	return l
}

package sim

import (
	"maps"
	"sync"
	"time"

	"sluice/internal/llm"
)

// Stats is what the simulator counted since its start or the last reset.
type Stats struct {
	Requests    int64                 `json:"requests"`
	Refused     int64                 `json:"refused"`      // answers other than 2xx, by request, limit or fault
	Open        int64                 `json:"open"`         // requests under way
	OpenStreams int64                 `json:"open_streams"` // streams under way
	Aborted     int64                 `json:"aborted"`      // requests that the client left
	LastAbort   time.Time             `json:"last_abort,omitzero"`
	Usage       Usage                 `json:"usage"`
	Models      map[string]ModelStats `json:"models"`
	Faults      map[string]int64      `json:"faults"` // requests by fault
	Quotas      []QuotaStats          `json:"quotas,omitempty"`
}

// ModelStats are the counts of one model, by its name without faults.
type ModelStats struct {
	Requests int64 `json:"requests"`
	Refused  int64 `json:"refused"`
	Aborted  int64 `json:"aborted"`
	Usage    Usage `json:"usage"`
}

// Usage is billed tokens: what the answers that were sent cost, an aborted or broken one up to its end. Refusals and answers that are
// only an error cost nothing. The counts never roll over.
type Usage struct {
	Input      int64 `json:"input"`
	Cached     int64 `json:"cached"`
	Output     int64 `json:"output"`
	Reasoning  int64 `json:"reasoning"`
	CacheWrite int64 `json:"cache_write,omitempty"`
	Billed     int64 `json:"billed"` // input and output
}

func (u *Usage) add(v llm.Usage) {
	u.Input += v.Input
	u.Cached += v.CachedInput
	u.Output += v.Output
	u.Reasoning += v.Reasoning
	u.CacheWrite += v.CacheWrite
	u.Billed += v.Total()
}

// maxModels bounds the models that are counted apart, since any name may be served.
const maxModels = 1000

// book keeps the counts.
type book struct {
	mu      sync.Mutex
	stats   Stats
	records ring
}

// keep sets how many requests are recorded, in full or light.
func (b *book) keep(full, light int) {
	b.records = ring{limit: max(full, light), light: light > 0}
	b.reset()
}

func (b *book) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats = Stats{
		Open: b.stats.Open, OpenStreams: b.stats.OpenStreams,
		Models: map[string]ModelStats{}, Faults: map[string]int64{},
	}
	b.records.clear()
}

// begin counts a request in and returns its record; nil if requests are not recorded.
func (b *book) begin(x *exchange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Requests++
	b.stats.Open++
	if x.record = b.records.add(x.r); x.record != nil {
		x.record.Seq, x.record.Start = x.seq, x.start
		x.record.Dialect, x.record.Op = x.ask.dialect.String(), x.ask.op.String()
	}
}

func (b *book) streams(n int64) {
	b.mu.Lock()
	b.stats.OpenStreams += n
	b.mu.Unlock()
}

// finish counts the end of a request.
func (b *book) finish(x *exchange) {
	took := time.Since(x.start)
	b.mu.Lock()
	defer b.mu.Unlock()
	st := &b.stats
	st.Open--
	name := x.base
	if _, known := st.Models[name]; !known && len(st.Models) >= maxModels {
		name = "other"
	}
	m := st.Models[name]
	m.Requests++
	if x.status >= 300 {
		st.Refused++
		m.Refused++
	}
	if x.aborted {
		st.Aborted++
		st.LastAbort = x.canceledAt(took)
		m.Aborted++
	}
	st.Usage.add(x.usage)
	m.Usage.add(x.usage)
	if x.model != nil {
		st.Models[name] = m
	}
	for _, fault := range x.fx.names {
		st.Faults[fault]++
	}
	if r := x.record; r != nil {
		r.Model, r.Faults, r.Status, r.Usage = x.base, x.fx.names, x.status, x.usage
		r.ID, r.Timing, r.Done, r.Aborted, r.Took = x.id, x.watch.Timing, true, x.aborted, took
		if r.Billed = x.usage.Total(); x.aborted {
			r.CanceledAt = x.canceledAt(took)
		}
	}
}

// Stats returns a copy of the counts.
func (s *Server) Stats() Stats {
	st := s.book.copy()
	for _, q := range s.allQuotas() {
		st.Quotas = append(st.Quotas, q.stats())
	}
	return st
}

func (b *book) copy() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.stats
	st.Models, st.Faults = maps.Clone(st.Models), maps.Clone(st.Faults)
	return st
}

// Reset forgets counts, records and the requests that faults with first or skip have seen. Requests under way go on, and what was charged
// to quotas stays charged.
func (s *Server) Reset() {
	s.book.reset()
	for _, q := range s.allQuotas() {
		q.reset()
	}
	s.mu.Lock()
	clear(s.firsts)
	clear(s.onces)
	s.mu.Unlock()
}

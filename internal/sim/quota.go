package sim

import (
	"sync"
	"time"

	"sluice/internal/llm"
)

// counted is what a limit counts.
type counted uint8

const (
	countRequests counted = iota
	countTokens
	countInput
	countOutput
	countKinds = iota
)

// words are what limits are called in messages and headers.
var countedWords = [countKinds]struct{ word, minute, day string }{
	{"requests", "RPM", "RPD"}, {"tokens", "TPM", "TPD"}, {"input tokens", "ITPM", "ITPD"}, {"output tokens", "OTPM", "OTPD"},
}

// budget is one limit of a quota with its counts. All but kind, day and limit is guarded by the quota's mutex.
type budget struct {
	kind  counted
	day   bool
	limit int64 // in a minute or day
	meter meter
	shown meter // what headers tell of; mostly the same

	charged float64
	refused int64   // requests for which this limit was short
	peak    float64 // highest use
}

// quota is one quota in force.
type quota struct {
	cfg  QuotaConfig
	name string // for stats

	mu      sync.Mutex
	now     time.Time // the last time that it was told
	budgets []*budget
	log     quotaLog
}

func newQuota(cfg QuotaConfig, name string) *quota {
	q := &quota{cfg: cfg, name: name}
	for _, l := range []struct {
		kind  counted
		limit int64
	}{{countRequests, cfg.RPM}, {countTokens, cfg.TPM}, {countInput, cfg.InputTPM}, {countOutput, cfg.OutputTPM}} {
		if l.limit > 0 {
			b := &budget{kind: l.kind, limit: l.limit}
			b.meter, b.shown = q.meters(l.limit)
			q.budgets = append(q.budgets, b)
		}
	}
	for _, l := range []struct {
		kind  counted
		limit int64
	}{{countRequests, cfg.RPD}, {countTokens, cfg.TPD}} {
		if l.limit > 0 {
			m := &windows{length: 24 * time.Hour, size: float64(l.limit)}
			q.budgets = append(q.budgets, &budget{kind: l.kind, day: true, limit: l.limit, meter: m, shown: m})
		}
	}
	return q
}

// meters makes what enforces a limit of a minute, and what headers tell of it: of one-second slices they show nothing, but the minute.
func (q *quota) meters(limit int64) (enforced, shown meter) {
	window := q.cfg.Window
	if window == 0 {
		window = time.Minute
	}
	size := max(float64(limit)*window.Minutes(), 1)
	switch q.cfg.enforce() {
	case "fixed":
		enforced = &windows{length: window, phase: q.cfg.Phase, size: size}
	case "sliding":
		enforced = &sliding{length: window, size: size}
	case "slices":
		return &windows{length: time.Second, size: max(float64(limit)/60, 1)}, &windows{length: time.Minute, size: float64(limit)}
	default:
		burst := q.cfg.Burst
		if burst == 0 {
			burst = time.Minute
		}
		enforced = newBucket(limit, burst)
	}
	return enforced, enforced
}

// tick returns the time, or the last one that the quota was told if that is later: requests that arrive together may be in each other's way.
func (q *quota) tick(now time.Time) time.Time {
	if now.After(q.now) {
		q.now = now
	}
	return q.now
}

// arriving returns what a request is charged of a kind when it arrives.
func (q *quota) arriving(kind counted, j *job) float64 {
	most := j.maxTokens
	if q.cfg.charge() == "actual" {
		most = 0
	}
	switch kind {
	case countRequests:
		return 1
	case countTokens:
		return float64(j.input + most)
	case countInput:
		return float64(j.input)
	default:
		return float64(most)
	}
}

// done returns what it is charged in the end.
func (q *quota) done(kind counted, j *job, used llm.Usage) float64 {
	var free int64
	if q.cfg.FreeCached {
		free = used.CachedInput
	}
	if q.cfg.charge() == "max_tokens" {
		n := q.arriving(kind, j)
		if kind == countTokens || kind == countInput {
			n -= float64(free)
		}
		return n
	}
	switch kind {
	case countRequests:
		return 1
	case countTokens:
		return float64(used.Total() - free)
	case countInput:
		return float64(used.Input - free)
	default:
		return float64(used.Output)
	}
}

// hold is what one request has been charged.
type hold struct {
	quotas []*quota
	job    *job
	at     []time.Time // of the charge, for each quota
	paid   [][]float64 // for each quota and budget
}

// short is a limit that does not allow a request.
type short struct {
	quota  *quota
	budget *budget
	need   float64
	left   float64
	wait   time.Duration
}

// take charges a request to all of the quotas, or, if one of their limits does not allow it, to none; then it returns the limit that the
// request has to wait for longest. A request that needs more than there ever is gets the same error as others, as OpenAI does it.
func take(now time.Time, quotas []*quota, j *job) (*hold, *short) {
	for _, q := range quotas { // in the order of the configuration, so that none waits for the other
		q.mu.Lock()
		defer q.mu.Unlock()
	}
	var worst *short
	for _, q := range quotas {
		at := q.tick(now)
		for _, b := range q.budgets {
			n := q.arriving(b.kind, j)
			if wait := b.meter.wait(at, n); wait > 0 && (worst == nil || wait > worst.wait) {
				worst = &short{quota: q, budget: b, need: n, left: b.meter.left(at), wait: wait}
			}
		}
	}
	if worst != nil {
		worst.budget.refused++
		for _, q := range quotas {
			q.log.refuse(q.now)
			q.fail()
		}
		return nil, worst
	}
	h := &hold{quotas: quotas, job: j}
	for _, q := range quotas {
		paid := make([]float64, len(q.budgets))
		for i, b := range q.budgets {
			paid[i] = q.arriving(b.kind, j)
			b.charge(q.now, paid[i])
		}
		h.at, h.paid = append(h.at, q.now), append(h.paid, paid)
		q.log.accept(q.now, q.arriving(countTokens, j))
	}
	return h, nil
}

// correct charges what a request has used by now in place of what it was charged before. A nil hold is none.
func (h *hold) correct(now time.Time, used llm.Usage) {
	if h == nil {
		return
	}
	for i, q := range h.quotas {
		q.mu.Lock()
		at := q.tick(now)
		for k, b := range q.budgets {
			n := q.done(b.kind, h.job, used)
			switch more := n - h.paid[i][k]; {
			case more > 0:
				b.charge(at, more)
			case more < 0:
				b.refund(at, h.at[i], -more)
			}
			h.paid[i][k] = n
		}
		q.log.correct(at, q.done(countTokens, h.job, used)-q.arriving(countTokens, h.job))
		q.mu.Unlock()
	}
}

// cached gives back, as soon as it is known, what comes from the prompt cache where that is free.
func (h *hold) cached(now time.Time, tokens int64) {
	if h == nil || tokens == 0 {
		return
	}
	for i, q := range h.quotas {
		if !q.cfg.FreeCached {
			continue
		}
		q.mu.Lock()
		at := q.tick(now)
		for k, b := range q.budgets {
			if b.kind == countTokens || b.kind == countInput {
				b.refund(at, h.at[i], float64(tokens))
				h.paid[i][k] -= float64(tokens)
			}
		}
		q.mu.Unlock()
	}
}

func (b *budget) charge(now time.Time, n float64) {
	b.meter.charge(now, n)
	if b.shown != b.meter {
		b.shown.charge(now, n)
	}
	b.charged += n
	b.peak = max(b.peak, b.meter.use(now))
}

func (b *budget) refund(now, at time.Time, n float64) {
	b.meter.refund(now, at, n)
	if b.shown != b.meter {
		b.shown.refund(now, at, n)
	}
	b.charged -= n
}

// fail counts a request that failed, where such requests count. The caller holds the mutex.
func (q *quota) fail() {
	if !q.cfg.CountFailed {
		return
	}
	for _, b := range q.budgets {
		if b.kind == countRequests {
			if n := min(b.meter.left(q.now), 1); n > 0 {
				b.charge(q.now, n)
			}
		}
	}
}

// failed counts a request that a fault has refused.
func failed(now time.Time, quotas []*quota) {
	for _, q := range quotas {
		q.mu.Lock()
		q.tick(now)
		q.fail()
		q.mu.Unlock()
	}
}

// quotasOf returns the quotas of a model, by the name asked for, in the order of the configuration; its own comes last.
func (s *Server) quotasOf(m *model, name string) []*quota {
	var all []*quota
	for _, shared := range s.quotas {
		if q := shared.of(name); q != nil {
			all = append(all, q)
		}
	}
	if m.quota != nil {
		all = append(all, m.quota)
	}
	return all
}

// sharedQuota is a quota of the configuration: one for all of its models or, per model, one for each.
type sharedQuota struct {
	cfg QuotaConfig
	one *quota // nil if there is one for each model

	mu   sync.Mutex
	each map[string]*quota
	list []*quota // in the order in which their models were first asked for
}

func newSharedQuota(cfg QuotaConfig) *sharedQuota {
	s := &sharedQuota{cfg: cfg, each: map[string]*quota{}}
	if !cfg.PerModel {
		s.one = newQuota(cfg, cfg.name())
	}
	return s
}

// of returns the quota that holds for a model; nil if none does. Models beyond the bound share one.
func (s *sharedQuota) of(name string) *quota {
	if !matches(s.cfg.Models, name) {
		return nil
	}
	if s.one != nil {
		return s.one
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.each[name]; q != nil {
		return q
	}
	if len(s.each) >= maxModels {
		name = "other"
		if q := s.each[name]; q != nil {
			return q
		}
	}
	q := newQuota(s.cfg, s.cfg.name()+" at "+name)
	s.each[name] = q
	s.list = append(s.list, q)
	return q
}

// all returns the quotas there are.
func (s *sharedQuota) all() []*quota {
	if s.one != nil {
		return []*quota{s.one}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*quota(nil), s.list...)
}

package sim

import (
	"math"
	"time"
)

// QuotaStats are the counts of one quota.
type QuotaStats struct {
	Name     string       `json:"name"`
	Enforce  string       `json:"enforce"`
	Accepted int64        `json:"accepted"`
	Refused  int64        `json:"refused"` // for want of this quota, or of another one of the same request
	Tokens   int64        `json:"tokens"`  // charged, by its rule
	Limits   []LimitStats `json:"limits"`
	// Seconds is the use over time: from Start on, which is a whole second, one element a second, at most the last hour.
	Start   time.Time     `json:"start,omitzero"`
	Seconds []QuotaSecond `json:"seconds"`
}

// LimitStats are the counts of one limit of a quota.
type LimitStats struct {
	Kind    string `json:"kind"` // RPM, TPM, ITPM, OTPM, RPD, TPD
	Limit   int64  `json:"limit"`
	Charged int64  `json:"charged"`
	Refused int64  `json:"refused"` // requests that had to wait for this limit
	// Peak is the highest use that an enforced window, or the bucket, has had, as a share of what it can hold. It is never above 1 but
	// where answers took more than was left.
	Peak float64 `json:"peak"`
}

// QuotaSecond is what came in one second.
type QuotaSecond struct {
	Accepted int64 `json:"a,omitempty"`
	Refused  int64 `json:"r,omitempty"`
	Tokens   int64 `json:"t,omitempty"` // charged on arrival
}

// maxQuotaSeconds bounds the use over time.
const maxQuotaSeconds = 3600

// quotaLog is what became of requests, over time. It is guarded by the quota's mutex.
type quotaLog struct {
	accepted, refused int64
	tokens            float64
	start             time.Time
	seconds           []QuotaSecond
}

// second returns the element of a time, after room was made for it.
func (l *quotaLog) second(now time.Time) *QuotaSecond {
	if l.start.IsZero() {
		l.start = now.Truncate(time.Second)
	}
	i := int(now.Sub(l.start) / time.Second)
	if i >= 2*maxQuotaSeconds { // after a long pause nothing of what was is of the last hour
		l.start, l.seconds, i = now.Truncate(time.Second), nil, 0
	}
	for len(l.seconds) <= i {
		l.seconds = append(l.seconds, QuotaSecond{})
	}
	if over := len(l.seconds) - maxQuotaSeconds; over > 0 {
		l.seconds = append([]QuotaSecond(nil), l.seconds[over:]...)
		l.start = l.start.Add(time.Duration(over) * time.Second)
		i -= over
	}
	return &l.seconds[i]
}

func (l *quotaLog) accept(now time.Time, tokens float64) {
	l.accepted++
	l.tokens += tokens
	s := l.second(now)
	s.Accepted++
	s.Tokens += int64(tokens)
}

func (l *quotaLog) refuse(now time.Time) {
	l.refused++
	l.second(now).Refused++
}

// correct adds what a request was charged more in the end, or less; the seconds are those of arrivals.
func (l *quotaLog) correct(_ time.Time, tokens float64) { l.tokens += tokens }

// stats returns a copy of the counts.
func (q *quota) stats() QuotaStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := QuotaStats{
		Name: q.name, Enforce: q.cfg.enforce(), Accepted: q.log.accepted, Refused: q.log.refused, Tokens: int64(math.Round(q.log.tokens)),
		Start: q.log.start, Seconds: append([]QuotaSecond{}, q.log.seconds...),
	}
	for _, b := range q.budgets {
		st.Limits = append(st.Limits, LimitStats{
			Kind: b.name(), Limit: b.limit, Charged: int64(math.Round(b.charged)), Refused: b.refused, Peak: b.peak,
		})
	}
	return st
}

// reset forgets the counts; what is left of the limits stays.
func (q *quota) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.log = quotaLog{}
	for _, b := range q.budgets {
		b.charged, b.refused, b.peak = 0, 0, 0
	}
}

// name is the limit's short name.
func (b *budget) name() string {
	if b.day {
		return countedWords[b.kind].day
	}
	return countedWords[b.kind].minute
}

// allQuotas returns the quotas there are: those of the configuration, then those of models.
func (s *Server) allQuotas() []*quota {
	var all []*quota
	for _, q := range s.quotas {
		all = append(all, q.all()...)
	}
	for _, m := range s.order {
		if m.quota != nil {
			all = append(all, m.quota)
		}
	}
	return all
}

package limit

import (
	"math"
	"slices"
	"time"

	"sluice/internal/llm"
)

// grant is a part of a shared set that may be spent for a time.
type grant struct {
	from, to    int64
	left        Amounts
	concurrency int
}

var _ Member = (*Set)(nil)

// Report tells what was spent and what would be, since the report before. Spent can be less than zero: settled calls give back. Wanted is
// twice what was spent a second, and what the largest refused call needs, if one was refused.
func (s *Set) Report(now time.Time) Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	r := Report{Spent: s.spent, InUse: s.inUse}
	per := max(float64(s.now-s.reported)/float64(time.Second), 0.001)
	for d := range r.Wanted {
		n := math.Max(float64(s.spent[d]), 0) / per
		if s.refused[Requests] > 0 {
			n = 2*n + float64(s.refused[d])
		}
		r.Wanted[d] = int64(math.Ceil(n))
	}
	s.spent, s.refused, s.reported = Amounts{}, Amounts{}, s.now
	return r
}

// refuse notes what a refused call needed. The caller holds mu.
func (s *Set) refuse(n *Amounts) {
	for d := range n {
		s.refused[d] = max(s.refused[d], n[d])
	}
}

// Follow has the set spend only what is granted, from g.From to g.To, counted from the last Report on. A grant that begins later waits until then. After g.To nothing starts.
// What calls of grants before use beyond what they have reserved is charged to the grant of the time; what they give back is for it.
func (s *Set) Follow(g Grant) {
	s.mu.Lock()
	n := grant{
		from: s.unix + int64(g.From.Sub(s.base)), to: s.unix + int64(g.To.Sub(s.base)), left: g.Amounts, concurrency: g.Concurrency,
	}
	for d := range n.left {
		n.left[d] -= s.spent[d] // since the last Report, after which the grant was made
	}
	if s.following && n.from > s.now && s.now < s.grant.to {
		s.next = n
	} else {
		s.grant, s.next = n, grant{}
	}
	s.following = true
	s.mu.Unlock()
	tell(s.regranted)
}

// Following reports whether the set spends what is granted to this replica: others spend of the same quota.
func (s *Set) Following() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.following
}

// Paused returns until when nothing starts because the provider said so; zero if it may.
func (s *Set) Paused(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	if s.blocked <= s.now {
		return time.Time{}
	}
	return s.time(s.blocked)
}

// advance goes on to the next grant when its time has come. The caller holds mu.
func (s *Set) advance() {
	if s.next.to != 0 && s.now >= s.next.from {
		s.grant, s.next = s.next, grant{}
	}
}

// Alone has the set go by its own count, of a part of all limits: 1 without other replicas. Of the limits that rests name it spends what they say,
// from the last Report on, until their time is over.
func (s *Set) Alone(fraction float64, rests ...Rest) {
	s.mu.Lock()
	changed := s.following || s.fraction != fraction || len(rests)+len(s.rests) > 0
	s.following, s.grant, s.next = false, grant{}, grant{}
	s.rests, s.fraction = s.rests[:0], fraction
	for _, r := range rests {
		for i := range s.budgets {
			if b := &s.budgets[i]; b.Dim == r.Dim && b.Per == r.Per && !b.wait() {
				most := b.gauges[0].used() + max(r.Amount-s.spent[r.Dim], 0)
				s.rests = append(s.rests, bounded{r.Dim, r.Per, most, s.unix + int64(r.Until.Sub(s.base))})
			}
		}
	}
	if changed {
		s.build()
	}
	s.mu.Unlock()
	if changed {
		tell(s.regranted)
	}
}

// bounded is how much may be used of a limit of more than a minute until a time, while nothing is heard of other replicas.
type bounded struct {
	dim  Dim
	per  time.Duration
	most int64 // of the gauge's count
	to   int64
}

// bound lowers, or raises, limits of more than a minute to what is known to be left. The caller holds mu.
func (s *Set) bound() {
	for _, r := range s.rests {
		for i := range s.budgets {
			if b := &s.budgets[i]; b.Dim == r.dim && b.Per == r.per && s.now < r.to {
				b.gauges[0].limit = r.most
			}
		}
	}
}

// restWait returns when a call may start that passes what is known to be left, and 0 if it does not. The gauges let a call pass that is larger
// than all that there is; here something is left, only not to this replica. The caller holds mu.
func (s *Set) restWait(n *Amounts) int64 {
	for i, r := range s.rests {
		if s.now >= r.to { // a new hour or day: an equal part of it
			s.rests = slices.Delete(s.rests, i, i+1)
			s.build()
			return s.restWait(n)
		}
		for j := range s.budgets {
			if b := &s.budgets[j]; b.Dim == r.dim && b.Per == r.per && n[r.dim] > 0 && b.gauges[0].used()+n[r.dim] > r.most {
				return r.to
			}
		}
	}
	return 0
}

// grantWait returns when a call may start that is not covered by the grant, and 0 if it is. The caller holds mu.
func (s *Set) grantWait(n *Amounts, c llm.Class) int64 {
	g := &s.grant
	switch {
	case s.now < g.from:
		return g.from
	case s.now >= g.to:
		return never // until the next
	}
	for i := range s.budgets {
		b := &s.budgets[i]
		hold := int64(0)
		if c > llm.Interactive && b.wait() {
			perNS, size := s.flow.rate(s.now, b.Dim)
			hold = int64(expected(perNS, size, max(float64(g.to-s.now-int64(patience)), 0)))
		}
		if need := n[b.Dim]; need > 0 && need+hold > g.left[b.Dim] {
			if s.next.to != 0 {
				return s.next.from
			}
			return g.to
		}
	}
	return 0
}

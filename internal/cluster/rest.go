package cluster

import (
	"time"

	"sluice/internal/limit"
)

// rest is what this replica may spend of one limit of more than a minute when Redis can be asked no more. Such a limit does not come back soon:
// a share of the whole of it would spend again what others have spent already.
//
// While grants are followed it is a promise of the server's, beyond what is held; together with what is held it is all that is left, apart. The
// server lowers no promise: who was promised does, and tells it afterwards.
type rest struct {
	dim    limit.Dim
	per    time.Duration
	amount int64     // promised; or left when the set came to be apart
	target int64     // most to keep of the promise
	told   int64     // with the last ask
	known  bool      // the server has answered
	total  int64     // of the part's spending, when the set came to be apart
	until  time.Time // end of the hour or day, if the set is apart and its amount is known
}

// knower is a Member that knows from elsewhere what all replicas have spent today.
type knower interface {
	Known(limit.Dim) int64
}

// known returns what is known from elsewhere to be spent of a limit.
func (p *part) known(l *limit.Limit) int64 {
	if k, ok := p.m.(knower); ok && l.Per > time.Minute {
		return max(k.Known(l.Dim), 0)
	}
	return 0
}

// rest returns the rest of a limit.
func (p *part) rest(l *limit.Limit) *rest {
	for _, r := range p.rests {
		if r.dim == l.Dim && r.per == l.Per {
			return r
		}
	}
	r := &rest{dim: l.Dim, per: l.Per}
	p.rests = append(p.rests, r)
	return r
}

// long returns the rests of the set's limits of more than a minute, in their order.
func (p *part) long() (all []*rest) {
	for i := range p.terms.Limits {
		if l := &p.terms.Limits[i]; l.Per > time.Minute {
			all = append(all, p.rest(l))
		}
	}
	return all
}

// lower keeps no more of a promise than it should be, before it is told.
func (r *rest) lower() {
	r.amount = min(r.amount, r.target)
	r.told = r.amount
}

// left returns what may be spent, apart; ok is false if it is not known.
func (r *rest) left(p *part, now time.Time) (n int64, ok bool) {
	if p.follows || !now.Before(r.until) {
		return 0, false
	}
	return max(r.amount-(p.total[r.dim]-r.total), 0), true
}

// keepRests makes what was promised and what is held all that may be spent. The set has been read just before.
func (p *part) keepRests(now time.Time) {
	for _, r := range p.rests {
		if !r.known {
			continue
		}
		r.amount += max(p.now.amounts[r.dim], 0) + max(p.next.amounts[r.dim], 0)
		r.total, r.until = p.total[r.dim], periodEnd(r.per, now)
	}
}

// idle ends the sharing of a set that nobody uses. What it held and was promised goes to others; should it be used again while Redis is away, it goes
// by its share of what was left.
func (p *part) idle(now time.Time) {
	p.take(now)
	for _, r := range p.rests {
		if p.follows && r.known {
			r.amount, r.total, r.until = r.target, p.total[r.dim], periodEnd(r.per, now)
		}
	}
	p.follows, p.fraction, p.fade, p.now, p.next = false, 0, fade{}, slot{label: apart}, slot{}
}

// spentLong reports whether something was spent of a present hour or day.
func (p *part) spentLong(now time.Time) bool {
	for i := range p.past.long {
		if s := &p.past.long[i]; s.sum > 0 && s.index == now.UnixMilli()/max(s.per.Milliseconds(), 1) {
			return true
		}
	}
	return false
}

// tellRests tells of what is left, apart, what is not told as held.
func (p *part) tellRests(held *limit.Amounts, now time.Time) {
	for _, r := range p.rests {
		r.told = 0
		if n, ok := r.left(p, now); ok {
			r.told = max(n-held[r.dim], 0)
		}
	}
}

// promiseRests makes what was told the promises with which grants are followed.
func (p *part) promiseRests() {
	for _, r := range p.rests {
		r.amount, r.target, r.until = r.told, r.told, time.Time{}
	}
}

// apart passes on that the set goes by its own share. The set has been read just before: a Member counts what it spends from its last Report on.
func (p *part) apart(now time.Time) {
	var all []limit.Rest
	for _, r := range p.rests {
		if n, ok := r.left(p, now); ok {
			all = append(all, limit.Rest{Dim: r.dim, Per: r.per, Amount: n, Until: r.until})
		}
	}
	p.m.Alone(p.fraction, all...)
}

// periodEnd returns the end of the present hour or day.
func periodEnd(per time.Duration, now time.Time) time.Time {
	ms := max(per.Milliseconds(), 1)
	return now.Add(time.Duration(ms-now.UnixMilli()%ms) * time.Millisecond)
}

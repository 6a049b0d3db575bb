package limit

import (
	"math"
	"time"
)

// tell calls what OnFreed has set. The set is not locked.
func tell(f func()) {
	if f != nil {
		f()
	}
}

// SetShape says how the limits are enforced, as it has been learned. What is used stays used.
func (s *Set) SetShape(now time.Time, sh Shape) {
	s.mu.Lock()
	t := s.terms
	t.Shape = sh
	s.mu.Unlock()
	s.Update(now, t)
}

// Update replaces the terms. A limit of the same dimension and time keeps what is used of it.
func (s *Set) Update(now time.Time, t Terms) {
	s.mu.Lock()
	s.turn(now)
	s.terms = t
	s.build()
	s.mu.Unlock()
	tell(s.corrected)
}

// Terms returns the terms in force, with the shape that has been learned.
func (s *Set) Terms() Terms {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terms
}

// Block keeps all calls from starting until a time: the provider has refused one. A later end replaces an earlier one, not the other way
// round. Unblock ends it.
func (s *Set) Block(now, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	s.blocked = max(s.blocked, s.unix+int64(until.Sub(s.base)))
}

// Unblock ends what Block has begun.
func (s *Set) Unblock(now time.Time) {
	s.mu.Lock()
	s.turn(now)
	was := s.blocked > s.now
	s.blocked, s.refusals.ramp = 0, 0
	s.mu.Unlock()
	if was {
		tell(s.corrected)
	}
}

// Resets says when the present window of a limit of more than a minute ends: a day of the provider's.
func (s *Set) Resets(now time.Time, d Dim, per time.Duration, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	b := s.budget(d, per)
	if b == nil || b.wait() {
		return
	}
	f := b.gauges[0].counter.(*fixed)
	n := f.n
	f.anchor, f.from, f.to = s.unix+int64(at.Sub(s.base)), 0, 0
	f.turn(s.now)
	f.n = n
}

// Correct takes in what a provider says is left of a limit. r is the reservation of the call whose answer says so: what was sent before it
// is counted in left, what was sent after it is not. Nil means that everything is counted. What is left by our own count is brought to what is
// stated; what may have come back since the call was sent makes it no more, but keeps it from being made less.
func (s *Set) Correct(now time.Time, r *Reservation, d Dim, per time.Duration, left int64) {
	s.mu.Lock()
	s.turn(now)
	more := s.correct(r, d, per, left)
	s.mu.Unlock()
	if more {
		tell(s.corrected)
	}
}

// correct does what Correct says, and reports whether more is left than before. The caller holds mu.
func (s *Set) correct(r *Reservation, d Dim, per time.Duration, left int64) (more bool) {
	b := s.budget(d, per)
	if b == nil {
		return false
	}
	sent, m := s.now, b.mark()
	if r != nil {
		if r.set != s || r.version != s.version {
			return false // of other terms
		}
		sent = r.at
		for i := range s.budgets {
			if &s.budgets[i] == b {
				m = r.marks[i]
			}
		}
	}
	left -= b.added - m.added
	for j := range b.n {
		g := &b.gauges[j]
		if g.correct(b, left, sent, m, s.now) {
			more = true
		}
	}
	return more
}

// correct brings what is left to what is stated, less what was sent after it.
func (g *gauge) correct(b *budget, left, sent int64, m mark, now int64) (more bool) {
	have := g.limit - g.used()
	switch c := g.counter.(type) {
	case *bucket:
		back := share(c.amount, now-sent, c.per)
		switch {
		case have > left+back:
			c.level, c.part = g.limit-left-back, 0
		case have < left && g.rule == strict:
			c.level, c.part = max(g.limit-left, 0), 0
			return true
		}
	case *fixed:
		if sent < c.from || c.both(sent) || g.period < int64(b.Per) {
			return false // of a window that is over, or nobody knows of which
		}
		more = have < left
		c.n = max(g.limit-left, 0)
	case *history:
		if g.period < int64(b.Per) {
			return false // the provider speaks of the whole
		}
		switch back := c.gone - m.gone; {
		case have > left+back:
			c.add(now, have-left-back)
		case have < left:
			c.trim(left - have)
			return true
		}
	}
	return more
}

// budget returns the budget of a limit; nil if there is none.
func (s *Set) budget(d Dim, per time.Duration) *budget {
	for i := range s.budgets {
		if b := &s.budgets[i]; b.Dim == d && b.Per == per {
			return b
		}
	}
	return nil
}

// Spent returns what was charged to a limit since a time, to the second, at most a minute back: for whoever infers the shape.
func (s *Set) Spent(now time.Time, d Dim, per time.Duration, since time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	b := s.budget(d, per)
	if b == nil {
		return 0
	}
	return b.past.since(s.unix + int64(since.Sub(s.base)))
}

// Unlimited is what is left of a dimension that no limit counts.
const Unlimited = math.MaxInt64

// Left returns what an interactive call could take of each dimension at most.
func (s *Set) Left(now time.Time) Amounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	var left Amounts
	for d := range left {
		left[d] = Unlimited
	}
	for i := range s.budgets {
		b := &s.budgets[i]
		left[b.Dim] = min(left[b.Dim], b.left(s))
	}
	return left
}

func (b *budget) left(s *Set) int64 {
	least := int64(math.MaxInt64)
	for j := range b.n {
		g := &b.gauges[j]
		n := g.limit - g.used()
		if g.late {
			n -= s.out[b.Dim]
		}
		least = min(least, max(n, 0))
	}
	return least
}

// BudgetState is the state of one limit.
type BudgetState struct {
	Limit

	Used  int64 // of what may be used now; calls under way included
	Burst int64 // most that may be used at once
	Held  int64 // back from bulk, for interactive calls
}

// State is the state of a set, for people and metrics.
type State struct {
	Name      string
	Budgets   []BudgetState
	Shape     Shape
	Charge    Charge
	InUse     int
	Most      int       // calls at a time; 0 means no limit
	Blocked   time.Time // until; zero if not
	Following bool      // spends what is granted to this replica
	Fraction  float64   // of all limits that is this replica's while it does not
}

// State returns the present state.
func (s *Set) State(now time.Time) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	st := State{
		Name: s.name, Shape: s.terms.Shape, Charge: s.terms.Charge, InUse: s.inUse, Most: s.concurrency(), Following: s.following,
		Fraction: s.fraction,
	}
	if s.blocked > s.now {
		st.Blocked = s.time(s.blocked)
	}
	for i := range s.budgets {
		b := &s.budgets[i]
		bs := BudgetState{Limit: b.Limit, Burst: math.MaxInt64}
		for j := range b.n {
			g := &b.gauges[j]
			bs.Burst = min(bs.Burst, g.limit)
			bs.Held = max(bs.Held, s.hold(g, b, forBulk, s.now))
		}
		bs.Used = bs.Burst - b.left(s)
		st.Budgets = append(st.Budgets, bs)
	}
	return st
}

// Use is what was used of a dimension at a time.
type Use struct {
	At time.Time
	N  int64
}

// Recount replaces what has been counted of a limit by what was used of it, in the order of time: the limit has just become known, or is
// quite another than was thought, by which what is left was counted.
func (s *Set) Recount(now time.Time, d Dim, per time.Duration, uses []Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	b := s.budget(d, per)
	if b == nil {
		return
	}
	s.version++
	b.past = past{}
	b.past.turn(s.now)
	b.shape(s.aligned(), s.fraction, s.now)
	for j := range b.n {
		if c, ok := b.gauges[j].counter.(*bucket); ok && len(uses) > 0 {
			c.at = s.unix + int64(uses[0].At.Sub(s.base))
		}
	}
	for _, u := range uses {
		at := min(s.unix+int64(u.At.Sub(s.base)), s.now)
		b.past.add(at, u.N)
		for j := range b.n {
			g := &b.gauges[j]
			switch c := g.counter.(type) {
			case *bucket:
				c.turn(at)
				c.add(at, u.N)
			case *fixed:
				if at >= c.from {
					c.add(at, u.N)
				}
			default:
				c.add(at, u.N)
			}
		}
	}
	for j := range b.n {
		b.gauges[j].turn(s.now)
	}
}

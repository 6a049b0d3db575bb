package limit

import (
	"sync"
	"time"

	"sluice/internal/llm"
)

// Answer says whether a set lets a call start.
type Answer uint8

// The answers.
const (
	Granted Answer = iota
	Full           // as many calls are under way as may be
	Short          // less is left than the call needs
)

// Set is some budgets that calls are charged to together. It is safe for concurrent use. Times that are passed to it should not go back; where
// they do, the latest counts.
//
//  1. Reserve takes what a call is expected to need of all budgets, or of none, and says when that will be possible.
//  2. Settle puts what was used in its place, Refund takes it back. Each reservation ends by one of both.
//  3. What a provider says (Correct, Block, SetShape, Update, Resets) changes what is left, never what is reserved.
//  4. A set that follows grants (Follow) spends only those; its own count goes on, for when it is alone again (Alone).
type Set struct {
	// Set once.
	name string
	base time.Time // with a monotonic clock's reading
	unix int64     // base in nanoseconds since 1970

	corrected, regranted func() // nil: nobody listens

	mu       sync.Mutex
	terms    Terms
	fraction float64 // of all limits that is ours
	now      int64
	version  uint32 // of budgets: marks of another one mean nothing
	budgets  []budget
	out      Amounts // reserved by calls under way that are counted at their end
	inUse    int
	blocked  int64 // nothing starts before
	refusals refusals
	flow     flow

	following bool
	rests     []bounded // of limits of more than a minute, while it is not
	grant     grant
	next      grant
	spent     Amounts // since the last report
	refused   Amounts // most that a refused call needed since then
	reported  int64
}

// Reservation is what one call has taken of a set. It belongs to the caller, who may use it again when it has ended.
type Reservation struct {
	set     *Set
	at      int64
	need    llm.Need
	charge  Charge
	free    bool // cached input does not count
	amounts Amounts
	version uint32
	marks   [maxBudgets]mark
}

// mark is the state of one budget when a call was sent.
type mark struct{ added, gone int64 }

// NewSet returns a set of which nothing is used.
func NewSet(now time.Time, name string, t Terms) *Set {
	s := &Set{name: name, base: now, unix: now.UnixNano(), fraction: 1}
	s.now = s.unix
	s.reported = s.now
	s.terms = t
	s.build()
	return s
}

// Name returns the set's name.
func (s *Set) Name() string { return s.name }

// OnFreed sets what is called when more may start than was said before, without the set's lock: corrected after Correct, Update, SetShape and
// Unblock, which may be called with locks of the scheduler held, regranted after Follow and Alone, which may not. Set them before the first
// Reserve.
func (s *Set) OnFreed(corrected, regranted func()) { s.corrected, s.regranted = corrected, regranted }

// turn lets time go on. The caller holds mu.
func (s *Set) turn(now time.Time) {
	s.now = max(s.now, s.unix+int64(now.Sub(s.base)))
	for i := range s.budgets {
		b := &s.budgets[i]
		b.past.turn(s.now)
		for j := range b.n {
			b.gauges[j].turn(s.now)
		}
	}
	if s.following {
		s.advance()
	}
}

// time translates a time of the set; never is the zero time.
func (s *Set) time(at int64) time.Time {
	if at == never || at == 0 {
		return time.Time{}
	}
	return s.base.Add(time.Duration(at - s.unix))
}

// build makes the budgets for the terms, and takes over what those before have counted. The caller holds mu.
func (s *Set) build() {
	old, shape := s.budgets, s.aligned()
	s.version++
	s.budgets = make([]budget, 0, len(s.terms.Limits))
	for _, l := range s.terms.Limits {
		if l.Amount <= 0 || l.Per <= 0 || l.Dim >= Dims || len(s.budgets) == maxBudgets {
			continue
		}
		b := budget{Limit: l}
		b.shape(shape, s.fraction, s.now)
		for i := range old {
			if old[i].Dim == l.Dim && old[i].Per == l.Per {
				b.carry(&old[i], s.out[l.Dim], s.now)
				break
			}
		}
		s.budgets = append(s.budgets, b)
	}
	s.bound()
}

// amounts returns what a call is to be charged when it starts.
func (t *Terms) amounts(n llm.Need) Amounts {
	out := n.Output
	if (t.Charge == ChargeMax || t.Charge == ChargeCorrected) && n.MaxOutput > 0 {
		out = n.MaxOutput
	}
	return Amounts{Requests: 1, Tokens: n.Input + out, Input: n.Input, Output: out}
}

// bounded returns a need that is no larger than the limits of the set. A call that needs more may start when nothing is used, and takes all that there
// is: what it asks for beyond that, no provider counts, and if it did count here, a client could use up a bucket for weeks by one absurd max_tokens.
func (s *Set) bounded(n llm.Need) llm.Need {
	for i := range s.budgets {
		switch b := &s.budgets[i]; b.Dim {
		case Tokens:
			n.Input, n.Output, n.MaxOutput = min(n.Input, b.Amount), min(n.Output, b.Amount), min(n.MaxOutput, b.Amount)
		case Input:
			n.Input = min(n.Input, b.Amount)
		case Output:
			n.Output, n.MaxOutput = min(n.Output, b.Amount), min(n.MaxOutput, b.Amount)
		}
	}
	return n
}

// used returns what a call is to be charged when it has ended.
func (r *Reservation) used(u llm.Usage) Amounts {
	in, out := u.Input, u.Output
	if r.free {
		in = max(in-u.CachedInput, 0)
	}
	if r.charge == ChargeMax {
		out = max(out, r.need.MaxOutput)
	}
	return Amounts{Requests: 1, Tokens: in + out, Input: in, Output: out}
}

// Reserve takes what a call is expected to need, and notes it in r, or says why not. until is when to ask again, if the answer is Short: not
// later than when the call fits, if nothing else starts before; zero if that depends on calls under way, so that the end of one is the time to
// ask. It is far away (the next day) where a call should rather go elsewhere. A call that is refused for want of budget claims it.
func (s *Set) Reserve(now time.Time, t *Try, r *Reservation) (a Answer, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	a, at := s.reserve(t, r)
	if a == Short {
		t.Claims.note(claim{s, s.terms.amounts(s.bounded(t.Need)), holdingOf(t.Class), at})
		until = s.time(at)
	}
	return a, until
}

// reserve does what Reserve says. The caller holds mu.
func (s *Set) reserve(t *Try, r *Reservation) (Answer, int64) {
	if r.set != nil {
		panic("BUG: limit: reservation used again before its end")
	}
	bounded := s.bounded(t.Need)
	n := s.terms.amounts(bounded)
	if s.full() {
		s.refuse(&n)
		return Full, 0
	}
	if at := s.wait(&n, t); at != 0 {
		s.refuse(&n)
		return Short, at
	}
	*r = Reservation{
		set: s, at: s.now, need: bounded, charge: s.terms.Charge, free: s.terms.FreeCached, amounts: n, version: s.version,
	}
	s.take(&n, r.late())
	for i := range s.budgets {
		r.marks[i] = s.budgets[i].mark()
	}
	if t.Class <= llm.Interactive {
		s.flow.observe(s.now, &n, 1)
	}
	return Granted, 0
}

// wait returns when a call may start that cannot yet, and 0 if it can. The caller holds mu.
func (s *Set) wait(n *Amounts, t *Try) int64 {
	if s.blocked > s.now {
		return s.blocked
	}
	if at := s.ramping(); at != 0 {
		return at
	}
	if s.following {
		return s.grantWait(n, t.Class)
	}
	if at := s.restWait(n); at != 0 {
		return at
	}
	most, h := int64(0), holdingOf(t.Class)
	for i := range s.budgets {
		b := &s.budgets[i]
		if n[b.Dim] == 0 {
			continue
		}
		for j := range b.n {
			if ok, at := b.gauges[j].room(s, b, n[b.Dim], h); !ok {
				most = max(most, at)
			}
		}
	}
	if most == 0 {
		if until := s.delayed(t.Claims, n); until != 0 {
			return max(until, s.now+1)
		}
	}
	return most
}

// late reports whether the call is counted when it ends.
func (r *Reservation) late() bool { return r.charge == ChargeActual }

// take counts a call that starts. The caller holds mu.
func (s *Set) take(n *Amounts, late bool) {
	s.inUse++
	if s.refusals.ramp != 0 {
		s.refusals.ramped++
	}
	for d := range n {
		s.spent[d] += n[d]
		s.grant.left[d] -= n[d]
		if late {
			s.out[d] += n[d]
		}
	}
	for i := range s.budgets {
		b := &s.budgets[i]
		b.count(s.now, s.now, n[b.Dim], func(g *gauge) bool { return !late || !g.late })
	}
}

// count adds to the gauges that f chooses, at now, what was used at a time.
func (b *budget) count(now, at, n int64, f func(*gauge) bool) {
	if n == 0 {
		return
	}
	if n > 0 {
		b.added += n
	}
	b.past.add(at, n)
	for j := range b.n {
		g := &b.gauges[j]
		switch {
		case !f(g):
		case n > 0:
			g.add(now, n)
		default:
			g.drop(at, -n)
		}
	}
}

func (b *budget) mark() mark {
	m := mark{added: b.added}
	for j := range b.n {
		if h, ok := b.gauges[j].counter.(*history); ok {
			m.gone = h.gone
		}
	}
	return m
}

// Settle ends a reservation: u is what the call has used, if known; otherwise it stays with what was reserved. A reservation is ended once;
// another time panics.
func (s *Set) Settle(now time.Time, r *Reservation, u llm.Usage, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	n := r.amounts
	if r.at >= s.blocked {
		s.refusals.tries = 0
	}
	if known {
		n = r.used(u)
	}
	s.end(r, &n)
}

// Refund ends a reservation of a call that the provider has not worked on. counted says that it counts as a request nevertheless: one that was
// refused does at some providers (OpenAI: "unsuccessful requests contribute to your per-minute limit", rate limits guide, PROVIDERS.md).
func (s *Set) Refund(now time.Time, r *Reservation, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	var n Amounts
	if counted {
		n[Requests] = r.amounts[Requests]
	}
	s.end(r, &n)
}

// undo takes a reservation back as if it had never been. The caller holds mu, and no time has passed.
func (s *Set) undo(r *Reservation, c llm.Class) {
	if c <= llm.Interactive {
		s.flow.observe(s.now, &r.amounts, -1)
	}
	s.end(r, &Amounts{})
}

// end puts n in the place of what was reserved. The caller holds mu.
func (s *Set) end(r *Reservation, n *Amounts) {
	if r.set != s {
		panic("BUG: limit: reservation ended twice, or at another set")
	}
	s.inUse--
	for d := range n {
		more := n[d] - r.amounts[d]
		s.spent[d] += more
		s.grant.left[d] -= more
		if r.late() {
			s.out[d] -= r.amounts[d]
		}
	}
	for i := range s.budgets {
		b := &s.budgets[i]
		used, more := n[b.Dim], n[b.Dim]-r.amounts[b.Dim]
		at := r.at
		if more > 0 {
			at = s.now
		}
		b.count(s.now, at, more, func(g *gauge) bool { return !r.late() || !g.late })
		if r.late() {
			for j := range b.n {
				if g := &b.gauges[j]; g.late {
					g.add(s.now, used)
				}
			}
		}
	}
	r.set = nil
}

// full reports whether as many calls are under way as may be.
func (s *Set) full() bool {
	most := s.concurrency()
	return most > 0 && s.inUse >= most
}

// concurrency returns how many calls may be under way; 0 if that is not limited.
func (s *Set) concurrency() int {
	switch most := s.terms.Concurrency; {
	case most == 0 || s.fraction == 1 && !s.following:
		return most
	case s.following:
		return max(min(s.grant.concurrency, most), 1)
	default:
		return max(int(float64(most)*s.fraction), 1)
	}
}

// ReserveAll reserves in all sets or in none, as Set.Reserve does in one; rs has a reservation for each. A call that is refused by one
// of them for want of budget claims what it needs of all.
func ReserveAll(now time.Time, sets []*Set, t *Try, rs []Reservation) (Answer, time.Time) {
	if len(sets) == 1 {
		return sets[0].Reserve(now, t, &rs[0])
	}
	worst, most := Granted, time.Time{}
	unknown := false
	for i, s := range sets {
		a, at := s.reserveOnly(now, t, &rs[i])
		if a == Granted {
			continue
		}
		if a == Full || worst == Granted {
			worst = a
		}
		if a == Short && at.IsZero() {
			unknown = true
		}
		if at.After(most) {
			most = at
		}
	}
	if worst == Granted {
		return Granted, time.Time{}
	}
	if unknown {
		most = time.Time{}
	}
	for i, s := range sets {
		s.giveUp(t, &rs[i], worst == Short, most)
	}
	return worst, most
}

// reserveOnly is Reserve without a claim.
func (s *Set) reserveOnly(now time.Time, t *Try, r *Reservation) (Answer, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	a, at := s.reserve(t, r)
	return a, s.time(at)
}

// giveUp takes a reservation back, if there is one, because another set refused the call, and claims what it needs.
func (s *Set) giveUp(t *Try, r *Reservation, short bool, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.set == s {
		s.undo(r, t.Class)
	}
	if !short {
		return
	}
	at := int64(never)
	if !until.IsZero() {
		at = s.unix + int64(until.Sub(s.base))
	}
	t.Claims.note(claim{s, s.terms.amounts(s.bounded(t.Need)), holdingOf(t.Class), at})
}

// Claim notes what a call needs of the set that has to wait, until a time, for something else: zero if that is not known.
func (s *Set) Claim(now time.Time, t *Try, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	at := int64(never)
	if !until.IsZero() {
		at = s.unix + int64(until.Sub(s.base))
	}
	t.Claims.note(claim{s, s.terms.amounts(s.bounded(t.Need)), holdingOf(t.Class), at})
}

// Limited reports whether the set limits anything.
func (s *Set) Limited() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.budgets) > 0 || s.terms.Concurrency > 0
}

// Waits reports whether the set has a limit that comes back within a minute.
func (s *Set) Waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.budgets {
		if s.budgets[i].wait() {
			return true
		}
	}
	return false
}

package admit

import (
	"math"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Fairness between keys is that of the virtual token counter (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024,
// https://arxiv.org/abs/2401.00588):
//
//  1. A key has a counter at each account and for each class: what one account is short of says nothing of another, and what bulk calls
//     take of idle capacity is not held against a key's interactive calls.
//  2. When a call starts, its key's counter is raised by the call's cost divided by the key's weight. The cost is the tokens that it is expected
//     to need; it is corrected when the call has ended (Used). A call that starts while nobody waits costs nothing.
//  3. Of the keys that wait for a target, the one with the smallest counter goes first.
//  4. A key that begins to wait is lifted to the smallest counter of those that wait at the account, or, if nobody does, to that of the
//     last one that did: having been idle earns no credit. A counter that is not above that is worth nothing, and is forgotten.

// scale is how much of a counter one token is, for a key of weight 1.
const scale = 1 << 10

// maxCost bounds what one call is charged, so that counters do not overflow.
const maxCost = 1 << 32

// maxIdle bounds the counters of keys that do not wait, for each account and class.
const maxIdle = 4096

// cost weighs tokens. A call costs something in any case, so that keys whose needs are not known take turns.
func (c *Config) cost(input, output int64) int64 {
	return min(max(input+int64(math.Round(float64(output)*c.OutputWeight)), 1), maxCost)
}

// tenant is a key with its calls of one class. It is kept while any of them waits, or a counter of it is worth keeping.
type tenant[L any] struct {
	id     tenantID
	weight int64

	calls       int
	bytes       int64
	space       int64      // that they take of the bounds of the queue
	first, last *waiter[L] // by arrival
	at          int        // in hogs

	shares []*share[L]
}

type tenantID struct {
	class llm.Class
	key   string
}

func (t *tenant[L]) place(i int) { t.at = i }

// share is a tenant's part in one account.
type share[L any] struct {
	tenant  *tenant[L]
	account *account[L]
	counter int64
	nodes   int        // that wait in lanes of the account; 0 if the share is idle
	flows   []*flow[L] // where they wait, apart from those that go to the front
	at      int        // in its field's waiting, or idle
}

func (s *share[L]) place(i int) { s.at = i }

// field holds the shares of one class at an account.
type field[L any] struct {
	waiting order[*share[L]] // by counter
	idle    order[*share[L]] // by counter, all above floor
	floor   int64            // what a key is lifted to if nobody waits
}

// lift returns what the counter of a key that begins to wait is at least.
func (f *field[L]) lift() int64 {
	if f.waiting.len() > 0 {
		return f.waiting.all[0].rank.first
	}
	return f.floor
}

// field returns where the share belongs.
func (s *share[L]) field() *field[L] { return &s.account.fields[s.tenant.id.class] }

// tenant returns a key's tenant, made if there is none. The caller holds mu.
func (q *Queue[L]) tenant(id tenantID) *tenant[L] {
	t := q.tenants[id]
	if t == nil {
		t = q.spare.tenants.get()
		t.id, t.weight = id, 1
		q.tenants[id] = t
	}
	return t
}

// share returns the tenant's share of an account; nil if it has none.
func (t *tenant[L]) share(a *account[L]) *share[L] {
	for _, s := range t.shares {
		if s.account == a {
			return s
		}
	}
	return nil
}

// joins counts one more node of the tenant at an account, and returns its share there.
func (q *Queue[L]) joins(t *tenant[L], a *account[L]) *share[L] {
	s := t.share(a)
	if s == nil {
		s = q.newShare(t, a)
	} else if s.nodes == 0 {
		s.field().idle.remove(s.at)
	}
	if s.nodes++; s.nodes == 1 {
		f := s.field()
		s.counter = max(s.counter, f.lift())
		f.waiting.push(s, rank{s.counter, 0})
	}
	return s
}

func (q *Queue[L]) newShare(t *tenant[L], a *account[L]) *share[L] {
	s := q.spare.shares.get()
	s.tenant, s.account = t, a
	t.shares = append(t.shares, s)
	return s
}

// parts counts one node less. A share that does not wait any more is kept if its counter is worth it.
func (q *Queue[L]) parts(s *share[L]) {
	if s.nodes--; s.nodes > 0 {
		return
	}
	f := s.field()
	f.waiting.remove(s.at)
	if f.waiting.len() == 0 {
		f.floor = max(f.floor, s.counter)
	}
	q.rest(f, s)
	q.raise(f)
}

// rest keeps the counter of a share that does not wait, or forgets it.
func (q *Queue[L]) rest(f *field[L], s *share[L]) {
	if s.counter <= f.floor {
		q.forget(s)
		return
	}
	f.idle.push(s, rank{s.counter, 0})
	if f.idle.len() > maxIdle {
		least := f.idle.top()
		f.idle.remove(0)
		q.forget(least)
	}
}

// raise lets the floor follow those that wait, and forgets counters that are worth nothing any more.
func (q *Queue[L]) raise(f *field[L]) {
	f.floor = max(f.floor, f.lift())
	for f.idle.len() > 0 && f.idle.all[0].rank.first <= f.floor {
		s := f.idle.top()
		f.idle.remove(0)
		q.forget(s)
	}
}

// forget drops a share that is in no order.
func (q *Queue[L]) forget(s *share[L]) {
	t := s.tenant
	for i, x := range t.shares {
		if x == s {
			end := len(t.shares) - 1
			t.shares[i], t.shares[end] = t.shares[end], nil
			t.shares = t.shares[:end]
			break
		}
	}
	*s = share[L]{flows: s.flows[:0]}
	q.spare.shares.put(s)
	q.release(t)
}

// release forgets a tenant of which nothing is left.
func (q *Queue[L]) release(t *tenant[L]) {
	if t.calls > 0 || len(t.shares) > 0 {
		return
	}
	delete(q.tenants, t.id)
	*t = tenant[L]{shares: t.shares[:0]}
	q.spare.tenants.put(t)
}

// charge changes the counter of a share that waits or is idle, and its place among others.
func (q *Queue[L]) charge(s *share[L], cost int64) {
	s.counter = max(s.counter+cost*scale/s.tenant.weight, 0)
	f := s.field()
	if s.nodes == 0 {
		f.idle.remove(s.at)
		q.rest(f, s)
		return
	}
	f.waiting.move(s.at, rank{s.counter, 0})
	for _, fl := range s.flows {
		fl.reorder()
	}
	q.moves++
	q.raise(f)
}

// weigh sets a tenant's weight. Its calls under way stay charged as they are.
func (q *Queue[L]) weigh(t *tenant[L], weight int) {
	w := int64(max(weight, 1))
	if w == t.weight {
		return
	}
	for _, s := range t.shares {
		for _, f := range s.flows {
			f.lane.rungs[t.id.class].weight += w - t.weight
		}
	}
	t.weight = w
}

// Receipt says what a grant was charged with in the fairness between keys. The zero Receipt is that of a call which was charged
// nothing: it did not have to wait, and nobody was kept waiting by it.
type Receipt struct {
	provider string
	id       tenantID
	weight   int64
	cost     int64 // 0 if nothing was charged
	counter  int64 // of the key, after that
}

// Used corrects what a call was charged with to the tokens that it has really used, once it has ended; none of either means that it
// was not served. Call it at most once for a grant. It costs nothing for a call that was not charged.
func (q *Queue[L]) Used(r Receipt, input, output int64) {
	if r.cost == 0 {
		return
	}
	var actual int64
	if input > 0 || output > 0 {
		actual = q.config.Load().cost(max(input, 0), max(output, 0))
	}
	delta := actual - r.cost
	if delta == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.accounts[r.provider]
	if a == nil {
		return
	}
	if t := q.tenants[r.id]; t != nil {
		if s := t.share(a); s != nil {
			q.charge(s, delta)
			return
		}
	}
	// The counter was forgotten when it was worth nothing. It may be worth something if the call took more than was thought.
	counter, f := r.counter+delta*scale/r.weight, &a.fields[r.id.class]
	if counter <= f.floor {
		return
	}
	t := q.tenants[r.id]
	if t == nil {
		t = q.tenant(r.id)
		t.weight = r.weight
	}
	s := q.newShare(t, a)
	s.counter = counter
	q.rest(f, s)
}

// CapacityFunc says how much of a class a target can start, by the quotas that are known. It is called with the queue's lock held, must be quick,
// and must not call the queue.
type CapacityFunc func(t *llm.Target, class llm.Class) limit.Capacity

// SetCapacity tells the queue whom to ask for the capacity of targets, which makes its estimates better than what it can see for itself. Call it
// before the first Acquire.
func (q *Queue[L]) SetCapacity(f CapacityFunc) { q.capacity = f }

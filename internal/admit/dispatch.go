package admit

import (
	"math"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Dispatch of an account, under mu:
//
//  1. Take the lane whose next call goes first: by class, by the counter of its key, by arrival.
//  2. Try to start that call. If it starts, it is settled, and the lane has another head.
//  3. If its target is full, nobody behind it in the lane can start either: the lane is done. Lanes of other targets
//     are not held up by it.
//  4. If the whole account is full, all lanes are done.
//  5. If a quota does not have what the call needs, it has laid claim to it (limit.Claims), and calls behind it are tried in turn: they start
//     if that does not delay it. After so many that did not, the lane is done for a while (lookAgain).
//  6. If the target is out of use, the lane is done, and its waiters lose one of the targets they can hope for. Those
//     that have none left are sent away, or, if theirs is the last tier, move to the lanes of last resort.
//
// A freed place thus costs as many tries as it wakes waiters, and one more for each lane.

// Freed tells the queue that a place at t may have become free, or, with nil, anywhere. It does not block for long:
// it tries waiters, and wakes those that start.
func (q *Queue[L]) Freed(t *llm.Target) {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if t == nil {
		q.markAll()
	} else if a := q.accounts[t.Provider]; a != nil {
		q.dispatch(a, t)
	}
	q.dispatchDirty()
}

// TryAcquire returns a place at the first of the targets that has one now. It never waits, and never goes before a call that does: targets of
// accounts that somebody waits for are passed over, and so are those out of use. It is for calls that can do without.
func (q *Queue[L]) TryAcquire(call *llm.Call, a Ask) (Grant[L], bool) {
	targets, try := a.Targets, limit.Try{Need: a.Need, Key: call.Key, Class: call.Class}
	if q.waiting.Load() == 0 {
		g, _, _ := q.try(targets, try)
		return g, g.Target != nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, t := range targets {
		if a := q.accounts[t.Provider]; a != nil && len(a.lanes) > 0 {
			continue
		}
		if g, _, _ := q.try(targets[i:i+1], try); g.Target != nil {
			return g, true
		}
	}
	return Grant[L]{}, false
}

// markAll marks every account for dispatch and forgets those that nobody has waited for of late.
func (q *Queue[L]) markAll() {
	now := time.Now()
	for name, a := range q.accounts {
		if len(a.lanes) > 0 {
			q.mark(a)
		} else if now.Sub(a.left) > keepIdle && !a.dirty {
			delete(q.accounts, name)
			q.forgetShares(a)
		}
	}
}

// forgetShares forgets what keys have had of an account that nobody waits for.
func (q *Queue[L]) forgetShares(a *account[L]) {
	for c := range a.fields {
		f := &a.fields[c]
		f.floor = math.MaxInt64
		q.raise(f)
	}
}

// enter puts a new waiter into its lanes and tries whoever can start. The caller holds mu.
//
// Nobody who waits could have started before it came, and nobody can behind it: so there is nothing to be done where others are before
// it, except where they wait for a quota that may have enough for this call.
func (q *Queue[L]) enter(w *waiter[L], weight int) {
	q.seq++
	w.seq = q.seq
	q.count(w, weight)
	q.link(w, false)
	for i := 0; i < len(w.nodes) && !w.settled && !w.resort; i++ {
		n := &w.nodes[i]
		if n.lane.short || n.lane.head() == n {
			q.dispatch(n.lane.account, n.t)
		}
	}
	if !w.settled && !w.resort && w.usable == 0 {
		q.strand(w)
	}
	q.dispatchDirty()
}

// leave takes a waiter out that has not been settled. Others may be able to start in its place: dispatchDirty must follow, unless the waiter was let
// go by the dispatch of that account. The caller holds mu.
func (q *Queue[L]) leave(w *waiter[L], dispatched *account[L]) {
	q.unlink(w, dispatched)
	q.discount(w)
	if q.waiting.Add(-1) == 0 {
		q.silence()
	}
}

// settle ends a waiter's wait: its grant or err is set. The caller holds mu.
func (q *Queue[L]) settle(w *waiter[L], dispatched *account[L]) {
	q.leave(w, dispatched)
	w.settled = true
	w.ready <- struct{}{}
}

// dispatchDirty dispatches what is marked, until nothing is.
func (q *Queue[L]) dispatchDirty() {
	for len(q.dirty) > 0 {
		a := q.dirty[len(q.dirty)-1]
		q.dirty = q.dirty[:len(q.dirty)-1]
		a.dirty = false
		q.dispatch(a, nil)
	}
}

// dispatch starts whoever can start at an account. If t is given, its lane is tried even if the whole account is full:
// a call that has ended may have put the target out of use, or a waiter that came may hope for one that is.
func (q *Queue[L]) dispatch(a *account[L], t *llm.Target) {
	a.round++
	q.claims.Reset()
	q.heads.fill(a, q.moves)
	failed := 0
	for len(q.heads) > 0 {
		h := &q.heads[0]
		if h.moves != q.moves { // a start since it was looked up: it may have moved, or be somebody else
			if n := q.candidate(h.lane); n != nil {
				h.set(n, q.moves)
				q.heads.down(0)
			} else {
				q.heads.pop()
			}
			continue
		}
		l := h.lane
		switch q.tryNode(h.node) {
		case Started:
		case FullAccount:
			q.heads = q.heads[:0]
		case Short:
			if l.behind == a.round {
				failed++
				l.failed++
			} else {
				l.behind, l.failed = a.round, 0
			}
			if n := q.lookBehind(l, failed); n != nil {
				h.set(n, q.moves)
				q.heads.down(0)
			} else {
				q.heads.pop()
			}
		default:
			q.heads.pop()
		}
	}
	if failed >= maxBehind {
		a.looked = time.Now()
	}
	if t == nil {
		return
	}
	if l := a.index[laneKey{t.Name, false}]; l != nil && l.calls > 0 && l.head().round != a.round {
		q.tryNode(l.head())
	}
}

// candidate returns the next node of a lane to be tried; nil if there is none.
func (q *Queue[L]) candidate(l *lane[L]) *node[L] {
	if l.calls == 0 {
		return nil
	}
	if l.behind != l.account.round {
		return l.head()
	}
	return q.behind.next(l, q.moves)
}

// lookAgain is how long calls behind heads are not tried after many of them were in vain: what a call gives back makes room for few of
// them, and each try costs something.
const lookAgain = time.Millisecond

// lookBehind returns the next call of a lane whose head waits for a quota, to be tried in spite of that. failed is how many were, in all lanes,
// in vain.
func (q *Queue[L]) lookBehind(l *lane[L], failed int) *node[L] {
	if l.calls == 1 {
		return nil
	}
	a := l.account
	if l.failed >= maxBehind || failed >= maxAllBehind {
		return nil
	}
	if !a.looked.IsZero() {
		if now := time.Now(); now.Sub(a.looked) < lookAgain {
			q.wakeAt(a, a.looked.Add(lookAgain))
			return nil
		}
	}
	return q.candidate(l)
}

// tryNode tries to start a waiter at one of its targets.
func (q *Queue[L]) tryNode(n *node[L]) Verdict {
	w, l := n.w, n.lane
	a := l.account
	n.round = a.round
	w.try.Last, w.try.Claims = l.key.resort, &q.claims
	lease, v, until := q.start(n.t, w.try)
	n.claims = v == Short
	if v == Short {
		n.until = until
		q.reopen(l)
		if l.head() == n {
			l.short, l.budget = true, until
		}
		q.wakeAt(a, until)
		return v
	}
	if l.short && l.head() == n {
		l.short, l.budget = false, time.Time{}
	}
	switch v {
	case Started:
		q.reopen(l)
		w.grant.Target, w.grant.Lease = n.t, lease
		now := time.Now()
		for i := range w.nodes {
			if l := w.nodes[i].lane; w.waits || l.calls > 1 {
				l.drain.add(now, w.class, w.tokens)
			}
		}
		if w.waits || n.share.field().waiting.len() > 1 { // somebody waits: it goes before him, or behind
			q.charge(n.share, w.cost)
			w.grant.Receipt = Receipt{a.name, w.tenant.id, w.tenant.weight, w.cost, n.share.counter}
		}
		q.started[w.class]++
		q.settle(w, a)
	case Full, FullAccount:
		q.reopen(l)
	case Open, Limited:
		l.until = until
		q.wakeAt(a, until)
		q.close(l)
	}
	return v
}

// close notes that a lane's target is out of use. Waiters without another are stranded.
func (q *Queue[L]) close(l *lane[L]) {
	if l.out {
		return
	}
	l.out = true
	q.nodes = l.appendAll(q.nodes[:0])
	for _, n := range q.nodes {
		n.w.usable--
		if n.w.usable == 0 && !l.key.resort {
			q.strand(n.w)
		}
	}
	clear(q.nodes)
}

// reopen notes that a lane's target is in use.
func (q *Queue[L]) reopen(l *lane[L]) {
	if !l.out {
		return
	}
	l.out, l.until = false, time.Time{}
	q.nodes = l.appendAll(q.nodes[:0])
	for _, n := range q.nodes {
		n.w.usable++
	}
	clear(q.nodes)
}

// strand deals with a waiter all of whose targets are out of use: it is refused, so that its caller can go on to the
// next tier, or, where there is none, it takes what it can get.
func (q *Queue[L]) strand(w *waiter[L]) {
	if w.last {
		q.unlink(w, nil)
		q.link(w, true)
		for i := range w.nodes {
			q.mark(w.nodes[i].lane.account)
		}
		return
	}
	var until time.Time
	for i := range w.nodes {
		until = earlier(until, w.nodes[i].lane.until)
	}
	w.err = unhealthy(w.targets, until)
	q.refused[w.class][noTarget]++
	q.settle(w, nil)
}

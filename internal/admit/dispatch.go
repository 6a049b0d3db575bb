package admit

import (
	"container/heap"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Dispatch of an account, under mu:
//
//  1. Take the lane whose head goes first: by class, then by arrival.
//  2. Try to start that head. If it starts, it is settled, and the lane has another head.
//  3. If its target is full, nobody behind it in the lane can start either: the lane is done. Lanes of other targets
//     are not held up by it.
//  4. If the whole account is full, all lanes are done.
//  5. If the target is out of use, the lane is done, and its waiters lose one of the targets they can hope for. Those
//     that have none left are sent away, or, if theirs is the last tier, move to the lanes of last resort.
//
// A freed place thus costs as many tries as it wakes waiters, and one more.

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

// markAll marks every account for dispatch and forgets those that nobody waits for.
func (q *Queue[L]) markAll() {
	for name, a := range q.accounts {
		if len(a.lanes) == 0 {
			delete(q.accounts, name)
			continue
		}
		q.mark(a)
	}
}

// enter puts a new waiter into its lanes and tries whoever can start. The caller holds mu.
func (q *Queue[L]) enter(w *waiter[L], a *Ask) {
	if a.Front {
		q.front--
		w.seq = q.front
	} else {
		q.seq++
		w.seq = q.seq
	}
	q.waiting.Add(1)
	q.byClass[w.class].Add(1)
	q.link(w, false)
	for _, t := range w.targets {
		if w.settled || w.resort {
			break
		}
		q.dispatch(q.accounts[t.Provider], t)
	}
	if !w.settled && !w.resort && w.usable == 0 {
		q.strand(w)
	}
	q.dispatchDirty()
}

// leave takes a waiter out that has not been settled. The caller holds mu.
func (q *Queue[L]) leave(w *waiter[L]) {
	q.unlink(w)
	q.byClass[w.class].Add(-1)
	if q.waiting.Add(-1) == 0 && q.alarm != nil {
		q.alarm.Stop()
		q.alarmAt = time.Time{}
	}
}

// settle ends a waiter's wait: its grant or err is set. The caller holds mu.
func (q *Queue[L]) settle(w *waiter[L]) {
	q.leave(w)
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
	round := q.nextRound(a)
	for len(q.heads) > 0 {
		h := &q.heads[0]
		n := h.lane.head()
		if n == nil {
			heap.Pop(&q.heads)
			continue
		}
		if now := headOf(h.lane); now != *h { // the head that stood here has been settled
			*h = now
			heap.Fix(&q.heads, 0)
			continue
		}
		h.lane.round = round
		switch q.tryHead(h.lane, n) {
		case Started:
		case FullAccount:
			q.heads = q.heads[:0]
		default:
			heap.Pop(&q.heads)
		}
	}
	if t == nil {
		return
	}
	if l := a.index[laneKey{t.Name, false}]; l != nil && l.round != round {
		q.tryHead(l, l.head())
	}
}

// nextRound fills heads with the lanes of an account, and returns a number for the round.
func (q *Queue[L]) nextRound(a *account[L]) int64 {
	q.heads = q.heads[:0]
	for _, l := range a.lanes {
		q.heads = append(q.heads, headOf(l))
	}
	heap.Init(&q.heads)
	a.round++
	return a.round
}

// tryHead tries to start the first waiter of a lane.
func (q *Queue[L]) tryHead(l *lane[L], n *node[L]) Verdict {
	n.w.try.Last = l.resort
	lease, v, until := q.start(n.t, n.w.try)
	switch v {
	case Started:
		q.reopen(l)
		w := n.w
		w.grant = Grant[L]{Target: n.t, Lease: lease}
		now := time.Now()
		for i := range w.nodes {
			w.nodes[i].lane.account.rate.add(now)
		}
		q.settle(w)
	case Full, FullAccount:
		q.reopen(l)
	case Short:
		q.reopen(l)
		q.wakeAt(until)
	case Open, Limited:
		l.until = until
		q.wakeAt(until)
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
	l.each(func(n *node[L]) {
		n.w.usable--
		if n.w.usable == 0 && !l.resort {
			q.strand(n.w)
		}
	})
}

// reopen notes that a lane's target is in use.
func (q *Queue[L]) reopen(l *lane[L]) {
	if !l.out {
		return
	}
	l.out, l.until = false, time.Time{}
	l.each(func(n *node[L]) { n.w.usable++ })
}

// strand deals with a waiter all of whose targets are out of use: it is refused, so that its caller can go on to the
// next tier, or, where there is none, it takes what it can get.
func (q *Queue[L]) strand(w *waiter[L]) {
	if w.last {
		q.unlink(w)
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
	q.settle(w)
}

// wakeAt sees to it that all lanes are tried at a time.
func (q *Queue[L]) wakeAt(at time.Time) {
	if at.IsZero() || !q.alarmAt.IsZero() && !at.Before(q.alarmAt) {
		return
	}
	q.alarmAt = at
	// A reopening is never busy waiting, even if the clock says that it should have been.
	d := max(time.Until(at), time.Millisecond)
	if q.alarm == nil {
		q.alarm = time.AfterFunc(d, q.reopened)
		return
	}
	q.alarm.Reset(d)
}

// reopened is called by the alarm.
func (q *Queue[L]) reopened() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.alarmAt = time.Time{}
	q.markAll()
	q.dispatchDirty()
}

// heads is a heap of lanes by their heads.
type heads[L any] []head[L]

// head is the place in the order of the waiter that was a lane's head when it was looked at. It holds copies: that
// waiter may have been settled since, and serve another call.
type head[L any] struct {
	lane  *lane[L]
	class llm.Class
	seq   int64
}

func headOf[L any](l *lane[L]) head[L] {
	w := l.head().w
	return head[L]{l, w.class, w.seq}
}

func (h heads[L]) Len() int      { return len(h) }
func (h heads[L]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h heads[L]) Less(i, j int) bool {
	return h[i].class < h[j].class || h[i].class == h[j].class && h[i].seq < h[j].seq
}

// Push is not used: lanes are only put in all at once.
func (h *heads[L]) Push(any) { panic("BUG: admit: push to heads") }

// Pop takes the last element off.
func (h *heads[L]) Pop() any {
	*h = (*h)[:len(*h)-1]
	return nil
}

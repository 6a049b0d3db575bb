package admit

import (
	"math"
	"time"

	"sluice/internal/llm"
)

// heads is a heap of lanes by the call in each that is next to be tried.
type heads[L any] []head[L]

// head is the call of a lane that is next to be tried. It is looked up again when something has moved since.
type head[L any] struct {
	lane  *lane[L]
	node  *node[L]
	class llm.Class
	rank  rank
	moves int64 // of the queue, when it was looked up
}

// set makes a node the head of its lane.
func (h *head[L]) set(n *node[L], moves int64) {
	w := n.w
	h.node, h.class, h.moves = n, w.class, moves
	h.rank = rank{math.MinInt64, w.seq}
	if n.flow != nil {
		h.rank.first = n.share.counter
	}
}

// before puts calls of lanes into the order in which they are tried.
func (h *head[L]) before(x *head[L]) bool {
	return h.class < x.class || h.class == x.class && h.rank.before(x.rank)
}

// fill puts the heads of an account's lanes in.
func (h *heads[L]) fill(a *account[L], moves int64) {
	all := (*h)[:0]
	for _, l := range a.lanes {
		all = append(all, head[L]{lane: l})
		all[len(all)-1].set(l.head(), moves)
	}
	*h = all
	for i := len(all)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// down moves the head at a place to where it belongs below.
func (h heads[L]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// pop takes the first head out.
func (h *heads[L]) pop() {
	all := *h
	end := len(all) - 1
	all[0] = all[end]
	all[end] = head[L]{}
	*h = all[:end]
	h.down(0)
}

// shortest is how soon the alarm goes at the earliest: many budgets that come back one after the other wake the queue no more often.
const shortest = time.Millisecond

// wakeAt sees to it that an account is dispatched at a time.
func (q *Queue[L]) wakeAt(a *account[L], at time.Time) {
	if at.IsZero() || !a.wake.IsZero() && !at.Before(a.wake) {
		return
	}
	a.wake = at
	q.setAlarm(at)
}

func (q *Queue[L]) setAlarm(at time.Time) {
	if !q.alarmAt.IsZero() && !at.Before(q.alarmAt) {
		return
	}
	d := max(time.Until(at), shortest)
	q.alarmAt = at
	if q.alarm == nil {
		q.alarm = time.AfterFunc(d, q.reopened)
		return
	}
	q.alarm.Reset(d)
}

// silence stops the alarm: nobody waits.
func (q *Queue[L]) silence() {
	for _, a := range q.accounts {
		a.wake = time.Time{}
	}
	if !q.alarmAt.IsZero() {
		q.alarm.Stop()
		q.alarmAt = time.Time{}
	}
}

// reopened is called by the alarm.
func (q *Queue[L]) reopened() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.alarmAt = time.Time{}
	now := time.Now()
	var next time.Time
	for _, a := range q.accounts {
		switch {
		case a.wake.IsZero():
		case a.wake.After(now):
			next = earlier(next, a.wake)
		default:
			a.wake = time.Time{}
			if len(a.lanes) > 0 {
				q.mark(a)
			}
		}
	}
	q.dispatchDirty()
	if !next.IsZero() && q.waiting.Load() > 0 {
		q.setAlarm(next)
	}
}

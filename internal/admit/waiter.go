package admit

import (
	"math"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// classes is the number of priority classes.
const classes = int(llm.Bulk) + 1

// waiter is a call that waits. It belongs to its caller's goroutine; the fields below ready are guarded by the queue's
// mu until settled, and the caller's after that.
type waiter[L any] struct {
	timer *time.Timer
	ready chan struct{} // of size one: whoever settles the waiter sends, under mu; its caller receives

	class   llm.Class
	last    bool
	front   bool
	resort  bool // in lanes of last resort
	waits   bool // it did not start when it came
	settled bool
	usable  int // lanes that are not out
	seq     int64
	due     int64 // deadline; math.MaxInt64 if there is none
	begin   time.Time
	try     limit.Try
	targets []*llm.Target
	nodes   []node[L]
	grant   Grant[L]
	err     *llm.Error

	tokens int64 // that it needs, at least 1
	cost   int64 // the same as its key is charged
	bytes  int64
	space  int64 // of the bounds of the queue

	tenant         *tenant[L]
	older, younger *waiter[L] // of the tenant
	before, after  *waiter[L] // of the class, by arrival
}

// node links a waiter into one lane.
type node[L any] struct {
	w      *waiter[L]
	t      *llm.Target
	lane   *lane[L] // nil when not linked
	share  *share[L]
	flow   *flow[L]  // nil if it stands at the front
	at     int       // in its order
	round  int64     // dispatch of the account in which it was tried last
	claims bool      // it was told to wait for a quota when it was tried last
	until  time.Time // until then, if that is known
}

func (n *node[L]) place(i int) { n.at = i }

// rank is a node's place among those of its key.
func (n *node[L]) rank() rank { return rank{n.w.due, n.w.seq} }

func (w *waiter[L]) result(begin time.Time) (Grant[L], *llm.Error) {
	w.grant.Waited = time.Since(begin)
	if w.err != nil {
		return Grant[L]{}, w.err
	}
	return w.grant, nil
}

// waiter returns one for a call.
func (q *Queue[L]) waiter(call *llm.Call, a *Ask, c *Config, begin time.Time) *waiter[L] {
	w, _ := q.waiters.Get().(*waiter[L])
	if w == nil {
		w = &waiter[L]{timer: time.NewTimer(time.Hour), ready: make(chan struct{}, 1)}
		w.timer.Stop()
	}
	w.class, w.last, w.front, w.targets = min(call.Class, llm.Bulk), a.Last, a.Front, a.Targets
	w.try = limit.Try{Need: a.Need, Key: call.Key, Class: w.class}
	w.begin, w.due = begin, math.MaxInt64
	if !call.Deadline.IsZero() {
		w.due = call.Deadline.UnixNano()
	}
	w.tokens, w.cost = max(a.Need.Tokens(), 1), c.cost(a.Need.Input, a.Need.Output)
	w.bytes = int64(max(a.Bytes, 0))
	w.space = w.bytes + c.MaxBytes/int64(max(c.MaxQueue, 1))
	if cap(w.nodes) < len(a.Targets) {
		w.nodes = make([]node[L], 0, len(a.Targets))
	}
	return w
}

// recycle keeps a waiter for another call. It is settled or has left, and nobody else knows it.
func (q *Queue[L]) recycle(w *waiter[L]) {
	w.timer.Stop()
	clear(w.nodes)
	*w = waiter[L]{timer: w.timer, ready: w.ready, nodes: w.nodes[:0]}
	q.waiters.Put(w)
}

// ages is a list of waiters by arrival.
type ages[L any] struct{ oldest, youngest *waiter[L] }

// count adds a waiter to what is counted: its class, its tenant and the bounds. The caller holds mu.
func (q *Queue[L]) count(w *waiter[L], weight int) {
	q.waiting.Add(1)
	q.byClass[w.class].Add(1)
	q.bytes += w.bytes
	l := &q.ages[w.class]
	if w.before = l.youngest; w.before == nil {
		l.oldest = w
	} else {
		w.before.after = w
	}
	l.youngest = w

	t := q.tenant(tenantID{w.class, w.try.Key})
	q.weigh(t, weight)
	w.tenant = t
	t.add(w)
	h := &q.hogs[w.class]
	if t.calls++; t.calls == 1 {
		t.space = w.space
		h.push(t, rank{-t.space, 0})
	} else {
		t.space += w.space
		h.move(t.at, rank{-t.space, 0})
	}
	t.bytes += w.bytes
}

// discount takes a waiter out of what is counted. The caller holds mu.
func (q *Queue[L]) discount(w *waiter[L]) {
	q.byClass[w.class].Add(-1)
	q.bytes -= w.bytes
	l := &q.ages[w.class]
	if w.before == nil {
		l.oldest = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		l.youngest = w.before
	} else {
		w.after.before = w.before
	}
	w.before, w.after = nil, nil

	t, h := w.tenant, &q.hogs[w.class]
	t.remove(w)
	w.tenant = nil
	t.calls--
	t.bytes -= w.bytes
	t.space -= w.space
	if t.calls > 0 {
		h.move(t.at, rank{-t.space, 0})
		return
	}
	h.remove(t.at)
	q.release(t)
}

// add puts a waiter into the tenant's list: at its young end, or, if it goes to the front, at its old one, where it gives way last.
func (t *tenant[L]) add(w *waiter[L]) {
	switch {
	case t.first == nil:
		t.first, t.last = w, w
	case w.front:
		w.younger, t.first.older = t.first, w
		t.first = w
	default:
		w.older, t.last.younger = t.last, w
		t.last = w
	}
}

func (t *tenant[L]) remove(w *waiter[L]) {
	if w.older == nil {
		t.first = w.younger
	} else {
		w.older.younger = w.younger
	}
	if w.younger == nil {
		t.last = w.older
	} else {
		w.younger.older = w.older
	}
	w.older, w.younger = nil, nil
}

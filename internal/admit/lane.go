package admit

import (
	"slices"
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
	seq     int64 // place in its class
	last    bool
	resort  bool // in lanes of last resort
	settled bool
	usable  int // lanes that are not out
	try     limit.Try
	targets []*llm.Target
	nodes   []node[L]
	grant   Grant[L]
	err     *llm.Error
}

// node links a waiter into one lane.
type node[L any] struct {
	w          *waiter[L]
	t          *llm.Target
	lane       *lane[L] // nil when not linked
	prev, next *node[L]
}

// before reports whether a waiter goes before another.
func (w *waiter[L]) before(x *waiter[L]) bool {
	if w.class != x.class {
		return w.class < x.class
	}
	return w.seq < x.seq
}

func (w *waiter[L]) result(begin time.Time) (Grant[L], *llm.Error) {
	w.grant.Waited = time.Since(begin)
	if w.err != nil {
		return Grant[L]{}, w.err
	}
	return w.grant, nil
}

// waiter returns one for a call.
func (q *Queue[L]) waiter(call *llm.Call, a *Ask) *waiter[L] {
	w, _ := q.waiters.Get().(*waiter[L])
	if w == nil {
		w = &waiter[L]{timer: time.NewTimer(time.Hour), ready: make(chan struct{}, 1)}
		w.timer.Stop()
	}
	w.class, w.last, w.targets = min(call.Class, llm.Bulk), a.Last, a.Targets
	w.try = limit.Try{Need: a.Need, Key: call.Key, Class: w.class}
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

// lane holds the waiters of one target in order. A waiter that is in lanes of last resort may use targets that are out
// of use.
type lane[L any] struct {
	name    string
	resort  bool
	account *account[L]
	index   int // in account.lanes
	lists   [classes]list[L]

	round int64     // dispatch in which it was tried last
	out   bool      // its target was out of use when it was tried last
	until time.Time // and when it may be asked again; zero if unknown
}

type list[L any] struct{ first, last *node[L] }

// head returns the node whose turn it is; nil if the lane is empty.
func (l *lane[L]) head() *node[L] {
	for c := range l.lists {
		if n := l.lists[c].first; n != nil {
			return n
		}
	}
	return nil
}

// each calls f for each node in order. f may unlink that node.
func (l *lane[L]) each(f func(*node[L])) {
	for c := range l.lists {
		for n := l.lists[c].first; n != nil; {
			next := n.next
			f(n)
			n = next
		}
	}
}

// insert puts a node at its place, which it looks for from the end: nearly all waiters are the youngest of their class.
func (l *lane[L]) insert(n *node[L]) {
	at := &l.lists[n.w.class]
	if at.first != nil && n.w.before(at.first.w) {
		n.next, at.first.prev = at.first, n
		at.first = n
		return
	}
	p := at.last
	for p != nil && n.w.before(p.w) {
		p = p.prev
	}
	n.prev = p
	if p == nil {
		n.next, at.first = at.first, n
	} else {
		n.next, p.next = p.next, n
	}
	if n.next == nil {
		at.last = n
	} else {
		n.next.prev = n
	}
}

func (l *lane[L]) remove(n *node[L]) {
	at := &l.lists[n.w.class]
	if n.prev == nil {
		at.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		at.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.prev, n.next, n.lane = nil, nil, nil
}

// account holds the lanes of one provider's targets: all that a freed place there can serve.
type account[L any] struct {
	lanes []*lane[L] // that have waiters
	index map[laneKey]*lane[L]
	nodes int // in all lanes
	dirty bool
	round int64 // number of its last dispatch
	rate  rate
}

type laneKey struct {
	name   string
	resort bool
}

// lane returns the lane of a target, made if there is none. The caller holds mu.
func (q *Queue[L]) lane(t *llm.Target, resort bool) *lane[L] {
	a := q.accounts[t.Provider]
	if a == nil {
		a = &account[L]{index: map[laneKey]*lane[L]{}}
		q.accounts[t.Provider] = a
	}
	k := laneKey{t.Name, resort}
	l := a.index[k]
	if l == nil {
		l = &lane[L]{name: t.Name, resort: resort, account: a, index: len(a.lanes)}
		a.index[k] = l
		a.lanes = append(a.lanes, l)
	}
	return l
}

// link puts a waiter into the lanes of its targets. The caller holds mu.
func (q *Queue[L]) link(w *waiter[L], resort bool) {
	w.resort, w.usable, w.nodes = resort, 0, w.nodes[:0]
	for _, t := range w.targets {
		l := q.lane(t, resort)
		if slices.ContainsFunc(w.nodes, func(n node[L]) bool { return n.lane == l }) {
			continue // named twice
		}
		w.nodes = append(w.nodes, node[L]{w: w, t: t, lane: l}) // never grows: lanes point into it
		l.insert(&w.nodes[len(w.nodes)-1])
		l.account.nodes++
		if !l.out {
			w.usable++
		}
	}
}

// unlink takes a waiter out of its lanes, and drops lanes that are empty after that. The caller holds mu.
func (q *Queue[L]) unlink(w *waiter[L]) {
	for i := range w.nodes {
		n := &w.nodes[i]
		l := n.lane
		if l == nil {
			continue
		}
		l.remove(n)
		a := l.account
		a.nodes--
		if l.head() == nil {
			end := len(a.lanes) - 1
			a.lanes[l.index] = a.lanes[end]
			a.lanes[l.index].index = l.index
			a.lanes[end] = nil
			a.lanes = a.lanes[:end]
			delete(a.index, laneKey{l.name, l.resort})
		}
	}
}

// mark notes that an account has to be dispatched. The caller holds mu.
func (q *Queue[L]) mark(a *account[L]) {
	if !a.dirty {
		a.dirty = true
		q.dirty = append(q.dirty, a)
	}
}

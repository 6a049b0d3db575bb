package admit

import (
	"math"
	"slices"
	"time"

	"sluice/internal/llm"
)

// lane holds the waiters of one target in order. A waiter that is in lanes of last resort may use targets that are out
// of use. A lane is kept for a while after it is empty, for what it knows of its target.
type lane[L any] struct {
	key     laneKey
	t       *llm.Target
	account *account[L]
	index   int // in account.lanes; -1 if nobody waits
	calls   int
	rungs   [classes]rung[L]

	behind int64     // dispatch in which its head was told to wait for a quota, so that those behind it are tried
	failed int       // of those, how many in vain in that dispatch
	out    bool      // its target was out of use when it was tried last
	until  time.Time // when it may be asked again, if it is out; zero if unknown
	short  bool      // its head waits for a quota
	budget time.Time // when that may be asked again; zero if unknown

	drain  drain
	booked [classes]time.Time // when what has been promised to calls that were sent away would have started
}

// rung is one class in a lane.
type rung[L any] struct {
	front  order[*node[L]] // calls that came back: before all others of the class
	flows  order[*flow[L]]
	by     map[*tenant[L]]*flow[L]
	calls  int
	tokens int64 // that they need
	ahead  int64 // tokens of those at the front
	weight int64 // of the keys of flows
}

// flow holds the calls of one key in one rung.
type flow[L any] struct {
	lane   *lane[L]
	share  *share[L]
	nodes  order[*node[L]] // by deadline, then by arrival
	tokens int64           // that they need
	urgent int64           // tokens of those with a deadline
	at     int             // in the rung's flows
	index  int             // in share.flows
}

func (f *flow[L]) place(i int) { f.at = i }

// rank is a flow's place in its rung: by the counter of its key, then by its first call.
func (f *flow[L]) rank() rank { return rank{f.share.counter, f.nodes.top().w.seq} }

// reorder puts a flow into its place, if its rank has changed.
func (f *flow[L]) reorder() {
	f.lane.rungs[f.share.tenant.id.class].flows.move(f.at, f.rank())
}

// head returns the node whose turn it is; nil if the lane is empty.
func (l *lane[L]) head() *node[L] {
	for c := range l.rungs {
		if n := l.rungs[c].head(); n != nil {
			return n
		}
	}
	return nil
}

func (r *rung[L]) head() *node[L] {
	if r.front.len() > 0 {
		return r.front.top()
	}
	if r.flows.len() > 0 {
		return r.flows.top().nodes.top()
	}
	return nil
}

// appendAll appends all nodes of the lane.
func (l *lane[L]) appendAll(to []*node[L]) []*node[L] {
	for c := range l.rungs {
		r := &l.rungs[c]
		for i := range r.front.all {
			to = append(to, r.front.all[i].item)
		}
		for i := range r.flows.all {
			f := r.flows.all[i].item
			for j := range f.nodes.all {
				to = append(to, f.nodes.all[j].item)
			}
		}
	}
	return to
}

// insert puts a node at its place. The caller holds mu.
func (q *Queue[L]) insert(l *lane[L], n *node[L]) {
	w := n.w
	r := &l.rungs[w.class]
	n.lane, n.share = l, q.joins(w.tenant, l.account)
	r.calls++
	r.tokens += w.tokens
	l.calls++
	if w.front {
		r.ahead += w.tokens
		r.front.push(n, n.rank())
		return
	}
	f := r.by[w.tenant]
	if f == nil {
		f = q.spare.flows.get()
		f.lane, f.share, f.index = l, n.share, len(n.share.flows)
		n.share.flows = append(n.share.flows, f)
		r.by[w.tenant] = f
		r.weight += w.tenant.weight
	}
	n.flow = f
	f.nodes.push(n, n.rank())
	f.tokens += w.tokens
	if w.due != math.MaxInt64 {
		f.urgent += w.tokens
	}
	if f.nodes.len() == 1 {
		r.flows.push(f, f.rank())
	} else {
		f.reorder()
	}
}

// take takes a node out of its lane. The caller holds mu.
func (q *Queue[L]) take(n *node[L]) {
	w, l := n.w, n.lane
	r := &l.rungs[w.class]
	r.calls--
	r.tokens -= w.tokens
	l.calls--
	if f := n.flow; f == nil {
		r.ahead -= w.tokens
		r.front.remove(n.at)
	} else {
		f.nodes.remove(n.at)
		f.tokens -= w.tokens
		if w.due != math.MaxInt64 {
			f.urgent -= w.tokens
		}
		if f.nodes.len() > 0 {
			f.reorder()
		} else {
			q.drop(r, f)
		}
	}
	q.parts(n.share)
	n.lane, n.share, n.flow = nil, nil, nil
}

// drop forgets a flow that is empty.
func (q *Queue[L]) drop(r *rung[L], f *flow[L]) {
	s := f.share
	r.flows.remove(f.at)
	r.weight -= s.tenant.weight
	delete(r.by, s.tenant)
	end := len(s.flows) - 1
	s.flows[f.index] = s.flows[end]
	s.flows[f.index].index = f.index
	s.flows[end] = nil
	s.flows = s.flows[:end]
	*f = flow[L]{nodes: f.nodes}
	q.spare.flows.put(f)
}

// keepIdle is how long what is known of a target is kept while nobody waits for it, and maxIdleLanes how many such lanes an account has.
const (
	keepIdle     = 2 * time.Minute
	maxIdleLanes = 256
)

// account holds the lanes of one provider's targets: all that a freed place there can serve.
type account[L any] struct {
	name   string
	lanes  []*lane[L] // that have waiters
	index  map[laneKey]*lane[L]
	fields [classes]field[L]
	dirty  bool
	round  int64     // number of its last dispatch
	looked time.Time // when calls behind a head were last tried in vain
	wake   time.Time // when to dispatch it again; zero if there is no such time
	left   time.Time // when the last waiter left
}

type laneKey struct {
	name   string
	resort bool
}

// known returns the lane of a target; nil if there is none. The caller holds mu.
func (q *Queue[L]) known(t *llm.Target, resort bool) *lane[L] {
	if a := q.accounts[t.Provider]; a != nil {
		return a.index[laneKey{t.Name, resort}]
	}
	return nil
}

// lane returns the lane of a target, made if there is none, and open for waiters. The caller holds mu.
func (q *Queue[L]) lane(t *llm.Target, resort bool) *lane[L] {
	a := q.accounts[t.Provider]
	if a == nil {
		a = &account[L]{name: t.Provider, index: map[laneKey]*lane[L]{}}
		q.accounts[t.Provider] = a
	}
	k := laneKey{t.Name, resort}
	l := a.index[k]
	if l == nil {
		if len(a.index)-len(a.lanes) >= maxIdleLanes {
			a.forgetLanes()
		}
		l = &lane[L]{key: k, account: a, index: -1}
		for c := range l.rungs {
			l.rungs[c].by = map[*tenant[L]]*flow[L]{}
		}
		a.index[k] = l
	}
	l.t = t
	if l.index < 0 {
		l.index = len(a.lanes)
		a.lanes = append(a.lanes, l)
		l.drain.begin(time.Now())
	}
	return l
}

// forgetLanes forgets the lanes that nobody waits in.
func (a *account[L]) forgetLanes() {
	for k, l := range a.index {
		if l.index < 0 {
			delete(a.index, k)
		}
	}
}

// shut takes a lane that is empty out of those that are tried.
func (l *lane[L]) shut(now time.Time) {
	a := l.account
	end := len(a.lanes) - 1
	a.lanes[l.index] = a.lanes[end]
	a.lanes[l.index].index = l.index
	a.lanes[end] = nil
	a.lanes = a.lanes[:end]
	l.index = -1
	l.out, l.until, l.short, l.budget = false, time.Time{}, false, time.Time{}
	l.drain.end(now)
	a.left = now
}

// link puts a waiter into the lanes of its targets. The caller holds mu.
func (q *Queue[L]) link(w *waiter[L], resort bool) {
	w.resort, w.usable, w.nodes = resort, 0, w.nodes[:0]
	for _, t := range w.targets {
		l := q.lane(t, resort)
		if slices.ContainsFunc(w.nodes, func(n node[L]) bool { return n.lane == l }) {
			continue // named twice
		}
		w.nodes = append(w.nodes, node[L]{w: w, t: t}) // never grows: lanes point into it
		q.insert(l, &w.nodes[len(w.nodes)-1])
		if !l.out {
			w.usable++
		}
	}
	q.moves++
}

// unlink takes a waiter out of its lanes, and shuts those that are empty after that. Where others were held up by what it waited for,
// they are to be tried, except at the account that is being dispatched. The caller holds mu.
func (q *Queue[L]) unlink(w *waiter[L], dispatched *account[L]) {
	for i := range w.nodes {
		n := &w.nodes[i]
		l := n.lane
		if l == nil {
			continue
		}
		if n.claims && l.account != dispatched {
			q.mark(l.account)
		}
		n.claims = false
		q.take(n)
		if l.calls == 0 {
			l.shut(time.Now())
		}
	}
	q.moves++
}

// mark notes that an account has to be dispatched. The caller holds mu.
func (q *Queue[L]) mark(a *account[L]) {
	if !a.dirty {
		a.dirty = true
		q.dirty = append(q.dirty, a)
	}
}

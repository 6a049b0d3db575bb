package admit

import "testing"

// verify holds what must be true of the queue's structures whenever its lock is free.
func (q *Queue[L]) verify(t *testing.T) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	var bytes int64
	var calls [classes]int64
	for c := range q.hogs {
		verifyOrder(t, &q.hogs[c], func(x *tenant[L]) (int, rank) { return x.at, rank{-x.space, 0} })
		for _, h := range q.hogs[c].all {
			n := 0
			var space int64
			for w := h.item.first; w != nil; w = w.younger {
				n++
				space += w.space
				bytes += w.bytes
				if w.settled || w.tenant != h.item || len(w.nodes) == 0 {
					t.Fatalf("waiter of key %v: settled %v, %d lanes", h.item.id, w.settled, len(w.nodes))
				}
			}
			if n != h.item.calls || space != h.item.space || q.tenants[h.item.id] != h.item {
				t.Fatalf("key %v has %d calls and %d of space, counts %d and %d", h.item.id, n, space, h.item.calls, h.item.space)
			}
			calls[c] += int64(n)
		}
		n := int64(0)
		for w := q.ages[c].oldest; w != nil; w = w.after {
			n++
		}
		if n != calls[c] || n != q.byClass[c].Load() {
			t.Fatalf("class %d: %d by age, %d by key, counts %d", c, n, calls[c], q.byClass[c].Load())
		}
	}
	if bytes != q.bytes || q.waiting.Load() != calls[0]+calls[1]+calls[2] {
		t.Fatalf("%d bytes, counts %d; %v calls, counts %d", bytes, q.bytes, calls, q.waiting.Load())
	}
	for _, a := range q.accounts {
		if a.dirty {
			t.Fatalf("account %s is left to be dispatched", a.name)
		}
		for i, l := range a.lanes {
			if l.index != i || a.index[l.key] != l || l.calls == 0 {
				t.Fatalf("lane %v: index %d, want %d; %d calls", l.key, l.index, i, l.calls)
			}
			l.verify(t)
		}
		for c := range a.fields {
			f := &a.fields[c]
			verifyOrder(t, &f.waiting, func(x *share[L]) (int, rank) { return x.at, rank{x.counter, 0} })
			verifyOrder(t, &f.idle, func(x *share[L]) (int, rank) { return x.at, rank{x.counter, 0} })
			for _, s := range f.idle.all {
				if s.item.nodes != 0 || s.item.counter <= f.floor {
					t.Fatalf("idle counter %d of %v with %d waiters, floor %d", s.item.counter, s.item.tenant.id, s.item.nodes, f.floor)
				}
			}
		}
	}
}

func (l *lane[L]) verify(t *testing.T) {
	t.Helper()
	all := 0
	for c := range l.rungs {
		r := &l.rungs[c]
		verifyOrder(t, &r.front, func(x *node[L]) (int, rank) { return x.at, x.rank() })
		verifyOrder(t, &r.flows, func(x *flow[L]) (int, rank) { return x.at, x.rank() })
		calls := r.front.len()
		var tokens, weight int64
		for _, n := range r.front.all {
			tokens += n.item.w.tokens
		}
		for _, f := range r.flows.all {
			verifyOrder(t, &f.item.nodes, func(x *node[L]) (int, rank) { return x.at, x.rank() })
			weight += f.item.share.tenant.weight
			calls += f.item.nodes.len()
			var own int64
			for _, n := range f.item.nodes.all {
				own += n.item.w.tokens
				if n.item.lane != l || n.item.flow != f.item || n.item.share != f.item.share {
					t.Fatalf("lane %v: a node of key %v is linked elsewhere", l.key, f.item.share.tenant.id)
				}
			}
			if own != f.item.tokens || f.item.share.flows[f.item.index] != f.item || r.by[f.item.share.tenant] != f.item {
				t.Fatalf("lane %v: flow of %v has %d tokens, counts %d", l.key, f.item.share.tenant.id, own, f.item.tokens)
			}
			tokens += own
		}
		if calls != r.calls || tokens != r.tokens || weight != r.weight || len(r.by) != r.flows.len() {
			t.Fatalf("lane %v, class %d: %d calls, %d tokens, weight %d; counts %d, %d, %d", l.key, c, calls, tokens, weight, r.calls, r.tokens,
				r.weight)
		}
		all += calls
	}
	if all != l.calls {
		t.Fatalf("lane %v: %d calls, counts %d", l.key, all, l.calls)
	}
}

// verifyOrder holds that items know their places, that ranks are theirs, and that none is before its parent.
func verifyOrder[T placed](t *testing.T, o *order[T], f func(T) (int, rank)) {
	t.Helper()
	for i, x := range o.all {
		at, r := f(x.item)
		if at != i || r != x.rank {
			t.Fatalf("item at %d thinks it is at %d; rank %v, want %v", i, at, x.rank, r)
		}
		if x.rank.before(o.all[max(i-1, 0)/2].rank) {
			t.Fatalf("item at %d goes before its parent", i)
		}
	}
}

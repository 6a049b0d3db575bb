package admit

import "math"

// maxBehind is how many calls behind a head that waits for a quota are tried in vain in one dispatch, and maxAllBehind how many behind all heads of
// an account: what the targets of one wait for may be quotas of their own.
const (
	maxBehind    = 32
	maxAllBehind = 4 * maxBehind
)

// maxSkipped bounds the search for a call that has not been tried yet.
const maxSkipped = 4 * maxBehind

// behind walks over a lane in the order in which its calls would start if all of them could: by class, those at the front, then by the
// counters of their keys, each raised by what the key's calls before would cost. It looks at no more of the lane than it returns, and is good
// as long as nothing moves.
//
// The frontier holds what may be next: a flow's heap of calls, and the rung's heap of flows, give up their items smallest first if the two
// children of each item that is taken are put into the frontier.
type behind[L any] struct {
	lane     *lane[L]
	moves    int64 // of the queue, when the walk began
	round    int64
	skipped  int
	frontier []spot[L]
}

// spot is a node's place in its heap, and the flow's in its own.
type spot[L any] struct {
	class int
	flow  *flow[L] // nil for a node at the front
	at    int      // the node's index in its order
	first int64    // counter of the key, when it would be the node's turn
	due   int64
	seq   int64
}

// next returns the next node of a lane that has not been tried in this dispatch; nil if there is none, or the search is too long.
func (b *behind[L]) next(l *lane[L], moves int64) *node[L] {
	if b.lane != l || b.moves != moves || b.round != l.account.round {
		b.lane, b.moves, b.round, b.skipped = l, moves, l.account.round, 0
		clear(b.frontier)
		b.frontier = b.frontier[:0]
		for c := range l.rungs {
			b.offerFront(c, 0)
			b.offerFlow(c, 0)
		}
	}
	for len(b.frontier) > 0 && b.skipped < maxSkipped {
		s := b.pop()
		n := b.expand(s)
		if n.round != b.round {
			return n
		}
		b.skipped++
	}
	return nil
}

// expand puts what may follow on a spot into the frontier, and returns its node.
func (b *behind[L]) expand(s spot[L]) *node[L] {
	if s.flow == nil {
		b.offerFront(s.class, 2*s.at+1)
		b.offerFront(s.class, 2*s.at+2)
		return b.lane.rungs[s.class].front.all[s.at].item
	}
	n := s.flow.nodes.all[s.at].item
	if s.at == 0 {
		b.offerFlow(s.class, 2*s.flow.at+1)
		b.offerFlow(s.class, 2*s.flow.at+2)
	}
	after := s.first + n.w.cost*scale/s.flow.share.tenant.weight
	b.offerNode(s.class, s.flow, 2*s.at+1, after)
	b.offerNode(s.class, s.flow, 2*s.at+2, after)
	return n
}

func (b *behind[L]) offerFront(class, i int) {
	if front := &b.lane.rungs[class].front; i < front.len() {
		r := front.all[i].rank
		b.push(spot[L]{class, nil, i, math.MinInt64, r.first, r.second})
	}
}

func (b *behind[L]) offerFlow(class, i int) {
	if flows := &b.lane.rungs[class].flows; i < flows.len() {
		b.offerNode(class, flows.all[i].item, 0, flows.all[i].rank.first)
	}
}

func (b *behind[L]) offerNode(class int, f *flow[L], i int, first int64) {
	if i < f.nodes.len() {
		r := f.nodes.all[i].rank
		b.push(spot[L]{class, f, i, first, r.first, r.second})
	}
}

func (s *spot[L]) before(x *spot[L]) bool {
	switch {
	case s.class != x.class:
		return s.class < x.class
	case s.first != x.first:
		return s.first < x.first
	case s.due != x.due:
		return s.due < x.due
	}
	return s.seq < x.seq
}

func (b *behind[L]) push(s spot[L]) {
	b.frontier = append(b.frontier, s)
	i := len(b.frontier) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !s.before(&b.frontier[parent]) {
			break
		}
		b.frontier[i] = b.frontier[parent]
		i = parent
	}
	b.frontier[i] = s
}

func (b *behind[L]) pop() spot[L] {
	f := b.frontier
	first, end := f[0], len(f)-1
	x := f[end]
	f[end] = spot[L]{}
	b.frontier = f[:end]
	f = b.frontier
	if end == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= end {
			break
		}
		if child+1 < end && f[child+1].before(&f[child]) {
			child++
		}
		if !f[child].before(&x) {
			break
		}
		f[i] = f[child]
		i = child
	}
	f[i] = x
	return first
}

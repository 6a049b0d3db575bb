package admit

// order is a binary heap, smallest rank first. Its items know where they stand, so that each can be moved or taken out at a cost of log n. The
// ranks are kept beside the items: comparing them reads no other memory.
type order[T placed] struct{ all []ranked[T] }

type ranked[T placed] struct {
	rank rank
	item T
}

// placed is an item of an order. An item is in one order at a time for each place that it keeps.
type placed interface{ place(i int) }

// rank is a position: the first number counts, then the second.
type rank struct{ first, second int64 }

func (r rank) before(x rank) bool {
	return r.first < x.first || r.first == x.first && r.second < x.second
}

func (o *order[T]) len() int { return len(o.all) }

// top returns the first item. The order must not be empty.
func (o *order[T]) top() T { return o.all[0].item }

func (o *order[T]) push(item T, r rank) {
	o.all = append(o.all, ranked[T]{r, item})
	o.up(len(o.all)-1, ranked[T]{r, item})
}

// remove takes the item at a place out.
func (o *order[T]) remove(i int) {
	end := len(o.all) - 1
	last := o.all[end]
	o.all[end] = ranked[T]{}
	o.all = o.all[:end]
	if i < end {
		o.settle(i, last)
	}
}

// move gives the item at a place another rank.
func (o *order[T]) move(i int, r rank) {
	if o.all[i].rank != r {
		o.settle(i, ranked[T]{r, o.all[i].item})
	}
}

// settle puts an item into the hole at a place, or where it belongs from there.
func (o *order[T]) settle(i int, x ranked[T]) {
	if i > 0 && x.rank.before(o.all[(i-1)/2].rank) {
		o.up(i, x)
		return
	}
	o.down(i, x)
}

func (o *order[T]) up(i int, x ranked[T]) {
	for i > 0 {
		parent := (i - 1) / 2
		if !x.rank.before(o.all[parent].rank) {
			break
		}
		o.set(i, o.all[parent])
		i = parent
	}
	o.set(i, x)
}

func (o *order[T]) down(i int, x ranked[T]) {
	for {
		child := 2*i + 1
		if child >= len(o.all) {
			break
		}
		if other := child + 1; other < len(o.all) && o.all[other].rank.before(o.all[child].rank) {
			child = other
		}
		if !o.all[child].rank.before(x.rank) {
			break
		}
		o.set(i, o.all[child])
		i = child
	}
	o.set(i, x)
}

func (o *order[T]) set(i int, x ranked[T]) {
	o.all[i] = x
	x.item.place(i)
}

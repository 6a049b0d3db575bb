package limit

import (
	"math"
	"math/bits"
)

// never is a time that does not come.
const never = math.MaxInt64

// counter is what has been used of one limit, in the way in which a provider counts it. Times are nanoseconds since 1970; turn comes before
// all else, and time does not go back. Units are whole: what is taken and given back at one time leaves no trace.
type counter interface {
	// turn lets time go on until now.
	turn(now int64)
	// used returns what counts now. It can be more than the limit.
	used() int64
	// add counts n from now on.
	add(now, n int64)
	// drop takes back n of what was added at a time, as far as it still counts.
	drop(at, n int64)
	// usedAt returns what of the present use, and of n more that are used now, still counts at a later time.
	usedAt(now, t, n int64) int64
	// free returns when the present use has fallen to a level; never, if the level is below zero.
	free(level int64) int64
}

// bucket is used up by calls and comes back at a constant rate (a leaky bucket as a meter, ITU-T I.371, kept in whole units with the
// remainder of the division so that nothing is lost to rounding).
type bucket struct {
	amount, per int64 // so much comes back in so much time
	level       int64 // is used
	part        int64 // of a unit that has come back beyond level, in parts of 1/per
	at          int64
}

func (b *bucket) turn(now int64) {
	dt := now - b.at
	if dt <= 0 {
		return
	}
	b.at = now
	if b.level == 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(dt), uint64(b.amount))
	lo, carry := bits.Add64(lo, uint64(b.part), 0)
	hi += carry
	if hi >= uint64(b.per) {
		b.level, b.part = 0, 0
		return
	}
	back, part := bits.Div64(hi, lo, uint64(b.per))
	if back >= uint64(b.level) {
		b.level, b.part = 0, 0
		return
	}
	b.level, b.part = b.level-int64(back), int64(part)
}

func (b *bucket) used() int64 { return b.level }

func (b *bucket) add(_, n int64) { b.level += n }

func (b *bucket) drop(_, n int64) {
	if b.level -= n; b.level <= 0 {
		b.level, b.part = 0, 0
	}
}

func (b *bucket) usedAt(_, t, n int64) int64 {
	c := *b
	c.level += n
	c.turn(t)
	return c.level
}

func (b *bucket) free(level int64) int64 {
	if level < 0 {
		return never
	}
	n := b.level - level
	if n <= 0 {
		return b.at
	}
	hi, lo := bits.Mul64(uint64(n), uint64(b.per))
	lo, borrow := bits.Sub64(lo, uint64(b.part), 0)
	hi -= borrow
	lo, carry := bits.Add64(lo, uint64(b.amount-1), 0)
	hi += carry
	if hi >= uint64(b.amount) {
		return never
	}
	dt, _ := bits.Div64(hi, lo, uint64(b.amount))
	if dt > uint64(never-b.at) {
		return never
	}
	return b.at + int64(dt)
}

// fixed counts in windows that begin anew at fixed times, with nothing carried over. When one begins is known to slack, before or after: what is
// added within that time counts for both windows, since nobody knows for which it does.
type fixed struct {
	window, anchor, slack int64

	n, next  int64 // of the present window, and of it what counts for the next one, too
	from, to int64 // when something may count for the present window
}

func (f *fixed) turn(now int64) {
	if now < f.to && now >= f.from {
		return
	}
	since := (now - f.anchor - f.slack) % f.window
	if since < 0 {
		since += f.window
	}
	to := now - since + f.window
	if to != f.to+f.window {
		f.next = 0
	}
	f.n, f.next = f.next, 0
	f.from, f.to = to-f.window-2*f.slack, to
}

// both reports whether what is added at a time counts for the next window, too.
func (f *fixed) both(at int64) bool { return at >= f.to-2*f.slack }

func (f *fixed) used() int64 { return f.n }

func (f *fixed) add(now, n int64) {
	f.n += n
	if f.both(now) {
		f.next += n
	}
}

func (f *fixed) drop(at, n int64) {
	if at >= f.from {
		f.n = max(f.n-n, 0)
	}
	if f.both(at) {
		f.next = max(f.next-n, 0)
	}
}

func (f *fixed) usedAt(now, t, n int64) int64 {
	switch {
	case t < f.to:
		return f.n + n
	case t >= f.to+f.window:
		return 0
	case f.both(now):
		return f.next + n
	default:
		return f.next
	}
}

func (f *fixed) free(level int64) int64 {
	switch {
	case level < 0:
		return never
	case f.n <= level:
		return f.from
	case f.next <= level:
		return f.to
	default:
		return f.to + f.window
	}
}

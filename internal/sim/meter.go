package sim

import (
	"math"
	"sort"
	"time"
)

// meter enforces one limit in one of the ways found in the wild. It is guarded by the mutex of its quota, and the times it is told
// never go back.
type meter interface {
	// wait returns how long it takes until n more can be charged, if nothing else is; 0 if they can be now. What never fits has to wait
	// until as much is free as there can be.
	wait(now time.Time, n float64) time.Duration
	// charge takes n, even if so much is not left.
	charge(now time.Time, n float64)
	// refund gives back n of what was charged at a time, as far as that still counts.
	refund(now, at time.Time, n float64)
	// left is what can be charged now; below 0 if answers took more than was left.
	left(now time.Time) float64
	// whole returns how long it takes until all of the limit is free.
	whole(now time.Time) time.Duration
	// use returns the share of the limit that is taken; above 1 if answers took more than was left.
	use(now time.Time) float64
}

// crumb is what sums of fractions may be off by, in requests or tokens.
const crumb = 1e-6

// seconds makes a wait of a number of seconds, rounded up, so that whoever waits for it does not come too early.
func seconds(s float64) time.Duration { return time.Duration(math.Ceil(s * float64(time.Second))) }

// bucket refills all the time.
type bucket struct {
	rate  float64 // a second
	size  float64 // what it holds when it is full
	level float64
	at    time.Time // when level was right; zero before the first use, when it is full
}

// newBucket makes a full bucket that gets so much a minute and holds what comes in some time.
func newBucket(minute int64, burst time.Duration) *bucket {
	b := &bucket{rate: float64(minute) / 60}
	b.size = max(b.rate*burst.Seconds(), 1)
	b.level = b.size
	return b
}

func (b *bucket) refill(now time.Time) {
	if !b.at.IsZero() {
		b.level = min(b.level+now.Sub(b.at).Seconds()*b.rate, b.size)
	}
	b.at = now
}

func (b *bucket) wait(now time.Time, n float64) time.Duration {
	b.refill(now)
	if b.level >= n-crumb {
		return 0
	}
	return max(seconds((n-b.level)/b.rate), 1)
}

func (b *bucket) charge(now time.Time, n float64) {
	b.refill(now)
	b.level -= n
}

func (b *bucket) refund(now, _ time.Time, n float64) {
	b.refill(now)
	b.level = min(b.level+n, b.size)
}

func (b *bucket) left(now time.Time) float64 {
	b.refill(now)
	return b.level
}

func (b *bucket) whole(now time.Time) time.Duration {
	b.refill(now)
	return seconds((b.size - b.level) / b.rate)
}

func (b *bucket) use(now time.Time) float64 {
	b.refill(now)
	return 1 - b.level/b.size
}

// windows count from zero in each window of fixed length. They lie where the time since 1970 less the phase is a multiple of it.
type windows struct {
	length time.Duration
	phase  time.Duration
	size   float64
	used   float64
	number int64 // of the window that used belongs to
}

// begin moves on to the window that now lies in.
func (w *windows) begin(now time.Time) {
	if n := w.of(now); n > w.number {
		w.number, w.used = n, 0
	}
}

// of returns the number of the window that a time lies in. It goes by the wall clock alone: the monotonic one runs apart from it.
func (w *windows) of(t time.Time) int64 {
	return (t.UnixNano() - int64(w.phase)) / int64(w.length)
}

func (w *windows) rest(now time.Time) time.Duration {
	return time.Duration((w.number+1)*int64(w.length) + int64(w.phase) - now.UnixNano())
}

func (w *windows) wait(now time.Time, n float64) time.Duration {
	w.begin(now)
	if w.used+n <= w.size+crumb {
		return 0
	}
	return w.rest(now)
}

func (w *windows) charge(now time.Time, n float64) {
	w.begin(now)
	w.used += n
}

func (w *windows) refund(now, at time.Time, n float64) {
	w.begin(now)
	if w.of(at) == w.number {
		w.used = max(w.used-n, 0)
	}
}

func (w *windows) left(now time.Time) float64 {
	w.begin(now)
	return w.size - w.used
}

func (w *windows) whole(now time.Time) time.Duration {
	w.begin(now)
	if w.used == 0 {
		return 0
	}
	return w.rest(now)
}

func (w *windows) use(now time.Time) float64 {
	w.begin(now)
	return w.used / w.size
}

// sliding counts all that was charged within the last window. What is charged within a sixty-thousandth of it counts as charged at
// once, at the last of these times, so that memory is bounded.
type sliding struct {
	length  time.Duration
	size    float64
	entries []taken // in order of time
	sum     float64 // of entries
}

type taken struct {
	from, at time.Time // first and last charge of the entry
	n        float64
}

// slidingGrains is the number of entries that a window can have.
const slidingGrains = 60_000

func (s *sliding) expire(now time.Time) {
	gone := 0
	for gone < len(s.entries) && now.Sub(s.entries[gone].at) >= s.length {
		s.sum -= s.entries[gone].n
		gone++
	}
	if s.entries = s.entries[gone:]; len(s.entries) == 0 {
		s.entries, s.sum = nil, 0 // sums of fractions drift
	}
}

func (s *sliding) wait(now time.Time, n float64) time.Duration {
	s.expire(now)
	over := s.sum + n - s.size
	if over <= crumb {
		return 0
	}
	for i := range s.entries {
		if over -= s.entries[i].n; over <= crumb {
			return s.entries[i].at.Add(s.length).Sub(now)
		}
	}
	return s.length
}

func (s *sliding) charge(now time.Time, n float64) {
	s.expire(now)
	s.sum += n
	if last := len(s.entries) - 1; last >= 0 && now.Sub(s.entries[last].from) < s.length/slidingGrains {
		s.entries[last].at = now
		s.entries[last].n += n
		return
	}
	s.entries = append(s.entries, taken{from: now, at: now, n: n})
}

func (s *sliding) refund(now, at time.Time, n float64) {
	s.expire(now)
	i := sort.Search(len(s.entries), func(i int) bool { return !s.entries[i].at.Before(at) })
	if i == len(s.entries) || at.Before(s.entries[i].from) {
		return
	}
	n = min(n, s.entries[i].n)
	s.entries[i].n -= n
	s.sum -= n
}

func (s *sliding) left(now time.Time) float64 {
	s.expire(now)
	return s.size - s.sum
}

func (s *sliding) whole(now time.Time) time.Duration {
	s.expire(now)
	if len(s.entries) == 0 {
		return 0
	}
	return s.entries[len(s.entries)-1].at.Add(s.length).Sub(now)
}

func (s *sliding) use(now time.Time) float64 {
	s.expire(now)
	return s.sum / s.size
}

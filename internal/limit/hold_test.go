package limit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sluice/internal/llm"
)

// load is bulk that never ends and interactive calls that come by chance, against one set, with the order that the queue keeps:
// interactive first, each class in its order, and who comes after one that waits must not delay it.
type load struct {
	set         *Set
	random      *rand.Rand
	size        int64 // of a call on average, between half and one and a half of it
	interactive float64

	now     time.Time
	waiting []arrival
	backlog []int64 // of bulk: what is tried after its head
	waits   []time.Duration
	used    [2]int64 // interactive, bulk
}

type arrival struct {
	at   time.Time
	need int64
}

func (l *load) need() int64 { return l.size/2 + l.random.Int64N(l.size+1) }

// run lets the load run until a time; waits and use are of the time from counted on.
func (l *load) run(counted, end time.Time) {
	next := end
	if l.interactive > 0 {
		next = l.after()
	}
	for l.now.Before(end) {
		until := end
		var claims Claims
		try := func(c llm.Class, need int64) bool {
			a, at := l.set.Reserve(l.now, &Try{Need: llm.Need{Input: need}, Class: c, Claims: &claims}, &Reservation{})
			if a == Granted {
				if !l.now.Before(counted) {
					l.used[min(c, 1)] += need
				}
				return true
			}
			if at.Before(until) {
				until = at
			}
			return false
		}
		for len(l.waiting) > 0 && try(llm.Interactive, l.waiting[0].need) {
			if !l.now.Before(counted) {
				l.waits = append(l.waits, l.now.Sub(l.waiting[0].at))
			}
			l.waiting = l.waiting[1:]
		}
		for i := 0; i < len(l.backlog); i++ {
			if try(llm.Bulk, l.backlog[i]) {
				l.backlog = append(slices.Delete(l.backlog, i, i+1), l.need())
				i--
			}
		}
		if !until.After(l.now) {
			panic(fmt.Sprint("told to ask again at once: ", until.Sub(l.now)))
		}
		if next.After(until) {
			l.now = until
			continue
		}
		l.now = next
		l.waiting = append(l.waiting, arrival{next, l.need()})
		next = l.after()
	}
}

func (l *load) after() time.Time {
	return l.now.Add(time.Duration(l.random.ExpFloat64() / l.interactive * float64(time.Second)))
}

// p99 is the time that one in a hundred waits for longer.
func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}

func TestBulkLeavesInteractiveCallsTheirPart(t *testing.T) {
	t.Parallel()
	const perMinute, size = 4_200_000, 2800
	slot := time.Duration(float64(time.Minute) * size / perMinute)
	// Slices whose beginnings are not known have to be kept in any second whatever, so that on average half a call is left of it: 2% of the 25
	// calls here. And as calls come back one by one, those that are larger than the oldest wait for more than one.
	const anySecond = 0.97
	f := func(name string, sh Shape, looks int, least float64, slots time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin, end := zero().Add(2*time.Minute), zero().Add(9*time.Minute)
			run := func(interactive float64) *load {
				l := &load{
					set: NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, perMinute)}, Shape: sh}), now: zero(),
					random: rand.New(rand.NewPCG(1, 2)), size: size, interactive: interactive,
				}
				for range looks {
					l.backlog = append(l.backlog, l.need())
				}
				l.run(begin, end)
				return l
			}
			whole := float64(perMinute) * end.Sub(begin).Minutes()
			alone := run(0)
			if share := float64(alone.used[1]) / whole; share < least || share > 1.001 {
				t.Errorf("bulk alone uses %.2f%% of the quota, want at least %.0f%%", 100*share, 100*least)
			}
			both := run(perMinute / 60.0 / size / 10)
			t.Logf("bulk alone %.2f%%; both %.2f%% + %.2f%%; interactive waits p99 %v of %d calls", 100*float64(alone.used[1])/whole,
				100*float64(both.used[1])/whole, 100*float64(both.used[0])/whole, p99(both.waits), len(both.waits))
			if w := p99(both.waits); w > slots*slot+20*time.Millisecond {
				t.Errorf("interactive calls wait p99 %v, want at most %v", w, slots*slot+20*time.Millisecond)
			}
			if lost := alone.used[1] - both.used[1]; float64(lost) > float64(both.used[0])+0.01*whole {
				t.Errorf("bulk loses %d, interactive took %d", lost, both.used[0])
			}
		})
	}
	f("unknown", Shape{}, 3, anySecond, 3)
	f("unknown with a burst", Shape{Burst: 5 * time.Second}, 3, 0.99, 1)
	f("slices", Shape{Mode: Slices}, 3, anySecond, 3)
	f("slices with slack", Shape{Mode: Slices, Slack: 5 * time.Millisecond}, 3, anySecond, 3)
	// Half a call of 25 is left of a slice, but for what one of 16 calls that are looked at fits into.
	f("aligned slices", Shape{Mode: Slices, Anchor: zero(), Slack: 5 * time.Millisecond}, 16, 0.985, 1)
	f("bucket", Shape{Mode: Bucket}, 3, 0.99, 1)
	f("small bucket", Shape{Mode: Bucket, Burst: time.Second}, 3, 0.99, 1)
	f("fixed", Shape{Mode: Fixed, Anchor: zero()}, 3, 0.99, 1)
	f("sliding", Shape{Mode: Sliding}, 3, 0.99, 1)
}

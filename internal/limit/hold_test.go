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
	check   checker
}

type arrival struct {
	at   time.Time
	need int64
}

// checker is a provider that counts what it is sent.
type checker interface{ take(at time.Time, n int64) bool }

func (l *load) need() int64 { return l.size/2 + l.random.Int64N(l.size+1) }

// run lets the load run until a time; waits and use are of the time from counted on.
func (l *load) run(counted, end time.Time) (refused int) {
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
				if !l.check.take(l.now, need) {
					refused++
				}
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
	return refused
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
	const perMinute, size, looks = 4_200_000, 2800, 16
	slot := time.Duration(float64(time.Minute) * size / perMinute)
	f := func(name string, sh Shape, check func() checker) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin, end := zero().Add(5*time.Minute), zero().Add(25*time.Minute)
			run := func(interactive float64) *load {
				l := &load{
					set: NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, perMinute)}, Shape: sh}), now: zero(),
					random: rand.New(rand.NewPCG(1, 2)), size: size, interactive: interactive, check: check(),
				}
				for range looks {
					l.backlog = append(l.backlog, l.need())
				}
				if n := l.run(begin, end); n > 0 {
					t.Errorf("the provider refuses %d calls", n)
				}
				return l
			}
			whole := float64(perMinute) * end.Sub(begin).Minutes()
			alone := run(0)
			if share := float64(alone.used[1]) / whole; share < 0.99 || share > 1.001 {
				t.Errorf("bulk alone uses %.2f%% of the quota, want at least 99%%", 100*share)
			} else {
				t.Logf("bulk alone uses %.2f%%", 100*share)
			}
			both := run(perMinute/60.0/size/10)
			t.Logf("interactive waits p99 %v of %d calls (slot %v); used %.2f%% + %.2f%%", p99(both.waits), len(both.waits), slot,
				100*float64(both.used[0])/whole, 100*float64(both.used[1])/whole)
			if w := p99(both.waits); w > slot+20*time.Millisecond {
				t.Errorf("interactive calls wait p99 %v, want at most %v", w, slot+20*time.Millisecond)
			}
			if lost := alone.used[1] - both.used[1]; float64(lost) > float64(both.used[0])+0.01*whole {
				t.Errorf("bulk loses %d, interactive took %d", lost, both.used[0])
			}
		})
	}
	free := func() checker { return anything{} }
	f("unknown", Shape{}, free)
	f("unknown with a burst", Shape{Burst: 5 * time.Second}, free)
	f("slices", Shape{Mode: Slices}, free)
	f("slices with slack", Shape{Mode: Slices, Slack: 5 * time.Millisecond}, free)
	f("aligned slices", Shape{Mode: Slices, Anchor: zero(), Slack: 5 * time.Millisecond}, free)
	f("bucket", Shape{Mode: Bucket}, free)
	f("small bucket", Shape{Mode: Bucket, Burst: time.Second}, free)
	f("fixed", Shape{Mode: Fixed, Anchor: zero()}, free)
	f("sliding", Shape{Mode: Sliding}, free)
}

// anything is a provider without limits.
type anything struct{}

func (anything) take(time.Time, int64) bool { return true }

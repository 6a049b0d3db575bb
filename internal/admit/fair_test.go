package admit

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// server is a queue without goroutines: what waits is stepped by hand.
type server struct {
	q      *Queue[int]
	places int
	ask    Ask
}

func newServer(places int, c Config) *server {
	s := &server{places: places, ask: Ask{Targets: targets("p/m"), Last: true}}
	s.q = New(c, func(*llm.Target, limit.Try) (int, Verdict, time.Time) {
		if s.places == 0 {
			return 0, FullAccount, time.Time{}
		}
		s.places--
		return 0, Started, time.Time{}
	})
	return s
}

// arrive puts a call into the queue. It may have started when arrive returns: started says.
func (s *server) arrive(key string, weight int, need llm.Need) *waiter[int] {
	s.ask.Need = need
	w := s.q.waiter(&llm.Call{Key: key}, &s.ask, s.q.config.Load(), time.Now())
	s.q.mu.Lock()
	s.q.enter(w, weight)
	s.q.mu.Unlock()
	return w
}

func started[L any](w *waiter[L]) bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// finish ends a call that has used so much.
func (s *server) finish(r Receipt, input, output int64) {
	s.q.Used(r, input, output)
	s.places++
	s.q.Freed(s.ask.Targets[0])
}

// TestFairnessBound is the bound of the paper (theorem 4.4): of two keys that have calls waiting during any interval, the service that they get in
// it differs by no more than 2 max(wp Linput, wq M), where Linput is the longest input and M is what can be under way at a time.
//
// Here a call is charged in whole when it starts. Where estimates are exact, what is under way does not matter, and the bound is twice
// the cost of the largest call.
func TestFairnessBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		c.OutputWeight = rapid.SampledFrom([]float64{1, 2}).Draw(t, "output weight")
		places := rapid.IntRange(1, 8).Draw(t, "places")
		exact := rapid.Bool().Draw(t, "exact estimates")
		s := newServer(places, c)
		type key struct {
			name    string
			weight  int
			most    int64
			from    int // step of its first call
			waiting []*waiter[int]
			served  float64 // by weight
		}
		type job struct {
			k *key
			r Receipt
			n llm.Need
		}
		var keys []*key
		for i := range rapid.IntRange(2, 6).Draw(t, "keys") {
			keys = append(keys, &key{
				name: fmt.Sprint(i), weight: rapid.IntRange(1, 4).Draw(t, "weight"),
				most: rapid.SampledFrom([]int64{1, 10, 100, 1000, 10000}).Draw(t, "size"),
				from: i * rapid.IntRange(0, 60).Draw(t, "from"),
			})
		}
		var running []job
		var largest, underway float64  // cost of a call by weight; most that was under way of a key
		since := map[[2]*key]float64{} // difference of service when both began to wait
		settle := func() {
			for _, k := range keys {
				left := k.waiting[:0]
				for _, w := range k.waiting {
					if !started(w) {
						left = append(left, w)
						continue
					}
					k.served += float64(w.cost) / float64(k.weight)
					running = append(running, job{k, w.grant.Receipt, w.try.Need})
				}
				k.waiting = left
			}
			sum := map[*key]float64{}
			for _, j := range running {
				sum[j.k] += float64(c.cost(2*j.n.Input, 2*j.n.Output)) / float64(j.k.weight)
				underway = max(underway, sum[j.k])
			}
			for i, a := range keys {
				for _, b := range keys[:i] {
					p := [2]*key{a, b}
					d := a.served - b.served
					from, ok := since[p]
					switch {
					case len(a.waiting) == 0 || len(b.waiting) == 0:
						delete(since, p)
					case !ok:
						since[p] = d
					default:
						bound := 2 * largest
						if !exact {
							bound = 2 * max(largest, underway)
						}
						if math.Abs(d-from) > bound+1 {
							t.Fatalf("keys %s and %s wait: one got %.0f tokens by weight more than the other, bound %.0f", a.name, b.name, d-from, bound)
						}
					}
				}
			}
		}
		for step := range rapid.IntRange(10, 400).Draw(t, "steps") {
			k := keys[rapid.IntRange(0, len(keys)-1).Draw(t, "key")]
			if k.from > step {
				k = keys[0]
			}
			if len(running) == 0 || rapid.IntRange(0, 2).Draw(t, "op") > 0 {
				n := llm.Need{Input: rapid.Int64Range(0, k.most).Draw(t, "input"), Output: rapid.Int64Range(1, k.most).Draw(t, "output")}
				largest = max(largest, float64(c.cost(n.Input, n.Output))/float64(k.weight))
				k.waiting = append(k.waiting, s.arrive(k.name, k.weight, n))
			} else {
				i := rapid.IntRange(0, len(running)-1).Draw(t, "job")
				j := running[i]
				running = append(running[:i], running[i+1:]...)
				in, out := j.n.Input, j.n.Output
				if !exact {
					in, out = in*rapid.Int64Range(0, 2).Draw(t, "input used"), out*rapid.Int64Range(0, 2).Draw(t, "output used")
				}
				var actual int64
				if in+out > 0 {
					actual = c.cost(in, out)
				}
				j.k.served += float64(actual-c.cost(j.n.Input, j.n.Output)) / float64(j.k.weight)
				s.finish(j.r, in, out)
			}
			settle()
		}
	})
}

// A key that was idle has no credit for it, and one that has used more than was thought pays for it.
func TestCounters(t *testing.T) {
	t.Parallel()
	s := newServer(0, Default())
	need := llm.Need{Input: 100}
	next := func(want string, used int64) {
		t.Helper()
		s.places++
		var id tenantID
		s.q.mu.Lock()
		n := s.q.accounts["p"].lanes[0].head()
		w := n.w
		id = w.tenant.id
		s.q.mu.Unlock()
		s.q.Freed(s.ask.Targets[0])
		if id.key != want || !started(w) {
			t.Fatalf("%s is next, want %s", id.key, want)
		}
		s.q.Used(w.grant.Receipt, used, 0)
	}
	for range 20 {
		s.arrive("a", 1, need)
	}
	for range 10 {
		next("a", 100)
	}
	for range 10 {
		s.arrive("late", 1, need)
	}
	next("a", 100) // both at the same count: the one that came first
	next("late", 100)
	next("a", 300) // used more than was thought
	next("late", 100)
	next("late", 100)
	next("late", 100)
	next("a", 0) // was not served
	next("a", 100)
	next("late", 100)
	if s.q.waiting.Load() != 11 {
		t.Fatalf("%d wait", s.q.waiting.Load())
	}
}

// Counters of keys that do not wait are forgotten when those of the others have come up to them, and there are never too many.
func TestIdleKeysAreForgotten(t *testing.T) {
	t.Parallel()
	c := Default()
	c.MaxQueue = 1 << 20
	s := newServer(0, c)
	var all []*waiter[int]
	for i := range 3 * maxIdle {
		all = append(all, s.arrive(fmt.Sprint(i), 1, llm.Need{Input: int64(1000 + i)}))
	}
	steady := s.arrive("steady", 1, llm.Need{Input: 1 << 20})
	s.places = len(all)
	s.q.Freed(s.ask.Targets[0])
	for _, w := range all {
		if !started(w) {
			t.Fatal("a call of a small key has not started before the big one")
		}
	}
	f := &s.q.accounts["p"].fields[0]
	if n := f.idle.len(); n != maxIdle || len(s.q.tenants) != maxIdle+1 {
		t.Errorf("%d idle counters and %d keys are kept, want %d", n, len(s.q.tenants), maxIdle)
	}
	again := s.arrive("steady", 1, llm.Need{Input: 1})
	s.places = 2
	s.q.Freed(s.ask.Targets[0])
	if !started(steady) || !started(again) {
		t.Error("the big call has not started")
	}
	if n := f.idle.len(); n != 0 || len(s.q.tenants) != 0 {
		t.Errorf("%d idle counters and %d keys are kept when all have caught up", n, len(s.q.tenants))
	}
	s.q.Used(all[0].grant.Receipt, 1<<30, 0)
	if n := f.idle.len(); n != 1 {
		t.Errorf("%d idle counters, want that of the key that took far more than was thought", n)
	}
	s.q.checkEmpty(t)
}

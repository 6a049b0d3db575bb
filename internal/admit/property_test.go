package admit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// model drives a queue with random operations and checks after each what must be true at rest.
type model struct {
	*testing.T
	*fleet
	results sync.Mutex // of visitors
	rnd     *rand.Rand
	all     []*llm.Target
	seq     int
	busy    int
	waiting []*visitor
	running []*visitor
	counts  map[string]int
}

type visitor struct {
	seq    int
	class  llm.Class
	key    string
	due    time.Time
	ask    Ask
	cancel context.CancelFunc
	lease  *lease
	err    *llm.Error
	ended  bool

	receipt Receipt
}

// before reports whether v goes before x whatever the keys' counters are.
func (v *visitor) before(x *visitor) bool {
	switch {
	case v.class != x.class:
		return v.class < x.class
	case v.ask.Front || x.ask.Front:
		return v.ask.Front && !x.ask.Front
	case v.key != x.key:
		return false
	case !v.due.Equal(x.due):
		return x.due.IsZero() || !v.due.IsZero() && v.due.Before(x.due)
	}
	return v.seq < x.seq
}

func (m *model) arrive() {
	m.seq++
	ctx, cancel := context.WithCancel(context.Background())
	v := &visitor{seq: m.seq, class: llm.Class(m.rnd.IntN(classes)), key: string(rune('a' + m.rnd.IntN(4))), cancel: cancel}
	if m.rnd.IntN(4) == 0 {
		v.due = time.Now().Add(time.Duration(1+m.rnd.IntN(20_000)) * time.Millisecond)
	}
	v.ask.Front = m.rnd.IntN(10) == 0
	v.ask.Need = llm.Need{Input: m.rnd.Int64N(1000), Output: m.rnd.Int64N(1000)}
	v.ask.Weight, v.ask.Bytes = m.rnd.IntN(4), m.rnd.IntN(3<<10)
	for _, i := range m.rnd.Perm(len(m.all))[:1+m.rnd.IntN(3)] {
		v.ask.Targets = append(v.ask.Targets, m.all[i])
	}
	v.ask.Last = m.rnd.IntN(3) == 0
	m.waiting = append(m.waiting, v)
	go func() {
		g, err := m.q.Acquire(ctx, &llm.Call{Class: v.class, Key: v.key, Deadline: v.due, Start: time.Now()}, v.ask)
		m.results.Lock()
		v.lease, v.err, v.ended, v.receipt = g.Lease, err, true, g.Receipt
		m.results.Unlock()
	}()
}

func (m *model) step() {
	t := m.all[m.rnd.IntN(len(m.all))]
	if m.seq%300 == 0 { // calm and busy times
		m.busy = m.rnd.IntN(30)
	}
	switch op := m.rnd.IntN(100); {
	case op < 35+m.busy:
		m.arrive()
	case op < 40+m.busy:
		if len(m.waiting) > 0 {
			m.waiting[m.rnd.IntN(len(m.waiting))].cancel()
		}
	case op < 90:
		if n := len(m.running); n > 0 {
			i := m.rnd.IntN(n)
			v := m.running[i]
			m.running[i] = m.running[n-1]
			m.running = m.running[:n-1]
			v.cancel()
			v.lease.done()
			m.q.Used(v.receipt, m.rnd.Int64N(2000), m.rnd.Int64N(2000))
		}
	case op < 94:
		m.eject(t, time.Now().Add(time.Duration(1+m.rnd.IntN(50))*time.Second))
	case op < 95:
		m.eject(t, time.Time{})
	case op < 98:
		m.restore(t)
	default:
		time.Sleep(time.Duration(m.rnd.IntN(10_000)) * time.Millisecond)
	}
	synctest.Wait()
	m.check()
}

// check takes in what the operation has ended, and checks order and that nobody waits who need not.
func (m *model) check() {
	m.Helper()
	m.results.Lock()
	defer m.results.Unlock()
	var granted []*visitor
	m.waiting = slices.DeleteFunc(m.waiting, func(v *visitor) bool {
		if v.lease != nil {
			granted = append(granted, v)
		}
		if v.err != nil {
			m.counts[v.err.Kind.Code()]++
			v.cancel()
		}
		return v.ended
	})
	m.running = append(m.running, granted...)
	m.counts["granted"] += len(granted)
	for _, w := range m.waiting {
		for _, v := range granted {
			if w.before(v) && slices.Contains(w.ask.Targets, v.lease.t) && !v.ask.Last {
				m.Fatalf("call %d (%v) got %s before call %d (%v), which waits for it", v.seq, v.class, v.lease.t.Name, w.seq,
					w.class)
			}
		}
		out := 0
		for _, t := range w.ask.Targets {
			_, v, _ := m.start(t, limit.Try{})
			if v == Started {
				m.Fatalf("call %d waits though %s has a place", w.seq, t.Name)
			}
			if v == Open {
				out++
			}
		}
		if out == len(w.ask.Targets) {
			if _, v, _ := m.start(w.ask.Targets[0], limit.Try{Last: true}); v == Started {
				m.Fatalf("call %d waits though %s would do for want of another", w.seq, w.ask.Targets[0].Name)
			}
		}
		if out == len(w.ask.Targets) && !w.ask.Last {
			m.Fatalf("call %d waits though all its targets are out of use", w.seq)
		}
	}
	m.q.verify(m.T)
	var byClass [classes]int64
	for _, w := range m.waiting {
		byClass[w.class]++
	}
	if got := m.q.Stats().Waiting; got != byClass {
		m.Fatalf("waiting = %v, want %v", got, byClass)
	}
	if got, want := m.inUse(), 2*len(m.running); got != want { // each call counts at its account and at its target
		m.Fatalf("%d places in use, want %d", got, want)
	}
}

func TestRandomOperations(t *testing.T) {
	t.Parallel()
	steps := 100_000
	if raceEnabled || testing.Short() {
		steps = 20_000
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &model{
					T: t, rnd: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{},
					fleet: newFleet(Config{MaxQueue: 15, MaxBytes: 20 << 10, MaxPerKey: 5, MaxWait: 20 * time.Second}, map[string]int{
						"a": 6, "a/m": 2, "a/n": 4, "b": 3, "c/m": 1, "c/n": 1,
					}),
					all: targets("a/m", "a/n", "a/o", "b/m", "b/n", "c/m", "c/n"),
				}
				for range steps / 4 {
					m.step()
				}
				for len(m.waiting)+len(m.running) > 0 {
					for _, v := range m.running {
						v.lease.done()
					}
					m.running = nil
					time.Sleep(time.Second)
					synctest.Wait()
					m.check()
				}
				m.q.checkEmpty(t)
				for _, what := range []string{"granted", "queue_full", "deadline_unreachable", "no_healthy_target", "client_closed_request"} {
					if m.counts[what] < 10 {
						t.Errorf("%s happened %d times: the test does not reach it (%v)", what, m.counts[what], m.counts)
					}
				}
			})
		})
	}
}

// Real goroutines on real processors, for the race detector and for wake-ups that get lost: if one did, a call would
// wait for an hour.
func TestStress(t *testing.T) {
	t.Parallel()
	calls := 1000
	if raceEnabled || testing.Short() {
		calls = 300
	}
	limits := map[string]int{"a": 4, "a/m": 2, "b/m": 2}
	f := newFleet(Config{MaxQueue: 1000, MaxWait: time.Hour}, limits)
	all := targets("a/m", "a/n", "b/m")
	var granted, canceled, other atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 2))
			for range calls {
				ctx, cancel := context.WithCancel(context.Background())
				if rnd.IntN(3) == 0 {
					time.AfterFunc(time.Duration(rnd.IntN(100))*time.Microsecond, cancel)
				}
				from := rnd.IntN(len(all))
				g, err := f.q.Acquire(ctx, &llm.Call{Class: llm.Class(rnd.IntN(classes))},
					Ask{Targets: all[from : from+1+rnd.IntN(len(all)-from)], Last: true})
				switch {
				case err == nil:
					granted.Add(1)
					for range rnd.IntN(100) {
						runtime.Gosched()
					}
					g.Lease.done()
				case err.Kind == llm.KindCanceled:
					canceled.Add(1)
				default:
					other.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if n := f.inUse(); n != 0 {
		t.Errorf("%d places left in use", n)
	}
	if got := f.q.Stats().Waiting; got != [classes]int64{} {
		t.Errorf("calls left waiting: %v", got)
	}
	for k, limit := range limits {
		if f.most[k] > limit {
			t.Errorf("%s had %d at a time, limit %d", k, f.most[k], limit)
		}
	}
	if granted.Load() == 0 || canceled.Load() == 0 || other.Load() != 0 {
		t.Errorf("%d granted, %d canceled, %d other", granted.Load(), canceled.Load(), other.Load())
	}
}

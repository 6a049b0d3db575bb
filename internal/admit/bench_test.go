package admit

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// places is a StartFunc that costs next to nothing: what is measured is the queue.
type places struct{ free atomic.Int64 }

func (p *places) start(*llm.Target, limit.Try) (struct{}, Verdict, time.Time) {
	for {
		n := p.free.Load()
		if n == 0 {
			return struct{}{}, FullAccount, time.Time{}
		}
		if p.free.CompareAndSwap(n, n-1) {
			return struct{}{}, Started, time.Time{}
		}
	}
}

func BenchmarkUncontended(b *testing.B) {
	p := &places{}
	p.free.Store(1 << 30)
	q := New(Default(), p.start)
	a := Ask{Targets: targets("p/m"), Last: true}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := &llm.Call{}
		for pb.Next() {
			g, err := q.Acquire(context.Background(), c, a)
			if err != nil {
				b.Error(err)
				return
			}
			p.free.Add(1)
			q.Freed(g.Target)
		}
	})
}

// cycle has calls waiting all the time, and lets n calls come, wait their turn, be granted and end. begin is called when all wait, end at the end.
func cycle(tb testing.TB, n int, keys int, begin, end func()) {
	const waiting, running = 10_000, 64
	p := &places{}
	c := Default()
	c.MaxQueue, c.MaxWait = waiting+running, time.Hour
	q := New(c, p.start)
	a := Ask{Targets: targets("p/m"), Last: true, Bytes: 1000}
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for i := range waiting + running {
		wg.Go(func() {
			c := &llm.Call{Class: llm.Class(i % classes), Key: strconv.Itoa(i % keys)}
			a := a
			first := true
			for i := int64(i); first || left.Add(-1) >= 0; i += 7 {
				first = false
				a.Need = llm.Need{Input: i % 1000, Output: i % 300}
				g, err := q.Acquire(context.Background(), c, a)
				if err != nil {
					tb.Error(err)
					return
				}
				p.free.Add(1)
				q.Freed(g.Target)
				q.Used(g.Receipt, i%1000, i%200)
			}
		})
	}
	for q.waiting.Load() < waiting+running {
		runtime.Gosched()
	}
	begin()
	p.free.Store(running)
	q.Freed(nil)
	wg.Wait()
	end()
}

// BenchmarkWaiting has 10,000 calls waiting all the time; one operation is one call that comes, waits its turn, is
// granted and ends.
func BenchmarkWaiting(b *testing.B) {
	b.ReportAllocs()
	b.StopTimer()
	cycle(b, b.N, 100, b.StartTimer, b.StopTimer)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acquisitions/s")
}

// crowded returns a queue in which each of some keys has calls waiting, 10,000 or more in all, and a function that lets a call come and one start
// and end.
func crowded(keys int) func() {
	c := Default()
	c.MaxQueue = 1 << 20
	s := newServer(0, c)
	names := make([]string, keys)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	q, i := s.q, 0
	arrive := func() {
		i++
		n := int64(i * 7919)
		s.arrive(names[i%keys], 1+i%keys%3, llm.Need{Input: n % 1000, Output: n % 300})
	}
	for range max(keys, 10_000) {
		arrive()
	}
	return func() {
		q.mu.Lock()
		running := q.accounts["p"].lanes[0].head().w
		q.mu.Unlock()
		s.places++
		q.Freed(s.ask.Targets[0])
		if !started(running) {
			panic("BUG: the head has not started")
		}
		q.Used(running.grant.Receipt, 500, 100)
		q.recycle(running)
		arrive()
	}
}

// BenchmarkKeys is what a call costs the queue, without the goroutine that waits for it.
func BenchmarkKeys(b *testing.B) {
	for _, keys := range []int{10, 1000, 100_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			step := crowded(keys)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// BenchmarkRefused is what it costs to send a call away from a full queue.
func BenchmarkRefused(b *testing.B) {
	c := Default()
	c.MaxQueue = 10_000
	s := newServer(0, c)
	for range c.MaxQueue {
		s.arrive("a", 1, llm.Need{Input: 100})
	}
	call := &llm.Call{Key: "a"}
	ask := s.ask
	ask.Need = llm.Need{Input: 100}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.q.Acquire(context.Background(), call, ask); err == nil {
			b.Fatal("not refused")
		}
	}
}

func TestUncontendedAllocatesNothing(t *testing.T) {
	p := &places{}
	p.free.Store(1)
	q := New(Default(), p.start)
	a := Ask{Targets: targets("p/m", "q/m"), Last: true}
	c := &llm.Call{Deadline: time.Now().Add(time.Hour)}
	n := testing.AllocsPerRun(1000, func() {
		g, err := q.Acquire(context.Background(), c, a)
		if err != nil {
			t.Fatal(err)
		}
		p.free.Add(1)
		q.Freed(g.Target)
	})
	if n != 0 {
		t.Errorf("an acquisition allocates %v times, want 0", n)
	}
}

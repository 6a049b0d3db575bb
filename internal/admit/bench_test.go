package admit

import (
	"context"
	"runtime"
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

// BenchmarkWaiting has 10,000 calls waiting all the time; one operation is one call that comes, waits its turn, is
// granted and ends.
func BenchmarkWaiting(b *testing.B) {
	const waiting, running = 10_000, 64
	p := &places{}
	q := New(Config{MaxQueue: waiting + running, MaxWait: time.Hour}, p.start)
	a := Ask{Targets: targets("p/m"), Last: true}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.StopTimer()
	var wg sync.WaitGroup
	for i := range waiting + running {
		wg.Go(func() {
			c := &llm.Call{Class: llm.Class(i % classes)}
			first := true
			for first || left.Add(-1) >= 0 {
				first = false
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
	for q.waiting.Load() < waiting+running {
		runtime.Gosched()
	}
	b.StartTimer()
	p.free.Store(running)
	q.Freed(nil)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acquisitions/s")
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

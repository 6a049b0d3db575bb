package admit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// cpu is the processor time that this process has taken: other than by the clock, what is measured by it does not depend on what else the machine
// does.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBarSpeed measures acquisitions in processor time. It does not run beside other tests of the package.
func TestBarSpeed(t *testing.T) {
	n := 200_000
	if raceEnabled || testing.Short() {
		n = 5_000
	}
	var begin, end time.Duration
	cycle(t, n, 100, func() { begin = cpu(t) }, func() { end = cpu(t) })
	perSecond := float64(n) / (end - begin).Seconds()
	t.Logf("speed: %.0f acquisitions and settlements per second of one core, 10,000 waiting, goroutines included (bar 50,000)", perSecond)
	if perSecond < 50_000 && !raceEnabled {
		t.Errorf("%d took %v", n, end-begin)
	}

	cost := map[int]time.Duration{}
	for _, keys := range []int{10, 1000, 100_000} {
		step := crowded(keys)
		runtime.GC()
		begin := cpu(t)
		for range n {
			step()
		}
		cost[keys] = (cpu(t) - begin) / time.Duration(n)
	}
	t.Logf("speed: with 10, 1,000 and 100,000 keys a call costs the queue %v, %v, %v (bar: no more than by log n, 5x)", cost[10], cost[1000], cost[100_000])
	if cost[100_000] > 5*cost[10]+5*time.Microsecond && !raceEnabled {
		t.Errorf("cost by number of keys: %v", cost)
	}

	c := Default()
	s := newServer(0, c)
	for range c.MaxQueue {
		s.arrive("a", 1, llm.Need{Input: 100})
	}
	begin = cpu(t)
	for range n {
		if _, err := s.q.Acquire(context.Background(), &llm.Call{Key: "a"}, s.ask); err == nil {
			t.Fatal("a call came into a queue that is full")
		}
	}
	t.Logf("speed: a refusal costs %v (bar 5 ms)", (cpu(t)-begin)/time.Duration(n))
}

// TestBarMillion lets a million calls come (with -v; a tenth of them without), of which many are canceled, fail or come back, and holds that
// nothing is left of them.
func TestBarMillion(t *testing.T) {
	t.Parallel()
	n := 100_000
	switch {
	case raceEnabled || testing.Short():
		n = 20_000
	case testing.Verbose():
		n = 1_000_000
	}
	synctest.Test(t, func(t *testing.T) {
		const rate = 2000 // calls per second
		c := Default()
		c.MaxWait, c.MaxQueue, c.MaxBytes, c.MaxWaitBulk = 5*time.Second, 1000, 4<<20, 8*time.Second
		terms := perMinute(40_000, 30_000_000, limit.Bucket)
		terms.Shape.Burst, terms.Concurrency = 2*time.Second, 800
		l := newLab(t, c, map[string]limit.Terms{"p/m": terms, "p/n": terms, "q/m": terms})
		var granted, refused, canceled, failed, settled atomic.Int64
		ways := [][]*llm.Target{targets("p/m"), targets("p/n", "q/m"), targets("p/m", "p/n", "q/m")}
		one := func(i int) {
			rnd := rand.New(rand.NewPCG(uint64(i), 5))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if rnd.IntN(5) == 0 {
				defer time.AfterFunc(time.Duration(rnd.IntN(5000))*time.Millisecond, cancel).Stop()
			}
			call := &llm.Call{Key: fmt.Sprint(rnd.IntN(300)), Class: llm.Class(rnd.IntN(classes)), Start: time.Now()}
			if rnd.IntN(4) == 0 {
				call.Deadline = call.Start.Add(time.Duration(rnd.IntN(10_000)) * time.Millisecond)
			}
			a := Ask{
				Targets: ways[rnd.IntN(len(ways))], Last: rnd.IntN(2) == 0, Weight: 1 + rnd.IntN(3), Bytes: rnd.IntN(20_000),
				Need: llm.Need{Input: rnd.Int64N(1000), Output: rnd.Int64N(500)},
			}
			for {
				g, err := l.q.Acquire(ctx, call, a)
				if err != nil {
					if err.Kind == llm.KindCanceled {
						canceled.Add(1)
					} else {
						refused.Add(1)
					}
					return
				}
				granted.Add(1)
				select {
				case <-time.After(time.Duration(rnd.IntN(400)) * time.Millisecond):
				case <-ctx.Done():
				}
				if rnd.IntN(10) == 0 { // the provider did not want it
					g.Lease.set.Refund(time.Now(), &g.Lease.res, true)
					l.none.Add(-1)
					l.q.Freed(g.Target)
					l.q.Used(g.Receipt, 0, 0)
					failed.Add(1)
					a.Front, a.NotBefore = true, time.Now().Add(time.Duration(rnd.IntN(200))*time.Millisecond)
					continue
				}
				used := llm.Need{Input: a.Need.Input, Output: rnd.Int64N(1000)}
				g.Lease.done(used)
				l.q.Used(g.Receipt, used.Input, used.Output)
				settled.Add(1)
				return
			}
		}
		for i := range n {
			go one(i)
			if i%20 == 0 {
				time.Sleep(20 * time.Second / rate)
			}
		}
		time.Sleep(time.Minute)
		l.check()
		for name, s := range l.sets {
			if r := s.Report(time.Now()); r.InUse != 0 {
				t.Errorf("%s: %d calls under way at the quota", name, r.InUse)
			}
		}
		ended := settled.Load() + refused.Load() + canceled.Load()
		if granted.Load() != settled.Load()+failed.Load() || ended != int64(n) {
			t.Errorf("%d granted, %d settled, %d failed", granted.Load(), settled.Load(), failed.Load())
		}
		for what, count := range map[string]int64{"settled": settled.Load(), "refused": refused.Load(), "canceled": canceled.Load(), "failed": failed.Load()} {
			if count < int64(n/200) {
				t.Errorf("%d %s: the test does not reach it", count, what)
			}
		}
		t.Logf("leaks: of %d calls, %d were served, %d refused, %d canceled and %d came back; all gauges are zero (bar 0)", n, settled.Load(), refused.Load(),
			canceled.Load(), failed.Load())
	})
}

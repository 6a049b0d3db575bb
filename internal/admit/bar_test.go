package admit

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// jain is the index of fairness of Jain et al.: 1 if all are equal.
func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return sum * sum / (float64(len(x)) * squares)
}

// shares runs keys that are always backlogged for a time and returns the tokens of each in the part of the time in which all of them were, divided
// by the keys' weights.
func shares(l *lab, keys []*backlog, callers int, d time.Duration) []float64 {
	ctx, cancel := context.WithCancel(context.Background())
	for i, k := range keys {
		k.run(ctx, l, callers, uint64(i))
	}
	time.Sleep(10 * time.Second) // whatever was idle has been used
	before := make([]int64, len(keys))
	for i, k := range keys {
		before[i] = k.used.Load()
	}
	time.Sleep(d)
	var got []float64
	for i, k := range keys {
		got = append(got, float64(k.used.Load()-before[i])/float64(max(k.weight, 1)))
	}
	cancel()
	time.Sleep(time.Minute)
	l.check()
	return got
}

func sized(input, output int64) func(*rand.Rand) llm.Need {
	return func(r *rand.Rand) llm.Need {
		f := 0.5 + r.Float64()
		return llm.Need{Input: int64(float64(input) * f), Output: int64(float64(output) * f)}
	}
}

func spread(x []float64) float64 {
	least, most := x[0], x[0]
	for _, v := range x {
		least, most = min(least, v), max(most, v)
	}
	return most/least - 1
}

func TestBarFairness(t *testing.T) {
	t.Parallel()
	f := func(name string, bar float64, err float64, weights ...int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Default()
				c.MaxWait = time.Hour
				terms := perMinute(0, 6_000_000, limit.Bucket)
				terms.Shape.Burst = time.Second
				l := newLab(t, c, map[string]limit.Terms{"p/m": terms})
				sizes, callers, long := [][2]int64{{80, 20}, {300, 100}, {2000, 1000}, {9000, 3000}}, 600, 90*time.Second // enough callers for the smallest calls to wait
				if raceEnabled || testing.Short() {                                                                       // fewer calls
					sizes, callers, long = [][2]int64{{800, 200}, {1000, 400}, {2000, 1000}, {4000, 1000}}, 50, 30*time.Second
				}
				var keys []*backlog
				for i, w := range weights {
					keys = append(keys, &backlog{
						key: string(rune('a' + i)), weight: w, size: sized(sizes[i][0], sizes[i][1]), err: err,
					})
				}
				got := shares(l, keys, callers, long)
				t.Logf("fairness, %s: tokens by weight differ by %.2f %% (bar %.0f %%), Jain index %.5f (bar 0.999)", name, 100*spread(got), 100*bar,
					jain(got))
				t.Logf("tokens: %.0f", got)
				if spread(got) > bar || jain(got) < 0.999 {
					t.Errorf("tokens by weight: %.0f", got)
				}
			})
		})
	}
	f("equal weights", 0.02, 0, 1, 1, 1, 1)
	f("equal weights, estimates wrong by up to 2x", 0.02, 1, 1, 1, 1, 1)
	f("weights 1:2:4", 0.03, 0, 1, 2, 4)
}

// burst is what TestBarReturns and TestBarOverload send: calls of small keys that come at random.
type burst struct {
	*lab
	started, refused, again, lost atomic.Int64
	wg                            sync.WaitGroup
}

// send sends one call; if it is refused, the caller waits as it was told, in whole seconds or exactly, and comes once more.
func (b *burst) send(key string, rnd *rand.Rand, retry, whole bool) {
	need := llm.Need{Input: 200 + rnd.Int64N(400), Output: 50 + rnd.Int64N(200)}
	length := time.Duration(500+rnd.IntN(1500)) * time.Millisecond
	b.wg.Go(func() {
		for first := true; ; first = false {
			g, err := b.q.Acquire(context.Background(), &llm.Call{Key: key, Start: time.Now()}, Ask{Targets: targets("p/m"), Last: true, Need: need})
			if err == nil {
				b.started.Add(1)
				if !first {
					b.again.Add(1)
				}
				time.Sleep(length)
				g.Lease.done(need)
				b.q.Used(g.Receipt, need.Input, need.Output)
				return
			}
			if !first || !retry {
				b.lost.Add(1)
				return
			}
			b.refused.Add(1)
			d := err.RetryAfter
			if whole { // as in a Retry-After header
				d = (d + time.Second - 1).Truncate(time.Second)
			}
			time.Sleep(d)
		}
	})
}

// TestBarReturns sends ten seconds' worth of a quota within one second to a queue that lets calls wait for two seconds.
func TestBarReturns(t *testing.T) {
	t.Parallel()
	f := func(name string, terms limit.Terms, told, whole bool, left float64) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Default()
				c.MaxWait = 2 * time.Second
				if left > 0 {
					c.MaxWait, c.MaxQueue = time.Minute, 300
				}
				terms.Shape.Burst = 2 * time.Second
				b := &burst{lab: newLab(t, c, map[string]limit.Terms{"p/m": terms})}
				if told {
					b.q.SetCapacity(func(*llm.Target, llm.Class) limit.Capacity { return limit.Capacity{Calls: 150, CallsLeft: left} })
				}
				rnd := rand.New(rand.NewPCG(1, 2))
				for range 1500 {
					b.send(string(rune('a'+rnd.IntN(26))), rnd, true, whole)
					time.Sleep(time.Second / 1500)
				}
				b.wg.Wait()
				part := float64(b.again.Load()) / float64(b.refused.Load())
				t.Logf("returns, %s: %.1f %% of %d refused calls are served when they come back as told (bar 95 %%)", name, 100*part, b.refused.Load())
				if b.refused.Load() < 500 || part < 0.95 {
					t.Errorf("%d refused, %d served at their return", b.refused.Load(), b.again.Load())
				}
				time.Sleep(time.Minute)
				b.check()
			})
		})
	}
	f("bucket", perMinute(9000, 0, limit.Bucket), false, false, 0)
	f("bucket, capacity known", perMinute(9000, 0, limit.Bucket), true, false, 0)
	f("bucket of tokens", perMinute(0, 9000*525, limit.Bucket), false, false, 0)
	f("bucket of tokens, whole seconds", perMinute(0, 9000*525, limit.Bucket), false, true, 0)
	// The queue is full, and what is thought to be left is not for those who come back.
	f("bucket, full queue, some thought to be left", perMinute(9000, 0, limit.Bucket), true, true, 600)
	f("slices", perMinute(9000, 0, limit.Slices), false, false, 0)
	f("slices, capacity known, whole seconds", perMinute(9000, 0, limit.Slices), true, true, 0)
}

// TestBarOverload sends ten times what a quota allows for a minute.
func TestBarOverload(t *testing.T) {
	t.Parallel()
	f := func(name string, longest int, wait time.Duration) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := Default()
				c.MaxWait, c.MaxQueue = wait, longest
				terms := perMinute(9000, 0, limit.Bucket)
				terms.Shape.Burst = time.Second
				b := &burst{lab: newLab(t, c, map[string]limit.Terms{"p/m": terms})}
				rnd := rand.New(rand.NewPCG(3, 4))
				begin, most, seconds := time.Now(), 0, 60
				if raceEnabled || testing.Short() {
					seconds = 5
				}
				for i := range 1500 * seconds {
					b.send(string(rune('a'+rnd.IntN(26))), rnd, false, false)
					time.Sleep(time.Until(begin.Add(time.Duration(i+1) * time.Second / 1500)))
					most = max(most, int(b.q.waiting.Load()))
				}
				part := float64(b.started.Load()) / float64(150*seconds)
				b.wg.Wait()
				v := b.q.Look(0)
				reasons := map[string]int64{}
				for _, r := range v.Refused {
					reasons[r.Reason] += r.Calls
				}
				t.Logf("overload, %s: goodput %.2f %% of capacity at 10x load for %d s (bar 98 %%); at most %d calls waiting (bound %d); refused: %v", name,
					100*part, seconds, most, c.MaxQueue, reasons)
				if part < 0.98 || most > c.MaxQueue {
					t.Errorf("%d started, %d waited", b.started.Load(), most)
				}
				if kept := len(b.q.spare.tenants.all) + len(b.q.tenants); kept > 3*26 {
					t.Errorf("%d keys are kept, of 26", kept)
				}
				time.Sleep(time.Minute)
				b.check()
			})
		})
	}
	f("bounded by length", 500, 5*time.Second)
	f("bounded by wait", 10_000, 5*time.Second)
}

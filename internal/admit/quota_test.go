package admit

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// stage is a lab with named calls, which end at once.
type stage struct {
	*lab

	mu   sync.Mutex // guards the rest
	all  []begun
	errs map[string]*llm.Error
	got  map[string]Grant[*holding]
}

// begun is a call that has started, and when among others.
type begun struct {
	name string
	at   int64
}

func onStage(t *testing.T, c Config, quotas map[string]limit.Terms, f func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{lab: newLab(t, c, quotas), errs: map[string]*llm.Error{}, got: map[string]Grant[*holding]{}}
		f(s)
		time.Sleep(3 * time.Minute)
		s.check()
	})
}

// call sends a call that needs so many tokens, and returns when it has started, waits or is refused.
func (s *stage) call(ctx context.Context, name string, c *llm.Call, tokens int64, a Ask) {
	c.Start = time.Now()
	a.Need = llm.Need{Input: tokens}
	if a.Targets == nil {
		a.Targets, a.Last = targets("p/m"), true
	}
	go func() {
		g, err := s.q.Acquire(ctx, c, a)
		s.mu.Lock()
		if err != nil {
			s.errs[name] = err
			s.mu.Unlock()
			return
		}
		s.all = append(s.all, begun{name, g.Lease.at})
		s.got[name] = g
		s.mu.Unlock()
		g.Lease.done(a.Need)
		s.q.Used(g.Receipt, a.Need.Input, 0)
	}()
	synctest.Wait()
}

func (s *stage) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantOrder holds that these calls have started in this order since the last forget.
func (s *stage) wantOrder(want ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.all, func(a, b begun) int { return cmp.Compare(a.at, b.at) }) // calls that start at one time go on in any order
	var order []string
	for _, c := range s.all {
		order = append(order, c.name)
	}
	if !slices.Equal(order, want) {
		s.Errorf("started %v, want %v", order, want)
	}
}

// forget has wantOrder look only at calls that start from now on.
func (s *stage) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

// grant returns what a call got when it started, and err what it was refused with.
func (s *stage) grant(name string) Grant[*holding] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[name]
}

func (s *stage) err(name string) *llm.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs[name]
}

func (s *stage) wantErr(name string, k llm.Kind, retryAfter time.Duration) {
	s.Helper()
	err := s.err(name)
	if err == nil || err.Kind != k || (err.RetryAfter-retryAfter).Abs() > 10*time.Millisecond {
		s.Fatalf("%s: error %v, want %v, retry after %v", name, err, k, retryAfter)
	}
	s.Logf("%s: %v (retry after %v)", name, err, err.RetryAfter)
}

// A head that does not fit into what is left of a window does not keep smaller calls from it, is not delayed by them, and comes first in the next.
func TestLooksBehindShortHead(t *testing.T) {
	t.Parallel()
	c := Default()
	c.MaxWait = 5 * time.Minute
	onStage(t, c, map[string]limit.Terms{"p/m": perMinute(0, 1000, limit.Fixed)}, func(s *stage) {
		s.call(bg(), "first", &llm.Call{Key: "a"}, 600, Ask{})
		s.call(bg(), "big", &llm.Call{Key: "a"}, 700, Ask{})
		s.call(bg(), "big too", &llm.Call{Key: "d"}, 500, Ask{}) // both together are more than a window has
		s.call(bg(), "small", &llm.Call{Key: "b"}, 100, Ask{})
		s.wantOrder("first", "small")
		s.call(bg(), "over", &llm.Call{Key: "c"}, 300, Ask{})
		s.sleep(59 * time.Second)
		s.call(bg(), "small too", &llm.Call{Key: "c"}, 100, Ask{})
		s.wantOrder("first", "small", "over")
		s.sleep(time.Second)
		s.wantOrder("first", "small", "over", "big", "small too")
		if w := s.grant("big").Waited; w != time.Minute {
			s.Errorf("big waited %v, want until the next window", w)
		}
	})
}

// When a call goes that laid claim to a quota, those that it held up are tried at once.
func TestHeadThatLeavesMakesRoom(t *testing.T) {
	t.Parallel()
	bucket := perMinute(0, 6000, limit.Bucket)
	onStage(t, Default(), map[string]limit.Terms{"p/m": bucket, "p/n": bucket}, func(s *stage) {
		s.call(bg(), "first", &llm.Call{}, 5900, Ask{})
		ctx, cancel := context.WithCancel(bg())
		s.call(ctx, "big", &llm.Call{}, 3000, Ask{})
		s.call(bg(), "small", &llm.Call{}, 100, Ask{})
		s.wantOrder("first") // 100 are left, and would delay big by a second
		s.sleep(100 * time.Millisecond)
		cancel()
		synctest.Wait()
		s.wantOrder("first", "small")
		if w := s.grant("small").Waited; w != 100*time.Millisecond {
			s.Errorf("small waited %v", w)
		}

		// The same where the call starts at another of its targets.
		s.sleep(time.Minute)
		s.forget()
		both := Ask{Targets: targets("p/m", "p/n"), Last: true}
		s.call(bg(), "m", &llm.Call{}, 5900, Ask{})
		s.call(bg(), "n", &llm.Call{}, 5900, Ask{Targets: targets("p/n"), Last: true})
		s.call(bg(), "either", &llm.Call{}, 3000, both)
		s.call(bg(), "small", &llm.Call{}, 100, Ask{})
		s.wantOrder("m", "n")
		s.sets["p/n"].Update(time.Now(), limit.Terms{})
		synctest.Wait()
		s.wantOrder("m", "n", "either", "small")
	})
}

// A call whose targets cannot start it in time goes on to the next tier, and if there is none is refused, at once.
func TestShortBeyondPatience(t *testing.T) {
	t.Parallel()
	quotas := map[string]limit.Terms{"p/m": perMinute(0, 1000, limit.Fixed), "q/m": perMinute(0, 1000, limit.Fixed)}
	c := Default()
	c.MaxWait = 20 * time.Second
	onStage(t, c, quotas, func(s *stage) {
		s.call(bg(), "first", &llm.Call{}, 1000, Ask{})
		s.call(bg(), "next tier", &llm.Call{}, 100, Ask{Targets: targets("p/m")})
		s.wantErr("next tier", llm.KindNoHealthyTarget, time.Minute)
		s.call(bg(), "last", &llm.Call{}, 100, Ask{})
		s.wantErr("last", llm.KindDeadline, time.Minute)
		s.call(bg(), "other", &llm.Call{}, 1000, Ask{Targets: targets("p/m", "q/m")})
		s.wantOrder("first", "other")
		s.sleep(45 * time.Second)
		s.call(bg(), "in time", &llm.Call{}, 100, Ask{Targets: targets("p/m")})
		s.call(bg(), "not in time", &llm.Call{Deadline: time.Now().Add(10 * time.Second)}, 100, Ask{Targets: targets("p/m", "q/m")})
		s.wantErr("not in time", llm.KindNoHealthyTarget, 15*time.Second)
		s.call(bg(), "nor is this", &llm.Call{Deadline: time.Now().Add(10 * time.Second)}, 100, Ask{})
		s.wantErr("nor is this", llm.KindDeadline, 15*time.Second)
		s.call(bg(), "just", &llm.Call{Deadline: time.Now().Add(16 * time.Second)}, 900, Ask{})
		s.sleep(16 * time.Second)
		s.wantOrder("first", "other", "just", "in time") // the earlier deadline first
	})
}

// What is told to calls when they come is what happens to them, where the rate is even.
func TestExpectedWait(t *testing.T) {
	t.Parallel()
	terms := perMinute(0, 60_000, limit.Bucket)
	terms.Shape.Burst = time.Second
	onStage(t, Default(), map[string]limit.Terms{"p/m": terms}, func(s *stage) {
		for i := range 40 { // a call every 100 ms is what the quota allows
			s.call(bg(), "", &llm.Call{Key: "a"}, 100, Ask{})
			if i < 35 {
				s.sleep(50 * time.Millisecond)
			}
		}
		f := func(name string, c *llm.Call, position int) {
			s.Helper()
			s.call(bg(), name, c, 100, Ask{})
			s.sleep(6 * time.Second)
			g := s.grant(name)
			if g.Position != position || g.Waited == 0 || (g.Expected-g.Waited).Abs() > g.Waited/5+100*time.Millisecond {
				s.Errorf("%s: position %d (want %d), expected %v, waited %v", name, g.Position, position, g.Expected, g.Waited)
			}
		}
		waiting := int(s.q.waiting.Load())
		if waiting < 5 {
			s.Fatalf("%d wait", waiting)
		}
		f("behind its own", &llm.Call{Key: "a"}, waiting)
		for range 40 {
			s.call(bg(), "", &llm.Call{Key: "a"}, 100, Ask{})
		}
		f("another key", &llm.Call{Key: "b"}, 1)
		for range 40 {
			s.call(bg(), "", &llm.Call{Key: "a"}, 100, Ask{})
		}
		s.call(bg(), "too late", &llm.Call{Key: "a", Deadline: time.Now().Add(500 * time.Millisecond)}, 1000, Ask{})
		s.call(bg(), "late bulk", &llm.Call{Key: "z", Class: llm.Bulk, Deadline: time.Now().Add(time.Second)}, 100, Ask{})
		if e := s.err("late bulk"); e == nil || e.Kind != llm.KindDeadline || e.RetryAfter < 2*time.Second || e.RetryAfter > 12*time.Second {
			s.Errorf("bulk call: %v", e)
		}
	})
}

// Deadlines count within a key, and those that came back go before all others of their class.
func TestDeadlineOrder(t *testing.T) {
	t.Parallel()
	c := Default()
	c.MaxWait = time.Hour
	onStage(t, c, map[string]limit.Terms{"p/m": perMinute(1, 0, limit.Fixed)}, func(s *stage) {
		in := func(d time.Duration) *llm.Call { return &llm.Call{Deadline: time.Now().Add(d)} }
		s.call(bg(), "first", &llm.Call{}, 1, Ask{})
		s.call(bg(), "no deadline", &llm.Call{}, 1, Ask{})
		s.call(bg(), "59 m", in(59*time.Minute), 1, Ask{})
		s.call(bg(), "58 m", in(58*time.Minute), 1, Ask{})
		s.call(bg(), "back", &llm.Call{Key: "b"}, 1, Ask{Front: true})
		s.call(bg(), "bulk", &llm.Call{Class: llm.Bulk}, 1, Ask{Front: true})
		s.sleep(10 * time.Second)
		s.q.mu.Lock()
		s.q.accounts["p"].round++
		var got []int64
		for l := s.q.accounts["p"].lanes[0]; ; {
			n := s.q.behind.next(l, s.q.moves)
			if n == nil {
				break
			}
			got = append(got, n.w.seq)
			n.round = l.account.round
		}
		s.q.mu.Unlock()
		if want := []int64{4, 3, 2, 1, 5}; !slices.Equal(got, want) {
			s.Errorf("order %v, want %v", got, want)
		}
		s.sleep(6 * time.Minute)
	})
}

// A quota of calls that was spent at once comes back within a minute: what nothing has started for meanwhile is no reason to refuse a call.
func TestSpentAtOnceIsNotSlow(t *testing.T) {
	t.Parallel()
	f := func(name string, mode limit.Mode, known bool, before time.Duration) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Default()
			c.MaxWait = 3 * time.Minute
			onStage(t, c, map[string]limit.Terms{"p/m": perMinute(60, 0, mode)}, func(s *stage) {
				if known {
					s.q.SetCapacity(func(*llm.Target, llm.Class) limit.Capacity { return limit.Capacity{Calls: 1} })
				}
				for range 100 { // 60 at once, and the others when the next minute begins
					s.call(bg(), "first", &llm.Call{Key: "a"}, 100, Ask{})
				}
				s.sleep(50 * time.Second)
				for range 40 {
					s.call(bg(), "second", &llm.Call{Key: "a"}, 100, Ask{})
				}
				s.sleep(before)
				for range 15 { // 55 wait, at most, and a minute has 60
					s.call(bg(), "large", &llm.Call{Key: "a"}, 10_000, Ask{})
				}
				s.sleep(4 * time.Minute)
				for name, err := range s.errs {
					s.Errorf("%s: %v", name, err)
				}
			})
		})
	}
	f("sliding, rate known", limit.Sliding, true, 15*time.Second)
	f("sliding, rate not known", limit.Sliding, false, 15*time.Second)
	f("fixed, rate known", limit.Fixed, true, 15*time.Second)
}

// TestWaitJustOverAMinuteIsToldAsOne checks that a wait for a minute's window and its margin is told as a minute: SDKs take no longer one
// seriously, and would come back at once.
func TestWaitJustOverAMinuteIsToldAsOne(t *testing.T) {
	t.Parallel()
	f := func(slack, want time.Duration) {
		t.Helper()
		c := Default()
		c.MaxWait = 30 * time.Second
		terms := perMinute(0, 1000, limit.Sliding)
		terms.Shape.Slack = slack
		onStage(t, c, map[string]limit.Terms{"p/m": terms}, func(s *stage) {
			s.call(context.Background(), "first", call(llm.Interactive), 1000, Ask{})
			synctest.Wait()
			s.call(context.Background(), "next", call(llm.Interactive), 1000, Ask{})
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			if e := s.errs["next"]; e == nil || e.RetryAfter != want {
				t.Errorf("with %v of margin: %v, told %v, want %v", slack, e, e.RetryAfter, want)
			}
		})
	}
	f(0, time.Minute)
	f(500*time.Millisecond, time.Minute)
	f(8*time.Second, 68*time.Second)
}

package admit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

var bg = context.Background

func call(c llm.Class) *llm.Call { return &llm.Call{Class: c, Start: time.Now()} }

// scene is a queue under synctest with named calls.
type scene struct {
	*testing.T
	*fleet
	mu    sync.Mutex // guards the rest
	order []string   // names of calls in the order of their grants
	held  map[string]*lease
	errs  map[string]*llm.Error
	waits map[string]time.Duration
}

// play runs f in a bubble, and after it checks that nothing is left.
func play(t *testing.T, c Config, limits map[string]int, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{
			T: t, fleet: newFleet(c, limits), held: map[string]*lease{}, errs: map[string]*llm.Error{},
			waits: map[string]time.Duration{},
		}
		f(s)
		synctest.Wait()
		for name := range s.held {
			s.release(name)
		}
		if got := s.q.Stats(); got.Waiting != [classes]int64{} || got.Paused != 0 {
			t.Errorf("calls left waiting: %+v", got)
		}
		if n := s.inUse(); n != 0 {
			t.Errorf("%d places left in use", n)
		}
	})
}

// acquire starts a call and returns when it runs, waits or is refused.
func (s *scene) acquire(ctx context.Context, name string, c *llm.Call, a Ask) {
	go func() {
		g, err := s.q.Acquire(ctx, c, a)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.errs[name] = err
			return
		}
		s.order = append(s.order, name+"@"+g.Target.Name)
		s.held[name] = g.Lease
		s.waits[name] = g.Waited
	}()
	synctest.Wait()
}

func (s *scene) eject(t *llm.Target, until time.Time) {
	s.fleet.eject(t, until)
	synctest.Wait()
}

// sleep lets time pass, and what happens in it come to rest.
func (s *scene) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *scene) restore(t *llm.Target) {
	s.fleet.restore(t)
	synctest.Wait()
}

// lease takes the place of a call from it.
func (s *scene) lease(name string) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held[name]
	delete(s.held, name)
	return l
}

func (s *scene) refusal(name string) *llm.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errs[name]
}

func (s *scene) release(name string) {
	s.Helper()
	l := s.lease(name)
	if l == nil {
		s.Fatalf("%s holds no place", name)
	}
	l.done()
	synctest.Wait()
}

func (s *scene) wantOrder(want ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.order); diff != "" {
		s.Errorf("grants (-want +got):\n%s", diff)
	}
}

// wantGranted is wantOrder for calls that are let go at the same instant.
func (s *scene) wantGranted(want ...string) {
	s.Helper()
	s.mu.Lock()
	slices.Sort(s.order)
	s.mu.Unlock()
	slices.Sort(want)
	s.wantOrder(want...)
}

// wantErr checks that a call was refused with a kind, and that the message says what it should.
func (s *scene) wantErr(name string, k llm.Kind, says string, retryAfter time.Duration) {
	s.Helper()
	err := s.refusal(name)
	if err == nil {
		s.Fatalf("%s was not refused", name)
	}
	if err.Kind != k || !strings.Contains(err.Message, says) || err.RetryAfter != retryAfter {
		s.Errorf("%s refused by %v, retry after %v; want %v that says %q, %v", name, err, err.RetryAfter, k, says, retryAfter)
	}
}

func one(names ...string) Ask { return Ask{Targets: targets(names...), Last: true} }

func TestOrder(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 1}, func(s *scene) {
		s.acquire(bg(), "first", call(llm.Bulk), one("p/m"))
		s.acquire(bg(), "bulk1", call(llm.Bulk), one("p/m"))
		s.acquire(bg(), "bulk2", call(llm.Bulk), one("p/other"))
		s.acquire(bg(), "chat1", call(llm.Interactive), one("p/other"))
		s.acquire(bg(), "back", call(llm.Background), one("p/m"))
		s.acquire(bg(), "chat2", call(llm.Interactive), one("p/m"))
		again := one("p/m")
		again.Front = true
		s.acquire(bg(), "again", call(llm.Interactive), again)
		s.acquire(bg(), "again2", call(llm.Interactive), again)
		if got, want := s.q.Stats().Waiting, [classes]int64{4, 1, 2}; got != want {
			t.Errorf("waiting by class = %v, want %v", got, want)
		}
		for _, name := range []string{"first", "again", "again2", "chat1", "chat2", "back", "bulk1"} {
			s.release(name)
		}
		s.wantOrder("first@p/m", "again@p/m", "again2@p/m", "chat1@p/other", "chat2@p/m", "back@p/m", "bulk1@p/m",
			"bulk2@p/other")
	})
}

func TestWhicheverFreesFirst(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"a/m": 1, "b/m": 1}, func(s *scene) {
		s.acquire(bg(), "on a", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "on b", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w1", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w2", call(0), one("a/m", "b/m", "a/m"))
		s.sleep(3 * time.Second)
		s.release("on b")
		s.sleep(time.Second)
		s.release("on a")
		s.wantOrder("on a@a/m", "on b@b/m", "w1@b/m", "w2@a/m")
		if s.waits["w1"] != 3*time.Second || s.waits["w2"] != 4*time.Second || s.waits["on a"] != 0 {
			t.Errorf("waits = %v", s.waits)
		}
	})
}

func TestFullTargetsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 3, "p/m": 1}, func(s *scene) {
		s.acquire(bg(), "m1", call(0), one("p/m"))
		s.acquire(bg(), "m2", call(0), one("p/m"))
		s.acquire(bg(), "n1", call(llm.Bulk), one("p/n"))
		s.acquire(bg(), "q1", call(llm.Bulk), one("q/n"))
		s.acquire(bg(), "n2", call(llm.Bulk), one("p/n"))
		s.acquire(bg(), "n3", call(llm.Bulk), one("p/n"))
		s.release("n1") // m2 is first in line but its target is full
		s.wantOrder("m1@p/m", "n1@p/n", "q1@q/n", "n2@p/n", "n3@p/n")
		s.release("m1")
		s.wantOrder("m1@p/m", "n1@p/n", "q1@q/n", "n2@p/n", "n3@p/n", "m2@p/m")
	})
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	play(t, Config{MaxQueue: 2, MaxWait: time.Minute}, map[string]int{"p": 1}, func(s *scene) {
		s.acquire(bg(), "run", call(0), one("p/m"))
		s.acquire(bg(), "w1", call(0), one("p/m"))
		s.acquire(bg(), "w2", call(0), one("p/m"))
		s.acquire(bg(), "w3", call(0), one("p/m"))
		// Nothing has moved yet, so there is nothing to estimate from.
		s.wantErr("w3", llm.KindQueueFull, "2 calls are waiting, queue.max_calls is 2", time.Minute)
		s.acquire(bg(), "free", call(0), one("q/m")) // a full queue is no reason to refuse a call that need not wait
		s.wantOrder("run@p/m", "free@q/m")
		s.q.Update(Config{MaxQueue: 3, MaxWait: time.Minute})
		s.acquire(bg(), "w4", call(0), one("p/m"))
		for _, name := range []string{"run", "w1", "w2"} {
			s.release(name)
		}
		s.wantOrder("run@p/m", "free@q/m", "w1@p/m", "w2@p/m", "w4@p/m")
	})
}

func TestRetryAfterIsAnEstimate(t *testing.T) {
	t.Parallel()
	play(t, Config{MaxQueue: 20, MaxWait: time.Hour}, map[string]int{"p": 1}, func(s *scene) {
		name := func(i int) string { return string(rune('a' + i)) }
		s.acquire(bg(), "run", call(0), one("p/m"))
		for i := range 20 {
			s.acquire(bg(), name(i), call(0), one("p/m"))
		}
		s.release("run")
		for i := range 10 { // one start in two seconds
			s.sleep(2 * time.Second)
			s.release(name(i))
		}
		for i := range 12 {
			s.acquire(bg(), "late"+name(i), call(0), one("p/m"))
		}
		got := s.errs["late"+name(11)].RetryAfter
		if got < 35*time.Second || got > 45*time.Second { // 21 would wait, 2 s each
			t.Errorf("Retry-After = %v, want about 42 s", got)
		}
		for i := 10; i < 20; i++ {
			s.release(name(i))
		}
		for i := range 11 {
			s.release("late" + name(i))
		}
	})
}

func TestEndsOfWaiting(t *testing.T) {
	t.Parallel()
	c := Config{MaxQueue: 10, MaxWait: 10 * time.Second}
	f := func(name string, deadline, after time.Duration, end error, want llm.Kind, says string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, c, map[string]int{"p": 1}, func(s *scene) {
				s.acquire(bg(), "run", call(0), one("p/m"))
				ctx, cancel := context.WithCancelCause(bg())
				defer cancel(nil)
				if end != nil {
					defer time.AfterFunc(after, func() { cancel(end) }).Stop()
				}
				x := call(0)
				if deadline != 0 {
					x.Deadline = x.Start.Add(deadline)
				}
				s.acquire(ctx, "x", x, one("p/m"))
				s.sleep(after - time.Millisecond)
				synctest.Wait()
				if err := s.refusal("x"); after > 0 && err != nil {
					t.Fatalf("refused too early: %v", err)
				}
				s.sleep(2 * time.Millisecond)
				synctest.Wait()
				var retry time.Duration
				if want == llm.KindDeadline && after > 0 {
					retry = c.MaxWait
				}
				s.wantErr("x", want, says, retry)
			})
		})
	}
	f("max wait", 0, 10*time.Second, nil, llm.KindDeadline, "queue.max_wait (10s)")
	f("deadline", 2*time.Second, 2*time.Second, nil, llm.KindDeadline, "deadline (2s after its arrival)")
	f("deadline that is over", -time.Second, 0, nil, llm.KindDeadline, "deadline (-1s after")
	f("client gone", 0, time.Second, context.Canceled, llm.KindCanceled, "client left")
	f("shutdown", 0, time.Second, llm.Errorf(llm.KindDraining, "going down"), llm.KindDraining, "going down")
	f("total time", 0, time.Second, context.DeadlineExceeded, llm.KindTotalTimeout, "time was over")
	f("other cause", 0, time.Second, errors.New("x"), llm.KindCanceled, "")
}

func TestEndedBeforehand(t *testing.T) {
	t.Parallel()
	play(t, Default(), nil, func(s *scene) {
		ctx, cancel := context.WithCancel(bg())
		cancel()
		s.acquire(ctx, "x", call(0), one("p/m"))
		s.wantErr("x", llm.KindCanceled, "", 0)
	})
}

func TestOutOfUse(t *testing.T) {
	t.Parallel()
	first := func(names ...string) Ask { return Ask{Targets: targets(names...)} }
	play(t, Default(), map[string]int{"b/m": 1}, func(s *scene) {
		s.eject(target("a/m"), time.Now().Add(5*time.Second))
		s.acquire(bg(), "on b", call(0), first("a/m", "b/m"))

		s.acquire(bg(), "refused", call(0), first("a/m"))
		s.wantErr("refused", llm.KindNoHealthyTarget, "(a/m)", 5*time.Second)
		s.acquire(bg(), "last", call(0), one("a/m"))

		// These wait for b, so that there is a queue; the answers must be the same.
		s.acquire(bg(), "w1", call(0), first("b/m"))
		s.acquire(bg(), "w2", call(0), first("a/m", "b/m"))
		s.acquire(bg(), "w3", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "refused too", call(0), first("a/m"))
		s.wantErr("refused too", llm.KindNoHealthyTarget, "(a/m)", 5*time.Second)
		s.acquire(bg(), "last too", call(0), one("a/m"))
		s.wantOrder("on b@b/m", "last@a/m", "last too@a/m")

		// b goes out of use as well: nobody can hope any more. The last tier takes a broken target rather than none.
		s.eject(target("b/m"), time.Now().Add(3*time.Second))
		s.wantErr("w1", llm.KindNoHealthyTarget, "(b/m)", 3*time.Second)
		s.wantErr("w2", llm.KindNoHealthyTarget, "(a/m, b/m)", 3*time.Second)
		s.wantOrder("on b@b/m", "last@a/m", "last too@a/m", "w3@a/m")
	})
}

func TestReopeningWakes(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"a/m": 1, "b/m": 1}, func(s *scene) {
		s.eject(target("a/m"), time.Now().Add(5*time.Second))
		s.acquire(bg(), "on b", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w2", call(0), one("a/m", "b/m"))
		s.sleep(6 * time.Second)
		s.wantOrder("on b@b/m", "w@a/m")
		if s.waits["w"] != 5*time.Second {
			t.Errorf("waited %v, want until the target reopened, 5 s", s.waits["w"])
		}
		s.release("w")
		s.wantOrder("on b@b/m", "w@a/m", "w2@a/m")
	})
}

func TestProbeThatSucceedsWakes(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"b/m": 1}, func(s *scene) {
		s.eject(target("a/m"), time.Time{}) // a probe is under way: nobody knows until when
		s.acquire(bg(), "on b", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w", call(0), one("a/m", "b/m"))
		s.acquire(bg(), "w2", call(0), one("a/m", "b/m"))
		s.restore(target("a/m"))
		s.wantGranted("on b@b/m", "w@a/m", "w2@a/m")
	})
}

// A target that is out of use is found out even if the account has no place, where order alone would not ask it.
func TestOutOfUseInFullAccount(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 1}, func(s *scene) {
		s.acquire(bg(), "run", call(0), one("p/m"))
		s.acquire(bg(), "w", call(0), Ask{Targets: targets("p/m")})
		s.eject(target("p/n"), time.Now().Add(time.Second))
		s.acquire(bg(), "x", call(llm.Bulk), Ask{Targets: targets("p/n")})
		s.wantErr("x", llm.KindNoHealthyTarget, "(p/n)", time.Second)
		s.acquire(bg(), "y", call(llm.Bulk), Ask{Targets: targets("p/o")})
		s.eject(target("p/o"), time.Now().Add(time.Second))
		s.wantErr("y", llm.KindNoHealthyTarget, "(p/o)", time.Second)
		s.release("run")
		s.wantOrder("run@p/m", "w@p/m")
	})
}

func TestPausedTargets(t *testing.T) {
	t.Parallel()
	play(t, Config{MaxQueue: 10, MaxWait: 10 * time.Second}, map[string]int{"p": 2}, func(s *scene) {
		s.rest(target("p/m"), 4*time.Second)
		s.acquire(bg(), "other tier", call(0), Ask{Targets: targets("p/m")})
		s.wantErr("other tier", llm.KindNoHealthyTarget, "(p/m)", 4*time.Second)
		for _, name := range []string{"w1", "w2", "w3"} {
			s.acquire(bg(), name, call(0), one("p/m"))
		}
		short := call(0)
		short.Deadline = time.Now().Add(time.Second)
		s.acquire(bg(), "short", short, one("p/m"))
		s.wantErr("short", llm.KindNoHealthyTarget, "(p/m)", 4*time.Second)
		s.sleep(5 * time.Second)
		s.wantGranted("w1@p/m", "w2@p/m")
		if s.waits["w1"] != 4*time.Second {
			t.Errorf("waited %v, want 4 s", s.waits["w1"])
		}
		s.rest(target("p/m"), time.Hour)
		s.release("w1") // w3 goes on waiting: it has been promised ten seconds
		s.sleep(6 * time.Second)
		s.wantErr("w3", llm.KindDeadline, "queue.max_wait (10s)", time.Hour-5*time.Second)
		s.acquire(bg(), "x", call(0), one("p/m"))
		s.wantErr("x", llm.KindNoHealthyTarget, "(p/m)", time.Hour-6*time.Second)
	})
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	c := Config{MaxQueue: 1, MaxWait: 10 * time.Second}
	play(t, c, map[string]int{"p": 1}, func(s *scene) {
		in := func(d time.Duration) Ask {
			a := one("p/m")
			a.NotBefore = time.Now().Add(d)
			return a
		}
		s.acquire(bg(), "x", call(0), in(2*time.Second))
		if got := s.q.Stats().Paused; got != 1 {
			t.Errorf("paused = %d, want 1", got)
		}
		s.acquire(bg(), "one too many", call(0), in(2*time.Second))
		s.wantErr("one too many", llm.KindQueueFull, "queue.max_calls is 1", 2*time.Second)
		s.acquire(bg(), "too long", call(0), in(time.Minute))
		s.wantErr("too long", llm.KindDeadline, "queue.max_wait is 10s", time.Minute)
		short := call(0)
		short.Deadline = time.Now().Add(time.Second)
		s.acquire(bg(), "too late", short, in(2*time.Second))
		s.wantErr("too late", llm.KindDeadline, "cannot be met", 0)
		s.acquire(bg(), "run", call(0), in(-time.Second))
		s.sleep(3 * time.Second) // x has to wait for run after its pause
		s.release("run")
		s.wantOrder("run@p/m", "x@p/m")
		if s.waits["x"] != 3*time.Second {
			t.Errorf("waited %v, want 3 s", s.waits["x"])
		}

		ctx, cancel := context.WithCancel(bg())
		s.acquire(ctx, "gone", call(0), in(5*time.Second))
		cancel()
		synctest.Wait()
		s.wantErr("gone", llm.KindCanceled, "", 0)
	})
}

func TestFreedEverywhere(t *testing.T) {
	t.Parallel()
	play(t, Default(), map[string]int{"p": 1, "q": 1}, func(s *scene) {
		for _, name := range []string{"p", "q"} {
			s.acquire(bg(), name, call(0), one(name+"/m"))
			s.acquire(bg(), name+"2", call(0), one(name+"/m"))
		}
		s.relimit(map[string]int{"p": 2})
		synctest.Wait()
		if s.held["p2"] == nil || s.held["q2"] == nil {
			t.Errorf("granted %v, want the waiters of both accounts too", s.order)
		}
	})
}

package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Sink that keeps rows, with what may go wrong in a real one.
type memory struct {
	mu     sync.Mutex
	groups []group
	rows   map[string]int      // times each id was stored
	fail   func(try int) error // decides about a try, counted from 1; nil is success
	after  func(try int) error // as fail, but the rows were stored: an outcome that the writer cannot know
	delay  time.Duration       // of each write
	tries  int
}

type group struct {
	at  time.Time
	ids []string
}

func (m *memory) WriteCalls(ctx context.Context, rows []Row) error {
	if m.delay > 0 {
		select {
		case <-time.After(m.delay):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.fail != nil {
		if err := m.fail(m.tries); err != nil {
			return err
		}
	}
	g := group{at: time.Now()}
	for _, r := range rows {
		if m.rows == nil {
			m.rows = make(map[string]int)
		}
		m.rows[r.ID] = 1 // idempotent by id
		g.ids = append(g.ids, r.ID)
	}
	m.groups = append(m.groups, g)
	if m.after != nil {
		return m.after(m.tries)
	}
	return nil
}

// sizes returns how many rows each write had.
func (m *memory) sizes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n []int
	for _, g := range m.groups {
		n = append(n, len(g.ids))
	}
	return n
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running starts l and returns a function that stops it and returns what Run did.
func running(t *testing.T, l *Ledger) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// add reserves and appends n rows.
func add(t *testing.T, l *Ledger, prefix string, n int) {
	t.Helper()
	for i := range n {
		if !l.Reserve() {
			t.Fatalf("no place for row %d of %d", i, n)
		}
		l.Append(&Row{ID: fmt.Sprint(prefix, i)})
	}
}

func TestGroupsByInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := New(m, Config{Interval: 50 * time.Millisecond, Group: 100, Backlog: 1000}, quiet())
		stop := running(t, l)
		start := time.Now()
		at := func(d time.Duration) {
			t.Helper()
			time.Sleep(d - time.Since(start))
			synctest.Wait()
		}
		at(time.Second) // quiet until here
		add(t, l, "a", 1)
		synctest.Wait()
		if got := m.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("after a quiet time: writes of %v rows, want the row at once", got)
		}
		at(time.Second + 10*time.Millisecond)
		add(t, l, "b", 30)
		at(time.Second + 49*time.Millisecond)
		add(t, l, "c", 3)
		synctest.Wait()
		if got := m.sizes(); len(got) != 1 {
			t.Errorf("within the interval: writes of %v rows, want none but the first", got)
		}
		at(time.Second + 50*time.Millisecond)
		if got := m.sizes(); !slices.Equal(got, []int{1, 33}) {
			t.Errorf("after the interval: writes of %v rows, want 1 and 33", got)
		}
		if s := l.Stats(); s != (Stats{Backlog: 0, Written: 34}) {
			t.Errorf("stats = %+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFullGroupDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := New(m, Config{Interval: time.Hour, Group: 10, Backlog: 1000}, quiet())
		stop := running(t, l)
		add(t, l, "first", 1)
		synctest.Wait() // the interval begins
		add(t, l, "a", 9)
		synctest.Wait()
		if got := m.sizes(); !slices.Equal(got, []int{1}) {
			t.Fatalf("writes of %v rows, want 1", got)
		}
		add(t, l, "b", 1)
		synctest.Wait()
		if got := m.sizes(); !slices.Equal(got, []int{1, 10}) {
			t.Fatalf("writes of %v rows, want 1 and a full group", got)
		}
		add(t, l, "c", 37)
		synctest.Wait()
		for _, n := range m.sizes() {
			if n > 10 {
				t.Errorf("a write of %d rows, groups have 10", n)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(m.rows) != 48 {
			t.Errorf("%d rows stored, want 48", len(m.rows))
		}
	})
}

// TestRowIsDurableInTime holds the promise on which kill -9 rests: a row is written within an interval and two writes,
// the one under way and its own.
func TestRowIsDurableInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const interval, write = 50 * time.Millisecond, 30 * time.Millisecond
		m := &memory{delay: write}
		l := New(m, Config{Interval: interval, Group: 1000, Backlog: 100_000}, quiet())
		stop := running(t, l)
		appended := make(map[string]time.Time)
		for i := range 2000 {
			id := fmt.Sprint(i)
			if !l.Reserve() {
				t.Fatal("no place")
			}
			appended[id] = time.Now()
			l.Append(&Row{ID: id})
			time.Sleep(time.Duration(i%7) * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		var worst time.Duration
		for _, g := range m.groups {
			for _, id := range g.ids {
				worst = max(worst, g.at.Sub(appended[id]))
			}
		}
		if worst > interval+write {
			t.Errorf("a row was durable %v after Append, want at most %v", worst, interval+write)
		}
		if len(m.rows) != 2000 {
			t.Errorf("%d rows stored, want 2000", len(m.rows))
		}
	})
}

func TestFailingSinkLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		m := &memory{fail: func(int) error {
			if broken.Load() {
				return errors.New("disk is full")
			}
			return nil
		}}
		l := New(m, Config{Interval: 50 * time.Millisecond, Group: 4, Backlog: 20}, quiet())
		stop := running(t, l)
		add(t, l, "a", 18)
		if l.Full() || !l.Reserve() || !l.Reserve() {
			t.Fatal("two places must be left")
		}
		if !l.Full() {
			t.Error("Full is false with all places taken")
		}
		if l.Reserve() {
			t.Error("Reserve gave a place beyond the backlog")
		}
		time.Sleep(time.Hour)
		if s := l.Stats(); s.Backlog != 20 || s.Written != 0 || s.Failed < 3600/6 || s.Failed > 3600 {
			t.Errorf("stats after an hour of failures = %+v, want all places taken and a try every few seconds", s)
		}
		l.Release()
		l.Append(&Row{ID: "late"}) // the reserved place is good, come what may
		if !l.Reserve() {
			t.Error("no place after Release")
		}
		l.Release()
		broken.Store(false)
		time.Sleep(maxBackoff + time.Second)
		if s := l.Stats(); s.Backlog != 0 || s.Written != 19 {
			t.Errorf("stats after recovery = %+v, want all 19 rows written", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(m.rows) != 19 {
			t.Errorf("%d rows stored, want 19", len(m.rows))
		}
	})
}

func TestUnknownOutcomeIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{after: func(try int) error {
			if try == 1 {
				return errors.New("connection lost after commit")
			}
			return nil
		}}
		l := New(m, Config{Group: 10}, quiet())
		stop := running(t, l)
		add(t, l, "a", 3)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(m.groups) != 2 || !slices.Equal(m.groups[0].ids, m.groups[1].ids) {
			t.Errorf("writes %v, want the same group twice", m.groups)
		}
		if s := l.Stats(); s.Written != 3 || s.Failed != 1 || s.Backlog != 0 {
			t.Errorf("stats = %+v", s)
		}
	})
}

func TestStopFlushes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{delay: 20 * time.Millisecond}
		l := New(m, Config{Interval: time.Hour, Group: 10}, quiet())
		stop := running(t, l)
		add(t, l, "a", 1)
		time.Sleep(10 * time.Millisecond) // the first write is under way and must not be cut short
		add(t, l, "b", 35)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if s := l.Stats(); s != (Stats{Written: 36}) {
			t.Errorf("stats = %+v, want 36 rows written and no failed try", s)
		}
	})
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	f := func(name string, m *memory) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := New(m, Config{Group: 10}, quiet())
				stop := running(t, l)
				add(t, l, "a", 25)
				time.Sleep(time.Minute)
				start := time.Now()
				err := stop()
				if err == nil || !strings.Contains(err.Error(), "25 rows not written") {
					t.Errorf("error = %v, want one that counts 25 rows", err)
				}
				if d := time.Since(start); d > flushTime+time.Second || d < flushTime/2 {
					t.Errorf("Run took %v to give up, want about %v", d, flushTime)
				}
			})
		})
	}
	f("sink fails", &memory{fail: func(int) error { return errors.New("disk is full") }})
	f("sink hangs", &memory{delay: 1000 * time.Hour})
}

func TestSinkBackWhileStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := &memory{fail: func(int) error {
			if time.Since(start) < 64*time.Second {
				return errors.New("server restarts")
			}
			return nil
		}}
		l := New(m, Config{Group: 10}, quiet())
		stop := running(t, l)
		add(t, l, "a", 25)
		time.Sleep(60 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > 65*time.Second {
			t.Errorf("rows were written %v after the start, want soon after 64s", d)
		}
	})
}

func TestSettlingTwicePanics(t *testing.T) {
	t.Parallel()
	l := New(&memory{}, Config{}, quiet())
	l.Reserve()
	l.Release()
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "BUG:") {
			t.Errorf("panic = %v, want a BUG", p)
		}
	}()
	l.Release()
}

func TestIdleLedgerSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := New(m, Config{Group: 4}, quiet())
		stop := running(t, l)
		add(t, l, "a", 9)
		time.Sleep(24 * time.Hour)
		if n := len(m.sizes()); n != 3 {
			t.Errorf("%d writes in a day with 9 rows, want 3", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestEveryPlaceIsSettledOnce runs random calls against a sink that fails at random, in many goroutines: never more
// places than the backlog, each row stored, no place left over.
func TestEveryPlaceIsSettledOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		backlog := rapid.IntRange(1, 40).Draw(rt, "backlog")
		size := rapid.IntRange(1, 10).Draw(rt, "group")
		failures := rapid.SliceOfN(rapid.IntRange(0, 2), 0, 20).Draw(rt, "failures")
		calls := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 200).Draw(rt, "calls")
		workers := rapid.IntRange(1, 8).Draw(rt, "workers")
		synctest.Test(t, func(t *testing.T) {
			outcome := func(kind int) func(int) error {
				return func(try int) error {
					if try <= len(failures) && failures[try-1] == kind {
						return errors.New("sink fails")
					}
					return nil
				}
			}
			m := &memory{fail: outcome(1), after: outcome(2), delay: 3 * time.Millisecond}
			l := New(m, Config{Interval: 20 * time.Millisecond, Group: size, Backlog: backlog}, quiet())
			stop := running(t, l)
			var appended, refused atomic.Int64
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for i := w; i < len(calls); i += workers {
						if !l.Reserve() {
							refused.Add(1)
							continue
						}
						time.Sleep(time.Duration(calls[i]) * time.Millisecond)
						if calls[i] == 2 {
							l.Release()
							continue
						}
						l.Append(&Row{ID: fmt.Sprint(i)})
						appended.Add(1)
						if n := l.Stats().Backlog; n > int64(backlog+workers) {
							t.Errorf("%d places taken, the backlog has %d", n, backlog)
						}
					}
				})
			}
			wg.Wait()
			time.Sleep(10 * time.Minute)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if s := l.Stats(); s.Backlog != 0 || s.Written != appended.Load() {
				t.Errorf("stats = %+v, want no place taken and %d rows written", s, appended.Load())
			}
			if int64(len(m.rows)) != appended.Load() {
				t.Errorf("%d rows stored, %d appended", len(m.rows), appended.Load())
			}
			for range backlog {
				if !l.Reserve() {
					t.Error("a place of the backlog is lost")
				}
			}
		})
	})
}

// TestAppendAllocatesNothing holds the cost of a row on the path of a call.
func TestAppendAllocatesNothing(t *testing.T) {
	l := New(&memory{}, Config{Group: 512, Backlog: 1 << 30}, quiet())
	for range 3 * 512 { // warm: chunks as in steady use
		l.Reserve()
		l.Append(&Row{ID: "x"})
	}
	for _, c := range l.take() {
		l.settle(c)
	}
	r := &Row{ID: "x"}
	if n := testing.AllocsPerRun(1000, func() { l.Reserve(); l.Append(r) }); n > 0 {
		t.Errorf("%v allocations per row, want none", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	run := func(b *testing.B, each func(l *Ledger, r *Row)) {
		l := New(discard{}, Config{Backlog: 1 << 30}, quiet())
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		r := &Row{ID: "req_0123456789", Key: "team-a", Model: "gpt-4o", Target: "openai/gpt-4o"}
		b.ReportAllocs()
		each(l, r)
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		run(b, func(l *Ledger, r *Row) {
			for b.Loop() {
				l.Reserve()
				l.Append(r)
			}
		})
	})
	b.Run("parallel", func(b *testing.B) {
		run(b, func(l *Ledger, r *Row) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Reserve()
					l.Append(r)
				}
			})
		})
	})
}

// discard is a Sink that costs nothing.
type discard struct{}

func (discard) WriteCalls(context.Context, []Row) error { return nil }

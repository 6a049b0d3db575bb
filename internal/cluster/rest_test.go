package cluster

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/testenv"
)

const wholeDay = 600 // requests

// daily is a replica with a day's limit, which it spends one request at a time.
type daily struct {
	c      *Cluster
	set    *limit.Set
	listed atomic.Bool
	end    func()
}

func newDaily(t *testing.T, url string, replicas int) *daily {
	t.Helper()
	now := time.Now()
	d := &daily{set: limit.NewSet(now, "q", limit.Terms{Limits: []limit.Limit{{Dim: limit.Requests, Amount: wholeDay, Per: 24 * time.Hour}}})}
	d.listed.Store(true)
	var err error
	d.c, err = New(Options{
		URL: llm.NewSecret(url), Replicas: replicas, Prefix: "test-" + t.Name(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Quotas: func() []limit.Member {
			if !d.listed.Load() {
				return nil
			}
			return []limit.Member{d.set}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.c.Run(ctx) }()
	d.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(d.end)
	return d
}

// one spends a request if it may.
func (d *daily) one() bool {
	var r limit.Reservation
	now := time.Now()
	if a, _ := d.set.Reserve(now, &limit.Try{}, &r); a != limit.Granted {
		return false
	}
	d.set.Settle(now, &r, llm.Usage{}, true)
	return true
}

// refreshed waits until a replica has asked Redis n more times.
func (d *daily) refreshed(t *testing.T, n int64) {
	t.Helper()
	want := d.c.Status().Refreshes + n
	await(t, "refreshes", func() bool { return d.c.Status().Refreshes >= want })
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 20s for %s", what)
		}
	}
}

// spend has replicas spend until they have spent so much together, or nothing could be spent for a while.
func spend(all []*daily, most int) (n int) {
	for last := time.Now(); n < most && time.Since(last) < 1500*time.Millisecond; <-time.After(time.Millisecond) {
		for _, d := range all {
			if n < most && d.one() {
				n++
				last = time.Now()
			}
		}
	}
	return n
}

func today(t *testing.T) {
	t.Helper()
	if left := periodEnd(24*time.Hour, time.Now()); time.Until(left) < time.Minute {
		<-time.After(time.Until(left)) // else the day begins anew in the middle of the test
	}
}

// TestADayIsSpentOnce: what was spent before Redis was lost is not spent again, whoever has spent it, nor when Redis comes back with nothing in it, or
// with what it knew some time ago.
func TestADayIsSpentOnce(t *testing.T) {
	t.Parallel()
	f := func(name string, fault func(t *testing.T, s *testenv.RedisServer, all []*daily, total *int)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			today(t)
			server := testenv.StartRedis(t)
			var all []*daily
			for range 3 {
				all = append(all, newDaily(t, server.URL, 3))
			}
			for _, d := range all {
				await(t, "3 replicas", func() bool { s := d.c.Status(); return s.Connected && s.Replicas == 3 })
				d.refreshed(t, 3)
			}
			total := spend(all[:1], 300)
			if total != 300 {
				t.Fatalf("one replica of three could spend %d, want 300", total)
			}
			for _, d := range all {
				d.refreshed(t, 3)
			}
			fault(t, server, all, &total)
			total += spend(all, wholeDay)
			t.Logf("%d of %d were spent", total, wholeDay)
			if total > wholeDay || total < wholeDay*95/100 {
				t.Errorf("%d of %d were spent in the end, want all, once", total, wholeDay)
			}
		})
	}
	connected := func(t *testing.T, all []*daily, want bool) {
		t.Helper()
		for _, d := range all {
			await(t, "the connection", func() bool { return d.c.Status().Connected == want })
		}
	}
	f("killed", func(t *testing.T, s *testenv.RedisServer, all []*daily, total *int) {
		s.Kill()
		connected(t, all, false)
		n := spend(all, wholeDay)
		if n > 300 || n < 200 {
			t.Errorf("without Redis %d of 300 were spent, want most and no more", n)
		}
		*total += n
		s.Start() // empty
		connected(t, all, true)
		for _, d := range all {
			d.refreshed(t, 12)
		}
	})
	f("one at work", func(t *testing.T, s *testenv.RedisServer, all []*daily, total *int) {
		s.Kill()
		connected(t, all, false)
		n := spend(all[:1], wholeDay)
		if n > 150 || n < 80 {
			t.Errorf("one replica spent %d without Redis, want a third of 300, and what it held", n)
		}
		*total += n
		s.Start()
		connected(t, all, true)
	})
	f("emptied when the spender is idle", func(t *testing.T, s *testenv.RedisServer, all []*daily, total *int) {
		for _, d := range all {
			d.listed.Store(false)
		}
		all[0].refreshed(t, 3)
		s.Flush()
		all[0].refreshed(t, 12)
		for _, d := range all[1:] {
			d.listed.Store(true)
			d.refreshed(t, 3)
		}
		*total += spend(all[1:], wholeDay)
		all[0].listed.Store(true)
		all[0].refreshed(t, 3)
	})
	f("restored from long ago", func(t *testing.T, _ *testenv.RedisServer, all []*daily, total *int) {
		client, ctx := all[0].c.conn.client, t.Context()
		keys := []string{all[0].c.key("q"), all[0].c.o.Prefix + ":{replicas}:v1"}
		old := map[string]string{}
		for _, k := range keys {
			v, err := client.Dump(ctx, k).Result()
			if err != nil {
				t.Fatal(err)
			}
			old[k] = v
		}
		*total += spend(all, 200)
		all[0].refreshed(t, 3)
		for _, k := range keys {
			if err := client.RestoreReplace(ctx, k, 0, old[k]).Err(); err != nil {
				t.Fatal(err)
			}
		}
		all[0].refreshed(t, 3)
	})
}

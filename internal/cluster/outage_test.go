package cluster

import (
	"sync"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/testenv"
)

// crew is four replicas that spend one quota of slices, with a server of their own.
type crew struct {
	server *testenv.RedisServer
	p      *provider
	all    []*replica
	ends   []func()
}

func newCrew(t *testing.T, shape limit.Shape, concurrency int, took time.Duration) *crew {
	t.Helper()
	terms := limit.Terms{
		Limits: []limit.Limit{{Dim: limit.Requests, Amount: 9000, Per: time.Minute}, {Dim: limit.Tokens, Amount: 4_200_000, Per: time.Minute}},
		Shape:  shape, Concurrency: concurrency,
	}
	c := &crew{server: testenv.StartRedis(t), p: &provider{terms: terms}}
	stop, wg := make(chan struct{}), new(sync.WaitGroup)
	for i := range 4 {
		r := start(t, c.server.URL, "", "p/*", terms, time.Duration(i)*time.Minute)
		c.all = append(c.all, r)
		c.ends = append(c.ends, r.run(t))
		load(c.p, r.m, uint64(i), mixed, took, stop, wg)
	}
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		for _, end := range c.ends {
			end()
		}
	})
	return c
}

// span lets time pass and returns the largest use of a window until then, and the use of the quota in that time.
func (c *crew) span(d time.Duration) (most, used float64) {
	from := time.Now()
	<-time.After(d)
	return c.p.judge(from, from.Add(d))
}

// await waits until all replicas say whether they are connected.
func (c *crew) await(t *testing.T, connected bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		n := 0
		for _, r := range c.all {
			if r.c.Status().Connected == connected {
				n++
			}
		}
		if n == len(c.all) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d replicas say connected=%v", n, len(c.all), connected)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func bySecond() limit.Shape { return limit.Shape{Mode: limit.Slices, Anchor: time.Unix(1_000_000, 0)} }

func (c *crew) check(t *testing.T, what string, d time.Duration, least float64) {
	t.Helper()
	most, used := c.span(d)
	t.Logf("%s: most of a window so far %.4f, used %.4f", what, most, used)
	if most > c.p.bound(t, what) {
		t.Errorf("%s: %.2f%% of the limit in one window", what, 100*most)
	}
	if used < least {
		t.Errorf("%s: %.2f%% of the limit was used, want at least %.0f%%", what, 100*used, 100*least)
	}
}

// TestRedisIsKilledAndComesBackEmpty: nobody waits for Redis, no window is exceeded, and the quota is used again.
func TestRedisIsKilledAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	c := newCrew(t, bySecond(), 0, 0)
	c.await(t, true)
	<-time.After(2 * time.Second)
	c.server.Kill()
	c.await(t, false)
	c.check(t, "without Redis", 3*time.Second, 0.5)
	if n := c.all[0].c.Status().Replicas; n != 4 {
		t.Errorf("reckons with %d replicas, want 4", n)
	}
	c.server.Start()
	c.await(t, true)
	c.check(t, "Redis comes back", 2*time.Second, 0)
	c.check(t, "after that", 4*time.Second, 0.6)
}

// TestRedisIsEmptied: the budget of the window is not handed out again.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	for name, shape := range map[string]limit.Shape{"sliding": {Mode: limit.Sliding, Window: 2 * time.Second}, "slices": bySecond()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, shape, 0, 0)
			c.await(t, true)
			<-time.After(4 * time.Second)
			c.server.Flush()
			c.check(t, "emptied", 5*time.Second, 0.3)
			c.check(t, "after that", 8*time.Second, 0.6)
		})
	}
}

// TestRedisHangs: replicas notice within a second, and go by their own share.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	c := newCrew(t, bySecond(), 0, 0)
	c.await(t, true)
	<-time.After(2 * time.Second)
	thaw := c.server.Freeze()
	c.await(t, false)
	c.check(t, "frozen", 3*time.Second, 0.5)
	thaw()
	c.await(t, true)
	c.check(t, "thawed", 4*time.Second, 0.3)
}

// TestDeadReplicasShareIsFree: what a replica held when it died is used by the others soon: its lease ends by itself.
func TestDeadReplicasShareIsFree(t *testing.T) {
	t.Parallel()
	c := newCrew(t, bySecond(), 12, 100*time.Millisecond)
	c.await(t, true)
	<-time.After(3 * time.Second)
	dead := c.all[3].m
	dead.mu.Lock()
	dead.dead = true // starts nothing any more, and nobody tells Redis
	dead.mu.Unlock()
	if err := c.all[3].c.conn.client.Close(); err != nil {
		t.Fatal(err)
	}
	died := time.Now()
	for {
		under := 0
		for _, r := range c.all[:3] {
			r.m.mu.Lock()
			under += r.m.g.Concurrency
			r.m.mu.Unlock()
		}
		if under >= 11 { // one may be on its way between two of them
			t.Logf("the others have all places %v after its end", time.Since(died).Round(10*time.Millisecond))
			break
		}
		if time.Since(died) > 10*time.Second {
			t.Fatalf("the others may have %d calls under way, want 12", under)
		}
		<-time.After(10 * time.Millisecond)
	}
	c.p.mu.Lock()
	most := c.p.most
	c.p.mu.Unlock()
	if most > 12 {
		t.Errorf("%d calls were under way at once, limit 12", most)
	}
}

package cluster

import (
	"strings"
	"testing"
	"time"
)

// TestClock: the offset is that of the best sample, a server whose clock jumps is believed at once, and local times are of the monotonic clock,
// so that setting this machine's clock moves no window.
func TestClock(t *testing.T) {
	t.Parallel()
	var c clock
	begun := time.Now()
	f := func(at, took time.Duration, shown time.Time, want, within time.Duration) {
		t.Helper()
		sent := begun.Add(at)
		c.observe(sent, sent.Add(took), shown)
		offset, bound := c.offset(sent.Add(took))
		if (offset-want).Abs() > within || bound < within || bound > within+2*time.Millisecond {
			t.Errorf("offset %v, error %v; want %v, error %v", offset, bound, want, within)
		}
	}
	hour := begun.Round(0).Add(time.Hour)
	f(0, 80*time.Millisecond, hour.Add(10*time.Millisecond), time.Hour-30*time.Millisecond, 40*time.Millisecond)
	if c.sure(begun.Add(80 * time.Millisecond)) {
		t.Error("sure of the time to 40 ms")
	}
	f(time.Second, 2*time.Millisecond, hour.Add(1001*time.Millisecond), time.Hour, time.Millisecond)
	f(2*time.Second, 60*time.Millisecond, hour.Add(2055*time.Millisecond), time.Hour, time.Millisecond)
	f(3*time.Second, 20*time.Millisecond, hour.Add(-2*time.Hour).Add(3010*time.Millisecond), -time.Hour, 10*time.Millisecond)
	if !c.sure(begun.Add(4 * time.Second)) {
		t.Error("not sure of the time to 10 ms")
	}
	now := begun.Add(4 * time.Second)
	at, _ := c.local(c.server(now, now).UnixMilli(), now)
	if d := at.Sub(now).Abs(); d > time.Millisecond || !strings.Contains(at.String(), "m=") {
		t.Errorf("local time %v is %v from %v, or has no monotonic reading", at, d, now)
	}
}

package admit

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

// TestRefusalsShowTheDifference: who reads why a call was refused sees that one figure is over the other.
func TestRefusalsShowTheDifference(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	f := func(name string, p func(*patience), wait time.Duration, want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				call := &llm.Call{Start: time.Now().Add(-3 * ms)}
				own := patience{call: call, max: time.Minute, name: "queue.max_wait", end: time.Now().Add(time.Minute)}
				p(&own)
				if got := own.outOfReach(wait).Message; got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		})
	}
	due := func(d time.Duration) func(*patience) {
		return func(p *patience) {
			p.due = true
			p.call.Deadline = p.call.Start.Add(d)
			p.end = p.call.Deadline
		}
	}
	f("far over", func(*patience) {}, 90*time.Second, "the call would have to wait 1m30s, queue.max_wait is 1m0s")
	f("half a second", func(*patience) {}, 60500*ms, "the call would have to wait 1m0.5s, queue.max_wait is 1m0s")
	f("a hair", func(*patience) {}, time.Minute+time.Microsecond, "the call would have to wait 1m0.1s, queue.max_wait is 1m0s")
	f("not even that", func(*patience) {}, time.Minute, "the call would have to wait 1m0.1s, queue.max_wait is 1m0s")
	f("deadline", due(5*time.Second), 4998*ms, "the call would have to wait 5s, its deadline is in 4.997s (5s after its arrival)")
	f("deadline, just as long", due(5*time.Second), 4997*ms, "the call would have to wait 5s, its deadline is in 4.997s (5s after its arrival)")
	f("short deadline", due(50*ms), 48*ms, "the call would have to wait 48ms, its deadline is in 47ms (50ms after its arrival)")
}

package limit

import (
	"testing"
	"time"

	"sluice/internal/llm"
)

func TestPauseAfterRefusal(t *testing.T) {
	t.Parallel()
	// A call is refused 300 ms after half of the limit was used, at 12.3 s of a minute; the refusal takes 10 ms.
	f := func(name string, sh Shape, stated, want time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := zero().Add(12 * time.Second)
			s := NewSet(now, "q", Terms{Limits: []Limit{minute(Requests, 600)}, Shape: sh})
			for range 5 {
				if a, _ := s.Reserve(now, tokens(1), &Reservation{}); a != Granted {
					t.Fatal("cannot take half of a second's part")
				}
				now = now.Add(100 * time.Millisecond)
			}
			now = now.Add(300 * time.Millisecond)
			var r, more Reservation
			s.Reserve(now, tokens(1), &r)
			s.Reserve(now, tokens(1), &more)
			now = now.Add(10 * time.Millisecond)
			s.Refused(now, &r, stated)
			s.Refund(now, &r, true)
			if more.set != nil {
				s.Refused(now, &more, time.Minute) // was under way, and changes nothing
				s.Refund(now, &more, true)
			}
			if got := waits(s, now); got != want {
				t.Errorf("the next call starts after %v, want %v", got, want)
			}
		})
	}
	anchored := func(m Mode) Shape { return Shape{Mode: m, Anchor: zero()} }
	f("the rest of a slice", anchored(Slices), time.Second, 190*time.Millisecond)
	f("slices that begin nobody knows when", Shape{Mode: Slices}, time.Second, 40*time.Millisecond)
	f("a bucket is empty", Shape{Mode: Bucket}, 7*time.Second, 100*time.Millisecond)
	f("fixed, to the end of the window", anchored(Fixed), 48*time.Second, 47190*time.Millisecond)
	f("fixed, another time than the window's end", anchored(Fixed), 20*time.Second, 19100*time.Millisecond)
	f("sliding", Shape{Mode: Sliding}, 20*time.Second, 19100*time.Millisecond)
	f("sliding, about to fit", Shape{Mode: Sliding}, time.Second, leastPause)
	f("sliding, nothing stated", Shape{Mode: Sliding}, 0, leastPause)
}

// waits returns how long it takes until a call starts that asks again whenever it is told to.
func waits(s *Set, now time.Time) time.Duration {
	at := now
	for at.Sub(now) < time.Hour {
		a, until := s.Reserve(at, tokens(1), &Reservation{})
		if a == Granted {
			break
		}
		at = until
	}
	return at.Sub(now)
}

// After a pause that may be too short few calls start at once.
func TestPauseEndsSlowly(t *testing.T) {
	t.Parallel()
	now := zero()
	s := NewSet(now, "q", Terms{Limits: []Limit{minute(Requests, 6000)}, Shape: Shape{Mode: Sliding}})
	var last time.Duration
	for pauses := range 10 {
		var r Reservation
		now = now.Add(waits(s, now)) // which takes a call
		now = now.Add(waits(s, now))
		if a, until := s.Reserve(now, tokens(1), &r); a != Granted {
			now = until
			s.Reserve(now, tokens(1), &r)
		}
		s.Refused(now.Add(5*time.Millisecond), &r, time.Second)
		now = now.Add(5 * time.Millisecond)
		s.Refund(now, &r, true)
		_, until := s.Reserve(now, tokens(1), &Reservation{})
		if d := until.Sub(now); d > time.Second || d < last {
			t.Errorf("pause %d lasts %v, the one before %v", pauses, d, last)
		}
		last = until.Sub(now)
	}
	now = now.Add(last)
	for _, want := range []int{1, 1, 2, 4, 8, 16} {
		n := 0
		for ; n < 100; n++ {
			if a, _ := s.Reserve(now, tokens(1), &Reservation{}); a != Granted {
				break
			}
		}
		if n != want {
			t.Errorf("%d start at once, want %d", n, want)
		}
		now = now.Add(leastStep)
	}
}

// A provider that counts in seconds which begin nobody knows when is found out by its first refusal, and then used without any.
func TestRefusalTellsWhenSlicesBegin(t *testing.T) {
	t.Parallel()
	const perSecond = 50
	now := zero()
	s := NewSet(now, "q", Terms{Limits: []Limit{minute(Requests, 60*perSecond)}, Shape: Shape{Mode: Slices, Slack: time.Millisecond}})
	provider := fixed{window: int64(time.Second), anchor: now.Add(370 * time.Millisecond).UnixNano()}
	refused, accepted := 0, 0
	delays := []time.Duration{1, 4, 2, 3, 1, 7, 2, 1, 5} // ms until a call arrives
	for i := 0; now.Sub(zero()) < time.Minute; i++ {
		var r Reservation
		a, until := s.Reserve(now, &Try{Need: llm.Need{Input: 1}, Class: llm.Bulk}, &r)
		if a != Granted {
			now = until
			continue
		}
		arrival := now.Add(delays[i%len(delays)] * time.Millisecond)
		if i%200 == 199 { // now and then one is late
			arrival = arrival.Add(30 * time.Millisecond)
		}
		provider.turn(arrival.UnixNano())
		if provider.n < perSecond {
			provider.n++
			s.Settle(now, &r, llm.Usage{Input: 1}, true)
			accepted++
			continue
		}
		refused++
		s.Refused(arrival, &r, time.Second)
		s.Refund(arrival, &r, true)
		now = arrival
	}
	t.Logf("%d accepted of %d, %d refused", accepted, perSecond*60, refused)
	if accepted < perSecond*60*98/100 {
		t.Errorf("%d accepted of %d", accepted, perSecond*60)
	}
	if refused > 6 {
		t.Errorf("%d refused", refused)
	}
	if !s.refusals.anchor.known {
		t.Errorf("the beginning of slices is not known")
	}
}

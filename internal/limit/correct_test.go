package limit

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

func TestCorrect(t *testing.T) {
	t.Parallel()
	// Three calls of 100 of 1000 tokens a minute are sent, at 0 s, 1 s and 2 s; the answer to the second says at 3 s what is left.
	f := func(name string, sh Shape, left, want int64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 1000)}, Shape: sh, Charge: ChargeMax})
			var r [3]Reservation
			for i := range r {
				if a, _ := s.Reserve(zero().Add(time.Duration(i)*time.Second), tokens(100), &r[i]); a != Granted {
					t.Fatal("not started")
				}
			}
			now := zero().Add(3 * time.Second)
			s.Correct(now, &r[1], Tokens, time.Minute, left)
			if got := s.Left(now)[Tokens]; got != want {
				t.Errorf("left %d after the provider has said %d, want %d", got, left, want)
			}
			s.Correct(now, &r[1], Output, time.Minute, 0) // no such limit
			s.Correct(now, &r[1], Tokens, time.Hour, 0)
			if got := s.Left(now)[Tokens]; got != want {
				t.Errorf("left %d after words on other limits, want %d", got, want)
			}
		})
	}
	bucket, fixed, sliding := Shape{Mode: Bucket}, Shape{Mode: Fixed, Anchor: zero()}, Shape{Mode: Sliding}
	f("fixed, as we count", fixed, 800, 700)
	f("fixed, others use it too", fixed, 300, 200)
	f("fixed, we have counted too much", fixed, 900, 800)
	f("fixed, nothing", fixed, 0, 0)
	f("sliding, others use it too", sliding, 300, 200)
	f("sliding, we have counted too much", sliding, 950, 850)
	f("bucket, as we count", bucket, 817, 750)
	f("bucket, others use it too: two seconds have come back since", bucket, 300, 233)
	f("bucket, we have counted too much", bucket, 1000, 900)
}

// TestCorrectGivesNoMoreThanStated says at random what is left, and takes what there is.
func TestCorrectGivesNoMoreThanStated(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sh := rapid.SampledFrom([]Shape{{Mode: Bucket}, {Mode: Fixed, Anchor: zero()}, {Mode: Sliding}, {Burst: 20 * time.Second}}).Draw(t, "shape")
		s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 1000)}, Shape: sh, Charge: ChargeMax})
		now := zero()
		var rs []*Reservation
		var after []int64 // sent after each
		for range rapid.IntRange(1, 20).Draw(t, "calls") {
			n := rapid.Int64Range(1, 100).Draw(t, "need")
			r := &Reservation{}
			if a, _ := s.Reserve(now, tokens(n), r); a != Granted {
				break
			}
			for i := range after {
				after[i] += n
			}
			rs, after = append(rs, r), append(after, 0)
		}
		i := rapid.IntRange(0, len(rs)-1).Draw(t, "answered")
		left := rapid.Int64Range(0, 1000).Draw(t, "left")
		before := s.Left(now)[Tokens]
		s.Correct(now, rs[i], Tokens, time.Minute, left)
		got := s.Left(now)[Tokens]
		if want := max(left-after[i], 0); got > want && (sh.Mode != Unknown || got > before) {
			t.Fatalf("%d are left, %d were sent after; the set gives %d", left, after[i], got)
		}
	})
}

func TestBlock(t *testing.T) {
	t.Parallel()
	now := zero()
	s := NewSet(now, "q", Terms{Limits: []Limit{minute(Tokens, 600)}, Shape: Shape{Mode: Bucket}})
	told := 0
	s.OnFreed(func() { told++ }, nil)
	s.Block(now, now.Add(5*time.Second))
	s.Block(now, now.Add(3*time.Second))
	if a, until := s.Reserve(now, tokens(1), &Reservation{}); a != Short || until.Sub(now) != 5*time.Second {
		t.Errorf("%v until %v, want short for 5s", a, until.Sub(now))
	}
	if got := s.State(now).Blocked; !got.Equal(now.Add(5 * time.Second)) {
		t.Errorf("blocked until %v", got)
	}
	s.Unblock(now)
	s.Unblock(now)
	if a, _ := s.Reserve(now, tokens(1), &Reservation{}); a != Granted || told != 1 {
		t.Errorf("after Unblock: %v, told %d times", a, told)
	}
}

func TestUpdateKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	// 300 of 600 tokens are used at 0 s; at 10 s the set is told otherwise.
	f := func(name string, from, to Shape, amount, want int64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 600)}, Shape: from, Charge: ChargeMax})
			var r Reservation
			if a, _ := s.Reserve(zero(), tokens(300), &r); a != Granted {
				t.Fatal("not started")
			}
			now := zero().Add(10 * time.Second)
			s.Update(now, Terms{Limits: []Limit{minute(Requests, 50), minute(Tokens, amount)}, Shape: to, Charge: ChargeMax})
			if got := s.Left(now)[Tokens]; got != want {
				t.Errorf("left %d, want %d", got, want)
			}
			s.Refund(now, &r, false)
			if got := s.State(now); got.InUse != 0 {
				t.Errorf("in use %d", got.InUse)
			}
		})
	}
	bucket, fixed, sliding := Shape{Mode: Bucket}, Shape{Mode: Fixed, Anchor: zero()}, Shape{Mode: Sliding}
	f("more of a bucket", bucket, bucket, 1200, 1000)
	f("less of a bucket", bucket, bucket, 250, 50)
	f("more of a window", fixed, fixed, 1000, 700)
	f("less of what is used lately", sliding, sliding, 200, 0)
	f("a bucket is a window", bucket, fixed, 600, 300)
	f("a window is a bucket", fixed, bucket, 600, 300)
	f("a bucket is sliding", bucket, sliding, 600, 300)
	f("what was unknown is a window", Shape{Burst: time.Minute}, fixed, 600, 300)
	f("a window that began after that", fixed, Shape{Mode: Fixed, Anchor: zero().Add(5 * time.Second)}, 600, 600)
}

func TestDaysAreOfUTCOrOfTheProvider(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	s := NewSet(zero(), "q", Terms{Limits: []Limit{{Tokens, 100, day}, minute(Tokens, 1000)}, Shape: Shape{Mode: Bucket}})
	now := zero().Add(7 * time.Hour)
	drain(t, s, now, 90)
	ask := func(want time.Duration) {
		t.Helper()
		if a, until := s.Reserve(now, tokens(20), &Reservation{}); a != Short || until.Sub(now) != want {
			t.Errorf("%v for %v, want short for %v", a, until.Sub(now), want)
		}
	}
	ask(17 * time.Hour)
	s.Resets(now, Tokens, day, now.Add(3*time.Hour))
	ask(3 * time.Hour)
	s.Resets(now, Tokens, time.Minute, now.Add(time.Hour)) // not of minutes
	now = now.Add(3 * time.Hour)
	if a, _ := s.Reserve(now, tokens(20), &Reservation{}); a != Granted {
		t.Errorf("the provider's day has begun: %v", a)
	}
}

func TestWhatIsUsedInTheEnd(t *testing.T) {
	t.Parallel()
	usage := llm.Usage{Input: 120, CachedInput: 50, Output: 10}
	// A call of 100 tokens of input that expects 30 of output and allows 200: what counts while it runs, and after that.
	f := func(name string, terms Terms, during, after int64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terms.Limits, terms.Shape = []Limit{minute(Tokens, 1000)}, Shape{Mode: Fixed, Anchor: zero()}
			s := NewSet(zero(), "q", terms)
			var r Reservation
			s.Reserve(zero(), &Try{Need: llm.Need{Input: 100, Output: 30, MaxOutput: 200}}, &r)
			if got := 1000 - s.Left(zero())[Tokens]; got != during {
				t.Errorf("%d count while the call runs, want %d", got, during)
			}
			s.Settle(zero(), &r, usage, true)
			if got := 1000 - s.Left(zero())[Tokens]; got != after {
				t.Errorf("%d count in the end, want %d", got, after)
			}
		})
	}
	f("auto", Terms{}, 130, 130)
	f("max_tokens", Terms{Charge: ChargeMax}, 300, 320)
	f("corrected", Terms{Charge: ChargeCorrected}, 300, 130)
	f("actual", Terms{Charge: ChargeActual}, 130, 130)
	f("actual, cached input free", Terms{Charge: ChargeActual, FreeCached: true}, 130, 80)
}

func TestReservationEndsOnce(t *testing.T) {
	t.Parallel()
	s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 1000)}})
	bug := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", what)
			}
		}()
		f()
	}
	var r Reservation
	bug("to settle what was not reserved", func() { s.Settle(zero(), &r, llm.Usage{}, true) })
	s.Reserve(zero(), tokens(1), &r)
	bug("to reserve twice", func() { s.Reserve(zero(), tokens(1), &r) })
	s.Settle(zero(), &r, llm.Usage{}, false)
	bug("to settle twice", func() { s.Settle(zero(), &r, llm.Usage{}, false) })
	bug("to refund after that", func() { s.Refund(zero(), &r, false) })
}

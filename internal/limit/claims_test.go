package limit

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

// drain uses all but so much of a set.
func drain(t *testing.T, s *Set, now time.Time, n int64) {
	t.Helper()
	if a, _ := s.Reserve(now, tokens(n), &Reservation{}); a != Granted {
		t.Fatalf("cannot take %d", n)
	}
}

func TestLaterCallsTakeWhatDelaysNobody(t *testing.T) {
	t.Parallel()
	// Of 600 tokens a minute 500 are used; the head needs 200.
	f := func(name string, terms Terms, small int64, want Answer) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terms.Limits = []Limit{minute(Tokens, 600)}
			now := zero()
			s := NewSet(now, "q", terms)
			drain(t, s, now, 500)
			var claims Claims
			head := tokens(200)
			head.Claims = &claims
			a, until := s.Reserve(now, head, &Reservation{})
			if a != Short {
				t.Fatalf("the head: %v", a)
			}
			later := tokens(small)
			later.Claims = &claims
			a, at := s.Reserve(now, later, &Reservation{})
			if a != want {
				t.Fatalf("a later call of %d: %v until %v, want %v", small, a, at.Sub(now), want)
			}
			if a == Short && at.Before(until) {
				t.Errorf("the later call is told to come back after %v, before the head at %v", at.Sub(now), until.Sub(now))
			}
			if until.IsZero() {
				return
			}
			if a, _ := s.Reserve(until, tokens(200), &Reservation{}); a != Granted {
				t.Errorf("the head does not start at the time that it was told")
			}
		})
	}
	fixed := Terms{Shape: Shape{Mode: Fixed, Anchor: zero()}}
	f("the rest of a window in which the head does not fit", fixed, 100, Granted)
	f("more than the rest", fixed, 101, Short)
	f("of a bucket the head needs what comes back", Terms{Shape: Shape{Mode: Bucket}}, 1, Short)
	f("what counts for as long as the head waits", Terms{Shape: Shape{Mode: Sliding}}, 100, Granted)
	f("calls that are counted at their end", Terms{Shape: Shape{Mode: Fixed, Anchor: zero()}, Charge: ChargeActual}, 100, Short)
}

// TestClaimsAreKept lets random calls pass by a head, and asks whether it starts when it was told to.
func TestClaimsAreKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sh := rapid.SampledFrom([]Shape{
			{}, {Burst: 5 * time.Second}, {Mode: Slices}, {Mode: Slices, Anchor: zero()}, {Mode: Bucket}, {Mode: Fixed, Anchor: zero()}, {Mode: Sliding},
		}).Draw(t, "shape")
		now := zero()
		s := NewSet(now, "q", Terms{Limits: []Limit{minute(Tokens, 6000), minute(Requests, 600)}, Shape: sh, Charge: ChargeMax})
		for range rapid.IntRange(1, 100).Draw(t, "before") {
			s.Reserve(now, tokens(rapid.Int64Range(1, 100).Draw(t, "n")), &Reservation{})
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(300*time.Millisecond)).Draw(t, "pause")))
		}
		var head *Try
		promised := time.Time{}
		for range rapid.IntRange(1, 6).Draw(t, "passes") {
			var claims Claims
			for range rapid.IntRange(1, 20).Draw(t, "calls") {
				x := tokens(rapid.Int64Range(1, 2*6000/60).Draw(t, "need"))
				if head != nil && claims.n == 0 {
					x = head
				}
				x.Claims = &claims
				a, until := s.Reserve(now, x, &Reservation{})
				switch {
				case a == Granted && x == head:
					if now.After(promised) {
						t.Fatalf("the head starts %v too late", now.Sub(promised))
					}
					head = nil
				case a == Short && head == nil:
					head, promised = x, until
				case a == Short && x == head && until.After(promised):
					t.Fatalf("the head was told %v, then %v", promised.Sub(zero()), until.Sub(zero()))
				}
			}
			if d := promised.Sub(now); head != nil && d > 0 {
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(d)).Draw(t, "time")))
			}
		}
		if head != nil {
			head.Claims = nil
			if a, until := s.Reserve(promised, head, &Reservation{}); a != Granted {
				t.Fatalf("the head was promised %v, and is told %v", promised.Sub(zero()), until.Sub(zero()))
			}
		}
	})
}

func TestLargeCallStartsAmongSmallOnes(t *testing.T) {
	t.Parallel()
	// A call that needs more than there ever is waits until nothing is used; small ones do not keep it from that.
	f := func(name string, sh Shape, within time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := zero()
			s := NewSet(now, "q", Terms{Limits: []Limit{minute(Tokens, 600)}, Shape: sh})
			drain(t, s, now, 1)
			for now.Sub(zero()) <= within {
				claims := Claims{}
				large, small := tokens(1000), tokens(1)
				large.Claims, small.Claims = &claims, &claims
				if a, _ := s.Reserve(now, large, &Reservation{}); a == Granted {
					return
				}
				s.Reserve(now, small, &Reservation{})
				now = now.Add(100 * time.Millisecond)
			}
			t.Errorf("the large call has not started within %v", within)
		})
	}
	f("unknown", Shape{}, 2*time.Second)
	f("bucket", Shape{Mode: Bucket}, 2*time.Second)
	f("fixed", Shape{Mode: Fixed, Anchor: zero()}, time.Minute)
	f("sliding", Shape{Mode: Sliding}, time.Minute)
	f("slices", Shape{Mode: Slices}, 2*time.Second)
}

func TestClaimsAreBounded(t *testing.T) {
	t.Parallel()
	var claims Claims
	for i := range 20 {
		s := NewSet(zero(), string(rune('a'+i)), Terms{Limits: []Limit{minute(Requests, 1)}, Shape: Shape{Mode: Bucket}})
		drain(t, s, zero(), 1)
		for range setClaims + 2 {
			s.Reserve(zero(), &Try{Claims: &claims, Class: llm.Bulk}, &Reservation{})
		}
	}
	if claims.n != maxClaims {
		t.Errorf("%d claims, want %d", claims.n, maxClaims)
	}
	claims.Reset()
	if claims != (Claims{}) {
		t.Errorf("claims after Reset: %v", claims)
	}
}

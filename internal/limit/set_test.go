package limit

import (
	"testing"
	"time"

	"sluice/internal/llm"
)

// zero is when all tests begin: the beginning of a minute and a day.
func zero() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) }

func minute(d Dim, n int64) Limit { return Limit{d, n, time.Minute} }

// tokens is a try that takes so many tokens of input.
func tokens(n int64) *Try { return &Try{Need: llm.Need{Input: n}, Class: llm.Background} }

func TestShapesAllowWhatTheyStandFor(t *testing.T) {
	t.Parallel()
	// How many calls of one token start at once of 600 a minute, and when the next may.
	f := func(name string, sh Shape, at time.Duration, want int, next time.Duration) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 600)}, Shape: sh})
			now := zero().Add(at)
			n := 0
			for {
				a, until := s.Reserve(now, tokens(1), &Reservation{})
				if a == Granted {
					n++
					continue
				}
				if a != Short || until.Sub(now) != next || n != want {
					t.Errorf("%d calls start, then %v for %v; want %d, then short for %v", n, a, until.Sub(now), want, next)
				}
				return
			}
		})
	}
	f("unknown paces evenly", Shape{}, 0, 1, 50*time.Millisecond)
	f("unknown with a burst", Shape{Burst: 10 * time.Second}, 0, 100, 50*time.Millisecond)
	f("slices", Shape{Mode: Slices}, 0, 1, 50*time.Millisecond)
	f("aligned slices", Shape{Mode: Slices, Anchor: zero()}, 300*time.Millisecond, 10, 700*time.Millisecond)
	f("bucket", Shape{Mode: Bucket, Burst: 30 * time.Second}, 0, 300, 100*time.Millisecond)
	f("bucket of a minute", Shape{Mode: Bucket}, 0, 600, 100*time.Millisecond)
	f("fixed", Shape{Mode: Fixed, Anchor: zero().Add(-20 * time.Second)}, 0, 600, 40*time.Second)
	f("fixed with slack", Shape{Mode: Fixed, Anchor: zero(), Slack: time.Second}, 10*time.Second, 600, 51*time.Second)
	f("fixed of unknown beginning", Shape{Mode: Fixed}, 0, 600, time.Minute)
	f("sliding", Shape{Mode: Sliding}, 0, 600, time.Minute)
	f("sliding with slack", Shape{Mode: Sliding, Slack: 10 * time.Millisecond}, 0, 600, time.Minute+10*time.Millisecond)
}

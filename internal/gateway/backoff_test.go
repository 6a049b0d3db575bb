package gateway

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

// TestBackoffIsFullJitter checks the bounds of waits for any settings, and that they use the whole range.
func TestBackoffIsFullJitter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Base: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "base")),
			Max:  time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "max")),
		}
		n := rapid.IntRange(1, 200).Draw(t, "n")
		ceil := r.Max
		if shift := n - 1; shift < 40 && r.Base<<shift>>shift == r.Base {
			ceil = min(ceil, r.Base<<shift)
		}
		if r.Base == 0 {
			ceil = 0
		}
		for range 20 {
			if d := r.backoff(n); d < 0 || d > ceil || d == ceil && ceil > 0 {
				t.Fatalf("%v after %d attempts of %+v, want less than %v", d, n, r, ceil)
			}
		}
	})
	r := Retry{Base: time.Second, Max: 10 * time.Second}
	var low, high int
	for range 2000 {
		switch d := r.backoff(3); {
		case d < time.Second:
			low++
		case d > 3*time.Second:
			high++
		}
	}
	if low < 350 || low > 650 || high < 350 || high > 650 { // a quarter each; far beyond any chance
		t.Errorf("of 2000 waits below 4 s, %d are in the first and %d in the last quarter", low, high)
	}
}

func TestWaitPrefersWhatWasStated(t *testing.T) {
	t.Parallel()
	r := Retry{Base: time.Millisecond, Max: time.Millisecond}
	e := &llm.Error{Kind: llm.KindRateLimited, RetryAfter: 5 * time.Second}
	for range 100 {
		if d := r.wait(e, 1, true); d < 5*time.Second || d > 5100*time.Millisecond {
			t.Fatalf("stated 5s, waits %v", d)
		}
		if d := r.wait(e, 1, false); d > time.Millisecond { // another target is asked
			t.Fatalf("waits %v for another target", d)
		}
	}
}

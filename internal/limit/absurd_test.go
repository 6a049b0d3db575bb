package limit

import (
	"math"
	"testing"
	"time"

	"sluice/internal/llm"
)

// TestAbsurdMaxTokens checks that a call whose max_tokens is absurd does not free what others have used.
func TestAbsurdMaxTokens(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	f := func(mode Mode, charge Charge, max int64) {
		t.Helper()
		s := NewSet(now, "s", Terms{Limits: []Limit{{Tokens, 1000, time.Minute}}, Charge: charge, Shape: Shape{Mode: mode, Window: time.Minute, Burst: time.Minute}})
		var a, b, c Reservation
		if got, _ := s.Reserve(now, &Try{Need: llm.Need{Input: 900, Output: 50, MaxOutput: 50}}, &a); got != Granted {
			t.Fatalf("%v %v: first call: %v", mode, charge, got)
		}
		if got, _ := s.Reserve(now, &Try{Need: llm.Need{Input: 10, Output: 50, MaxOutput: max}}, &b); got == Granted && charge != ChargeActual {
			t.Errorf("%v %v: a call with max_tokens %d is granted", mode, charge, max)
		}
		for i := range s.budgets[0].n {
			if u := s.budgets[0].gauges[i].used(); charge == ChargeMax && u < 950 {
				t.Errorf("%v %v: %d are used after it, want 950", mode, charge, u)
			}
		}
		if got, _ := s.Reserve(now, &Try{Need: llm.Need{Input: 900, Output: 50, MaxOutput: 50}}, &c); got == Granted {
			t.Errorf("%v %v: another call of 950 is granted", mode, charge)
		}
	}
	for _, mode := range []Mode{Bucket, Fixed, Sliding} { // the others pace, and let a call start however much it takes
		for _, charge := range []Charge{ChargeAuto, ChargeMax, ChargeCorrected, ChargeActual} {
			for _, max := range []int64{math.MaxInt64, math.MaxInt64 - 5, 1 << 62} {
				f(mode, charge, max)
			}
		}
	}
}

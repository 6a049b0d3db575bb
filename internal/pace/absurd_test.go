package pace

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// TestAbsurdMaxTokens checks that a call whose max_tokens is absurd neither frees what others have used of a quota, nor uses it up for good
// when the provider refuses it.
func TestAbsurdMaxTokens(t *testing.T) {
	t.Parallel()
	f := func(t *testing.T, charge limit.Charge, mode limit.Mode, maxTokens int64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			terms := limit.Terms{Limits: []limit.Limit{{Dim: limit.Tokens, Amount: 10_000, Per: time.Minute}}, Charge: charge, Shape: limit.Shape{Mode: mode, Window: time.Minute, Burst: time.Minute}}
			f := New(Limits{Providers: []ProviderLimits{{Name: "p", Quotas: []QuotaLimits{{Terms: terms}}}}}, Breaker{})
			tg := at("p", "m")
			start := func(c *llm.Call) (Lease, Refusal) {
				l, r, _ := f.TryStart(tg, limit.Try{Need: f.Estimate(tg, c)})
				return l, r
			}
			used := func() int64 {
				quotas := f.Snapshot().Quotas
				return quotas[len(quotas)-1].Set.Budgets[0].Used
			}
			if l, r := start(chat("", 10, maxTokens)); r == Started {
				l.Done(Outcome{Kind: llm.KindRejected, Status: 400})
			}
			time.Sleep(2 * time.Minute)
			l, r := start(chat("", 100, 100))
			if r != Started {
				t.Errorf("%v %v %d: two minutes later: %v, used %d", charge, mode, maxTokens, r, used())
				return
			}
			before := used()
			if l, r := start(chat("", 100, maxTokens)); r == Started {
				if n := used(); n < before {
					t.Errorf("%v %v %d: %d used before it, %d after it", charge, mode, maxTokens, before, n)
				}
				l.Done(Outcome{})
			}
			if n := used(); n < before {
				t.Errorf("%v %v %d: %d used before it, %d after its end", charge, mode, maxTokens, before, n)
			}
			l.Done(Outcome{})
		})
	}
	// A provider refuses such a call (400), which stays charged.
	for _, mode := range []limit.Mode{limit.Unknown, limit.Slices, limit.Bucket, limit.Fixed, limit.Sliding} {
		for _, charge := range []limit.Charge{limit.ChargeAuto, limit.ChargeMax, limit.ChargeCorrected, limit.ChargeActual} {
			for _, n := range []int64{math.MaxInt64, 1 << 62, 1 << 41, 1e9} {
				t.Run(fmt.Sprint(mode, charge, n), func(t *testing.T) { f(t, charge, mode, n) })
			}
		}
	}
}

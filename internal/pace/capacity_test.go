package pace

import (
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

func quotaOf(tokens int64, models ...string) QuotaLimits {
	return QuotaLimits{Models: models, Terms: limit.Terms{Charge: limit.ChargeMax, Limits: []limit.Limit{{Dim: limit.Tokens, Amount: tokens, Per: time.Minute}}}}
}

// TestNever: what a call can never fit is told of the quota that covers its model, and of no other.
func TestNever(t *testing.T) {
	t.Parallel()
	limits := func(all ...QuotaLimits) Limits { return Limits{Providers: []ProviderLimits{{Name: "p", Quotas: all}}} }
	fleet := New(limits(quotaOf(1000, "small-*"), quotaOf(5000)), DefaultBreaker())
	f := func(model string, n llm.Need, models string, amount int64) {
		t.Helper()
		m, never := fleet.Never(&llm.Target{Name: "p/" + model, Provider: "p", Model: model}, &n)
		if never != (amount > 0) || m.Models != models && never || m.Limit.Amount != amount && never {
			t.Errorf("%s, %+v: %+v, %v; want %q, %d", model, n, m, never, models, amount)
		}
	}
	f("small-a", llm.Need{MaxOutput: 1000}, "", 0)
	f("small-a", llm.Need{MaxOutput: 1001}, "small-*", 1000)
	f("other", llm.Need{MaxOutput: 1001}, "", 0)
	f("other", llm.Need{Input: 4, MaxOutput: 4997}, "", 0) // a prompt is an estimate
	f("other", llm.Need{Input: 1000, MaxOutput: 5000}, "*", 5000)
	f("other", llm.Need{MaxOutput: 9000, Op: llm.OpCountTokens}, "", 0)
	fleet.Update(limits(quotaOf(1000, "small-*")))
	f("other", llm.Need{MaxOutput: 9000}, "", 0)
	if _, never := fleet.Never(&llm.Target{Name: "q/m", Provider: "q", Model: "m"}, &llm.Need{MaxOutput: 9000}); never {
		t.Error("a provider without quotas never fits")
	}
}

// TestCapacity: what a target can start is what the scarcest of its quotas has, at once and a second.
func TestCapacity(t *testing.T) {
	t.Parallel()
	l := quotaOf(6000)
	l.Terms.Shape = limit.Shape{Mode: limit.Sliding, Window: time.Minute}
	l.Terms.Limits = append(l.Terms.Limits, limit.Limit{Dim: limit.Requests, Amount: 120, Per: time.Minute}, limit.Limit{Dim: limit.Tokens, Amount: 9, Per: 24 * time.Hour * 365})
	fleet := New(Limits{Providers: []ProviderLimits{{Name: "p", Quotas: []QuotaLimits{l, quotaOf(3000, "m")}}}}, DefaultBreaker())
	target := &llm.Target{Name: "p/m", Provider: "p", Model: "m"}
	if c := fleet.Capacity(target, llm.Interactive); c != (limit.Capacity{}) {
		t.Errorf("%+v of a target that nobody has asked for", c)
	}
	lease, v, _ := fleet.TryStart(target, limit.Try{Need: llm.Need{Input: 5}})
	if v != Started {
		t.Fatal(v)
	}
	if c := fleet.Capacity(target, llm.Interactive); c.Tokens != 50 || c.Calls != 2 || c.CallsLeft != 119 || c.TokensLeft > 4 {
		t.Errorf("%+v", c)
	}
	lease.Done(Outcome{})
}

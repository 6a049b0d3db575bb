package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// fails ends a call at tg with an outcome.
func fails(t *testing.T, f *Fleet, tg *llm.Target, o Outcome) {
	t.Helper()
	mustStart(t, f, tg).Done(o)
}

func TestScopes(t *testing.T) {
	t.Parallel()
	f := func(name string, o Outcome, calls int, wide bool, cause Cause, scope llm.Scope) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := New(Limits{}, fast())
				a, b := at("p", "a"), at("p", "b")
				for range calls {
					fails(t, fleet, a, o)
				}
				until := wantRefusal(t, fleet, a, false, Open)
				if !wide {
					mustStart(t, fleet, b).Done(Outcome{Kind: llm.KindCanceled})
				} else if got := wantRefusal(t, fleet, b, false, Open); !got.Equal(until) {
					t.Errorf("the model that was not asked is out until %v, the other until %v", got, until)
				}
				mustStart(t, fleet, at("other", "a")).Done(Outcome{})
				for _, st := range fleet.Snapshot().Targets {
					if st.Target == "p/a" && (st.Cause != cause || st.Scope != scope || st.Health != Broken) {
						t.Errorf("state %v for %v, scope %v; want open for %v, scope %v", st.Health, st.Cause, st.Scope, cause, scope)
					}
				}
				if l, r, _ := fleet.TryStart(b, limit.Try{Last: true}); r != Started {
					t.Errorf("the last target was refused: %v", r)
				} else {
					l.Done(Outcome{Kind: llm.KindCanceled})
				}
				time.Sleep(time.Until(until))
				probe := mustStart(t, fleet, a)
				if wide {
					wantRefusal(t, fleet, b, false, Open) // one probe for all
				}
				probe.Done(Outcome{})
				mustStart(t, fleet, a).Done(Outcome{})
				mustStart(t, fleet, b).Done(Outcome{})
			})
		})
	}
	f("server error", Outcome{Kind: llm.KindServerError}, 3, false, ServerError, llm.ScopeModel)
	f("credentials", Outcome{Kind: llm.KindProviderAuth}, 3, true, Auth, llm.ScopeKey)
	f("credentials for one model", Outcome{Kind: llm.KindProviderAuth, Scope: llm.ScopeModel}, 3, false, Auth, llm.ScopeModel)
	f("credit", Outcome{Kind: llm.KindQuotaExhausted}, 1, true, Quota, llm.ScopeAccount)
	f("plan", Outcome{Kind: llm.KindQuotaExhausted, Scope: llm.ScopeModel}, 1, false, Quota, llm.ScopeModel)
	f("broken connection", Outcome{Kind: llm.KindUnreachable}, 3, false, Unreachable, llm.ScopeModel)
	f("no connection", Outcome{Kind: llm.KindUnreachable, Scope: llm.ScopeAccount}, 3, true, Unreachable, llm.ScopeAccount)
	f("day", Outcome{Kind: llm.KindQuotaExhausted, Window: llm.PerDay}, 1, false, DayQuota, llm.ScopeModel)
}

// A success of any target closes the account's breaker, a success that began before the trouble does not.
func TestOneSuccessClosesTheAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		a, b := at("p", "a"), at("p", "b")
		var freed []*llm.Target
		f.OnFreed(func(tg *llm.Target) { freed = append(freed, tg) })
		old := mustStart(t, f, b)
		fails(t, f, a, Outcome{Kind: llm.KindQuotaExhausted})
		old.Done(Outcome{})
		wantRefusal(t, f, b, false, Open)
		l, _, _ := f.TryStart(b, limit.Try{Last: true})
		freed = nil
		l.Begun()
		if len(freed) != 1 || freed[0] != nil {
			t.Errorf("freed %v, want all", freed)
		}
		mustStart(t, f, a).Done(Outcome{})
		l.Done(Outcome{})
	})
}

// An answer, even an error, shows that there is a connection; it says nothing of credit.
func TestAnswersShowAConnection(t *testing.T) {
	t.Parallel()
	f := func(down Outcome, calls int, answer llm.Kind, want Health) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			fleet := New(Limits{}, fast())
			for range calls {
				fails(t, fleet, at("p", "a"), down)
			}
			time.Sleep(time.Second)
			fails(t, fleet, at("p", "b"), Outcome{Kind: answer})
			if got := fleet.Snapshot().Accounts[0].Health; got != want {
				t.Errorf("after %v: %v, want %v", answer, got, want)
			}
		})
	}
	gone := Outcome{Kind: llm.KindUnreachable, Scope: llm.ScopeAccount}
	f(gone, 3, llm.KindServerError, Healthy)
	f(gone, 3, llm.KindRejected, Healthy)
	f(gone, 3, llm.KindCanceled, HalfOpen)
	f(gone, 3, llm.KindHeaderTimeout, HalfOpen)
	f(Outcome{Kind: llm.KindQuotaExhausted}, 1, llm.KindServerError, HalfOpen)
}

func TestDayQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		stated, silent := at("p", "stated"), at("p", "silent")
		fails(t, f, stated, Outcome{Kind: llm.KindRateLimited, Window: llm.PerDay, RetryAfter: 7 * time.Hour})
		if d := time.Until(wantRefusal(t, f, stated, true, Limited)); d != 7*time.Hour {
			t.Errorf("paused for %v, want as stated", d)
		}
		for _, want := range []time.Duration{1, 2, 4, 4} {
			want *= time.Hour
			fails(t, f, silent, Outcome{Kind: llm.KindQuotaExhausted, Window: llm.PerDay, Status: 429, Code: "RESOURCE_EXHAUSTED"})
			d := time.Until(wantRefusal(t, f, silent, false, Open))
			if d < want*4/5 || d > want {
				t.Errorf("out for %v, want %v less up to a fifth", d, want)
			}
			s := f.Snapshot().Targets[0]
			if s.Cause != DayQuota || s.Code != "RESOURCE_EXHAUSTED" || s.Status != 429 || s.Error != llm.KindQuotaExhausted {
				t.Errorf("state %+v", s)
			}
			time.Sleep(d)
		}
		if s := f.Snapshot().Targets[0]; s.Openings != 4 || s.Probes != 3 || s.Health != HalfOpen {
			t.Errorf("%d openings, %d probes, %v", s.Openings, s.Probes, s.Health)
		}
	})
}

func TestOverloadIsLeftAloneForLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		for range 3 {
			fails(t, f, tg, Outcome{Kind: llm.KindOverloaded})
		}
		if d := time.Until(wantRefusal(t, f, tg, false, Open)); d < 1600*time.Millisecond || d > 2*time.Second {
			t.Errorf("out for %v, want twice the cool-down of other errors (1 s) less up to a fifth", d)
		}
	})
}

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		var got []Change
		f.OnChange(func(c Change) { got = append(got, c) })
		a, b := at("p", "a"), at("p", "b")
		for range 3 {
			fails(t, f, a, Outcome{Kind: llm.KindServerError, Status: 500, Code: "oops"})
		}
		fails(t, f, b, Outcome{Kind: llm.KindQuotaExhausted, Status: 402})
		time.Sleep(time.Second)
		fails(t, f, a, Outcome{})
		fails(t, f, b, Outcome{Kind: llm.KindRateLimited, RetryAfter: time.Second})
		time.Sleep(time.Second)
		fails(t, f, b, Outcome{Kind: llm.KindRateLimited, RetryAfter: time.Hour, Window: llm.PerDay})
		want := []Change{
			{Account: "p", Target: "p/a", Open: true, Cause: ServerError, Scope: llm.ScopeModel, Error: llm.KindServerError, Status: 500, Code: "oops", Count: 1},
			{Account: "p", Open: true, Cause: Quota, Scope: llm.ScopeAccount, Error: llm.KindQuotaExhausted, Status: 402, Count: 1},
			{Account: "p", Scope: llm.ScopeAccount},
			{Account: "p", Target: "p/a", Scope: llm.ScopeModel},
			{Account: "p", Target: "p/b", Open: true, Cause: DayQuota, Scope: llm.ScopeModel, Error: llm.KindRateLimited, Count: 1},
		}
		if len(got) != len(want) {
			t.Fatalf("%d changes, want %d: %+v", len(got), len(want), got)
		}
		for i := range want {
			if want[i].Open && got[i].For < 800*time.Millisecond {
				t.Errorf("change %d: out for %v", i, got[i].For)
			}
			got[i].For = 0
			if got[i] != want[i] {
				t.Errorf("change %d: %+v\nwant %+v", i, got[i], want[i])
			}
		}
	})
}

// TestRenew: an account that has become another one begins without trouble, and says so.
func TestRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		var told []Change
		f.OnChange(func(c Change) { told = append(told, c) })
		a, b := at("p", "a"), at("p", "b")
		fails(t, f, a, Outcome{Kind: llm.KindRateLimited, Window: llm.PerDay, RetryAfter: 20 * time.Hour})
		for range 3 {
			fails(t, f, b, Outcome{Kind: llm.KindProviderAuth})
		}
		under, _, _ := f.TryStart(b, limit.Try{Last: true})
		wantRefusal(t, f, a, true, Limited)
		wantRefusal(t, f, b, false, Open)
		told = nil
		f.Renew("p")
		f.Renew("nobody")
		if len(told) != 1 || told[0].Open || told[0].Target != "" {
			t.Errorf("told %+v", told)
		}
		mustStart(t, f, a).Done(Outcome{})
		mustStart(t, f, b).Done(Outcome{})
		under.Done(Outcome{Kind: llm.KindProviderAuth})
		mustStart(t, f, b).Done(Outcome{})
	})
}

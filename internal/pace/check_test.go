package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

func checked() Breaker {
	b := fast()
	b.Check, b.MaxCooldown = true, time.Minute
	return b
}

// due returns how many checks are due now, and answers them.
func due(t *testing.T, f *Fleet, r CheckResult) int {
	t.Helper()
	checks, _ := f.Due()
	for _, c := range checks {
		f.Checked(c.Account, r)
	}
	return len(checks)
}

func TestChecksConfirmAndHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, checked())
		tg := at("p", "m")
		told, freed := 0, 0
		f.OnTrouble(func() { told++ })
		f.OnFreed(func(tg *llm.Target) {
			if tg == nil {
				freed++
			}
		})
		end(t, f, tg, llm.KindServerError, 0)
		if told != 0 || due(t, f, CheckFailed) != 0 {
			t.Fatal("one failed call asks for a check")
		}
		end(t, f, tg, llm.KindServerError, 0)
		if told != 1 || due(t, f, CheckFailed) != 1 {
			t.Fatalf("told %d times after two failed calls, want once and a check", told)
		}
		until := wantRefusal(t, f, tg, false, Open)
		if d := time.Until(until); d < 48*time.Second {
			t.Errorf("out for %v, want the longest cool-down", d)
		}
		for range 20 { // each a second, while calls ask
			time.Sleep(checkEvery)
			wantRefusal(t, f, tg, false, Open)
			if due(t, f, CheckFailed) != 1 || due(t, f, CheckFailed) != 0 {
				t.Fatal("want one check a second")
			}
		}
		time.Sleep(checkEvery)
		if due(t, f, CheckPassed) != 1 || freed != 1 {
			t.Errorf("freed %d times, want once", freed)
		}
		if got := state(f); got.Health != HalfOpen || got.Openings != 1 {
			t.Errorf("state %+v", got)
		}
		end(t, f, tg, llm.KindNone, 0)
		if got := state(f); got.Health != Healthy || got.Probes != 1 {
			t.Errorf("state %+v", got)
		}
		time.Sleep(checkEvery)
		if n := due(t, f, CheckPassed); n != 0 || told != 1 {
			t.Errorf("%d checks of a healthy target, told %d times", n, told)
		}
	})
}

func TestWhatIsNotChecked(t *testing.T) {
	t.Parallel()
	f := func(name string, b Breaker, o Outcome) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := New(Limits{}, b)
				fleet.OnTrouble(func() { t.Error("trouble is told") })
				for range 3 {
					if l, r, _ := fleet.TryStart(at("p", "m"), limit.Try{}); r == Started {
						l.Done(o)
					}
				}
				if checks, wait := fleet.Due(); len(checks) != 0 || wait != 0 {
					t.Errorf("%d checks, more in %v", len(checks), wait)
				}
			})
		})
	}
	f("switched off", fast(), Outcome{Kind: llm.KindServerError})
	f("credentials", checked(), Outcome{Kind: llm.KindProviderAuth})
	f("credit", checked(), Outcome{Kind: llm.KindQuotaExhausted})
	f("a limit", checked(), Outcome{Kind: llm.KindRateLimited})
	f("a pause", checked(), Outcome{Kind: llm.KindRateLimited, RetryAfter: time.Minute})
	f("the request", checked(), Outcome{Kind: llm.KindRejected})
}

// Checks that pass all along say nothing: the inference is down.
func TestPassingChecksLeaveTheCooldown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, checked())
		tg := at("p", "m")
		for range 3 {
			end(t, f, tg, llm.KindOverloaded, 0)
		}
		until := wantRefusal(t, f, tg, false, Open)
		due(t, f, CheckPassed)
		if again := wantRefusal(t, f, tg, false, Open); !again.Equal(until) {
			t.Errorf("a check moved the end from %v to %v", until, again)
		}
	})
}

// A list that does not work though the models do is not believed after that, until it works.
func TestChecksThatLie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, checked())
		tg := at("p", "m")
		trouble := func(r CheckResult) Health {
			time.Sleep(checkEvery)
			for range 2 {
				l, _, _ := f.TryStart(tg, limit.Try{Last: true})
				l.Done(Outcome{Kind: llm.KindServerError})
			}
			if due(t, f, r) != 1 {
				t.Fatal("no check")
			}
			return state(f).Health
		}
		if got := trouble(CheckFailed); got != Broken {
			t.Fatalf("state %v, want open", got)
		}
		l, _, _ := f.TryStart(tg, limit.Try{Last: true})
		l.Done(Outcome{}) // it works
		time.Sleep(checkEvery)
		if n := due(t, f, CheckFailed); n != 1 {
			t.Fatalf("%d checks after the success, want one to see whether they can be believed", n)
		}
		if got := trouble(CheckFailed); got != Healthy {
			t.Errorf("state %v: a check is believed that has been wrong", got)
		}
		if got := trouble(CheckPassed); got != HalfOpen { // it opened for its failures, of which there are enough
			t.Errorf("state %v, want half open", got)
		}
		time.Sleep(8 * time.Second)
		end(t, f, tg, llm.KindNone, 0)
		if got := trouble(CheckFailed); got != Broken {
			t.Errorf("state %v: a check is not believed though one has passed", got)
		}
	})
}

func TestChecksSlowDownAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := checked()
		b.Cooldown, b.MaxCooldown = time.Hour, time.Hour
		f := New(Limits{}, b)
		tg := at("p", "m")
		told := 0
		f.OnTrouble(func() { told++ })
		for range 3 {
			fails(t, f, tg, Outcome{Kind: llm.KindUnreachable, Scope: llm.ScopeAccount})
		}
		checks := func(lasts time.Duration, asks bool) (n int) {
			for begin := time.Now(); time.Since(begin) < lasts; time.Sleep(100 * time.Millisecond) {
				if asks {
					wantRefusal(t, f, at("p", "other"), false, Open)
				}
				list, _ := f.Due()
				for _, c := range list {
					if !c.Unreachable {
						t.Error("no connection is missing")
					}
					if again, _ := f.Due(); len(again) != 0 {
						t.Error("two checks at a time")
					}
					f.Checked(c.Account, CheckFailed)
					n++
				}
			}
			return n
		}
		if n := checks(checkLong, true); n < 108 || n > 140 {
			t.Errorf("%d checks in the first two minutes", n)
		}
		if n := checks(checkLong, true); n < 22 || n > 29 {
			t.Errorf("%d checks in the two minutes after", n)
		}
		if n := checks(2*checkWanted, false); n > 8 {
			t.Errorf("%d checks though no call asks", n)
		}
		if n := checks(time.Minute, false); n != 0 || told != 1 {
			t.Errorf("%d checks, told %d times", n, told)
		}
		wantRefusal(t, f, tg, false, Open)
		if told != 2 || due(t, f, CheckFailed) != 1 {
			t.Errorf("told %d times, want again with the next call", told)
		}
	})
}

func TestAccountsThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, checked())
		for range 3 {
			end(t, f, at("p", "m"), llm.KindServerError, 0)
		}
		due(t, f, CheckUnknown)
		if checks, wait := f.Due(); len(checks) != 0 || wait != checkAgain {
			t.Errorf("%d checks, more in %v", len(checks), wait)
		}
		time.Sleep(checkAgain)
		checks, _ := f.Due()
		f.Update(Limits{})
		if len(checks) != 1 || len(f.Snapshot().Accounts) != 1 {
			t.Fatal("an account that is being checked is forgotten")
		}
		f.Checked("p", CheckCanceled)
		if f.Checked("gone", CheckFailed) {
			t.Error("news of an account that is not there")
		}
	})
}

func TestRulesCanBeReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{}, fast())
		tg := at("p", "m")
		end(t, f, tg, llm.KindServerError, 0)
		b := fast()
		b.Failures = 2
		f.SetBreaker(b)
		end(t, f, tg, llm.KindServerError, 0)
		wantRefusal(t, f, tg, false, Open)
	})
}

func TestConfigIsTheDefaultBreaker(t *testing.T) {
	t.Parallel()
	var c Config
	c.SetDefaults()
	if got, want := c.Breaker(), DefaultBreaker(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	c.Validate(func(key, message string) { t.Errorf("%s %s", key, message) })
	bad := Config{Ratio: 0, Window: time.Millisecond, Cooldown: time.Microsecond, MaxCooldown: 0}
	keys := map[string]bool{}
	bad.Validate(func(key, _ string) { keys[key] = true })
	if len(keys) != 4 {
		t.Errorf("complaints about %v", keys)
	}
}

package pace

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

func TestHearsay(t *testing.T) {
	t.Parallel()
	target := &llm.Target{Name: "p/m", Provider: "p", Model: "m"}
	open := Change{Account: "p", Target: "p/m", Open: true, Cause: ServerError, Scope: llm.ScopeModel, Error: llm.KindServerError, For: 10 * time.Second}
	f := func(name string, play func(t *testing.T, f *Fleet, try func(k llm.Kind) Refusal)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fleet := New(Limits{Providers: []ProviderLimits{{Name: "p"}}}, DefaultBreaker())
				play(t, fleet, func(k llm.Kind) Refusal {
					l, r, _ := fleet.TryStart(target, limit.Try{})
					if r == Started {
						l.Done(Outcome{Kind: k})
					}
					return r
				})
			})
		})
	}
	want := func(t *testing.T, got, want Refusal) {
		t.Helper()
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f("hearsay alone ejects nobody", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(open)
		want(t, try(llm.KindNone), Started)
		want(t, try(llm.KindServerError), Started) // a success has cleared it: one failure is not enough
		want(t, try(llm.KindNone), Started)
	})
	f("one failure confirms it", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(open)
		want(t, try(llm.KindServerError), Started)
		want(t, try(llm.KindNone), Open)
	})
	f("closed elsewhere: the next call is the probe", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(open)
		try(llm.KindServerError)
		want(t, try(llm.KindNone), Open)
		f.Hear(Change{Account: "p", Target: "p/m"})
		want(t, try(llm.KindNone), Started)
		want(t, try(llm.KindNone), Started)
	})
	f("closed elsewhere ends suspicion", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(open)
		f.Hear(Change{Account: "p", Target: "p/m"})
		want(t, try(llm.KindServerError), Started)
		want(t, try(llm.KindNone), Started)
	})
	f("a day's limit rests the target here too", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(Change{Account: "p", Target: "p/m", Open: true, Cause: DayQuota, Error: llm.KindRateLimited, For: time.Hour})
		want(t, try(llm.KindNone), Limited)
		time.Sleep(time.Hour)
		want(t, try(llm.KindNone), Started)
	})
	f("an account's trouble", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(Change{Account: "p", Open: true, Cause: Quota, Scope: llm.ScopeAccount, Error: llm.KindQuotaExhausted})
		want(t, try(llm.KindQuotaExhausted), Started)
		want(t, try(llm.KindNone), Open)
	})
	f("strangers are not heard of", func(t *testing.T, f *Fleet, try func(llm.Kind) Refusal) {
		f.Hear(Change{Account: "q", Target: "q/m", Open: true})
		f.Hear(Change{Account: "p", Target: "q/m", Open: true})
		if n := len(*f.accounts.Load()); n != 1 {
			t.Errorf("%d accounts, want 1", n)
		}
	})
}

func TestCausesByName(t *testing.T) {
	t.Parallel()
	for c := NoCause; c <= Unreachable; c++ {
		if got := ParseCause(c.String()); got != c {
			t.Errorf("ParseCause(%q) = %v", c, got)
		}
		want := c
		if c == DayQuota {
			want = MinuteQuota // the window tells them apart
		}
		if got := causeOf(c.Kind(), 0); got != want {
			t.Errorf("%v stands for %v, which is %v", c, c.Kind(), got)
		}
	}
	if got := ParseCause("other"); got != NoCause {
		t.Errorf("got %v", got)
	}
}

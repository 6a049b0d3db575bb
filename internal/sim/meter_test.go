package sim

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

// asks makes a job of so many tokens.
func asks(input, most int64) *job { return &job{input: input, maxTokens: most} }

// await lets time pass under synctest.
func await(d time.Duration) { <-time.After(d) }

// TestEnforcement takes tokens from a quota of 600 a minute, in each of the four ways. Time begins at midnight of 2000-01-01.
func TestEnforcement(t *testing.T) {
	t.Parallel()
	type step struct {
		pause  time.Duration // before
		tokens int64
		wait   time.Duration // that a refusal states; 0 if the request is accepted
	}
	f := func(name string, cfg QuotaConfig, steps ...step) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			cfg.TPM = 600
			q := newQuota(cfg, "q")
			for i, s := range steps {
				await(s.pause)
				_, over := take(time.Now(), []*quota{q}, asks(s.tokens, 0))
				switch {
				case over == nil && s.wait != 0:
					t.Errorf("%s, step %d: %d tokens accepted, want a wait of %v", name, i, s.tokens, s.wait)
				case over != nil && over.wait != s.wait:
					t.Errorf("%s, step %d: %d tokens wait %v, want %v", name, i, s.tokens, over.wait, s.wait)
				}
			}
		})
	}
	const s = time.Second
	f("bucket", QuotaConfig{}, step{0, 600, 0}, step{0, 10, s}, step{5 * s, 60, s}, step{0, 50, 0}, step{time.Hour, 601, s / 10}, step{0, 600, 0})
	f("bucket of ten seconds", QuotaConfig{Burst: 10 * s}, step{0, 100, 0}, step{0, 1, s / 10}, step{time.Hour, 101, s / 10}, step{0, 100, 0})
	f("fixed", QuotaConfig{Enforce: "fixed"}, step{50 * s, 600, 0}, step{0, 1, 10 * s}, step{10 * s, 600, 0}, step{59 * s, 1, s}, step{s, 601, 60 * s}, step{0, 600, 0})
	f("fixed by phase", QuotaConfig{Enforce: "fixed", Phase: 15 * s}, step{10 * s, 600, 0}, step{0, 1, 5 * s}, step{5 * s, 600, 0}, step{0, 1, 60 * s})
	f("fixed windows of ten seconds", QuotaConfig{Enforce: "fixed", Window: 10 * s}, step{0, 100, 0}, step{s, 1, 9 * s}, step{9 * s, 100, 0})
	f("slices", QuotaConfig{Enforce: "slices"}, step{0, 10, 0}, step{0, 1, s}, step{s / 4, 1, s * 3 / 4}, step{s * 3 / 4, 6, 0}, step{0, 4, 0}, step{0, 1, s}, step{time.Hour, 11, s})
	f("sliding", QuotaConfig{Enforce: "sliding"}, step{0, 300, 0}, step{20 * s, 300, 0}, step{10 * s, 200, 30 * s}, step{30 * s, 300, 0}, step{0, 1, 20 * s},
		step{0, 400, 60 * s}, step{time.Hour, 601, 60 * s}, step{0, 600, 0})
}

// TestTwoLimits names the limit that a request waits for longest, and charges nothing if one of them is short.
func TestTwoLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := newQuota(QuotaConfig{RPM: 2}, "all")
		own := newQuota(QuotaConfig{TPM: 600, RPD: 3}, "own")
		f := func(tokens int64, kind string, wait time.Duration) {
			t.Helper()
			_, over := take(time.Now(), []*quota{all, own}, asks(tokens, 0))
			switch {
			case over == nil && kind != "":
				t.Errorf("accepted, want a refusal for %s", kind)
			case over != nil && (over.budget.name() != kind || over.wait != wait):
				t.Errorf("refused for %s, wait %v, want %q, %v", over.budget.name(), over.wait, kind, wait)
			}
		}
		f(100, "", 0)
		f(510, "TPM", time.Second)
		f(500, "", 0)
		f(60, "RPM", 30*time.Second) // 6 s for the tokens
		f(600, "TPM", time.Minute)
		await(time.Minute)
		f(600, "", 0)
		f(1, "RPD", 24*time.Hour-time.Minute)
		if st := all.stats(); st.Accepted != 3 || st.Refused != 4 || st.Tokens != 1200 || st.Limits[0].Charged != 3 || st.Limits[0].Refused != 1 {
			t.Errorf("all: %+v", st)
		}
		st := own.stats()
		if l := st.Limits[0]; l.Kind != "TPM" || l.Charged != 1200 || l.Refused != 2 || l.Peak != 1 {
			t.Errorf("tokens: %+v", l)
		}
		if l := st.Limits[1]; l.Kind != "RPD" || l.Charged != 3 || l.Refused != 1 || l.Peak != 1 {
			t.Errorf("day: %+v", l)
		}
		if s := st.Seconds; len(s) != 61 || s[0] != (QuotaSecond{2, 3, 600}) || s[60] != (QuotaSecond{1, 1, 600}) || st.Start != time.Now().Add(-time.Minute) {
			t.Errorf("seconds %v from %v", s, st.Start)
		}
		own.reset()
		if st := own.stats(); st.Accepted != 0 || len(st.Seconds) != 0 || st.Limits[0].Peak != 0 {
			t.Errorf("reset: %+v", st)
		}
	})
}

// TestCharge holds what of a request with 100 tokens of input, 40 of them cached, 50 at most and 20 used of output is charged when.
func TestCharge(t *testing.T) {
	t.Parallel()
	f := func(name string, cfg QuotaConfig, arriving, early, end [countKinds]int64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			for _, enforce := range enforcings {
				cfg.RPM, cfg.TPM, cfg.InputTPM, cfg.OutputTPM, cfg.Enforce = 6000, 60_000, 60_000, 60_000, enforce
				q := newQuota(cfg, "q")
				held, over := take(time.Now(), []*quota{q}, asks(100, 50))
				if over != nil {
					t.Fatalf("%s by %s: refused", name, enforce)
				}
				check := func(when string, want [countKinds]int64) {
					t.Helper()
					for i, b := range q.budgets {
						full := b.meter.left(time.Now()) + float64(want[i])
						if b.charged != float64(want[i]) || full != float64(b.limit) && full*60 != float64(b.limit) {
							t.Errorf("%s by %s, %s: %v of %s charged, %v is left, want %d charged", name, enforce, when, b.charged, b.name(), b.meter.left(time.Now()), want[i])
						}
					}
				}
				check("on arrival", arriving)
				held.cached(time.Now(), 40)
				check("at the cache", early)
				held.correct(time.Now(), llm.Usage{Input: 100, CachedInput: 40, Output: 20})
				check("at the end", end)
				if st := q.stats(); st.Tokens != end[countTokens] {
					t.Errorf("%s by %s: %d tokens, want %d", name, enforce, st.Tokens, end[countTokens])
				}
			}
		})
	}
	type amounts = [countKinds]int64
	whole := amounts{1, 150, 100, 50}
	f("corrected", QuotaConfig{}, whole, whole, amounts{1, 120, 100, 20})
	f("max_tokens", QuotaConfig{Charge: "max_tokens"}, whole, whole, whole)
	f("actual", QuotaConfig{Charge: "actual"}, amounts{1, 100, 100, 0}, amounts{1, 100, 100, 0}, amounts{1, 120, 100, 20})
	f("corrected, cached free", QuotaConfig{FreeCached: true}, whole, amounts{1, 110, 60, 50}, amounts{1, 80, 60, 20})
	f("max_tokens, cached free", QuotaConfig{FreeCached: true, Charge: "max_tokens"}, whole, amounts{1, 110, 60, 50}, amounts{1, 110, 60, 50})
}

// TestRefundOfAWindowGone gives nothing back of what has ceased to count.
func TestRefundOfAWindowGone(t *testing.T) {
	t.Parallel()
	f := func(enforce string, pause time.Duration, want float64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			q := newQuota(QuotaConfig{TPM: 600, Enforce: enforce}, "q")
			held, _ := take(time.Now(), []*quota{q}, asks(1, 4))
			await(pause)
			if _, over := take(time.Now(), []*quota{q}, asks(5, 0)); over != nil {
				t.Fatal("refused")
			}
			held.correct(time.Now(), llm.Usage{Input: 1, Output: 1})
			if got := q.budgets[0].meter.left(time.Now()); got != want {
				t.Errorf("%s after %v: %v is left, want %v", enforce, pause, got, want)
			}
		})
	}
	f("fixed", 59*time.Second, 593)
	f("fixed", time.Minute, 595)
	f("sliding", 59*time.Second, 593)
	f("sliding", time.Minute, 595)
	f("slices", time.Second/2, 3) // 10 a second
	f("slices", time.Second, 5)
	f("bucket", time.Minute, 598) // full again but for 5
}

// TestAnswersCanTakeMoreThanIsLeft has outputs counted when they are there, so that the next request finds less than nothing.
func TestAnswersCanTakeMoreThanIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(QuotaConfig{TPM: 600, Enforce: "fixed", Charge: "actual"}, "q")
		held, _ := take(time.Now(), []*quota{q}, asks(590, 0))
		held.correct(time.Now(), llm.Usage{Input: 590, Output: 70})
		if st := q.stats(); st.Limits[0].Peak != 1.1 || st.Tokens != 660 {
			t.Errorf("%+v", st)
		}
		if _, over := take(time.Now(), []*quota{q}, asks(0, 0)); over == nil || over.left != -60 {
			t.Errorf("got %+v", over)
		}
	})
}

func TestCountFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(QuotaConfig{RPM: 3, TPM: 60, CountFailed: true, Enforce: "fixed"}, "q")
		all := []*quota{q}
		_, over := take(time.Now(), all, asks(61, 0))
		if failed(time.Now(), all); over == nil || q.budgets[0].charged != 2 {
			t.Fatalf("%v, charged %v, want a refusal and 2", over, q.budgets[0].charged)
		}
		for range 3 { // more than there is
			failed(time.Now(), all)
		}
		if b := q.budgets[0]; b.charged != 3 || b.peak != 1 || q.budgets[1].charged != 0 {
			t.Errorf("requests charged %v, tokens %v", b.charged, q.budgets[1].charged)
		}
		if _, over := take(time.Now(), all, asks(1, 0)); over == nil || over.budget.kind != countRequests {
			t.Errorf("got %+v", over)
		}
	})
}

// TestNeverAboveTheLimit sends at random and adds up what was accepted by itself: no window that the mode enforces holds more than its
// size, and whoever waits as long as he is told is accepted if nobody else came.
func TestNeverAboveTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := QuotaConfig{TPM: rapid.Int64Range(60, 1_000_000).Draw(t, "tpm"), Charge: "max_tokens"}
		cfg.Enforce = rapid.SampledFrom(enforcings[:]).Draw(t, "enforce")
		if cfg.Enforce == "fixed" {
			cfg.Phase = time.Duration(rapid.IntRange(0, 59).Draw(t, "phase")) * time.Second
		}
		q := newQuota(cfg, "q")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		type charge struct {
			at time.Time
			n  float64
		}
		var charges []charge
		now := time.Unix(1_750_000_000, 0)
		begin := now
		largest := max(cfg.TPM/60, 1)
		for range 400 {
			now = now.Add(time.Duration(random.ExpFloat64() * float64(500*time.Millisecond)))
			n := 1 + random.Int64N(largest)
			_, over := take(now, []*quota{q}, asks(n, 0))
			if over != nil && random.IntN(2) == 0 {
				now = now.Add(over.wait)
				if _, again := take(now, []*quota{q}, asks(n, 0)); again != nil {
					t.Fatalf("%d tokens have to wait %v after they have waited %v", n, again.wait, over.wait)
				}
				over = nil
			}
			if over == nil {
				charges = append(charges, charge{now, float64(n)})
			}
		}
		minute, second := float64(cfg.TPM), max(float64(cfg.TPM)/60, 1)
		windows := map[int64]float64{}
		for i, c := range charges {
			at := c.at.UnixNano()
			switch cfg.Enforce {
			case "slices":
				windows[at/int64(time.Second)] += c.n
			case "fixed":
				windows[(at-int64(cfg.Phase))/int64(time.Minute)] += c.n
			}
			var last, since float64
			for j := i; j >= 0; j-- {
				if since += charges[j].n; c.at.Sub(charges[j].at) < time.Minute {
					last += charges[j].n
				}
				allowed := minute + minute/60*c.at.Sub(charges[j].at).Seconds()
				if cfg.Enforce == "bucket" && since > allowed+0.01 {
					t.Fatalf("%v tokens in %v, a full bucket has %v", since, c.at.Sub(charges[j].at), allowed)
				}
			}
			if cfg.Enforce == "sliding" && last > minute+0.01 {
				t.Fatalf("%v tokens in the minute before %v", last, c.at.Sub(begin))
			}
		}
		for _, sum := range windows {
			if most := map[string]float64{"slices": second, "fixed": minute}[cfg.Enforce]; sum > most+0.01 {
				t.Fatalf("%v tokens in a window of %v", sum, most)
			}
		}
		if st := q.stats(); st.Limits[0].Peak > 1+1e-9 {
			t.Fatalf("peak %v", st.Limits[0].Peak)
		}
	})
}

func TestQuotaLogIsBounded(t *testing.T) {
	t.Parallel()
	var l quotaLog
	at := time.Unix(1000, 0)
	f := func(after time.Duration, length int, start time.Duration) {
		t.Helper()
		l.accept(at.Add(after), 1)
		if len(l.seconds) != length || !l.start.Equal(at.Add(start)) || l.seconds[length-1].Accepted != 1 {
			t.Errorf("at %v: %d seconds from %v, want %d from %v", after, len(l.seconds), l.start.Sub(at), length, start)
		}
	}
	f(0, 1, 0)
	f(3599*time.Second, 3600, 0)
	f(3605*time.Second, 3600, 6*time.Second)
	f(10*time.Hour, 1, 10*time.Hour)
}

func TestSlidingIsBounded(t *testing.T) {
	t.Parallel()
	s := &sliding{length: time.Minute, size: 1e9}
	now := time.Unix(1000, 0)
	for range 2 * slidingGrains {
		s.charge(now, 1)
		now = now.Add(100 * time.Microsecond)
	}
	if got := s.left(now); got != 1e9-2*slidingGrains || len(s.entries) > 2*slidingGrains/10+1 {
		t.Errorf("%v left, %d entries", got, len(s.entries))
	}
}

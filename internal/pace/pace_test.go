package pace

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

func at(provider, name string) *llm.Target {
	return &llm.Target{Name: provider + "/" + name, Provider: provider, Model: name, API: llm.OpenAI}
}

// mustStart starts a call that is expected to find room.
func mustStart(t *testing.T, f *Fleet, tg *llm.Target) Lease {
	t.Helper()
	l, r, _ := f.TryStart(tg, limit.Try{})
	if r != Started {
		t.Fatalf("TryStart(%s) = %v, want started", tg.Name, r)
	}
	return l
}

func wantRefusal(t *testing.T, f *Fleet, tg *llm.Target, last bool, want Refusal) time.Time {
	t.Helper()
	_, r, until := f.TryStart(tg, limit.Try{Last: last})
	if r != want {
		t.Fatalf("TryStart(%s, last=%v) = %v, want %v", tg.Name, last, r, want)
	}
	return until
}

func TestLimits(t *testing.T) {
	t.Parallel()
	limits := Limits{[]ProviderLimits{{
		Name:        "p",
		Concurrency: 4,
		Quotas: []QuotaLimits{
			{Models: []string{"llama-*"}, Terms: limit.Terms{Concurrency: 2}},
			{Models: []string{"*-70b", "org/x"}, Terms: limit.Terms{Concurrency: 3}},
		},
		Targets: map[string]int{"single": 1},
	}}}
	f := func(name string, started []string, next string, want Refusal) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := New(limits, Breaker{})
			var leases []Lease
			for _, m := range started {
				leases = append(leases, mustStart(t, fleet, at("p", m)))
			}
			wantRefusal(t, fleet, at("p", next), false, want)
			for _, l := range leases {
				l.Done(Outcome{})
			}
			for _, q := range fleet.Snapshot().Quotas {
				if q.InUse != 0 && !(want == Started && q.InUse == 1) {
					t.Errorf("quota %q has %d in use after the end of all calls", q.Quota, q.InUse)
				}
			}
		})
	}
	f("free", nil, "llama-8b", Started)
	f("quota full", []string{"llama-8b", "llama-1b"}, "llama-70b", Full)
	f("quota full for its models only", []string{"llama-8b", "llama-1b"}, "qwen-70b", Started)
	f("second quota full", []string{"a-70b", "b-70b", "org/x"}, "llama-70b", Full)
	f("target full", []string{"single"}, "single", Full)
	f("account full", []string{"a", "b", "c", "d"}, "e", FullAccount)
	f("account full goes before target full", []string{"single", "b", "c", "d"}, "single", FullAccount)
}

func TestUpdateKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	limits := func(account, quota int) Limits {
		return Limits{[]ProviderLimits{{
			Name: "p", Concurrency: account, Quotas: []QuotaLimits{{Models: []string{"m*"}, Terms: limit.Terms{Concurrency: quota}}},
		}}}
	}
	f := New(limits(10, 1), Breaker{})
	var told []*llm.Target
	f.OnFreed(func(tg *llm.Target) { told = append(told, tg) })
	tg := at("p", "m1")
	first := mustStart(t, f, tg)
	wantRefusal(t, f, tg, false, Full)

	f.Update(limits(10, 2))
	second := mustStart(t, f, tg)
	f.Update(limits(1, 2))
	wantRefusal(t, f, at("p", "other"), false, FullAccount)
	first.Done(Outcome{})
	wantRefusal(t, f, tg, false, FullAccount)
	second.Done(Outcome{})
	third := mustStart(t, f, tg)

	f.Update(Limits{}) // the account is gone from the configuration while a call is under way
	if got := f.Snapshot().Quotas; len(got) != 1 || got[0].InUse != 1 || got[0].Limit != 0 {
		t.Errorf("quotas of a dropped account in use = %+v", got)
	}
	third.Done(Outcome{})
	f.Update(Limits{})
	if got := f.Snapshot(); len(got.Quotas)+len(got.Targets) != 0 {
		t.Errorf("an idle account outlived its configuration: %+v", got)
	}
	if diff := cmp.Diff([]*llm.Target{nil, nil, tg, tg, nil, tg, nil}, told); diff != "" {
		t.Errorf("freed calls (-want +got):\n%s", diff)
	}
}

func TestLeaseEndsOnce(t *testing.T) {
	t.Parallel()
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if got := fmt.Sprint(recover()); len(got) < 4 || got[:4] != "BUG:" {
				t.Errorf("%s: recovered %q, want a BUG", what, got)
			}
		}()
		f()
	}
	f := New(Limits{}, Breaker{})
	l := mustStart(t, f, at("p", "m"))
	l.Done(Outcome{})
	mustPanic("second Done", func() { l.Done(Outcome{}) })
	next := mustStart(t, f, at("p", "m")) // may use the same memory again
	mustPanic("Done of an older turn", func() { l.Done(Outcome{}) })
	mustPanic("Begun after Done", l.Begun)
	next.Done(Outcome{})
	mustPanic("zero lease", func() { Lease{}.Done(Outcome{}) })
	if got := f.Snapshot().Targets[0].InUse; got != 0 {
		t.Errorf("in use = %d, want 0", got)
	}
}

func TestMadeUpNamesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New(Limits{[]ProviderLimits{{Name: "p", Concurrency: maxTargets + 10}}}, Breaker{})
		var held []Lease
		for i := range maxTargets {
			held = append(held, mustStart(t, f, at("p", fmt.Sprint("m", i))))
		}
		extra := mustStart(t, f, at("p", "extra"))
		if got := len(f.Snapshot().Targets); got != maxTargets {
			t.Fatalf("%d targets kept, want %d", got, maxTargets)
		}
		if got := f.Snapshot().Quotas[0].InUse; got != maxTargets+1 {
			t.Errorf("account has %d in use, want %d: a target without kept state still counts", got, maxTargets+1)
		}
		extra.Done(Outcome{})
		for _, l := range held {
			l.Done(Outcome{})
		}
		time.Sleep(sweepEvery)
		mustStart(t, f, at("p", "another")).Done(Outcome{})
		if got := len(f.Snapshot().Targets); got != 1 {
			t.Errorf("%d targets kept after the sweep, want 1", got)
		}
	})
}

func TestStartAllocatesNothing(t *testing.T) {
	f := New(Limits{[]ProviderLimits{{Name: "p", Concurrency: 5, Quotas: []QuotaLimits{{Terms: limit.Terms{Concurrency: 4}}}}}}, Breaker{})
	tg := at("p", "m")
	run := func() {
		l, _, _ := f.TryStart(tg, limit.Try{})
		l.Begun()
		l.Done(Outcome{})
	}
	run()
	if raceEnabled {
		return // sync.Pool drops at random under the race detector
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("TryStart and Done allocate %v times, want 0", n)
	}
}

func TestConcurrentUseNeverExceedsLimits(t *testing.T) {
	t.Parallel()
	const places = 7
	f := New(Limits{[]ProviderLimits{{Name: "p", Concurrency: places}}}, Breaker{})
	var mu sync.Mutex
	var now, most int
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			tg := at("p", fmt.Sprint("m", i%3))
			for range 2000 {
				l, r, _ := f.TryStart(tg, limit.Try{})
				if r != Started {
					continue
				}
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				mu.Lock()
				now--
				mu.Unlock()
				l.Done(Outcome{Kind: llm.KindServerError * llm.Kind(i%2)})
				f.Snapshot()
			}
		})
	}
	wg.Wait()
	if most > places {
		t.Errorf("%d calls at a time, limit %d", most, places)
	}
	for _, q := range f.Snapshot().Quotas {
		if q.InUse != 0 {
			t.Errorf("%d in use at the end", q.InUse)
		}
	}
}

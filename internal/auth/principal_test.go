package auth

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/llm"
)

func TestModels(t *testing.T) {
	t.Parallel()
	f := func(model string, want bool, allowed ...string) {
		t.Helper()
		var p Principal
		p.setModels(allowed)
		if got := p.Allows(model); got != want {
			t.Errorf("%q under %q: %v, want %v", model, allowed, got, want)
		}
	}
	f("anything", true)
	f("gpt-4o", true, "smart", "gpt-4o")
	f("gpt-4o-mini", false, "smart", "gpt-4o")
	f("openai/gpt-4o", true, "openai/*")
	f("openai/org/model", true, "openai/*")
	f("openai", false, "openai/*")
	f("anthropic/x", false, "openai/*")
	f("gpt-4o-mini", true, "gpt-*")
	f("a/gpt-4o", true, "*/gpt-*")
	f("a/gpt-4o", false, "*/gpt-*-mini")
	f("a/gpt-4o-mini-mini", true, "*/gpt-*-mini")
	f("ab", false, "ab*b")
	f("abb", true, "ab*b")
	f("", true, "*")
	f("x", true, "**")
	f("*", false, "a")
	f("A", false, "a")
}

// FuzzMatch compares match with the plain definition of its pattern.
func FuzzMatch(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Add("**", "")
	f.Add("*a*", "bab")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 12 {
			return
		}
		if got, want := match(pattern, s), slowMatch(pattern, s); got != want {
			t.Errorf("match(%q, %q) = %v", pattern, s, got)
		}
	})
}

func slowMatch(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && slowMatch(pattern[1:], s[1:])
}

func TestLimitsOfTierAndKey(t *testing.T) {
	t.Parallel()
	f := func(name string, k KeyConfig, limit int, setting string, small, large bool) {
		t.Helper()
		k.Name, k.Key = name, llm.NewSecret(configKey)
		d := directory(t, config(k), nil, false)
		p, e := d.Authenticate(t.Context(), configKey)
		if e != nil {
			t.Fatal(e)
		}
		var c Charge
		for i := range limit {
			if c, e = p.Reserve(born, Order{}); e != nil {
				t.Fatalf("%s: call %d: %v", name, i, e)
			}
		}
		_, e = p.Reserve(born, Order{})
		if limit == 100 { // stands for none
			if e != nil {
				t.Errorf("%s: %v", name, e)
			}
		} else if e == nil || e.Kind != llm.KindKeyConcurrency {
			t.Errorf("%s: call beyond %d: %v", name, limit, e)
		} else {
			for _, w := range []string{fmt.Sprintf("%q", name), fmt.Sprintf("may have %d", limit), setting} {
				if !strings.Contains(e.Message, w) {
					t.Errorf("%s: message %q does not say %q", name, e.Message, w)
				}
			}
			c.Settle(born, llm.Usage{}, 0)
			if _, e := p.Reserve(born, Order{}); e != nil {
				t.Errorf("%s: after Settle: %v", name, e)
			}
		}
		if p.Allows("small") != small || p.Allows("large") != large {
			t.Errorf("%s: small %v, large %v", name, p.Allows("small"), p.Allows("large"))
		}
	}
	f("none", KeyConfig{}, 100, "", true, true)
	f("own", KeyConfig{Limits: Limits{Concurrency: 3}, Models: []string{"large"}}, 3, "of the key", false, true)
	f("tier", KeyConfig{Tier: "free"}, 2, "tier free", true, false)
	f("both", KeyConfig{Tier: "free", Limits: Limits{Concurrency: 5}, Models: []string{"large"}}, 5, "of the key", false, true)
	f("empty tier", KeyConfig{Tier: "pro"}, 100, "", true, true)
}

func TestConcurrencyIsExact(t *testing.T) {
	t.Parallel()
	const limit, workers, each = 5, 16, 2000
	d := directory(t, config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey), Limits: Limits{Concurrency: limit}}), nil, false)
	p, e := d.Authenticate(t.Context(), configKey)
	if e != nil {
		t.Fatal(e)
	}
	var running, most, started atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				c, e := p.Reserve(time.Now(), Order{})
				if e != nil {
					continue
				}
				started.Add(1)
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				running.Add(-1)
				c.Settle(time.Now(), llm.Usage{}, 0)
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d calls under way at once, limit %d", most.Load(), limit)
	}
	if p.account.underWay() != 0 || started.Load() == 0 {
		t.Errorf("%d still counted, %d started", p.account.underWay(), started.Load())
	}
}

func TestUpdateKeepsCounts(t *testing.T) {
	t.Parallel()
	with := func(n int) Config {
		return config(KeyConfig{Name: "a", Key: llm.NewSecret(configKey), Limits: Limits{Concurrency: n}})
	}
	d := directory(t, with(2), nil, false)
	old, _ := d.Authenticate(t.Context(), configKey)
	var charges []Charge
	for range 2 {
		c, e := old.Reserve(time.Now(), Order{})
		if e != nil {
			t.Fatal(e)
		}
		charges = append(charges, c)
	}
	update := func(c Config) *Principal {
		t.Helper()
		if err := d.Update(c); err != nil {
			t.Fatal(err)
		}
		p, _ := d.Authenticate(t.Context(), configKey)
		return p
	}
	full := func(p *Principal, want bool) {
		t.Helper()
		c, e := p.Reserve(time.Now(), Order{})
		if e == nil {
			c.Settle(time.Now(), llm.Usage{}, 0)
		}
		if (e != nil) != want {
			t.Errorf("Reserve = %v, want refused: %v", e, want)
		}
	}
	full(update(with(2)), true)
	full(update(with(3)), false)
	full(update(with(1)), true)
	if p := update(config()); p != nil {
		t.Error("a key that left the configuration is still good")
	}
	if err := d.Update(config()); err != nil { // the count outlives two updates without the key
		t.Fatal(err)
	}
	back := update(with(2))
	full(back, true)
	charges[0].Settle(time.Now(), llm.Usage{}, 0)
	full(back, false)
	charges[1].Settle(time.Now(), llm.Usage{}, 0)
	if n := back.account.underWay(); n != 0 {
		t.Errorf("%d calls under way, want none", n)
	}
	update(config())
	if n := len(d.table.Load().accounts); n != 0 {
		t.Errorf("%d accounts are kept without keys or calls", n)
	}
}

package plan

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every fact that ships names where and when it was read, and the tiers of a provider rise.
func TestShippedTiers(t *testing.T) {
	t.Parallel()
	all, err := LoadTiers("")
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Names()) < 5 || len(all.Tiers) < 20 {
		t.Errorf("%d tiers of %v", len(all.Tiers), all.Names())
	}
	used := map[string]bool{}
	for _, tier := range all.Tiers {
		where := tier.Provider + "/" + tier.Name
		if tier.Qualifies == "" {
			t.Errorf("%s: how one gets there is not said", where)
		}
		if _, ok := all.Providers[tier.Provider]; !ok {
			t.Errorf("%s: how the provider counts is not said", where)
		}
		used[tier.QualifiesID] = true
		if tier.QualifiesID == "" {
			t.Errorf("%s: where that was read is not said", where)
		}
		for _, l := range tier.Limits {
			s := all.Source(l)
			used[l.SourceID] = true
			if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" {
				t.Errorf("%s: source %s has no address: %q", where, l.SourceID, s.URL)
			}
			if s.Kind == "secondary" && !l.Unverified {
				t.Errorf("%s: %v is second-hand, and not marked", where, l.Models)
			}
			if !l.Limits.Any() && l.Note == "" {
				t.Errorf("%s: %v has no limits and no word why", where, l.Models)
			}
		}
	}
	for id := range all.Sources {
		if !used[id] {
			t.Errorf("source %s is not used", id)
		}
	}
	for _, name := range all.Names() {
		of := all.Of(name)
		for i := 1; i < len(of); i++ {
			for _, l := range of[i].Limits {
				lower, ok := of[i-1].For(l.Models[0])
				if ok && (l.RPM < lower.RPM || l.TPM < lower.TPM && l.TPM > 0 || l.ITPM < lower.ITPM || l.OTPM < lower.OTPM) {
					t.Errorf("%s/%s has less for %s than the tier below it", name, of[i].Name, l.Models[0])
				}
			}
		}
	}
}

func TestTierPatterns(t *testing.T) {
	t.Parallel()
	tier := Tier{Limits: []TierLimits{
		{Models: []string{"*"}, Limits: Limits{RPM: 1}},
		{Models: []string{"gpt-4*"}, Limits: Limits{RPM: 2}},
		{Models: []string{"gpt-4o", "gpt-4o-2024-*"}, Limits: Limits{RPM: 3}},
	}}
	f := func(name string, want int64) {
		t.Helper()
		if l, ok := tier.For(name); !ok || l.RPM != want {
			t.Errorf("%s gets %d, want %d", name, l.RPM, want)
		}
	}
	f("llama", 1)
	f("gpt-4o-mini", 2)
	f("gpt-4o", 3)
	f("gpt-4o-2024-08-06", 3)
}

func TestTierOverrides(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tiers.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"sources": {"mine": {"page": "our contract", "as_of": "2026-11-01", "kind": "own"}},
		"providers": {"openai": {"scope": "contract"}},
		"tiers": [
			{"provider": "openai", "tier": "tier-1", "limits": [{"models": ["gpt-4o"], "rpm": 77, "source": "mine"}]},
			{"provider": "openai", "tier": "contract", "limits": [{"models": ["*"], "rpm": 99, "source": "mine"}]},
			{"provider": "acme", "tier": "only", "limits": [{"models": ["*"], "concurrency": 4, "source": "mine"}]}]}`)
	all, err := LoadTiers(path)
	if err != nil {
		t.Fatal(err)
	}
	tier, err := all.Find("openai", "tier-1")
	if err != nil {
		t.Fatal(err)
	}
	if l, _ := tier.For("gpt-4o"); l.RPM != 77 || all.Source(l).Page != "our contract" || len(tier.Limits) != 1 {
		t.Errorf("tier-1 is %+v", tier)
	}
	of := all.Of("openai")
	if of[len(of)-1].Name != "contract" || all.Providers["openai"].Scope != "contract" || all.Providers["azure"].Scope == "" {
		t.Errorf("openai has %+v", of)
	}
	if _, err := all.Find("acme", "only"); err != nil {
		t.Error(err)
	}

	f := func(text, want string) {
		t.Helper()
		write(text)
		if _, err := LoadTiers(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error is %v, want %q and the file", err, want)
		}
	}
	f(`{"tiers": [{"provider": "a", "tier": "b", "limits": [{"models": ["*"], "rpmm": 1}]}]}`, `unknown field "rpmm"`)
	f(`{"tiers": [{"provider": "a", "limits": []}]}`, "no name")
	f(`{"tiers": [{"provider": "a", "tier": "b", "limits": [{"models": ["*"], "rpm": 1, "source": "x"}]}]}`, `source "x" is not among sources`)
	f(`{"sources": {"x": {"page": "p", "as_of": "today", "kind": "own"}}}`, "as_of")
	f(`{"sources": {"x": {"page": "p", "as_of": "2026-01-01", "kind": "rumour"}}}`, "kind")
	f(`{"sources": {"x": {"as_of": "2026-01-01", "kind": "own"}}}`, "no page")
	f(`{"providers": {"x": {"output": "guessed"}}}`, "output")
	f(`{"sources": {"x": {"page": "p", "as_of": "2026-01-01", "kind": "own"}},
		"tiers": [{"provider": "a", "tier": "b", "limits": [{"models": ["*"], "rpm": -1, "source": "x"}]}]}`, "rpm is -1")
	f(`{"sources": {"x": {"page": "p", "as_of": "2026-01-01", "kind": "own"}},
		"tiers": [{"provider": "a", "tier": "b", "limits": [{"rpm": 1, "source": "x"}]}]}`, "without models")
	f(`{} {}`, "text after the end")
	f(`[`, "unexpected")
}

func TestFindTier(t *testing.T) {
	t.Parallel()
	all, err := LoadTiers("")
	if err != nil {
		t.Fatal(err)
	}
	f := func(provider, name, want string) {
		t.Helper()
		if _, err := all.Find(provider, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f("openia", "tier-1", "nearest: openai")
	f("zzz", "tier-1", "there are anthropic, azure")
	f("openai", "tier-9", "it has free, tier-1, tier-2, tier-3, tier-4 and tier-5")
}

func FuzzTiers(f *testing.F) {
	f.Add(tierData)
	f.Add([]byte(`{"tiers": [{"provider": "a", "tier": "b", "limits": [{"models": ["*"], "rpm": 1, "source": "x"}]}]}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseTiers(text)
		if err != nil {
			return
		}
		for _, tier := range all.Tiers {
			for _, l := range tier.Limits {
				if all.Source(l).Page == "" || l.Limits.Check() != nil {
					t.Errorf("accepted %+v", l)
				}
			}
			tier.For("gpt-4o")
		}
	})
}

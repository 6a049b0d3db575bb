package config

import (
	"strings"
	"testing"
)

// TestQuotaNotices checks what is said of quotas that are valid and do nothing, or not what they seem to.
func TestQuotaNotices(t *testing.T) {
	t.Parallel()
	f := func(account, want string) {
		t.Helper()
		c, err := Parse("f.yaml", []byte("providers:\n  a: {api: sim, "+account+"}\nmodels: {m: {targets: [a/by-route]}}\n"), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, n := range c.Notices() {
			if strings.Contains(n.Key, "quotas") {
				said = append(said, n.Key+": "+n.Message)
				if n.Line != 2 {
					t.Errorf("%s: notice at line %d", account, n.Line)
				}
			}
		}
		if got := strings.Join(said, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: said %q, want %q", account, got, want)
		}
	}
	f("quotas: [{models: [x], rpm: 1}]", "")
	f("quotas: [{models: [x], concurrency: adaptive}]", "")
	f("quotas: [{models: [x]}]", "providers.a.quotas[0]: sets no limit")
	f("quotas: [{models: [x], rpm: 0}]", "sets no limit")
	f("quotas: [{models: [x], rpm: 1}, {models: [x], tpm: 1}]", "providers.a.quotas[1]: is for the same models as quotas[0]")
	f("quotas: [{models: [x], rpm: 1}, {models: ['*'], tpm: 1}]", "")
	f("models: [y], quotas: [{models: [x], rpm: 1}]", "holds for no model: the account is asked for y, by-route only")
	f("models: [y], quotas: [{models: ['by-*'], rpm: 1}]", "")
	f("models: ['gpt-*'], quotas: [{models: [gpt-4o], rpm: 1}]", "")
	f("models: ['gpt-*'], quotas: [{models: ['gpt-4*', 'o3'], rpm: 1}]", "")
	f("models: ['gpt-*'], quotas: [{models: ['*mini'], rpm: 1}]", "")
	f("models: ['gpt-*'], quotas: [{models: ['o*'], rpm: 1}]", "holds for no model")
}

// TestBudgetWithoutAmount checks that a budget that would let everything through is an error.
func TestBudgetWithoutAmount(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		_, err := Parse("f.yaml", []byte("providers: {a: {api: sim}}\n"+src+"\n"), func(string) (string, bool) { return "", false })
		if got := ""; err != nil {
			if got = err.Error(); want == "" || !strings.Contains(got, want) {
				t.Errorf("%s: error %s, want %q", src, got, want)
			}
		} else if want != "" {
			t.Errorf("%s: no error, want %q", src, want)
		}
	}
	f("tiers: {t: {rpm: 1}}", "")
	f("tiers: {t: {budget: {usd: 0.01, per: day}}}", "")
	f("tiers: {t: {budget: {per: day}}}", "tiers.t.budget.usd: is missing")
	f("tiers: {t: {budget: {usd: 0}}}", "") // none, as it says: configurations that are written out have it
	f("tiers: {t: {users: {budget: {per: day}}}}", "tiers.t.users.budget.usd: is missing")
	f("keys: [{name: a, key: sk-0123456789abcdefghi, budget: {unpriced: allow}}]", "keys[0].budget.usd: is missing")
}

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	f := func(name, before, after string, want ...Change) {
		t.Helper()
		if diff := cmp.Diff(want, Diff(parse(t, before), parse(t, after))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("nothing", "log: {level: info}", "data_dir: ./sluice-data")
	f("forms", "max_body: 64MiB\nretry: {budget: 10%}", "max_body: 67108864\nretry: {budget: 0.1}")
	f("values", "log: {level: info}", "log: {level: warn}\nmax_body: 1MiB",
		Change{"max_body", "32MiB", "1MiB", false}, Change{"log.level", "info", "warn", false})
	f("restart", "listen: localhost:1", "listen: localhost:2", Change{"listen", "localhost:1", "localhost:2", true})
	f("secret", "admin_key: aaaaaaaaaaaaaaaa", "admin_key: bbbbbbbbbbbbbbbb",
		Change{"admin_key", llm.NewSecret("aaaaaaaaaaaaaaaa").String(), llm.NewSecret("bbbbbbbbbbbbbbbb").String(), false})
	f("gone", "tiers: {a: {concurrency: 1}, b: {concurrency: 2, models: [x]}}", "tiers: {a: {concurrency: 1}}",
		Change{"tiers.b.rpm", "0", "", false}, Change{"tiers.b.tpm", "0", "", false}, Change{"tiers.b.requests_per_day", "0", "", false},
		Change{"tiers.b.tokens_per_day", "0", "", false}, Change{"tiers.b.concurrency", "2", "", false}, Change{"tiers.b.budget.usd", "0", "", false},
		Change{"tiers.b.budget.per", "month", "", false}, Change{"tiers.b.budget.unpriced", "refuse", "", false}, Change{"tiers.b.weight", "1", "", false},
		Change{"tiers.b.models[0]", "x", "", false}, Change{"tiers.b.users.rpm", "0", "", false}, Change{"tiers.b.users.tpm", "0", "", false},
		Change{"tiers.b.users.requests_per_day", "0", "", false}, Change{"tiers.b.users.tokens_per_day", "0", "", false},
		Change{"tiers.b.users.concurrency", "0", "", false}, Change{"tiers.b.users.budget.usd", "0", "", false},
		Change{"tiers.b.users.budget.per", "month", "", false}, Change{"tiers.b.users.budget.unpriced", "refuse", "", false},
		Change{"tiers.b.users.tracked", "0", "", false})
	f("order of providers", "providers: {a: {region: x}, b: {region: y}}", "providers: {b: {region: y}, a: {region: x}}",
		Change{"providers", "a, b", "b, a", false})
}

func TestID(t *testing.T) {
	t.Parallel()
	id := func(src string, env ...string) string { return parse(t, src, env...).ID() }
	base := id("admin_key: one-and-the-same")
	if len(base) != 12 {
		t.Errorf("ID is %q", base)
	}
	if got := id("log: {level: info}\nadmin_key: ${K}", "K", "one-and-the-same"); got != base {
		t.Error("equal settings have different IDs")
	}
	if id("admin_key: another") == base || id("admin_key: one-and-the-same\nlog: {level: warn}") == base {
		t.Error("different settings have one ID")
	}
}

// What Redacted writes, the loader reads as the same settings.
func TestRedactedLoads(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"log: {level: info}",
		"providers:\n  b: {models: ['*', \"a: b\"], quotas: [{models: [x], concurrency: 1}]}\n  a: {api: sim, sim: {seed: 4}}\n" +
			"models:\n  gpt-4.1: {targets: [{target: a/x, weight: 2}, b/y], timeouts: {total: 90s}}\n" +
			"retry: {budget: 7%, max: 1h}\ntiers: {t: {concurrency: 3}}\nmax_body: 1025\ntracing: {sample: 12.5%}\ndata_dir: \"x: y\"\n",
	} {
		c := parse(t, src)
		again, err := Parse("again.yaml", c.Redacted(), environ())
		if err != nil {
			t.Errorf("load what Redacted wrote: %v\n%s", err, c.Redacted())
			continue
		}
		if diff := cmp.Diff(string(c.Redacted()), string(again.Redacted())); diff != "" || c.ID() != again.ID() {
			t.Errorf("differs: %s", diff)
		}
	}
}

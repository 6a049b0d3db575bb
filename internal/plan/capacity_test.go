package plan

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// ask answers with the shape 500 + 200 tokens, after changes.
func ask(t *testing.T, change func(*CapacityQuestion)) *Capacity {
	t.Helper()
	q := &CapacityQuestion{Shape: Shape{Input: Int(500), Output: Int(200), CachedCounts: true}, Demand: DefaultDemand()}
	change(q)
	c, err := q.Capacity()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(x *Exact) string {
	if x == nil {
		return "none"
	}
	return x.Round(4)
}

// The known arithmetic: 90,000 TPM at 500 + 200 tokens is 128 requests a minute, about 2 TPS.
func TestKnownCapacity(t *testing.T) {
	t.Parallel()
	c := ask(t, func(q *CapacityQuestion) { q.Limits.TPM = 90_000 })
	if text(c.RPM) != "128" || c.TPS.Round(2) != "2.14" || c.TPS.Floor().String() != "2" || text(c.Usable) != "102" {
		t.Errorf("%s a minute, %s a second, %s usable", text(c.RPM), text(c.TPS), text(c.Usable))
	}
	if diff := cmp.Diff([]string{"tpm"}, c.Binding); diff != "" {
		t.Error(diff)
	}
	if want := "90,000 tokens/min ÷ 700 a request"; c.Bounds[0].Formula != want {
		t.Errorf("formula is %q, want %q", c.Bounds[0].Formula, want)
	}
	if c.Streams != nil || c.Wanted != nil {
		t.Error("streams or a verdict without latency and load")
	}
}

func TestEachLimit(t *testing.T) {
	t.Parallel()
	f := func(limit string, change func(*CapacityQuestion), wantRPM string) {
		t.Helper()
		c := ask(t, change)
		if len(c.Bounds) != 1 || c.Bounds[0].Limit != limit || c.Bounds[0].RPM.Round(4) != wantRPM || !c.Bounds[0].Binds {
			t.Errorf("%s: %+v, want %s a minute", limit, c.Bounds, wantRPM)
		}
	}
	f("rpm", func(q *CapacityQuestion) { q.Limits.RPM = 500 }, "500")
	f("rps", func(q *CapacityQuestion) { q.Limits.RPS = 150 }, "9000")
	f("tpm", func(q *CapacityQuestion) { q.Limits.TPM = 7000 }, "10")
	f("itpm", func(q *CapacityQuestion) { q.Limits.ITPM = 30_000 }, "60")
	f("otpm", func(q *CapacityQuestion) { q.Limits.OTPM = 8000 }, "40")
	f("rpd", func(q *CapacityQuestion) { q.Limits.RPD = 14_400 }, "10")
	f("tpd", func(q *CapacityQuestion) { q.Limits.TPD = 100_000_800 }, "99.2071")
	// Little's law: 10 at once, 4 s each: 2.5 a second.
	f("concurrency", func(q *CapacityQuestion) { q.Limits.Concurrency, q.Shape.E2E = 10, Int(4) }, "150")
	f("concurrency", func(q *CapacityQuestion) {
		q.Limits.Concurrency, q.Shape.TTFT, q.Shape.TPOT = 10, Float(0.02), Float(0.02) // 0.02 + 199 × 0.02 = 4 s
	}, "150")
	// Half of the input is cached, and does not count: 250 + 200.
	f("tpm", func(q *CapacityQuestion) {
		q.Limits.TPM, q.Shape.Cached, q.Shape.CachedCounts = 9000, Float(0.5), false
	}, "20")
	f("tpm", func(q *CapacityQuestion) { q.Limits.TPM, q.Shape.Cached = 7000, Float(0.5) }, "10")
	// max_tokens counts in place of the output.
	f("otpm", func(q *CapacityQuestion) { q.Limits.OTPM, q.Shape.Reserved = 8000, Int(1000) }, "8")
}

func TestBinding(t *testing.T) {
	t.Parallel()
	c := ask(t, func(q *CapacityQuestion) {
		q.Limits = Limits{RPM: 128, ITPM: 64_000, OTPM: 100_000, RPD: 1_000_000}
		q.Shape.E2E = Int(3)
	})
	if diff := cmp.Diff([]string{"rpm", "itpm"}, c.Binding); diff != "" { // both carry 128
		t.Error(diff)
	}
	if got := text(c.Streams); got != "6.4" {
		t.Errorf("%s streams, want 128/60 × 3", got)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	c := ask(t, func(q *CapacityQuestion) {
		q.Limits = Limits{TPM: 600_000, RPD: 2_000_000}
		q.Shape.E2E = Int(4)
		q.Demand.Rate, q.Demand.Peak = Int(12), Float(1.5)
		q.Demand.Hits, q.Demand.Batch, q.Demand.Attempts = Float(0.25), Float(0.2), Float(1.1)
		q.Limits.BatchTokens = 90_000_000
	})
	w := c.Wanted
	f := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}
	// 12 × 0.75 × 1.1 = 9.9 requests a second, of which 0.8 online: 7.92, 11.88 in the busiest minute.
	f("mean", w.Mean.String(), "7.92")
	f("peak", w.Peak.String(), "11.88")
	f("streams", text(w.Streams), "47.52")
	// 11.88 × 60 × 700 tokens with 20 % to spare.
	f("tokens needed", text(c.Bounds[0].Need), "623700")
	f("accounts", text(w.Accounts), "2") // 623,700 of 600,000; the queue would take one
	// A day's limit is compared with the mean: 7.92 × 86,400 ÷ 0.8.
	f("requests a day needed", text(c.Bounds[1].Need), "855360")
	if *w.Enough || *c.Bounds[0].Enough || !*c.Bounds[1].Enough {
		t.Errorf("enough: %v, tpm %v, rpd %v", *w.Enough, *c.Bounds[0].Enough, *c.Bounds[1].Enough)
	}
	// 9.9 × 0.2 a second × 86,400 × 500 tokens.
	f("batch queue", w.Batch.Need.String(), "85536000")
	if !*w.Batch.Enough {
		t.Error("90,000,000 are not enough for 85,536,000")
	}
	// What clients may send: 600,000/700/60 × 0.8 ÷ (1.5 × 0.75 × 1.1 × 0.8).
	f("calls", c.Calls.Round(4), "11.544")
}

func TestFleet(t *testing.T) {
	t.Parallel()
	f := func(name string, fleet Fleet, replicas, servers, gpus string) {
		t.Helper()
		w := ask(t, func(q *CapacityQuestion) {
			q.Shape.E2E, q.Fleet = Int(5), fleet
			q.Demand.Rate, q.Demand.Peak = Int(100), Int(2)
		}).Wanted
		count := func(a *FleetAdvice) string {
			if a == nil {
				return ""
			}
			return a.Count.String()
		}
		g := ""
		if w.GPUs != nil {
			g = w.GPUs.String()
		}
		if got := [3]string{count(w.Replicas), count(w.Servers), g}; got != [3]string{replicas, servers, gpus} {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("nothing measured", Fleet{}, "", "", "")
	// 200/s × 5 s = 1,000 streams ÷ 300 ÷ 0.8 = 4.17; 200 calls/s ÷ 500 ÷ 0.8 = 0.5.
	f("replicas", Fleet{ReplicaStreams: Int(300), ReplicaRate: Int(500)}, "5", "", "")
	f("replicas and a spare one", Fleet{ReplicaStreams: Int(300), Spare: Int(1)}, "6", "", "")
	// 100,000 in/s ÷ 50,000 = 2; 40,000 out/s ÷ 8,000 = 5: (2 + 5) ÷ 0.8 = 8.75.
	f("shared", Fleet{Prefill: Int(50_000), Decode: Int(8000), GPUs: Int(8)}, "", "9", "72")
	// ⌈2 ÷ 0.8⌉ + ⌈5 ÷ 0.8⌉ = 3 + 7.
	f("split", Fleet{Prefill: Int(50_000), Decode: Int(8000), Split: true, GPUs: Int(4)}, "", "10", "40")
	f("decode only", Fleet{Decode: Int(8000)}, "", "7", "")
	f("requests", Fleet{ServerRate: Int(40), GPUs: Int(1)}, "", "7", "7")
}

func TestTierAdvice(t *testing.T) {
	t.Parallel()
	tiers, err := LoadTiers("")
	if err != nil {
		t.Fatal(err)
	}
	f := func(rate int64, provider, model, want string, fits bool) {
		t.Helper()
		a := ask(t, func(q *CapacityQuestion) {
			q.Demand.Rate = Int(rate)
			q.Tiers, q.Provider, q.Model = tiers, provider, model
		}).Wanted.Tier
		got := a.Tier
		if !a.Fits {
			got = a.Highest
		}
		if got != want || a.Fits != fits {
			t.Errorf("%d/s with %s: %+v, want %s", rate, model, a, want)
		}
	}
	// 600,000 TPM ÷ 700 ÷ 60 × 0.8 = 11.4; 800,000 carry 15.2; 12,000,000 carry 228, but 10,000 RPM only 133.
	f(11, "openai", "gpt-4o", "tier-3", true)
	f(12, "openai", "gpt-4o", "tier-4", true)
	f(16, "openai", "gpt-4o-2024-08-06", "tier-5", true)
	f(133, "openai", "gpt-4o", "tier-5", true)
	f(134, "openai", "gpt-4o", "tier-5", false)
	f(1, "openai", "gpt-9", "", false)
	f(1, "google", "gemini-2.5-flash", "", false) // its numbers are not published
}

func TestCapacityRefuses(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*CapacityQuestion)) {
		t.Helper()
		q := &CapacityQuestion{Shape: Shape{Input: Int(1), Output: Int(1)}, Demand: DefaultDemand()}
		change(q)
		if _, err := q.Capacity(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f("has tokens", func(q *CapacityQuestion) { q.Shape = Shape{} })
	f("latency", func(q *CapacityQuestion) { q.Limits.Concurrency = 1 })
	f("peak", func(q *CapacityQuestion) { q.Demand.Peak = Float(0.5) })
	f("headroom", func(q *CapacityQuestion) { q.Demand.Headroom = Int(1) })
	f("hit rate", func(q *CapacityQuestion) { q.Demand.Hits = Int(1) })
	f("attempt", func(q *CapacityQuestion) { q.Demand.Attempts = Float(0.9) })
	f("rpm is -1", func(q *CapacityQuestion) { q.Limits.RPM = -1 })
	f("cached share", func(q *CapacityQuestion) { q.Shape.Cached = Int(2) })
	f("negative", func(q *CapacityQuestion) { q.Demand.Rate = Int(-1) })
}

// Whatever the numbers, nothing overflows or divides by zero, the binding limit carries least, and a verdict agrees with
// integer arithmetic done apart.
func TestCapacityHolds(t *testing.T) {
	t.Parallel()
	limit := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 100), rapid.Int64Range(1, MaxLimit))
	rapid.Check(t, func(t *rapid.T) {
		q := &CapacityQuestion{
			Limits: Limits{
				RPM: limit.Draw(t, "rpm"), TPM: limit.Draw(t, "tpm"), ITPM: limit.Draw(t, "itpm"), OTPM: limit.Draw(t, "otpm"),
				RPD: limit.Draw(t, "rpd"), TPD: limit.Draw(t, "tpd"), Concurrency: limit.Draw(t, "concurrency"), RPS: limit.Draw(t, "rps"),
			},
			Shape:  Shape{Input: Int(rapid.Int64Range(1, 1e9).Draw(t, "in")), Output: Int(rapid.Int64Range(0, 1e9).Draw(t, "out")), E2E: Float(rapid.Float64Range(1e-6, 1e6).Draw(t, "e2e"))},
			Demand: DefaultDemand(),
		}
		q.Demand.Rate = Float(rapid.Float64Range(0, 1e15).Draw(t, "rate"))
		c, err := q.Capacity()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range c.Bounds {
			if b.RPM.Sign() <= 0 || c.RPM.Cmp(b.RPM) > 0 {
				t.Fatalf("%s carries %s, all carry %s", b.Limit, b.RPM, c.RPM)
			}
			// All of a limit, and no more, is used by what it carries.
			used := b.RPM.Times(b.Uses)
			switch {
			case b.Daily:
				used = used.Times(Int(1440))
			case b.Limit == "rps" || b.Limit == "concurrency":
				used = used.Over(Int(60))
			}
			if used.Cmp(Int(b.Value)) != 0 {
				t.Fatalf("%s: %s of %d used", b.Limit, used, b.Value)
			}
		}
		if c.Wanted == nil || len(c.Bounds) == 0 {
			return
		}
		enough := true
		for _, b := range c.Bounds {
			enough = enough && new(big.Rat).Quo(q.Demand.Rate.rat(), big.NewRat(8, 10)).Cmp(b.TPS.rat()) <= 0
		}
		if enough != *c.Wanted.Enough || enough != (c.Wanted.Accounts.Cmp(Int(1)) == 0) {
			t.Fatalf("enough is %v, accounts %s, want %v", *c.Wanted.Enough, c.Wanted.Accounts, enough)
		}
	})
}

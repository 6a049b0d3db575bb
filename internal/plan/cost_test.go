package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// dec reads a number that must be one.
func dec(t *testing.T, s string) Exact {
	t.Helper()
	x, err := Number(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// cost answers for one price after changes.
func cost(t *testing.T, p Price, change func(*CostQuestion)) CostLine {
	t.Helper()
	p.Known = true
	if p.BatchKeep.Sign() == 0 {
		p.BatchKeep = UsualBatch()
	}
	q := &CostQuestion{Prices: []Price{p}, Attempts: Int(1), Wait: Int(24)}
	change(q)
	c, err := q.Cost()
	if err != nil {
		t.Fatal(err)
	}
	return c.Models[0]
}

// per makes a price from what so many tokens cost.
func per(t *testing.T, tokens int64, in, out string) Price {
	return Price{Input: dec(t, in).Over(Int(tokens)), Output: dec(t, out).Over(Int(tokens)), Cached: dec(t, in).Over(Int(tokens))}
}

// The known arithmetic, exact to the nano-dollar.
func TestKnownCosts(t *testing.T) {
	t.Parallel()
	f := func(what string, got *Money, want, short string) {
		t.Helper()
		if got == nil || got.String() != want || short != "" && got.Short() != short {
			t.Errorf("%s is %v, want %s", what, got, want)
		}
	}
	tokens := func(in, out, rate int64) func(*CostQuestion) {
		return func(q *CostQuestion) { q.Input, q.Output, q.Rate = Int(in), Int(out), Int(rate) }
	}
	l := cost(t, per(t, 1000, "0.01", "0.03"), tokens(500, 200, 40))
	f("a transaction", l.PerCall, "$0.011", "")
	f("an hour at 40/s", l.Hour, "$1584", "$1,584")
	l = cost(t, per(t, 1000, "0.0005", "0.0015"), tokens(500, 200, 60))
	f("a transaction", l.PerCall, "$0.00055", "")
	f("an hour at 60/s", l.Hour, "$118.8", "$119")
	l = cost(t, per(t, 1_000_000, "0.15", "0.60"), tokens(500, 500, 0))
	f("a transaction", l.PerCall, "$0.000375", "$0.000375")
	if l.Hour != nil {
		t.Error("an hour without a rate")
	}
	l = cost(t, Price{PerCall: dec(t, "0.0025")}, func(q *CostQuestion) { q.Month = dec(t, "10M") })
	f("direct", l.Direct.Month, "$25000", "$25,000")
	f("stream", l.Stream.Month, "$25000", "$25,000")
	f("batch", l.Batched.Month, "$12500", "$12,500")
	f("a year", l.Direct.Year, "$300000", "$300,000")
	f("a day", l.Direct.Day, "$821.917808219", "$822")
}

func TestOverheads(t *testing.T) {
	t.Parallel()
	p := per(t, 1_000_000, "2", "10")
	p.Cached = dec(t, "0.5").Over(Int(1e6))
	l := cost(t, p, func(q *CostQuestion) {
		q.Input, q.Output, q.Reasoning, q.Cached = Int(1000), Int(100), Int(50), Float(0.4)
		q.Attempts, q.Hits, q.Batch, q.Month = Float(1.1), Float(0.25), Float(0.6), Int(1000)
		q.BatchFixed, q.Delay = Float(1), Float(0.0001)
	})
	f := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}
	// 600 × 2 + 400 × 0.5 + 150 × 10 = 2,900 millionths.
	f("a transaction", l.PerCall.String(), "$0.0029")
	f("formula", l.Formula, "600 in × $2/M + 400 cached in × $0.5/M + 150 out × $10/M")
	// × 1.1 × 0.75
	f("a call", l.Paid.String(), "$0.0023925")
	f("direct", l.Direct.Month.String(), "$2.3925")
	f("batch", l.Batched.Month.String(), "$1.19625")
	f("mixed", l.Mixed.Month.String(), "$1.67475") // 0.6 × 1.19625 + 0.4 × 2.3925
	f("saved", l.Break.Saved.String(), "$0.00119625")
	f("an hour's delay is worth", l.Break.DelayWorth.String(), "$0.000049844")
	f("volume", l.Break.Volume.String(), "836") // 1 ÷ 0.00119625 = 835.9
	f("share", l.Break.Share.Round(4), "0.8359")
	if *l.Break.Pays { // 24 h × $0.0001 is more than is saved
		t.Error("batches pay although waiting costs more than they save")
	}
}

func TestPriceOf(t *testing.T) {
	t.Parallel()
	table := model.Embedded()
	info := func(provider, name string) *model.Info {
		t.Helper()
		i, ok := table.Lookup(provider, name)
		if !ok {
			t.Fatalf("no price of %s/%s", provider, name)
		}
		return i
	}
	p := PriceOf(info("openai", "gpt-4o"), 500)
	if p.Input.Times(Int(1e6)).String() != "2.5" || p.Cached.Times(Int(1e6)).String() != "1.25" || p.BatchKeep.String() != "0.5" || p.BatchAssumed {
		t.Errorf("gpt-4o: %+v", p)
	}
	if p := PriceOf(info("xai", "grok-4.3"), 500); !p.BatchAssumed {
		t.Errorf("the table has no batch discount of xai, but one was taken for known: %+v", p)
	}
	if p := PriceOf(info("google", "gemini-2.5-pro"), 250_000); p.Input.Times(Int(1e6)).String() != "2.5" {
		t.Errorf("the step of long prompts is left out: %s", p.Input.Times(Int(1e6)))
	}
	if l := cost(t, Price{}, func(q *CostQuestion) { q.Prices = []Price{Unpriced("gpt-5o", []string{"openai/gpt-4o"})} }); l.Priced || l.PerCall != nil || l.Direct != nil {
		t.Errorf("unpriced has a price: %+v", l)
	}
}

// The planner and the ledger charge the same for every model of the table.
func TestPlanAgreesWithTheLedger(t *testing.T) {
	t.Parallel()
	table := model.Embedded()
	n := 0
	for _, provider := range table.Providers() {
		for _, name := range table.Names(provider) {
			info, _ := table.Lookup(provider, name)
			p := PriceOf(info, 12_000)
			if !p.Known {
				continue
			}
			for tier, got := range map[string]func(CostLine) Money{
				"":      func(l CostLine) Money { return *l.PerCall },
				"batch": func(l CostLine) Money { return l.Batched.PerCall },
			} {
				nano, priced := info.Cost(llm.Usage{Input: 12_000, CachedInput: 3000, Output: 777}, tier)
				if !priced {
					continue // batches of a provider that has none
				}
				q := &CostQuestion{Prices: []Price{p}, Input: Int(12_000), Cached: Float(0.25), Output: Int(777), Attempts: Int(1), Wait: Int(24)}
				c, err := q.Cost()
				if err != nil {
					t.Fatal(err)
				}
				if want := USD(Int(nano).Over(Int(1e9))); got(c.Models[0]).String() != want.String() {
					t.Errorf("%s/%s %s: %s, the ledger has %s", provider, name, tier, got(c.Models[0]), want)
				}
				n++
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d prices were compared", n)
	}
}

func TestCostRefuses(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*CostQuestion)) {
		t.Helper()
		q := &CostQuestion{Prices: []Price{{Known: true}}, Attempts: Int(1), Wait: Int(24)}
		change(q)
		if _, err := q.Cost(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	f("no model", func(q *CostQuestion) { q.Prices = nil })
	f("negative", func(q *CostQuestion) { q.Input = Int(-1) })
	f("cached share", func(q *CostQuestion) { q.Cached = Float(1.1) })
	f("hit rate", func(q *CostQuestion) { q.Hits = Int(2) })
	f("batches", func(q *CostQuestion) { q.Batch = Int(2) })
	f("attempt", func(q *CostQuestion) { q.Attempts = Exact{} })
	f("wait", func(q *CostQuestion) { q.Wait = Exact{} })
}

// Huge amounts neither overflow nor lose a nano-dollar: months add up to a year, and the mix lies between its parts.
func TestCostHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := func(name string) Exact { return Int(rapid.Int64Range(0, 1e12).Draw(t, name)).Over(Int(1e6)) }
		q := &CostQuestion{
			Prices: []Price{{Known: true, Input: price("in"), Output: price("out"), Cached: price("cached"), BatchKeep: Float(rapid.Float64Range(0, 1).Draw(t, "keep"))}},
			Input:  Int(rapid.Int64Range(0, 1e9).Draw(t, "input")), Output: Int(rapid.Int64Range(0, 1e9).Draw(t, "output")),
			Cached: Float(rapid.Float64Range(0, 1).Draw(t, "share")), Attempts: Float(rapid.Float64Range(1, 1e6).Draw(t, "attempts")),
			Hits: Float(rapid.Float64Range(0, 1).Draw(t, "hits")), Month: Int(rapid.Int64Range(1, 1e15).Draw(t, "month")),
			Batch: Float(rapid.Float64Range(0.01, 1).Draw(t, "batch")), Wait: Int(24), Rate: Int(rapid.Int64Range(1, 1e15).Draw(t, "rate")),
		}
		c, err := q.Cost()
		if err != nil {
			t.Fatal(err)
		}
		l := c.Models[0]
		if l.Direct.Month.Times(Int(12)).Cmp(l.Direct.Year.Exact) != 0 || l.Direct.Day.Times(Int(365)).Cmp(l.Direct.Year.Exact) != 0 {
			t.Fatal("days and months do not add up to the year")
		}
		mixed := l.Mixed.Month.Exact
		if mixed.Cmp(l.Direct.Month.Exact) > 0 || mixed.Cmp(l.Batched.Month.Exact) < 0 || l.PerCall.Sign() < 0 {
			t.Fatalf("mixed %s is not between %s and %s", mixed, l.Batched.Month, l.Direct.Month)
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}

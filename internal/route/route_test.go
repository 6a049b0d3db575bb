package route

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/model"
)

func refs(names ...string) []TargetRef {
	var all []TargetRef
	for _, n := range names {
		all = append(all, TargetRef{Target: n, Weight: 1})
	}
	return all
}

func testTable(t testing.TB) *Table {
	t.Helper()
	table, err := NewTable(map[string]Model{
		"smart":   {Targets: refs("openai/gpt-4o", "groq/openai/gpt-oss-120b")},
		"spread":  {Strategy: Weighted, Targets: []TargetRef{{"openai/gpt-4o", 3}, {"sydney/llama-70b", 1}, {"groq/x", 0}}},
		"gpt-4.1": {Targets: refs("sydney/local")},
		"org/own": {Targets: refs("openai/gpt-4o")},
	}, []Provider{
		{Name: "openai", API: llm.OpenAI, Region: "us-east-1", PriceAs: "openai"},
		{Name: "groq", API: llm.OpenAI, PriceAs: "groq"},
		{Name: "sydney", API: llm.OpenAI, Region: "ap-southeast-2", Models: []string{"llama-70b", "qwen-*", "gpt-4o"}},
	}, model.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func names(p Plan) string {
	var tiers []string
	for _, tier := range p.Tiers {
		var one []string
		for _, tg := range tier {
			one = append(one, tg.Name)
		}
		tiers = append(tiers, strings.Join(one, "+"))
	}
	return strings.Join(tiers, " > ")
}

func TestPlan(t *testing.T) {
	t.Parallel()
	table := testTable(t)
	f := func(name, public string, configured, alias bool, want string) {
		t.Helper()
		p, err := table.Plan(name, 1)
		if err != nil {
			t.Errorf("Plan(%q): %v", name, err)
			return
		}
		if p.Public != public || p.Configured != configured || p.Alias != alias || names(p) != want {
			t.Errorf("Plan(%q) = %+v %s; want %q, configured %v, alias %v: %s", name, p, names(p), public, configured, alias, want)
		}
	}
	f("smart", "smart", true, true, "openai/gpt-4o > groq/openai/gpt-oss-120b")
	f("gpt-4.1", "gpt-4.1", true, true, "sydney/local") // an alias goes before a model of that name
	f("org/own", "org/own", true, true, "openai/gpt-4o")
	f("openai/gpt-4o", "openai/gpt-4o", true, false, "openai/gpt-4o")
	f("openai/gpt-4o-mini", "openai/gpt-4o-mini", true, false, "openai/gpt-4o-mini") // known by its price
	f("openai/not-yet-known", "openai/not-yet-known", false, false, "openai/not-yet-known")
	f("groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b", true, false, "groq/openai/gpt-oss-120b")
	f("groq/accounts/fireworks/models/x", "groq/accounts/fireworks/models/x", false, false, "groq/accounts/fireworks/models/x")
	f("gpt-4o", "openai/gpt-4o", true, false, "openai/gpt-4o") // both serve it: the first of the configuration
	f("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06", true, false, "openai/gpt-4o-2024-08-06")
	f("openai/gpt-oss-120b", "openai/gpt-oss-120b", false, false, "openai/gpt-oss-120b") // a provider's name goes first
	f("llama-70b", "sydney/llama-70b", true, false, "sydney/llama-70b")
	f("qwen-3", "sydney/qwen-3", false, false, "sydney/qwen-3")
	f("sydney/anything", "sydney/anything", false, false, "sydney/anything")

	p, _ := table.Plan("smart", 0)
	want := &llm.Target{Name: "groq/openai/gpt-oss-120b", Provider: "groq", Model: "openai/gpt-oss-120b", API: llm.OpenAI}
	if diff := cmp.Diff(want, p.Tiers[1][0]); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if p.Tiers[0][0].Region != "us-east-1" {
		t.Errorf("region = %q", p.Tiers[0][0].Region)
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	table := testTable(t)
	f := func(name, says string) {
		t.Helper()
		_, err := table.Plan(name, 0)
		if err == nil || err.Kind != llm.KindNotFound || err.Param != "model" || !strings.Contains(err.Message, says) {
			t.Errorf("Plan(%.40q) = %v, want not found that says %q", name, err, says)
		}
		if err != nil && len(err.Message) > 400 {
			t.Errorf("message of %d bytes", len(err.Message))
		}
	}
	f("smrat", `the model "smrat" does not exist; nearest: smart`)
	f("opnai/gpt-4o-mini", "nearest: openai/gpt-4o-mini")
	f("gpt-4o-mimi", "nearest: openai/gpt-4o-mini")
	f("no such thing at all", "/v1/models")
	f("openai/", `"openai/" does not exist`)
	f("", "no model is named")
	f(strings.Repeat("é", 5000), "does not exist")
}

func TestOneProviderServesAnyName(t *testing.T) {
	t.Parallel()
	table, err := NewTable(nil, []Provider{{Name: "local", API: llm.OpenAI, Models: []string{"a"}}}, model.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	p, e := table.Plan("meta/anything", 0)
	if e != nil || names(p) != "local/meta/anything" || p.Configured {
		t.Errorf("Plan = %+v, %v", p, e)
	}
}

func TestTableErrors(t *testing.T) {
	t.Parallel()
	providers := []Provider{{Name: "p"}}
	f := func(m Model, providers []Provider, want string) {
		t.Helper()
		_, err := NewTable(map[string]Model{"x": m}, providers, model.Embedded())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewTable of %+v: %v, want %q", m, err, want)
		}
	}
	f(Model{}, providers, `add model "x": it has no targets`)
	f(Model{Targets: refs("m")}, providers, `target "m": want provider/model`)
	f(Model{Targets: refs("q/m")}, providers, `target "q/m": want provider/model with a provider`)
	f(Model{Targets: refs("p/")}, providers, `target "p/"`)
	f(Model{Targets: refs("p/m", "p/m")}, providers, "named twice")
	f(Model{Targets: []TargetRef{{"p/m", -1}}}, providers, "weight is -1")
	f(Model{Targets: []TargetRef{{"p/m", 0}}, Strategy: Weighted}, providers, "no target has a weight")
	f(Model{Targets: refs("p/m"), Strategy: "best"}, providers, `strategy "best"`)
	f(Model{Targets: refs("p/m")}, []Provider{{Name: "p"}, {Name: "p"}}, "there are two")
	f(Model{Targets: refs("p/m")}, []Provider{{Name: "p/q"}}, "slash")
}

// Weights hold for the first tier and, among those that are left, for each after it; every plan holds every target once.
func TestWeights(t *testing.T) {
	t.Parallel()
	f := func(weights ...int) {
		t.Helper()
		var targets []*llm.Target
		sum := 0
		for i, w := range weights {
			targets = append(targets, &llm.Target{Name: fmt.Sprint(i)})
			sum += w
		}
		const n = 20_000
		first := make([]int, len(weights))
		for rnd := range uint64(n) {
			tiers := draw(targets, weights, rnd)
			if len(tiers) != len(weights) {
				t.Fatalf("%v: %d tiers", weights, len(tiers))
			}
			seen := map[*llm.Target]bool{}
			for i, tier := range tiers {
				at := slices.Index(targets, tier[0])
				if len(tier) != 1 || seen[tier[0]] {
					t.Fatalf("%v: tier %d is %v", weights, i, tier)
				}
				seen[tier[0]] = true
				if i == 0 {
					first[at]++
				}
				if i > 0 && weights[at] > 0 && weights[slices.Index(targets, tiers[i-1][0])] == 0 {
					t.Fatalf("%v: a target of weight 0 before one of %d", weights, weights[at])
				}
			}
		}
		for i, w := range weights {
			want := float64(w) / float64(sum)
			if got := float64(first[i]) / n; math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/n)+1e-9 {
				t.Errorf("%v: target %d is first in %.4f of the plans, want %.4f", weights, i, got, want)
			}
		}
	}
	f(1)
	f(1, 1)
	f(9, 1)
	f(5, 0, 3, 2)
	f(0, 1_000_000, 1)
	a := fmt.Sprint(draw(make([]*llm.Target, 3), []int{1, 2, 3}, 7))
	if b := fmt.Sprint(draw(make([]*llm.Target, 3), []int{1, 2, 3}, 7)); a != b {
		t.Errorf("plans differ for one number: %s, %s", a, b)
	}
	p, _ := testTable(t).Plan("spread", 3)
	if got := p.Tiers[2][0].Name; got != "groq/x" {
		t.Errorf("last tier = %s, want the target of weight 0", got)
	}
}

func TestTargetsAreInterned(t *testing.T) {
	t.Parallel()
	table := testTable(t)
	get := func(name string) *llm.Target {
		p, err := table.Plan(name, 0)
		if err != nil {
			t.Error(err)
			return nil
		}
		return p.Tiers[0][0]
	}
	for _, pair := range [][2]string{{"smart", "gpt-4o"}, {"openai/o3", "o3"}, {"llama-70b", "sydney/llama-70b"}, {"qwen-1", "sydney/qwen-1"}} {
		if get(pair[0]) != get(pair[1]) {
			t.Errorf("%s and %s have different targets", pair[0], pair[1])
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range maxDynamic + 100 {
				get(fmt.Sprint("sydney/made-up-", (n+i*1000)%(maxDynamic+100)))
			}
		})
	}
	wg.Wait()
	if n := len(table.dynamic.targets); n != maxDynamic {
		t.Errorf("%d made-up names kept, want %d", n, maxDynamic)
	}
	if tg := get("sydney/one-more"); tg == nil || tg.Model != "one-more" || tg == get("sydney/one-more") {
		t.Errorf("target beyond the bound = %+v, want a new one each time", tg)
	}
	if n := len(table.Targets()); n != 6 {
		t.Errorf("%d targets named by configuration, want 6", n)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	var got []string
	list := testTable(t).List()
	for _, l := range list {
		if l.Provider != "openai" && l.Provider != "groq" {
			got = append(got, l.ID)
		}
	}
	want := []string{"gpt-4.1", "org/own", "smart", "spread", "sydney/gpt-4o", "sydney/llama-70b", "sydney/local"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if !slices.Contains(list, Listing{"openai/gpt-4o-mini", "openai"}) || !slices.Contains(list, Listing{"groq/x", "groq"}) {
		t.Error("models known by price or by an alias are not listed")
	}
	key := func(l Listing) string { return l.Provider + "\x00" + l.ID }
	if !slices.IsSortedFunc(list, func(a, b Listing) int { return strings.Compare(key(a), key(b)) }) {
		t.Error("list is not sorted")
	}
}

func TestPlanOfAliasAllocatesNothing(t *testing.T) {
	table := testTable(t)
	var p Plan
	if n := testing.AllocsPerRun(1000, func() { p, _ = table.Plan("smart", 5) }); n != 0 {
		t.Errorf("a plan allocates %v times, want 0 (%v)", n, p)
	}
}

func BenchmarkPlan(b *testing.B) {
	table := testTable(b)
	for _, name := range []string{"smart", "spread", "openai/gpt-4o", "gpt-4o-mini", "sydney/made-up"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				if _, err := table.Plan(name, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzPlan(f *testing.F) {
	table := testTable(f)
	for _, s := range []string{"smart", "openai/x", "gpt-4o", "/", "sydney//", "x\x00/é"} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, name string, rnd uint64) {
		p, err := table.Plan(name, rnd)
		if (err == nil) != (len(p.Tiers) > 0) {
			t.Fatalf("Plan(%q) = %+v, %v", name, p, err)
		}
		for _, tier := range p.Tiers {
			for _, tg := range tier {
				if tg.Name != tg.Provider+"/"+tg.Model || tg.Model == "" {
					t.Fatalf("Plan(%q) has target %+v", name, tg)
				}
			}
		}
	})
}

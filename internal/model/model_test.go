package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	table := Embedded()
	f := func(provider, name, want string) {
		t.Helper()
		i, ok := table.Lookup(provider, name)
		if got := ""; ok {
			got = i.Model
			if got != want {
				t.Errorf("Lookup(%q, %q) = %q, want %q", provider, name, got, want)
			}
		} else if want != "" {
			t.Errorf("Lookup(%q, %q) found nothing, want %q", provider, name, want)
		}
	}
	f("openai", "gpt-4o", "gpt-4o")
	f("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13") // has a price of its own
	f("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini")
	f("openai", "gpt-4o-mini-20240718", "gpt-4o-mini")
	f("google-vertex", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929")
	f("google-vertex", "claude-sonnet-5", "claude-sonnet-5@default")
	f("google", "models/gemini-2.5-pro", "gemini-2.5-pro")
	f("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b")
	f("openai", "gpt-4o-2024-08", "")
	f("openai", "-2024-08-06", "")
	f("openai", "ft:gpt-4o:org::id", "")
	f("openai", "GPT-4o", "")
	f("sydney", "gpt-4o", "")
	f("", "gpt-4o", "")
}

func TestProviderOf(t *testing.T) {
	t.Parallel()
	f := func(url, want string) {
		t.Helper()
		if got := ProviderOf(url); got != want {
			t.Errorf("ProviderOf(%q) = %q, want %q", url, got, want)
		}
	}
	f("https://api.openai.com/v1", "openai")
	f("https://eu.api.openai.com/v1", "openai")
	f("https://API.OpenAI.com", "openai")
	f("https://evil-api.openai.com.example/v1", "")
	f("https://notapi.openai.com/v1", "")
	f("http://10.0.0.5:8000/v1", "")
	f("https://us-central1-aiplatform.googleapis.com/v1", "google-vertex")
	f("https://mine.openai.azure.com/openai", "azure")
	f("https://bedrock-runtime.us-east-1.amazonaws.com", "bedrock")
	f("https://bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock")
	f("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "bedrock")
	f("https://bedrock-mantle.us-east-1.api.aws/openai/v1", "bedrock")
	f("https://bedrock-runtime.evil.example", "")
	f("https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu", "google-vertex")
	f("https://us-central1-aiplatform.googleapis.com/v1", "google-vertex")
	f("https://api.groq.com/openai/v1", "groq")
	f("", "")
	f("://", "")
	known := Embedded().Providers()
	for _, h := range hosts {
		if _, ok := Embedded().all()[h.provider]; !ok {
			t.Errorf("host %s maps to %s, which has no prices (%v)", h.host, h.provider, known)
		}
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	table := Embedded()
	f := func(name, provider, model string, u llm.Usage, tier string, want int64, priced bool) {
		t.Helper()
		i, _ := table.Lookup(provider, model)
		got, ok := i.Cost(u, tier)
		if got != want || ok != priced {
			t.Errorf("%s: cost = %d, %v; want %d, %v", name, got, ok, want, priced)
		}
	}
	half := llm.Usage{Input: 500, Output: 500}
	f("known answer", "openai", "gpt-4o-mini", half, "", 375_000, true)
	f("default tier", "openai", "gpt-4o-mini", half, "default", 375_000, true)
	f("batch", "openai", "gpt-4o-mini", half, "batch", 187_500, true)
	f("flex", "openai", "gpt-4o-mini", half, "flex", 187_500, true)
	f("flex at list price", "groq", "openai/gpt-oss-120b", half, "flex", 375_000, true)
	f("flex that nobody knows", "deepseek", "deepseek-v4-pro", half, "flex", 0, false)
	f("batch that nobody knows", "deepseek", "deepseek-v4-pro", half, "batch", 0, false)
	f("priority", "openai", "gpt-4o-mini", half, "priority", 0, false)
	f("unknown model", "openai", "nothing", half, "", 0, false)
	f("nothing used", "openai", "gpt-4o-mini", llm.Usage{}, "", 0, true)
	f("rounded up", "openai", "gpt-4o-mini", llm.Usage{CachedInput: 0, Input: 0, Output: 1}, "batch", 300, true)
	f("below a nano", "deepseek", "deepseek-v4-pro", llm.Usage{Input: 1, CachedInput: 1}, "", 4, true) // 3.625
	f("cached", "openai", "gpt-4o", llm.Usage{Input: 1_000_000, CachedInput: 400_000}, "", 600_000*2500+400_000*1250, true)
	f("reasoning is in output", "openai", "o3", llm.Usage{Output: 1000, Reasoning: 900}, "", 8_000_000, true)
	f("cache write", "anthropic", "claude-sonnet-4-6", llm.Usage{Input: 1000, CachedInput: 500, CacheWrite: 300}, "",
		200*3000+500*300+300*3750, true)
	f("cache write for an hour", "anthropic", "claude-sonnet-4-6", llm.Usage{Input: 1000, CacheWrite: 300, CacheWriteLong: 100}, "",
		700*3000+200*3750+100*6000, true)
	f("audio has other prices", "openai", "gpt-4o", llm.Usage{Input: 10, AudioInput: 5}, "", 0, false)
	f("cached without a price", "mistral", "mistral-large-2512", llm.Usage{Input: 1000, CachedInput: 1000}, "", 500_000, true)
	f("cached at a price of zero", "openai", "gpt-3.5-turbo", llm.Usage{Input: 1000, CachedInput: 1000}, "", 500_000, true)
	f("prompt at the step", "openai", "gpt-6-astra", llm.Usage{Input: 272_000, Output: 1000}, "", 2_720_000_000+50_000_000, true)
	f("whole call above the step", "openai", "gpt-6-astra", llm.Usage{Input: 272_001, Output: 1000}, "",
		272_001*20_000+1000*75_000, true)
	f("cached counts for the step", "openai", "gpt-6-astra", llm.Usage{Input: 300_000, CachedInput: 299_000}, "",
		1000*20_000+299_000*2000, true)
	f("embedding", "openai", "text-embedding-3-small", llm.Usage{Input: 1_000_000}, "", 20_000_000, true)
	f("more cached than input", "openai", "gpt-4o", llm.Usage{Input: 10, CachedInput: 20, CacheWrite: 5}, "", 12_500, true)
	f("negative counts", "openai", "gpt-4o", llm.Usage{Input: -10, Output: -1, CachedInput: -3}, "", 0, true)
	f("absurd count", "openai", "gpt-4o", llm.Usage{Input: 1 << 62, Output: 1 << 62}, "", 9_223_372_036_854_776, true)
}

func TestAnnouncedPrice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the bubble begins in the year 2000
		i, _ := Embedded().Lookup("google", "gemini-3.8-flash")
		u := llm.Usage{Input: 1_000_000, Output: 1_000_000}
		if got, _ := i.Cost(u, ""); got != 4_500_000_000 {
			t.Errorf("price before the change = %d nano-USD, want 4.5 USD", got)
		}
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
		if got, _ := i.Cost(u, ""); got != 9_000_000_000 {
			t.Errorf("price after the change = %d nano-USD, want 9 USD", got)
		}
	})
}

// The table says where each price is from and when it was true.
func TestEmbeddedTable(t *testing.T) {
	t.Parallel()
	rows := readJSON(t)
	if len(rows) < 500 {
		t.Errorf("%d rows", len(rows))
	}
	seen := map[string]bool{}
	for _, i := range rows {
		if _, err := time.Parse(time.DateOnly, i.AsOf); err != nil || i.Source == "" {
			t.Errorf("%s of %s: as_of %q, source %q", i.Model, i.Provider, i.AsOf, i.Source)
		}
		if key := i.Provider + " " + i.Model; seen[key] {
			t.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prices.json")
	text := `{"models": [
  {"provider": "openai", "model": "gpt-4o", "input_per_mtok": 2, "output_per_mtok": 8, "as_of": "2026-11-01"},
  {"provider": "sydney", "model": "llama-70b", "input_per_mtok": 0.1, "output_per_mtok": 0.2},
  {"provider": "sydney", "model": "embed", "kind": "embedding", "input_per_mtok": 0.01}
]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	i, _ := table.Lookup("openai", "gpt-4o-2024-08-06") // the embedded row of the snapshot stays
	if got := i.List().Input; got != 2_500_000 {
		t.Errorf("price of another row = %d", got)
	}
	i, _ = table.Lookup("openai", "gpt-4o")
	if got, _ := i.Cost(llm.Usage{Input: 1000, Output: 1000, CachedInput: 1000}, ""); got != 10_000_000 {
		t.Errorf("cost by the override = %d", got)
	}
	if i.ContextWindow != 128_000 || i.Kind != "chat" || i.AsOf != "2026-11-01" || i.Source != "override" {
		t.Errorf("override = %+v, want what it does not state from the table", i)
	}
	if diff := cmp.Diff([]string{"embed", "llama-70b"}, table.Names("sydney")); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if _, ok := Embedded().Lookup("sydney", "llama-70b"); ok {
		t.Error("an override changed the embedded table")
	}
}

// TestPricedAs: an account at a server that is no provider's has the prices of the override file, by its own name, and no others.
func TestPricedAs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prices.json")
	text := `{"models": [{"provider": "sydney", "model": "llama", "input_per_mtok": 1, "output_per_mtok": 2}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	f := func(account, url, name string, want bool) {
		t.Helper()
		if _, ok := table.Lookup(PricedAs(account, url), name); ok != want {
			t.Errorf("account %s at %q has a price for %s: %v, want %v", account, url, name, ok, want)
		}
	}
	f("sydney", "http://10.0.0.5:8000/v1", "llama", true)
	f("sydney", "http://10.0.0.5:8000/v1", "gpt-4o", false)
	f("melbourne", "http://10.0.0.5:8000/v1", "llama", false)
	f("openai", "http://10.0.0.5:8000/v1", "gpt-4o", false) // it is called so, but is not OpenAI's
	f("mine", "https://api.openai.com/v1", "gpt-4o", true)
	f("sydney", "https://api.openai.com/v1", "llama", false)
	for _, name := range table.Providers() {
		if strings.Contains(name, ":") {
			t.Errorf("%s is listed as a provider", name)
		}
	}
}

func TestOverrideErrors(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "p.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load of %s\n got %v\nwant %q", text, err, want)
		}
	}
	f("{\n \"modles\": []}", `p.json:1:1: unknown field "modles"`)
	f("[\n {\"model\": \"m\",}\n]", "p.json:2:16: invalid character")
	f("[\n {\"model\": \"m\", \"provider\": \"p\"}\n]", "p.json:2:2: input_per_mtok must be given")
	f("[\n {\"model\": \"m\", \"provider\": \"p\", \"input_per_mtok\": 1, \"output_per_mtok\": 1},\n  {\"modell\": 1}]",
		`p.json:3:3: unknown field "modell"`)
	f("{\"models\": [{\"model\": \"m\", \"provider\": \"p\", \"input_per_mtok\": \"1\"}]}", "p.json:1:")
	f("{\"models\": [{\"model\": \"m\", \"provider\": \"p\", \"input_per_mtok\": -1}]}", "input_per_mtok is -1")
	f("{\"models\": [{\"model\": \"m\", \"provider\": \"p\", \"input_per_mtok\": 1}]}", "output_per_mtok must be given")
	f("{\"models\": 3}", "models must be a list")
	f("{}", "models is missing")
	f("", "p.json:1:1")
	f("{\"models\": []} x", "text after the end")
	f("{\"models\": [", "p.json:1:")
	f("{\"unit\": \"EUR\", \"models\": []}", "prices are in")
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "read prices") {
		t.Errorf("missing file: %v", err)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"smart", "small", "openai/gpt-4o", "openai/gpt-4o-mini", "groq/openai/gpt-oss-120b", "anthropic/claude-opus-5"}
	f := func(name string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, Nearest(name, names, 3)); diff != "" {
			t.Errorf("Nearest(%q) (-want +got):\n%s", name, diff)
		}
	}
	f("smrat", "smart")
	f("smalt", "small", "smart")
	f("gpt-4o", "openai/gpt-4o")
	f("gpt4o", "openai/gpt-4o")
	f("opnai/gpt-4o", "openai/gpt-4o")
	f("GPT-4O-MINI", "openai/gpt-4o-mini")
	f("gpt-oss-120b", "groq/openai/gpt-oss-120b")
	f("something else")
	f("")
	f(strings.Repeat("x", 1<<20))
}

func TestCount(t *testing.T) {
	t.Parallel()
	c := NewCounter()
	f := func(model, text string, want Count) {
		t.Helper()
		if got := c.Count(model, text); got != want {
			t.Errorf("Count(%q, %q) = %+v, want %+v", model, text, got, want)
		}
	}
	// Known answers of the reference implementation.
	f("gpt-4o", "hello world", Count{2, true, "o200k_base"})
	f("openai/gpt-4o-mini", "hello world", Count{2, true, "o200k_base"})
	f("gpt-4", "tiktoken is great!", Count{6, true, "cl100k_base"})
	f("gpt-4o", "お誕生日おめでとう", Count{8, true, "o200k_base"})
	f("gpt-4", "お誕生日おめでとう", Count{9, true, "cl100k_base"})
	f("gpt-4o", "", Count{0, true, "o200k_base"})
	f("gpt-6-sol", "hello world", Count{2, false, "o200k_base"})
	f("claude-opus-5", "hello world", Count{3, false, ""})
	f("gpt-4o", "\xff\xfe", c.Count("gpt-4.1", "\xff\xfe")) // no UTF-8: no panic
}

// start-up budget: the table is parsed once, by the first who asks.
func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := parseCompact(compact); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCost(b *testing.B) {
	i, _ := Embedded().Lookup("openai", "gpt-4o")
	b.ReportAllocs()
	for b.Loop() {
		i.Cost(llm.Usage{Input: 1000, Output: 500, CachedInput: 100}, "default")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"models":[{"model":"m","provider":"p","input_per_mtok":1,"output_per_mtok":2}]}`))
	f.Add([]byte(` [{"model":"m","provider":"p","input_per_mtok":1,"output_per_mtok":2,"long_context_tiers":[{}]}, {}]`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := parse(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Errorf("took what is no JSON: %q", text)
		}
		for _, i := range rows {
			if i.Model == "" || i.price.Input < 0 || i.price.Output < 0 {
				t.Errorf("took a row without a price: %+v", i)
			}
		}
	})
}

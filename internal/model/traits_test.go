package model

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTraitsTable(t *testing.T) {
	t.Parallel()
	rows, err := parseTraits(traitTable)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if _, err := time.Parse(time.DateOnly, r.asOf); err != nil || r.source == "" || len(r.set) == 0 {
			t.Errorf("row %d (%v %v) has no source, no day or nothing to say", i, r.apis, r.models)
		}
	}
}

func TestTraitsTableRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	f := func(row, want string) {
		t.Helper()
		_, err := parseTraits("# comment\n\n" + row + "\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "read line 3: ") {
			t.Errorf("%q: %v, want %q", row, err, want)
		}
	}
	f("a\tb\tnot=temperature\tsource", "it has 4 fields, want 5")
	f("a\tb\tnot=heat\tsource\t2026-11-20", `unknown feature "heat"`)
	f("a\tb\tloud=1\tsource\t2026-11-20", `unknown setting "loud"`)
	f("a\tb\tmax_stop=many\tsource\t2026-11-20", `"many" is no number`)
	f("a\tb\trename=max_tokens\tsource\t2026-11-20", "is not from:to")
	f("a\tb\tbudget=some\tsource\t2026-11-20", "is no range")
	f("a\tb\tmax_temperature=hot\tsource\t2026-11-20", "invalid syntax")
}

func TestTraitsOf(t *testing.T) {
	t.Parallel()
	has := func(api, name string, not ...Feature) {
		t.Helper()
		got := TraitsOf(api, name)
		for _, f := range not {
			if !got.Not.Has(f) {
				t.Errorf("%s %s takes %s", api, name, f)
			}
		}
	}
	hasNot := func(api, name string, can ...Feature) {
		t.Helper()
		got := TraitsOf(api, name)
		for _, f := range can {
			if got.Not.Has(f) {
				t.Errorf("%s %s does not take %s", api, name, f)
			}
		}
	}
	sampling := []Feature{Temperature, TopP, TopK}
	has("openai", "o3", append(sampling, Stop, FrequencyPenalty, Logprobs, LogitBias)...)
	has("openai", "gpt-5.6-terra", sampling...)
	has("azure", "gpt-5-mini-2025-08-07", sampling...)
	hasNot("openai", "gpt-5-chat-latest", Temperature, TopP, Stop)
	hasNot("openai", "gpt-4o", append(sampling, Stop, Seed)...)
	has("openai", "gpt-4o", Effort, Verbosity)
	for _, name := range []string{"claude-sonnet-5", "claude-sonnet-5-5", "claude-opus-5-20260101", "claude-fable-5-1"} {
		has("anthropic", name, append(sampling, Prefill, Budget)...)
		has("bedrock", "us.anthropic."+name+"-v1:0", append(sampling, Prefill, Budget)...)
	}
	has("anthropic", "claude-sonnet-5-5", ForcedTools, ThinkingOff)
	hasNot("anthropic", "claude-sonnet-5", ForcedTools, ThinkingOff, JSONSchema, AdaptiveThinking, Effort)
	hasNot("anthropic", "claude-haiku-4-5", append(sampling, Prefill, Budget, JSONSchema)...)
	has("anthropic", "claude-haiku-4-5", AdaptiveThinking, Effort, SystemMidway)
	has("vertex", "claude-sonnet-4@20250514", JSONSchema, AdaptiveThinking)
	hasNot("vertex", "claude-sonnet-4-6", JSONSchema, AdaptiveThinking)
	has("gemini", "models/gemini-2.5-pro", Effort, ThinkingOff)
	has("gemini", "gemini-3.5-flash", Budget)
	has("groq", "llama-3.3-70b-versatile", Logprobs, ManyChoices, DeveloperRole, Names)
	has("cerebras", "gpt-oss-120b", FrequencyPenalty, ForcedTools)
	if got := TraitsOf("bedrock", "anthropic.claude-haiku-4-5-v1:0"); !got.Can.Has(TopK) || !got.Can.Has(CacheMarks) {
		t.Errorf("Claude on Bedrock: can %s, want top_k and cache_marks", got.Can)
	}
	if d := cmp.Diff(Traits{}, TraitsOf("openai", "no-model-that-anyone-knows")); d != "" {
		t.Errorf("traits of an unknown model: %s", d)
	}
}

func TestTraitsValues(t *testing.T) {
	t.Parallel()
	f := func(api, name string, of func(Traits) any, want any) {
		t.Helper()
		if d := cmp.Diff(want, of(TraitsOf(api, name))); d != "" {
			t.Errorf("%s %s: %s", api, name, d)
		}
	}
	f("openai", "o4-mini", func(t Traits) any { return t.Renames }, []Rename{{"max_tokens", "max_completion_tokens"}})
	f("vllm", "qwen3", func(t Traits) any { return t.Renames }, []Rename{{"max_completion_tokens", "max_tokens"}})
	f("mistral", "mistral-large-2512", func(t Traits) any { return t.Renames }, []Rename{{"max_completion_tokens", "max_tokens"}, {"seed", "random_seed"}})
	f("mistral", "mistral-large-2512", func(t Traits) any { return t.ToolIDs }, 9)
	f("anthropic", "claude-opus-4-6", func(t Traits) any { return t.MinBudget }, int64(1024))
	f("gemini", "gemini-2.5-flash-lite", func(t Traits) any { return [2]int64{t.MinBudget, t.MaxBudget} }, [2]int64{512, 24576})
	f("openai", "gpt-5.2", func(t Traits) any { return t.SamplingWhenOff }, true)
	f("openai", "gpt-6-sol", func(t Traits) any { return t.Efforts }, []string(nil))
	f("anthropic", "claude-sonnet-5-5", func(t Traits) any { return t.BoundThinking }, true)
}

func TestTraitsOutputOfPriceTable(t *testing.T) {
	t.Parallel()
	got := Embedded().Traits("anthropic", "anthropic", "claude-haiku-4-5")
	if got.MaxOutput != 64000 {
		t.Errorf("max output %d, want 64000", got.MaxOutput)
	}
}

func TestFeatureNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range AllFeatures() {
		name := f.String()
		if name == "" || seen[name] {
			t.Errorf("feature %d has no name of its own: %q", f, name)
		}
		seen[name] = true
		if got, err := ParseFeature(name); err != nil || got != f {
			t.Errorf("ParseFeature(%q) = %v, %v", name, got, err)
		}
	}
	if featureCount > 64 {
		t.Errorf("%d features do not fit the set", featureCount)
	}
}

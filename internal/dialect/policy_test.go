package dialect_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

func TestApplyPolicy(t *testing.T) {
	t.Parallel()
	notes := []dialect.Note{
		{Param: "temperature", Reason: "too hot", Minor: true}, {Param: "seed", Reason: "no seeds"}, {Param: "seed", Reason: "still none"}, {Param: "odd, name\r\n"},
	}
	if got, e := dialect.ApplyPolicy(dialect.Warn, notes, "a/b"); got != "seed, odd__name__" || e != nil {
		t.Errorf("warn: %q, %v", got, e)
	}
	if got, e := dialect.ApplyPolicy(dialect.Drop, notes, "a/b"); got != "" || e != nil {
		t.Errorf("drop: %q, %v", got, e)
	}
	_, e := dialect.ApplyPolicy(dialect.Reject, notes, "a/b")
	if e == nil || e.Kind != llm.KindBadRequest || e.Param != "seed" || e.Message != "seed cannot be used with model a/b: no seeds; this gateway refuses such requests (parameters: reject)" {
		t.Errorf("reject: %+v", e)
	}
	if _, e := dialect.ApplyPolicy(dialect.Reject, notes[:1], "a/b"); e != nil {
		t.Errorf("reject of what is expressed otherwise: %v", e)
	}
	var many []dialect.Note
	for i := range 100 {
		many = append(many, dialect.Note{Param: fmt.Sprint(i, strings.Repeat("x", 100))})
	}
	if got, _ := dialect.ApplyPolicy(dialect.Warn, many, "a/b"); len(got) > 3000 || !strings.HasSuffix(got, ", ...") {
		t.Errorf("the header is not bounded: %d bytes", len(got))
	}
}

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	for _, p := range []dialect.Policy{dialect.Warn, dialect.Drop, dialect.Reject} {
		text, _ := p.MarshalText()
		var got dialect.Policy
		if err := got.UnmarshalText(text); err != nil || got != p {
			t.Errorf("%s is read as %s, %v", text, got, err)
		}
	}
	if p, err := dialect.ParsePolicy(""); p != dialect.Warn || err != nil {
		t.Errorf("nothing is read as %s, %v", p, err)
	}
	if _, err := dialect.ParsePolicy("ignore"); err == nil || err.Error() != `parameters is "ignore", want warn, drop or reject` {
		t.Errorf("%v", err)
	}
}

func TestAdaptSame(t *testing.T) {
	t.Parallel()
	f := func(name string, d llm.Dialect, tr *model.Traits, body, want string, notes ...string) {
		t.Helper()
		var c wire.Change
		all := dialect.AdaptSame(d, llm.OpChat, []byte(body), tr, &c)
		got := body
		if !c.Plain() {
			got = string(wire.AppendChanged(nil, []byte(body), &c))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if d := cmp.Diff(notes, params(all)); d != "" {
			t.Errorf("%s: notes: %s", name, d)
		}
	}
	o3, gpt52 := traits("openai", "o3"), traits("openai", "gpt-5.2")
	f("nothing to do", llm.OpenAI, &model.Traits{}, `{"temperature" : 2}`, `{"temperature" : 2}`)
	f("no traits", llm.OpenAI, nil, `{"temperature":2}`, `{"temperature":2}`)
	f("parameters", llm.OpenAI, o3, `{"model":"m", "temperature":0.5,"unknown":{"a": 1},"top_logprobs":2,"logprobs":true,"max_tokens":5}`,
		`{"model":"m","unknown":{"a": 1},"max_completion_tokens":5}`, "temperature", "logprobs", "top_logprobs")
	f("defaults", llm.OpenAI, o3, `{"temperature":1,"top_p":1,"presence_penalty":0,"logprobs":false,"logit_bias":{},"stop":null}`, `{}`, "~temperature", "~top_p", "~presence_penalty")
	f("both limits", llm.OpenAI, o3, `{"max_tokens":5,"max_completion_tokens":6}`, `{"max_completion_tokens":6}`)
	f("old limit", llm.OpenAI, traits("vllm", "x"), `{"max_completion_tokens":6,"top_k":3}`, `{"max_tokens":6,"top_k":3}`)
	f("while it does not think", llm.OpenAI, gpt52, `{"temperature":0.5,"reasoning_effort":"none"}`, `{"temperature":0.5,"reasoning_effort":"none"}`)
	f("while it thinks", llm.OpenAI, gpt52, `{"temperature":0.5,"reasoning_effort":"low"}`, `{"reasoning_effort":"low"}`, "temperature")
	f("in Responses", llm.Responses, gpt52, `{"temperature":0.5,"reasoning":{"effort":"none"},"top_p":0.1}`, `{"temperature":0.5,"reasoning":{"effort":"none"},"top_p":0.1}`)
	f("Anthropic", llm.Anthropic, traits("anthropic", "claude-sonnet-5"), `{"top_k":5,"temperature":1.0,"max_tokens":9}`, `{"max_tokens":9}`, "~temperature", "top_k")
	f("within an object", llm.Gemini, &model.Traits{Not: model.Of(model.TopK, model.Seed)}, `{"contents":[],"generationConfig":{"topK":4, "x":1,"seed":2}}`,
		`{"contents":[],"generationConfig":{"x":1}}`, "generationConfig.topK", "generationConfig.seed")
	f("of Mistral", llm.OpenAI, traits("mistral", "m"), `{"seed":1,"user":"u"}`, `{"random_seed":1}`, "user")
	var c wire.Change
	if notes := dialect.AdaptSame(llm.OpenAI, llm.OpEmbedding, []byte(`{"user":"u"}`), traits("mistral", "m"), &c); notes != nil || !c.Plain() {
		t.Errorf("embeddings: %v %+v", notes, c)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	if got, want := len(dialect.Capabilities()), len(model.AllFeatures())*len(dialect.Targets()); got != want {
		t.Errorf("%d cells, want %d", got, want)
	}
	for _, c := range dialect.Capabilities() {
		if (c.Level == dialect.Yes) != (c.How == "") {
			t.Errorf("%s at %s: %s, %q: a reason stands with all but yes", c.Feature, c.Target, c.Level, c.How)
		}
	}
	tr := model.TraitsOf("anthropic", "claude-sonnet-5-5")
	body := dialect.AppendCapabilities(nil, []dialect.CapabilityTarget{
		{Name: "anthropic/claude-sonnet-5-5", Dialect: llm.Anthropic, Traits: &tr, Policy: dialect.Reject}, {Name: "a/b", Dialect: llm.OpenAI},
	})
	var got struct {
		Dialects []string
		Features []struct {
			Feature    string
			Targets    map[string]struct{ Level, How string }
			Parameters map[string]string
		}
		Models []struct {
			Model, Dialect, Parameters string
			Features                   map[string]struct{ Level, How string }
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(got.Features) != len(model.AllFeatures()) || len(got.Models) != 2 || cmp.Diff([]string{"openai", "responses", "anthropic", "gemini", "converse"}, got.Dialects) != "" {
		t.Errorf("%d features, %d models, dialects %v", len(got.Features), len(got.Models), got.Dialects)
	}
	if f := got.Features[0]; f.Feature != "temperature" || f.Targets["anthropic"].Level != "changed" || f.Parameters["gemini"] != "generationConfig.temperature" {
		t.Errorf("%+v", f)
	}
	m := got.Models[0]
	if m.Parameters != "reject" || m.Features["temperature"].Level != "no" || m.Features["tool_choice_forced"].Level != "changed" {
		t.Errorf("%+v", m)
	}
}

// TestTableSaysWhatAdaptDoes holds the matrix to what Adapt does: what is Yes is not noted, what is not, is.
func TestTableSaysWhatAdaptDoes(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	asks := map[model.Feature]func(*llm.Chat){
		model.TopP:             func(c *llm.Chat) { c.TopP = "0.5" },
		model.TopK:             func(c *llm.Chat) { c.TopK = "5" },
		model.Temperature:      func(c *llm.Chat) { c.Temperature = "1.5" },
		model.FrequencyPenalty: func(c *llm.Chat) { c.FrequencyPenalty = "0.5" },
		model.PresencePenalty:  func(c *llm.Chat) { c.PresencePenalty = "0.5" },
		model.Seed:             func(c *llm.Chat) { c.Seed = "5" },
		model.Logprobs:         func(c *llm.Chat) { c.Logprobs = true },
		model.LogitBias:        func(c *llm.Chat) { c.LogitBias = `{"1":1}` },
		model.ManyChoices:      func(c *llm.Chat) { c.Choices = 2 },
		model.Stop:             func(c *llm.Chat) { c.Stop = []string{"x"} },
		model.Verbosity:        func(c *llm.Chat) { c.Verbosity = "low" },
		model.User:             func(c *llm.Chat) { c.User = "u" },
		model.SafetyIdentifier: func(c *llm.Chat) { c.SafetyIdentifier = "u" },
		model.Metadata:         func(c *llm.Chat) { c.Metadata = `{"a":"b"}` },
		model.CacheKey:         func(c *llm.Chat) { c.CacheKey = "k" },
		model.ServiceTier:      func(c *llm.Chat) { c.ServiceTier = "priority" },
		model.ThinkingSummary:  func(c *llm.Chat) { c.Reasoning = llm.Reasoning{Effort: "high", Summary: "auto"} },
		model.StrictTools:      func(c *llm.Chat) { c.Tools = []llm.Function{{Name: "f", Strict: &yes}} },
		model.CustomTools:      func(c *llm.Chat) { c.Tools = []llm.Function{{Name: "f", Custom: true}} },
		model.ParallelSwitch:   func(c *llm.Chat) { c.Tools, c.Parallel = []llm.Function{{Name: "f"}}, &no },
		model.NoToolChoice: func(c *llm.Chat) {
			c.Tools, c.ToolChoice.Mode = []llm.Function{{Name: "f"}}, llm.ToolsNone
		},
		model.ForcedTools: func(c *llm.Chat) {
			c.Tools, c.ToolChoice.Mode = []llm.Function{{Name: "f"}}, llm.ToolsRequired
		},
		model.NamedTools: func(c *llm.Chat) {
			c.Tools, c.ToolChoice = []llm.Function{{Name: "f"}}, llm.ToolChoice{Mode: llm.ToolsAuto, Names: []string{"f"}}
		},
		model.JSONObject: func(c *llm.Chat) { c.Format.Kind = llm.FormatJSON },
		model.JSONSchema: func(c *llm.Chat) {
			c.Format = llm.Format{Kind: llm.FormatSchema, Schema: `{"type":"object","additionalProperties":false}`}
		},
		model.DeveloperRole: func(c *llm.Chat) { c.Messages = append([]llm.Turn{{Role: llm.RoleDeveloper}}, c.Messages...) },
		model.SystemMidway:  func(c *llm.Chat) { c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleSystem}, user("r")[0]) },
		model.Prefill:       func(c *llm.Chat) { c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleAssistant}) },
		model.Names:         func(c *llm.Chat) { c.Messages[0].Name = "Ann" },
		model.ImageData:     part(llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AA=="}),
		model.ImageURL:      part(llm.Part{Kind: llm.PartImage, URL: "https://example.com/a.png"}),
		model.ImageDetail:   part(llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AA==", Detail: "high"}),
		model.FileData:      part(llm.Part{Kind: llm.PartFile, MIME: "application/pdf", Data: "AA=="}),
		model.FileURL:       part(llm.Part{Kind: llm.PartFile, URL: "https://example.com/a.pdf"}),
		model.FileID:        part(llm.Part{Kind: llm.PartFile, FileID: "f", Origin: llm.Voyage}),
		model.AudioInput:    part(llm.Part{Kind: llm.PartAudio, MIME: "audio/wav", Data: "AA=="}),
		model.CacheMarks:    part(llm.Part{Kind: llm.PartText, Text: "q", CacheTTL: "5m"}),
		model.Citations:     part(llm.Part{Kind: llm.PartText, Text: "q", Citations: []llm.Citation{{URL: "u"}}}),
	}
	for f, ask := range asks {
		for _, to := range dialect.Targets() {
			for _, tr := range []*model.Traits{nil, {Not: model.Of(f)}} {
				c := &llm.Chat{MaxTokens: 9, Choices: 1, Messages: user("q")}
				ask(c)
				_, notes, e := dialect.Adapt(c, llm.Cohere, to, tr) // a client that spells nothing its own way
				if e != nil {
					t.Fatal(e)
				}
				level, _ := dialect.Can(f, to, tr)
				said := false
				for _, n := range notes {
					said = said || n.Param == f.String()
				}
				if said != (level != dialect.Yes) {
					t.Errorf("%s at %s, of the model's %t: the table says %s, notes are %v", f, to, tr != nil, level, notes)
				}
			}
		}
	}
}

func part(p llm.Part) func(*llm.Chat) {
	return func(c *llm.Chat) { c.Messages[0].Parts = append(c.Messages[0].Parts, p) }
}

// TestDocs holds the table of docs/TRANSLATION.md to the matrix. With -update it writes it.
func TestDocs(t *testing.T) {
	t.Parallel()
	const name = "../../docs/TRANSLATION.md"
	text := string(read(t, name))
	head, rest, ok := strings.Cut(text, "<!-- matrix -->\n")
	_, tail, ok2 := strings.Cut(rest, "\n## ")
	if !ok || !ok2 {
		t.Fatal("the page has no place for the matrix")
	}
	var b strings.Builder
	b.WriteString("\n| feature |")
	for _, d := range dialect.Targets() {
		b.WriteString(" " + d.String() + " |")
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+len(dialect.Targets())))
	for i, c := range dialect.Capabilities() {
		if i%len(dialect.Targets()) == 0 {
			b.WriteString("\n| `" + c.Feature.String() + "` |")
		}
		b.WriteString(map[dialect.Level]string{dialect.Yes: " + |", dialect.Changed: " ~ |", dialect.No: " - |"}[c.Level])
	}
	want := head + "<!-- matrix -->\n" + b.String() + "\n\n## " + tail
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, text); d != "" {
		t.Errorf("docs/TRANSLATION.md (go test -update writes it): %s", d)
	}
}

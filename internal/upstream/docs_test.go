package upstream_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/upstream"
)

var update = flag.Bool("update", false, "write generated files")

const pageIntro = `# Providers

Made from the table of kinds (` + "`internal/upstream`" + `) by ` + "`go generate ./internal/upstream`" + `; do not edit.

An account under ` + "`providers`" + ` is of one kind, its ` + "`api`" + `: by default the account's own name where that is a kind, else ` + "`openai`" + `, which
stands for every server compatible with OpenAI's API. The kind says where the account is found, how requests prove who pays, which
operations it has and in which dialect, and what it is known to do otherwise. Clients of any dialect can call models of any kind;
what the dialects differ in is translated. Everything that a kind does not list is reached as it is under ` + "`/p/ACCOUNT/…`" + `.

A client's credentials, cookies and ` + "`X-Sluice-*`" + ` headers never reach a provider, and a provider's never a client. To a provider of its own
dialect a client's other headers go on (` + "`anthropic-beta`" + `, ` + "`OpenAI-Beta`" + ` and the like); to one of another dialect only ` + "`User-Agent`" + ` does.

Each deviation names what it rests on. "Survey" is the reading of official SDKs and documentation that the project began with; what
is marked as from memory is to be checked against the provider before anything depends on it.

`

// page makes docs/PROVIDERS.md.
func page() []byte {
	var b bytes.Buffer
	b.WriteString(pageIntro)
	b.WriteString("| api | provider | base URL | Responses API |\n| --- | --- | --- | --- |\n")
	for _, p := range upstream.Presets() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", p.Kind, p.Kind, p.Title, baseOf(p), responsesOf(p))
	}
	for _, p := range upstream.Presets() {
		kind(&b, p)
	}
	return b.Bytes()
}

func baseOf(p *upstream.Preset) string {
	switch {
	case p.Kind == "sim":
		return "none: inside this process"
	case p.BaseURL == "":
		return "its own: `base_url` is required"
	}
	return "`" + p.BaseURL + "`"
}

func responsesOf(p *upstream.Preset) string {
	switch {
	case p.Responses == upstream.NativeNot:
		if slices.ContainsFunc(p.Offers, func(o upstream.Offer) bool { return o.Op == llm.OpChat }) {
			return "translated"
		}
		return ""
	case p.Responses == upstream.NativeStateless:
		return "translated; its own keeps no conversations, `responses: native` forwards to it"
	}
	return "forwarded"
}

func kind(b *bytes.Buffer, p *upstream.Preset) {
	fmt.Fprintf(b, "\n## %s\n\n%s. Described at %s.\n\n", p.Kind, p.Title, p.Docs)
	fmt.Fprintf(b, "- Base URL: %s\n- Credential: %s\n", baseOf(p), p.Auth)
	if p.Dialect() == llm.OpenAI {
		fmt.Fprintf(b, "- Token counts of streams: %s\n", p.Usage)
	}
	code := func(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }
	if len(p.Keys) > 0 {
		fmt.Fprintf(b, "- Settings besides those of all kinds: %s\n", code(p.Keys))
	}
	var env []string
	for _, v := range p.Env {
		env = append(env, v.Name)
	}
	if len(env) > 0 {
		fmt.Fprintf(b, "- Environment: %s\n", code(env))
	}
	b.WriteString("\n| operation | dialect | path |\n| --- | --- | --- |\n")
	for _, o := range p.Offers {
		path := "`" + o.Path + "`"
		if o.Stream != "" {
			stream := o.Stream
			if o.Query != "" {
				stream += "?" + o.Query
			}
			path += ", streamed `" + stream + "`"
		}
		note := ""
		switch {
		case o.Claude:
			note = " of Anthropic's models"
		case o.Front != 0:
			note = " by clients of " + o.Front.String()
		}
		if o.Items > 0 {
			path += fmt.Sprintf(", %d inputs a request", o.Items)
			path = strings.Replace(path, " 1 inputs", " 1 input", 1)
		}
		fmt.Fprintf(b, "| %s%s | %s | %s |\n", o.Op, note, o.Dialect, path)
	}
	if len(p.Notes) > 0 {
		b.WriteString("\nDeviations:\n\n")
	}
	for _, n := range p.Notes {
		fmt.Fprintf(b, "- %s *(%s)*\n", n.Text, n.Source)
	}
}

// TestProvidersPage holds that the page says what the table says.
func TestProvidersPage(t *testing.T) {
	t.Parallel()
	const path = "../../docs/PROVIDERS.md"
	if *update {
		if err := os.WriteFile(path, page(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, page()) {
		t.Error("docs/PROVIDERS.md is not what the table of kinds says; run go generate ./internal/upstream")
	}
}

// TestPresets holds what every row of the table must have.
func TestPresets(t *testing.T) {
	t.Parallel()
	priced := model.Embedded().Providers()
	seen := map[string]bool{}
	for _, p := range upstream.Presets() {
		if seen[p.Kind] || upstream.PresetOf(p.Kind) != p {
			t.Errorf("%s is there twice", p.Kind)
		}
		seen[p.Kind] = true
		if p.Title == "" || p.Docs == "" || p.Auth == "" || p.Usage == "" || len(p.Offers) == 0 {
			t.Errorf("%s: something is missing: %+v", p.Kind, p)
		}
		if p.Prices != "" && !slices.Contains(priced, p.Prices) {
			t.Errorf("%s: the price table has no provider %s", p.Kind, p.Prices)
		}
		if plain := !strings.Contains(p.BaseURL, "{") && p.BaseURL != ""; plain && model.ProviderOf(p.BaseURL) != p.Prices {
			t.Errorf("%s: prices of %q, but its address is that of %q", p.Kind, p.Prices, model.ProviderOf(p.BaseURL))
		}
		for _, n := range p.Notes {
			if n.Source == "" || !strings.HasSuffix(n.Text, ".") {
				t.Errorf("%s: note %q has no source or no end", p.Kind, n.Text)
			}
		}
		native := slices.ContainsFunc(p.Offers, func(o upstream.Offer) bool { return o.Dialect == llm.Responses })
		if native != (p.Responses != upstream.NativeNot) || native != p.Has("responses") {
			t.Errorf("%s: the Responses API is offered, known and settable, or nothing of it", p.Kind)
		}
		if openAI := p.Dialect() == llm.OpenAI; openAI != p.Has("stream_usage") || openAI == (p.Usage == upstream.UsageOwn) {
			t.Errorf("%s: stream_usage has a meaning in OpenAI's dialect only", p.Kind)
		}
	}
}

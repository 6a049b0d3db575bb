package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/upstream"
)

// TestExampleKinds holds that the example file has a block for each kind, and that they load when they are uncommented.
func TestExampleKinds(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../examples/sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)^  # ( *[a-z_-]+:.*)$`).ReplaceAll(src, []byte("  $1"))
	c, err := parseDraft("sluice.yaml", block, anyVariable, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range upstream.Presets() {
		if !slices.ContainsFunc(c.Providers, func(x Provider) bool { return x.API == p.Kind }) {
			t.Errorf("the example has no %s", p.Kind)
		}
	}
}

// TestKindSettings holds which settings a kind wants and which it refuses, each with its place.
func TestKindSettings(t *testing.T) {
	t.Parallel()
	f := func(provider string, want ...string) {
		t.Helper()
		_, err := Parse("f.yaml", []byte("providers:\n  a: {"+provider+"}\n"), environ("K", "k"))
		var got []string
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				_, text, _ := strings.Cut(strings.TrimSpace(line), "providers.a.")
				got = append(got, text)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", provider, d)
		}
	}
	const user = `credentials: '{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}'`
	f("api: openai, organization: o, project: p, responses: native")
	f("api: groq, organization: o", "organization: has no meaning with api: groq; it is for openai")
	f("api: groq, responses: native")
	f("api: mistral, responses: native", "responses: has no meaning with api: mistral; it is for openai, azure, groq, fireworks, openrouter, xai, vllm, llamacpp, ollama, sim")
	f("api: anthropic, stream_usage: off", "stream_usage: has no meaning with api: anthropic; it is for openai, azure, groq, together, fireworks, openrouter, mistral, deepseek, xai, cerebras, vllm, sglang, llamacpp, ollama, cohere, sim")
	f("api: anthropic, api_version: 2026-10-21")
	f("api: anthropic, api_version: new", "api_version: must be a date such as 2023-06-01")
	f("api: anthropc", `api: must be openai, anthropic, gemini, vertex, azure, bedrock, groq, together, fireworks, openrouter, mistral, deepseek, xai, cerebras, vllm, sglang, llamacpp, ollama, cohere, voyage, jina or sim, not "anthropc"; did you mean "anthropic"?`)
	f("api: llamacpp", "base_url: is missing: llama.cpp server has no address of its own")
	f("api: sim, base_url: 'http://h'", "base_url: has no meaning with api: sim, which runs inside this process")
	f("api: ollama, location: x, price_as: togther", "location: has no meaning with api: ollama; it is for vertex",
		`price_as: the price table has no provider "togther"; did you mean "together"?`)

	f("api: vertex, project: p, location: us-central1, " + user)
	f("api: vertex, api_key: k")
	f("api: vertex", "project: is missing: vertex wants the project of Google Cloud, or an api_key alone (express mode)",
		"credentials: is missing: a service account's key (credentials: ${file:/path/key.json}) or an api_key")
	f("api: vertex, project: p, "+user, "location: is missing: a region such as us-central1, or global, us or eu")
	f("api: vertex, project: p, location: 'evil.example/', "+user, "location: can have lower-case letters, digits and dashes only")
	f("api: vertex, project: p, location: eu, api_key: k, "+user, "api_key: is a second credential beside credentials: leave one out")
	f("api: vertex, project: p, location: eu, credentials: ${K}",
		"credentials: must be the JSON of a credentials file: credentials: ${file:/path/key.json}")
	f(`api: vertex, project: p, location: eu, credentials: '{"type":"external_account"}'`,
		`credentials: is of type "external_account"; what can be used is service_account and authorized_user`)
	f(`api: vertex, project: p, location: eu, credentials: '{"type":"service_account","client_email":"a","private_key":"b"}'`,
		"credentials: has a private_key that is not in PEM form")

	f("api: azure, base_url: 'https://r', api_key: k, deployments: {m: d}")
	f("api: azure", "base_url: is missing: Azure OpenAI has no address of its own",
		"api_key: is missing: azure wants an api_key, or tenant, client_id and client_secret for Entra ID")
	f("api: azure, base_url: 'https://r', tenant: t, client_id: c, client_secret: ${K}")
	f("api: azure, base_url: 'https://r', tenant: t", "client_id: is missing: Entra ID wants tenant, client_id and client_secret",
		"client_secret: is missing: Entra ID wants tenant, client_id and client_secret")
	f("api: azure, base_url: 'https://r', headers: {Authorization: ${K}}")
	f("api: azure, base_url: 'https://r/openai/v1', api_key: k, api_version: 2024-10-21",
		"api_version: has a meaning for the classic surface only, and base_url ends with /openai/v1: leave one of them out")
	f("api: azure, base_url: 'https://r', api_key: k, api_version: newest",
		"api_version: must be a date such as 2024-10-21 or 2025-04-01-preview, or v1, preview or latest for the v1 surface")

	f("api: bedrock, region: us-east-1, api_key: k")
	f("api: bedrock, region: us-east-1, access_key: a, secret_key: b, session_token: c")
	f("api: bedrock", "region: is missing: bedrock wants the region of AWS, such as us-east-1",
		"api_key: is missing: bedrock wants an API key of Bedrock, or access_key and secret_key, as in access_key: ${AWS_ACCESS_KEY_ID}")
	f("api: bedrock, region: us-east-1, access_key: a", "secret_key: is missing: signing wants access_key and secret_key")
	f("api: bedrock, region: us-east-1, api_key: k, access_key: a, secret_key: b", "api_key: is a second credential beside access_key and secret_key: leave one out")
	f("api: bedrock, region: 'x.evil/', api_key: k", "region: can have lower-case letters, digits and dashes only: with api: bedrock it is the region of AWS")
	f("api: openai, access_key: a", "access_key: has no meaning with api: openai; it is for bedrock")
}

// TestKeylessAccounts checks that an account without a key is told of where its provider surely asks for one.
func TestKeylessAccounts(t *testing.T) {
	t.Parallel()
	f := func(account string, told bool) {
		t.Helper()
		c, err := Parse("f.yaml", []byte("providers:\n  a: "+account+"\n"), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, n := range c.Notices() {
			said = append(said, n.Key+": "+n.Message)
		}
		if got := strings.Contains(strings.Join(said, "\n"), "providers.a: has no api_key"); got != told {
			t.Errorf("%s: %q", account, said)
		}
	}
	f("{api: anthropic}", true)
	f("{api: mistral, api_key: '${MISTRAL_API_KEY:-}'}", true)
	f("{api: gemini, api_key: k}", false)
	f("{api: openai, base_url: 'http://10.0.0.5:8000/v1'}", false)
	f("{api: openai, headers: {Authorization: x}}", false)
	f("{api: ollama}", false)
	f("{api: sim}", false)
}

package upstream_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// keyed fills in a credential of each form, so that accounts of all kinds open.
func keyed(p upstream.Provider) *upstream.Provider {
	p.Name = "p"
	if p.Credentials.Empty() && p.ClientSecret.Empty() && p.SecretKey.Empty() && p.APIKey.Empty() {
		p.APIKey = llm.NewSecret("provider-key")
	}
	return &p
}

func open(t *testing.T, p *upstream.Provider) *upstream.Account {
	t.Helper()
	a, err := upstream.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// TestURL holds where accounts are found: defaults, and what people write as base_url.
func TestURL(t *testing.T) {
	t.Parallel()
	f := func(p upstream.Provider, want string) {
		t.Helper()
		if got := p.URL(); got != want {
			t.Errorf("%s %q: %s, want %s", p.API, p.BaseURL, got, want)
		}
	}
	f(upstream.Provider{API: "openai"}, "https://api.openai.com/v1")
	f(upstream.Provider{API: "openai", BaseURL: "http://h/v1/"}, "http://h/v1")
	f(upstream.Provider{API: "anthropic"}, "https://api.anthropic.com/v1")
	f(upstream.Provider{API: "anthropic", BaseURL: "https://api.anthropic.com"}, "https://api.anthropic.com/v1")
	f(upstream.Provider{API: "anthropic", BaseURL: "https://api.anthropic.com/v1/"}, "https://api.anthropic.com/v1")
	f(upstream.Provider{API: "anthropic", BaseURL: "http://proxy/anthropic"}, "http://proxy/anthropic/v1")
	f(upstream.Provider{API: "gemini"}, "https://generativelanguage.googleapis.com/v1beta")
	f(upstream.Provider{API: "gemini", BaseURL: "http://h"}, "http://h/v1beta")
	f(upstream.Provider{API: "gemini", BaseURL: "http://h/v1"}, "http://h/v1")
	f(upstream.Provider{API: "gemini", BaseURL: "http://h/v1alpha"}, "http://h/v1alpha")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "us-central1"}, "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "global"}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "us"}, "https://aiplatform.us.rep.googleapis.com/v1/projects/p/locations/us")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu")
	f(upstream.Provider{API: "vertex"}, "https://aiplatform.googleapis.com/v1")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "l", BaseURL: "http://h"}, "http://h/v1/projects/p/locations/l")
	f(upstream.Provider{API: "vertex", Project: "p", Location: "l", BaseURL: "http://h/v1beta1"}, "http://h/v1beta1/projects/p/locations/l")
	f(upstream.Provider{API: "vertex", BaseURL: "http://h/v1/projects/x/locations/y"}, "http://h/v1/projects/x/locations/y")
	const azure = "https://r.openai.azure.com"
	f(upstream.Provider{API: "azure", BaseURL: azure + "/"}, azure+"/openai/v1")
	f(upstream.Provider{API: "azure", BaseURL: azure, APIVersion: "v1"}, azure+"/openai/v1")
	f(upstream.Provider{API: "azure", BaseURL: azure + "/openai/v1/", APIVersion: "preview"}, azure+"/openai/v1")
	f(upstream.Provider{API: "azure", BaseURL: azure, APIVersion: "2024-10-21"}, azure+"/openai")
	f(upstream.Provider{API: "azure", BaseURL: azure + "/openai", APIVersion: "2024-10-21"}, azure+"/openai")
	f(upstream.Provider{API: "azure", BaseURL: azure + "/openai/deployments/d/chat/completions", APIVersion: "2024-10-21"}, azure+"/openai")
	f(upstream.Provider{API: "bedrock", Region: "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com")
	f(upstream.Provider{API: "bedrock", Region: "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn")
	f(upstream.Provider{API: "bedrock", BaseURL: "http://h"}, "http://h")
	f(upstream.Provider{API: "groq"}, "https://api.groq.com/openai/v1")
	f(upstream.Provider{API: "cohere"}, "https://api.cohere.ai")
	f(upstream.Provider{API: "cohere", BaseURL: "https://api.cohere.com/v2"}, "https://api.cohere.com")
	f(upstream.Provider{API: "cohere", BaseURL: "https://api.cohere.ai/compatibility/v1"}, "https://api.cohere.ai")
	f(upstream.Provider{API: "ollama"}, "http://localhost:11434/v1")
	f(upstream.Provider{API: "sim"}, "")
}

// TestKind holds how an account's kind follows from its name.
func TestKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, api, base, want string }{
		{"groq", "", "", "groq"},
		{"groq", "openai", "", "openai"},
		{"mine", "", "", "openai"},
		{"mine", "vertex", "", "vertex"},
		{"sim", "", "", "sim"},
		{"sim", "", "http://127.0.0.1:1/v1", "openai"},
	} {
		p := upstream.Provider{Name: c.name, API: c.api, BaseURL: c.base}
		if got := p.Kind(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestSurface holds for each kind what is sent where, as METHOD-less "dialect path?query framing".
func TestSurface(t *testing.T) {
	t.Parallel()
	var a *upstream.Account
	f := func(ask upstream.Ask, want string) {
		t.Helper()
		s, ok := a.Surface(&ask)
		got := "none"
		if ok {
			got = s.Dialect.String() + " " + s.Path
			if s.Query != "" {
				got += "?" + s.Query
			}
			if s.Frames == upstream.FrameAWS {
				got += " aws"
			}
			if s.Change.Model != "" {
				got += " as " + s.Change.Model
			}
			if s.Change.NoModel {
				got += " -model"
			}
			for _, d := range s.Change.Drop {
				got += " -" + d
			}
			for _, m := range s.Change.Set {
				got += " " + m.Name + "=" + m.Value
			}
		}
		if got != want {
			t.Errorf("%s, %v by %v of %q: %s\nwant %s", a.Preset().Kind, ask.Op, ask.Front, ask.Model, got, want)
		}
	}
	ask := func(op llm.Op, front llm.Dialect, model string) upstream.Ask {
		return upstream.Ask{Op: op, Front: front, Model: model}
	}
	stream := func(a upstream.Ask) upstream.Ask { a.Stream = true; return a }
	at := func(a upstream.Ask, path, query string) upstream.Ask { a.Path, a.Query = path, query; return a }

	a = open(t, keyed(upstream.Provider{API: "openai"}))
	f(at(ask(llm.OpChat, llm.OpenAI, "m"), "/chat/completions", "x=1"), "openai /chat/completions?x=1")
	f(at(ask(llm.OpChat, llm.Anthropic, "m"), "/messages", "beta=true"), "openai /chat/completions")
	f(at(ask(llm.OpChat, llm.Responses, "m"), "/responses", ""), "responses /responses")
	f(ask(llm.OpCompletion, llm.OpenAI, "m"), "openai /completions")
	f(ask(llm.OpEmbedding, llm.Gemini, "m"), "openai /embeddings")
	f(ask(llm.OpModeration, llm.OpenAI, "m"), "openai /moderations")
	f(at(ask(llm.OpImage, llm.OpenAI, "m"), "/images/edits", ""), "openai /images/edits")
	f(at(ask(llm.OpTranscription, llm.OpenAI, "m"), "/audio/translations", ""), "openai /audio/translations")
	f(ask(llm.OpSpeech, llm.OpenAI, "m"), "openai /audio/speech")
	f(ask(llm.OpRerank, llm.Cohere, "m"), "none")
	f(ask(llm.OpCountTokens, llm.Anthropic, "m"), "none")
	f(at(ask(llm.OpRaw, llm.OpenAI, ""), "/files/file%2F1/content", "after=x"), "openai /files/file%2F1/content?after=x")
	for _, path := range []string{"/../admin", "/a/%2e%2e/b", "/a\\..\\b", "files", "/a%0d%0ab", "/%zz"} {
		f(at(ask(llm.OpRaw, llm.OpenAI, ""), path, ""), "none")
	}

	a = open(t, keyed(upstream.Provider{API: "openai", BaseURL: "http://h/v1"}))
	f(ask(llm.OpChat, llm.Responses, "m"), "openai /chat/completions")
	a = open(t, keyed(upstream.Provider{API: "openai", BaseURL: "http://h/v1", Responses: "native"}))
	f(ask(llm.OpChat, llm.Responses, "m"), "responses /responses")
	a = open(t, keyed(upstream.Provider{API: "openai", Responses: "translate"}))
	f(ask(llm.OpChat, llm.Responses, "m"), "openai /chat/completions")

	a = open(t, keyed(upstream.Provider{API: "anthropic"}))
	f(at(ask(llm.OpChat, llm.Anthropic, "claude-x"), "/messages", "beta=true"), "anthropic /messages?beta=true")
	f(stream(ask(llm.OpChat, llm.OpenAI, "claude-x")), "anthropic /messages")
	f(ask(llm.OpChat, llm.Responses, "claude-x"), "anthropic /messages")
	f(ask(llm.OpCompletion, llm.OpenAI, "claude-x"), "anthropic /messages")
	f(ask(llm.OpCountTokens, llm.Gemini, "claude-x"), "anthropic /messages/count_tokens")
	f(ask(llm.OpEmbedding, llm.OpenAI, "claude-x"), "none")

	a = open(t, keyed(upstream.Provider{API: "gemini"}))
	f(ask(llm.OpChat, llm.OpenAI, "gemini-x"), "gemini /models/gemini-x:generateContent")
	f(stream(at(ask(llm.OpChat, llm.Gemini, "models/gemini-x"), "/models/gemini-x:streamGenerateContent", "alt=json&prettyPrint=1")),
		"gemini /models/gemini-x:streamGenerateContent?prettyPrint=1&alt=sse")
	f(stream(ask(llm.OpChat, llm.Anthropic, "tunedModels/a b")), "gemini /tunedModels/a%20b:streamGenerateContent?alt=sse")
	f(ask(llm.OpEmbedding, llm.OpenAI, "e"), "gemini /models/e:batchEmbedContents")
	f(at(ask(llm.OpEmbedding, llm.Gemini, "e"), "/models/e:batchEmbedContents", ""), "gemini /models/e:batchEmbedContents")
	f(at(ask(llm.OpEmbedding, llm.Gemini, "e"), "/models/e:embedContent", ""), "gemini /models/e:embedContent")
	f(ask(llm.OpCountTokens, llm.Anthropic, "m"), "gemini /models/m:countTokens")
	f(ask(llm.OpImage, llm.OpenAI, "m"), "none")

	a = open(t, keyed(upstream.Provider{API: "vertex", Project: "p", Location: "global"}))
	f(stream(ask(llm.OpChat, llm.OpenAI, "gemini-x")), "gemini /publishers/google/models/gemini-x:streamGenerateContent?alt=sse")
	f(ask(llm.OpChat, llm.Gemini, "endpoints/123"), "gemini /endpoints/123:generateContent")
	const version = ` anthropic_version="vertex-2023-10-16"`
	f(ask(llm.OpChat, llm.OpenAI, "claude-x@20260101"), "anthropic /publishers/anthropic/models/claude-x%4020260101:rawPredict -model"+version)
	f(stream(ask(llm.OpChat, llm.Anthropic, "claude-x")), "anthropic /publishers/anthropic/models/claude-x:streamRawPredict -model"+version)
	f(ask(llm.OpCountTokens, llm.Anthropic, "claude-x"), "anthropic /publishers/anthropic/models/count-tokens:rawPredict"+version)
	f(ask(llm.OpCountTokens, llm.Gemini, "gemini-x"), "gemini /publishers/google/models/gemini-x:countTokens")
	f(ask(llm.OpEmbedding, llm.OpenAI, "e"), "gemini /publishers/google/models/e:embedContent")

	a = open(t, keyed(upstream.Provider{API: "azure", BaseURL: "https://r.openai.azure.com", Deployments: map[string]string{"m": "dep one"}}))
	f(ask(llm.OpChat, llm.OpenAI, "m"), "openai /chat/completions as dep one")
	f(ask(llm.OpChat, llm.Responses, "m"), "responses /responses as dep one")
	a = open(t, keyed(upstream.Provider{
		API: "azure", BaseURL: "https://r.openai.azure.com", APIVersion: "2024-10-21", Deployments: map[string]string{"m": "dep one"},
	}))
	f(at(ask(llm.OpChat, llm.OpenAI, "m"), "/chat/completions", "api-version=2020-01-01&x=1"),
		"openai /deployments/dep%20one/chat/completions?x=1&api-version=2024-10-21 as dep one")
	f(ask(llm.OpEmbedding, llm.OpenAI, "other"), "openai /deployments/other/embeddings?api-version=2024-10-21")
	f(at(ask(llm.OpTranscription, llm.OpenAI, "w"), "/audio/translations", ""), "openai /deployments/w/audio/translations?api-version=2024-10-21")
	f(ask(llm.OpChat, llm.Responses, "m"), "responses /responses?api-version=2024-10-21 as dep one")
	f(at(ask(llm.OpRaw, llm.OpenAI, ""), "/files", ""), "openai /files?api-version=2024-10-21")
	a = open(t, keyed(upstream.Provider{API: "azure", BaseURL: "https://r.openai.azure.com", APIVersion: "preview"}))
	f(ask(llm.OpChat, llm.OpenAI, "m"), "openai /chat/completions?api-version=preview")

	a = open(t, keyed(upstream.Provider{API: "bedrock", Region: "us-east-1"}))
	f(ask(llm.OpChat, llm.OpenAI, "amazon.nova-lite-v1:0"), "converse /model/amazon.nova-lite-v1%3A0/converse")
	f(stream(ask(llm.OpChat, llm.OpenAI, "arn:aws:bedrock:us-east-1:1:application-inference-profile/x")),
		"converse /model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx/converse-stream aws")
	const claude = ` -model -stream anthropic_version="bedrock-2023-05-31"`
	f(ask(llm.OpChat, llm.OpenAI, "us.anthropic.claude-x-v1:0"), "anthropic /model/us.anthropic.claude-x-v1%3A0/invoke"+claude)
	beta := stream(ask(llm.OpChat, llm.Anthropic, "anthropic.claude-x"))
	beta.Header = http.Header{"Anthropic-Beta": {"a-1, b-2", "c-3"}}
	f(beta, "anthropic /model/anthropic.claude-x/invoke-with-response-stream aws"+claude+` anthropic_beta=["a-1","b-2","c-3"]`)
	f(stream(ask(llm.OpChat, llm.Anthropic, "anthropic.claude-x")), "anthropic /model/anthropic.claude-x/invoke-with-response-stream aws"+claude)
	beta.Header = http.Header{"Anthropic-Version": {"2026-10-21"}}
	f(beta, "anthropic /model/anthropic.claude-x/invoke-with-response-stream aws -model -stream anthropic_version=\"2026-10-21\"")
	beta.Front = llm.OpenAI
	f(beta, "anthropic /model/anthropic.claude-x/invoke-with-response-stream aws"+claude)
	f(ask(llm.OpEmbedding, llm.OpenAI, "amazon.titan-embed-text-v2:0"), "none")
	for _, name := range []string{"", ".", ".."} {
		f(ask(llm.OpChat, llm.OpenAI, name), "none")
	}

	a = open(t, keyed(upstream.Provider{API: "cohere"}))
	f(ask(llm.OpChat, llm.OpenAI, "c"), "openai /compatibility/v1/chat/completions")
	f(ask(llm.OpEmbedding, llm.OpenAI, "e"), "cohere /v2/embed")
	f(ask(llm.OpRerank, llm.Jina, "r"), "cohere /v2/rerank")
	f(ask(llm.OpCompletion, llm.OpenAI, "c"), "none")
	a = open(t, keyed(upstream.Provider{API: "voyage"}))
	f(ask(llm.OpEmbedding, llm.OpenAI, "e"), "voyage /embeddings")
	f(ask(llm.OpRerank, llm.Cohere, "r"), "voyage /rerank")
	f(ask(llm.OpChat, llm.OpenAI, "c"), "none")
	a = open(t, keyed(upstream.Provider{API: "jina"}))
	f(ask(llm.OpEmbedding, llm.OpenAI, "e"), "jina /embeddings")
	f(ask(llm.OpRerank, llm.Cohere, "r"), "jina /rerank")
	a = open(t, keyed(upstream.Provider{API: "groq"}))
	f(ask(llm.OpChat, llm.Responses, "m"), "openai /chat/completions")
	f(ask(llm.OpCompletion, llm.OpenAI, "m"), "none")
	f(ask(llm.OpEmbedding, llm.OpenAI, "m"), "none")
	a = open(t, keyed(upstream.Provider{API: "together"}))
	f(at(ask(llm.OpImage, llm.OpenAI, "m"), "/images/edits", ""), "none")
	f(ask(llm.OpRerank, llm.Cohere, "m"), "cohere /rerank")
}

// TestSurfaceSharesNothing holds that one call's betas are not another one's.
func TestSurfaceSharesNothing(t *testing.T) {
	t.Parallel()
	a := open(t, keyed(upstream.Provider{API: "bedrock", Region: "us-east-1"}))
	with := func(beta string) upstream.Surface {
		s, _ := a.Surface(&upstream.Ask{Op: llm.OpChat, Front: llm.Anthropic, Model: "anthropic.x", Header: http.Header{"Anthropic-Beta": {beta}}})
		return s
	}
	first, second := with("one"), with("two")
	if got := first.Change.Set[1].Value + second.Change.Set[1].Value; got != `["one"]["two"]` {
		t.Error(got)
	}
}

// TestSupports holds for every kind what it can do at all, by the name of an operation.
func TestSupports(t *testing.T) {
	t.Parallel()
	ops := []llm.Op{llm.OpChat, llm.OpCompletion, llm.OpEmbedding, llm.OpModeration, llm.OpRerank, llm.OpCountTokens, llm.OpImage, llm.OpSpeech, llm.OpTranscription, llm.OpRaw}
	want := map[string]string{
		"openai":     "chat text_completion embeddings moderation image_generation speech transcription raw",
		"anthropic":  "chat text_completion count_tokens raw",
		"gemini":     "chat text_completion embeddings count_tokens raw",
		"vertex":     "chat text_completion embeddings count_tokens raw",
		"azure":      "chat text_completion embeddings image_generation speech transcription raw",
		"bedrock":    "chat text_completion raw",
		"groq":       "chat speech transcription raw",
		"together":   "chat text_completion embeddings rerank image_generation speech transcription raw",
		"fireworks":  "chat text_completion embeddings rerank raw",
		"openrouter": "chat text_completion embeddings rerank raw",
		"mistral":    "chat embeddings moderation transcription raw",
		"deepseek":   "chat raw",
		"xai":        "chat text_completion image_generation raw",
		"cerebras":   "chat text_completion raw",
		"vllm":       "chat text_completion embeddings rerank transcription raw",
		"sglang":     "chat text_completion embeddings raw",
		"llamacpp":   "chat text_completion embeddings rerank raw",
		"ollama":     "chat text_completion embeddings raw",
		"cohere":     "chat embeddings rerank raw",
		"voyage":     "embeddings rerank raw",
		"jina":       "embeddings rerank raw",
		"sim":        "chat text_completion embeddings moderation rerank image_generation speech transcription raw",
	}
	got := map[string]string{}
	for _, p := range upstream.Presets() {
		a := open(t, keyed(upstream.Provider{API: p.Kind, BaseURL: "http://127.0.0.1:1", Region: "r"}))
		var can []string
		for _, op := range ops {
			if a.Supports(op, llm.OpenAI, "model") {
				can = append(can, op.String())
			}
		}
		got[p.Kind] = strings.Join(can, " ")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("operations (-want +got):\n%s", d)
	}
}

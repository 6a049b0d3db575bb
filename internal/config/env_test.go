package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

func TestFromEnv(t *testing.T) {
	t.Parallel()
	// want is a provider for each "kind URL"; change sets what differs from the defaults beside name, api and key.
	f := func(name string, env []string, want []upstream.Provider, urls []string, notices ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := FromEnv(environ(env...))
			if err != nil {
				t.Fatal(err)
			}
			var got []upstream.Provider
			var at []string
			for _, p := range c.Providers {
				got, at = append(got, p.Provider), append(at, p.URL())
			}
			for i := range want {
				w := &want[i]
				api := w.API
				own := *w
				own.SetDefaults()
				own.Name, own.API = api, api
				*w = own
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(llm.Secret{})); diff != "" {
				t.Errorf("providers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(urls, at); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			var said []string
			for _, n := range c.Notices() {
				said = append(said, n.Key)
			}
			if diff := cmp.Diff(notices, said); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
	key, k2 := llm.NewSecret("k"), llm.NewSecret("k2")
	sim := []upstream.Provider{{API: "sim"}}
	none := []string{""}
	f("nothing", nil, sim, none, "providers")
	f("openai", []string{"OPENAI_API_KEY", "k", "OPENAI_ORG_ID", "o", "OPENAI_PROJECT_ID", "p"},
		[]upstream.Provider{{API: "openai", APIKey: key, Organization: "o", Project: "p"}}, []string{"https://api.openai.com/v1"})
	f("local server", []string{"OPENAI_BASE_URL", "http://127.0.0.1:11434/v1"},
		[]upstream.Provider{{API: "openai", BaseURL: "http://127.0.0.1:11434/v1"}}, []string{"http://127.0.0.1:11434/v1"})
	f("several", []string{"XAI_API_KEY", "k", "GROQ_API_KEY", "k", "GROQ_BASE_URL", "http://g", "MISTRAL_BASE_URL", "http://m"},
		[]upstream.Provider{{API: "groq", BaseURL: "http://g", APIKey: key}, {API: "xai", APIKey: key}},
		[]string{"http://g", "https://api.x.ai/v1"}, "MISTRAL_BASE_URL")
	f("anthropic", []string{"ANTHROPIC_API_KEY", "k", "ANTHROPIC_BASE_URL", "https://a.example", "OPENAI_API_KEY", ""},
		[]upstream.Provider{{API: "anthropic", APIKey: key, BaseURL: "https://a.example"}}, []string{"https://a.example/v1"})
	f("gemini's own variable goes first", []string{"GOOGLE_API_KEY", "k2", "GEMINI_API_KEY", "k"},
		[]upstream.Provider{{API: "gemini", APIKey: key}}, []string{"https://generativelanguage.googleapis.com/v1beta"})
	f("google", []string{"GOOGLE_API_KEY", "k2", "GOOGLE_GEMINI_BASE_URL", "http://g/v1"},
		[]upstream.Provider{{API: "gemini", APIKey: k2, BaseURL: "http://g/v1"}}, []string{"http://g/v1"})
	f("azure", []string{"AZURE_OPENAI_API_KEY", "k", "AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/", "OPENAI_API_VERSION", "2024-10-21"},
		[]upstream.Provider{{API: "azure", APIKey: key, BaseURL: "https://r.openai.azure.com/", APIVersion: "2024-10-21"}},
		[]string{"https://r.openai.azure.com/openai"})
	f("azure without its address", []string{"AZURE_OPENAI_API_KEY", "k"}, sim, none, "AZURE_OPENAI_API_KEY", "providers")
	f("azure without its key", []string{"AZURE_OPENAI_ENDPOINT", "https://r"}, sim, none, "AZURE_OPENAI_ENDPOINT", "providers")
	f("a version alone", []string{"OPENAI_API_VERSION", "2024-10-21"}, sim, none, "providers")
	aws := []string{"AWS_ACCESS_KEY_ID", "k", "AWS_SECRET_ACCESS_KEY", "k2", "AWS_REGION", "eu-west-1"}
	f("keys of AWS alone make no provider", aws, sim, none, "providers")
	f("keys of AWS that are meant", append([]string{"SLUICE_BEDROCK", "1"}, aws...),
		[]upstream.Provider{{API: "bedrock", AccessKey: key, SecretKey: k2, Region: "eu-west-1"}}, []string{"https://bedrock-runtime.eu-west-1.amazonaws.com"})
	f("a key of Bedrock", append([]string{"AWS_BEARER_TOKEN_BEDROCK", "k"}, aws...),
		[]upstream.Provider{{API: "bedrock", APIKey: key, Region: "eu-west-1"}}, []string{"https://bedrock-runtime.eu-west-1.amazonaws.com"})
	f("a key of Bedrock without a region", []string{"AWS_BEARER_TOKEN_BEDROCK", "k"}, sim, none, "AWS_BEARER_TOKEN_BEDROCK", "providers")
	f("Bedrock is meant and has no keys", []string{"SLUICE_BEDROCK", "true", "AWS_REGION", "r"}, sim, none, "SLUICE_BEDROCK", "providers")
	f("the rest", []string{"CEREBRAS_API_KEY", "k", "CO_API_KEY", "k", "VOYAGE_API_KEY", "k", "JINA_API_KEY", "k2"},
		[]upstream.Provider{{API: "cerebras", APIKey: key}, {API: "cohere", APIKey: key}, {API: "voyage", APIKey: key}, {API: "jina", APIKey: k2}},
		[]string{"https://api.cerebras.ai/v1", "https://api.cohere.ai", "https://api.voyageai.com/v1", "https://api.jina.ai/v1"})
	cloud := []string{"GOOGLE_CLOUD_PROJECT", "p", "GOOGLE_CLOUD_LOCATION", "global", "GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file"}
	f("Google's variables alone make no provider", cloud, sim, none, "providers")
	f("credentials that cannot be read", append([]string{"GOOGLE_GENAI_USE_VERTEXAI", "true"}, cloud...), sim, none, "GOOGLE_APPLICATION_CREDENTIALS", "providers")
	f("vertex without a project", []string{"GOOGLE_GENAI_USE_VERTEXAI", "1", "GOOGLE_APPLICATION_CREDENTIALS", "f"}, sim, none, "GOOGLE_GENAI_USE_VERTEXAI", "providers")
}

// TestFromEnvVertex reads a credentials file by the variable that names it.
func TestFromEnvVertex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "adc.json")
	const file = `{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}`
	if err := os.WriteFile(path, []byte(file+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := FromEnv(environ("GOOGLE_GENAI_USE_VERTEXAI", "True", "GOOGLE_CLOUD_PROJECT", "p", "GOOGLE_CLOUD_LOCATION", "us-central1", "GOOGLE_APPLICATION_CREDENTIALS", path))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Providers[0]
	if p.API != "vertex" || p.Credentials.Reveal() != file || p.URL() != "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1" {
		t.Errorf("got %+v at %s", p, p.URL())
	}
}

// TestFromEnvNamesVariables checks that an error names the variable that is at fault.
func TestFromEnvNamesVariables(t *testing.T) {
	t.Parallel()
	_, err := FromEnv(environ("GOOGLE_API_KEY", "k\n", "AZURE_OPENAI_ENDPOINT", "ftp://x", "AZURE_OPENAI_API_KEY", "k", "OPENAI_API_VERSION", "new"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"GOOGLE_API_KEY: must not", "AZURE_OPENAI_ENDPOINT: must begin", "OPENAI_API_VERSION: must be a date"} {
		if !strings.Contains(err.Error(), "environment: "+want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

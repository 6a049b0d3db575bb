package upstream_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	f := func(p upstream.Provider, said, want string) {
		t.Helper()
		p.Name = "x"
		a, err := upstream.Open(&p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		if got := string(a.Redact([]byte(said))); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
		h := http.Header{"A": {"fine", said}, "B": {said}}
		if d := cmp.Diff(http.Header{"A": {"fine", want}, "B": {want}}, a.RedactHeader(h)); d != "" {
			t.Errorf("headers (-want +got):\n%s", d)
		}
		if h.Get("B") != said {
			t.Errorf("the provider's own headers are changed: %v", h)
		}
	}
	key := llm.NewSecret("sk-provider-1")
	f(upstream.Provider{APIKey: key}, "invalid key Bearer sk-provider-1, sk-provider-1", "invalid key Bearer [redacted], [redacted]")
	f(upstream.Provider{APIKey: key}, "nothing of it: sk-provider-2", "nothing of it: sk-provider-2")
	f(upstream.Provider{API: "anthropic", APIKey: key, Headers: map[string]llm.Secret{"X-Gate": llm.NewSecret("Bearer gate-secret")}},
		"gate-secret and sk-provider-1", "[redacted] and [redacted]")
	f(upstream.Provider{API: "bedrock", Region: "r", AccessKey: llm.NewSecret("AKIDPROVIDER"), SecretKey: llm.NewSecret("never-sent-secret")},
		"Credential=AKIDPROVIDER/2026", "Credential=[redacted]/2026")
	f(upstream.Provider{APIKey: llm.NewSecret("any")}, "anything goes", "anything goes") // a key this short is in any text
	f(upstream.Provider{}, "", "")
}

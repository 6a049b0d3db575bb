package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/e2e/harness"
)

const secretGateway = `
providers:
  up: {base_url: SIM, api_key: provider-secret, organization: org-secret, project: proj-secret, headers: {X-Extra: extra-secret}, models: ["sim-*"]}
keys: [{name: a, key: sk-client-key-0123456789}]
retry: {attempts: 1}
`

// TestSecretsStayOnTheirSide looks at every header and body on both sides of the gateway.
func TestSecretsStayOnTheirSide(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "api_key: provider-secret\nany_model: true\nrecord: 100\nlatency: none\n")
	g := harness.StartGateway(t, strings.Replace(secretGateway, "SIM", sim.URL, 1))
	client := []string{
		"Authorization: Bearer sk-client-key-0123456789", "X-Api-Key: client-secret-2", "Api-Key: client-secret-3",
		"X-Goog-Api-Key: client-secret-4", "Cookie: session=client-secret-5", "Proxy-Authorization: Basic client-secret-6",
		"X-Sluice-Tags: client-secret-7", "X-Sluice-Class: interactive", "OpenAI-Organization: client-secret-8",
		"OpenAI-Project: client-secret-9", "X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Request-Id: client-secret-10",
		"X-Stainless-Retry-Count: 0", "User-Agent: tester/1", "X-Custom: goes-through",
	}
	answers := map[string]*harness.Answer{}
	for _, model := range []string{"sim-fast", "sim-fast:401", "sim-fast:403", "sim-fast:500", "sim-fast:quota", "sim-fast:400"} {
		for _, stream := range []bool{false, true} {
			answers[fmt.Sprint(model, " ", stream)] = g.Post(t, "/v1/chat/completions", harness.Chat("up/"+model, "hi", stream), client...)
		}
	}
	for name, a := range answers {
		all := fmt.Sprint(a.Header, a.Body)
		for _, secret := range []string{"provider-secret", "org-secret", "proj-secret", "extra-secret", "org-sim"} {
			if strings.Contains(all, secret) {
				t.Errorf("%s: the client has got %q: %s", name, secret, all)
			}
		}
		for _, header := range []string{"Openai-Organization", "Openai-Project", "Set-Cookie"} {
			if a.Header.Get(header) != "" {
				t.Errorf("%s: the client has got %s", name, header)
			}
		}
		if ids := a.Header.Values("X-Request-Id"); len(ids) != 1 || ids[0] != a.Header.Get("X-Sluice-Request-Id") {
			t.Errorf("%s: X-Request-Id %v, X-Sluice-Request-Id %q", name, ids, a.Header.Get("X-Sluice-Request-Id"))
		}
	}
	requests := sim.Calls(t)
	if len(requests) != len(answers) {
		t.Fatalf("%d requests for %d calls", len(requests), len(answers))
	}
	for _, r := range requests {
		if all := fmt.Sprint(r.Header, string(r.Body)); strings.Contains(all, "client-") || strings.Contains(all, "203.0.113.7") {
			t.Errorf("the provider has got what was the client's: %s", all)
		}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Sluice") || strings.HasPrefix(name, "X-Forwarded") {
				t.Errorf("the provider has got %s", name)
			}
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer provider-secret", "Openai-Organization": "org-secret", "Openai-Project": "proj-secret",
			"X-Extra": "extra-secret", "X-Custom": "goes-through", "User-Agent": "tester/1",
		} {
			if got := r.Header[http.CanonicalHeaderKey(name)]; len(got) != 1 || got[0] != want {
				t.Errorf("the provider has got %s %q, want %q", name, got, want)
			}
		}
	}
}

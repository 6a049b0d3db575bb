package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/e2e/harness"
)

// TestLargerThanAQuota asks in each dialect for more than a quota of the account ever has, which the provider would refuse: it is told so at once, by the
// quota's name, and that coming again does not help. An account with a larger quota takes the same call.
func TestLargerThanAQuota(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "latency: none\nany_model: true\nmodels: [{name: sim-fast}]\nquotas: [{models: [\"b-*\"], rpm: 60, tpm: 60000}]\n")
	g := harness.StartGateway(t, strings.ReplaceAll(`
providers:
  up: {base_url: SIM, api_key: k, quotas: [{models: ["b-*"], rpm: 60, tpm: 60000}]}
  large: {base_url: SIM, api_key: k}
models:
  both: {targets: [up/b-one, large/c-one]}
`, "SIM", sim.URL))
	for path, body := range map[string]string{
		"/v1/chat/completions":                        `{"model":"MODEL","max_tokens":70000,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/responses":                               `{"model":"MODEL","max_output_tokens":70000,"input":"hi"}`,
		"/anthropic/v1/messages":                      `{"model":"MODEL","max_tokens":70000,"messages":[{"role":"user","content":"hi"}]}`,
		"/gemini/v1beta/models/MODEL:generateContent": `{"generationConfig":{"maxOutputTokens":70000},"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
	} {
		ask := func(model string) *harness.Answer {
			fill := strings.NewReplacer("MODEL", model)
			return g.Post(t, fill.Replace(path), fill.Replace(body), "anthropic-version: 2023-06-01")
		}
		start := time.Now()
		a := ask("up/b-one")
		if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "" || a.Header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: status %d, headers %v", path, a.Status, a.Header)
		}
		for _, text := range []string{"needs 700", "b-*", "60000 per minute", "never fits"} {
			if !strings.Contains(a.Body, text) {
				t.Errorf("%s: %s lacks %q", path, a.Body, text)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: refused after %v", path, took)
		}
		if a := ask("both"); a.Status != http.StatusOK || a.Header.Get("X-Sluice-Target") != "large/c-one" {
			t.Errorf("%s: status %d from %q: %s", path, a.Status, a.Header.Get("X-Sluice-Target"), a.Body)
		}
	}
	for _, r := range sim.Calls(t) {
		if strings.HasPrefix(r.Model, "b-") {
			t.Errorf("the provider was asked for %s", r.Model)
		}
	}
}

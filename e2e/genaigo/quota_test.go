package genaigo

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genai"

	"sluice/e2e/harness"
)

// testLimits goes over the rate and the budget of a key: the error says which limit it is, and when to come back if that helps.
func testLimits(t *testing.T, c *client) {
	f := func(key, model string, fits int, code, quota string, comesBack bool) {
		t.Helper()
		one := c.with(t, key, "/gemini", genai.BackendGeminiAPI)
		ask := func() error {
			_, err := one.Models.GenerateContent(t.Context(), model, genai.Text("hi [[sim:tokens=30]]"), &genai.GenerateContentConfig{MaxOutputTokens: 30})
			return err
		}
		for range fits {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		e := apiError(t, ask())
		if e.Code != http.StatusTooManyRequests || e.Status != "RESOURCE_EXHAUSTED" || reason(e) != code {
			t.Errorf("%d %s %s: %s", e.Code, e.Status, reason(e), e.Message)
		}
		var kinds, ids string
		for _, d := range e.Details {
			kind, _ := d["@type"].(string)
			kinds += kind + " "
			for _, v := range list(d["violations"]) {
				id, _ := v.(map[string]any)["quotaId"].(string)
				ids += id
			}
		}
		if ids != quota || strings.Contains(kinds, "google.rpc.RetryInfo") != comesBack {
			t.Errorf("quota %q, details %s", ids, kinds)
		}
	}
	f(harness.KeyCounted, "smart", 2, "key_rate_exceeded", "LimitPerMinutePerKey", true)
	f(harness.KeyPaid, "paid/gpt-4o-mini", 1, "key_budget_exceeded", "LimitPerMonthPerKey", true)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

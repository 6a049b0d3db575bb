package ingress

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"sluice/internal/llm"
)

func TestFind(t *testing.T) {
	t.Parallel()
	f := func(method, path string, front llm.Dialect, op llm.Op, model string, headers ...string) {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		en := find(r)
		if en.serve == nil || en.front != front || en.op != op || en.model != model {
			t.Errorf("%s %s %v is %v, %v, model %q, served %t; want %v, %v, model %q",
				method, path, headers, en.front, en.op, en.model, en.serve != nil, front, op, model)
		}
	}
	f("POST", "/v1/chat/completions", llm.OpenAI, llm.OpChat, "")
	f("POST", "/chat/completions", llm.OpenAI, llm.OpChat, "")
	f("GET", "/v1/models", llm.OpenAI, 0, "")
	f("GET", "/v1/models/a:generateContent", llm.OpenAI, 0, "")

	f("POST", "/v1/messages", llm.Anthropic, llm.OpChat, "")
	f("POST", "/anthropic/v1/messages", llm.Anthropic, llm.OpChat, "")
	f("GET", "/v1/models", llm.Anthropic, 0, "", "Anthropic-Version", "2026-10-21")

	f("POST", "/gemini/v1beta/models/a/b:generateContent", llm.Gemini, llm.OpChat, "a/b")
	f("POST", "/v1beta/models/a:streamGenerateContent", llm.Gemini, llm.OpChat, "a")
	f("POST", "/v1beta1/publishers/google/models/a:generateContent", llm.Gemini, llm.OpChat, "a")
	f("POST", "/v1/models/a:generateContent", llm.Gemini, llm.OpChat, "a")
	f("POST", "/v1alpha/models/a:countTokens", llm.Gemini, llm.OpCountTokens, "a")
	f("POST", "/v1/projects/p/locations/l/publishers/google/models/a:generateContent", llm.Gemini, llm.OpChat, "a")
	f("GET", "/v1/models", llm.Gemini, 0, "", "X-Goog-Api-Client", "google-genai-sdk/3.1.0")
	f("GET", "/v1/models/a", llm.Gemini, 0, "", "X-Goog-Api-Client", "google-genai-sdk/3.1.0")
	f("POST", "/v1/chat/completions", llm.OpenAI, llm.OpChat, "", "X-Goog-Api-Client", "google-genai-sdk/3.1.0")

	if en := find(httptest.NewRequest(http.MethodPost, "/v1/models/a:explode", nil)); en.op != 0 {
		t.Errorf("an unknown method is %v", en.op)
	}
}

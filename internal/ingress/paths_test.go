package ingress

import (
	"net/http"
	"net/http/httptest"
	"strings"
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

// TestUnknownPaths checks in whose dialect a client is told that a path is not there, with an id, and what it is told to do.
func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil, team())
	f := func(method, path, shape string, hints []string, headers ...string) {
		t.Helper()
		w := ask(t, s, method, path, "", headers...)
		text := w.Body.String()
		if w.Code != http.StatusNotFound || !strings.HasPrefix(text, shape) {
			t.Errorf("%s %s: %d %s, want 404 and %s...", method, path, w.Code, text, shape)
		}
		for _, hint := range hints {
			if !strings.Contains(text, hint) {
				t.Errorf("%s %s: %s does not say %q", method, path, text, hint)
			}
		}
		if id := w.Header().Get("X-Request-Id"); len(id) != 26 || shape != openAI && !strings.Contains(text, id) {
			t.Errorf("%s %s: id %q, %s", method, path, id, text)
		}
	}
	f("GET", "/v1/files/a/rows", openAI, []string{"/p/{provider}/v1/files/a/rows"})
	f("GET", "/v1/vector_stores", openAI, []string{"/p/{provider}/v1/vector_stores"})
	f("POST", "/v1/batches", openAI, []string{"/p/{provider}/v1/batches"})
	f("GET", "/v1/realtime", openAI, []string{"realtime", "WebSocket"})
	f("POST", "/v1/realtime/client_secrets", openAI, []string{"realtime"})
	f("POST", "/v1/chat/completion", openAI, []string{"/v1/responses", "/v1/capabilities", "/anthropic/v1/", "/gemini/"})
	f("POST", "/anthropic/v1/messages/batches", anthropicShape, []string{"/p/{provider}/v1/messages/batches"})
	f("GET", "/v1/files", anthropicShape, []string{"/p/{provider}/v1/files"}, "Anthropic-Version", "2023-06-01")
	f("POST", "/v1/messages/batches", anthropicShape, []string{"/p/{provider}/v1/messages/batches"}, "Anthropic-Version", "2023-06-01")
	f("POST", "/anthropic/v1/complete", anthropicShape, []string{"/anthropic/v1/messages"})
	f("POST", "/gemini/v1beta/cachedContents", geminiShape, []string{"/p/{provider}/v1beta/cachedContents"})
	f("POST", "/gemini/upload/v1beta/files", geminiShape, []string{"/p/{provider}/upload/v1beta/files"})
	f("POST", "/gemini/v1beta/models/m:batchGenerateContent", geminiShape, []string{"/p/{provider}/v1beta/models/m:batchGenerateContent"})
	f("POST", "/gemini/v1beta/models/m:predict", geminiShape, []string{":generateContent"})
	f("GET", "/v1/files", geminiShape, nil, "X-Goog-Api-Key", "k")
	f("GET", "/p/", anthropicShape, nil, "Anthropic-Version", "2023-06-01", "X-Api-Key", keyA)
	f("GET", "/p/", geminiShape, nil, "X-Goog-Api-Key", keyA)
	f("GET", "/p/", openAI, nil, "Authorization", "Bearer "+keyA)
	f("GET", "/anthropic/v1/models/none/such", anthropicShape, nil, "X-Api-Key", keyA)
}

// How errors of the dialects begin.
const (
	openAI         = `{"error":{"message":`
	anthropicShape = `{"type":"error",`
	geminiShape    = `{"error":{"code":404,`
)

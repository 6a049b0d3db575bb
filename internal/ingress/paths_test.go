package ingress

import (
	"net/http/httptest"
	"testing"

	"sluice/internal/llm"
)

// TestFind checks whose dialect a path is, and what is there.
func TestFind(t *testing.T) {
	t.Parallel()
	f := func(method, path string, front llm.Dialect, op llm.Op, model string, header ...string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		en := find(r)
		if en.front != front || en.op != op || en.model != model || en.serve == nil {
			t.Errorf("%s %s %v: front %v, op %v, model %q, served %v", method, path, header, en.front, en.op, en.model, en.serve != nil)
		}
	}
	f("POST", "/v1/chat/completions", llm.OpenAI, llm.OpChat, "")
	f("POST", "/chat/completions", llm.OpenAI, llm.OpChat, "")
	f("POST", "/v1/messages", llm.Anthropic, llm.OpChat, "")
	f("POST", "/v1/messages", llm.Anthropic, llm.OpChat, "", "Anthropic-Version", "2026-10-21")
	f("POST", "/anthropic/v1/messages/count_tokens", llm.Anthropic, llm.OpCountTokens, "")
	f("GET", "/v1/models", llm.OpenAI, 0, "")
	f("GET", "/v1/models", llm.Anthropic, 0, "", "Anthropic-Version", "2023-06-01")
	f("GET", "/v1/models", llm.Gemini, 0, "", "X-Goog-Api-Key", "k")
	f("POST", "/gemini/v1beta/models/a/b:generateContent", llm.Gemini, llm.OpChat, "a/b")
	f("POST", "/v1beta/models/b:streamGenerateContent?alt=sse", llm.Gemini, llm.OpChat, "b")
	f("POST", "/v1/models/b:generateContent", llm.Gemini, llm.OpChat, "b") // as @google/genai asks
	f("POST", "/v1/models/b:countTokens", llm.Gemini, llm.OpCountTokens, "b")
	f("GET", "/v1/models/ft:gpt-4o:org", llm.OpenAI, 0, "")
	f("POST", "/v1beta1/publishers/google/models/b:generateContent", llm.Gemini, llm.OpChat, "b")
	f("POST", "/gemini/v1beta/models/b:batchEmbedContents", llm.Gemini, llm.OpEmbedding, "b")
}

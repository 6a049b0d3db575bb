package model

import "testing"

func TestEmbedLimits(t *testing.T) {
	t.Parallel()
	f := func(api, name string, want EmbedLimits) {
		t.Helper()
		if got := EmbedLimitsOf(api, name); got != want {
			t.Errorf("%s %s: %+v, want %+v", api, name, got, want)
		}
	}
	f("openai", "text-embedding-3-small", EmbedLimits{Items: 2048, InputTokens: 8192, TotalTokens: 300_000})
	f("azure", "text-embedding-ada-002", EmbedLimits{Items: 2048, InputTokens: 8192, TotalTokens: 300_000})
	f("openrouter", "openai/text-embedding-3-large", EmbedLimits{Items: 2048, InputTokens: 8192, TotalTokens: 300_000})
	f("openai", "gemini-embedding-001", EmbedLimits{Items: 100, InputTokens: 2048, Cuts: true})
	f("gemini", "models/text-embedding-004", EmbedLimits{Items: 100, InputTokens: 2048, Cuts: true})
	f("voyage", "voyage-4-lite", EmbedLimits{Items: 1000, InputTokens: 32_000, TotalTokens: 1_000_000, Cuts: true})
	f("voyage", "voyage-4-large", EmbedLimits{Items: 1000, InputTokens: 32_000, TotalTokens: 120_000, Cuts: true})
	f("voyage", "voyage-4", EmbedLimits{Items: 1000, InputTokens: 32_000, TotalTokens: 320_000, Cuts: true})
	f("voyage", "voyage-code-3", EmbedLimits{Items: 1000, InputTokens: 32_000, TotalTokens: 120_000, Cuts: true})
	f("cohere", "embed-v4.0", EmbedLimits{Items: 96, InputTokens: 128_000, Cuts: true})
	f("cohere", "my-finetune", EmbedLimits{Items: 96, Cuts: true})
	f("jina", "jina-embeddings-v3", EmbedLimits{Items: 512, InputTokens: 8192})
	f("vllm", "intfloat/e5-mistral-7b-instruct", EmbedLimits{})
}

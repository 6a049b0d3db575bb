package model

import "strings"

// EmbedLimits are what one embeddings request to a model may hold. Zero means that no limit is known: the request is left to
// the provider.
type EmbedLimits struct {
	Items       int   // inputs of one request
	InputTokens int64 // of one input
	TotalTokens int64 // of all inputs of one request
	// Cuts says that the provider cuts an input that is too long, unless it is told not to. Others refuse the request.
	Cuts bool
}

// EmbedLimitsOf returns the limits of an embedding model at an account of a kind (the api of its configuration: "openai",
// "cohere", ...).
func EmbedLimitsOf(api, name string) EmbedLimits {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for i := range embedLimits {
		row := &embedLimits[i]
		if (row.api == "" || row.api == api) && strings.HasPrefix(name, row.prefix) {
			return row.limits
		}
	}
	return EmbedLimits{}
}

// embedLimits are the published limits; the first row that fits counts. An empty api fits every account: the names are the
// provider's own, so that they are known behind another's address too (Azure, a proxy). Sources, all seen 2026-11:
//
//   - OpenAI: 2,048 inputs, 8,192 tokens each, 300,000 in all (PROVIDERS.md 1.4; the reference of POST /embeddings).
//   - Gemini: "at most 100 requests can be in one batch" is what batchEmbedContents answers, also behind its
//     OpenAI-compatible path; 2,048 tokens an input for gemini-embedding-001, 8,192 for gemini-embedding-2
//     (ai.google.dev/gemini-api/docs/embeddings). Longer inputs are cut.
//   - Voyage: 1,000 inputs; 1M tokens in all for the lite models, 320K for voyage-4, voyage-3.5 and voyage-2, 120K for the
//     others; 32K an input (docs.voyageai.com/reference/embeddings-api). Longer inputs are cut unless truncation is false.
//   - Cohere: 96 texts; embed-v4 takes 128K tokens an input, embed-v3 512 (docs.cohere.com/reference/embed). Longer
//     inputs are cut unless truncate is NONE.
//   - Jina: 8,192 tokens an input (jina-embeddings-v4: 32K; jina.ai/embeddings). Longer inputs are refused unless truncate is
//     true. It publishes no number of inputs: clients keep to 512 or to 2,048, and the smaller one stands here.
var embedLimits = [...]struct {
	api, prefix string
	limits      EmbedLimits
}{
	{"", "text-embedding-3", EmbedLimits{Items: 2048, InputTokens: 8192, TotalTokens: 300_000}},
	{"", "text-embedding-ada", EmbedLimits{Items: 2048, InputTokens: 8192, TotalTokens: 300_000}},
	{"", "gemini-embedding-001", EmbedLimits{Items: 100, InputTokens: 2048, Cuts: true}},
	{"", "gemini-embedding", EmbedLimits{Items: 100, InputTokens: 8192, Cuts: true}},
	{"gemini", "", EmbedLimits{Items: 100, InputTokens: 2048, Cuts: true}},
	{"", "voyage-4-lite", voyage(1_000_000)},
	{"", "voyage-3.5-lite", voyage(1_000_000)},
	{"", "voyage-4-large", voyage(120_000)},
	{"", "voyage-4", voyage(320_000)},
	{"", "voyage-3.5", voyage(320_000)},
	{"", "voyage-2", EmbedLimits{Items: 1000, InputTokens: 4000, TotalTokens: 320_000, Cuts: true}},
	{"", "voyage-", voyage(120_000)},
	{"", "embed-v4", EmbedLimits{Items: 96, InputTokens: 128_000, Cuts: true}},
	{"", "embed-english", EmbedLimits{Items: 96, InputTokens: 512, Cuts: true}},
	{"", "embed-multilingual", EmbedLimits{Items: 96, InputTokens: 512, Cuts: true}},
	{"cohere", "", EmbedLimits{Items: 96, Cuts: true}},
	{"", "jina-embeddings-v4", EmbedLimits{Items: 512, InputTokens: 32_768}},
	{"", "jina-", EmbedLimits{Items: 512, InputTokens: 8192}},
	{"jina", "", EmbedLimits{Items: 512}},
	{"voyage", "", EmbedLimits{Items: 1000, Cuts: true}},
}

// voyage returns the limits of a model of Voyage that takes so many tokens in all.
func voyage(total int64) EmbedLimits {
	return EmbedLimits{Items: 1000, InputTokens: 32_000, TotalTokens: total, Cuts: true}
}

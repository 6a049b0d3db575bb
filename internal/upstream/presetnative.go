package upstream

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// facts is the source of most notes: the survey of provider APIs that the project began with.
const facts = "survey of 2026-11-20, "

var openAI = Preset{
	Kind: "openai", Title: "OpenAI, and any server compatible with it", Docs: "https://platform.openai.com/docs/api-reference",
	BaseURL: DefaultBaseURL, Auth: AuthBearer, Usage: UsageAsked, Responses: NativeFull, Prices: "openai",
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, moderation, image, imageEdit, imageVary, speech, transcribe, translate},
	Keys:   []string{"organization", "project", "responses", "stream_usage"},
	Env: []Variable{
		{"OPENAI_API_KEY", "api_key"},
		{"OPENAI_BASE_URL", "base_url"},
		{"OPENAI_ORG_ID", "organization"},
		{"OPENAI_PROJECT_ID", "project"},
	},
	Notes: []Note{
		{"Not every 429 passes by itself: the codes of quota and spend limits do not, and are not tried again.", facts + "1.2"},
		{"`x-ratelimit-reset-*` are durations such as `6m0s`; there are no headers for daily limits.", facts + "1.1"},
		{"Reasoning models refuse `max_tokens`, and sampling parameters with it.", facts + "1.2"},
		{"At another base_url, Responses calls are translated: most compatible servers have chat completions only. `responses: native` forwards them.", "own choice"},
	},
}

// anthropicVersion is sent where the client named none: requests that were made here know this one.
const anthropicVersion = "2023-06-01"

var anthropic = Preset{
	Kind: "anthropic", Title: "Anthropic", Docs: "https://platform.claude.com/docs/en/api",
	BaseURL: "https://api.anthropic.com/v1", Auth: AuthXKey, Usage: UsageOwn, Prices: "anthropic",
	List: "/models?limit=1000",
	Offers: []Offer{
		{Op: llm.OpChat, Dialect: llm.Anthropic, Path: "/messages"},
		{Op: llm.OpCountTokens, Dialect: llm.Anthropic, Path: "/messages/count_tokens"},
	},
	Keys: []string{"api_version"},
	Env:  []Variable{{"ANTHROPIC_API_KEY", "api_key"}, {"ANTHROPIC_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Version 2026-10-21 refuses `temperature`, `top_p` and `top_k`, even at their defaults. Translated calls are sent as 2023-06-01 unless `api_version` says otherwise; clients of this dialect choose their own.", facts + "0.1, 2.1"},
		{"Rate limits are told in `anthropic-ratelimit-*`, with resets as RFC 3339 times; 529 means overloaded.", facts + "2.1, 2.4"},
		{"A 429 for a spend limit has no `retry-after` and does not pass by itself.", facts + "2.4"},
		{"Newer models refuse sampling parameters, forced tools or a last turn of the assistant's.", facts + "2.1"},
	},
}

var gemini = Preset{
	Kind: "gemini", Title: "Gemini API", Docs: "https://ai.google.dev/api",
	BaseURL: "https://generativelanguage.googleapis.com/v1beta", Auth: AuthGoog, Usage: UsageOwn, Prices: "google",
	List: "/models?pageSize=1000",
	Offers: []Offer{
		{
			Op: llm.OpChat, Dialect: llm.Gemini, Path: "/models/{model}:generateContent",
			Stream: "/models/{model}:streamGenerateContent", Query: "alt=sse",
		},
		{Op: llm.OpEmbedding, Dialect: llm.Gemini, Path: "/models/{model}:batchEmbedContents"},
		{Op: llm.OpEmbedding, Dialect: llm.Gemini, Path: "/models/{model}:embedContent", Front: llm.Gemini, Items: 1},
		{Op: llm.OpCountTokens, Dialect: llm.Gemini, Path: "/models/{model}:countTokens"},
	},
	Env: []Variable{{"GEMINI_API_KEY", "api_key"}, {"GOOGLE_API_KEY", "api_key"}, {"GOOGLE_GEMINI_BASE_URL", "base_url"}, {"GEMINI_BASE_URL", "base_url"}},
	Notes: []Note{
		{"The model stands in the path. Streams are asked for with `alt=sse`; without it they are one JSON array.", facts + "3.1"},
		{"There is no `retry-after`: the wait stands in the error's RetryInfo. A quota whose id has PerDay does not pass soon.", facts + "3.3"},
		{"A stream that fails ends with a bare JSON error, not with an event.", facts + "3.3"},
		{"`finishReason` is STOP also where tools are called.", facts + "3.2"},
		{"Keys are sent as a header only; a client's `?key=` is left out.", "own choice"},
	},
}

var vertex = Preset{
	Kind: "vertex", Title: "Google Vertex AI", Docs: "https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest",
	BaseURL: "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}", Auth: AuthGoogle, Usage: UsageOwn, Prices: "google-vertex",
	Offers: []Offer{
		{
			Op: llm.OpChat, Dialect: llm.Gemini, Path: "/publishers/google/models/{model}:generateContent",
			Stream: "/publishers/google/models/{model}:streamGenerateContent", Query: "alt=sse",
		},
		{
			Op: llm.OpChat, Dialect: llm.Anthropic, Claude: true, Path: "/publishers/anthropic/models/{model}:rawPredict",
			Stream: "/publishers/anthropic/models/{model}:streamRawPredict",
			Change: wire.Change{NoModel: true, Set: []llm.Member{{Name: "anthropic_version", Value: `"vertex-2023-10-16"`}}},
		},
		{Op: llm.OpEmbedding, Dialect: llm.Gemini, Path: "/publishers/google/models/{model}:embedContent", Items: 1},
		{Op: llm.OpCountTokens, Dialect: llm.Gemini, Path: "/publishers/google/models/{model}:countTokens"},
		{
			Op: llm.OpCountTokens, Dialect: llm.Anthropic, Claude: true, Path: "/publishers/anthropic/models/count-tokens:rawPredict",
			Change: wire.Change{Set: []llm.Member{{Name: "anthropic_version", Value: `"vertex-2023-10-16"`}}},
		},
	},
	Keys: []string{"project", "location", "credentials"},
	Env: []Variable{
		{"GOOGLE_APPLICATION_CREDENTIALS", "credentials"},
		{"GOOGLE_CLOUD_PROJECT", "project"},
		{"GOOGLE_CLOUD_LOCATION", "location"},
		{"GOOGLE_VERTEX_BASE_URL", "base_url"},
	},
	Notes: []Note{
		{"`location: global` is at aiplatform.googleapis.com, `us` and `eu` (multi-region) at aiplatform.{us,eu}.rep.googleapis.com.", facts + "3.1"},
		{"Models named `claude-…` are called with Anthropic's body, without `model` and with `anthropic_version: vertex-2023-10-16`, or the client's version if that is a later one.", facts + "3.1"},
		{"With `api_key` and no project (express mode) the base has neither project nor location.", facts + "3.1"},
		{"Embeddings go one input a request, by `:embedContent`; models that know only `:predict` (text-embedding-…) are out of reach but for `/p/`.", "google.golang.org/genai v1.77.0, models.go, read 2026-11-21"},
		{"Credentials are a service account's key or those of `gcloud auth application-default login`. The metadata server and workload identity are not asked.", "own choice"},
	},
}

var azure = Preset{
	Kind: "azure", Title: "Azure OpenAI", Docs: "https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle",
	Auth: AuthKey, Usage: UsageAsked, Responses: NativeFull, Prices: "azure",
	Offers: []Offer{chat, responses, completion, embedding, image, imageEdit, speech, transcribe, translate},
	Keys:   []string{"api_version", "deployments", "tenant", "client_id", "client_secret", "token_url", "responses", "stream_usage"},
	Env: []Variable{
		{"AZURE_OPENAI_ENDPOINT", "base_url"},
		{"AZURE_OPENAI_API_KEY", "api_key"},
		{"OPENAI_API_VERSION", "api_version"},
	},
	Notes: []Note{
		{"Without `api_version` the v1 surface is used (`/openai/v1`, model in the body). With a date, the classic one: `/openai/deployments/{model}/…?api-version=`.", facts + "4.1"},
		{"Models are called by the names of deployments; `deployments` maps models to them.", facts + "4.1"},
		{"The first chunk of a stream may have no choices, an empty id and `prompt_filter_results`.", facts + "4.1"},
		{"A filtered prompt is a 400 with `code: content_filter`.", facts + "4.1"},
		{"`retry-after-ms` goes before `retry-after`.", facts + "1.1, 4.1"},
	},
}

var bedrock = Preset{
	Kind: "bedrock", Title: "AWS Bedrock", Docs: "https://docs.aws.amazon.com/bedrock/latest/APIReference",
	BaseURL: "https://bedrock-runtime.{region}.amazonaws.com", Auth: AuthAWS, Usage: UsageOwn, Prices: "bedrock",
	Offers: []Offer{
		{
			Op: llm.OpChat, Dialect: llm.Converse, Path: "/model/{model}/converse", Stream: "/model/{model}/converse-stream", Frames: FrameAWS,
		},
		{
			Op: llm.OpChat, Dialect: llm.Anthropic, Claude: true, Path: "/model/{model}/invoke",
			Stream: "/model/{model}/invoke-with-response-stream", Frames: FrameAWS,
			Change: wire.Change{
				NoModel: true, Drop: []string{"stream"},
				Set: []llm.Member{{Name: "anthropic_version", Value: `"bedrock-2023-05-31"`}},
			},
		},
	},
	Keys: []string{"access_key", "secret_key", "session_token"},
	Env: []Variable{
		{"AWS_BEARER_TOKEN_BEDROCK", "api_key"},
		{"AWS_ACCESS_KEY_ID", "access_key"},
		{"AWS_SECRET_ACCESS_KEY", "secret_key"},
		{"AWS_SESSION_TOKEN", "session_token"},
		{"AWS_REGION", "region"},
		{"AWS_DEFAULT_REGION", "region"},
		{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "base_url"},
	},
	Notes: []Note{
		{"Streams are binary frames (application/vnd.amazon.eventstream), not server-sent events.", facts + "4.1"},
		{"Models whose id has `anthropic.` are called by `/invoke` with Anthropic's own body: without `model` and `stream`, with `anthropic_version: bedrock-2023-05-31`; a client's `anthropic-beta` header and a version beyond 2023-06-01 go into the body. All others are called by Converse.", facts + "4.1"},
		{"The model id is one segment of the path: `:` and `/` of an ARN are escaped.", "smithy-go v1.28.8, encoding/httpbinding, read 2026-11-21"},
		{"Embeddings, images and rerank are not offered; `/p/` relays `/model/{id}/invoke`.", "own choice"},
		{"Keys come from the configuration; profiles, roles and the metadata server are not asked.", "own choice"},
	},
}

var cohere = Preset{
	Kind: "cohere", Title: "Cohere", Docs: "https://docs.cohere.com/reference/about",
	BaseURL: "https://api.cohere.ai", Auth: AuthBearer, Usage: UsageAlways, Prices: "cohere",
	List: "/v1/models?page_size=1000",
	Offers: []Offer{
		{Op: llm.OpChat, Dialect: llm.OpenAI, Path: "/compatibility/v1/chat/completions"},
		{Op: llm.OpEmbedding, Dialect: llm.Cohere, Path: "/v2/embed", Items: 96},
		{Op: llm.OpRerank, Dialect: llm.Cohere, Path: "/v2/rerank"},
	},
	Keys: []string{"stream_usage"},
	Env:  []Variable{{"COHERE_API_KEY", "api_key"}, {"CO_API_KEY", "api_key"}, {"COHERE_BASE_URL", "base_url"}, {"CO_API_URL", "base_url"}},
	Notes: []Note{
		{"The base has no version: chats go by the compatibility API (/compatibility/v1), embeddings and rerank by /v2.", "https://docs.cohere.com/docs/compatibility-api, read 2026-11-21"},
		{"The compatibility API refuses `stream_options`.", "https://strandsagents.com/docs/user-guide/concepts/model-providers/cohere/, read 2026-11-21"},
		{"An embed request takes 96 inputs.", "https://docs.cohere.com/reference/embed, from memory; to be checked"},
	},
}

var voyage = Preset{
	Kind: "voyage", Title: "Voyage AI", Docs: "https://docs.voyageai.com/reference",
	BaseURL: "https://api.voyageai.com/v1", Auth: AuthBearer, Usage: UsageOwn, Prices: "voyage",
	Offers: []Offer{
		{Op: llm.OpEmbedding, Dialect: llm.Voyage, Path: "/embeddings"},
		{Op: llm.OpRerank, Dialect: llm.Voyage, Path: "/rerank"},
	},
	Env: []Variable{{"VOYAGE_API_KEY", "api_key"}, {"VOYAGE_BASE_URL", "base_url"}},
}

var jina = Preset{
	Kind: "jina", Title: "Jina AI", Docs: "https://api.jina.ai/docs",
	BaseURL: "https://api.jina.ai/v1", Auth: AuthBearer, Usage: UsageOwn,
	Offers: []Offer{
		{Op: llm.OpEmbedding, Dialect: llm.Jina, Path: "/embeddings"},
		{Op: llm.OpRerank, Dialect: llm.Jina, Path: "/rerank"},
	},
	Env: []Variable{{"JINA_API_KEY", "api_key"}, {"JINA_BASE_URL", "base_url"}},
}

var simulated = Preset{
	Kind: "sim", Title: "A simulated provider inside this process", Docs: "docs/SIM.md",
	Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless,
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, moderation, rerankCohere, image, imageEdit, imageVary, speech, transcribe, translate},
	Keys:   []string{"responses", "stream_usage"},
	Notes:  []Note{{"For the dialects of other providers, `sluice sim` runs as a server of its own, which an account of their kind is pointed at.", "docs/SIM.md"}},
}

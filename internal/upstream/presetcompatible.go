package upstream

// compatibleKeys have a meaning for every kind that speaks OpenAI's chat completions, and nativeKeys for those that also have the
// Responses API.
var (
	compatibleKeys = []string{"stream_usage"}
	nativeKeys     = []string{"stream_usage", "responses"}
)

var groq = Preset{
	Kind: "groq", Title: "Groq", Docs: "https://console.groq.com/docs/openai",
	BaseURL: "https://api.groq.com/openai/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless, Prices: "groq",
	List:   "/models",
	Offers: []Offer{chat, responses, speech, transcribe, translate},
	Keys:   nativeKeys,
	Env:    []Variable{{"GROQ_API_KEY", "api_key"}, {"GROQ_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Usage of a stream may stand in `x_groq.usage`, and an error in `x_groq.error`.", facts + "4.1"},
		{"Status 498 means that the flex tier has no capacity.", facts + "4.1"},
		{"`x-ratelimit-limit-requests` is a day's limit, `-tokens` a minute's.", facts + "4.1"},
		{"`logprobs`, `top_logprobs`, `logit_bias` and `messages[].name` are refused with 400; `n` must be 1.", "https://console.groq.com/docs/openai, read 2026-11-21"},
	},
}

var together = Preset{
	Kind: "together", Title: "Together AI", Docs: "https://docs.together.ai/reference",
	BaseURL: "https://api.together.ai/v1", Auth: AuthBearer, Usage: UsageAsked, Prices: "together",
	List:   "/models",
	Offers: []Offer{chat, completion, embedding, rerankCohere, image, speech, transcribe, translate},
	Keys:   compatibleKeys,
	Env:    []Variable{{"TOGETHER_API_KEY", "api_key"}, {"TOGETHER_BASE_URL", "base_url"}},
	Notes: []Note{
		{"`finish_reason` may be `eos`; the role stands on every delta; `logprobs` of chunks are numbers.", facts + "4.1"},
		{"402 is a spend limit. 403 is also what a prompt over the context window gets.", facts + "4.1"},
		{"`x-ratelimit-over-limit: yes` says that the answer came from spare capacity.", facts + "4.1"},
	},
}

var fireworks = Preset{
	Kind: "fireworks", Title: "Fireworks AI", Docs: "https://docs.fireworks.ai/api-reference",
	BaseURL: "https://api.fireworks.ai/inference/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeFull, Prices: "fireworks",
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, rerankCohere},
	Keys:   nativeKeys,
	Env:    []Variable{{"FIREWORKS_API_KEY", "api_key"}, {"FIREWORKS_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Models are named `accounts/fireworks/models/…`.", facts + "4.1"},
		{"Token limits are told for prompts (all, and without cached ones) and output apart.", facts + "4.1"},
		{"The Responses API stores conversations, unless `store` is false.", "https://docs.fireworks.ai/guides/response-api, read 2026-11-21"},
	},
}

var openRouter = Preset{
	Kind: "openrouter", Title: "OpenRouter", Docs: "https://openrouter.ai/docs/api-reference/overview",
	BaseURL: "https://openrouter.ai/api/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless,
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, rerankCohere},
	Keys:   nativeKeys,
	Env:    []Variable{{"OPENROUTER_API_KEY", "api_key"}, {"OPENROUTER_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Streams are kept open by comments (`: OPENROUTER PROCESSING`), for minutes and without a token.", facts + "0.5"},
		{"Errors come inside a 200: a chunk with `error` and `finish_reason: error`, and whole answers too. `code` is a number.", facts + "4.1"},
		{"402 is missing credit, 503 that no provider of the model is there.", facts + "4.1"},
	},
}

var mistral = Preset{
	Kind: "mistral", Title: "Mistral AI", Docs: "https://docs.mistral.ai/api",
	BaseURL: "https://api.mistral.ai/v1", Auth: AuthBearer, Usage: UsageAlways, Prices: "mistral",
	List:   "/models",
	Offers: []Offer{chat, embedding, moderation, transcribe},
	Keys:   compatibleKeys,
	Env:    []Variable{{"MISTRAL_API_KEY", "api_key"}, {"MISTRAL_BASE_URL", "base_url"}},
	Notes: []Note{
		{"`content` of a message or delta may be a list of parts (text, thinking).", facts + "4.1"},
		{"Usage stands in the last chunk unasked; members that it does not know, `stream_options` among them, may be refused with 422.", facts + "4.1; the refusal is from memory"},
		{"The limit on output is `max_tokens` only, the seed `random_seed`.", "https://docs.getbifrost.ai/providers/supported-providers/mistral, read 2026-11-21"},
		{"Errors may be `{object: error, message}` or `{detail: […]}`.", facts + "4.1"},
		{"`x-ratelimit-limit-req-minute: 0` says that the model is not on the plan.", facts + "0.7"},
	},
}

var deepSeek = Preset{
	Kind: "deepseek", Title: "DeepSeek", Docs: "https://api-docs.deepseek.com",
	BaseURL: "https://api.deepseek.com", Auth: AuthBearer, Usage: UsageAsked, Prices: "deepseek",
	List:   "/models",
	Offers: []Offer{chat},
	Keys:   compatibleKeys,
	Env:    []Variable{{"DEEPSEEK_API_KEY", "api_key"}, {"DEEPSEEK_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Lines are kept open by `: keep-alive` comments, and by blank lines before a JSON body.", facts + "0.5, 4.1"},
		{"Reasoning stands in `reasoning_content`; cached input in `prompt_cache_hit_tokens`.", facts + "4.1"},
		{"`finish_reason` may be `insufficient_system_resource`.", facts + "4.1"},
	},
}

var xAI = Preset{
	Kind: "xai", Title: "xAI", Docs: "https://docs.x.ai/api-reference",
	BaseURL: "https://api.x.ai/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeFull, Prices: "xai",
	List:   "/models",
	Offers: []Offer{chat, responses, completion, image, imageEdit},
	Keys:   nativeKeys,
	Env:    []Variable{{"XAI_API_KEY", "api_key"}, {"XAI_BASE_URL", "base_url"}},
	Notes: []Note{
		{"Usage is cumulative on every chunk.", facts + "4.1"},
		{"`error` of an error body is a string.", facts + "4.1"},
	},
}

var cerebras = Preset{
	Kind: "cerebras", Title: "Cerebras", Docs: "https://inference-docs.cerebras.ai/api-reference",
	BaseURL: "https://api.cerebras.ai/v1", Auth: AuthBearer, Usage: UsageAsked, Prices: "cerebras",
	List:   "/models",
	Offers: []Offer{chat, completion},
	Keys:   compatibleKeys,
	Env:    []Variable{{"CEREBRAS_API_KEY", "api_key"}, {"CEREBRAS_BASE_URL", "base_url"}},
	Notes: []Note{
		{"A stream that fails has a chunk with `error` and `status_code`.", facts + "4.1"},
		{"Rate limits are told for requests a day and tokens a minute, with resets in seconds; the limit on output is charged in advance.", facts + "4.1"},
	},
}

var vllm = Preset{
	Kind: "vllm", Title: "vLLM", Docs: "https://docs.vllm.ai/en/stable/serving/online_serving.html",
	BaseURL: "http://localhost:8000/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless,
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, rerankJina, transcribe, translate},
	Keys:   nativeKeys,
	Notes: []Note{
		{"A stream that fails has an event with `error`, whose `code` is a number, and then `[DONE]`. Older builds say `{object: error}`.", facts + "4.1"},
		{"Reasoning stands in `reasoning_content`, in newer builds in `reasoning`.", facts + "4.1"},
		{"Rerank is Jina's; the Responses API stores nothing unless the server is told to.", "https://docs.vllm.ai/en/stable/serving/online_serving.html, read 2026-11-21"},
	},
}

var sglang = Preset{
	Kind: "sglang", Title: "SGLang", Docs: "https://docs.sglang.io/docs/basic_usage/openai_api",
	BaseURL: "http://localhost:30000/v1", Auth: AuthBearer, Usage: UsageAsked,
	List:   "/models",
	Offers: []Offer{chat, completion, embedding},
	Keys:   compatibleKeys,
	Notes: []Note{
		{"`/v1/rerank` answers with a bare list of scores, in no dialect that is known here: `/p/` relays it.", "https://docs.sglang.io/docs/basic_usage/native_api, read 2026-11-21"},
	},
}

var llamaCpp = Preset{
	Kind: "llamacpp", Title: "llama.cpp server", Docs: "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
	Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless,
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding, rerankJina},
	Keys:   nativeKeys,
	Notes: []Note{
		{"While a model is loaded it answers 503 with `Loading model`.", facts + "4.1"},
		{"The first delta has `content: null`; chunks have `timings`.", facts + "4.1"},
		{"Old builds tell of a failed stream in a field `error:` of the event.", facts + "4.1"},
		{"There is no default address: its own, port 8080, is also Sluice's.", "own choice"},
	},
}

var ollama = Preset{
	Kind: "ollama", Title: "Ollama", Docs: "https://docs.ollama.com/api/openai-compatibility",
	BaseURL: "http://localhost:11434/v1", Auth: AuthBearer, Usage: UsageAsked, Responses: NativeStateless,
	List:   "/models",
	Offers: []Offer{chat, responses, completion, embedding},
	Keys:   nativeKeys,
	Notes: []Note{
		{"A stream that fails ends with an empty delta and no `[DONE]`.", facts + "0.6, 4.1"},
		{"The role stands on every delta; reasoning in `reasoning`.", facts + "4.1"},
		{"A prompt over the context is cut, and nothing says so.", facts + "4.1"},
		{"The Responses API, since 0.13.3, stores nothing.", "https://www.developersdigest.tech/reference/api-compatibility/ollama, read 2026-11-21"},
	},
}

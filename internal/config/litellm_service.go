package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// service is what the first part of a LiteLLM model (groq/llama-3) stands for.
type service struct {
	prefix  string
	api     string // the kind of its accounts
	name    string // what its accounts are called
	baseURL string // empty: that of the kind, or there is none and api_base must be given
	keyVar  string // environment variable that LiteLLM takes the key from when none is given; empty: none is needed
	suffix  string // appended to api_base
}

// services are the ones that accounts can be made of. The addresses are those of the services' own documentation; those of kinds are
// known by upstream.
func services() []service {
	return []service{
		{prefix: "openai", api: "openai", name: "openai", keyVar: "OPENAI_API_KEY"},
		{prefix: "text-completion-openai", api: "openai", name: "openai", keyVar: "OPENAI_API_KEY"},
		{prefix: "custom_openai", api: "openai", name: "openai", keyVar: "OPENAI_API_KEY"},
		{prefix: "anthropic", api: "anthropic", name: "anthropic", keyVar: "ANTHROPIC_API_KEY"},
		{prefix: "anthropic_text", api: "anthropic", name: "anthropic", keyVar: "ANTHROPIC_API_KEY"},
		{prefix: "gemini", api: "gemini", name: "gemini", keyVar: "GEMINI_API_KEY"},
		{prefix: "vertex_ai", api: "vertex", name: "vertex"},
		{prefix: "vertex_ai_beta", api: "vertex", name: "vertex"},
		{prefix: "azure", api: "azure", name: "azure", keyVar: "AZURE_API_KEY"},
		{prefix: "azure_text", api: "azure", name: "azure", keyVar: "AZURE_API_KEY"},
		{prefix: "bedrock", api: "bedrock", name: "bedrock"},
		{prefix: "bedrock_converse", api: "bedrock", name: "bedrock"},
		{prefix: "groq", api: "groq", name: "groq", keyVar: "GROQ_API_KEY"},
		{prefix: "together_ai", api: "together", name: "together", keyVar: "TOGETHER_API_KEY"},
		{prefix: "fireworks_ai", api: "fireworks", name: "fireworks", keyVar: "FIREWORKS_API_KEY"},
		{prefix: "openrouter", api: "openrouter", name: "openrouter", keyVar: "OPENROUTER_API_KEY"},
		{prefix: "mistral", api: "mistral", name: "mistral", keyVar: "MISTRAL_API_KEY"},
		{prefix: "deepseek", api: "deepseek", name: "deepseek", keyVar: "DEEPSEEK_API_KEY"},
		{prefix: "xai", api: "xai", name: "xai", keyVar: "XAI_API_KEY"},
		{prefix: "cerebras", api: "cerebras", name: "cerebras", keyVar: "CEREBRAS_API_KEY"},
		{prefix: "cohere", api: "cohere", name: "cohere", keyVar: "COHERE_API_KEY"},
		{prefix: "cohere_chat", api: "cohere", name: "cohere", keyVar: "COHERE_API_KEY"},
		{prefix: "voyage", api: "voyage", name: "voyage", keyVar: "VOYAGE_API_KEY"},
		{prefix: "jina_ai", api: "jina", name: "jina", keyVar: "JINA_AI_API_KEY"},
		{prefix: "perplexity", api: "openai", name: "perplexity", baseURL: "https://api.perplexity.ai", keyVar: "PERPLEXITYAI_API_KEY"},
		{prefix: "deepinfra", api: "openai", name: "deepinfra", baseURL: "https://api.deepinfra.com/v1/openai", keyVar: "DEEPINFRA_API_KEY"},
		{prefix: "nvidia_nim", api: "openai", name: "nvidia", baseURL: "https://integrate.api.nvidia.com/v1", keyVar: "NVIDIA_NIM_API_KEY"},
		{prefix: "sambanova", api: "openai", name: "sambanova", baseURL: "https://api.sambanova.ai/v1", keyVar: "SAMBANOVA_API_KEY"},
		{prefix: "moonshot", api: "openai", name: "moonshot", baseURL: "https://api.moonshot.ai/v1", keyVar: "MOONSHOT_API_KEY"},
		{prefix: "dashscope", api: "openai", name: "dashscope", baseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", keyVar: "DASHSCOPE_API_KEY"},
		{prefix: "hosted_vllm", api: "vllm", name: "vllm"},
		{prefix: "openai_like", api: "openai", name: "server"},
		{prefix: "litellm_proxy", api: "openai", name: "litellm"},
		{prefix: "lm_studio", api: "openai", name: "lm-studio"},
		{prefix: "llamafile", api: "openai", name: "llamafile"},
		{prefix: "xinference", api: "openai", name: "xinference"},
		{prefix: "docker_model_runner", api: "openai", name: "docker"},
		{prefix: "ollama", api: "ollama", name: "ollama", suffix: "/v1"},
		{prefix: "ollama_chat", api: "ollama", name: "ollama", suffix: "/v1"},
	}
}

// usualURL is where accounts of the service are found if nothing else is said; empty if they have no usual address.
func (s *service) usualURL() string {
	switch {
	case s.baseURL != "":
		return s.baseURL
	case s.api == "openai" && s.name != "openai", s.api == "vllm": // LiteLLM has no default for them
		return ""
	}
	if p := upstream.PresetOf(s.api); !strings.Contains(p.BaseURL, "{") {
		return p.BaseURL
	}
	return ""
}

// foreign says why models of other services cannot be taken over.
func foreign(prefix string) string {
	const codec = "there is no codec yet in this version for "
	switch prefix {
	case "sagemaker", "sagemaker_chat":
		return codec + "AWS (" + prefix + ")"
	case "palm":
		return "Google's PaLM API is no more"
	case "azure_ai", "huggingface", "replicate", "watsonx", "watsonx_text", "databricks", "snowflake", "ai21",
		"ai21_chat", "nlp_cloud", "aleph_alpha", "petals", "cloudflare", "predibase", "triton", "vllm", "oci", "github_copilot",
		"infinity", "assemblyai", "deepgram", "elevenlabs", "stability", "recraft", "topaz", "clarifai", "gradient_ai":
		return codec + prefix
	}
	return ""
}

// resolveService splits a model of LiteLLM into the service and the model's name there. If it cannot, why says so. guessed
// is true if only the name spoke for OpenAI.
func resolveService(model, custom string, hasBase bool) (s service, name, why string, guessed bool) {
	prefix, rest, cut := strings.Cut(model, "/")
	if custom != "" && !cut || custom != "" && prefix != custom {
		prefix, rest, cut = custom, model, true
	}
	if cut {
		if i := slices.IndexFunc(services(), func(s service) bool { return s.prefix == prefix }); i >= 0 {
			return services()[i], rest, "", false
		}
		if why := foreign(prefix); why != "" {
			return s, "", why, false
		}
		return s, "", "its provider is none that this import knows; if it speaks OpenAI's protocol, add it to `providers` with its base_url", false
	}
	for _, f := range []struct{ start, prefix string }{
		{"claude", "anthropic"},
		{"gemini", "vertex_ai"}, // as LiteLLM takes it
		{"command", "cohere"},
		{"anthropic.", "bedrock"},
		{"amazon.", "bedrock"},
		{"meta.", "bedrock"},
	} {
		if strings.HasPrefix(model, f.start) && !hasBase {
			i := slices.IndexFunc(services(), func(s service) bool { return s.prefix == f.prefix })
			return services()[i], model, "", false
		}
	}
	guessed = hasBase || !slices.ContainsFunc([]string{
		"gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-", "davinci", "babbage", "ft:", "codex",
	}, func(p string) bool { return strings.HasPrefix(model, p) })
	return services()[0], model, "", guessed
}

// account is one provider of the result.
type account struct {
	name, wish  string // wish is what it would like to be called
	port        string // to tell it from others of the same wish
	api         string
	baseURL     string // as they are written; empty: not set
	apiKey      string
	org, region string
	settings    []header // of its kind alone, in their order
	headers     []header
	patterns    []string // models that wildcard entries named
	targets     []*deployment
}

type header struct{ name, value string }

// same reports whether two deployments share an account.
func (a *account) same(b *account) bool {
	return a.baseURL == b.baseURL && a.apiKey == b.apiKey && a.org == b.org && a.region == b.region && a.api == b.api &&
		slices.Equal(a.settings, b.settings) && slices.Equal(a.headers, b.headers)
}

// valid asks the owner of the settings whether it would take them.
func valid(baseURL string, headers map[string]llm.Secret) string {
	var why string
	p := upstream.Provider{API: "openai", BaseURL: baseURL, Headers: headers} // addresses and headers are judged alike for all kinds
	p.Validate(func(_, message string) { why = message })
	return why
}

// wishFor is the readable name of an account: the service, and the host where that says more.
func wishFor(s service, base value) (wish, port string) {
	if base.text == "" {
		return s.name, ""
	}
	if base.ref {
		return s.name, ""
	}
	u, err := url.Parse(base.from.text)
	if err != nil {
		return s.name, ""
	}
	for _, known := range services() {
		if ku, err := url.Parse(known.usualURL()); err == nil && known.suffix == "" && ku.Host != "" && ku.Host == u.Host {
			return known.name, ""
		}
	}
	host := strings.ToLower(u.Hostname())
	if s.name == "azure" {
		host, _, _ = strings.Cut(host, ".")
	}
	if s.suffix != "" && s.name == "ollama" && host == "localhost" {
		return s.name, u.Port()
	}
	if s.name == "openai" && host != "" && (host[0] < '0' || host[0] > '9') {
		return slug(host), u.Port()
	}
	if s.name == "openai" {
		return slug("server-" + host), u.Port() // a name that begins with a digit would need quotes
	}
	return slug(s.name + "-" + host), u.Port()
}

// slug makes a text fit for a provider's name.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s[:min(len(s), 48)], "-")
	if s == "" {
		return "server"
	}
	return s
}

// accountNames names the accounts: by their wish, then with the port, then with a number.
func (im *importer) accountNames() {
	used := make(map[string]bool)
	for _, a := range im.accounts {
		a.name = a.wish
		if used[a.name] && a.port != "" {
			a.name = slug(a.wish + "-" + a.port)
		}
		for i := 2; used[a.name]; i++ {
			a.name = a.wish + "-" + strconv.Itoa(i)
		}
		used[a.name] = true
	}
}

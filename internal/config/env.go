package config

import (
	"sluice/internal/llm"
)

// known is a provider that is found by its usual environment variables.
type known struct {
	name    string
	prefix  string // of its variables: PREFIX_API_KEY, PREFIX_BASE_URL
	baseURL string
}

// knownProviders are all the ones that speak OpenAI's protocol and have a variable that people set. The base URLs are
// those of the providers' documentation.
func knownProviders() []known {
	return []known{
		{"openai", "OPENAI", ""},
		{"groq", "GROQ", "https://api.groq.com/openai/v1"},
		{"together", "TOGETHER", "https://api.together.ai/v1"},
		{"fireworks", "FIREWORKS", "https://api.fireworks.ai/inference/v1"},
		{"openrouter", "OPENROUTER", "https://openrouter.ai/api/v1"},
		{"mistral", "MISTRAL", "https://api.mistral.ai/v1"},
		{"deepseek", "DEEPSEEK", "https://api.deepseek.com"},
		{"xai", "XAI", "https://api.x.ai/v1"},
		{"cerebras", "CEREBRAS", "https://api.cerebras.ai/v1"},
	}
}

// FromEnv makes the configuration that holds where there is no file. Providers come from the variables NAME_API_KEY and
// NAME_BASE_URL of OpenAI and the services compatible with it; OPENAI_BASE_URL alone is enough, for local servers. Without
// any of them there is one simulated provider. SLUICE_LISTEN, SLUICE_ADMIN_KEY, SLUICE_DATABASE_URL and SLUICE_DATA_DIR
// set what their names say. (DATABASE_URL is not read: on many machines it is another program's.)
func FromEnv(env func(string) (string, bool)) (*Config, error) {
	c := new(Config)
	c.SetDefaults()
	get := func(name string) string { v, _ := env(name); return v }
	if v := get("SLUICE_LISTEN"); v != "" {
		c.Ingress.Listen = v
	}
	if v := get("SLUICE_DATA_DIR"); v != "" {
		c.DataDir = v
	}
	c.Console.AdminKey = llm.NewSecret(get("SLUICE_ADMIN_KEY"))
	c.Database = llm.NewSecret(get("SLUICE_DATABASE_URL"))
	c.source.notices = c.addProviders(env)

	problems := new(collector)
	check(c, problems, nil)
	for i, p := range problems.problems {
		problems.problems[i].Key = variable(p.Key)
	}
	if err := problems.err("", nil, true); err != nil {
		return nil, err
	}
	return c, nil
}

// variable names the environment variable that a key path was set by.
func variable(key string) string {
	switch key {
	case "listen":
		return "SLUICE_LISTEN"
	case "database":
		return "SLUICE_DATABASE_URL"
	}
	for _, k := range knownProviders() {
		switch key {
		case "providers." + k.name + ".base_url":
			return k.prefix + "_BASE_URL"
		case "providers." + k.name + ".api_key":
			return k.prefix + "_API_KEY"
		}
	}
	return key
}

// addProviders adds the providers that the environment names, or a simulated one. Notices name what was found and is not
// used.
func (c *Config) addProviders(env func(string) (string, bool)) []Notice {
	get := func(name string) string { v, _ := env(name); return v }
	var notices []Notice
	for _, k := range knownProviders() {
		key, url := get(k.prefix+"_API_KEY"), get(k.prefix+"_BASE_URL")
		if key == "" && (url == "" || k.name != "openai") {
			if url != "" {
				notices = append(notices, Notice{Key: k.prefix + "_BASE_URL", Message: "is set, but " + k.prefix + "_API_KEY is not: provider " + k.name + " is not used"})
			}
			continue
		}
		if url == "" {
			url = k.baseURL
		}
		var p Provider
		p.SetDefaults()
		p.Name, p.BaseURL, p.APIKey = k.name, url, llm.NewSecret(key)
		if k.name == "openai" {
			p.Organization, p.Project = get("OPENAI_ORG_ID"), get("OPENAI_PROJECT_ID")
		}
		c.Providers = append(c.Providers, p)
	}
	for _, name := range []string{"ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"} {
		if get(name) != "" {
			notices = append(notices, Notice{Key: name, Message: "is set but not used: that provider's protocol comes with a later version"})
		}
	}
	if len(c.Providers) == 0 {
		var p Provider
		p.SetDefaults()
		p.Name, p.API = "sim", "sim"
		c.Providers = append(c.Providers, p)
		notices = append(notices, Notice{Key: "providers", Message: "no provider is configured and none was found in the environment: answers are simulated"})
	}
	return notices
}

package config

import (
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// envSwitch turns on accounts at AWS Bedrock that sign with the usual keys of AWS. On many machines those are there for something else:
// alone, they make no provider.
const (
	envBedrock = "SLUICE_BEDROCK"
	envVertex  = "GOOGLE_GENAI_USE_VERTEXAI"
)

// knownProviders are the kinds that environment variables make accounts of, in the order in which they are looked for.
func knownProviders() []*upstream.Preset {
	var all []*upstream.Preset
	for _, p := range upstream.Presets() {
		if len(p.Env) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// FromEnv makes the configuration that holds where there is no file. Providers come from the variables that their own clients
// read, such as OPENAI_API_KEY and OPENAI_BASE_URL; OPENAI_BASE_URL alone is enough, for local servers. Without any of them there is
// one simulated provider. SLUICE_LISTEN, SLUICE_ADMIN_KEY, SLUICE_DATABASE_URL, SLUICE_REDIS_URL and SLUICE_DATA_DIR set what their names say.
// (DATABASE_URL is not read: on many machines it is another program's.)
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
	c.Redis = llm.NewSecret(get("SLUICE_REDIS_URL"))
	c.source.notices = c.addProviders(env)

	problems := new(collector)
	check(c, problems, nil)
	for i, p := range problems.problems {
		problems.problems[i].Key = variable(p.Key, get)
	}
	if err := problems.err("", nil, true); err != nil {
		return nil, err
	}
	return c, nil
}

// variable names the environment variable that a key path was set by.
func variable(key string, get func(string) string) string {
	switch key {
	case "listen":
		return "SLUICE_LISTEN"
	case "database":
		return "SLUICE_DATABASE_URL"
	case "redis":
		return "SLUICE_REDIS_URL"
	}
	for _, p := range knownProviders() {
		setting, ok := strings.CutPrefix(key, "providers."+p.Kind+".")
		if !ok {
			continue
		}
		first := ""
		for _, v := range p.Env {
			if v.Key != setting {
				continue
			}
			if get(v.Name) != "" {
				return v.Name
			}
			if first == "" {
				first = v.Name
			}
		}
		if first != "" {
			return first
		}
	}
	return key
}

// addProviders adds the providers that the environment names, or a simulated one. Notices name what was found and is not
// used.
func (c *Config) addProviders(env func(string) (string, bool)) []Notice {
	get := func(name string) string { v, _ := env(name); return v }
	var notices []Notice
	for _, preset := range knownProviders() {
		p, notice := fromEnv(preset, get)
		if notice.Message != "" {
			notices = append(notices, notice)
		}
		if p != nil {
			c.Providers = append(c.Providers, *p)
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

// fromEnv makes an account of a kind from the environment. It is nil if what it needs is not there; the notice says so where some of
// it is.
func fromEnv(preset *upstream.Preset, get func(string) string) (*Provider, Notice) {
	p := new(Provider)
	p.SetDefaults()
	p.Name, p.API = preset.Kind, preset.Kind
	from := make(map[string]string) // key to the variable that sets it
	for _, v := range preset.Env {
		if value := get(v.Name); value != "" && from[v.Key] == "" {
			from[v.Key] = v.Name
			setKey(&p.Provider, v.Key, value)
		}
	}
	if why := p.wanting(preset, from, get); why.Message != "" || len(from) == 0 {
		return nil, why
	}
	if path := from["credentials"]; path != "" {
		text, err := readRef(get(path))
		if err != nil {
			return nil, Notice{Key: path, Message: err.Error() + ": provider " + preset.Kind + " is not used"}
		}
		p.Credentials = llm.NewSecret(text)
	}
	return p, Notice{}
}

// wanting says why what the environment has makes no account; its message is empty if it makes one, or has nothing of the kind.
func (p *Provider) wanting(preset *upstream.Preset, from map[string]string, get func(string) string) Notice {
	missing := func(set string, names ...string) Notice {
		verb := "is"
		if len(names) > 1 {
			verb = "are"
		}
		return Notice{Key: set, Message: "is set, but " + strings.Join(names, " and ") + " " + verb + " not: provider " + preset.Kind + " is not used"}
	}
	silent := func() Notice { clear(from); return Notice{} }
	switch preset.Kind {
	case "openai":
		if from["api_key"] == "" && from["base_url"] == "" {
			return silent()
		}
	case "azure":
		switch {
		case from["base_url"] == "" && from["api_key"] == "":
			return silent() // OPENAI_API_VERSION alone
		case from["base_url"] == "":
			return missing(from["api_key"], "AZURE_OPENAI_ENDPOINT")
		case from["api_key"] == "":
			return missing(from["base_url"], "AZURE_OPENAI_API_KEY")
		}
	case "bedrock":
		if from["api_key"] == "" && !isOn(get(envBedrock)) {
			return silent()
		}
		set := from["api_key"]
		if set != "" {
			p.AccessKey, p.SecretKey, p.SessionToken = llm.Secret{}, llm.Secret{}, llm.Secret{}
		} else if set = envBedrock; from["access_key"] == "" || from["secret_key"] == "" {
			return missing(set, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
		}
		if from["region"] == "" {
			return missing(set, "AWS_REGION")
		}
	case "vertex":
		if !isOn(get(envVertex)) {
			return silent()
		}
		for _, key := range []string{"credentials", "project", "location"} {
			if from[key] == "" {
				i := slices.IndexFunc(preset.Env, func(v upstream.Variable) bool { return v.Key == key })
				return missing(envVertex, preset.Env[i].Name)
			}
		}
	default:
		if from["api_key"] != "" {
			return Notice{}
		}
		if from["base_url"] == "" {
			return silent()
		}
		i := slices.IndexFunc(preset.Env, func(v upstream.Variable) bool { return v.Key == "api_key" })
		return missing(from["base_url"], preset.Env[i].Name)
	}
	return Notice{}
}

// isOn reads a switch as Google's clients do.
func isOn(value string) bool { return value == "1" || strings.EqualFold(value, "true") }

// setKey sets a setting by its name in YAML.
func setKey(p *upstream.Provider, key, value string) {
	switch key {
	case "api_key":
		p.APIKey = llm.NewSecret(value)
	case "base_url":
		p.BaseURL = value
	case "organization":
		p.Organization = value
	case "project":
		p.Project = value
	case "location":
		p.Location = value
	case "region":
		p.Region = value
	case "api_version":
		p.APIVersion = value
	case "access_key":
		p.AccessKey = llm.NewSecret(value)
	case "secret_key":
		p.SecretKey = llm.NewSecret(value)
	case "tenant":
		p.Tenant = value
	case "client_id":
		p.ClientID = value
	case "client_secret":
		p.ClientSecret = llm.NewSecret(value)
	case "session_token":
		p.SessionToken = llm.NewSecret(value)
	case "credentials": // the variable names a file, which is read when it is clear that it is needed
	default:
		panic("BUG: config: no text can set " + key)
	}
}

package upstream

import (
	"net/url"
	"regexp"
	"strings"

	"sluice/internal/model"
)

// DefaultBaseURL is where a provider of the kind openai is found when it names no base_url.
const DefaultBaseURL = "https://api.openai.com/v1"

// Kind returns the account's kind: its api or, where that is not said, its name if that is a kind, else openai. An account called sim
// that has an address is a simulated provider of another process, which speaks OpenAI's dialect.
func (p *Provider) Kind() string {
	switch {
	case p.API != "":
		return p.API
	case PresetOf(p.Name) == nil, p.Name == simulated.Kind && p.BaseURL != "":
		return openAI.Kind
	}
	return p.Name
}

// URL returns the base URL that operations are appended to, without a trailing slash: the default of the kind where none is set, and
// with what the kind's own clients append to an address.
func (p *Provider) URL() string {
	base := strings.TrimRight(p.BaseURL, "/")
	switch p.Kind() {
	case anthropic.Kind:
		return withVersion(base, anthropic.BaseURL, "/v1")
	case gemini.Kind:
		return withVersion(base, gemini.BaseURL, "/v1beta")
	case vertex.Kind:
		return p.vertexURL(base)
	case azure.Kind:
		return p.azureURL(base)
	case bedrock.Kind:
		if base == "" {
			return bedrockURL(p.Region)
		}
	case cohere.Kind:
		for _, path := range []string{"/compatibility/v1", "/v1", "/v2"} {
			base = strings.TrimSuffix(base, path)
		}
	}
	if base != "" {
		return base
	}
	if preset := PresetOf(p.Kind()); preset != nil {
		return preset.BaseURL
	}
	return ""
}

// version is the last part of a path that names a version of an API.
var version = regexp.MustCompile(`/v[0-9]+((alpha|beta)[0-9]*)?$`)

// withVersion appends a version where a base URL has none: ANTHROPIC_BASE_URL and its kin are addresses without it.
func withVersion(base, preset, path string) string {
	switch {
	case base == "":
		return preset
	case version.MatchString(base):
		return base
	}
	return base + path
}

// vertexURL follows Google's own client: a region has a host of its own, the whole world and multi-regions too.
// (survey of 2026-11-20, 3.1)
func (p *Provider) vertexURL(base string) string {
	if strings.Contains(base, "/projects/") {
		return base
	}
	if base == "" {
		switch p.Location {
		case "", "global":
			base = "https://aiplatform.googleapis.com"
		case "us", "eu":
			base = "https://aiplatform." + p.Location + ".rep.googleapis.com"
		default:
			base = "https://" + p.Location + "-aiplatform.googleapis.com"
		}
	}
	base = withVersion(base, "", "/v1")
	if p.Project == "" {
		return base // express mode
	}
	location := p.Location
	if location == "" {
		location = "global"
	}
	return base + "/projects/" + url.PathEscape(p.Project) + "/locations/" + url.PathEscape(location)
}

// bedrockURL returns the address of Bedrock in a region. China is a partition of its own.
func bedrockURL(region string) string {
	suffix := ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return "https://bedrock-runtime." + region + suffix
}

// azureURL makes one of the two surfaces of a resource's address, with or without their paths.
func (p *Provider) azureURL(base string) string {
	if base == "" {
		return ""
	}
	if i := strings.Index(base, "/openai/deployments/"); i >= 0 {
		base = base[:i+len("/openai")]
	}
	if strings.HasSuffix(base, "/openai/v1") {
		return base
	}
	if !strings.HasSuffix(base, "/openai") {
		base += "/openai"
	}
	if classic, _ := p.azureVersion(); classic {
		return base
	}
	return base + "/v1"
}

// dated is an api-version of Azure's classic surface.
var dated = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`)

// azureVersion says whether the account uses the classic surface, and what it sends as api-version.
func (p *Provider) azureVersion() (classic bool, query string) {
	switch {
	case p.APIVersion == "" || p.APIVersion == "v1":
		return false, ""
	case dated.MatchString(p.APIVersion):
		return true, p.APIVersion
	}
	return false, p.APIVersion
}

// nativeResponses reports whether calls of the Responses API are forwarded.
func (p *Provider) nativeResponses() bool {
	preset := PresetOf(p.Kind())
	if preset == nil || preset.Responses == NativeNot {
		return false
	}
	switch p.Responses {
	case "native":
		return true
	case "translate":
		return false
	}
	if preset == &openAI && model.ProviderOf(p.URL()) != openAI.Prices {
		return false
	}
	return preset.Responses == NativeFull
}

// InjectUsage reports whether a stream in OpenAI's dialect is asked for usage.
func (p *Provider) InjectUsage() bool {
	if p.StreamUsage == "inject" {
		return true
	}
	preset := PresetOf(p.Kind())
	return p.StreamUsage != "off" && preset != nil && preset.Usage == UsageAsked
}

// PricedAs returns the provider that the price table is to be asked for.
func (p *Provider) PricedAs() string {
	if p.PriceAs != "" {
		return p.PriceAs
	}
	return model.PricedAs(p.Name, p.URL())
}

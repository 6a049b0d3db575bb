package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"sluice/internal/llm"
)

// Validate reports each problem with the key that it is at.
func (p *Provider) Validate(fail func(key, message string)) {
	preset := PresetOf(p.Kind())
	if preset == nil {
		return // which the tag of api reports
	}
	p.validateURL(preset, fail)
	// A key pasted with a line break would make every request fail in the transport, far from its cause.
	for _, s := range p.secrets() {
		if strings.ContainsAny(s.value.Reveal(), "\r\n\x00") {
			fail(s.key, "must not contain a line break")
		}
	}
	for name, value := range p.Headers {
		p.validateHeader(name, value, fail)
	}
	for i, q := range p.Quotas {
		if len(q.Models) == 0 {
			fail("quotas["+strconv.Itoa(i)+"].models", "must name at least one model or pattern")
		}
	}
	p.validateKeys(preset, fail)
	switch preset {
	case &anthropic:
		if p.APIVersion != "" && !anthropicDate.MatchString(p.APIVersion) {
			fail("api_version", "must be a date such as "+anthropicVersion)
		}
	case &vertex:
		p.validateVertex(fail)
	case &azure:
		p.validateAzure(fail)
	case &bedrock:
		p.validateBedrock(fail)
	}
}

type secret struct {
	key   string
	value llm.Secret
}

// secrets are the credentials that go into headers as they are.
func (p *Provider) secrets() []secret {
	return []secret{
		{"api_key", p.APIKey}, {"client_secret", p.ClientSecret}, {"access_key", p.AccessKey}, {"secret_key", p.SecretKey}, {"session_token", p.SessionToken},
	}
}

// Secrets returns all credentials of the account, for those who must not show them.
func (p *Provider) Secrets() []llm.Secret {
	all := []llm.Secret{p.Credentials}
	for _, s := range p.secrets() {
		all = append(all, s.value)
	}
	for _, v := range p.Headers {
		all = append(all, v)
	}
	return all
}

func (p *Provider) validateURL(preset *Preset, fail func(key, message string)) {
	switch {
	case p.BaseURL == "" && preset.BaseURL == "" && preset != &simulated:
		fail("base_url", "is missing: "+preset.Title+" has no address of its own")
	case p.BaseURL == "":
	case preset == &simulated:
		fail("base_url", "has no meaning with api: sim, which runs inside this process")
	default:
		if err := checkBaseURL(p.BaseURL); err != nil {
			fail("base_url", err.Error())
		}
	}
}

// validateKeys refuses settings that have no meaning for the kind.
func (p *Provider) validateKeys(preset *Preset, fail func(key, message string)) {
	for _, s := range []struct {
		key string
		set bool
	}{
		{"organization", p.Organization != ""},
		{"project", p.Project != ""},
		{"location", p.Location != ""},
		{"credentials", !p.Credentials.Empty()},
		{"api_version", p.APIVersion != ""},
		{"deployments", len(p.Deployments) > 0},
		{"tenant", p.Tenant != ""},
		{"client_id", p.ClientID != ""},
		{"client_secret", !p.ClientSecret.Empty()},
		{"token_url", p.TokenURL != ""},
		{"access_key", !p.AccessKey.Empty()},
		{"secret_key", !p.SecretKey.Empty()},
		{"session_token", !p.SessionToken.Empty()},
		{"responses", p.Responses != "" && p.Responses != "auto"},
		{"stream_usage", p.StreamUsage != "" && p.StreamUsage != "auto"},
	} {
		if s.set && !preset.Has(s.key) {
			fail(s.key, "has no meaning with api: "+preset.Kind+"; it is for "+kindsWith(s.key))
		}
	}
}

// kindsWith lists the kinds for which a setting has a meaning.
func kindsWith(key string) string {
	var kinds []string
	for _, p := range presets {
		if p.Has(key) {
			kinds = append(kinds, p.Kind)
		}
	}
	return strings.Join(kinds, ", ")
}

// authorized reports whether the operator names the header of a credential himself.
func (p *Provider) authorized() bool {
	for name := range p.Headers {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key":
			return true
		}
	}
	return false
}

// Paid reports whether requests carry a credential.
func (p *Provider) Paid() bool {
	return !p.APIKey.Empty() || !p.Credentials.Empty() || !p.ClientSecret.Empty() || !p.SecretKey.Empty() || p.authorized()
}

func (p *Provider) validateVertex(fail func(key, message string)) {
	express := !p.APIKey.Empty() && p.Project == ""
	if p.Project == "" && !express && !strings.Contains(p.BaseURL, "/projects/") {
		fail("project", "is missing: vertex wants the project of Google Cloud, or an api_key alone (express mode)")
	}
	if p.Project != "" && p.Location == "" {
		fail("location", "is missing: a region such as us-central1, or global, us or eu")
	}
	if !locationName.MatchString(p.Location) {
		fail("location", "can have lower-case letters, digits and dashes only")
	}
	switch {
	case !p.Credentials.Empty() && !p.APIKey.Empty():
		fail("api_key", "is a second credential beside credentials: leave one out")
	case !p.Credentials.Empty():
		if _, err := parseGoogleKey(p.Credentials.Reveal()); err != nil {
			fail("credentials", err.Error())
		}
	case p.APIKey.Empty() && !p.authorized():
		fail("credentials", "is missing: a service account's key (credentials: ${file:/path/key.json}) or an api_key")
	}
}

func (p *Provider) validateAzure(fail func(key, message string)) {
	classic, query := p.azureVersion()
	base := strings.TrimRight(p.BaseURL, "/")
	switch {
	case classic && strings.HasSuffix(base, "/openai/v1"):
		fail("api_version", "has a meaning for the classic surface only, and base_url ends with /openai/v1: leave one of them out")
	case !classic && query != "" && query != "preview" && query != "latest":
		fail("api_version", "must be a date such as 2024-10-21 or 2025-04-01-preview, or v1, preview or latest for the v1 surface")
	}
	entra := []struct {
		key     string
		missing bool
	}{
		{"tenant", p.Tenant == "" && p.TokenURL == ""},
		{"client_id", p.ClientID == ""},
		{"client_secret", p.ClientSecret.Empty()},
	}
	anyEntra := p.Tenant != "" || p.ClientID != "" || !p.ClientSecret.Empty() || p.TokenURL != ""
	switch {
	case anyEntra && !p.APIKey.Empty():
		fail("api_key", "is a second credential beside tenant, client_id and client_secret: leave one out")
	case anyEntra:
		for _, e := range entra {
			if e.missing {
				fail(e.key, "is missing: Entra ID wants tenant, client_id and client_secret")
			}
		}
	case p.APIKey.Empty() && !p.authorized():
		fail("api_key", "is missing: azure wants an api_key, or tenant, client_id and client_secret for Entra ID")
	}
	if p.TokenURL != "" {
		if err := checkBaseURL(p.TokenURL); err != nil {
			fail("token_url", err.Error())
		}
	}
	for m, d := range p.Deployments {
		if m == "" || d == "" {
			fail("deployments."+m, "must map a model's name to a deployment's")
		}
	}
}

func (p *Provider) validateBedrock(fail func(key, message string)) {
	signs := !p.AccessKey.Empty() || !p.SecretKey.Empty() || !p.SessionToken.Empty()
	switch {
	case p.Region == "" && (p.BaseURL == "" || signs):
		fail("region", "is missing: bedrock wants the region of AWS, such as us-east-1")
	case !locationName.MatchString(p.Region):
		fail("region", "can have lower-case letters, digits and dashes only: with api: bedrock it is the region of AWS")
	}
	switch {
	case signs && !p.APIKey.Empty():
		fail("api_key", "is a second credential beside access_key and secret_key: leave one out")
	case signs && p.AccessKey.Empty():
		fail("access_key", "is missing: signing wants access_key and secret_key")
	case signs && p.SecretKey.Empty():
		fail("secret_key", "is missing: signing wants access_key and secret_key")
	case !signs && p.APIKey.Empty() && !p.authorized():
		fail("api_key", "is missing: bedrock wants an API key of Bedrock, or access_key and secret_key, as in access_key: ${AWS_ACCESS_KEY_ID}")
	}
}

// anthropicDate is the form of a version of Anthropic's API.
var anthropicDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// locationName is the form of a region's name, which becomes part of a host's.
var locationName = regexp.MustCompile(`^[a-z0-9-]*$`)

func (p *Provider) validateHeader(name string, value llm.Secret, fail func(key, message string)) {
	key := "headers." + name
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Connection", "Host", "Content-Type", "Accept-Encoding":
		fail(key, "is set by Sluice and cannot be changed")
	}
	if !token(name) {
		fail(key, "is no valid header name")
	}
	if strings.ContainsAny(value.Reveal(), "\r\n\x00") {
		fail(key, "must not contain a line break")
	}
}

// token reports whether s is a token as RFC 9110 section 5.6.2 has it.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// checkBaseURL never repeats the URL: it may hold a credential.
func checkBaseURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is no valid URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with http:// or https://")
	case u.Host == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("must not contain a user or password; use api_key or headers")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must not have a query or fragment")
	}
	for _, end := range [...]string{"/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/converse", ":generateContent"} {
		if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), end) {
			return fmt.Errorf("must end before %s, which is appended to it", end)
		}
	}
	return nil
}

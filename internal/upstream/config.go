package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// DefaultBaseURL is where a provider with api openai is found when it names no base_url.
const DefaultBaseURL = "https://api.openai.com/v1"

// Provider is one account at one provider.
type Provider struct {
	// Name is the account's name: its key under providers, and the first part of provider/model.
	Name string `yaml:"-"`
	// API is the protocol that the provider speaks: openai for OpenAI and all servers compatible with it, sim for a
	// simulated provider inside this process.
	API string `yaml:"api" enum:"openai,anthropic,gemini,vertex,azure,bedrock,groq,together,fireworks,openrouter,mistral,deepseek,xai,cerebras,vllm,sglang,llamacpp,ollama,cohere,voyage,jina,sim"`
	// BaseURL is the address that operations are appended to, with its version part. The default is
	// https://api.openai.com/v1.
	BaseURL string `yaml:"base_url" example:"http://10.0.0.5:8000/v1"`
	// APIKey is the credential that is sent as a bearer token. Local servers often need none.
	APIKey llm.Secret `yaml:"api_key" example:"${OPENAI_API_KEY}"`
	// Organization is sent as OpenAI-Organization.
	Organization string `yaml:"organization" example:"org-1234"`
	// Project is sent as OpenAI-Project.
	Project string `yaml:"project" example:"proj_1234"`
	// Region is where the provider works; clients may ask for it and metrics show it.
	Region string `yaml:"region" example:"us-east-1"`
	// Headers are added to each request to the provider. Their values are treated as secrets.
	Headers map[string]llm.Secret `yaml:"headers" example:"{X-Title: sluice}"`
	// StreamUsage says how token counts of streams are had: inject asks the provider for them where the client did not
	// (and removes them from the client's answer), off leaves requests alone and estimates.
	StreamUsage string `yaml:"stream_usage" enum:"inject,off"`
	// HTTP2 is auto (used where a TLS server offers it) or off.
	HTTP2 string `yaml:"http2" enum:"auto,off"`
	// Connections is the largest number of connections to the provider's host; 0 sets no limit.
	Connections int `yaml:"connections" example:"256"`
	// Concurrency is the largest number of calls at the provider at once; further ones wait. 0 sets no limit.
	Concurrency int `yaml:"concurrency" example:"64"`
	// MaxAnswer is the largest answer that is read when it is not streamed.
	MaxAnswer int64 `yaml:"max_answer" unit:"bytes" min:"1024"`
	// MaxEvent is the largest single event of a stream.
	MaxEvent int64 `yaml:"max_event" unit:"bytes" min:"1024"`
	// Models are the names, or patterns with *, of the models that the account serves. A model asked for by its bare
	// name goes to the first provider in the file that lists it.
	Models []string `yaml:"models" example:"[gpt-4o, \"gpt-4.1*\"]"`
	// Quotas are limits that several models of the account share.
	Quotas []Quota `yaml:"quotas"`
}

// Quota is a limit shared by some models of one account.
type Quota struct {
	// Models are the names, or patterns with *, that share the quota.
	Models []string `yaml:"models" example:"[\"llama-*\"]"`
	// Concurrency is the largest number of calls to these models at once; 0 sets no limit.
	Concurrency int `yaml:"concurrency" example:"16"`
}

// Timeouts are the limits on one call at a provider. 0 means no limit, or, where it says so, one that scales.
type Timeouts struct {
	// Connect is the longest time to a usable connection, TLS included.
	Connect time.Duration `yaml:"connect"`
	// Headers is the longest time from the request sent to the first byte of the answer. 0 scales with the input.
	Headers time.Duration `yaml:"headers"`
	// FirstToken is the longest time to the first content of a stream; comments and role chunks do not count. 0 scales
	// with the input.
	FirstToken time.Duration `yaml:"first_token"`
	// Idle is the longest silence between two events of a stream.
	Idle time.Duration `yaml:"idle"`
	// Total is the longest time for the call as a whole, all attempts and waits included.
	Total time.Duration `yaml:"total"`
}

// SetDefaults fills in what a file may leave out.
func (p *Provider) SetDefaults() {
	p.API = "openai"
	p.StreamUsage = "inject"
	p.HTTP2 = "auto"
	p.MaxAnswer = 64 << 20
	p.MaxEvent = 8 << 20
}

// SetDefaults fills in what a file may leave out.
func (t *Timeouts) SetDefaults() {
	*t = Timeouts{Connect: 5 * time.Second, Idle: 30 * time.Second, Total: 10 * time.Minute}
}

// URL returns the base URL without a trailing slash, the default one where none is set.
func (p *Provider) URL() string {
	if p.BaseURL == "" {
		return DefaultBaseURL
	}
	return strings.TrimRight(p.BaseURL, "/")
}

// Validate reports each problem with the key that it is at.
func (p *Provider) Validate(fail func(key, message string)) {
	if p.API == "sim" && p.BaseURL != "" {
		fail("base_url", "has no meaning with api: sim, which runs inside this process")
	} else if p.BaseURL != "" {
		if err := checkBaseURL(p.BaseURL); err != nil {
			fail("base_url", err.Error())
		}
	}
	// A key pasted with a line break would make every request fail in the transport, far from its cause.
	if strings.ContainsAny(p.APIKey.Reveal(), "\r\n\x00") {
		fail("api_key", "must not contain a line break")
	}
	for name, value := range p.Headers {
		p.validateHeader(name, value, fail)
	}
	for i, q := range p.Quotas {
		if len(q.Models) == 0 {
			fail("quotas["+strconv.Itoa(i)+"].models", "must name at least one model or pattern")
		}
	}
}

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
	return nil
}

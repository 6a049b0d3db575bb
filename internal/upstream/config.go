package upstream

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Provider is one account at one provider.
type Provider struct {
	// Name is the account's name: its key under providers, and the first part of provider/model.
	Name string `yaml:"-"`
	// API is the kind of provider: what protocol it speaks, where it is found, how it is paid and what it does otherwise than others
	// (docs/PROVIDERS.md). The default is the account's own name where that is a kind, else openai, which stands for OpenAI and all
	// servers compatible with it. sim is a simulated provider inside this process.
	API string `yaml:"api" enum:"openai,anthropic,gemini,vertex,azure,bedrock,groq,together,fireworks,openrouter,mistral,deepseek,xai,cerebras,vllm,sglang,llamacpp,ollama,cohere,voyage,jina,sim"`
	// BaseURL is the address that operations are appended to, with its version part. Most kinds have a default. The version part
	// may be left out for anthropic and gemini, and what follows the host for azure, bedrock and vertex.
	BaseURL string `yaml:"base_url" example:"http://10.0.0.5:8000/v1"`
	// APIKey is the credential, sent in the header that the kind wants. Local servers often need none.
	APIKey llm.Secret `yaml:"api_key" example:"${OPENAI_API_KEY}"`
	// Organization is sent as OpenAI-Organization. For openai.
	Organization string `yaml:"organization" example:"org-1234"`
	// Project is sent as OpenAI-Project by openai; for vertex it is the project of Google Cloud.
	Project string `yaml:"project" example:"proj_1234"`
	// Location is the region of vertex, or global, us or eu.
	Location string `yaml:"location" example:"us-central1"`
	// Credentials is the content of a credentials file of Google Cloud, for vertex: a service account's key, or that of an
	// authorized user.
	Credentials llm.Secret `yaml:"credentials" example:"${file:/etc/sluice/google.json}"`
	// APIVersion is, for azure, the date of the classic surface (with deployments in the path), or v1, the default, which has none. For
	// anthropic it is the version that translated calls are written in; the default is 2023-06-01.
	APIVersion string `yaml:"api_version" example:"2024-10-21"`
	// Deployments maps models to the deployments that serve them, for azure. A model that is not in it is its own deployment.
	Deployments map[string]string `yaml:"deployments" example:"{gpt-4o: my-gpt-4o}"`
	// Tenant is the directory (tenant) of Entra ID, for azure without api_key.
	Tenant string `yaml:"tenant" example:"00000000-0000-0000-0000-000000000000"`
	// ClientID is the application that asks Entra ID for tokens, for azure without api_key.
	ClientID string `yaml:"client_id" example:"11111111-1111-1111-1111-111111111111"`
	// ClientSecret is that application's secret.
	ClientSecret llm.Secret `yaml:"client_secret" example:"${AZURE_CLIENT_SECRET}"`
	// TokenURL is where tokens are asked for in place of Entra ID's own address, for azure in other clouds.
	TokenURL string `yaml:"token_url" example:"https://login.microsoftonline.us/TENANT/oauth2/v2.0/token"`
	// AccessKey is the id of the AWS key that signs requests, for bedrock without api_key.
	AccessKey llm.Secret `yaml:"access_key" example:"${AWS_ACCESS_KEY_ID}"`
	// SecretKey is the AWS key itself.
	SecretKey llm.Secret `yaml:"secret_key" example:"${AWS_SECRET_ACCESS_KEY}"`
	// SessionToken goes with temporary AWS keys.
	SessionToken llm.Secret `yaml:"session_token" example:"${AWS_SESSION_TOKEN:-}"`
	// Region is where the provider works; clients may ask for it and metrics show it. For bedrock it is the region of AWS that is
	// called.
	Region string `yaml:"region" example:"us-east-1"`
	// Headers are added to each request to the provider. Their values are treated as secrets.
	Headers map[string]llm.Secret `yaml:"headers" example:"{X-Title: sluice}"`
	// StreamUsage says how token counts of streams in OpenAI's dialect are had: inject asks the provider for them where the client did
	// not (and removes them from the client's answer), off leaves requests alone and takes what comes, or estimates. auto is
	// inject but for kinds that refuse to be asked.
	StreamUsage string `yaml:"stream_usage" enum:"auto,inject,off"`
	// Responses says how calls of OpenAI's Responses API are answered: native forwards them, translate makes chats of them and keeps
	// conversations here. auto forwards them where the provider keeps conversations itself.
	Responses string `yaml:"responses" enum:"auto,native,translate"`
	// PriceAs is the provider of the price table whose prices hold. Without it they are known by the host of base_url.
	PriceAs string `yaml:"price_as" example:"openai"`
	// HTTP2 is auto (used where a TLS server offers it) or off.
	HTTP2 string `yaml:"http2" enum:"auto,off"`
	// Connections is the largest number of connections to the provider's host; 0 sets no limit.
	Connections int `yaml:"connections" example:"256"`
	// Concurrency is the largest number of calls at the provider at once; further ones wait. 0 sets no limit. adaptive finds out how
	// many calls each model takes before it slows down, up to connections or 1,000; for servers of your own (docs/SCHEDULER.md).
	Concurrency int `yaml:"concurrency" word:"adaptive=-1" example:"64"`
	// MaxAnswer is the largest answer that is read when it is not streamed, and the most text of a stream that is translated.
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
	// Concurrency is the largest number of calls to these models at once; 0 sets no limit. adaptive finds it out for each of them.
	Concurrency int `yaml:"concurrency" word:"adaptive=-1" example:"16"`
	// RPM is the number of requests a minute; 0 sets no limit. Calls wait for their turn rather than be refused.
	RPM int64 `yaml:"rpm" example:"6000"`
	// TPM is the number of tokens a minute, input and output together.
	TPM int64 `yaml:"tpm" example:"4_000_000"`
	// InputTPM is the number of input tokens a minute, where the provider counts them apart.
	InputTPM int64 `yaml:"input_tpm" example:"2_000_000"`
	// OutputTPM is the number of output tokens a minute, where the provider counts them apart.
	OutputTPM int64 `yaml:"output_tpm" example:"400_000"`
	// RPD is the number of requests a day. Nothing waits for the next day: calls are refused, or go to other targets.
	RPD int64 `yaml:"rpd" example:"100_000"`
	// TPD is the number of tokens a day.
	TPD int64 `yaml:"tpd" example:"50_000_000"`
	// Charge is what the provider counts: max_tokens (input and the output limit of the request, on arrival), corrected (the same, but
	// what was not used is given back at the end), actual (what was used), or auto for what is known of the kind of provider.
	Charge string `yaml:"charge" enum:"auto,max_tokens,corrected,actual"`
	// CachedInput says whether input from the provider's prompt cache counts: auto for what is known of the kind of provider.
	CachedInput string `yaml:"cached_input" enum:"auto,counts,free"`
	// Enforced is how the provider enforces minutes: seconds (a sixtieth of them in each second), bucket (refilled all the time), fixed
	// (windows that begin anew), sliding (what was used in the last minute). auto learns it from headers and refusals.
	Enforced string `yaml:"enforced" enum:"auto,seconds,bucket,fixed,sliding"`
}

// SetDefaults fills in what a file may leave out.
func (q *Quota) SetDefaults() { q.Charge, q.CachedInput, q.Enforced = "auto", "auto", "auto" }

// Terms returns the quota in the words of limit. The rules that auto stands for are those of the kind of provider, if it is known.
func (q *Quota) Terms() limit.Terms {
	t := limit.Terms{Concurrency: max(q.Concurrency, 0)}
	for _, l := range [...]limit.Limit{
		{Dim: limit.Requests, Amount: q.RPM, Per: time.Minute},
		{Dim: limit.Tokens, Amount: q.TPM, Per: time.Minute},
		{Dim: limit.Input, Amount: q.InputTPM, Per: time.Minute},
		{Dim: limit.Output, Amount: q.OutputTPM, Per: time.Minute},
		{Dim: limit.Requests, Amount: q.RPD, Per: 24 * time.Hour},
		{Dim: limit.Tokens, Amount: q.TPD, Per: 24 * time.Hour},
	} {
		if l.Amount > 0 {
			t.Limits = append(t.Limits, l)
		}
	}
	t.Charge = map[string]limit.Charge{"max_tokens": limit.ChargeMax, "corrected": limit.ChargeCorrected, "actual": limit.ChargeActual}[q.Charge]
	t.FreeCached = q.CachedInput == "free"
	t.Shape.Mode = map[string]limit.Mode{
		"seconds": limit.Slices, "bucket": limit.Bucket, "fixed": limit.Fixed, "sliding": limit.Sliding,
	}[q.Enforced]
	return t
}

// Adaptive is the value of the concurrency of a Provider or Quota that has the limit found out.
const Adaptive = -1

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
	p.StreamUsage = "auto"
	p.Responses = "auto"
	p.HTTP2 = "auto"
	p.MaxAnswer = 64 << 20
	p.MaxEvent = 8 << 20
}

// SetDefaults fills in what a file may leave out.
func (t *Timeouts) SetDefaults() {
	*t = Timeouts{Connect: 5 * time.Second, Idle: 30 * time.Second, Total: 10 * time.Minute}
}

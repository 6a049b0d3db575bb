// Package model is what Sluice knows of models without asking a provider: prices, context windows, how many tokens a
// text has. It does no I/O but reading an override file, and runs no goroutines.
//
// The price table (prices.json, embedded in the compact form of prices.tsv) names its sources, with commits and dates, and the day each row was true. It is
// a snapshot to be checked before anyone is billed by it; docs/PRICES.md lists what it does not cover.
package model

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Table finds models by provider and name. It is immutable and safe for concurrent use.
type Table struct {
	overrides []*Info // set once

	read      sync.Once
	providers map[string]*provider // owned by read
}

type provider struct {
	models map[string]*Info
	names  []string // sorted
}

// Embedded returns the table that is part of the program. It is parsed when it is first asked, in about a
// millisecond.
func Embedded() *Table { return &Table{} }

// Load returns the embedded table with the rows of an override file put over it. An empty path means no overrides.
// Errors name the file, the line and the column.
func Load(path string) (*Table, error) {
	if path == "" {
		return Embedded(), nil
	}
	rows, err := readOverrides(path)
	if err != nil {
		return nil, err
	}
	return &Table{overrides: rows}, nil
}

// all returns the providers, parsed on first use.
func (t *Table) all() map[string]*provider {
	t.read.Do(func() {
		rows, err := parseCompact(compact)
		if err != nil {
			panic("BUG: model: embedded prices: " + err.Error())
		}
		t.providers = map[string]*provider{}
		for _, i := range rows {
			t.put(i)
		}
		for _, i := range t.overrides {
			t.override(i)
		}
		for _, p := range t.providers {
			slices.Sort(p.names)
		}
	})
	return t.providers
}

func (t *Table) put(i *Info) { t.putAs(i.Provider, i) }

func (t *Table) putAs(name string, i *Info) {
	p := t.providers[name]
	if p == nil {
		p = &provider{models: map[string]*Info{}}
		t.providers[name] = p
	}
	if p.models[i.Model] == nil {
		p.names = append(p.names, i.Model)
	}
	p.models[i.Model] = i
}

// override puts a row of the override file over the table. What it does not state, but for the price, stays.
func (t *Table) override(i *Info) {
	own := *i
	if p := t.providers[i.Provider]; p != nil {
		if old := p.models[i.Model]; old != nil {
			if own.ContextWindow == 0 {
				own.ContextWindow = old.ContextWindow
			}
			if own.MaxOutput == 0 {
				own.MaxOutput = old.MaxOutput
			}
			if own.Kind == "" {
				own.Kind = old.Kind
			}
		}
	}
	t.put(&own)
	t.putAs(ownRows+own.Provider, &own)
}

// ownRows begins a name by which only rows of an override file are found.
const ownRows = "account:"

// PricedAs returns the provider that Lookup is to be asked for, for the models of an account: the one whose API its base URL is.
// For any other server that is the account's own name, by which only rows of the override file are found: an account may be
// called openai without being OpenAI's.
func PricedAs(account, baseURL string) string {
	if p := ProviderOf(baseURL); p != "" {
		return p
	}
	return ownRows + account
}

// Lookup finds a model of a provider of the price table ("openai", "azure", ...): by its name, by its name without a
// date at its end (a snapshot of a model that has no row of its own), or in its default version. ok is false if nothing is known. The info is
// shared: callers must not change it.
func (t *Table) Lookup(provider, model string) (info *Info, ok bool) {
	if provider == "" {
		return nil, false
	}
	p := t.all()[provider]
	if p == nil {
		return nil, false
	}
	model = strings.TrimPrefix(model, "models/") // how Gemini's API names its own
	if i := p.models[model]; i != nil {
		return i, true
	}
	if i := p.models[undated(model)]; i != nil {
		return i, true
	}
	i := p.models[model+"@default"] // Anthropic's models at Vertex AI, whose clients may leave the version out
	return i, i != nil
}

// undated returns a model name without -2024-08-06, -20240806 or @20240806 at its end.
func undated(name string) string {
	for _, shape := range []string{"-dddd-dd-dd", "-dddddddd", "@dddddddd"} {
		if len(name) > len(shape) && hasShape(name[len(name)-len(shape):], shape) {
			return name[:len(name)-len(shape)]
		}
	}
	return name
}

// hasShape compares strings of one length, where d in the shape stands for a digit.
func hasShape(s, shape string) bool {
	for i := range len(s) {
		if shape[i] == 'd' && (s[i] < '0' || s[i] > '9') || shape[i] != 'd' && s[i] != shape[i] {
			return false
		}
	}
	return true
}

// Names returns the sorted names of the models known for a provider. Callers must not change it.
func (t *Table) Names(provider string) []string {
	if p := t.all()[provider]; p != nil {
		return p.names
	}
	return nil
}

// Providers returns the sorted names of the providers that have prices.
func (t *Table) Providers() []string {
	var names []string
	for n := range t.all() {
		if !strings.HasPrefix(n, ownRows) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// hosts maps API hosts to providers of the price table; a leading dot stands for any name before it.
var hosts = [...]struct{ host, provider string }{
	{"api.openai.com", "openai"},
	{".api.openai.com", "openai"}, // regions; their surcharge is not in the table
	{"api.anthropic.com", "anthropic"},
	{"generativelanguage.googleapis.com", "google"},
	{"aiplatform.googleapis.com", "google-vertex"},
	{"-aiplatform.googleapis.com", "google-vertex"},
	{"aiplatform.us.rep.googleapis.com", "google-vertex"},
	{"aiplatform.eu.rep.googleapis.com", "google-vertex"},
	{".openai.azure.com", "azure"},
	{".services.ai.azure.com", "azure"},
	{".cognitiveservices.azure.com", "azure"},
	{"api.x.ai", "xai"},
	{"api.deepseek.com", "deepseek"},
	{"api.mistral.ai", "mistral"},
	{"api.groq.com", "groq"},
	{"api.cerebras.ai", "cerebras"},
	{"api.cohere.com", "cohere"},
	{"api.cohere.ai", "cohere"},
	{"api.voyageai.com", "voyage"},
	{"api.moonshot.ai", "moonshot"},
	{"api.z.ai", "zai"},
	{"api.together.xyz", "together"},
	{"api.together.ai", "together"},
	{"api.fireworks.ai", "fireworks"},
	{"api.deepinfra.com", "deepinfra"},
	{"api.perplexity.ai", "perplexity"},
	{"api.minimax.io", "minimax"},
	{"dashscope-intl.aliyuncs.com", "alibaba"},
	{"dashscope.aliyuncs.com", "alibaba"},
}

// ProviderOf returns the provider of the price table that a base URL belongs to; empty if it is none of them. An account
// at any other host has no price unless the operator says whose prices are its own.
func ProviderOf(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for _, h := range hosts {
		if host == h.host || !isName(h.host[0]) && len(host) > len(h.host) && strings.HasSuffix(host, h.host) {
			return h.provider
		}
	}
	// The FIPS endpoints have a name of their own, China a domain, and the newer OpenAI-compatible surface both.
	for _, service := range []string{"bedrock-runtime.", "bedrock-runtime-fips.", "bedrock-mantle."} {
		if strings.HasPrefix(host, service) && (strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".api.aws")) {
			return "bedrock"
		}
	}
	return ""
}

// isName reports whether a host pattern begins with a name, and so stands for one host only.
func isName(c byte) bool { return c != '.' && c != '-' }

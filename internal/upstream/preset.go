package upstream

import (
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Preset is what Sluice knows of one kind of provider. The table below is all there is to a kind: what an account of it offers,
// where, in which dialect, and what it does otherwise than the dialect's owner. docs/PROVIDERS.md is made from it.
type Preset struct {
	Kind  string // value of api
	Title string // for people
	Docs  string // where its API is described

	// BaseURL is where it is found; {name} stands for a setting. Empty if each account has an address of its own.
	BaseURL string
	Auth    Auth
	Offers  []Offer
	List    string // path and query of the list of models; empty if there is none of what can be called
	Usage   Usage

	// Responses says what it has of OpenAI's Responses API.
	Responses Native
	// Keys are the settings that have a meaning for this kind besides those that have one for all.
	Keys []string
	// Env are environment variables that hold settings, the first that is set counts.
	Env []Variable
	// Prices is the provider of the price table whose rows are written for this kind; empty if it has none.
	Prices string
	// Notes are its known deviations.
	Notes []Note
}

// Auth is how requests prove who pays.
type Auth string

// The forms of credentials.
const (
	AuthBearer Auth = "`Authorization: Bearer`"
	AuthXKey   Auth = "`x-api-key`"
	AuthKey    Auth = "`api-key`, or a bearer token of Entra ID"
	AuthGoog   Auth = "`x-goog-api-key`"
	AuthGoogle Auth = "OAuth 2 token of a service account, or `x-goog-api-key`"
	AuthAWS    Auth = "AWS Signature Version 4, or `Authorization: Bearer`"
)

// Offer is one operation that a kind has.
type Offer struct {
	Op      llm.Op
	Dialect llm.Dialect
	Path    string // below the base URL; {model} stands for the model's name, escaped
	Stream  string // path of a streamed answer, where it is another
	Query   string // of a streamed answer
	Frames  Frames // of a streamed answer
	Front   llm.Dialect
	Claude  bool        // only for Anthropic's models, and those have no other
	Change  wire.Change // of the body
	Items   int         // as in Surface
}

// Usage says how token counts of a stream in OpenAI's dialect are had.
type Usage string

// The styles.
const (
	UsageAsked  Usage = "asked for with `stream_options.include_usage`"
	UsageAlways Usage = "always in the last chunk; `stream_options` is refused"
	UsageOwn    Usage = "part of the protocol"
)

// Native says what a kind has of OpenAI's Responses API.
type Native string

// What there may be.
const (
	NativeNot       Native = ""
	NativeFull      Native = "stored"    // with stored conversations
	NativeStateless Native = "stateless" // previous_response_id is not kept, or only if the server is told to
)

// Variable is an environment variable that holds a setting.
type Variable struct {
	Name string
	Key  string // of Provider, in YAML
}

// Note is one deviation of a provider.
type Note struct {
	Text   string
	Source string // what it rests on: an address or a section of the facts that the project was begun with, and when it was read
}

// Presets returns all kinds, in the order of the documentation. Callers must not change them.
func Presets() []*Preset { return presets[:] }

// Keyless reports whether an account lacks the credential that its provider, at its own public address, asks for. It is not wrong: a proxy
// may add it, or headers may have it; then it is not reported.
func (p *Provider) Keyless() bool {
	preset := PresetOf(p.Kind())
	if preset == nil || p.BaseURL != "" || !p.APIKey.Empty() || len(p.Headers) > 0 || !strings.HasPrefix(preset.BaseURL, "https://") {
		return false
	}
	return preset.Auth == AuthBearer || preset.Auth == AuthXKey || preset.Auth == AuthGoog
}

// PresetOf returns the preset of a kind; nil if there is none.
func PresetOf(kind string) *Preset {
	if i := slices.IndexFunc(presets[:], func(p *Preset) bool { return p.Kind == kind }); i >= 0 {
		return presets[i]
	}
	return nil
}

// Has reports whether a setting has a meaning for the kind.
func (p *Preset) Has(key string) bool { return slices.Contains(p.Keys, key) }

// chats returns the dialect of the kind's chats, and whether it has any.
func (p *Preset) chats() (llm.Dialect, bool) {
	for i := range p.Offers {
		if o := &p.Offers[i]; o.Op == llm.OpChat && o.Front == 0 {
			return o.Dialect, true
		}
	}
	return 0, false
}

// Dialect returns the dialect of the kind's chats, or of what else it is for.
func (p *Preset) Dialect() llm.Dialect {
	if d, ok := p.chats(); ok {
		return d
	}
	return p.Offers[0].Dialect
}

// claude reports whether a model is Anthropic's, by its name at Vertex AI (claude-…) or at Bedrock (anthropic.claude-…, with a
// region's prefix or within an ARN).
func claude(model string) bool {
	return strings.HasPrefix(model, "claude-") || strings.Contains(model, "anthropic.")
}

// The offers of OpenAI's dialect, which many kinds share.
var (
	chat         = Offer{Op: llm.OpChat, Dialect: llm.OpenAI, Path: "/chat/completions"}
	completion   = Offer{Op: llm.OpCompletion, Dialect: llm.OpenAI, Path: "/completions"}
	embedding    = Offer{Op: llm.OpEmbedding, Dialect: llm.OpenAI, Path: "/embeddings"}
	moderation   = Offer{Op: llm.OpModeration, Dialect: llm.OpenAI, Path: "/moderations"}
	image        = Offer{Op: llm.OpImage, Dialect: llm.OpenAI, Path: "/images/generations"}
	imageEdit    = Offer{Op: llm.OpImage, Dialect: llm.OpenAI, Path: "/images/edits"}
	imageVary    = Offer{Op: llm.OpImage, Dialect: llm.OpenAI, Path: "/images/variations"}
	speech       = Offer{Op: llm.OpSpeech, Dialect: llm.OpenAI, Path: "/audio/speech"}
	transcribe   = Offer{Op: llm.OpTranscription, Dialect: llm.OpenAI, Path: "/audio/transcriptions"}
	translate    = Offer{Op: llm.OpTranscription, Dialect: llm.OpenAI, Path: "/audio/translations"}
	responses    = Offer{Op: llm.OpChat, Dialect: llm.Responses, Path: "/responses", Front: llm.Responses}
	rerankCohere = Offer{Op: llm.OpRerank, Dialect: llm.Cohere, Path: "/rerank"}
	rerankJina   = Offer{Op: llm.OpRerank, Dialect: llm.Jina, Path: "/rerank"}
)

//go:generate go test -run TestProvidersPage -update .

// presets is never written, nor is anything that it points to.
var presets = [...]*Preset{
	&openAI, &anthropic, &gemini, &vertex, &azure, &bedrock,
	&groq, &together, &fireworks, &openRouter, &mistral, &deepSeek, &xAI, &cerebras,
	&vllm, &sglang, &llamaCpp, &ollama,
	&cohere, &voyage, &jina, &simulated,
}

// Package llm is the vocabulary that all of Sluice shares: a Call on its way, the Target it is sent to, the Usage that
// comes back, and the classified Error that crosses layers. It holds data and small pure functions, imports the standard
// library only, and runs no goroutines. Protocols live in wire, decisions in the stages.
package llm

import (
	"strings"
	"time"
)

// Op is the operation that a call asks for. Its String is the gen_ai.operation.name of the OpenTelemetry conventions where
// they have one.
type Op uint8

// The operations that travel the road.
const (
	OpChat Op = iota + 1
	OpCompletion
	OpEmbedding
	OpModeration
	OpRerank
	OpCountTokens
	OpImage         // images/generations, edits, variations
	OpSpeech        // text to audio
	OpTranscription // audio to text, in the same language or translated
	OpRaw           // relayed without being understood
)

var opNames = [...]string{
	OpChat: "chat", OpCompletion: "text_completion", OpEmbedding: "embeddings", OpModeration: "moderation", OpRerank: "rerank",
	OpCountTokens: "count_tokens", OpImage: "image_generation", OpSpeech: "speech", OpTranscription: "transcription", OpRaw: "raw",
}

// String returns the operation's name in the OpenTelemetry GenAI conventions.
func (o Op) String() string {
	if o == 0 || int(o) >= len(opNames) {
		return "unknown"
	}
	return opNames[o]
}

// Dialect is a wire protocol, spoken by a front (towards clients) or by a provider.
type Dialect uint8

// The dialects that have a codec.
const (
	OpenAI    Dialect = iota + 1 // chat completions, and OpenAI's other operations
	Responses                    // OpenAI's Responses API
	Anthropic                    // Messages
	Gemini                       // generateContent
	Converse                     // AWS Bedrock's Converse
	Cohere                       // embed and rerank
	Voyage                       // embeddings and rerank
	Jina                         // embeddings and rerank
)

var dialectNames = [...]string{
	OpenAI: "openai", Responses: "responses", Anthropic: "anthropic", Gemini: "gemini", Converse: "converse", Cohere: "cohere",
	Voyage: "voyage", Jina: "jina",
}

// String returns the dialect's name.
func (d Dialect) String() string {
	if d == 0 || int(d) >= len(dialectNames) {
		return "unknown"
	}
	return dialectNames[d]
}

// Class is the priority class of a call. Lower values go first.
type Class uint8

// The classes, in order of priority.
const (
	Interactive Class = iota
	Background
	Bulk
)

// ParseClass reads a class by its name, in any case. ok is false for a name that is none.
func ParseClass(s string) (c Class, ok bool) {
	switch strings.ToLower(s) {
	case "interactive":
		return Interactive, true
	case "background":
		return Background, true
	case "bulk":
		return Bulk, true
	}
	return 0, false
}

// String returns the class's name.
func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case Background:
		return "background"
	case Bulk:
		return "bulk"
	default:
		return "unknown"
	}
}

// Call is one operation on its way through Sluice. Ingress fills it once; the stages only read it.
type Call struct {
	ID     string // unique; given to the client as X-Sluice-Request-Id and X-Request-Id
	Op     Op
	Front  Dialect
	Class  Class
	Model  string // as the client wrote it
	Stream bool

	// What the client's body says, as far as a stage reads it.
	Choices     int   // completions expected (n), at least 1
	MaxTokens   int64 // output limit that the client set; 0 if none
	InputTokens int64 // estimate from the size of the input
	User        string

	Key      string // name of the client's key; empty when the gateway is open
	Tags     []string
	Region   string
	Start    time.Time // arrival, with its monotonic part
	Deadline time.Time // zero if none

	TraceParent string // W3C traceparent that the client sent; empty if none
}

// Target is one model at one provider account in one region. Targets are immutable and live as long as the
// configuration snapshot that made them; they are compared by pointer within one snapshot and by Name across snapshots.
type Target struct {
	Name     string // provider/model, for example "openai/gpt-4o"
	Provider string // account's name in the configuration
	Model    string // model name that the provider is sent
	Region   string
	API      Dialect
}

// Usage is what a call consumed, in tokens. Input includes CachedInput and CacheWrite, Output includes Reasoning
// (OpenAI's way of counting; other dialects are converted where their bytes are read).
type Usage struct {
	Input       int64
	CachedInput int64
	CacheWrite  int64
	Output      int64
	Reasoning   int64
	Estimated   bool // true if the provider did not say and Sluice counted for itself

	CacheWriteLong int64 // part of CacheWrite that is kept for an hour or longer, at a price of its own
	AudioInput     int64 // part of Input
	AudioOutput    int64 // part of Output
}

// Plus returns the sum of what two attempts, or two parts of a call, have used.
func (u Usage) Plus(v Usage) Usage {
	return Usage{
		Input: u.Input + v.Input, CachedInput: u.CachedInput + v.CachedInput, CacheWrite: u.CacheWrite + v.CacheWrite,
		Output: u.Output + v.Output, Reasoning: u.Reasoning + v.Reasoning, Estimated: u.Estimated || v.Estimated,
		CacheWriteLong: u.CacheWriteLong + v.CacheWriteLong, AudioInput: u.AudioInput + v.AudioInput, AudioOutput: u.AudioOutput + v.AudioOutput,
	}
}

// Total returns input plus output tokens.
func (u Usage) Total() int64 { return u.Input + u.Output }

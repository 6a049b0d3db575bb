package sim

import (
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
)

// Config says what a simulated provider serves and how it behaves. The zero Config serves the default models.
type Config struct {
	// Seed decides every choice the simulator makes: same seed, same requests in the same order, same bytes.
	Seed uint64 `yaml:"seed"`
	// Clock freezes the time written into answers (created, Date), in Unix seconds; 0 means the real time.
	Clock int64 `yaml:"clock"`
	// APIKey is the bearer key that clients must send; empty accepts every client.
	APIKey llm.Secret `yaml:"-"`
	// Latency is "model" (default: a small model of a serving engine) or "none" (answer as fast as possible).
	Latency string `yaml:"latency"`
	// AnyModel serves unknown model names too, with the behaviour of the first model of the kind asked for.
	AnyModel bool `yaml:"any_model"`
	// MaxBody is the largest request body in bytes; 0 means 64 MiB.
	MaxBody int64 `yaml:"max_body"`
	// Record keeps the last N requests with headers and bodies for /sim/requests; 0 keeps none.
	Record int `yaml:"record"`
	// RecordLight keeps the last N requests without headers and bodies, about 0.6 kB each, in place of Record; 0 keeps none.
	RecordLight int `yaml:"record_light"`
	// Models are served models; empty means the default ones (see DefaultModels).
	Models []ModelConfig `yaml:"models"`
	// Quotas are limits that models share. A request must fit all that hold for its model.
	Quotas []QuotaConfig `yaml:"quotas"`
	// ErrorLog is told of connections that fail; nil is the log package's own.
	ErrorLog *log.Logger `yaml:"-"`
	// Deviate makes OpenAI's dialect differ as that of another provider does, for example "groq": see the fault deviate.
	Deviate string `yaml:"deviate"`
	// AWS are the keys that requests to Bedrock's paths must be signed with. Without an access key any signature is accepted.
	AWS AWSKeys `yaml:"-"`
	// Google is the service account that Vertex AI's paths are called for. Without a public key no token is needed.
	Google ServiceAccount `yaml:"-"`
	// Faults are applied to requests that name no fault themselves.
	Faults []FaultRule `yaml:"faults"`
}

// ModelConfig is one simulated model.
type ModelConfig struct {
	// Name is the model's name as clients send it.
	Name string `yaml:"name"`
	// Kind is "chat" (default, serves completions too), "embedding", "rerank", "moderation", "image", "speech" or
	// "transcription". Of the last five, a kind that no model has is served under any name.
	Kind string `yaml:"kind"`
	// Speed is the model of the serving engine; the zero Speed answers as fast as possible.
	Speed Speed `yaml:"speed"`
	// Output bounds the natural length of an answer in tokens; zero means 24 to 96.
	Output Range `yaml:"output"`
	// Reasoning is the mean number of reasoning tokens before the answer; above 0 makes it a reasoning model.
	Reasoning int `yaml:"reasoning"`
	// TokensPerEvent is the number of tokens in one event of a stream; 0 means 1.
	TokensPerEvent int `yaml:"tokens_per_event"`
	// Context is the model's window in tokens, input and output together; 0 means no limit.
	Context int64 `yaml:"context"`
	// PromptCache counts a prompt's prefix as cached when it was seen before (1,024 tokens and more, in steps of 128).
	PromptCache bool `yaml:"prompt_cache"`
	// Dimensions is the length of an embedding; 0 means 256.
	Dimensions int `yaml:"dimensions"`
	// Rejects are the things that requests to this model must not have: "temperature" (nor top_p and top_k), "max_tokens" (by
	// OpenAI's old name), "prefill" (an assistant's turn at the end), "forced_tools", "budget" (a fixed budget for thinking).
	Rejects []string `yaml:"rejects"`
	// Continue says how the model goes on with a partial answer of its own that a request ends with (or that it is asked to continue):
	// "exact" (default), "overlap" (it says the last 20 bytes again), "restart" (from the start), "chatty" (after a phrase) or "ignore"
	// (it answers as if it were any other request).
	Continue string `yaml:"continue"`
	// RPM is the model's own limit of requests a minute; 0 means none. Quotas can say more.
	RPM int64 `yaml:"rpm"`
	// TPM is the model's own limit of tokens a minute; 0 means none.
	TPM int64 `yaml:"tpm"`
}

// QuotaConfig is what a provider grants to some models in a time, and how it enforces it. Limits that are 0 do not exist.
type QuotaConfig struct {
	// Name tells the quota apart in /sim/stats; the default is made of its models.
	Name string `yaml:"name" example:"chat"`
	// Models are names or globs (`*`) of the models that share the quota, by the names asked for; empty means all.
	Models []string `yaml:"models" example:"[\"gpt-*\"]"`
	// PerModel gives each of the models such a quota of its own.
	PerModel bool `yaml:"per_model"`
	// RPM is the limit of requests a minute.
	RPM int64 `yaml:"rpm" example:"9000"`
	// TPM is the limit of tokens a minute, input and output together.
	TPM int64 `yaml:"tpm" example:"4_200_000"`
	// InputTPM is the limit of input tokens a minute.
	InputTPM int64 `yaml:"input_tpm" example:"2_000_000"`
	// OutputTPM is the limit of output tokens a minute.
	OutputTPM int64 `yaml:"output_tpm" example:"400_000"`
	// RPD is the limit of requests a day, from midnight to midnight in UTC however minutes are enforced.
	RPD int64 `yaml:"rpd" example:"14_400"`
	// TPD is the limit of tokens a day, in the same way.
	TPD int64 `yaml:"tpd" example:"50_000_000"`
	// Enforce says how limits of a minute are enforced: "bucket" (default; refilled all the time), "fixed" (counted from zero in each window),
	// "slices" (a sixtieth of it in each second) or "sliding" (whatever was charged within the last window counts).
	Enforce string `yaml:"enforce"`
	// Burst is how much of its rate a full bucket holds; 0 means a minute's.
	Burst time.Duration `yaml:"burst" example:"10s"`
	// Window is the length of fixed and sliding windows, which hold as much as comes in that time; 0 means a minute.
	Window time.Duration `yaml:"window"`
	// Phase moves the beginnings of fixed windows, which else lie where Unix time is a multiple of their length.
	Phase time.Duration `yaml:"phase"`
	// Charge is which tokens count: "corrected" (default: the input and max_tokens on arrival, at the end what was used), "max_tokens" (the
	// same on arrival, and that stands) or "actual" (the input on arrival, the output at the end).
	Charge string `yaml:"charge"`
	// FreeCached leaves out input that comes from the prompt cache.
	FreeCached bool `yaml:"free_cached"`
	// CountFailed counts requests that are refused, by this quota or by a fault, against the limits of requests, as far as there is
	// something left of them.
	CountFailed bool `yaml:"count_failed"`
	// Headers are "true" (default), "none", "wrong" (all of the limit is left, at all times) or "half" (limits and what is left of them are stated
	// as half of what they are).
	Headers string `yaml:"headers"`
	// RetryAfter is how a refusal states the wait: "true" (default: as exactly as the dialect can), "seconds" (rounded up to whole ones) or "none".
	RetryAfter string `yaml:"retry_after"`
}

// The kinds of models.
const (
	kindChat          = "chat"
	kindEmbedding     = "embedding"
	kindRerank        = "rerank"
	kindModeration    = "moderation"
	kindImage         = "image"
	kindSpeech        = "speech"
	kindTranscription = "transcription"
)

var kinds = [...]string{kindChat, kindEmbedding, kindRerank, kindModeration, kindImage, kindSpeech, kindTranscription}

// traits are what a model can reject.
var traits = [...]string{"temperature", "max_tokens", "prefill", "forced_tools", "budget"}

func (m *ModelConfig) kind() string {
	if m.Kind == "" {
		return kindChat
	}
	return m.Kind
}

// quota is the model's own; nil if it has none.
func (m *ModelConfig) quota() *quota {
	if m.RPM == 0 && m.TPM == 0 {
		return nil
	}
	return newQuota(QuotaConfig{RPM: m.RPM, TPM: m.TPM}, "model "+m.Name)
}

// rejects reports whether requests to the model must not have something.
func (m *ModelConfig) rejects(trait string) bool { return slices.Contains(m.Rejects, trait) }

// standIns are models of the kinds that a configuration has none of, but for chat and embedding.
func standIns(models []ModelConfig) map[string]*model {
	all := map[string]*model{}
	for _, kind := range kinds[2:] {
		if !slices.ContainsFunc(models, func(m ModelConfig) bool { return m.kind() == kind }) {
			all[kind] = &model{cfg: ModelConfig{Name: "sim-" + kind, Kind: kind}, engine: newEngine(Speed{})}
		}
	}
	return all
}

// Speed is a small model of a serving engine with continuous batching. A request waits for a place in the batch, then
// for its prefill (prefills run one after the other), and then gets one token a step.
type Speed struct {
	// Overhead is the time before the prefill starts.
	Overhead time.Duration `yaml:"overhead"`
	// Prefill is the engine's rate in input tokens a second; 0 means no time.
	Prefill float64 `yaml:"prefill"`
	// Step is the time of one decoding step when the batch is empty.
	Step time.Duration `yaml:"step"`
	// StepPerStream is added to the step for each stream in the batch.
	StepPerStream time.Duration `yaml:"step_per_stream"`
	// Batch is the number of requests that decode at once; others queue; 0 means no limit.
	Batch int `yaml:"batch"`
	// Jitter is the sigma of the lognormal factor on every duration; 0 means none.
	Jitter float64 `yaml:"jitter"`
}

// Range is a range of whole numbers, both ends included.
type Range struct {
	// Min is the lower end.
	Min int `yaml:"min"`
	// Max is the upper end.
	Max int `yaml:"max"`
}

// FaultRule applies a fault to some of the requests, at all times or by a schedule.
type FaultRule struct {
	// Fault is what happens, in the grammar of model name suffixes, for example "429;after=2".
	Fault string `yaml:"fault"`
	// Models are names or globs (`*`) of the models concerned; empty means all.
	Models []string `yaml:"models"`
	// Probability is the share of requests concerned, from 0 to 1; 0 means all.
	Probability float64 `yaml:"probability"`
	// First limits the fault to the first N requests of each model; 0 means no limit.
	First int `yaml:"first"`
	// From is when the rule begins to apply, since the start of the simulator or of its schedule (POST /sim/schedule/start).
	From time.Duration `yaml:"from"`
	// For is how long it applies; 0 means for ever.
	For time.Duration `yaml:"for"`
	// Every has it apply again, for the same time, each time that so much has passed since it began; 0 means once. It needs For.
	Every time.Duration `yaml:"every"`
}

// DefaultModels returns the models that are served when the configuration names none.
func DefaultModels() []ModelConfig {
	return []ModelConfig{
		{Name: "sim-fast", PromptCache: true, Context: 128_000, Speed: Speed{
			Overhead: 15 * time.Millisecond,
			Prefill:  40_000, Step: 6 * time.Millisecond, StepPerStream: 30 * time.Microsecond, Batch: 512, Jitter: 0.15,
		}},
		{Name: "sim-slow", PromptCache: true, Context: 200_000, Output: Range{60, 240}, Speed: Speed{
			Overhead: 120 * time.Millisecond, Prefill: 6_000, Step: 28 * time.Millisecond,
			StepPerStream: 200 * time.Microsecond, Batch: 64, Jitter: 0.25,
		}},
		{Name: "sim-reasoning", Reasoning: 120, Context: 200_000, Speed: Speed{
			Overhead: 60 * time.Millisecond,
			Prefill:  15_000, Step: 10 * time.Millisecond, StepPerStream: 80 * time.Microsecond, Batch: 128, Jitter: 0.2,
		}},
		{Name: "sim-embed", Kind: "embedding", Context: 8_192, Speed: Speed{
			Overhead: 8 * time.Millisecond,
			Prefill:  200_000, Jitter: 0.15,
		}},
	}
}

// SetDefaults fills in what a file may leave out: nothing here has a default but the models.
func (c *Config) SetDefaults() {}

// check returns every setting that cannot be used, joined into one error.
func (c *Config) check() error {
	var errs []error
	c.Validate(func(key, message string) { errs = append(errs, fmt.Errorf("%s: %s", key, message)) })
	return errors.Join(errs...)
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.MaxBody < 0 || c.Record < 0 || c.Clock < 0 {
		fail("max_body", "must not be negative, nor must record and clock")
	}
	if c.RecordLight < 0 || c.RecordLight > maxLight || c.RecordLight > 0 && c.Record > 0 {
		fail("record_light", fmt.Sprintf("%d is not from 0 to %d, or record is set too", c.RecordLight, maxLight))
	}
	seen := map[string]bool{}
	for i := range c.Models {
		m := &c.Models[i]
		key := fmt.Sprintf("models[%d].", i)
		if seen[m.Name] {
			fail(key+"name", fmt.Sprintf("%q is there twice", m.Name))
		}
		seen[m.Name] = true
		m.validate(func(k, message string) { fail(key+k, message) })
	}
	if len(c.Quotas) > maxQuotas {
		fail("quotas", fmt.Sprintf("%d are more than %d", len(c.Quotas), maxQuotas))
	}
	for i := range c.Quotas {
		c.Quotas[i].Validate(func(k, message string) { fail(fmt.Sprintf("quotas[%d].%s", i, k), message) })
	}
	if c.Latency != "" && c.Latency != "model" && c.Latency != "none" {
		fail("latency", fmt.Sprintf("%q is neither model nor none", c.Latency))
	}
	if _, err := parseFaults("deviate=" + c.Deviate); c.Deviate != "" && err != nil {
		fail("deviate", err.Error())
	}
	if err := c.Google.check(); err != nil {
		fail("google", err.Error())
	}
	for i := range c.Faults {
		c.Faults[i].Validate(func(key, message string) { fail(fmt.Sprintf("faults[%d].%s", i, key), message) })
	}
}

func (m *ModelConfig) validate(fail func(key, message string)) {
	if m.Name == "" || strings.ContainsAny(m.Name, " \t\r\n") {
		fail("name", fmt.Sprintf("%q is empty or has white space", m.Name))
	}
	if !slices.Contains(kinds[:], m.kind()) {
		fail("kind", fmt.Sprintf("%q is neither chat nor embedding, nor any of %s", m.Kind, strings.Join(kinds[2:], ", ")))
	}
	for i, name := range m.Rejects {
		if !slices.Contains(traits[:], name) {
			fail(fmt.Sprintf("rejects[%d]", i), fmt.Sprintf("%q is none of %s", name, strings.Join(traits[:], ", ")))
		}
	}
	if c := m.Continue; c != "" && c != "exact" && !slices.Contains(strings.Split(goings, "|"), c) {
		fail("continue", fmt.Sprintf("%q is none of exact|%s", c, goings))
	}
	if m.Output.Min < 0 || m.Output.Max < m.Output.Min {
		fail("output", fmt.Sprintf("%d to %d is no range", m.Output.Min, m.Output.Max))
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"reasoning", int64(m.Reasoning)},
		{"tokens_per_event", int64(m.TokensPerEvent)},
		{"context", m.Context},
		{"rpm", m.RPM},
		{"tpm", m.TPM},
	} {
		if n.value < 0 {
			fail(n.key, fmt.Sprintf("%d is negative", n.value))
		}
	}
	if m.Dimensions < 0 || m.Dimensions > maxDimensions {
		fail("dimensions", fmt.Sprintf("%d is not from 0 to %d", m.Dimensions, maxDimensions))
	}
	s := m.Speed
	if s.Overhead < 0 || s.Prefill < 0 || s.Step < 0 || s.StepPerStream < 0 || s.Batch < 0 || s.Jitter < 0 || s.Jitter > 3 {
		fail("speed", "has a value that is negative, or a jitter above 3")
	}
}

// KindOf returns what a model of a configuration is for, chat or embedding; "" if it has no such model.
func KindOf(c Config, name string) string {
	models := c.Models
	if len(models) == 0 {
		models = DefaultModels()
	}
	for _, m := range models {
		if m.Name == name {
			return m.kind()
		}
	}
	return ""
}

// ModelNames returns the names that a simulated provider serves.
func ModelNames(c Config) []string {
	models := c.Models
	if len(models) == 0 {
		models = DefaultModels()
	}
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.Name
	}
	return names
}

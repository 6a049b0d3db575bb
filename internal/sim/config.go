package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/llm"
)

// Config says what a simulated provider serves and how it behaves. The zero Config serves the default models.
type Config struct {
	// Seed decides every choice the simulator makes: same seed, same requests in the same order, same bytes.
	Seed uint64 `yaml:"seed,omitempty"`
	// Clock freezes the time written into answers (created, Date), in Unix seconds; 0 means the real time.
	Clock int64 `yaml:"clock,omitempty"`
	// APIKey is the bearer key that clients must send; empty accepts every client.
	APIKey llm.Secret `yaml:"-"`
	// Latency is "model" (default: a small model of a serving engine) or "none" (answer as fast as possible).
	Latency string `yaml:"latency,omitempty"`
	// AnyModel serves unknown model names too, with the behaviour of the first model of the kind asked for.
	AnyModel bool `yaml:"any_model,omitempty"`
	// MaxBody is the largest request body in bytes; 0 means 64 MiB.
	MaxBody int64 `yaml:"max_body,omitempty"`
	// Record keeps the last N requests with headers and bodies for /sim/requests; 0 keeps none.
	Record int `yaml:"record,omitempty"`
	// Models are served models; empty means the default ones (see DefaultModels).
	Models []ModelConfig `yaml:"models,omitempty"`
	// Faults are applied to requests that name no fault themselves.
	Faults []FaultRule `yaml:"faults,omitempty"`
}

// ModelConfig is one simulated model.
type ModelConfig struct {
	// Name is the model's name as clients send it.
	Name string `yaml:"name"`
	// Kind is "chat" (default, serves completions too) or "embedding".
	Kind string `yaml:"kind,omitempty"`
	// Speed is the model of the serving engine; the zero Speed answers as fast as possible.
	Speed Speed `yaml:"speed,omitempty"`
	// Output bounds the natural length of an answer in tokens; zero means 24 to 96.
	Output Range `yaml:"output,omitempty"`
	// Reasoning is the mean number of reasoning tokens before the answer; above 0 makes it a reasoning model.
	Reasoning int `yaml:"reasoning,omitempty"`
	// TokensPerEvent is the number of tokens in one event of a stream; 0 means 1.
	TokensPerEvent int `yaml:"tokens_per_event,omitempty"`
	// Context is the model's window in tokens, input and output together; 0 means no limit.
	Context int64 `yaml:"context,omitempty"`
	// PromptCache counts a prompt's prefix as cached when it was seen before (1,024 tokens and more, in steps of 128).
	PromptCache bool `yaml:"prompt_cache,omitempty"`
	// Dimensions is the length of an embedding; 0 means 256.
	Dimensions int `yaml:"dimensions,omitempty"`
	// RPM is the limit of requests a minute; 0 means none.
	RPM int64 `yaml:"rpm,omitempty"`
	// TPM is the limit of tokens a minute; 0 means none.
	TPM int64 `yaml:"tpm,omitempty"`
}

// Speed is a small model of a serving engine with continuous batching. A request waits for a place in the batch, then
// for its prefill (prefills run one after the other), and then gets one token a step.
type Speed struct {
	// Overhead is the time before the prefill starts.
	Overhead time.Duration `yaml:"overhead,omitempty"`
	// Prefill is the engine's rate in input tokens a second; 0 means no time.
	Prefill float64 `yaml:"prefill,omitempty"`
	// Step is the time of one decoding step when the batch is empty.
	Step time.Duration `yaml:"step,omitempty"`
	// StepPerStream is added to the step for each stream in the batch.
	StepPerStream time.Duration `yaml:"step_per_stream,omitempty"`
	// Batch is the number of requests that decode at once; others queue; 0 means no limit.
	Batch int `yaml:"batch,omitempty"`
	// Jitter is the sigma of the lognormal factor on every duration; 0 means none.
	Jitter float64 `yaml:"jitter,omitempty"`
}

// Range is a range of whole numbers, both ends included.
type Range struct {
	// Min is the lower end.
	Min int `yaml:"min"`
	// Max is the upper end.
	Max int `yaml:"max"`
}

// FaultRule applies a fault to some of the requests.
type FaultRule struct {
	// Fault is what happens, in the grammar of model name suffixes, for example "429;after=2".
	Fault string `yaml:"fault"`
	// Models are names or globs (`*`) of the models concerned; empty means all.
	Models []string `yaml:"models,omitempty"`
	// Probability is the share of requests concerned, from 0 to 1; 0 means all.
	Probability float64 `yaml:"probability,omitempty"`
	// First limits the fault to the first N requests of each model; 0 means no limit.
	First int `yaml:"first,omitempty"`
}

// DefaultModels returns the models that are served when the configuration names none.
func DefaultModels() []ModelConfig {
	return []ModelConfig{
		{Name: "sim-fast", PromptCache: true, Context: 128_000, Speed: Speed{Overhead: 15 * time.Millisecond,
			Prefill: 40_000, Step: 6 * time.Millisecond, StepPerStream: 30 * time.Microsecond, Batch: 512, Jitter: 0.15}},
		{Name: "sim-slow", PromptCache: true, Context: 200_000, Output: Range{60, 240}, Speed: Speed{
			Overhead: 120 * time.Millisecond, Prefill: 6_000, Step: 28 * time.Millisecond,
			StepPerStream: 200 * time.Microsecond, Batch: 64, Jitter: 0.25}},
		{Name: "sim-reasoning", Reasoning: 120, Context: 200_000, Speed: Speed{Overhead: 60 * time.Millisecond,
			Prefill: 15_000, Step: 10 * time.Millisecond, StepPerStream: 80 * time.Microsecond, Batch: 128, Jitter: 0.2}},
		{Name: "sim-embed", Kind: "embedding", Context: 8_192, Speed: Speed{Overhead: 8 * time.Millisecond,
			Prefill: 200_000, Jitter: 0.15}},
	}
}

// Validate reports every setting that cannot be used, joined into one error.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Latency != "" && c.Latency != "model" && c.Latency != "none" {
		bad("latency: %q is neither model nor none", c.Latency)
	}
	if c.MaxBody < 0 || c.Record < 0 || c.Clock < 0 {
		bad("max_body, record and clock must not be negative")
	}
	seen := map[string]bool{}
	for i := range c.Models {
		m := &c.Models[i]
		if seen[m.Name] {
			bad("models[%d].name: %q is there twice", i, m.Name)
		}
		seen[m.Name] = true
		if err := m.validate(); err != nil {
			bad("models[%d]: %w", i, err)
		}
	}
	for i, r := range c.Faults {
		if r.Fault == "" {
			bad("faults[%d].fault: is missing", i)
		}
		if r.Probability < 0 || r.Probability > 1 || r.First < 0 {
			bad("faults[%d]: probability is not from 0 to 1, or first is negative", i)
		}
	}
	return errors.Join(errs...)
}

func (m *ModelConfig) validate() error {
	switch {
	case m.Name == "" || strings.ContainsAny(m.Name, " \t\r\n"):
		return fmt.Errorf("name: %q is empty or has white space", m.Name)
	case m.Kind != "" && m.Kind != "chat" && m.Kind != "embedding":
		return fmt.Errorf("kind: %q is neither chat nor embedding", m.Kind)
	case m.Output.Min < 0 || m.Output.Max < m.Output.Min:
		return fmt.Errorf("output: %d to %d is no range", m.Output.Min, m.Output.Max)
	case m.Reasoning < 0 || m.TokensPerEvent < 0 || m.Context < 0 || m.Dimensions < 0 || m.RPM < 0 || m.TPM < 0:
		return errors.New("a number is negative")
	case m.Speed.Overhead < 0 || m.Speed.Prefill < 0 || m.Speed.Step < 0 || m.Speed.StepPerStream < 0 ||
		m.Speed.Batch < 0 || m.Speed.Jitter < 0 || m.Speed.Jitter > 3:
		return errors.New("speed: a value is negative, or jitter is above 3")
	}
	return nil
}

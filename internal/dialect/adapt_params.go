package dialect

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// sampling drops and clamps what says how tokens are drawn.
func (a *adapter) sampling() {
	c := a.c
	a.whileThinking()
	a.temperature()
	a.number(model.TopP, &c.TopP, "1")
	if a.t.OneSampling && c.Temperature != "" && c.TopP != "" {
		c.TopP = ""
		a.lost(model.TopP, "the model takes it or a temperature, not both")
	}
	a.number(model.TopK, &c.TopK, "")
	a.number(model.FrequencyPenalty, &c.FrequencyPenalty, "0")
	a.number(model.PresencePenalty, &c.PresencePenalty, "0")
	a.number(model.Seed, &c.Seed, "")
	if c.Logprobs && a.sampled(model.Logprobs) == No {
		c.Logprobs, c.TopLogprobs = false, 0
		a.note(model.Logprobs)
	}
	if c.LogitBias != "" && a.can(model.LogitBias) == No {
		if strings.TrimSpace(c.LogitBias) != "{}" {
			a.note(model.LogitBias)
		}
		c.LogitBias = ""
	}
	if c.Choices > 1 && a.can(model.ManyChoices) == No {
		c.Choices = 1
		a.note(model.ManyChoices)
	}
	a.stop()
	if c.Verbosity != "" && a.can(model.Verbosity) == No {
		if c.Verbosity != "medium" { // the default
			a.note(model.Verbosity)
		}
		c.Verbosity = ""
	}
}

// sampled is can, for what some models take as long as they do not think.
func (a *adapter) sampled(f model.Feature) Level {
	if a.t.SamplingWhenOff && a.c.Reasoning.Effort == "none" {
		level, _ := Can(f, a.to, nil)
		return level
	}
	return a.can(f)
}

// number drops a number that the target has no place for. Its default means the same where it is not said.
func (a *adapter) number(f model.Feature, n *llm.Number, byDefault string) {
	if *n == "" || a.sampled(f) != No {
		return
	}
	if v, err := strconv.ParseFloat(string(*n), 64); err != nil || byDefault == "" || strconv.FormatFloat(v, 'g', -1, 64) != byDefault {
		a.note(f)
	}
	*n = ""
}

func (a *adapter) temperature() {
	c := a.c
	if c.Temperature == "" {
		return
	}
	a.number(model.Temperature, &c.Temperature, "1")
	most := a.t.MaxTemperature
	if most == 0 && a.can(model.Temperature) == Changed {
		most = 1
	}
	if v, err := strconv.ParseFloat(string(c.Temperature), 64); err == nil && most > 0 && v > most {
		c.Temperature = llm.Number(strconv.FormatFloat(most, 'g', -1, 64))
		a.minor(model.Temperature, "the target takes at most "+string(c.Temperature)+", so that is what it is sent")
	}
}

// whileThinking drops what Claude refuses of sampling while it thinks, adaptively or with a budget: any temperature but 1, top_k, and a
// top_p below 0.95 (platform.claude.com extended thinking, feature compatibility, 2026-11-21).
func (a *adapter) whileThinking() {
	c, r := a.c, &a.c.Reasoning
	if a.to != llm.Anthropic && a.to != llm.Converse || r.Mode != llm.ThinkAdaptive && (r.Mode != llm.ThinkOn || r.Budget == 0) {
		return
	}
	if v, err := strconv.ParseFloat(string(c.Temperature), 64); c.Temperature != "" && (err != nil || v != 1) {
		a.lost(model.Temperature, "the model takes no temperature while it thinks")
	}
	c.Temperature = ""
	if c.TopK != "" {
		a.lost(model.TopK, "the model takes none while it thinks")
		c.TopK = ""
	}
	if v, err := strconv.ParseFloat(string(c.TopP), 64); c.TopP != "" && (err != nil || v < 0.95) {
		a.lost(model.TopP, "the model takes none below 0.95 while it thinks")
		c.TopP = ""
	}
}

// maxStop is how many stop sequences a dialect takes: PROVIDERS.md 1.2 (OpenAI), ai.google.dev GenerationConfig (Gemini, 5).
func (a *adapter) maxStop() int {
	switch {
	case a.t.MaxStop > 0:
		return a.t.MaxStop
	case a.to == llm.OpenAI:
		return 4
	case a.to == llm.Gemini:
		return 5
	}
	return 0
}

func (a *adapter) stop() {
	c := a.c
	if len(c.Stop) == 0 {
		return
	}
	if a.can(model.Stop) == No {
		c.Stop = nil
		a.note(model.Stop)
		return
	}
	if a.to == llm.Anthropic { // it refuses sequences of nothing but white space
		kept := c.Stop[:0]
		for _, s := range c.Stop {
			if strings.TrimSpace(s) == "" {
				a.lost(model.Stop, "the target takes no stop sequence of white space alone")
				continue
			}
			kept = append(kept, s)
		}
		c.Stop = kept
	}
	if most := a.maxStop(); most > 0 && len(c.Stop) > most {
		c.Stop = c.Stop[:most]
		a.lost(model.Stop, "the target takes at most "+strconv.Itoa(most)+" stop sequences, so that the first of them are sent")
	}
}

// defaultOutput is the limit on output for a client that sets none, where the target must have one. It is no larger since providers charge
// a quota for the limit and not for what comes (PROVIDERS.md 2.5), and below 21,333, from which on Anthropic's SDKs refuse calls
// that are not streamed (2.7).
const defaultOutput = 16384

// minResponses is the smallest limit on output that OpenAI's Responses takes: "Expected a value >= 16". [K]
const minResponses = 16

// output sets the limit on output.
func (a *adapter) output() {
	c, most := a.c, a.t.MaxOutput
	switch {
	case c.MaxTokens == 0 && a.to == llm.Anthropic:
		c.MaxTokens = defaultOutput
		if most > 0 {
			c.MaxTokens = min(c.MaxTokens, most)
		}
		a.minor(model.MaxTokens, "the target must have a limit, so it is sent "+strconv.FormatInt(c.MaxTokens, 10))
	case a.to == llm.Responses && c.MaxTokens > 0 && c.MaxTokens < minResponses && a.from != a.to:
		c.MaxTokens = minResponses
		a.minor(model.MaxTokens, "the target takes no limit below "+strconv.Itoa(minResponses)+", so that is what it is sent")
	case most > 0 && c.MaxTokens > most && a.from != a.to:
		c.MaxTokens = most
		a.minor(model.MaxTokens, "the model's largest output is "+strconv.FormatInt(most, 10)+", so that is what it is sent")
	}
}

// account drops what is about the caller and the account, not about the answer.
func (a *adapter) account() {
	c := a.c
	drop := func(f model.Feature, s *string, minor bool) {
		if *s != "" && a.can(f) == No {
			_, how := Can(f, a.to, a.t)
			a.tell(nameOf(f, a.from), how, minor)
			*s = ""
		}
	}
	drop(model.User, &c.User, false)
	drop(model.SafetyIdentifier, &c.SafetyIdentifier, false)
	drop(model.CacheKey, &c.CacheKey, true)
	if strings.TrimSpace(c.Metadata) == "{}" {
		c.Metadata = ""
	}
	drop(model.Metadata, &c.Metadata, false)
	if c.Metadata != "" && a.to == llm.Gemini && !areLabels(c.Metadata) {
		c.Metadata = ""
		a.lost(model.Metadata, "the target takes labels of lower-case letters, digits, _ and - only, of up to 63")
	}
	if c.ServiceTier == "auto" && a.can(model.ServiceTier) == No {
		c.ServiceTier = ""
	}
	drop(model.ServiceTier, &c.ServiceTier, false)
	a.tier()
}

// areLabels reports whether metadata can be the labels of a call to Vertex AI, which refuses others: names begin with a letter
// (cloud.google.com/vertex-ai/generative-ai/docs/multimodal/add-labels-to-api-calls).
func areLabels(metadata string) bool {
	var all map[string]string
	if !unmarshal(metadata, &all) || len(all) > 64 {
		return false
	}
	word := func(s string) bool { return len(s) <= 63 && only(s, "_-") && s == strings.ToLower(s) }
	for k, v := range all {
		if k == "" || k[0] < 'a' || k[0] > 'z' || !word(k) || !word(v) {
			return false
		}
	}
	return true
}

// tier drops a service tier that the target has no word for. auto and default are those that all have.
func (a *adapter) tier() {
	var known []string
	switch a.to {
	case llm.Anthropic:
		known = []string{"priority"} // its auto: priority where there is some
	case llm.Gemini, llm.Converse:
		known = []string{"flex", "priority", "fast", "reserved"}
	default:
		return
	}
	switch c := a.c; c.ServiceTier {
	case "", "auto", "default":
	default:
		for _, k := range known {
			if c.ServiceTier == k {
				return
			}
		}
		a.lost(model.ServiceTier, "the target has no service tier "+strconv.Quote(c.ServiceTier))
		c.ServiceTier = ""
	}
}

package gemini

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// config appends generationConfig, if there is something in it.
func (e *encoder) config() {
	undo := len(e.dst)
	e.name("generationConfig")
	e.dst = append(e.dst, '{')
	start := len(e.dst)
	e.sampling()
	e.format()
	e.thinking()
	if len(e.dst) == start {
		e.dst = e.dst[:undo]
		return
	}
	e.dst = append(e.dst, '}')
}

func (e *encoder) sampling() {
	c := e.chat
	if c.MaxTokens > 0 {
		e.integer("maxOutputTokens", c.MaxTokens)
	}
	if c.Choices > 1 {
		e.integer("candidateCount", int64(c.Choices))
	}
	if len(c.Stop) > 0 {
		e.name("stopSequences")
		e.texts(c.Stop)
	}
	for _, n := range [...]struct {
		name  string
		value llm.Number
	}{
		{"temperature", c.Temperature},
		{"topP", c.TopP},
		{"topK", c.TopK},
		{"frequencyPenalty", c.FrequencyPenalty},
		{"presencePenalty", c.PresencePenalty},
		{"seed", c.Seed},
	} {
		if n.value != "" {
			e.name(n.name)
			e.dst = append(e.dst, n.value...)
		}
	}
	if c.Logprobs {
		e.name("responseLogprobs")
		e.dst = append(e.dst, "true"...)
		if c.TopLogprobs > 0 {
			e.integer("logprobs", int64(c.TopLogprobs))
		}
	}
}

func (e *encoder) format() {
	f := &e.chat.Format
	if f.Kind != llm.FormatJSON && f.Kind != llm.FormatSchema {
		return
	}
	e.name("responseMimeType")
	e.dst = append(e.dst, `"application/json"`...)
	if f.Kind == llm.FormatSchema && f.Schema != "" {
		e.name("responseJsonSchema")
		e.dst = append(e.dst, f.Schema...)
	}
}

// thinking appends thinkingConfig. The API takes a budget or a level, not both: a budget is the more exact of the two.
func (e *encoder) thinking() {
	r := &e.chat.Reasoning
	if *r == (llm.Reasoning{}) {
		return
	}
	off := r.Mode == llm.ThinkOff || r.Effort == "none"
	e.name("thinkingConfig")
	e.dst = append(e.dst, '{')
	switch level := levelOf(r.Effort); {
	case r.Budget > 0 && !off:
		e.integer("thinkingBudget", r.Budget)
	case level != "":
		e.name("thinkingLevel")
		e.dst = wire.AppendString(e.dst, level)
	case off:
		e.integer("thinkingBudget", 0)
	case r.Mode == llm.ThinkAdaptive:
		e.integer("thinkingBudget", -1)
	}
	if r.Summary != "none" && !(off && levelOf(r.Effort) == "") {
		e.name("includeThoughts")
		e.dst = append(e.dst, "true"...)
	}
	e.dst = append(e.dst, '}')
}

// levelOf returns the thinkingLevel for an effort, "" if there is none (ThinkingLevel of go-genai 1.77.0 ends at HIGH).
func levelOf(effort string) string {
	switch effort {
	case "minimal":
		return "MINIMAL"
	case "low":
		return "LOW"
	case "medium":
		return "MEDIUM"
	case "high", "xhigh", "max":
		return "HIGH"
	}
	return ""
}

package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/model"
)

// spellings are the names of features in requests of each dialect: what a client of that dialect calls them, which notes repeat. "" is a
// feature that the dialect cannot ask for.
var spellings = [...][llm.Converse + 1]string{
	model.Temperature:      names("temperature", "temperature", "temperature", "generationConfig.temperature", "inferenceConfig.temperature"),
	model.TopP:             names("top_p", "top_p", "top_p", "generationConfig.topP", "inferenceConfig.topP"),
	model.TopK:             names("top_k", "", "top_k", "generationConfig.topK", "additionalModelRequestFields.top_k"),
	model.FrequencyPenalty: names("frequency_penalty", "", "", "generationConfig.frequencyPenalty", ""),
	model.PresencePenalty:  names("presence_penalty", "", "", "generationConfig.presencePenalty", ""),
	model.Seed:             names("seed", "", "", "generationConfig.seed", ""),
	model.Logprobs:         names("logprobs", "top_logprobs", "", "generationConfig.responseLogprobs", ""),
	model.LogitBias:        names("logit_bias", "", "", "", ""),
	model.ManyChoices:      names("n", "", "", "generationConfig.candidateCount", ""),
	model.Stop:             names("stop", "", "stop_sequences", "generationConfig.stopSequences", "inferenceConfig.stopSequences"),
	model.MaxTokens:        names("max_completion_tokens", "max_output_tokens", "max_tokens", "generationConfig.maxOutputTokens", "inferenceConfig.maxTokens"),
	model.Verbosity:        names("verbosity", "text.verbosity", "", "", ""),
	model.User:             names("user", "user", "metadata.user_id", "", ""),
	model.SafetyIdentifier: names("safety_identifier", "safety_identifier", "", "", ""),
	model.ServiceTier:      names("service_tier", "service_tier", "service_tier", "serviceTier", "serviceTier"),
	model.Metadata:         names("metadata", "metadata", "", "labels", "requestMetadata"),
	model.CacheKey:         names("prompt_cache_key", "prompt_cache_key", "", "", ""),

	model.Effort:           names("reasoning_effort", "reasoning.effort", "output_config.effort", "generationConfig.thinkingConfig.thinkingLevel", "outputConfig.effort"),
	model.Budget:           names("", "", "thinking.budget_tokens", "generationConfig.thinkingConfig.thinkingBudget", "additionalModelRequestFields.thinking"),
	model.AdaptiveThinking: names("", "", "thinking", "generationConfig.thinkingConfig.thinkingBudget", "additionalModelRequestFields.thinking"),
	model.ThinkingOff:      names("reasoning_effort", "reasoning.effort", "thinking", "generationConfig.thinkingConfig.thinkingBudget", "additionalModelRequestFields.thinking"),
	model.ThinkingSummary:  names("", "reasoning.summary", "thinking.display", "generationConfig.thinkingConfig.includeThoughts", ""),

	model.CustomTools:    names("tools[].custom", "tools[].type", "", "", ""),
	model.StrictTools:    names("tools[].function.strict", "tools[].strict", "tools[].strict", "", "toolConfig.tools[].toolSpec.strict"),
	model.ForcedTools:    names("tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig", "toolConfig.toolChoice"),
	model.NamedTools:     names("tool_choice", "tool_choice", "", "toolConfig.functionCallingConfig", ""),
	model.NoToolChoice:   names("tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig", ""),
	model.ParallelSwitch: names("parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "", ""),
	model.JSONObject:     names("response_format", "text.format", "", "generationConfig.responseMimeType", ""),
	model.JSONSchema:     names("response_format", "text.format", "output_config.format", "generationConfig.responseJsonSchema", "outputConfig.textFormat"),

	model.DeveloperRole:   names("messages[].role", "input[].role", "", "", ""),
	model.SystemRole:      names("messages[].role", "instructions", "system", "systemInstruction", "system"),
	model.SystemMidway:    names("messages[].role", "input[].role", "messages[].role", "", ""),
	model.Prefill:         names("messages", "input", "messages", "contents", "messages"),
	model.Names:           names("messages[].name", "", "", "", ""),
	model.ImageData:       names("messages[].content[].image_url", "input[].content[].image_url", "messages[].content[].source", "contents[].parts[].inlineData", "messages[].content[].image"),
	model.ImageURL:        names("messages[].content[].image_url", "input[].content[].image_url", "messages[].content[].source", "contents[].parts[].fileData", "messages[].content[].image"),
	model.ImageDetail:     names("messages[].content[].image_url.detail", "input[].content[].detail", "", "", ""),
	model.FileData:        names("messages[].content[].file", "input[].content[].file_data", "messages[].content[].document", "contents[].parts[].inlineData", "messages[].content[].document"),
	model.FileURL:         names("", "input[].content[].file_url", "messages[].content[].document", "contents[].parts[].fileData", "messages[].content[].document"),
	model.FileID:          names("messages[].content[].file.file_id", "input[].content[].file_id", "messages[].content[].source.file_id", "contents[].parts[].fileData", ""),
	model.AudioInput:      names("messages[].content[].input_audio", "input[].content[].input_audio", "", "contents[].parts[].inlineData", "messages[].content[].audio"),
	model.ToolImages:      names("messages[].content", "input[].output", "messages[].content[].content", "contents[].parts[].functionResponse", "messages[].content[].toolResult.content"),
	model.ToolErrors:      names("", "", "messages[].content[].is_error", "contents[].parts[].functionResponse", "messages[].content[].toolResult.status"),
	model.ThinkingHistory: names("messages[].reasoning_content", "input[].encrypted_content", "messages[].content[].thinking", "contents[].parts[].thoughtSignature", "messages[].content[].reasoningContent"),
	model.CacheMarks:      names("messages[].content[].prompt_cache_breakpoint", "input[].content[].prompt_cache_breakpoint", "cache_control", "", "cachePoint"),
	model.Citations:       names("messages[].annotations", "input[].content[].annotations", "messages[].content[].citations", "", "messages[].content[].citationsContent"),
}

func names(openai, responses, anthropic, gemini, converse string) [llm.Converse + 1]string {
	return [...]string{llm.OpenAI: openai, llm.Responses: responses, llm.Anthropic: anthropic, llm.Gemini: gemini, llm.Converse: converse}
}

// spelling returns what a dialect calls a feature in its requests; "" if it cannot ask for it.
func spelling(f model.Feature, d llm.Dialect) string {
	if int(f) < len(spellings) && int(d) < len(spellings[f]) {
		return spellings[f][d]
	}
	return ""
}

// nameOf returns what a client of a dialect would call a feature: the dialect's spelling, or the feature's own name.
func nameOf(f model.Feature, d llm.Dialect) string {
	if s := spelling(f, d); s != "" {
		return s
	}
	return f.String()
}

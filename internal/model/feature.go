package model

import (
	"fmt"
	"strings"
)

// Feature is something that a chat request may ask for, or contain, and that a dialect or a model may not be able to do.
type Feature uint8

// The features. Their names, in String, are those of OpenAI's parameters where it has one.
const (
	Temperature Feature = iota
	TopP
	TopK
	FrequencyPenalty
	PresencePenalty
	Seed
	Logprobs
	LogitBias
	ManyChoices // n greater than 1
	Stop
	MaxTokens
	Verbosity
	User
	SafetyIdentifier
	ServiceTier
	Metadata
	CacheKey

	Effort           // how much to think, by a level
	Budget           // how much to think, in tokens
	AdaptiveThinking // the model thinks as it sees fit
	ThinkingOff      // thinking can be switched off
	ThinkingSummary  // the client says what it wants to see of it

	CustomTools    // tools that take free text
	StrictTools    // arguments held to the schema
	ForcedTools    // the model must call some tool, or a certain one
	NamedTools     // the choice is limited to several of the tools
	NoToolChoice   // tools are there and must not be called
	ParallelSwitch // whether several calls may be made at once
	JSONObject
	JSONSchema

	DeveloperRole
	SystemRole   // system messages, or an instruction beside the messages
	SystemMidway // a system message after the conversation has begun
	Prefill      // the last message is the assistant's, and is to be continued
	Names        // of participants
	ImageData    // images within the request
	ImageURL     // images by their address
	ImageDetail  // the resolution to look at
	FileData     // documents within the request
	FileURL      // documents by their address
	FileID       // what was uploaded to the provider before
	AudioInput
	ToolImages      // images in the results of tools
	ToolErrors      // a tool's result is marked as an error
	ThinkingHistory // thinking of earlier turns goes back to the provider
	CacheMarks      // prompt-cache breakpoints
	Citations       // of earlier answers go back to the provider

	featureCount
)

var featureNames = [featureCount]string{
	Temperature: "temperature", TopP: "top_p", TopK: "top_k", FrequencyPenalty: "frequency_penalty",
	PresencePenalty: "presence_penalty", Seed: "seed", Logprobs: "logprobs", LogitBias: "logit_bias", ManyChoices: "n",
	Stop: "stop", MaxTokens: "max_tokens", Verbosity: "verbosity", User: "user", SafetyIdentifier: "safety_identifier",
	ServiceTier: "service_tier", Metadata: "metadata", CacheKey: "prompt_cache_key",
	Effort: "reasoning_effort", Budget: "reasoning_budget", AdaptiveThinking: "adaptive_thinking", ThinkingOff: "thinking_off",
	ThinkingSummary: "thinking_summary",
	CustomTools:     "custom_tools", StrictTools: "strict_tools", ForcedTools: "tool_choice_forced", NamedTools: "allowed_tools",
	NoToolChoice: "tool_choice_none", ParallelSwitch: "parallel_tool_calls",
	JSONObject: "json_object", JSONSchema: "json_schema",
	DeveloperRole: "developer_role", SystemRole: "system_role", SystemMidway: "system_midway", Prefill: "prefill", Names: "names",
	ImageData: "image_data", ImageURL: "image_url", ImageDetail: "image_detail", FileData: "file_data", FileURL: "file_url", FileID: "file_id",
	AudioInput: "audio_input", ToolImages: "tool_images", ToolErrors: "tool_errors", ThinkingHistory: "thinking_history",
	CacheMarks: "cache_marks", Citations: "citations",
}

// String returns the feature's name in the capability matrix and in the table of traits.
func (f Feature) String() string {
	if f >= featureCount {
		return "unknown"
	}
	return featureNames[f]
}

// AllFeatures returns every feature, in a fixed order.
func AllFeatures() []Feature {
	all := make([]Feature, featureCount)
	for i := range all {
		all[i] = Feature(i)
	}
	return all
}

// ParseFeature returns the feature of a name.
func ParseFeature(name string) (Feature, error) {
	for f, n := range featureNames {
		if n == name {
			return Feature(f), nil
		}
	}
	return 0, fmt.Errorf("unknown feature %q", name)
}

// Features is a set of features.
type Features uint64

// Of returns the set of the given features.
func Of(all ...Feature) (s Features) {
	for _, f := range all {
		s |= 1 << f
	}
	return s
}

// Has reports whether f is in the set.
func (s Features) Has(f Feature) bool { return s&(1<<f) != 0 }

// List returns the features of the set, in their order.
func (s Features) List() []Feature {
	var all []Feature
	for f := range featureCount {
		if s.Has(f) {
			all = append(all, f)
		}
	}
	return all
}

// String returns the names, separated by commas.
func (s Features) String() string {
	var names []string
	for _, f := range s.List() {
		names = append(names, f.String())
	}
	return strings.Join(names, ",")
}

package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/model"
)

// Level says whether a target can do what a feature asks for.
type Level uint8

// The levels.
const (
	No      Level = iota // it is left out
	Changed              // it is expressed otherwise
	Yes
)

// String returns the level's name in the capability matrix.
func (l Level) String() string { return [...]string{"no", "changed", "yes"}[l] }

// capability is what a dialect makes of a feature, and how. How is a clause for people: it is the reason in notes and in the matrix.
type capability struct {
	level Level
	how   string
}

func yes() capability               { return capability{level: Yes} }
func no(how string) capability      { return capability{No, how} }
func changed(how string) capability { return capability{Changed, how} }

// row is one feature in the target dialects.
type row [llm.Converse + 1]capability

func of(openai, responses, anthropic, gemini, converse capability) row {
	return row{llm.OpenAI: openai, llm.Responses: responses, llm.Anthropic: anthropic, llm.Gemini: gemini, llm.Converse: converse}
}

// The reasons that several dialects share.
const (
	noParam     = "the target's protocol has no such parameter"
	noFetch     = "the target takes data only, and this gateway does not fetch addresses"
	ownUploads  = "the id means nothing to the target's provider"
	toSystem    = "it is sent as a system message"
	toTop       = "it is joined to the instructions before the conversation"
	noNames     = "the target's messages have no names"
	ownThoughts = "only what the target's own provider signed is given back"
	noSign      = "thinking of another provider cannot be given back to the target"
	oneAnswer   = "the target gives one answer a call"
	oneString   = "it is sent as a function with one string"
	asJSON      = "an instruction to answer in JSON is added to the system message"
	ownWay      = "the model thinks as its provider sets it"
	asEffort    = "it is sent as a level of effort"
	turnedOver  = "the target takes it as a finished turn, and does not go on with it"
	bareText    = "the text is sent without them"
	cachesSelf  = "the target caches by itself"
	saysError   = "the result's text says that it is an error"
	afterwards  = "they are sent in a user message after the results"
	noTools     = "the tools are left out"
	noAudio     = "the target takes no audio"
	clamped     = "the target takes at most 1, so that is what it is sent"
	modelNot    = "the model does not take it"
	filterTools = "the target knows no such choice, so it is sent only these tools"
)

// capabilities are what the target dialects can do of each feature. Adapt asks it for each step, and the matrix of GET
// /v1/capabilities shows it. Sources: PROVIDERS.md 1.2, 1.3, 2.2, 2.7, 3.2 and 4.1 (2026-11-20).
var capabilities = [...]row{
	model.Temperature:      of(yes(), yes(), changed(clamped), yes(), changed(clamped)),
	model.TopP:             of(yes(), yes(), yes(), yes(), yes()),
	model.TopK:             of(no(noParam), no(noParam), yes(), yes(), no(noParam)),
	model.FrequencyPenalty: of(yes(), no(noParam), no(noParam), yes(), no(noParam)),
	model.PresencePenalty:  of(yes(), no(noParam), no(noParam), yes(), no(noParam)),
	model.Seed:             of(yes(), no(noParam), no(noParam), yes(), no(noParam)),
	model.Logprobs:         of(yes(), yes(), no(noParam), yes(), no(noParam)),
	model.LogitBias:        of(yes(), no(noParam), no(noParam), no(noParam), no(noParam)),
	model.ManyChoices:      of(yes(), no(oneAnswer), no(oneAnswer), yes(), no(oneAnswer)),
	model.Stop:             of(yes(), no(noParam), yes(), yes(), yes()),
	model.MaxTokens:        of(yes(), yes(), yes(), yes(), yes()),
	model.Verbosity:        of(yes(), yes(), no(noParam), no(noParam), no(noParam)),
	model.User:             of(yes(), yes(), yes(), no(noParam), no(noParam)),
	model.SafetyIdentifier: of(yes(), yes(), no(noParam), no(noParam), no(noParam)),
	model.ServiceTier:      of(yes(), yes(), yes(), yes(), yes()),
	model.Metadata:         of(yes(), yes(), no(noParam), yes(), yes()),
	model.CacheKey:         of(yes(), yes(), no(noParam), no(noParam), no(noParam)),

	model.Effort:           of(yes(), yes(), yes(), yes(), yes()),
	model.Budget:           of(changed(asEffort), changed(asEffort), yes(), yes(), no(noParam)),
	model.AdaptiveThinking: of(changed(ownWay), changed(ownWay), yes(), yes(), no(noParam)),
	model.ThinkingOff:      of(yes(), yes(), yes(), yes(), no(noParam)),
	model.ThinkingSummary:  of(no(noParam), yes(), yes(), yes(), no(noParam)),

	model.CustomTools:    of(yes(), yes(), changed(oneString), changed(oneString), changed(oneString)),
	model.StrictTools:    of(yes(), yes(), yes(), no(noParam), yes()),
	model.ForcedTools:    of(yes(), yes(), yes(), yes(), yes()),
	model.NamedTools:     of(yes(), yes(), changed(filterTools), changed(filterTools), changed(filterTools)),
	model.NoToolChoice:   of(yes(), yes(), yes(), yes(), changed(noTools)),
	model.ParallelSwitch: of(yes(), yes(), yes(), no(noParam), no(noParam)),
	model.JSONObject:     of(yes(), yes(), changed(asJSON), yes(), changed(asJSON)),
	model.JSONSchema:     of(yes(), yes(), yes(), yes(), yes()),

	model.DeveloperRole:   of(yes(), yes(), changed(toSystem), changed(toSystem), changed(toSystem)),
	model.SystemRole:      of(yes(), yes(), yes(), yes(), yes()),
	model.SystemMidway:    of(yes(), yes(), changed(toTop), changed(toTop), changed(toTop)),
	model.Prefill:         of(changed(turnedOver), changed(turnedOver), yes(), yes(), yes()),
	model.Names:           of(yes(), no(noNames), no(noNames), no(noNames), no(noNames)),
	model.ImageData:       of(yes(), yes(), yes(), yes(), yes()),
	model.ImageURL:        of(yes(), yes(), yes(), no(noFetch), no(noFetch)),
	model.ImageDetail:     of(yes(), yes(), no(noParam), no(noParam), no(noParam)),
	model.FileData:        of(yes(), yes(), yes(), yes(), yes()),
	model.FileURL:         of(no(noFetch), yes(), yes(), no(noFetch), no(noFetch)),
	model.FileID:          of(no(ownUploads), no(ownUploads), no(ownUploads), no(ownUploads), no(ownUploads)),
	model.AudioInput:      of(yes(), no(noAudio), no(noAudio), yes(), yes()),
	model.ToolImages:      of(changed(afterwards), yes(), yes(), yes(), yes()),
	model.ToolErrors:      of(changed(saysError), changed(saysError), yes(), yes(), yes()),
	model.ThinkingHistory: of(changed(ownThoughts), changed(ownThoughts), changed(ownThoughts), changed(ownThoughts), changed(ownThoughts)),
	model.CacheMarks:      of(no(cachesSelf), no(cachesSelf), yes(), no(cachesSelf), no(cachesSelf)),
	model.Citations:       of(no(bareText), no(bareText), no(bareText), no(bareText), no(bareText)),
}

// Can returns what a target of a dialect, with a model of these traits (nil for none), makes of a feature, and the reason where that
// is not Yes.
func Can(f model.Feature, to llm.Dialect, t *model.Traits) (Level, string) {
	if t != nil {
		switch {
		case t.Not.Has(f):
			return withoutModel(f, to)
		case t.Can.Has(f):
			return Yes, ""
		}
	}
	if int(to) >= len(row{}) || int(f) >= len(capabilities) {
		return No, noParam
	}
	c := capabilities[f][to]
	return c.level, c.how
}

// withoutModel returns what becomes of a feature that the dialect may have and the model has not.
func withoutModel(f model.Feature, to llm.Dialect) (Level, string) {
	switch f {
	case model.Effort:
		return Changed, "the model knows no levels of effort, so it is sent a budget, if it knows that"
	case model.Budget:
		return Changed, "the model knows no budget, so it is sent a level of effort, if it knows that"
	case model.AdaptiveThinking:
		return Changed, "the model knows no adaptive thinking, so it is sent a budget or a level of effort, if it knows that"
	case model.ThinkingOff:
		return Changed, "the model always thinks, so it is asked to think as little as it can"
	case model.ForcedTools:
		return Changed, "the model cannot be made to call a tool, so it is left to choose"
	case model.NamedTools:
		return Changed, filterTools
	case model.NoToolChoice:
		return Changed, noTools
	case model.CustomTools:
		return Changed, oneString
	case model.JSONObject:
		return Changed, asJSON
	case model.JSONSchema:
		return Changed, "the schema is sent as a tool that the model must call, or as an instruction"
	case model.DeveloperRole:
		return Changed, toSystem
	case model.SystemMidway:
		return Changed, toTop
	case model.SystemRole:
		return Changed, "it is sent as a user message"
	case model.ToolImages:
		return Changed, afterwards
	case model.ToolErrors:
		return Changed, saysError
	}
	return No, modelNot
}

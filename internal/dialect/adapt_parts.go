package dialect

import (
	"encoding/json"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
)

// parts returns the parts that the target can be sent. after are those of tools' results that have to follow in a user's message.
func (a *adapter) parts(parts []llm.Part, results bool) (kept, after []llm.Part) {
	kept = parts[:0]
	for i := range parts {
		p := parts[i]
		if !a.part(&p) {
			continue
		}
		if p.Kind == llm.PartToolResult {
			var rest []llm.Part
			p.Parts, _ = a.parts(p.Parts, true)
			p.Parts, rest = a.splitMedia(p.Parts)
			after = append(after, rest...)
			a.resultError(&p)
		}
		kept = append(kept, p)
	}
	return kept, after
}

// splitMedia takes out of a result what the target has only in users' messages.
func (a *adapter) splitMedia(parts []llm.Part) (kept, rest []llm.Part) {
	if a.can(model.ToolImages) == Yes {
		return parts, nil
	}
	kept = parts[:0]
	for _, p := range parts {
		switch p.Kind {
		case llm.PartImage, llm.PartFile, llm.PartAudio:
			a.note(model.ToolImages)
			rest = append(rest, p)
		default:
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 && len(rest) > 0 {
		kept = append(kept, llm.Part{Kind: llm.PartText, Text: "(content follows in the next message)"})
	}
	return kept, rest
}

// resultError puts into words that a result is an error.
func (a *adapter) resultError(p *llm.Part) {
	if !p.IsError || a.can(model.ToolErrors) == Yes {
		return
	}
	a.note(model.ToolErrors)
	p.IsError = false
	p.Parts = append([]llm.Part{{Kind: llm.PartText, Text: "The tool failed: "}}, p.Parts...)
}

// part brings one part into what the target takes, and reports whether anything of it is left.
func (a *adapter) part(p *llm.Part) bool {
	if p.CacheTTL != "" {
		p.CacheTTL = a.cacheTTL(p.CacheTTL)
	}
	if len(p.Citations) > 0 && a.from != a.to {
		a.minor(model.Citations, "the text is sent without them")
		p.Citations = nil
	}
	switch p.Kind {
	case llm.PartThinking, llm.PartRedacted:
		return a.thinking(p)
	case llm.PartImage:
		return a.image(p)
	case llm.PartFile:
		return a.file(p)
	case llm.PartAudio:
		if a.can(model.AudioInput) == No {
			a.note(model.AudioInput)
			return false
		}
	case llm.PartRefusal:
		if a.to != llm.OpenAI && a.to != llm.Responses {
			p.Kind = llm.PartText
		}
	case llm.PartToolCall:
		a.arguments(p)
	case llm.PartOther:
		if p.Origin != a.to {
			a.tell(a.messages()+"[]."+typeOf(p.Raw), "it is a part of the client's protocol that the target's has not", false)
			return false
		}
	}
	if p.Origin != a.to {
		p.Signature = ""
	}
	return true
}

// typeOf returns the type that a JSON object states, or the name of its first member.
func typeOf(raw string) string {
	var o struct {
		Type string `json:"type"`
	}
	if json.Unmarshal([]byte(raw), &o) == nil && o.Type != "" {
		return o.Type
	}
	var sc wire.Scanner
	sc.Reset([]byte(raw))
	if sc.Object() {
		if name, ok := sc.Member(); ok {
			return string(name)
		}
	}
	return "unknown"
}

// thinking keeps what the target's own provider signed, and for those that read it, unsigned thinking.
func (a *adapter) thinking(p *llm.Part) bool {
	signed := p.Signature != "" && p.Origin == a.to
	plain := p.Kind == llm.PartThinking && p.Text != "" && a.t.Can.Has(model.ThinkingHistory)
	if signed && !a.t.Not.Has(model.ThinkingHistory) {
		return true
	}
	if plain {
		p.Signature, p.Origin = "", a.to
		return true
	}
	a.minor(model.ThinkingHistory, noSign)
	return false
}

// cacheTTL returns the target's nearest time for a breakpoint, "" where it has none.
func (a *adapter) cacheTTL(ttl string) string {
	if a.can(model.CacheMarks) == No {
		_, how := Can(model.CacheMarks, a.to, a.t)
		a.minor(model.CacheMarks, how)
		return ""
	}
	long := strings.HasSuffix(ttl, "h")
	switch a.to {
	case llm.OpenAI, llm.Responses: // 30m or 12h (PROVIDERS.md 1.2); an hour is nearer to the first
		if ttl == "12h" {
			return ttl
		}
		return "30m"
	case llm.Anthropic, llm.Converse: // 5m or 1h (PROVIDERS.md 2.5)
		if long {
			return "1h"
		}
		return "5m"
	}
	return ttl
}

// image keeps an image that the target can read.
func (a *adapter) image(p *llm.Part) bool {
	if p.Detail != "" && a.can(model.ImageDetail) == No {
		if p.Detail != "auto" {
			a.minor(model.ImageDetail, noParam)
		}
		p.Detail = ""
	}
	if !a.source(p, model.ImageData, model.ImageURL) {
		return false
	}
	if p.Data == "" {
		return true
	}
	switch a.to {
	case llm.Anthropic, llm.Converse:
		if f := bedrock.Format(p.MIME, ""); f != "png" && f != "jpeg" && f != "gif" && f != "webp" {
			a.lost(model.ImageData, "the target takes images of type jpeg, png, gif and webp, not "+p.MIME)
			return false
		}
	}
	return true
}

// file keeps a document that the target can read.
func (a *adapter) file(p *llm.Part) bool {
	if !a.source(p, model.FileData, model.FileURL) {
		return false
	}
	if p.Data == "" {
		return true
	}
	mime, _, _ := strings.Cut(p.MIME, ";")
	switch {
	case a.to == llm.Anthropic && mime != "application/pdf" && !strings.HasPrefix(mime, "text/"):
		a.lost(model.FileData, "the target takes documents of type pdf and text, not "+p.MIME)
		return false
	case a.to == llm.Converse && bedrock.Format(mime, p.Name) == "":
		a.lost(model.FileData, "the target takes no documents of type "+p.MIME)
		return false
	}
	return true
}

// source reports whether the target can take media from where they are: data, an address, or an upload.
func (a *adapter) source(p *llm.Part, data, url model.Feature) bool {
	f := data
	switch {
	case p.Data != "":
	case p.FileID != "":
		if p.Origin == a.to && !a.t.Not.Has(model.FileID) {
			return true
		}
		f = model.FileID
	case p.URL != "":
		if a.ownAddress(p.URL) {
			return true
		}
		f = url
		if !strings.HasPrefix(p.URL, "https://") && !strings.HasPrefix(p.URL, "http://") {
			a.lost(f, "the address is one of another provider's storage")
			return false
		}
	}
	if a.can(f) != Yes {
		a.note(f)
		return false
	}
	return true
}

// ownAddress reports whether an address is one of the target's own storage, which it reads itself: gs: and uploads of Gemini
// (fileData.fileUri), s3: of Bedrock.
func (a *adapter) ownAddress(url string) bool {
	switch a.to {
	case llm.Gemini:
		return strings.HasPrefix(url, "gs://") || strings.HasPrefix(url, "https://generativelanguage.googleapis.com/") || strings.HasPrefix(url, "https://www.youtube.com/watch?")
	case llm.Converse:
		return strings.HasPrefix(url, "s3://")
	}
	return false
}

// arguments brings the input of a call into the target's form: an object, unless the target has tools that take free text.
func (a *adapter) arguments(p *llm.Part) {
	if p.Custom {
		if a.can(model.CustomTools) != Yes {
			p.Custom, p.Text = false, wrapInput(p.Text)
		}
		return
	}
	switch text := strings.TrimSpace(p.Text); {
	case text == "", text == "null":
		p.Text = "{}"
	case !isObject(p.Text):
		// What a model wrote and could not be read is not the client's fault, and the model is to see it: providers take no call without an
		// object.
		p.Text = string(append(wire.AppendString([]byte(`{"_raw":`), p.Text), '}'))
	}
}

// isObject reports whether a text is one JSON object.
func isObject(text string) bool {
	b := []byte(text)
	var sc wire.Scanner
	sc.Reset(b)
	return sc.Kind() == wire.Object && wire.Valid(b)
}

// wrapInput returns the arguments of a function that stands for a custom tool.
func wrapInput(text string) string {
	return string(append(wire.AppendString([]byte(`{"input":`), text), '}'))
}

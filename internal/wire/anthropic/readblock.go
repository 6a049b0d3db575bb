package anthropic

import (
	"encoding/base64"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// message reads one message into turns.
func (r *chatReader) message(v value) {
	var role string
	var content value
	r.members(v, func(name string, m value) {
		switch name {
		case "role":
			role = r.text(m)
		case "content":
			content = m
		default:
			r.note(m)
		}
	})
	if content.raw == nil || content.kind() == wire.Null {
		r.fail(v.path+".content", "Field required")
		return
	}
	parts := r.content(content)
	switch role {
	case "user":
		r.user(parts)
	case "assistant":
		r.turn(llm.RoleAssistant, parts)
	case "system":
		r.turn(llm.RoleSystem, parts)
	default:
		r.fail(v.path+".role", "Input is %q; it must be user, assistant or system", role)
	}
}

// user adds a user message: the results of tools first, as a turn of their own.
func (r *chatReader) user(parts []llm.Part) {
	var results, rest []llm.Part
	for i := range parts {
		if parts[i].Kind == llm.PartToolResult {
			results = append(results, parts[i])
		} else {
			rest = append(rest, parts[i])
		}
	}
	if len(results) > 0 {
		r.turn(llm.RoleTool, results)
	}
	if len(rest) > 0 || len(results) == 0 {
		r.turn(llm.RoleUser, rest)
	}
}

func (r *chatReader) turn(role llm.Role, parts []llm.Part) {
	r.c.Messages = append(r.c.Messages, llm.Turn{Role: role, Parts: parts})
}

// content reads content: a string, or an array of blocks.
func (r *chatReader) content(v value) (parts []llm.Part) {
	if v.kind() == wire.String {
		if text := r.text(v); text != "" {
			parts = []llm.Part{{Kind: llm.PartText, Text: text}}
		}
		return parts
	}
	if !r.want(v, wire.Array) {
		return nil
	}
	r.elements(v, func(e value) { parts = r.block(parts, e) })
	return parts
}

// block reads one block and appends what it is. Mostly that is one part; a document that is made of texts and images becomes
// those.
func (r *chatReader) block(parts []llm.Part, v value) []llm.Part {
	switch kind := r.typeOf(v); kind {
	case "text":
		return append(parts, r.textBlock(v))
	case "image", "document":
		return r.media(parts, v, kind)
	case "search_result":
		return append(parts, r.searchResult(v))
	case "tool_use":
		return append(parts, r.toolUse(v))
	case "tool_result":
		return append(parts, r.toolResult(v))
	case "thinking":
		return append(parts, r.thought(v))
	case "redacted_thinking":
		return r.redacted(parts, v)
	case "":
		r.fail(v.path+".type", "Field required")
		return parts
	default:
		return append(parts, llm.Part{Kind: llm.PartOther, Name: kind, Raw: string(v.raw), Origin: llm.Anthropic})
	}
}

func (r *chatReader) textBlock(v value) llm.Part {
	p := llm.Part{Kind: llm.PartText}
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "text":
			p.Text = r.text(m)
		case "cache_control":
			p.CacheTTL = r.cacheControl(m)
		case "citations": // of an answer that is sent back: what they said stays with the client
		default:
			r.note(m)
		}
	})
	return p
}

// media reads an image or a document. What a document has for context is shown to the model, so it becomes a text before it.
func (r *chatReader) media(parts []llm.Part, v value, kind string) []llm.Part {
	p := llm.Part{Kind: llm.PartImage}
	if kind == "document" {
		p.Kind = llm.PartFile
	}
	var inner []llm.Part
	var context string
	hasSource := false
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "source":
			hasSource = true
			inner = r.source(&p, m)
		case "title":
			p.Name = r.text(m)
		case "context":
			context = r.text(m)
		case "cache_control":
			p.CacheTTL = r.cacheControl(m)
		case "citations":
			r.citationsAsked(m)
		default:
			r.note(m)
		}
	})
	if !hasSource {
		r.fail(v.path+".source", "Field required")
	}
	if context != "" {
		parts = append(parts, llm.Part{Kind: llm.PartText, Text: context})
	}
	if inner != nil {
		inner[len(inner)-1].CacheTTL = p.CacheTTL
		return append(parts, inner...)
	}
	return append(parts, p)
}

// citationsAsked notes that the client wants citations of a document; not wanting them needs no word.
func (r *chatReader) citationsAsked(v value) {
	r.members(v, func(name string, m value) {
		if name != "enabled" || r.flag(m) {
			r.note(m)
		}
	})
}

// source reads where an image or a document comes from. A document that is given as content is those parts.
func (r *chatReader) source(p *llm.Part, v value) (inner []llm.Part) {
	kind := r.typeOf(v)
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "media_type":
			p.MIME = r.text(m)
		case "data":
			p.Data = r.text(m)
		case "url":
			p.URL = r.text(m)
		case "file_id":
			p.FileID, p.Origin = r.text(m), llm.Anthropic
		case "content":
			inner = r.content(m)
		default:
			r.note(m)
		}
	})
	switch kind {
	case "text":
		p.Data = base64.StdEncoding.EncodeToString([]byte(p.Data))
		if p.MIME == "" {
			p.MIME = "text/plain"
		}
	case "content":
		if len(inner) == 0 {
			inner = []llm.Part{{Kind: llm.PartText}}
		}
	case "base64", "url", "file":
	default:
		if v.kind() == wire.Object {
			r.fail(v.path+".type", "Input is %q; it must be base64, url, file, text or content", kind)
		}
	}
	return inner
}

// searchResult reads a search result that the client provides, as text: other dialects have no word for it.
func (r *chatReader) searchResult(v value) llm.Part {
	p := llm.Part{Kind: llm.PartText}
	var title, source string
	var texts []string
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "title":
			title = r.text(m)
		case "source":
			source = r.text(m)
		case "content":
			for _, part := range r.content(m) {
				texts = append(texts, part.Text)
			}
		case "cache_control":
			p.CacheTTL = r.cacheControl(m)
		case "citations":
			r.citationsAsked(m)
		default:
			r.note(m)
		}
	})
	p.Text = title + "\n" + source + "\n\n" + strings.Join(texts, "\n")
	return p
}

func (r *chatReader) toolUse(v value) llm.Part {
	p := llm.Part{Kind: llm.PartToolCall, Text: "{}"}
	r.members(v, func(name string, m value) {
		switch name {
		case "type", "caller": // who called it is of no use to another provider
		case "id":
			p.ID = r.text(m)
		case "name":
			p.Name = r.text(m)
		case "input":
			if m.kind() != wire.Null {
				p.Text = string(m.raw)
			}
		case "cache_control":
			p.CacheTTL = r.cacheControl(m)
		default:
			r.note(m)
		}
	})
	if p.ID == "" {
		r.fail(v.path+".id", "Field required")
	}
	r.names[p.ID] = p.Name
	return p
}

func (r *chatReader) toolResult(v value) llm.Part {
	p := llm.Part{Kind: llm.PartToolResult}
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "tool_use_id":
			p.ID = r.text(m)
		case "content":
			p.Parts = r.content(m)
		case "is_error":
			p.IsError = r.flag(m)
		case "cache_control":
			p.CacheTTL = r.cacheControl(m)
		default:
			r.note(m)
		}
	})
	if p.ID == "" {
		r.fail(v.path+".tool_use_id", "Field required")
	}
	p.Name = r.names[p.ID]
	return p
}

func (r *chatReader) thought(v value) llm.Part {
	p := llm.Part{Kind: llm.PartThinking}
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "thinking":
			p.Text = r.text(m)
		case "signature":
			sign(&p, r.text(m))
		default:
			r.note(m)
		}
	})
	return p
}

// redacted reads thinking that only its provider can read, or the signature of the part before it.
func (r *chatReader) redacted(parts []llm.Part, v value) []llm.Part {
	p := llm.Part{Kind: llm.PartRedacted}
	var data string
	r.members(v, func(name string, m value) {
		switch name {
		case "type":
		case "data":
			data = r.text(m)
		default:
			r.note(m)
		}
	})
	if signature, origin, ok := unseal(sealNext, data); ok {
		if n := len(parts); n > 0 && parts[n-1].Signature == "" {
			parts[n-1].Signature, parts[n-1].Origin = signature, origin
		}
		return parts
	}
	sign(&p, data)
	return append(parts, p)
}

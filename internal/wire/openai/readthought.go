package openai

import "sluice/internal/llm"

// How OpenAI's clients carry thinking. OpenAI has no word for it; three forms are in use, and a client sends back the one
// that it was given:
//
//	reasoning_details  OpenRouter: [{type: reasoning.text|reasoning.summary|reasoning.encrypted, text, summary, data, signature, id, format, index}]
//	thinking_blocks    LiteLLM: Anthropic's blocks
//	reasoning_content  DeepSeek, and reasoning of others: the text alone
//
// https://openrouter.ai/docs/use-cases/reasoning-tokens and https://docs.litellm.ai/docs/reasoning_content, read 2026-11.
const (
	detailText      = "reasoning.text"
	detailSummary   = "reasoning.summary"
	detailEncrypted = "reasoning.encrypted"
)

// originOf returns the dialect that signs in a format of reasoning_details.
func originOf(format string) llm.Dialect {
	switch format {
	case "anthropic-claude-v1":
		return llm.Anthropic
	case "google-gemini-v1":
		return llm.Gemini
	case "openai-responses-v1", "azure-openai-responses-v1", "xai-responses-v1":
		return llm.Responses
	case "bedrock-converse-v1": // Sluice's own word: nobody else translates Converse's signatures
		return llm.Converse
	}
	return llm.OpenAI
}

// formatOf returns the format of a dialect's signatures.
func formatOf(d llm.Dialect) string {
	switch d {
	case llm.Anthropic:
		return "anthropic-claude-v1"
	case llm.Gemini:
		return "google-gemini-v1"
	case llm.Responses:
		return "openai-responses-v1"
	case llm.Converse:
		return "bedrock-converse-v1"
	}
	return "unknown"
}

// encrypted returns the part that data nobody else can read stands for. Where a dialect tells redacted thinking from such that
// is just not shown, formats tell it too.
func encrypted(origin llm.Dialect) llm.PartKind {
	switch origin {
	case llm.Responses, llm.Gemini:
		return llm.PartThinking
	}
	return llm.PartRedacted
}

// thoughts reads what a message says of the thinking before it: in the first of the forms that is there.
func (r *chatReader) thoughts(m *message) (parts []llm.Part) {
	if m.details != nil {
		at := m.at.member("reasoning_details")
		last := -1
		r.array(m.details, at, func(i int, v []byte) { parts = r.detail(parts, v, at.element(i), &last) })
	}
	if len(parts) == 0 && m.blocks != nil {
		at := m.at.member("thinking_blocks")
		r.array(m.blocks, at, func(i int, v []byte) { parts = append(parts, r.block(v, at.element(i))) })
	}
	for _, p := range parts {
		if p.Text != "" || m.plain == nil && m.thinking == nil {
			return parts
		}
	}
	text, name := m.plain, "reasoning_content"
	if text == nil {
		text, name = m.thinking, "reasoning"
	}
	if text == nil {
		return parts
	}
	if s := r.text(text, m.at.member(name)); s != "" && !signed(parts) {
		parts = append([]llm.Part{{Kind: llm.PartThinking, Text: s}}, parts...)
	}
	return parts
}

// signed reports whether there is thinking whose text was withheld: another text does not belong to it.
func signed(parts []llm.Part) bool {
	for _, p := range parts {
		if p.Kind == llm.PartThinking {
			return true
		}
	}
	return false
}

// detail reads an entry of reasoning_details. Entries of one thought follow each other: a summary and what is encrypted of
// it, or pieces of one text as a client has gathered them from a stream. last is the index of the entry before, -1 if it has none.
func (r *chatReader) detail(parts []llm.Part, v []byte, at *place, last *int) []llm.Part {
	var kind, text, data, signature, format, id string
	index, before := -1, *last
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			kind = r.text(v, at)
		case "text", "summary":
			text = r.text(v, at)
		case "data":
			data = r.text(v, at)
		case "signature":
			signature = r.text(v, at)
		case "format":
			format = r.text(v, at)
		case "id":
			id = r.text(v, at)
		case "index":
			index = int(r.integer(v, at))
		}
	})
	*last = index
	p := llm.Part{Kind: llm.PartThinking, ID: id, Text: text, Signature: signature}
	if p.Signature == "" {
		p.Signature = data
	}
	if p.Signature != "" {
		p.Origin = originOf(format)
	}
	if kind == detailEncrypted {
		p.Kind = encrypted(p.Origin)
	}
	if n := len(parts); n > 0 && p.Kind == llm.PartThinking && goesOn(&parts[n-1], &p, before, index) {
		joined := &parts[n-1]
		joined.Text += p.Text
		joined.Signature, joined.Origin = p.Signature, p.Origin
		if joined.ID == "" {
			joined.ID = p.ID
		}
		return parts
	}
	if p.Text == "" && p.Signature == "" {
		return parts
	}
	return append(parts, p)
}

// goesOn reports whether p is more of the thought last, which a signature would have ended.
func goesOn(last, p *llm.Part, before, index int) bool {
	if last.Kind != llm.PartThinking || last.Signature != "" {
		return false
	}
	return index == before || index < 0 || before < 0 || last.ID != "" && last.ID == p.ID
}

// block reads a thinking block of Anthropic.
func (r *chatReader) block(v []byte, at *place) llm.Part {
	p := llm.Part{Kind: llm.PartThinking, Origin: llm.Anthropic}
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			if r.oneOf(v, at, "thinking", "redacted_thinking") == "redacted_thinking" {
				p.Kind = llm.PartRedacted
			}
		case "thinking":
			p.Text = r.text(v, at)
		case "signature", "data":
			p.Signature = r.text(v, at)
		case "cache_control":
			p.CacheTTL = r.cacheTTL(v, at, "5m")
		}
	})
	return p
}

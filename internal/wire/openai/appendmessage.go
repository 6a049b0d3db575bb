package openai

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// messages appends turns as messages.
type messages struct {
	n              int // that were appended
	calls, results int // without an id, by which the two are joined then: the order in which they come
}

func (m *messages) append(dst []byte, t *llm.Turn) []byte {
	if t.Role == llm.RoleTool {
		return m.outputs(dst, t)
	}
	dst = m.begin(dst, t.Role.String())
	if t.Role == llm.RoleAssistant {
		dst = m.assistant(dst, t)
	} else {
		dst = appendContent(append(dst, `,"content":`...), t.Parts)
	}
	return append(member(dst, "name", t.Name), '}')
}

func (m *messages) begin(dst []byte, role string) []byte {
	if m.n > 0 {
		dst = append(dst, ',')
	}
	m.n++
	dst = append(dst, `{"role":"`...)
	return append(append(dst, role...), '"')
}

// outputs appends the results of tools: a message each, and after all of them, since results must follow their calls at once, a
// user's message with the media that they hold, for which a tool's message has no place.
func (m *messages) outputs(dst []byte, t *llm.Turn) []byte {
	var media []llm.Part
	for i := range t.Parts {
		p := &t.Parts[i]
		id := p.ID
		if id == "" {
			m.results++
			id = toolID(m.results)
		}
		dst = m.begin(dst, "tool")
		dst = append(dst, `,"tool_call_id":`...)
		dst = wire.AppendString(dst, id)
		texts, others := split(p)
		if len(others) > 0 {
			note := "The output of tool call " + id
			if p.Name != "" {
				note += " (" + p.Name + ")"
			}
			media = append(media, llm.Part{Kind: llm.PartText, Text: note + ":"})
			media = append(media, others...)
			if len(texts) == 0 {
				texts = []llm.Part{{Kind: llm.PartText, Text: "The output is in the next user message."}}
			}
		}
		dst = append(appendContent(append(dst, `,"content":`...), texts), '}')
	}
	if len(media) > 0 {
		dst = m.begin(dst, "user")
		dst = append(appendContent(append(dst, `,"content":`...), media), '}')
	}
	return dst
}

// split takes the texts of a result from what is none.
func split(result *llm.Part) (texts, others []llm.Part) {
	for _, p := range result.Parts {
		switch p.Kind {
		case llm.PartText:
			texts = append(texts, p)
		case llm.PartImage, llm.PartFile, llm.PartAudio:
			others = append(others, p)
		case llm.PartOther:
			texts = append(texts, llm.Part{Kind: llm.PartText, Text: p.Raw}) // JSON is readable too
		}
	}
	return texts, others
}

// assistant appends the members of a message of a model.
func (m *messages) assistant(dst []byte, t *llm.Turn) []byte {
	var texts []llm.Part
	var refusal []byte
	calls := 0
	for _, p := range t.Parts {
		switch p.Kind {
		case llm.PartText:
			texts = append(texts, p)
		case llm.PartRefusal:
			refusal = append(refusal, p.Text...)
		case llm.PartToolCall:
			calls++
		}
	}
	dst = append(dst, `,"content":`...)
	if len(texts) == 0 && (calls > 0 || refusal != nil) {
		dst = append(dst, "null"...)
	} else {
		dst = appendContent(dst, joined(texts))
	}
	if refusal != nil {
		dst = wire.AppendString(append(dst, `,"refusal":`...), refusal)
	}
	dst = appendOwnThoughts(dst, t.Parts)
	for _, p := range t.Parts {
		if p.Kind == llm.PartAudio && p.FileID != "" && p.Origin == llm.OpenAI {
			dst = append(wire.AppendString(append(dst, `,"audio":{"id":`...), p.FileID), '}')
			break
		}
	}
	if calls == 0 {
		return dst
	}
	dst = append(dst, `,"tool_calls":[`...)
	first := true
	for i := range t.Parts {
		if p := &t.Parts[i]; p.Kind == llm.PartToolCall {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			id := p.ID
			if id == "" {
				m.calls++
				id = toolID(m.calls)
			}
			dst = appendCall(dst, p, id)
		}
	}
	return append(dst, ']')
}

// joined returns texts as one where nothing stands between them, as an answer in this dialect would have had them: not all
// servers take several for a model's message.
func joined(texts []llm.Part) []llm.Part {
	if len(texts) < 2 {
		return texts
	}
	var all []byte
	for _, p := range texts {
		if p.CacheTTL != "" {
			return texts
		}
		all = append(all, p.Text...)
	}
	return []llm.Part{{Kind: llm.PartText, Text: string(all)}}
}

// appendCall appends an entry of tool_calls.
func appendCall(dst []byte, p *llm.Part, id string) []byte {
	dst = wire.AppendString(append(dst, `{"id":`...), id)
	if p.Custom {
		dst = append(dst, `,"type":"custom","custom":{"name":`...)
		dst = wire.AppendString(dst, p.Name)
		dst = wire.AppendString(append(dst, `,"input":`...), p.Text)
	} else {
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = wire.AppendString(dst, p.Name)
		dst = wire.AppendString(append(dst, `,"arguments":`...), p.Text)
	}
	return append(appendGoogle(append(dst, '}'), p.Signature, p.Origin), '}')
}

// appendGoogle appends the member by which Gemini's signatures travel in this dialect.
func appendGoogle(dst []byte, signature string, origin llm.Dialect) []byte {
	if signature == "" || origin != llm.Gemini {
		return dst
	}
	dst = wire.AppendString(append(dst, `,"extra_content":{"google":{"thought_signature":`...), signature)
	return append(dst, '}', '}')
}

// appendOwnThoughts appends the thinking of a server of this dialect: what it has signed as reasoning_details, and what is for a server
// that reads it back without (DeepSeek, which refuses calls of tools whose thinking is missing: api-docs.deepseek.com, thinking mode,
// 2026-11-20) as reasoning_content.
func appendOwnThoughts(dst []byte, parts []llm.Part) []byte {
	var plain []byte
	n := 0
	for i := range parts {
		p := &parts[i]
		switch {
		case p.Kind != llm.PartThinking && p.Kind != llm.PartRedacted || p.Origin != llm.OpenAI:
			continue
		case p.Signature == "":
			plain = append(plain, p.Text...)
			continue
		case n == 0:
			dst = append(dst, `,"reasoning_details":[`...)
		}
		dst = appendDetail(dst, p, n)
		n++
	}
	if n > 0 {
		dst = append(dst, ']')
	}
	if len(plain) > 0 {
		dst = wire.AppendString(append(dst, `,"reasoning_content":`...), plain)
	}
	return dst
}

// appendContent appends the content of a message: one text as such, anything else as an array.
func appendContent(dst []byte, parts []llm.Part) []byte {
	if len(parts) == 0 {
		return append(dst, '"', '"')
	}
	if len(parts) == 1 && parts[0].Kind == llm.PartText && parts[0].CacheTTL == "" {
		return wire.AppendString(dst, parts[0].Text)
	}
	dst = append(dst, '[')
	start := len(dst)
	for i := range parts {
		dst = appendPart(encComma(dst, start), &parts[i], start)
	}
	return append(dst, ']')
}

// appendPart appends a part, or nothing if the dialect has none of the kind; then the comma in front goes too.
func appendPart(dst []byte, p *llm.Part, start int) []byte {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		dst = wire.AppendString(append(dst, `{"type":"text","text":`...), p.Text)
	case llm.PartImage:
		if p.FileID != "" {
			dst = appendFile(dst, p)
			break
		}
		dst = append(dst, `{"type":"image_url","image_url":{"url":`...)
		dst = member(appendAddress(dst, p), "detail", p.Detail)
		dst = append(dst, '}')
	case llm.PartFile:
		dst = appendFile(dst, p)
	case llm.PartAudio:
		dst = wire.AppendString(append(dst, `{"type":"input_audio","input_audio":{"data":`...), p.Data)
		dst = wire.AppendString(append(dst, `,"format":`...), audioFormat(p.MIME))
		dst = append(dst, '}')
	case llm.PartOther:
		if p.Origin == llm.OpenAI {
			return append(dst, p.Raw...)
		}
		return dst[:max(len(dst)-1, start)]
	default:
		return dst[:max(len(dst)-1, start)]
	}
	return append(appendBreakpoint(dst, p.CacheTTL), '}')
}

// appendBreakpoint appends the end of a cached prefix. OpenAI keeps it for 30 minutes unless it is told 12 hours
// (PROVIDERS.md 1.2, 2026-11); what another dialect asks for is rounded up.
func appendBreakpoint(dst []byte, ttl string) []byte {
	switch ttl {
	case "":
		return dst
	case "5m", "30m":
		return append(dst, `,"prompt_cache_breakpoint":{"mode":"explicit"}`...)
	}
	return append(dst, `,"prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}`...)
}

// appendAddress appends where an image or a file is: its URL, or its data as one.
func appendAddress(dst []byte, p *llm.Part) []byte {
	if p.Data == "" {
		return wire.AppendString(dst, p.URL)
	}
	mime := p.MIME
	if mime == "" {
		mime = "application/octet-stream"
	}
	dst = wire.AppendString(dst, "data:"+mime+";base64,")
	n := len(dst) - 1
	dst = wire.AppendString(dst[:n], p.Data) // may be megabytes: it is moved by the one byte of its quote, and not made part of another string
	return dst[:n+copy(dst[n:], dst[n+1:])]
}

// appendFile appends a file, and leaves its object open.
func appendFile(dst []byte, p *llm.Part) []byte {
	dst = append(dst, `{"type":"file","file":{`...)
	if p.FileID != "" {
		dst = wire.AppendString(append(dst, `"file_id":`...), p.FileID)
		return append(dst, '}')
	}
	name := p.Name
	if name == "" {
		name = "file" // data must have a name
	}
	dst = wire.AppendString(append(dst, `"filename":`...), name)
	dst = appendAddress(append(dst, `,"file_data":`...), p)
	return append(dst, '}')
}

// appendDetail appends an entry of reasoning_details, or the two that a summary with something encrypted is. A comma goes in front
// of all but the first.
func appendDetail(dst []byte, p *llm.Part, index int) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	own := p.Origin == llm.Responses || p.Origin == llm.Gemini && p.Text == ""
	switch {
	case p.Kind == llm.PartRedacted || own && p.Text == "":
		return detailEnd(dst, p, detailEncrypted, "data", p.Signature, index)
	case own:
		dst = detailEnd(dst, p, detailSummary, "summary", p.Text, index)
		if p.Signature == "" {
			return dst
		}
		return detailEnd(append(dst, ','), p, detailEncrypted, "data", p.Signature, index)
	}
	dst = wire.AppendString(append(dst, `{"type":"`+detailText+`","text":`...), p.Text)
	dst = member(dst, "signature", p.Signature)
	return detailTail(dst, p, index)
}

// detailEnd appends an entry with one text.
func detailEnd(dst []byte, p *llm.Part, kind, name, text string, index int) []byte {
	dst = append(append(append(dst, `{"type":"`...), kind...), '"')
	dst = wire.AppendString(key(dst, name), text)
	return detailTail(dst, p, index)
}

func detailTail(dst []byte, p *llm.Part, index int) []byte {
	dst = member(dst, "id", p.ID)
	dst = member(dst, "format", formatOf(p.Origin))
	dst = append(dst, `,"index":`...)
	return append(strconv.AppendInt(dst, int64(index), 10), '}')
}

package openai

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Server's end, for answers that come from another dialect.

// AppendAnswer appends a whole answer: a chat.completion, or a text_completion if that is what was asked for. What OpenAI has no
// word for is told as servers of its dialect do: thinking as reasoning_content, and with signatures as reasoning_details; images as
// OpenRouter has them; a stop sequence as vLLM does.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte {
	object := "chat.completion"
	if h.Op == llm.OpCompletion {
		object = "text_completion"
	}
	head := headOf(h, a.ID, a.Model, a.Created.Unix(), a.Created.IsZero())
	head.ServiceTier, head.Fingerprint = a.ServiceTier, a.Fingerprint
	dst = encHead(dst, &head, object)
	dst = append(dst, `,"choices":[`...)
	for i := range a.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendChoice(dst, &a.Choices[i], h)
	}
	dst = append(dst, ']')
	if a.HasUsage {
		dst = AppendUsage(append(dst, `,"usage":`...), a.Usage)
	}
	return append(dst, '}')
}

// headOf returns what an answer says of itself. An id is kept if it has OpenAI's form.
func headOf(h *llm.Head, id, model string, created int64, unknown bool) Head {
	prefix := "chatcmpl-"
	if h.Op == llm.OpCompletion {
		prefix = "cmpl-"
	}
	if !strings.HasPrefix(id, prefix) {
		id = prefix + h.ID
	}
	if h.Model != "" {
		model = h.Model
	}
	if unknown {
		created = h.Created.Unix()
	}
	return Head{ID: id, Created: created, Model: model, NullUsage: h.Usage}
}

// legacy reports whether the client reads function_call only.
func legacy(h *llm.Head) bool { return h.Chat != nil && h.Chat.LegacyFunctions }

// finishWord returns the finish_reason; "" is null.
func finishWord(f llm.Finish, legacy bool) string {
	switch f {
	case llm.FinishUnset:
		return ""
	case llm.FinishLength, llm.FinishContext:
		return "length"
	case llm.FinishTools:
		if legacy {
			return "function_call"
		}
		return "tool_calls"
	case llm.FinishFilter:
		return "content_filter"
	default:
		return "stop"
	}
}

func appendChoice(dst []byte, c *llm.Choice, h *llm.Head) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c.Index), 10)
	if h.Op == llm.OpCompletion {
		text, _ := joinText(c.Parts)
		dst = wire.AppendString(append(dst, `,"text":`...), text)
		dst = append(dst, `,"logprobs":null`...)
	} else {
		dst = append(dst, `,"message":{"role":"assistant"`...)
		dst = append(appendMessage(dst, c, legacy(h)), `},"logprobs":`...)
		dst = encLogprobs(dst, c.Logprobs)
	}
	dst = encNullable(append(dst, `,"finish_reason":`...), finishWord(c.Finish, legacy(h)))
	return append(member(dst, "stop_reason", c.Stop), '}')
}

// joinText returns the text of an answer, and whether there is any part with text.
func joinText(parts []llm.Part) (text []byte, ok bool) {
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartText {
			text, ok = append(text, p.Text...), true
		}
	}
	return text, ok
}

// appendMessage appends the members of an answer's message.
func appendMessage(dst []byte, c *llm.Choice, legacy bool) []byte {
	text, said := joinText(c.Parts)
	var refusal, thinking []byte
	calls, images, signed := 0, 0, false
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case llm.PartRefusal:
			refusal = append(refusal, p.Text...)
		case llm.PartThinking, llm.PartRedacted:
			thinking = append(thinking, p.Text...)
			signed = signed || p.Signature != ""
		case llm.PartToolCall:
			calls++
		case llm.PartImage:
			images++
		}
	}
	dst = append(dst, `,"content":`...)
	if !said && (calls > 0 || refusal != nil) {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendString(dst, text)
	}
	dst = append(dst, `,"refusal":`...)
	if refusal == nil {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendString(dst, refusal)
	}
	if len(thinking) > 0 {
		dst = wire.AppendString(append(dst, `,"reasoning_content":`...), thinking)
	}
	if signed {
		dst = appendThoughts(append(dst, `,"reasoning_details":[`...), c.Parts)
	}
	if images > 0 {
		dst = appendImages(append(dst, `,"images":[`...), c.Parts)
	}
	dst = appendVoice(dst, c.Parts)
	if calls > 0 {
		dst = appendCalls(dst, c.Parts, legacy)
	}
	dst = append(dst, `,"annotations":[`...)
	return appendTextMarks(dst, c.Parts)
}

// appendThoughts appends all that was thought; the array is open.
func appendThoughts(dst []byte, parts []llm.Part) []byte {
	n := 0
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartThinking || p.Kind == llm.PartRedacted {
			dst = appendDetail(dst, p, n)
			n++
		}
	}
	return append(dst, ']')
}

// appendImages appends images; the array is open.
func appendImages(dst []byte, parts []llm.Part) []byte {
	n := 0
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartImage {
			dst = appendImage(dst, p, n)
			n++
		}
	}
	return append(dst, ']')
}

// appendImage appends an image that a model made, as OpenRouter has it. A comma goes in front of all but the first.
func appendImage(dst []byte, p *llm.Part, index int) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	dst = appendAddress(append(dst, `{"type":"image_url","image_url":{"url":`...), p)
	dst = append(dst, `},"index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	return append(appendGoogle(dst, p.Signature, p.Origin), '}')
}

// appendVoice appends the audio of an answer, of which there can be one.
func appendVoice(dst []byte, parts []llm.Part) []byte {
	for i := range parts {
		if p := &parts[i]; p.Kind == llm.PartAudio {
			return appendAudio(dst, p, p.Text)
		}
	}
	return dst
}

func appendAudio(dst []byte, p *llm.Part, transcript string) []byte {
	id := p.FileID
	if id == "" {
		id = "audio"
	}
	dst = wire.AppendString(append(dst, `,"audio":{"id":`...), id)
	dst = wire.AppendString(append(dst, `,"data":`...), p.Data)
	dst = wire.AppendString(append(dst, `,"transcript":`...), transcript)
	return append(dst, `,"expires_at":0}`...)
}

func appendCalls(dst []byte, parts []llm.Part, legacy bool) []byte {
	n := 0
	for i := range parts {
		p := &parts[i]
		if p.Kind != llm.PartToolCall {
			continue
		}
		if legacy { // it holds one
			dst = wire.AppendString(append(dst, `,"function_call":{"name":`...), p.Name)
			return append(wire.AppendString(append(dst, `,"arguments":`...), p.Text), '}')
		}
		if n == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		n++
		dst = appendCall(dst, p, p.ID)
	}
	return append(dst, ']')
}

// appendTextMarks appends what the texts rest on, and the signature of the last one. The array of annotations is open.
func appendTextMarks(dst []byte, parts []llm.Part) []byte {
	var rule ruler
	n := 0
	var last *llm.Part
	for i := range parts {
		p := &parts[i]
		if p.Kind != llm.PartText {
			continue
		}
		if p.Signature != "" {
			last = p
		}
		rule.add([]byte(p.Text))
		for j := range p.Citations {
			dst = appendCitation(dst, &p.Citations[j], &rule, n)
			n++
		}
		rule.next()
	}
	dst = append(dst, ']')
	if last != nil {
		dst = appendGoogle(dst, last.Signature, last.Origin)
	}
	return dst
}

// appendCitation appends a url_citation, of which OpenRouter's form has the quote too. One that says no place rests under all of
// its text. A comma goes in front of all but the first.
func appendCitation(dst []byte, c *llm.Citation, rule *ruler, index int) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	start, end := c.Start, c.End
	if start == 0 && end == 0 {
		end = rule.size()
	}
	dst = append(dst, `{"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(dst, int64(rule.runes(start)), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(rule.runes(end)), 10)
	dst = wire.AppendString(append(dst, `,"url":`...), c.URL)
	dst = wire.AppendString(append(dst, `,"title":`...), c.Title)
	dst = member(dst, "content", c.Quote)
	return append(dst, '}', '}')
}

package responses

import (
	"bytes"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// part begins a part.
func (w *writer) part(dst []byte, e *llm.Event) []byte {
	if w.kind != 0 {
		dst = w.partEnd(dst, &llm.Event{})
	}
	content := e.Part == llm.PartText || e.Part == llm.PartRefusal
	if w.idle && e.Part == llm.PartThinking { // it is the one that was announced
		w.idle, w.kind = false, e.Part
		return dst
	}
	if !content || w.idle {
		dst = w.closeMessage(dst)
	}
	w.kind, w.id, w.name, w.custom, w.shown, w.markCount = e.Part, e.ID, e.Name, e.Custom, false, 0
	w.text, w.logprobs, w.marks = w.text[:0], w.logprobs[:0], w.marks[:0]
	w.refused = w.refused || e.Part == llm.PartRefusal
	if content {
		return w.beginContent(dst)
	}
	switch e.Part {
	case llm.PartToolCall:
		return w.beginCall(dst)
	case llm.PartThinking, llm.PartRedacted:
		w.newReasoning()
		if e.Part == llm.PartThinking {
			dst = w.added(dst, w.appendReasoning(nil, ""))
		}
	case llm.PartImage, llm.PartOther:
		dst = w.media(dst, e.Media)
		w.kind = 0
	default:
		w.kind = 0 // sound has no form here
	}
	return dst
}

// beginContent begins a part of a message, and the message if there is none.
func (w *writer) beginContent(dst []byte) []byte {
	if !w.message {
		w.newItem(messageID)
		w.message, w.parts, w.content = true, 0, w.content[:0]
		dst = w.added(dst, w.appendMessage(nil, inProgress))
	}
	if w.mute {
		return dst
	}
	w.quote()
	dst = append(w.inContent(dst, "response.content_part.added"), `,"part":`...)
	return w.close(w.appendContentPart(dst))
}

func (w *writer) beginCall(dst []byte) []byte {
	prefix := functionID
	if w.custom {
		prefix = customID
	}
	w.newItem(prefix)
	if w.id == "" {
		w.id = callID + w.base + "_" + strconv.Itoa(w.items)
	}
	w.quote()
	return w.added(dst, w.appendCall(nil, inProgress))
}

// newReasoning begins a reasoning item, without any section.
func (w *writer) newReasoning() {
	w.newItem(reasoningID)
	w.content, w.section, w.plain = w.content[:0], 0, false
}

// media writes a part that comes whole.
func (w *writer) media(dst []byte, p *llm.Part) []byte {
	var item []byte
	switch {
	case p == nil:
		return dst
	case p.Kind == llm.PartImage && p.Data != "":
		w.newItem(imageID)
		item = append(item, `{"id":"`...)
		item = append(item, w.itemID...)
		item = append(item, `","type":"image_generation_call","status":"completed"`...)
		item = appendText(item, "output_format", formatOf(p.MIME))
		item = appendText(item, "result", p.Data)
		item = append(item, '}')
	case p.Kind == llm.PartOther && p.Origin == llm.Responses:
		item = compact([]byte(p.Raw))
	default:
		return dst
	}
	return w.done(w.added(dst, item), item)
}

// delta adds to the part under way.
func (w *writer) delta(dst []byte, e *llm.Event) []byte {
	if w.kind == 0 {
		return dst
	}
	text := e.Text
	if w.trim {
		text, w.trim = bytes.TrimPrefix(text, []byte(partBreak)), false
	}
	w.text = append(w.text, text...)
	if len(e.Logprobs) > 0 && w.kind == llm.PartText {
		if len(w.logprobs) > 0 {
			w.logprobs = append(w.logprobs, ',')
		}
		w.logprobs = appendLogprobs(w.logprobs, e.Logprobs, true)
	}
	if w.mute {
		return dst
	}
	switch w.kind {
	case llm.PartText:
		dst = w.inContent(dst, "response.output_text.delta")
		dst = appendDelta(dst, text)
		dst = append(dst, `,"logprobs":[`...)
		dst = append(appendLogprobs(dst, e.Logprobs, true), ']')
	case llm.PartRefusal:
		dst = appendDelta(w.inContent(dst, "response.refusal.delta"), text)
	case llm.PartToolCall:
		name := "response.function_call_arguments.delta"
		if w.custom {
			name = "response.custom_tool_call_input.delta"
		}
		dst = appendDelta(w.within(dst, name), text)
	case llm.PartThinking:
		if !w.shown {
			w.shown = true
			dst = w.inSection(dst, "response.reasoning_summary_part.added", "response.content_part.added")
			dst = w.close(w.appendSection(append(dst, `,"part":`...), []byte(`""`)))
		}
		dst = appendDelta(w.inSection(dst, "response.reasoning_summary_text.delta", "response.reasoning_text.delta"), text)
	default:
		return dst
	}
	return w.close(dst)
}

func appendDelta(dst, text []byte) []byte {
	dst = append(dst, `,"delta":`...)
	return wire.AppendString(dst, text)
}

// partEnd ends the part under way.
func (w *writer) partEnd(dst []byte, e *llm.Event) []byte {
	w.quote()
	switch w.kind {
	case llm.PartText:
		dst = w.citations(dst, e.Citations)
		dst = w.endContent(dst, "response.output_text.done", "text")
	case llm.PartRefusal:
		dst = w.endContent(dst, "response.refusal.done", "refusal")
	case llm.PartToolCall:
		dst = w.endCall(dst)
	case llm.PartThinking, llm.PartRedacted:
		dst = w.endReasoning(dst, e)
	}
	kind := w.kind
	w.kind = 0
	if e.Signature != "" && (kind == llm.PartText || kind == llm.PartToolCall) {
		dst = w.sealed(dst, e, kind)
	}
	return dst
}

// citations announces where the text comes from.
func (w *writer) citations(dst []byte, all []llm.Citation) []byte {
	for i := range all {
		start := len(w.marks)
		if start > 0 {
			w.marks = append(w.marks, ',')
			start++
		}
		w.marks = appendCitation(w.marks, &all[i], w.text)
		if !w.mute {
			dst = w.inContent(dst, "response.output_text.annotation.added")
			dst = append(dst, `,"annotation_index":`...)
			dst = strconv.AppendInt(dst, int64(w.markCount), 10)
			dst = append(dst, `,"annotation":`...)
			dst = w.close(append(dst, w.marks[start:]...))
		}
		w.markCount++
	}
	return dst
}

// endContent ends a part of a message.
func (w *writer) endContent(dst []byte, name, member string) []byte {
	if len(w.content) > 0 {
		w.content = append(w.content, ',')
	}
	start := len(w.content)
	w.content = w.appendContentPart(w.content)
	if !w.mute {
		dst = w.inContent(dst, name)
		dst = appendValue(dst, member, w.quoted)
		if w.kind == llm.PartText {
			dst = append(dst, `,"logprobs":[`...)
			dst = append(append(dst, w.logprobs...), ']')
		}
		dst = w.close(dst)
		dst = append(w.inContent(dst, "response.content_part.done"), `,"part":`...)
		dst = w.close(append(dst, w.content[start:]...))
	}
	w.parts++
	return dst
}

// closeMessage ends the message, if there is one, and a part that was not ended.
func (w *writer) closeMessage(dst []byte) []byte {
	if w.kind != 0 {
		dst = w.partEnd(dst, &llm.Event{})
	}
	if w.idle {
		w.idle, w.text, w.kind = false, w.text[:0], llm.PartThinking
		return w.partEnd(dst, &llm.Event{})
	}
	if !w.message {
		return dst
	}
	w.message = false
	return w.done(dst, w.appendMessage(nil, completed))
}

func (w *writer) endCall(dst []byte) []byte {
	if !w.mute {
		name, member := "response.function_call_arguments.done", "arguments"
		if w.custom {
			name, member = "response.custom_tool_call_input.done", "input"
		}
		dst = w.close(appendValue(w.within(dst, name), member, w.quoted))
	}
	return w.done(dst, w.appendCall(nil, completed))
}

func (w *writer) endReasoning(dst []byte, e *llm.Event) []byte {
	encrypted := ""
	switch {
	case e.Signature == "":
	case e.Origin == llm.Responses:
		_, encrypted = splitSignature(e.Signature)
	default:
		s := seal{Origin: e.Origin.String(), Signature: e.Signature, Redacted: w.kind == llm.PartRedacted}
		encrypted = s.encode()
	}
	if w.kind == llm.PartRedacted {
		dst = w.added(dst, w.appendReasoning(nil, ""))
	}
	if w.shown && !w.mute {
		dst = w.inSection(dst, "response.reasoning_summary_text.done", "response.reasoning_text.done")
		dst = w.close(appendValue(dst, "text", w.quoted))
		dst = append(w.inSection(dst, "response.reasoning_summary_part.done", "response.content_part.done"), `,"part":`...)
		dst = w.close(w.appendSection(dst, w.quoted))
	}
	w.shown = len(w.text) > 0
	return w.done(dst, w.appendReasoning(nil, encrypted))
}

// sealed writes a reasoning item of its own for a signature that has no place in what it proves.
func (w *writer) sealed(dst []byte, e *llm.Event, kind llm.PartKind) []byte {
	dst = w.closeMessage(dst)
	s := seal{Origin: e.Origin.String(), Signature: e.Signature, Text: kind == llm.PartText}
	if kind == llm.PartToolCall {
		s.Call = w.id
	}
	w.newReasoning()
	w.shown = false
	item := w.appendReasoning(nil, s.encode())
	return w.done(w.added(dst, item), item)
}

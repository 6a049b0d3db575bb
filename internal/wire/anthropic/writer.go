package anthropic

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// NewWriter returns a writer of one streamed answer for a client, of its first choice. What it writes is, added up, what
// AppendAnswer makes of the folded events, but for arguments of tools that are no JSON object.
//
// Order of the events, each with its name (PROVIDERS.md 2.3):
//
//  1. message_start, with the usage that is known by then.
//  2. For each part that is not empty content_block_start, content_block_delta..., content_block_stop. Citations and the signature come as deltas
//     just before the stop. Redacted thinking has no deltas, so it is written when the part is whole.
//  3. message_delta with the reason for the stop and the usage, in total: providers of other dialects state what the input was
//     at the end only. It waits for the end of the stream, since usage may come after the finish.
//  4. message_stop.
func NewWriter(h *llm.Head) llm.EventWriter { return &writer{head: h} }

// writer is a stream under way.
type writer struct {
	head *llm.Head

	begun   bool
	index   int  // of the block that is open, or of the next one
	open    bool // a block has been started
	part    llm.PartKind
	parts   int // that there were, written or not
	tools   bool
	refused bool

	finish llm.Finish
	stop   string
	usage  llm.Usage
	tier   string
	told   string // the tier that message_start stated

	stopped bool // a message_delta with the reason for the stop was there before this writer: see Stream.Resume
	ended   bool // so was message_stop
}

// Write appends the bytes of the stream that an event stands for.
func (w *writer) Write(dst []byte, e *llm.Event) []byte {
	switch e.Kind {
	case llm.EventStart:
		w.note(e)
		return w.start(dst, e.ID, e.Name)
	case llm.EventUsage:
		w.note(e)
		return dst
	}
	if e.Choice != 0 {
		return dst
	}
	switch e.Kind {
	case llm.EventPart:
		return w.beginPart(w.start(dst, "", ""), e)
	case llm.EventDelta:
		return w.delta(dst, e)
	case llm.EventPartEnd:
		return w.endPart(dst, e)
	case llm.EventFinish:
		w.finish, w.stop = e.Finish, e.Stop
	}
	return dst
}

// note keeps what an event says about the answer as a whole.
func (w *writer) note(e *llm.Event) {
	if e.Usage != nil {
		w.usage = *e.Usage
	}
	if e.ServiceTier != "" {
		w.tier = e.ServiceTier
	}
}

// start appends message_start, once.
func (w *writer) start(dst []byte, id, model string) []byte {
	if w.begun {
		return dst
	}
	w.begun = true
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = appendMessageHead(dst, id, model, w.head)
	dst = append(dst, `],"stop_reason":null`...)
	dst = appendStop(dst, "", "")
	dst = append(dst, `,"container":null,"usage":`...)
	dst = appendUsage(dst, &w.usage, w.tier)
	w.told = w.tier
	return append(dst, "}}\n\n"...)
}

// beginPart appends content_block_start, if the part has a block and all that the block starts with is known.
func (w *writer) beginPart(dst []byte, e *llm.Event) []byte {
	if w.open { // a part that was not ended
		dst = w.closeBlock(dst)
	}
	w.part = e.Part
	place := w.parts
	w.parts++
	switch e.Part {
	case llm.PartRefusal:
		w.refused = true
		return dst
	case llm.PartToolCall:
		w.tools = true
		dst = appendToolStart(w.openBlock(dst), toolID(e.ID, w.head, place), e.Name)
		dst = append(dst, `{}}`...)
	case llm.PartOther:
		if e.Media == nil || e.Media.Origin != llm.Anthropic || e.Media.Raw == "" {
			return dst
		}
		dst = appendLine(w.openBlock(dst), e.Media.Raw)
	default:
		return dst
	}
	return append(dst, "}\n\n"...)
}

// appendLine appends a JSON text as one line.
func appendLine(dst []byte, text string) []byte {
	start := len(dst)
	return oneLine(append(dst, text...), start)
}

// openBlock appends content_block_start up to the block.
func (w *writer) openBlock(dst []byte) []byte {
	w.open = true
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(w.index), 10)
	return append(dst, `,"content_block":`...)
}

// openDelta appends content_block_delta up to the value of the delta's second member.
func (w *writer) openDelta(dst []byte, kind, member string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(w.index), 10)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","`...)
	dst = append(dst, member...)
	return append(dst, `":`...)
}

// beginText appends content_block_start of a text or of thinking, once. It is not done before there is something in it: the
// provider refuses empty texts in a conversation that goes on.
func (w *writer) beginText(dst []byte) []byte {
	switch {
	case w.open:
		return dst
	case w.part == llm.PartThinking:
		return append(w.openBlock(dst), `{"type":"thinking","thinking":"","signature":""}}`+"\n\n"...)
	}
	return append(w.openBlock(dst), `{"type":"text","text":"","citations":null}}`+"\n\n"...)
}

// delta appends text of the open part.
func (w *writer) delta(dst []byte, e *llm.Event) []byte {
	if len(e.Text) == 0 {
		return dst
	}
	switch w.part {
	case llm.PartText, llm.PartRefusal:
		dst = w.openDelta(w.beginText(dst), "text_delta", "text")
	case llm.PartThinking:
		dst = w.openDelta(w.beginText(dst), "thinking_delta", "thinking")
	case llm.PartToolCall:
		dst = w.openDelta(dst, "input_json_delta", "partial_json")
	default:
		return dst
	}
	dst = wire.AppendString(dst, e.Text)
	return append(dst, "}}\n\n"...)
}

// endPart appends what makes the open part whole.
func (w *writer) endPart(dst []byte, e *llm.Event) []byte {
	part := w.part
	w.part = 0
	switch {
	case part == llm.PartRedacted:
		dst = appendRedacted(w.openBlock(dst), e.Signature, e.Origin)
		return w.closeBlock(append(dst, "}\n\n"...))
	case part == llm.PartThinking && e.Signature != "":
		w.part = part
		dst = w.beginText(dst)
		w.part = 0
	case !w.open:
		return dst
	}
	switch part {
	case llm.PartText, llm.PartRefusal:
		for i := range e.Citations {
			dst = w.openDelta(dst, "citations_delta", "citation")
			dst = appendCitation(dst, &e.Citations[i])
			dst = append(dst, "}}\n\n"...)
		}
	case llm.PartThinking:
		if e.Signature != "" {
			dst = w.openDelta(dst, "signature_delta", "signature")
			dst = wire.AppendString(dst, seal(sealPart, e.Signature, e.Origin))
			dst = append(dst, "}}\n\n"...)
		}
	case llm.PartToolCall:
		dst = w.closeBlock(dst)
		if e.Signature != "" && e.Origin != llm.Anthropic {
			dst = appendSealed(w.openBlock(dst), e.Signature, e.Origin)
			dst = w.closeBlock(append(dst, "}\n\n"...))
		}
		return dst
	}
	return w.closeBlock(dst)
}

// closeBlock appends content_block_stop.
func (w *writer) closeBlock(dst []byte) []byte {
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(w.index), 10)
	w.index++
	w.open = false
	return append(dst, "}\n\n"...)
}

// End appends what ends a complete stream.
func (w *writer) End(dst []byte) []byte {
	dst = w.start(dst, "", "")
	if w.open {
		dst = w.closeBlock(dst)
	}
	const stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	switch {
	case w.ended:
		return dst
	case w.stopped:
		return append(dst, stop...)
	}
	reason := stopReason(w.finish, w.tools, w.refused)
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"...)
	dst = wire.AppendString(dst, reason)
	dst = appendStop(dst, reason, w.stop)
	dst = append(dst, `,"container":null},"usage":{`...)
	dst = appendInput(dst, &w.usage)
	dst = appendOutput(dst, &w.usage)
	if w.tier != w.told { // the protocol has its place in message_start, which is gone by now
		dst = appendTier(dst, w.tier)
	}
	return append(append(dst, "}}\n\n"...), stop...)
}

// Fail appends what tells the client that the answer ends here with an error.
func (w *writer) Fail(dst []byte, e *llm.Error) []byte { return appendErrorEvent(dst, e, w.head.ID) }

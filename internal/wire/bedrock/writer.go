package bedrock

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendAnswer appends a whole Converse answer: that of the first choice, since the dialect has one.
func AppendAnswer(dst []byte, a *llm.Answer, _ *llm.Head) []byte {
	dst = append(dst, `{"output":{"message":{"role":"assistant","content":[`...)
	c := &llm.Choice{}
	if len(a.Choices) > 0 {
		c = &a.Choices[0]
	}
	first := true
	for i := range c.Parts {
		p := &c.Parts[i]
		if !written(p) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if p.Kind == llm.PartText && len(p.Citations) > 0 {
			dst = appendCited(dst, p)
			continue
		}
		dst = appendBlock(dst, p)
	}
	dst = append(dst, `]}},"stopReason":`...)
	dst = wire.AppendString(dst, reasonOf(c.Finish, c.Reason))
	dst = appendUsage(append(dst, ','), &a.Usage)
	dst = append(dst, `,"metrics":{"latencyMs":0}`...)
	dst = appendTierUsed(dst, a.ServiceTier)
	return append(dst, '}')
}

func appendTierUsed(dst []byte, tier string) []byte {
	if t := tierWord(tier); t != "" {
		dst = append(append(append(dst, `,"serviceTier":{"type":"`...), t...), `"}`...)
	}
	return dst
}

func appendCited(dst []byte, p *llm.Part) []byte {
	dst = append(dst, `{"citationsContent":{"content":[{"text":`...)
	dst = wire.AppendString(dst, p.Text)
	dst = append(dst, `}],"citations":[`...)
	for i := range p.Citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, &p.Citations[i])
	}
	return append(dst, `]}}`...)
}

func appendCitation(dst []byte, c *llm.Citation) []byte {
	dst = append(dst, `{"title":`...)
	dst = wire.AppendString(dst, c.Title)
	if c.Quote != "" {
		dst = append(dst, `,"sourceContent":[{"text":`...)
		dst = append(wire.AppendString(dst, c.Quote), `}]`...)
	}
	if c.URL != "" {
		dst = append(dst, `,"location":{"web":{"url":`...)
		dst = append(wire.AppendString(dst, c.URL), `}}`...)
	}
	return append(dst, '}')
}

// appendUsage appends the member usage. inputTokens leaves out what the cache had or got.
func appendUsage(dst []byte, u *llm.Usage) []byte {
	number := func(name string, n int64) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, `"usage":{`...)
	number("inputTokens", u.Input-u.CachedInput-u.CacheWrite)
	dst = append(dst, ',')
	number("outputTokens", u.Output)
	dst = append(dst, ',')
	number("totalTokens", u.Total())
	if u.CachedInput > 0 || u.CacheWrite > 0 {
		dst = append(dst, ',')
		number("cacheReadInputTokens", u.CachedInput)
		dst = append(dst, ',')
		number("cacheWriteInputTokens", u.CacheWrite)
	}
	if u.CacheWriteLong > 0 {
		dst = append(dst, `,"cacheDetails":[{"ttl":"1h",`...)
		number("inputTokens", u.CacheWriteLong)
		dst = append(dst, `}]`...)
	}
	return append(dst, '}')
}

// NewWriter returns a writer of converse-stream frames.
func NewWriter(*llm.Head) llm.EventWriter { return &writer{index: -1} }

// writer writes one streamed answer. A block gets its index when its first frame is due: texts have none before their first delta.
type writer struct {
	index   int  // of the block that was begun last
	begun   bool // the open part has a block
	payload []byte
	usage   llm.Usage
	tier    string
}

// Write appends the frames that an event stands for. Choices but the first are left out.
func (w *writer) Write(dst []byte, e *llm.Event) []byte {
	if e.Usage != nil {
		w.usage = *e.Usage
	}
	if e.ServiceTier != "" {
		w.tier = e.ServiceTier
	}
	if e.Choice != 0 {
		return dst
	}
	switch e.Kind {
	case llm.EventStart:
		return AppendFrame(dst, "messageStart", []byte(`{"role":"assistant"}`))
	case llm.EventPart:
		w.begun = false
		return w.part(dst, e)
	case llm.EventDelta:
		return w.delta(dst, e)
	case llm.EventPartEnd:
		return w.partEnd(dst, e)
	case llm.EventFinish:
		p := append(w.payload[:0], `{"stopReason":`...)
		p = append(wire.AppendString(p, reasonOf(e.Finish, e.Name)), '}')
		w.payload = p
		return AppendFrame(dst, "messageStop", p)
	}
	return dst
}

func (w *writer) part(dst []byte, e *llm.Event) []byte {
	switch {
	case e.Part == llm.PartToolCall:
		p := append(w.payload[:0], `{"start":{"toolUse":{"toolUseId":`...)
		p = wire.AppendString(p, e.ID)
		p = append(p, `,"name":`...)
		p = append(wire.AppendString(p, e.Name), `}}`...)
		return w.frame(dst, "contentBlockStart", p)
	case e.Part == llm.PartImage && e.Media != nil:
		p := append(w.payload[:0], `{"start":{"image":{"format":`...)
		p = append(wire.AppendString(p, Format(e.Media.MIME, "")), `}}`...)
		dst = w.frame(dst, "contentBlockStart", p)
		p = append(w.payload[:0], `{"delta":{"image":{"source":{"bytes":`...)
		p = append(wire.AppendString(p, e.Media.Data), `}}}`...)
		return w.frame(dst, "contentBlockDelta", p)
	}
	return dst
}

// frame completes a payload with the block's index and appends it. The first frame of a part begins its block.
func (w *writer) frame(dst []byte, name string, p []byte) []byte {
	if !w.begun {
		w.begun = true
		w.index++
	}
	p = append(p, `,"contentBlockIndex":`...)
	p = strconv.AppendInt(p, int64(w.index), 10)
	p = append(p, '}')
	w.payload = p
	return AppendFrame(dst, name, p)
}

func (w *writer) delta(dst []byte, e *llm.Event) []byte {
	if len(e.Text) == 0 {
		return dst
	}
	var open, end string
	switch e.Part {
	case llm.PartText, llm.PartRefusal:
		open, end = `{"delta":{"text":`, `}`
	case llm.PartToolCall:
		open, end = `{"delta":{"toolUse":{"input":`, `}}`
	case llm.PartThinking:
		open, end = `{"delta":{"reasoningContent":{"text":`, `}}`
	default:
		return dst
	}
	p := append(w.payload[:0], open...)
	return w.frame(dst, "contentBlockDelta", append(wire.AppendString(p, e.Text), end...))
}

func (w *writer) partEnd(dst []byte, e *llm.Event) []byte {
	if e.Signature != "" {
		member := ""
		switch e.Part {
		case llm.PartThinking:
			member = "signature"
		case llm.PartRedacted:
			member = "redactedContent"
		}
		if member != "" {
			p := append(append(append(w.payload[:0], `{"delta":{"reasoningContent":{"`...), member...), `":`...)
			dst = w.frame(dst, "contentBlockDelta", append(wire.AppendString(p, e.Signature), `}}`...))
		}
	}
	if w.begun {
		for i := range e.Citations {
			p := append(w.payload[:0], `{"delta":{"citation":`...)
			dst = w.frame(dst, "contentBlockDelta", append(appendCitation(p, &e.Citations[i]), '}'))
		}
		// p is the padding that the service adds to payloads; here it is what the index can follow.
		dst = w.frame(dst, "contentBlockStop", append(w.payload[:0], `{"p":"ab"`...))
	}
	w.begun = false
	return dst
}

// End appends the metadata.
func (w *writer) End(dst []byte) []byte {
	p := appendUsage(append(w.payload[:0], '{'), &w.usage)
	p = append(p, `,"metrics":{"latencyMs":0}`...)
	p = append(appendTierUsed(p, w.tier), '}')
	return AppendFrame(dst, "metadata", p)
}

// Fail appends the exception that stands for an error.
func (w *writer) Fail(dst []byte, e *llm.Error) []byte {
	name := "modelStreamErrorException"
	switch ErrorType(e.Kind) {
	case "ThrottlingException", "ServiceQuotaExceededException":
		name = "throttlingException"
	case "ServiceUnavailableException":
		name = "serviceUnavailableException"
	case "ValidationException", "AccessDeniedException", "ResourceNotFoundException":
		name = "validationException"
	case "InternalServerException":
		name = "internalServerException"
	}
	p := append(w.payload[:0], `{"message":`...)
	return AppendException(dst, name, append(wire.AppendString(p, e.Message), '}'))
}

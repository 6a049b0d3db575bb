package responses

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// status is how far a response, or an item of it, is.
type status string

const (
	inProgress status = "in_progress"
	completed  status = "completed"
	incomplete status = "incomplete"
)

// The reasons for which a response is incomplete.
const (
	reasonLength = "max_output_tokens"
	reasonFilter = "content_filter"
	reasonTurns  = "max_messages" // the provider paused a long turn, which is to be sent back to go on
)

// reason returns why the answer is incomplete, "" if it is not. A refusal is a complete answer.
func (w *writer) reason() string {
	switch w.finish {
	case llm.FinishLength, llm.FinishContext:
		return reasonLength
	case llm.FinishPause:
		return reasonTurns
	case llm.FinishFilter:
		if !w.refused {
			return reasonFilter
		}
	}
	return ""
}

// status returns the status of the finished response.
func (w *writer) status() status {
	if w.reason() != "" {
		return incomplete
	}
	return completed
}

// appendResponse appends the response with the items that are finished.
func (w *writer) appendResponse(dst []byte, s status) []byte {
	dst = append(dst, `{"id":"`...)
	if w.given != "" {
		dst = append(dst, w.given...)
	} else {
		dst = append(dst, responseID...)
		dst = append(dst, w.base...)
	}
	dst = append(dst, `","object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, max(w.created.Unix(), 0), 10)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, s...)
	dst = append(dst, `","background":false,"error":null,"incomplete_details":`...)
	if s == incomplete {
		dst = append(dst, `{"reason":"`...)
		dst = append(dst, w.reason()...)
		dst = append(dst, `"}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"model":`...)
	dst = wire.AppendString(dst, w.model)
	dst = append(dst, `,"output":[`...)
	if s != inProgress {
		dst = append(dst, w.out...)
	}
	dst = append(dst, ']')
	dst = append(dst, w.echo...)
	tier := w.tier
	if tier == "" {
		tier = "default"
	}
	dst = appendText(dst, "service_tier", tier)
	dst = append(dst, `,"usage":`...)
	if s == inProgress || !w.reported {
		return append(dst, "null}"...)
	}
	return append(appendUsage(dst, &w.usage), '}')
}

func appendUsage(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, u.CachedInput, 10)
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	dst = append(dst, `},"output_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, u.Reasoning, 10)
	dst = append(dst, `},"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Total(), 10)
	return append(dst, '}')
}

// beginItem appends what all items under way begin with.
func (w *writer) beginItem(dst []byte, kind string, s status) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, w.itemID...)
	dst = append(dst, `","type":"`...)
	dst = append(dst, kind...)
	if s != "" {
		dst = append(dst, `","status":"`...)
		dst = append(dst, s...)
	}
	return append(dst, '"')
}

func (w *writer) appendMessage(dst []byte, s status) []byte {
	dst = w.beginItem(dst, "message", s)
	dst = append(dst, `,"role":"assistant","content":[`...)
	dst = append(dst, w.content...)
	return append(dst, `]}`...)
}

// appendContentPart appends the part under way, with its text as quoted has it.
func (w *writer) appendContentPart(dst []byte) []byte {
	if w.kind == llm.PartRefusal {
		dst = append(dst, `{"type":"refusal","refusal":`...)
		return append(append(dst, w.quoted...), '}')
	}
	dst = append(dst, `{"type":"output_text","text":`...)
	dst = append(dst, w.quoted...)
	dst = append(dst, `,"annotations":[`...)
	dst = append(dst, w.marks...)
	dst = append(dst, `],"logprobs":[`...)
	dst = append(dst, w.logprobs...)
	return append(dst, `]}`...)
}

func (w *writer) appendCall(dst []byte, s status) []byte {
	kind, member := "function_call", "arguments"
	if w.custom {
		kind, member = "custom_tool_call", "input"
	}
	dst = w.beginItem(dst, kind, s)
	dst = append(dst, `,"call_id":`...)
	dst = wire.AppendString(dst, w.id)
	dst = append(dst, `,"name":`...)
	dst = wire.AppendString(dst, w.name)
	dst = appendValue(dst, member, w.quoted)
	return append(dst, '}')
}

// appendReasoning appends the reasoning item under way. Its text is shown once it is whole.
func (w *writer) appendReasoning(dst []byte, encrypted string) []byte {
	dst = w.beginItem(dst, "reasoning", "")
	if w.plain {
		dst = append(dst, `,"summary":[],"content":[`...)
	} else {
		dst = append(dst, `,"summary":[`...)
	}
	dst = append(dst, w.content...)
	if w.shown && len(w.text) > 0 {
		if len(w.content) > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendSection(dst, w.quoted)
	}
	dst = append(dst, ']')
	dst = appendText(dst, "encrypted_content", encrypted)
	return append(dst, '}')
}

// appendSection appends a section of reasoning, whose text is given as JSON.
func (w *writer) appendSection(dst, quoted []byte) []byte {
	kind := "summary_text"
	if w.plain {
		kind = "reasoning_text"
	}
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, '"')
	return append(appendValue(dst, "text", quoted), '}')
}

// appendCitation appends an annotation of text. Indexes count characters.
func appendCitation(dst []byte, c *llm.Citation, text []byte) []byte {
	start := utf8.RuneCount(text[:min(max(c.Start, 0), len(text))])
	end := utf8.RuneCount(text[:min(max(c.End, 0), len(text))])
	if c.URL == "" {
		dst = append(dst, `{"type":"file_citation","file_id":"","filename":`...)
		dst = wire.AppendString(dst, c.Title)
		dst = append(dst, `,"index":`...)
		return append(strconv.AppendInt(dst, int64(end), 10), '}')
	}
	dst = append(dst, `{"type":"url_citation","url":`...)
	dst = wire.AppendString(dst, c.URL)
	dst = append(dst, `,"title":`...)
	dst = wire.AppendString(dst, c.Title)
	dst = append(dst, `,"start_index":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	dst = append(dst, `,"end_index":`...)
	return append(strconv.AppendInt(dst, int64(end), 10), '}')
}

// formatOf returns the output_format of an image.
func formatOf(mime string) string { return strings.TrimPrefix(mime, "image/") }

// appendFailure appends an error event.
func appendFailure(dst []byte, e *llm.Error, sequence int64) []byte {
	dst = append(dst, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":"...)
	dst = strconv.AppendInt(dst, sequence, 10)
	dst = appendFault(dst, e)
	dst = append(dst, `,"error":{"type":"`...)
	dst = append(dst, errorType(e.Kind)...)
	dst = append(dst, '"')
	return append(appendFault(dst, e), "}}\n\n"...)
}

// appendFault appends what an error says, each member with a comma in front.
func appendFault(dst []byte, e *llm.Error) []byte {
	dst = appendText(dst, "code", e.Kind.Code())
	dst = append(dst, `,"message":`...)
	dst = wire.AppendString(dst, e.Message)
	if e.Param == "" {
		return append(dst, `,"param":null`...)
	}
	return appendText(dst, "param", e.Param)
}

// errorType returns OpenAI's type for a kind.
func errorType(k llm.Kind) string {
	switch k {
	case llm.KindUnauthorized:
		return "authentication_error"
	case llm.KindModelForbidden, llm.KindOrigin:
		return "permission_error"
	case llm.KindQuotaExhausted:
		return "insufficient_quota"
	}
	switch s := k.Status(); {
	case s == http.StatusTooManyRequests:
		return "rate_limit_error"
	case s == http.StatusServiceUnavailable:
		return "service_unavailable_error"
	case s >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

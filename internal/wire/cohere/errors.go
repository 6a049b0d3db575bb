package cohere

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ClassifyError reads an answer whose status is no success. It never returns nil. Cohere writes {"id","message"}, Voyage and
// Jina {"detail":"..."}, servers that speak Jina's rerank often {"error":{"message"}}.
func (s Shape) ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	message, param := detail(body)
	e := &llm.Error{Message: fmt.Sprintf("provider answered %d", status), Sent: llm.WasSent, ProviderStatus: status}
	e.RetryAfter, _ = wire.RetryAfter(h, now)
	e.Advice = wire.Advice(h)
	if text := bytes.TrimSpace(body); len(text) > 0 && !wire.Valid(text) {
		message = wire.Plain(text)
	}
	switch lower := strings.ToLower(message); {
	case wire.Blocked(status, body):
		e.Kind, e.Scope = llm.KindBadAnswer, llm.ScopeModel
	case status == http.StatusUnauthorized, status == http.StatusForbidden && !strings.Contains(lower, "balance"):
		// The text may repeat the operator's credentials: clients are told only that.
		e.Kind, e.Message = llm.KindProviderAuth, fmt.Sprintf("provider refused Sluice's credentials: it answered %d", status)
		if status == http.StatusForbidden {
			e.Scope = llm.ScopeModel
		}
		return e
	case status == http.StatusPaymentRequired, status == http.StatusForbidden:
		e.Kind = llm.KindQuotaExhausted
	case status == http.StatusTooManyRequests:
		e.Kind = llm.KindRateLimited
		if strings.Contains(lower, "trial key") && strings.Contains(lower, "month") {
			e.Kind = llm.KindQuotaExhausted // Cohere: so many calls a month
		} else if wire.Daily(message) {
			wire.MarkDay(e)
		}
	case status == http.StatusServiceUnavailable, status == 498, status == 529:
		e.Kind = llm.KindOverloaded
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly:
		e.Kind = llm.KindServerError
	case status < 400:
		e.Kind = llm.KindBadAnswer
	case strings.Contains(lower, "too long"), strings.Contains(lower, "context length"), strings.Contains(lower, "too many tokens"),
		strings.Contains(lower, "max allowed tokens"), strings.Contains(lower, "exceeds the maximum"):
		e.Kind = llm.KindContextLength
	default:
		e.Kind = llm.KindRejected
	}
	if message != "" {
		e.Message += ": " + message
	}
	if (e.Kind == llm.KindRejected || e.Kind == llm.KindContextLength) && wire.Valid(body) {
		e.Param, e.Body = param, body
	}
	return e
}

// detail returns what an error body says, and the field that it names.
func detail(body []byte) (message, param string) {
	body = bytes.TrimSpace(body)
	object, err := wire.Walk(body, func(name string, at wire.Span) bool {
		lit := at.Of(body)
		switch name {
		case "message", "detail", "error":
			if t, ok := wire.Text(lit); ok {
				message = t
				return true
			}
			if m, p := detail(lit); m != "" {
				message, param = m, p
				return true
			}
			if items, ok := wire.Elements(lit, wire.Span{End: len(lit)}); ok && len(items) > 0 {
				message, param = detail(items[0].Of(lit)) // FastAPI
			}
		case "msg":
			message, _ = wire.Text(lit)
		case "param":
			param, _ = wire.Text(lit)
		}
		return true
	})
	if !object || err != nil {
		return "", ""
	}
	if len(message) > wire.MaxMessage {
		message = strings.ToValidUTF8(message[:wire.MaxMessage], "")
	}
	return message, param
}

// AppendError appends the body that tells a client of an error, and returns the HTTP status that goes with it.
func (s Shape) AppendError(dst []byte, e *llm.Error, id string) (body []byte, status int) {
	status = e.Status()
	if s == Cohere {
		dst = append(dst, `{"id":`...)
		dst = wire.AppendString(dst, id)
		dst = append(dst, `,"message":`...)
		dst = wire.AppendString(dst, e.Message)
	} else {
		dst = append(dst, `{"detail":`...)
		dst = wire.AppendString(dst, e.Message)
	}
	dst = append(dst, `,"code":`...)
	dst = wire.AppendString(dst, e.Kind.Code())
	if e.Param != "" {
		dst = append(dst, `,"param":`...)
		dst = wire.AppendString(dst, e.Param)
	}
	return append(dst, '}'), status
}

// SetLimits sets the rate-limit headers that Jina's clients know. Those that are not known (-1) are left out.
func (s Shape) SetLimits(h http.Header, l llm.RateLimits, _ time.Time) {
	set := func(name string, v int64) {
		if v >= 0 {
			h[name] = []string{strconv.FormatInt(v, 10)}
		}
	}
	set("X-Ratelimit-Limit-Requests", l.Requests)
	set("X-Ratelimit-Remaining-Requests", l.RequestsLeft)
	set("X-Ratelimit-Limit-Tokens", l.Tokens)
	set("X-Ratelimit-Remaining-Tokens", l.TokensLeft)
}

// Limits reads the quota headers of an answer. Of the three only Jina sends any: what is left.
func (s Shape) Limits(h http.Header) llm.RateLimits {
	l := llm.NoRateLimits()
	l.Requests, l.RequestsLeft = wire.Quota(h, "X-Ratelimit-Limit-Requests"), wire.Quota(h, "X-Ratelimit-Remaining-Requests")
	l.Tokens, l.TokensLeft = wire.Quota(h, "X-Ratelimit-Limit-Tokens"), wire.Quota(h, "X-Ratelimit-Remaining-Tokens")
	return l
}

package gemini

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ClassifyError reads the answer of a provider whose status is not 200. It never returns nil. The wait that the answer
// asks for, by google.rpc.RetryInfo or else by Retry-After, is in RetryAfter: the Gemini API has no such header.
//
// Body is set if the provider refused the request itself: to the object with the error, in the form that Google's SDKs expect.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	d := readDetail(body)
	e := &llm.Error{
		Kind:           kindOf(status, &d),
		Message:        fmt.Sprintf("provider answered %d", status),
		Param:          d.param,
		Sent:           llm.WasSent,
		Scope:          scopeOf(status, &d),
		ProviderStatus: status,
		ProviderCode:   d.name(),
		RetryAfter:     d.wait(),
		Advice:         wire.Advice(h),
	}
	if e.RetryAfter == 0 {
		e.RetryAfter, _ = wire.RetryAfter(h, now)
	}
	if wire.Blocked(status, body) {
		e.Kind, e.Scope = llm.KindBadAnswer, llm.ScopeModel
	}
	d.markDay(e)
	wire.Describe(e, d.message, d.refusal(body), maskProjects)
	return e
}

// streamError reads an error that came with a status of 200: the data of an event, or the body of an answer. It keeps
// no part of data.
func streamError(data []byte) *llm.Error {
	d := readDetail(data)
	status := d.code
	if status < 400 || status > 599 {
		status = statusOf(d.status)
	}
	e := &llm.Error{
		Message:        "provider sent an error in its answer",
		Param:          d.param,
		Sent:           llm.WasSent,
		Scope:          scopeOf(status, &d),
		ProviderStatus: status,
		ProviderCode:   d.name(),
		RetryAfter:     d.wait(),
	}
	if status == http.StatusOK {
		if e.Kind = kindByMessage(d.message); e.Kind != llm.KindContextLength {
			e.Kind = llm.KindProviderStream
		}
	} else if e.Kind = kindOf(status, &d); e.Kind == llm.KindServerError {
		e.Kind = llm.KindProviderStream
	}
	d.markDay(e)
	wire.Describe(e, d.message, d.refusal(bytes.Clone(data)), maskProjects)
	return e
}

// wait returns the wait of RetryInfo, where it can be meant.
func (d *detail) wait() time.Duration {
	if d.daily {
		return wire.DayWait(d.retry)
	}
	return d.retry
}

// markDay tells a limit of a day from others.
func (d *detail) markDay(e *llm.Error) {
	limit := e.Kind == llm.KindRateLimited || e.Kind == llm.KindQuotaExhausted
	if limit && !d.nothing && (d.daily || e.Kind == llm.KindRateLimited && wire.Daily(d.message)) {
		wire.MarkDay(e)
	}
}

// scopeOf returns what an error is about beyond what its kind says. PERMISSION_DENIED is mostly about one model, if no reason says
// that it is about the project; a limit of zero is that of one model.
func scopeOf(status int, d *detail) llm.Scope {
	switch d.reason {
	case "SERVICE_DISABLED", "CONSUMER_INVALID", "BILLING_DISABLED":
		return llm.ScopeAccount
	case "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING":
		return llm.ScopeKey
	}
	switch {
	case status == http.StatusForbidden, status == http.StatusTooManyRequests && d.noLimit():
		return llm.ScopeModel
	}
	return llm.ScopeUnknown
}

// noLimit reports whether a limit of zero says that the model is not on the account's plan.
func (d *detail) noLimit() bool { return d.nothing || wire.Mentions(d.message, "limit: 0,") }

// bareError reads what stands between events. Google sends an error within a stream as a bare line of JSON (docs/PROVIDERS.md, 3.3).
// It returns nil if there is none.
func bareError(raw []byte) *llm.Error {
	if !begins(raw, '{') && !begins(raw, '[') {
		return nil
	}
	raw = bytes.TrimSpace(raw)
	if d := readDetail(raw); d.found {
		return streamError(raw)
	}
	return nil
}

// kindOf classifies an error by its status, and by what d says. 408, 409 and 499 are about the moment and not about the
// request: they count as errors of the server, which another attempt may get around.
func kindOf(status int, d *detail) llm.Kind {
	switch d.reason {
	case "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "CREDENTIALS_MISSING", "SERVICE_DISABLED", "CONSUMER_INVALID":
		return llm.KindProviderAuth
	case "BILLING_DISABLED":
		return llm.KindQuotaExhausted
	}
	switch {
	case status < 400:
		return llm.KindBadAnswer
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return llm.KindProviderAuth
	case status == http.StatusPaymentRequired:
		return llm.KindQuotaExhausted
	case status == http.StatusTooManyRequests:
		if d.daily || d.noLimit() || wire.Mentions(d.message, "credits are depleted") {
			return llm.KindQuotaExhausted
		}
		return llm.KindRateLimited
	case status == http.StatusServiceUnavailable, status == 529, status == 498:
		return llm.KindOverloaded
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == 499:
		return llm.KindServerError
	}
	return kindByMessage(d.message)
}

// kindByMessage classifies a refused request by the wording, for what Google has no reason of its own. This is the one place where
// text is matched.
func kindByMessage(text string) llm.Kind {
	switch {
	case wire.Mentions(text, "input token count", "maximum number of tokens allowed", "exceeds the maximum number of tokens", "input context is too long"):
		return llm.KindContextLength
	case wire.Begins(text, "api key not valid", "api key expired", "api key not found"):
		// Only at the front: a client that has the words repeated to it would take the target out of use for everybody.
		return llm.KindProviderAuth
	}
	return llm.KindRejected
}

// statusOf returns the HTTP status of a google.rpc code's name, 200 if it is none (google/rpc/code.proto).
func statusOf(name string) int {
	for _, c := range codes {
		if c.name == name {
			return c.status
		}
	}
	return http.StatusOK
}

// codes are the google.rpc codes. Of several with one status the first is the one that errors get. The table is never
// written.
var codes = [...]struct {
	name   string
	status int
}{
	{"INVALID_ARGUMENT", http.StatusBadRequest},
	{"FAILED_PRECONDITION", http.StatusBadRequest},
	{"OUT_OF_RANGE", http.StatusBadRequest},
	{"UNAUTHENTICATED", http.StatusUnauthorized},
	{"PERMISSION_DENIED", http.StatusForbidden},
	{"NOT_FOUND", http.StatusNotFound},
	{"ABORTED", http.StatusConflict},
	{"ALREADY_EXISTS", http.StatusConflict},
	{"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	{"CANCELLED", 499},
	{"INTERNAL", http.StatusInternalServerError},
	{"UNKNOWN", http.StatusInternalServerError},
	{"DATA_LOSS", http.StatusInternalServerError},
	{"UNIMPLEMENTED", http.StatusNotImplemented},
	{"UNAVAILABLE", http.StatusServiceUnavailable},
	{"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
}

// AppendError appends e as the body of an error answer in Google's shape, and returns the HTTP status that goes with it. The
// google.rpc code follows the status; the details hold what has no place in it: the code of Sluice's closed vocabulary as the
// reason of an ErrorInfo, a key's limit as a QuotaFailure, the wait as a RetryInfo, the field at fault as a BadRequest, and the request's id.
func AppendError(dst []byte, e *llm.Error, id string) (body []byte, status int) {
	status = e.Status()
	dst = append(dst, `{"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"message":`...)
	dst = wire.AppendString(dst, e.Message)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, codeOf(status)...)
	dst = append(dst, `","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"`...)
	dst = append(dst, e.Kind.Code()...)
	dst = append(dst, `","domain":"sluice"}`...)
	if e.Param != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...)
		dst = wire.AppendString(dst, e.Param)
		dst = append(dst, `,"description":`...)
		dst = wire.AppendString(dst, e.Message)
		dst = append(dst, `}]}`...)
	}
	if quota := quotaID(e); quota != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"sluice/`...)
		dst = append(dst, e.Kind.Code()...)
		dst = append(dst, `","quotaId":"`...)
		dst = append(dst, quota...)
		dst = append(dst, `","description":`...)
		dst = wire.AppendString(dst, e.Message)
		dst = append(dst, `}]}`...)
	}
	if e.RetryAfter > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = strconv.AppendFloat(dst, e.RetryAfter.Seconds(), 'f', -1, 64)
		dst = append(dst, `s"}`...)
	}
	if id != "" {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":`...)
		dst = wire.AppendString(dst, id)
		dst = append(dst, '}')
	}
	return append(dst, `]}}`...), status
}

// quotaID returns the id of a key's limit, in the way of Google's ids: clients tell limits of a day from others by it. It is empty for errors that are
// about none.
func quotaID(e *llm.Error) string {
	switch {
	case e.Kind != llm.KindKeyRate && e.Kind != llm.KindKeyBudget:
		return ""
	case e.Window == llm.PerDay:
		return "LimitPerDayPerKey"
	case e.Window == llm.PerMinute:
		return "LimitPerMinutePerKey"
	}
	return "LimitPerMonthPerKey"
}

// appendStreamError appends e as an event within a stream.
func appendStreamError(dst []byte, e *llm.Error, id string) []byte {
	dst = append(dst, "data: "...)
	dst, _ = AppendError(dst, e, id)
	return append(dst, '\n', '\n')
}

// codeOf returns the name of the google.rpc code for an HTTP status.
func codeOf(status int) string {
	switch status {
	case http.StatusBadGateway:
		return "UNAVAILABLE"
	case http.StatusMethodNotAllowed:
		return "UNIMPLEMENTED"
	case http.StatusRequestTimeout:
		return "DEADLINE_EXCEEDED"
	}
	for _, c := range codes {
		if c.status == status {
			return c.name
		}
	}
	if status >= 500 {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// SetLimits does nothing: Gemini tells of quotas in errors only.
func SetLimits(http.Header, llm.RateLimits, time.Time) {}

// Limits returns llm.NoRateLimits: Gemini's answers have no quota headers.
func Limits(http.Header) llm.RateLimits { return llm.NoRateLimits() }

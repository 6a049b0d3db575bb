package bedrock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// exception is one of the service's error types.
type exception struct {
	name      string // without Exception at its end
	status    int
	kind      llm.Kind
	anthropic string // the type of error in Claude's own protocol
}

// exceptions with their HTTP codes, from the schemas of aws-sdk-go-v2 service/bedrockruntime v1.63.10. The last row stands for all
// that are not here.
var exceptions = [...]exception{
	{"Throttling", http.StatusTooManyRequests, llm.KindRateLimited, "rate_limit_error"},
	{"ModelNotReady", http.StatusTooManyRequests, llm.KindOverloaded, "overloaded_error"},
	{"ServiceQuotaExceeded", http.StatusBadRequest, llm.KindQuotaExhausted, "rate_limit_error"},
	{"Validation", http.StatusBadRequest, llm.KindRejected, "invalid_request_error"},
	{"AccessDenied", http.StatusForbidden, llm.KindProviderAuth, "permission_error"},
	{"UnrecognizedClient", http.StatusForbidden, llm.KindProviderAuth, "authentication_error"},
	{"InvalidSignature", http.StatusForbidden, llm.KindProviderAuth, "authentication_error"},
	{"ExpiredToken", http.StatusForbidden, llm.KindProviderAuth, "authentication_error"},
	{"ResourceNotFound", http.StatusNotFound, llm.KindRejected, "not_found_error"},
	{"Conflict", http.StatusBadRequest, llm.KindServerError, "conflict_error"},
	{"ModelTimeout", http.StatusRequestTimeout, llm.KindServerError, "timeout_error"},
	{"ModelError", http.StatusFailedDependency, llm.KindServerError, "api_error"},
	{"ModelStreamError", http.StatusFailedDependency, llm.KindServerError, "api_error"},
	{"InternalServer", http.StatusInternalServerError, llm.KindServerError, "api_error"},
	{"ServiceUnavailable", http.StatusServiceUnavailable, llm.KindOverloaded, "overloaded_error"},
	{"", http.StatusInternalServerError, llm.KindNone, "api_error"},
}

// exceptionOf finds an exception by its name, in the case of headers ("ThrottlingException") or of streams
// ("throttlingException").
func exceptionOf(name string) *exception {
	name = strings.TrimSuffix(name, "Exception")
	for i := range exceptions {
		if strings.EqualFold(exceptions[i].name, name) {
			return &exceptions[i]
		}
	}
	return &exceptions[len(exceptions)-1]
}

// failure is what an error body says. encoding/json takes names in any case, so that Message is AWS's message and Message.
type failure struct {
	Message string
	Type    string `json:"__type"`
	Code    string
}

// readFailure reads an error body. One that is none leaves the zero value: the status is then all there is.
func readFailure(body []byte) (f failure) {
	_ = json.Unmarshal(body, &f)
	return f
}

// readMessage returns the message of an exception's payload.
func readMessage(payload []byte) string {
	return readFailure(payload).Message
}

// ClassifyError reads an answer whose status is no success. It never returns nil. What the request did wrong has no Body: no client
// speaks this dialect.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	f := readFailure(body)
	code := errorType(h.Get("X-Amzn-Errortype"))
	if code == "" {
		code = errorType(f.Type)
	}
	e := &llm.Error{
		Kind:           kindOf(code, status, f.Message),
		Message:        fmt.Sprintf("provider answered %d", status),
		Sent:           llm.WasSent,
		ProviderStatus: status,
		ProviderCode:   code,
	}
	e.RetryAfter, _ = wire.RetryAfter(h, now)
	e.Advice = wire.Advice(h)
	if code == "" && wire.Blocked(status, body) {
		e.Kind, e.Scope = llm.KindBadAnswer, llm.ScopeModel
	}
	narrow(e, f.Message)
	describe(e, f.Message)
	return e
}

// narrow notes what an error is about beyond what its kind says. Access and quotas are those of a model; what is wrong with the
// signature is so for all.
func narrow(e *llm.Error, text string) {
	switch {
	case e.Kind == llm.KindProviderAuth && (exceptionOf(e.ProviderCode).name == "AccessDenied" || e.ProviderCode == "" && e.ProviderStatus == http.StatusForbidden),
		e.Kind == llm.KindQuotaExhausted:
		e.Scope = llm.ScopeModel
	case e.Kind == llm.KindRateLimited && wire.Daily(text):
		wire.MarkDay(e)
	}
}

// describe adds what the provider said to the message. What it says of the operator's credentials stays inside.
func describe(e *llm.Error, text string) {
	if text == "" {
		text = e.ProviderCode
	}
	if text == "" {
		return
	}
	if e.Kind == llm.KindProviderAuth {
		e.Message = strings.Replace(e.Message, "provider", "provider refused Sluice's credentials: it", 1)
		return
	}
	masked := arn.ReplaceAllString(text, "arn:...")
	if masked != text {
		e.Err = fmt.Errorf("provider's text: %.500s", text) // the log gets the account
	}
	if len(masked) > wire.MaxMessage {
		masked = strings.ToValidUTF8(masked[:wire.MaxMessage], "") + "..."
	}
	e.Message += ": " + masked
}

// arn matches Amazon resource names, which hold the operator's account number.
var arn = regexp.MustCompile(`arn:aws[a-z-]*:[^\s"',]*`)

// errorType cuts what AWS puts around an error's name: "ns#ThrottlingException:http://...".
func errorType(s string) string {
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, ":")
	return s
}

// kindOf classifies an exception, or a status without one that is known.
func kindOf(code string, status int, message string) llm.Kind {
	if x := exceptionOf(code); x.kind != llm.KindNone {
		if x.kind == llm.KindRejected {
			return kindByMessage(message)
		}
		return x.kind
	}
	switch {
	case status < 400:
		return llm.KindBadAnswer
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return llm.KindProviderAuth
	case status == http.StatusTooManyRequests:
		return llm.KindRateLimited
	case status == http.StatusServiceUnavailable, status == 529, status == 498:
		return llm.KindOverloaded
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusFailedDependency:
		return llm.KindServerError
	}
	return kindByMessage(message)
}

// kindByMessage tells a prompt that does not fit from other refusals: the service has no code for it.
func kindByMessage(message string) llm.Kind {
	message = strings.ToLower(message)
	for _, part := range []string{"input is too long", "prompt is too long", "too many input tokens", "context length", "context window", "maximum context"} {
		if strings.Contains(message, part) {
			return llm.KindContextLength
		}
	}
	return llm.KindRejected
}

// streamError classifies an exception within a stream.
func streamError(name, data []byte) *llm.Error {
	f := readFailure(data)
	code := string(name)
	if code == "error" && f.Code != "" {
		code = f.Code
	}
	e := &llm.Error{
		Kind: kindOf(code, http.StatusOK, f.Message), Message: "provider sent an error in its answer", Sent: llm.WasSent,
		ProviderStatus: exceptionOf(code).status, ProviderCode: code,
	}
	if e.Kind == llm.KindServerError || e.Kind == llm.KindBadAnswer {
		e.Kind = llm.KindProviderStream
	}
	narrow(e, f.Message)
	describe(e, f.Message)
	return e
}

// Limits returns no limits: the service names none in its answers.
func Limits(http.Header) llm.RateLimits { return llm.NoRateLimits() }

// AppendError appends the body that tells a client of an error, and returns the HTTP status that goes with it. The type of the
// exception goes into the header X-Amzn-ErrorType: see ErrorType.
func AppendError(dst []byte, e *llm.Error, _ string) (body []byte, status int) {
	dst = append(dst, `{"message":`...)
	dst = wire.AppendString(dst, e.Message)
	return append(dst, '}'), exceptionOf(ErrorType(e.Kind)).status
}

// ErrorType returns the exception that stands for a kind of errors.
func ErrorType(k llm.Kind) string {
	switch k {
	case llm.KindRateLimited, llm.KindKeyConcurrency, llm.KindQueueFull, llm.KindDeadline:
		return "ThrottlingException"
	case llm.KindQuotaExhausted:
		return "ServiceQuotaExceededException"
	case llm.KindUnauthorized, llm.KindModelForbidden, llm.KindOrigin:
		return "AccessDeniedException"
	case llm.KindNotFound, llm.KindUnknownPath:
		return "ResourceNotFoundException"
	case llm.KindOverloaded, llm.KindNoHealthyTarget, llm.KindDraining, llm.KindLedgerFull, llm.KindStore:
		return "ServiceUnavailableException"
	case llm.KindHeaderTimeout, llm.KindFirstToken, llm.KindStalled, llm.KindTotalTimeout, llm.KindConnectTimeout:
		return "ModelTimeoutException"
	case llm.KindServerError, llm.KindTruncated, llm.KindBadAnswer, llm.KindProviderStream, llm.KindUnreachable, llm.KindProviderAuth:
		return "ModelErrorException"
	case llm.KindInternal:
		return "InternalServerException"
	}
	return "ValidationException"
}

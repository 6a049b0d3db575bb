package llm

import (
	"fmt"
	"net/http"
	"time"
)

// Cause says who is behind an error. The vocabulary is closed.
type Cause uint8

// The causes of errors.
const (
	ByCaller   Cause = iota + 1 // the request itself
	ByPolicy                    // a limit or rule of this gateway's operator
	ByProvider                  // the provider or the way to it
	ByGateway                   // Sluice
)

// String returns the cause's name.
func (c Cause) String() string {
	switch c {
	case ByCaller:
		return "caller"
	case ByPolicy:
		return "policy"
	case ByProvider:
		return "provider"
	case ByGateway:
		return "gateway"
	default:
		return "unknown"
	}
}

// Kind is the class of an error: what happened, not how it is worded. It decides the status, the code and whether
// another attempt may help. The zero Kind means no error.
type Kind uint8

// The kinds of errors. Each has one row in the table below.
const (
	KindNone Kind = iota

	// The request.
	KindBadRequest
	KindUnauthorized
	KindNotFound
	KindUnknownPath
	KindMethod
	KindTooLarge
	KindCanceled
	KindSlowClient
	KindPrevious         // the response to go on with is not there
	KindNoResponse       // the stored response that is asked for is not there
	KindNoFile           // the uploaded file that is asked for is not there
	KindUnsupportedParam // a parameter that this gateway does not honour yet
	KindIdempotency      // the idempotency key was used for another request
	KindNoStream         // the stream that is to be gone on with is not there (any more)

	// The operator's policy.
	KindModelForbidden
	KindKeyConcurrency
	KindKeyRate   // a limit of the key's requests or tokens in a time is reached
	KindKeyBudget // the key's (or its end user's) budget of money is used up
	KindQueueFull
	KindDeadline
	KindOrigin
	KindUnsupported // the model's targets cannot be asked for this

	// The provider.
	KindRejected        // the provider refused the request itself (400, 404, 413, 422)
	KindContentFilter   // refused or stopped by the provider's content filter
	KindContextLength   // the prompt does not fit the model's window
	KindProviderAuth    // the provider refused Sluice's credentials (401, 403)
	KindRateLimited     // 429 that ends by itself
	KindQuotaExhausted  // 429 or 402 that does not: no credit, spend limit, model not on plan
	KindOverloaded      // 503, 529, 498
	KindServerError     // other 5xx
	KindUnreachable     // no connection, or the connection broke before an answer
	KindConnectTimeout  // no connection in time
	KindHeaderTimeout   // no response headers in time
	KindFirstToken      // no content token in time
	KindStalled         // no event for the idle limit
	KindTotalTimeout    // the call's total time is over
	KindTruncated       // the answer ended before it was complete
	KindBadAnswer       // the answer cannot be read, or is over a limit
	KindProviderStream  // error object inside a 200 stream
	KindDegenerate      // the model repeats itself without end (guards.repetition)
	KindTooSlow         // tokens come more slowly than guards.min_rate
	KindInvalidOutput   // the answer is not in the form that the request demands
	KindMismatch        // what a restarted answer begins with is not what the client has seen already
	KindNoHealthyTarget // every target of the model is out

	// Sluice.
	KindDraining
	KindLedgerFull
	KindStore
	KindInternal
)

type kindRow struct {
	code   string
	status int
	cause  Cause
	retry  bool // another attempt, here or at another target, may succeed
}

// kinds is the closed vocabulary: one row a Kind.
var kinds = [...]kindRow{
	KindNone:             {"", http.StatusOK, 0, false},
	KindBadRequest:       {"invalid_request", http.StatusBadRequest, ByCaller, false},
	KindUnauthorized:     {"invalid_api_key", http.StatusUnauthorized, ByCaller, false},
	KindNotFound:         {"model_not_found", http.StatusNotFound, ByCaller, false},
	KindUnknownPath:      {"unknown_path", http.StatusNotFound, ByCaller, false},
	KindMethod:           {"method_not_allowed", http.StatusMethodNotAllowed, ByCaller, false},
	KindTooLarge:         {"request_too_large", http.StatusRequestEntityTooLarge, ByCaller, false},
	KindCanceled:         {"client_closed_request", 499, ByCaller, false},
	KindSlowClient:       {"client_too_slow", http.StatusRequestTimeout, ByCaller, false},
	KindPrevious:         {"previous_response_not_found", http.StatusBadRequest, ByCaller, false},
	KindNoResponse:       {"response_not_found", http.StatusNotFound, ByCaller, false},
	KindNoFile:           {"file_not_found", http.StatusNotFound, ByCaller, false},
	KindUnsupportedParam: {"unsupported_parameter", http.StatusBadRequest, ByCaller, false},
	KindIdempotency:      {"idempotency_mismatch", http.StatusConflict, ByCaller, false},
	KindNoStream:         {"stream_not_found", http.StatusNotFound, ByCaller, false},
	KindModelForbidden:   {"model_not_allowed", http.StatusForbidden, ByPolicy, false},
	KindKeyConcurrency:   {"key_concurrency_exceeded", http.StatusTooManyRequests, ByPolicy, false},
	KindKeyRate:          {"key_rate_exceeded", http.StatusTooManyRequests, ByPolicy, false},
	KindKeyBudget:        {"key_budget_exceeded", http.StatusTooManyRequests, ByPolicy, false},
	KindQueueFull:        {"queue_full", http.StatusTooManyRequests, ByPolicy, false},
	KindDeadline:         {"deadline_unreachable", http.StatusTooManyRequests, ByPolicy, false},
	KindOrigin:           {"origin_not_allowed", http.StatusForbidden, ByPolicy, false},
	KindUnsupported:      {"unsupported_by_target", http.StatusBadRequest, ByPolicy, false},
	KindRejected:         {"provider_rejected", http.StatusBadRequest, ByProvider, false},
	KindContentFilter:    {"content_filter", http.StatusBadRequest, ByProvider, false},
	KindContextLength:    {"context_length_exceeded", http.StatusBadRequest, ByProvider, false},
	KindProviderAuth:     {"provider_auth_failed", http.StatusBadGateway, ByProvider, false},
	KindRateLimited:      {"provider_rate_limited", http.StatusTooManyRequests, ByProvider, true},
	KindQuotaExhausted:   {"provider_quota_exhausted", http.StatusTooManyRequests, ByProvider, false},
	KindOverloaded:       {"provider_overloaded", http.StatusServiceUnavailable, ByProvider, true},
	KindServerError:      {"provider_error", http.StatusBadGateway, ByProvider, true},
	KindUnreachable:      {"provider_unreachable", http.StatusBadGateway, ByProvider, true},
	KindConnectTimeout:   {"provider_connect_timeout", http.StatusGatewayTimeout, ByProvider, true},
	KindHeaderTimeout:    {"provider_header_timeout", http.StatusGatewayTimeout, ByProvider, true},
	KindFirstToken:       {"provider_first_token_timeout", http.StatusGatewayTimeout, ByProvider, true},
	KindStalled:          {"provider_stalled", http.StatusGatewayTimeout, ByProvider, true},
	KindTotalTimeout:     {"total_timeout", http.StatusGatewayTimeout, ByPolicy, false},
	KindTruncated:        {"provider_truncated", http.StatusBadGateway, ByProvider, true},
	KindBadAnswer:        {"provider_bad_answer", http.StatusBadGateway, ByProvider, true},
	KindProviderStream:   {"provider_stream_error", http.StatusBadGateway, ByProvider, true},
	KindDegenerate:       {"degenerate_output", http.StatusBadGateway, ByProvider, true},
	KindTooSlow:          {"provider_too_slow", http.StatusGatewayTimeout, ByProvider, true},
	KindInvalidOutput:    {"invalid_output", http.StatusBadGateway, ByProvider, true},
	KindMismatch:         {"restart_mismatch", http.StatusBadGateway, ByProvider, false},
	KindNoHealthyTarget:  {"no_healthy_target", http.StatusServiceUnavailable, ByProvider, false},
	KindDraining:         {"draining", http.StatusServiceUnavailable, ByGateway, false},
	KindLedgerFull:       {"ledger_full", http.StatusServiceUnavailable, ByGateway, false},
	KindStore:            {"store_unavailable", http.StatusServiceUnavailable, ByGateway, false},
	KindInternal:         {"internal_error", http.StatusInternalServerError, ByGateway, false},
}

// Kinds returns every kind but KindNone, in a fixed order.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds)-1)
	for k := range kinds[1:] {
		all = append(all, Kind(k+1))
	}
	return all
}

// Code returns the kind's code: lower case, stable, part of the contract with clients.
func (k Kind) Code() string { return kinds[k].code }

// Status returns the HTTP status that a client gets for the kind.
func (k Kind) Status() int { return kinds[k].status }

// Cause returns who is behind the kind.
func (k Kind) Cause() Cause { return kinds[k].cause }

// Retryable reports whether another attempt may succeed where this one failed.
func (k Kind) Retryable() bool { return kinds[k].retry }

// String returns the kind's code.
func (k Kind) String() string { return kinds[k].code }

// Sent says how far a failed attempt had come. Retry policy reads it.
type Sent uint8

// How far an attempt came.
const (
	NotSent     Sent = iota // the provider cannot have seen the request
	WasSent                 // the provider may have worked on it
	OutputBegun             // output reached the client
)

// Advice is what a provider says itself about another attempt (x-should-retry). It goes before the rule of the kind.
type Advice uint8

// What a provider may say.
const (
	NoAdvice   Advice = iota
	DoRetry           // the same request may succeed there, whatever the status says
	DoNotRetry        // the same request fails there again; another target may still answer it
)

// Error is the one classified error that crosses layers. It is made where the bytes are read (wire, upstream) or where
// a stage refuses, and from there on only its fields are looked at, never its text.
type Error struct {
	Kind       Kind
	Message    string        // for the caller: what happened, with the value and the name of the limit or setting
	Param      string        // request field that is at fault; empty if none
	RetryAfter time.Duration // stated wait; 0 if none
	Advice     Advice        // stated by the provider
	Sent       Sent
	Scope      Scope  // what of the provider it is about; ScopeUnknown leaves that to the kind
	Window     Window // of the limit that was hit; NoWindow if it is none, or not told

	// What a provider answered, where it did.
	ProviderStatus int    // HTTP status; 0 if none
	ProviderCode   string // the provider's own code or type
	Body           []byte // its body, forwarded to a client of the same dialect when the request itself was refused

	Err error // cause within the program; never shown to clients
}

// Error returns the code and the message, and the inner error if there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

// Unwrap returns the cause within the program.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether another attempt may succeed: where the kind says so, or the provider does. With DoNotRetry
// that holds for other targets only.
func (e *Error) Retryable() bool { return e.Kind.Retryable() || e.Advice == DoRetry }

// Status returns the HTTP status that a client gets: that of the kind or, where the provider refused the request itself, the provider's
// own, as far as clients tell errors apart by it (404, 409, 413, 422).
func (e *Error) Status() int {
	if e.Kind == KindRejected {
		switch e.ProviderStatus {
		case http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
			return e.ProviderStatus
		}
	}
	return e.Kind.Status()
}

// Errorf makes an Error of a kind with a formatted message. It is kept out of line: the frames of its callers would grow
// by an Error each, and many of those stay on the stack for as long as a stream is open.
//
//go:noinline
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

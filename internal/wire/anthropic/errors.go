package anthropic

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ClassifyError reads the answer of a provider whose status is no success. It never returns nil. The wait that the answer
// asks for is in RetryAfter, what x-should-retry says in Advice.
//
// Body is set, to the same memory as body unless an id in it had to be masked, if the provider refused the request itself in
// the protocol's form, so that it can be forwarded; a body in any other form (the edge answers in HTML, or with nothing) is
// told by Message only.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	d := readDetail(body)
	e := &llm.Error{
		Kind:           kindOf(status, &d),
		Message:        fmt.Sprintf("provider answered %d", status),
		Param:          d.param(),
		Sent:           llm.WasSent,
		Scope:          scopeOf(status, &d),
		ProviderStatus: status,
		ProviderCode:   d.name(),
		Advice:         wire.Advice(h),
	}
	e.RetryAfter, _ = wire.RetryAfter(h, now)
	switch {
	case wire.Blocked(status, body):
		e.Kind, e.Scope = llm.KindBadAnswer, llm.ScopeModel
	case e.Kind == llm.KindRateLimited && wire.Daily(d.message):
		wire.MarkDay(e)
	}
	wire.Describe(e, d.message, d.refusal(body), maskAccounts)
	return e
}

// streamError reads an error that came with a status of 200: the data of an event, or the body of an answer. It keeps no
// part of data.
func streamError(data []byte) *llm.Error {
	d := readDetail(data)
	e := &llm.Error{
		Kind:           kindOf(http.StatusOK, &d),
		Message:        "provider sent an error in its answer",
		Param:          d.param(),
		Sent:           llm.WasSent,
		Scope:          scopeOf(http.StatusOK, &d),
		ProviderStatus: http.StatusOK,
		ProviderCode:   d.name(),
	}
	wire.Describe(e, d.message, d.refusal(bytes.Clone(data)), maskAccounts)
	return e
}

// scopeOf returns what an error is about beyond what its kind says. permission_error is mostly about one model or feature; what is
// wrong with the organization has a code.
func scopeOf(status int, d *detail) llm.Scope {
	switch {
	case wholeAccount(d.code):
		return llm.ScopeAccount
	case status == http.StatusForbidden, d.typ == "permission_error":
		return llm.ScopeModel
	}
	return llm.ScopeUnknown
}

// wholeAccount reports whether a code says that the operator's account is refused, whatever the status says.
func wholeAccount(code string) bool {
	switch code {
	case "organization_on_hold", "cmek_key_disabled", "cmek_key_network_blocked", "organization_type_not_supported",
		"parent_organization_required", "sandbox_egress_restricted":
		return true
	}
	return false
}

// kindOf classifies an error by its status, where 200 is that of an error within an answer, and by what d says.
func kindOf(status int, d *detail) llm.Kind {
	switch d.code {
	case "enforced_spend_limit_reached", "contract_spend_limit_reached", "linked_organization_spend_limit_reached",
		"linked_organization_billing_unavailable":
		return llm.KindQuotaExhausted
	}
	if wholeAccount(d.code) {
		return llm.KindProviderAuth
	}
	if k := kindByStatus(status, d); k != llm.KindNone {
		return k
	}
	return kindByType(d, status)
}

// kindByStatus classifies an error by its status. It returns KindNone where the type says more.
//
// 408, 409, 424 and 425 are about the moment and not about the request, and end by themselves: they count as errors of the
// server, which another attempt may get around.
func kindByStatus(status int, d *detail) llm.Kind {
	switch {
	case status == http.StatusOK:
		return llm.KindNone
	case status < 400:
		return llm.KindBadAnswer
	case status == http.StatusUnauthorized:
		return llm.KindProviderAuth
	case status == http.StatusPaymentRequired:
		return llm.KindQuotaExhausted
	case status == http.StatusForbidden:
		return llm.KindProviderAuth
	case status == http.StatusTooManyRequests:
		return llm.KindRateLimited
	case status == 529, status == http.StatusServiceUnavailable, status == 498:
		return llm.KindOverloaded
	case status >= 500 && d.typ == "overloaded_error":
		return llm.KindOverloaded
	case status >= 500:
		return llm.KindServerError
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusFailedDependency,
		status == http.StatusTooEarly:
		return llm.KindServerError
	case status == http.StatusRequestEntityTooLarge:
		return llm.KindRejected
	}
	return llm.KindNone
}

// kindByType classifies an error by its type: one within a 200 answer, or one of the request.
func kindByType(d *detail, status int) llm.Kind {
	switch d.typ {
	case "overloaded_error":
		return llm.KindOverloaded
	case "rate_limit_error":
		return llm.KindRateLimited
	case "billing_error":
		return llm.KindQuotaExhausted
	case "authentication_error", "permission_error":
		return llm.KindProviderAuth
	case "api_error", "timeout_error", "conflict_error":
		if status == http.StatusOK {
			return llm.KindProviderStream
		}
		return llm.KindServerError
	}
	k := kindByMessage(d)
	if status == http.StatusOK && k == llm.KindRejected && d.typ != "invalid_request_error" && d.typ != "request_too_large" &&
		d.typ != "not_found_error" {
		return llm.KindProviderStream
	}
	return k
}

// kindByMessage classifies a refused request by the wording, where the provider has no type for it. This is the one place
// where text is matched. All of them are invalid_request_error with status 400 (docs of errors and of context windows, 2026-11).
func kindByMessage(d *detail) llm.Kind {
	text := strings.ToLower(d.message)
	switch {
	case strings.Contains(text, "prompt is too long"),
		strings.Contains(text, "exceed context limit"), // "input length and `max_tokens` exceed context limit: 1 + 2 > 2"
		strings.Contains(text, "input is too long"),    // the same model at Bedrock
		strings.Contains(text, "maximum context length"):
		return llm.KindContextLength
	case strings.HasPrefix(text, "your credit balance is too low"),
		strings.Contains(text, "reached your specified api usage limits"), // a spend limit that the account has set itself
		strings.Contains(text, "reached your specified workspace api usage limits"):
		return llm.KindQuotaExhausted
	case strings.Contains(text, "output blocked by content filtering policy"):
		return llm.KindContentFilter
	case strings.HasPrefix(text, "invalid x-api-key"), strings.HasPrefix(text, "invalid bearer token"):
		// Only at the front: a client that has the words repeated to it would take the target out of use for everybody.
		return llm.KindProviderAuth
	}
	return llm.KindRejected
}

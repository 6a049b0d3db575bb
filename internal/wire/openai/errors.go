package openai

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ClassifyError reads the answer of a provider whose status is not 200. It never returns nil. The wait that the answer
// asks for, by header or by Google's RetryInfo, is in RetryAfter.
//
// Body is set, to the same memory as body unless an id in it had to be masked, if the provider refused the request itself in the form that OpenAI's clients
// expect (an object under error), so that it can be forwarded; a body in any other form is told by Message only.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	d := readDetail(body)
	e := &llm.Error{
		Kind:           kindOf(status, h, &d),
		Message:        fmt.Sprintf("provider answered %d", status),
		Param:          d.param,
		Sent:           llm.WasSent,
		Scope:          scopeOf(status, h, &d),
		ProviderStatus: status,
		ProviderCode:   d.name(),
		RetryAfter:     d.wait(),
		Advice:         wire.Advice(h),
	}
	if wait, ok := wire.RetryAfter(h, now); ok {
		e.RetryAfter = wait
	}
	if wire.Blocked(status, body) {
		e.Kind, e.Scope = llm.KindBadAnswer, llm.ScopeModel
	}
	markDay(e, h, &d)
	wire.Describe(e, d.message, d.refusal(body), maskAccounts)
	return e
}

// streamError reads an error that came with a status of 200: the data of an event, or the body of an answer. It keeps
// no part of data.
func streamError(data []byte) *llm.Error {
	d := readDetail(data)
	status := d.status
	if status < 400 || status > 599 {
		status = http.StatusOK
	}
	e := &llm.Error{
		Kind:           kindOf(status, nil, &d),
		Message:        "provider sent an error in its answer",
		Param:          d.param,
		Sent:           llm.WasSent,
		Scope:          scopeOf(status, nil, &d),
		ProviderStatus: status,
		ProviderCode:   d.name(),
		RetryAfter:     d.wait(),
	}
	if e.Kind == llm.KindServerError {
		e.Kind = llm.KindProviderStream
	}
	markDay(e, nil, &d)
	wire.Describe(e, d.message, d.refusal(bytes.Clone(data)), maskAccounts)
	return e
}

// markDay tells a limit of a day from others. Where there is no better sign, it is one whose reset is more than a minute away: Groq's
// x-ratelimit-*-requests is a day's, Cerebras has names of its own for it (PROVIDERS.md 4.1, 2026-11).
func markDay(e *llm.Error, h http.Header, d *detail) {
	switch {
	case d.daily && (e.Kind == llm.KindRateLimited || e.Kind == llm.KindQuotaExhausted):
		wire.MarkDay(e)
	case e.Kind != llm.KindRateLimited:
	case wire.Daily(d.message):
		wire.MarkDay(e)
	default:
		for _, name := range [...]string{"Requests-Day", "Tokens-Day", "Requests", "Tokens"} {
			if wire.Quota(h, "X-Ratelimit-Remaining-"+name) != 0 {
				continue
			}
			reset := resetIn(h.Get("X-Ratelimit-Reset-"+name), h)
			if !strings.HasSuffix(name, "-Day") && reset <= longestMinute {
				continue
			}
			if e.RetryAfter == 0 {
				e.RetryAfter = reset
			}
			wire.MarkDay(e)
			return
		}
	}
}

// longestMinute is the longest reset of a limit that counts by the minute, with some slack.
const longestMinute = 65 * time.Second

// scopeOf returns what an error is about beyond what its kind says. A 403 is mostly about one model (not on the plan, not allowed
// to the project); one about the account has a code that says so.
func scopeOf(status int, h http.Header, d *detail) llm.Scope {
	switch {
	case d.is("unsupported_country", "unsupported_country_region_territory", "account_deactivated", "organization_deactivated"):
		return llm.ScopeAccount
	case status == http.StatusForbidden && !spent(d), status == http.StatusTooManyRequests && (noPlan(h) || noLimit(d)):
		return llm.ScopeModel
	}
	return llm.ScopeUnknown
}

// kindOf classifies an error by its status, where 200 is that of an error within an answer, and by what d says.
// 408, 409, 424 and 425 are about the moment and not about the request, and end by themselves: they count as errors of
// the server, which another attempt may get around.
func kindOf(status int, h http.Header, d *detail) llm.Kind {
	if k := kindByCode(d); k != llm.KindNone {
		return k
	}
	switch {
	case status == http.StatusOK:
		return kindInAnswer(d)
	case status < 400:
		return llm.KindBadAnswer
	case status == http.StatusUnauthorized:
		return llm.KindProviderAuth
	case status == http.StatusForbidden:
		return kindOfForbidden(d)
	case status == http.StatusPaymentRequired:
		if h.Get("Retry-After") != "" {
			return llm.KindRateLimited // OpenRouter: the credit is only held by calls under way
		}
		return llm.KindQuotaExhausted
	case status == http.StatusTooManyRequests:
		if noPlan(h) || noLimit(d) || d.daily {
			return llm.KindQuotaExhausted
		}
		return llm.KindRateLimited
	case status == 498, status == 529, status == http.StatusServiceUnavailable:
		return llm.KindOverloaded
	case status >= 500:
		return llm.KindServerError
	case status == http.StatusRequestTimeout, status == http.StatusConflict,
		status == http.StatusFailedDependency, status == http.StatusTooEarly:
		return llm.KindServerError
	}
	return kindByMessage(d)
}

// kindInAnswer classifies an error within a 200 answer that has no status of its own.
func kindInAnswer(d *detail) llm.Kind {
	switch {
	case d.is("rate_limit_exceeded", "rate_limit_error", "slow_down", "too_many_requests", "resource_exhausted"):
		return llm.KindRateLimited
	case d.is("server_is_overloaded", "overloaded_error", "service_unavailable_error", "capacity_exceeded",
		"unavailable_error"):
		return llm.KindOverloaded
	}
	if k := kindByMessage(d); k == llm.KindContextLength {
		return k
	}
	return llm.KindProviderStream
}

// kindByCode classifies an error by the provider's code or type, where these are clearer than the status.
func kindByCode(d *detail) llm.Kind {
	switch {
	case d.is("insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
		"project_spend_limit_exceeded", "organization_usage_limit_exceeded", "enforced_spend_limit_reached",
		"contract_spend_limit_reached", "billing_hard_limit_reached", "billing_not_active", "billing_error"):
		return llm.KindQuotaExhausted
	case d.is("context_length_exceeded", "context_window_exceeded", "model_context_window_exceeded",
		"exceed_context_size_error"):
		return llm.KindContextLength
	case d.is("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"):
		return llm.KindContentFilter
	case d.is("invalid_api_key"):
		return llm.KindProviderAuth
	}
	return llm.KindNone
}

// kindOfForbidden tells the meanings of 403 apart. Together answers so to a prompt that does not fit, OpenRouter to
// one that its moderation stopped.
func kindOfForbidden(d *detail) llm.Kind {
	switch k := kindByMessage(d); {
	case k == llm.KindContextLength:
		return k
	case wire.Mentions(d.message, "flagged"):
		return llm.KindContentFilter
	case spent(d):
		return llm.KindQuotaExhausted
	}
	return llm.KindProviderAuth
}

// spent reports whether a 403 means that there is no credit (xAI and others).
func spent(d *detail) bool {
	return wire.Mentions(d.message, "available credits", "spending limit", "insufficient balance", "insufficient credit", "out of credit")
}

// noLimit reports whether a limit of zero says that the model is not on the account's plan (Gemini).
func noLimit(d *detail) bool { return wire.Mentions(d.message, "limit: 0,") }

// kindByMessage classifies a refused request by the wording, for servers that have no code for it. This is the one
// place where text is matched.
func kindByMessage(d *detail) llm.Kind {
	switch {
	case wire.Mentions(d.message, "context length", "context window", "context size", "maximum context", "max_model_len",
		"prompt is too long", "too many tokens", "input is too long", "max_new_tokens", "maximum prompt length"):
		return llm.KindContextLength
	case wire.Begins(d.message, "api key not valid", "incorrect api key", "invalid api key"): // Gemini and xAI, with a 400
		// Only at the front: a client that has the words repeated to it would take the target out of use for everybody.
		return llm.KindProviderAuth
	}
	return llm.KindRejected
}

// noPlan reports whether a limit of zero says that the model is not on the account's plan (Mistral).
func noPlan(h http.Header) bool {
	return h.Get("X-Ratelimit-Limit-Req-Minute") == "0" || h.Get("X-Ratelimit-Limit-Tokens-Minute") == "0"
}

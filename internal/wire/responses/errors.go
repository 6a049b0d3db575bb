package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// fault is an error as the protocol words it within an answer: the members of an error event, of the object under error in one, and
// of a failed response's error.
type fault struct {
	Code    any    `json:"code"` // mostly a string
	Type    string `json:"type"`
	Message string `json:"message"`
	Param   string `json:"param"`
	Error   *fault `json:"error"`
}

// faultOf classifies an error that came with a status of 200: the data of an error event, or a failed response's error. It keeps
// no part of data.
func faultOf(data []byte) *llm.Error {
	var f fault
	_ = json.Unmarshal(data, &f) // what cannot be read says nothing; it is an error all the same
	if f.Error != nil {
		f = *f.Error
	}
	code, _ := f.Code.(string)
	if code == "" && f.Type != "error" {
		code = f.Type
	}
	e := &llm.Error{
		Kind: kindOf(code, f.Type, f.Message), Sent: llm.WasSent, ProviderStatus: http.StatusOK, ProviderCode: code,
		Message: "provider sent an error in its answer", Param: f.Param,
	}
	if e.Kind == llm.KindRateLimited && wire.Daily(f.Message) {
		wire.MarkDay(e)
	}
	text := wire.Clip(f.Message, wire.MaxMessage)
	switch e.Kind {
	case llm.KindRateLimited, llm.KindQuotaExhausted, llm.KindProviderAuth:
		// These texts name the operator's organization, or repeat its key: they are for the log only.
		e.Param = ""
		if text != "" {
			e.Err = errors.New(text)
		}
		text = code
	}
	switch {
	case text != "":
		e.Message = fmt.Sprintf("%s: %s", e.Message, text)
	case code != "":
		e.Message = fmt.Sprintf("%s: %s", e.Message, code)
	}
	return e
}

// kindOf classifies an error by its code. See PROVIDERS.md 1.2 and 1.3 (2026-11).
func kindOf(code, kind, message string) llm.Kind {
	is := func(names ...string) bool { return slices.Contains(names, code) || slices.Contains(names, kind) }
	switch {
	case is("insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
		"organization_usage_limit_exceeded", "billing_hard_limit_reached", "billing_not_active", "billing_error",
		"enforced_spend_limit_reached", "contract_spend_limit_reached"):
		return llm.KindQuotaExhausted
	case is("context_length_exceeded"), strings.Contains(strings.ToLower(message), "context window"):
		return llm.KindContextLength
	case is("rate_limit_exceeded", "rate_limit_error", "slow_down", "too_many_requests"):
		return llm.KindRateLimited
	case is("server_is_overloaded", "service_unavailable_error", "overloaded_error"):
		return llm.KindOverloaded
	case is("content_filter", "content_policy_violation", "bio_policy", "misalignment_policy_violation", "image_content_policy_violation",
		"cyber_policy", "invalid_prompt"):
		return llm.KindContentFilter // invalid_prompt is what a prompt flagged for its content gets
	case is("invalid_api_key"):
		return llm.KindProviderAuth
	case is("invalid_request_error", "data_residency_mismatch", "failed_to_download_image", "empty_image_file", "unsupported_image_media_type"),
		strings.HasPrefix(code, "invalid_"), strings.HasPrefix(code, "image_"):
		return llm.KindRejected
	}
	return llm.KindProviderStream
}

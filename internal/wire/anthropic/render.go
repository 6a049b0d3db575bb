package anthropic

import (
	"net/http"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// statusOverloaded has no name in net/http.
const statusOverloaded = 529

// AppendError appends e as the body of an error answer, and returns the HTTP status that goes with it. id is that of the
// request; without one request_id is null. The type is one of the protocol's; details.error_code is the code of Sluice's
// closed vocabulary, details.param the field at fault if there is one. The official clients choose their error's class
// by the status, and show both fields (PROVIDERS.md 2.4).
func AppendError(dst []byte, e *llm.Error, id string) (body []byte, status int) {
	status, kind := errorShape(e)
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","message":`...)
	dst = wire.AppendString(dst, e.Message)
	dst = append(dst, `,"details":{"error_code":"`...)
	dst = append(dst, e.Kind.Code()...)
	dst = append(dst, '"')
	if e.Param != "" {
		dst = append(dst, `,"param":`...)
		dst = wire.AppendString(dst, e.Param)
	}
	dst = append(dst, `}},"request_id":`...)
	return append(appendNullable(dst, id), '}'), status
}

// errorShape returns the status and the type of a kind. Where the protocol has a status of its own it is that one: overload
// is 529. A provider that has no credit left is not the client's bill, so it is a limit and not 402.
func errorShape(e *llm.Error) (status int, kind string) {
	switch e.Kind {
	case llm.KindUnauthorized:
		return http.StatusUnauthorized, "authentication_error"
	case llm.KindModelForbidden, llm.KindOrigin:
		return http.StatusForbidden, "permission_error"
	case llm.KindOverloaded:
		return statusOverloaded, "overloaded_error"
	}
	switch status = e.Status(); {
	case status == http.StatusNotFound:
		return status, "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		return status, "request_too_large"
	case status == http.StatusTooManyRequests:
		return status, "rate_limit_error"
	case status == http.StatusGatewayTimeout, status == http.StatusRequestTimeout:
		return status, "timeout_error"
	case status >= 500:
		return status, "api_error"
	default:
		return status, "invalid_request_error"
	}
}

// AppendPing appends the event that the API itself keeps streams alive with, at any place in them (PROVIDERS.md 2.3).
func AppendPing(dst []byte) []byte {
	return append(dst, "event: ping\ndata: {\"type\": \"ping\"}\n\n"...)
}

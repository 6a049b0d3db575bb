package openai

import (
	"net/http"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendError appends e as the body of an error answer in OpenAI's shape: an object under error, with message, type,
// param (null if there is none) and code, all of them strings. The code is the one of Sluice's closed vocabulary, and the
// status that is returned the one of its kind. The id of the request has no place in this shape: it stands in headers.
func AppendError(dst []byte, e *llm.Error, _ string) (body []byte, status int) {
	return appendErrorBody(dst, e), e.Status()
}

func appendErrorBody(dst []byte, e *llm.Error) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = wire.AppendString(dst, e.Message)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, errorType(e.Kind)...)
	dst = append(dst, `","param":`...)
	if e.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendString(dst, e.Param)
	}
	dst = append(dst, `,"code":"`...)
	dst = append(dst, e.Kind.Code()...)
	return append(dst, `"}}`...)
}

// AppendStreamError appends e as an event within a stream, which all of OpenAI's clients take as the stream's failure.
func AppendStreamError(dst []byte, e *llm.Error) []byte {
	dst = append(dst, "data: "...)
	dst = appendErrorBody(dst, e)
	return append(dst, '\n', '\n')
}

// errorType returns OpenAI's type for a kind.
func errorType(k llm.Kind) string {
	switch k {
	case llm.KindUnauthorized:
		return "authentication_error"
	case llm.KindModelForbidden, llm.KindOrigin:
		return "permission_error"
	case llm.KindQuotaExhausted, llm.KindKeyBudget: // clients tell a limit that ends soon from money that is used up by it
		return "insufficient_quota"
	}
	switch status := k.Status(); {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status == http.StatusServiceUnavailable:
		return "service_unavailable_error"
	case status >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// AppendPing appends a comment, which readers of event streams skip. openai-go before 3.43.0 does not survive the blank line behind it
// (PROVIDERS.md 0.2); for the others it keeps a comment and the event that follows apart.
func AppendPing(dst []byte) []byte { return append(dst, ": keep-alive\n\n"...) }

package sim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// refuse answers with a refusal in the words of the request's dialect.
func (x *exchange) refuse(r *refusal) { x.s.refuse(x.w, r, x.ask, x.id, &x.fx) }

// refuse answers with a refusal in the words of a dialect. fx may be nil.
func (s *Server) refuse(w http.ResponseWriter, r *refusal, a *ask, id string, fx *effects) {
	h := w.Header()
	if a.host == onBedrock && r.code == "insufficient_quota" {
		r.status = http.StatusBadRequest
	}
	switch {
	case r.any || r.noBody:
	case r.code == "content_filter" && a.dialect == llm.Gemini && a.op == llm.OpChat:
		r.blocked(a)
	case fx != nil && fx.quirk != nil && fx.quirk.refusal != nil:
		r.own = fx.quirk.refusal(r)
	case a.host == onAzure && r.raw == "":
		r.own = azureBody(r)
	default:
		r.own, r.media = r.dialectBody(a, id)
	}
	switch {
	case a.host == onBedrock:
		h.Set("X-Amzn-Errortype", r.exception()+":http://internal.amazon.com/coral/com.amazon.bedrock/")
		r.form = ""
	case a.dialect == llm.Gemini:
		r.form = "" // the wait stands in the body
	case a.dialect == llm.Anthropic && r.form == "both":
		r.form = "seconds"
	}
	switch {
	case r.advice != "":
		h.Set("X-Should-Retry", r.advice)
	case a.dialect == llm.Anthropic && r.status < 500:
		h.Set("X-Should-Retry", strconv.FormatBool(r.status == 429 && r.code != "insufficient_quota" || r.status == 408 || r.status == 409))
	}
	r.send(w, s.now())
}

// blocked turns the refusal into Gemini's answer to a prompt that it blocks: a success without candidates (PROVIDERS.md
// section 3.2, 2026-11-20).
func (r *refusal) blocked(a *ask) {
	const body = `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"modelVersion":"sim","responseId":"sim"}`
	r.status, r.media, r.own = http.StatusOK, "application/json; charset=UTF-8", []byte(body)
	switch {
	case a.array:
		r.own = []byte("[" + body + "\n]")
	case a.stream:
		r.media, r.own = "text/event-stream", []byte("data: "+body+"\n\n")
	}
}

// exception is the name of Amazon's exception for the refusal.
func (r *refusal) exception() string {
	switch {
	case strings.HasSuffix(r.code, "Exception"):
		return r.code
	case r.code == "insufficient_quota":
		return exceptionOf(quotaException)
	}
	return exceptionOf(r.status)
}

// lateRefusal is what ends an answer that has begun: the overload that each protocol has a word for.
func (x *exchange) lateRefusal() *refusal {
	switch {
	case x.ask.host == onBedrock:
		return refuseStatus(500, -1, "")
	case x.ask.dialect == llm.Anthropic:
		return refuseStatus(529, -1, "")
	case x.ask.dialect == llm.Gemini:
		return refuseStatus(503, -1, "")
	}
	return refuseStatus(500, -1, "")
}

// dialectBody returns the body in the words of a dialect; nil is OpenAI's own.
func (r *refusal) dialectBody(a *ask, id string) (body []byte, media string) {
	switch {
	case a.host == onBedrock:
		return wireObject("message", r.inWords(a)), "application/json"
	case a.dialect == llm.Anthropic:
		return r.anthropicBody(a, id), "application/json"
	case a.dialect == llm.Gemini:
		return r.googleBody(a), "application/json; charset=UTF-8"
	case a.dialect == llm.Cohere:
		return wireObject("id", id, "message", r.text), "application/json"
	case a.dialect == llm.Jina || a.dialect == llm.Voyage:
		return wireObject("detail", r.text), "application/json"
	default:
		return nil, r.media
	}
}

// wireObject is a JSON object of names and texts.
func wireObject(pairs ...string) []byte {
	b := []byte{'{'}
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(wire.AppendString(b, pairs[i]), ':')
		b = wire.AppendString(b, pairs[i+1])
	}
	return append(b, '}')
}

// inWords is the message, where a dialect has words of its own for what happened.
func (r *refusal) inWords(a *ask) string {
	switch {
	case r.code == "context_length_exceeded" && a.host == onBedrock:
		return "Input is too long for requested model."
	case r.code == "context_length_exceeded" && a.dialect == llm.Anthropic:
		return fmt.Sprintf("prompt is too long: %d tokens > %d maximum", r.asked, r.window)
	case r.code == "context_length_exceeded" && a.dialect == llm.Gemini:
		return fmt.Sprintf("The input token count (%d) exceeds the maximum number of tokens allowed (%d).", r.asked, r.window)
	case r.code == "content_filter" && a.dialect == llm.Anthropic:
		return "Output blocked by content filtering policy"
	case r.code == "content_filter":
		return "The request was blocked by the content filter."
	case r.day && a.host == onBedrock:
		return "Too many tokens per day, please wait before trying again."
	case r.status == 429 && a.host == onBedrock && r.code != "insufficient_quota":
		return "Too many requests, please wait before trying again."
	case r.text == "":
		return http.StatusText(r.status)
	}
	return r.text
}

// anthropicTypes are the types of errors by status (PROVIDERS.md section 2.4, 2026-11-20).
var anthropicTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
	404: "not_found_error", 408: "timeout_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
	504: "timeout_error", 529: "overloaded_error",
}

func (r *refusal) anthropicBody(a *ask, id string) []byte {
	kind := anthropicTypes[r.status]
	switch {
	case kind == "" && r.status < 500:
		kind = "invalid_request_error"
	case kind == "":
		kind = "api_error"
	}
	b := wire.AppendString([]byte(`{"type":"error","error":{"type":`), kind)
	b = wire.AppendString(append(b, `,"message":`...), r.inWords(a))
	if r.code == "insufficient_quota" {
		b = append(b, `,"details":{"error_code":"enforced_spend_limit_reached"}`...)
	}
	b = append(b, '}')
	if id != "" && a.host == onDirect {
		b = wire.AppendString(append(b, `,"request_id":`...), id)
	}
	return append(b, '}')
}

// googleStatuses are Google's words for statuses (google.rpc.Code).
var googleStatuses = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "FAILED_PRECONDITION", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
	408: "DEADLINE_EXCEEDED", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}

func (r *refusal) googleBody(a *ask) []byte {
	status := googleStatuses[r.status]
	switch {
	case status == "" && r.status < 500:
		status = "INVALID_ARGUMENT"
	case status == "":
		status = "UNAVAILABLE"
	}
	b := strconv.AppendInt([]byte(`{"error":{"code":`), int64(r.status), 10)
	b = wire.AppendString(append(b, `,"message":`...), r.inWords(a))
	b = wire.AppendString(append(b, `,"status":`...), status)
	if r.status == 429 {
		b = r.googleDetails(append(b, `,"details":[`...))
		b = append(b, ']')
	}
	return append(b, "}}\n"...)
}

// googleQuotas are the names of Google's quotas by what they count.
var googleQuotas = [countKinds]struct{ metric, id string }{
	{"generate_content_requests", "GenerateRequests"},
	{"generate_content_tokens", "GenerateContentTokens"},
	{"generate_content_input_token_count", "GenerateContentInputTokens"},
	{"generate_content_output_token_count", "GenerateContentOutputTokens"},
}

// googleDetails says which quota is used up and when to come back. A quota of an account has no such time; for one of a day Google
// states seconds, after which it is as empty as before (PROVIDERS.md section 3.3, 2026-11).
func (r *refusal) googleDetails(b []byte) []byte {
	per, value := "PerMinute", int64(10)
	if r.code == "insufficient_quota" || r.day {
		per = "PerDay"
	}
	if r.limit > 0 {
		value = r.limit
	}
	name := googleQuotas[r.counts]
	b = append(b, `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/`+
		name.metric+`","quotaId":"`+name.id+per+`PerProjectPerModel","quotaValue":"`+strconv.FormatInt(value, 10)+
		`"}]},{"@type":"type.googleapis.com/google.rpc.Help","links":[]}`...)
	if r.code == "insufficient_quota" || r.form == "" {
		return b
	}
	wait := r.wait
	if r.day {
		wait %= time.Minute
	}
	if r.form == "seconds" {
		wait = time.Duration(math.Ceil(wait.Seconds())) * time.Second
	}
	seconds := strconv.FormatFloat(math.Ceil(wait.Seconds()*1000)/1000, 'f', -1, 64)
	return append(b, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`+seconds+`s"}`...)
}

// quotaException stands for a quota of an account, whose status is not its own.
const quotaException = 4000

// exceptionOf is the name of Amazon's exception for a status (PROVIDERS.md section 4.1, 2026-11-20).
func exceptionOf(status int) string {
	switch status {
	case 401:
		return "UnrecognizedClientException"
	case 403:
		return "AccessDeniedException"
	case 404:
		return "ResourceNotFoundException"
	case 408:
		return "ModelTimeoutException"
	case 409:
		return "ConflictException"
	case 424:
		return "ModelErrorException"
	case 429:
		return "ThrottlingException"
	case 503, 529, 498:
		return "ServiceUnavailableException"
	case quotaException:
		return "ServiceQuotaExceededException"
	}
	if status < 500 {
		return "ValidationException"
	}
	return "InternalServerException"
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return string(unicode.ToLower(rune(s[0]))) + s[1:]
}

// azureBody is the error object of Azure's gateway: the code is the status where the model has no word of its own.
func azureBody(r *refusal) []byte {
	code := r.code
	if code == "" || r.status == 429 || r.status == 401 {
		code = strconv.Itoa(r.status)
	}
	return []byte(`{"error":` + string(wireObject("code", code, "message", r.text)) + `}`)
}

// introduce sets the headers that each service puts on all of its answers.
func (x *exchange) introduce(h http.Header) {
	switch {
	case x.ask.host == onBedrock:
		h.Set("X-Amzn-Requestid", x.id)
	case x.ask.host == onVertex || x.ask.dialect == llm.Gemini:
		h.Set("Server-Timing", "gfet4t7; dur=1")
	case x.ask.dialect == llm.Anthropic:
		h.Set("Request-Id", x.id)
		h.Set("Anthropic-Organization-Id", "org-sim")
	case x.ask.host == onAzure:
		h.Set("X-Request-Id", x.id)
		h.Set("Apim-Request-Id", x.id)
		h.Set("X-Ms-Region", "Simulated Central")
	default:
		h.Set("X-Request-Id", x.id)
		h.Set("Openai-Version", "2020-10-01")
		h.Set("Openai-Organization", "org-sim")
	}
}

// refuseURL says that there is nothing at a path.
func refuseURL(r *http.Request) *refusal {
	return &refusal{
		status: 404, kind: "invalid_request_error",
		text: "Invalid URL (" + r.Method + " " + r.URL.Path + ")",
	}
}

package anthropic

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// envelope is an error body in the protocol's form.
func envelope(kind, message string) string {
	b, _ := json.Marshal(message)
	return `{"type":"error","error":{"type":"` + kind + `","message":` + string(b) + `},"request_id":"req_1"}`
}

func detailed(kind, code string) string {
	return `{"type":"error","error":{"type":"` + kind + `","message":"m","details":{"error_code":"` + code + `"}},"request_id":null}`
}

// TestFixtureErrorMatrix is PROVIDERS.md 2.4: statuses, types, codes, and bodies that are no JSON.
func TestFixtureErrorMatrix(t *testing.T) {
	t.Parallel()
	f := func(status int, body string, kind llm.Kind, code string) {
		t.Helper()
		e := ClassifyError(status, http.Header{}, []byte(body), noon)
		if e.Kind != kind || e.ProviderCode != code || e.ProviderStatus != status || e.Sent != llm.WasSent {
			t.Errorf("%d %s: %+v, want %v, code %q", status, body, e, kind, code)
		}
		if pass := len(e.Body) > 0; pass != (strings.HasPrefix(body, `{"type":"error"`) && (kind == llm.KindRejected || kind == llm.KindContextLength || kind == llm.KindContentFilter)) {
			t.Errorf("%d %s: body kept %t", status, body, pass)
		}
	}
	const invalid = "invalid_request_error"
	f(400, envelope(invalid, "max_tokens: Field required"), llm.KindRejected, invalid)
	f(400, envelope(invalid, "`temperature` may only be set to 1 when thinking is enabled."), llm.KindRejected, invalid)
	f(400, envelope(invalid, "prompt is too long: 210000 tokens > 200000 maximum"), llm.KindContextLength, invalid)
	f(400, envelope(invalid, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again"), llm.KindContextLength, invalid)
	f(400, envelope(invalid, "Your credit balance is too low to access the Anthropic API."), llm.KindQuotaExhausted, invalid)
	f(400, envelope(invalid, "You have reached your specified API usage limits. You will regain access on 2026-12-01."), llm.KindQuotaExhausted, invalid)
	f(400, envelope(invalid, "Output blocked by content filtering policy"), llm.KindContentFilter, invalid)
	f(400, detailed(invalid, "organization_on_hold"), llm.KindProviderAuth, "organization_on_hold")
	f(400, detailed(invalid, "request_body_encoding_invalid"), llm.KindRejected, "request_body_encoding_invalid")
	f(401, envelope("authentication_error", "invalid x-api-key"), llm.KindProviderAuth, "authentication_error")
	f(402, envelope("billing_error", "m"), llm.KindQuotaExhausted, "billing_error")
	f(403, envelope("permission_error", "m"), llm.KindProviderAuth, "permission_error")
	f(404, envelope("not_found_error", "model: nope"), llm.KindRejected, "not_found_error")
	f(409, envelope("conflict_error", "m"), llm.KindServerError, "conflict_error")
	f(413, envelope("request_too_large", "Request exceeds the maximum size"), llm.KindRejected, "request_too_large")
	f(413, "<html><head><title>413 Request Entity Too Large</title></head></html>", llm.KindRejected, "")
	f(422, envelope(invalid, "m"), llm.KindRejected, invalid)
	f(429, envelope("rate_limit_error", "m"), llm.KindRateLimited, "rate_limit_error")
	f(429, detailed("rate_limit_error", "ramp_limit_exceeded"), llm.KindRateLimited, "ramp_limit_exceeded")
	f(429, detailed("rate_limit_error", "enforced_spend_limit_reached"), llm.KindQuotaExhausted, "enforced_spend_limit_reached")
	f(429, detailed("rate_limit_error", "contract_spend_limit_reached"), llm.KindQuotaExhausted, "contract_spend_limit_reached")
	f(500, envelope("api_error", "Internal server error"), llm.KindServerError, "api_error")
	f(500, envelope("overloaded_error", "Overloaded"), llm.KindOverloaded, "overloaded_error")
	f(502, "<html><title>502 Bad Gateway</title>", llm.KindServerError, "")
	f(503, "", llm.KindOverloaded, "")
	f(504, envelope("timeout_error", "m"), llm.KindServerError, "timeout_error")
	f(529, envelope("overloaded_error", "Overloaded"), llm.KindOverloaded, "overloaded_error")
	f(529, detailed("overloaded_error", "compaction_unavailable"), llm.KindOverloaded, "compaction_unavailable")
	f(302, "", llm.KindBadAnswer, "")
	// What stands before it or in its place: other shapes, with the same reader.
	f(400, `{"message":"Input is too long for requested model."}`, llm.KindContextLength, "")
	f(400, `{"error":"no such thing"}`, llm.KindRejected, "")
	f(400, `{"error":null}`, llm.KindRejected, "")
	f(500, `["x"]`, llm.KindServerError, "")
}

func TestErrorMessages(t *testing.T) {
	t.Parallel()
	f := func(status int, body, message, param, inner string) {
		t.Helper()
		e := ClassifyError(status, http.Header{}, []byte(body), noon)
		got := ""
		if e.Err != nil {
			got = e.Err.Error()
		}
		if e.Message != message || e.Param != param || got != inner {
			t.Errorf("%s: message %q, param %q, inner %q", body, e.Message, e.Param, got)
		}
	}
	f(400, envelope("invalid_request_error", "messages.0.content: Field required"), "provider answered 400: messages.0.content: Field required", "messages.0.content", "")
	f(400, envelope("invalid_request_error", "Something: else"), "provider answered 400: Something: else", "", "")
	f(413, "<html><title>413 Too Large</title>", "provider answered 413: an HTML page: 413 Too Large", "", "")
	f(413, "<html>", "provider answered 413: an HTML page", "", "")
	f(503, "", "provider answered 503: empty body", "", "")
	f(401, envelope("authentication_error", "invalid x-api-key sk-ant-0123456789abcdef"), "provider refused Sluice's credentials: it answered 401", "", "invalid x-api-key ***")
	f(429, envelope("rate_limit_error", "your organization (01234567-89ab-cdef-0123-456789abcdef) is over 50 RPM"), "provider answered 429: your organization (***) is over 50 RPM", "",
		"your organization (01234567-89ab-cdef-0123-456789abcdef) is over 50 RPM")
	f(400, strings.Repeat("x", 600), "provider answered 400: "+strings.Repeat("x", 500)+"…", "", "")

	body := envelope("invalid_request_error", "workspace wrkspc_01abcDEF99 has no such tool")
	e := ClassifyError(400, http.Header{}, []byte(body), noon)
	if strings.Contains(string(e.Body), "01abc") || !json.Valid(e.Body) {
		t.Errorf("body %s names the account", e.Body)
	}
}

// TestFixtureRetrySignals reads what a provider says about another attempt.
func TestFixtureRetrySignals(t *testing.T) {
	t.Parallel()
	f := func(header map[string]string, wait time.Duration, advice llm.Advice, retryable bool) {
		t.Helper()
		h := http.Header{}
		for k, v := range header {
			h.Set(k, v)
		}
		e := ClassifyError(429, h, []byte(envelope("rate_limit_error", "m")), noon)
		if e.RetryAfter != wait || e.Advice != advice || e.Retryable() != retryable {
			t.Errorf("%v: wait %v, advice %v", header, e.RetryAfter, e.Advice)
		}
	}
	f(nil, 0, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "7"}, 7*time.Second, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "1.5", "x-should-retry": "true"}, 1500*time.Millisecond, llm.DoRetry, true)
	f(map[string]string{"retry-after": "240"}, 4*time.Minute, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30*time.Second, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "99999999999"}, wire.MaxWait, llm.NoAdvice, true)
	f(map[string]string{"retry-after": "soon"}, 0, llm.NoAdvice, true)
	f(map[string]string{"retry-after-ms": "250", "retry-after": "7"}, 250*time.Millisecond, llm.NoAdvice, true)
	f(map[string]string{"x-should-retry": "false"}, 0, llm.DoNotRetry, true)
	e := ClassifyError(429, http.Header{"X-Should-Retry": {"false"}}, []byte(detailed("rate_limit_error", "enforced_spend_limit_reached")), noon)
	if e.Retryable() || e.RetryAfter != 0 {
		t.Errorf("a spend limit is retryable: %+v", e)
	}
}

// TestAppendError holds every kind to a status and a type of the protocol, and to a body that its reader understands.
func TestAppendError(t *testing.T) {
	t.Parallel()
	types := map[string]bool{
		"invalid_request_error": true, "authentication_error": true, "permission_error": true, "not_found_error": true, "request_too_large": true,
		"rate_limit_error": true, "api_error": true, "timeout_error": true, "overloaded_error": true,
	}
	var table strings.Builder
	for _, k := range llm.Kinds() {
		body, status := AppendError(nil, &llm.Error{Kind: k, Message: "what \"happened\"", Param: "messages[0]"}, "req_9")
		d := readDetail(body)
		if !json.Valid(body) || !d.envelope || !types[d.typ] || d.code != k.Code() || d.message != `what "happened"` {
			t.Errorf("%v: %s", k, body)
		}
		if status/100 != k.Status()/100 && status != 529 {
			t.Errorf("%v: status %d, elsewhere %d", k, status, k.Status())
		}
		table.WriteString(k.Code() + " " + strconv.Itoa(status) + " " + d.typ + "\n")
	}
	golden(t, "errors", []byte(table.String()))

	got, status := AppendError([]byte("x"), llm.Errorf(llm.KindOverloaded, "m"), "")
	if want := `x{"type":"error","error":{"type":"overloaded_error","message":"m","details":{"error_code":"provider_overloaded"}},"request_id":null}`; string(got) != want || status != 529 {
		t.Errorf("%s, %d", got, status)
	}
	got, status = AppendError(nil, &llm.Error{Kind: llm.KindBadRequest, Message: "m", Param: "model"}, "req_1")
	if want := `{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"invalid_request","param":"model"}},"request_id":"req_1"}`; string(got) != want || status != 400 {
		t.Errorf("%s, %d", got, status)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	for k, v := range map[string]string{
		"date":                                    "Fri, 20 Nov 2026 12:00:00 GMT",
		"anthropic-ratelimit-requests-limit":      "50",
		"anthropic-ratelimit-requests-remaining":  "49",
		"anthropic-ratelimit-requests-reset":      "2026-11-20T12:00:01Z",
		"anthropic-ratelimit-tokens-limit":        "48000",
		"anthropic-ratelimit-tokens-remaining":    "40000",
		"anthropic-ratelimit-input-tokens-limit":  "40000",
		"anthropic-ratelimit-input-tokens-reset":  "2026-11-20T13:00:30+01:00",
		"anthropic-ratelimit-output-tokens-limit": "nonsense",
		"anthropic-ratelimit-output-tokens-reset": "2026-11-20T11:00:00Z",
	} {
		h.Set(k, v)
	}
	want := llm.NoRateLimits()
	want.Requests, want.RequestsLeft, want.RequestsReset = 50, 49, time.Second
	want.Tokens, want.TokensLeft = 48000, 40000
	want.InputTokens, want.InputTokensReset = 40000, 30*time.Second
	if d := cmp.Diff(want, Limits(h)); d != "" {
		t.Errorf("limits differ (-want +got):\n%s", d)
	}
	h.Set("anthropic-priority-input-tokens-limit", "10000")
	h.Set("anthropic-priority-input-tokens-remaining", "9000")
	h.Set("anthropic-priority-output-tokens-remaining", "500")
	want.InputTokens, want.InputTokensLeft, want.OutputTokensLeft = 50000, 9000, 500
	if d := cmp.Diff(want, Limits(h)); d != "" {
		t.Errorf("limits with the Priority Tier differ (-want +got):\n%s", d)
	}
	h.Del("date")
	if l := Limits(h); l.RequestsReset != 0 {
		t.Errorf("without a date, the reset is in %v", l.RequestsReset)
	}
}

// TestSetLimits: what is set is read back.
func TestSetLimits(t *testing.T) {
	t.Parallel()
	l := llm.RateLimits{
		Requests: 5, RequestsLeft: 0, RequestsReset: 1500 * time.Millisecond, Tokens: -1, TokensLeft: -1, InputTokens: 100, InputTokensLeft: 7,
		OutputTokens: -1, OutputTokensLeft: 3, OutputTokensReset: time.Minute,
	}
	h := http.Header{"Date": {noon.Format(http.TimeFormat)}}
	SetLimits(h, l, noon)
	if got := h.Get("anthropic-ratelimit-requests-reset"); got != "2026-11-20T12:00:02Z" {
		t.Errorf("reset is %q", got)
	}
	l.RequestsReset = 2 * time.Second
	if d := cmp.Diff(l, Limits(h)); d != "" {
		t.Errorf("limits differ (-set +read):\n%s", d)
	}
	h = http.Header{}
	SetLimits(h, llm.NoRateLimits(), noon)
	if len(h) > 0 {
		t.Errorf("unknown limits set %v", h)
	}
}

func FuzzClassifyError(f *testing.F) {
	f.Add(400, []byte(envelope("invalid_request_error", "a.b: c")))
	f.Add(529, []byte("<html><title>x</title>"))
	f.Add(200, []byte(`{"error":{"details":{"error_code":"x"}},"type":"error"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := ClassifyError(status, http.Header{}, body, noon)
		if e == nil || e.Kind == llm.KindNone || e.Message == "" {
			t.Fatalf("%d %q: %+v", status, body, e)
		}
		if out, _ := AppendError(nil, e, "id"); !json.Valid(out) {
			t.Fatalf("%q", out)
		}
	})
}

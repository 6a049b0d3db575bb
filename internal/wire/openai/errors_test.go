package openai

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestClassifyError(t *testing.T) {
	t.Parallel()
	f := func(status int, body string, kind llm.Kind, message, code string) {
		t.Helper()
		e := ClassifyError(status, http.Header{}, []byte(body), noon)
		if e.Kind != kind || e.Message != message || e.ProviderCode != code || e.ProviderStatus != status || e.Sent != llm.WasSent {
			t.Errorf("%d %s:\n got %v %q, code %q\nwant %v %q, code %q",
				status, body, e.Kind, e.Message, e.ProviderCode, kind, message, code)
		}
	}
	// OpenAI
	f(400, `{"error":{"message":"bad","type":"invalid_request_error","param":"n","code":null}}`,
		llm.KindRejected, "provider answered 400: bad", "invalid_request_error")
	f(400, `{"error":{"message":"long","type":"invalid_request_error","code":"context_length_exceeded"}}`,
		llm.KindContextLength, "provider answered 400: long", "context_length_exceeded")
	f(401, `{"error":{"message":"Incorrect API key provided: sk-abc","code":"invalid_api_key"}}`,
		llm.KindProviderAuth, "provider refused Sluice's credentials: it answered 401", "invalid_api_key")
	f(403, `{"error":{"message":"country","code":"unsupported_country"}}`,
		llm.KindProviderAuth, "provider refused Sluice's credentials: it answered 403", "unsupported_country")
	f(404, `{"error":{"message":"none","code":"model_not_found"}}`, llm.KindRejected, "provider answered 404: none", "model_not_found")
	f(429, `{"error":{"message":"slow","type":"tokens","code":"rate_limit_exceeded"}}`,
		llm.KindRateLimited, "provider answered 429: slow", "rate_limit_exceeded")
	f(429, `{"error":{"message":"slow","code":"slow_down"}}`, llm.KindRateLimited, "provider answered 429: slow", "slow_down")
	f(429, `{"error":{"message":"broke","type":"insufficient_quota","code":"credit_balance_exhausted"}}`,
		llm.KindQuotaExhausted, "provider answered 429: broke", "credit_balance_exhausted")
	f(429, `{"error":{"message":"broke","type":"insufficient_quota"}}`,
		llm.KindQuotaExhausted, "provider answered 429: broke", "insufficient_quota")
	f(500, `{"error":{"message":"oops","type":"server_error"}}`, llm.KindServerError, "provider answered 500: oops", "server_error")
	f(503, `{"error":{"message":"busy","code":"server_is_overloaded"}}`, llm.KindOverloaded, "provider answered 503: busy", "server_is_overloaded")
	// Azure
	f(400, `{"error":{"message":"filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
		llm.KindContentFilter, "provider answered 400: filtered", "content_filter")
	f(400, `{"error":{"message":"filtered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
		llm.KindContentFilter, "provider answered 400: filtered", "ResponsibleAIPolicyViolation")
	// others
	f(402, `{"error":{"message":"no credits","code":402}}`, llm.KindQuotaExhausted, "provider answered 402: no credits", "")
	f(498, `{"error":{"message":"flex","code":"capacity_exceeded"}}`, llm.KindOverloaded, "provider answered 498: flex", "capacity_exceeded")
	f(529, ``, llm.KindOverloaded, "provider answered 529: empty body", "")
	f(403, `{"error":{"message":"input + max_tokens exceeds the context length of 8192"}}`,
		llm.KindContextLength, "provider answered 403: input + max_tokens exceeds the context length of 8192", "")
	f(403, `{"error":{"message":"Your input was flagged","code":403}}`, llm.KindContentFilter, "provider answered 403: Your input was flagged", "")
	f(400, `{"code":"invalid-argument","error":"Argument not supported"}`,
		llm.KindRejected, "provider answered 400: Argument not supported", "invalid-argument")
	f(400, `{"code":"x","error":"Incorrect API key provided"}`,
		llm.KindProviderAuth, "provider refused Sluice's credentials: it answered 400", "x")
	f(400, `{"error":{"message":"Invalid value: 'incorrect API key'. Supported values are: 'text'","type":"invalid_request_error","param":"x"}}`,
		llm.KindRejected, "provider answered 400: Invalid value: 'incorrect API key'. Supported values are: 'text'", "invalid_request_error")
	f(422, `{"object":"error","message":"bad role","type":"invalid_request","code":null}`,
		llm.KindRejected, "provider answered 422: bad role", "invalid_request")
	f(422, `{"object":"error","message":{"detail":[{"msg":"Field required"}]},"type":"t"}`,
		llm.KindRejected, "provider answered 422: Field required", "t")
	f(422, `{"detail":[{"loc":["body","n"],"msg":"too small","type":"greater_than"}]}`,
		llm.KindRejected, "provider answered 422: too small", "")
	f(404, `{"detail":"Not Found"}`, llm.KindRejected, "provider answered 404: Not Found", "")
	f(400, `{"object":"error","message":"This model's maximum context length is 4096 tokens","code":400}`,
		llm.KindContextLength, "provider answered 400: This model's maximum context length is 4096 tokens", "")
	f(400, `{"error":{"code":400,"message":"the request exceeds the available size","type":"exceed_context_size_error"}}`,
		llm.KindContextLength, "provider answered 400: the request exceeds the available size", "exceed_context_size_error")
	f(503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`,
		llm.KindOverloaded, "provider answered 503: Loading model", "unavailable_error")
	f(400, `[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]`,
		llm.KindProviderAuth, "provider refused Sluice's credentials: it answered 400", "INVALID_ARGUMENT")
	f(429, `[{"error":{"code":429,"message":"day","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"RequestsPerDayPerProject"}]}]}}]`,
		llm.KindQuotaExhausted, "provider answered 429: day", "RESOURCE_EXHAUSTED")
	f(502, "<html>\n<head><TITLE>502 Bad\nGateway</TITLE></head>", llm.KindServerError, "provider answered 502: an HTML page: 502 Bad Gateway", "")
	f(413, "<html><body>too large", llm.KindRejected, "provider answered 413: an HTML page", "")
	f(500, "upstream\x00 gone\n", llm.KindServerError, "provider answered 500: upstream  gone", "")
	f(500, `{"foo":1}`, llm.KindServerError, "provider answered 500", "")
	f(408, `{}`, llm.KindServerError, "provider answered 408", "")
	f(409, ``, llm.KindServerError, "provider answered 409: empty body", "")
	f(425, ``, llm.KindServerError, "provider answered 425: empty body", "")
	f(424, ``, llm.KindServerError, "provider answered 424: empty body", "")
	f(202, `{"request_id":"r"}`, llm.KindBadAnswer, "provider answered 202", "")
	f(302, ``, llm.KindBadAnswer, "provider answered 302: empty body", "")
}

func TestClassifyErrorByHeader(t *testing.T) {
	t.Parallel()
	f := func(status int, name, value string, kind llm.Kind, wait time.Duration) {
		t.Helper()
		h := http.Header{}
		h.Set(name, value)
		e := ClassifyError(status, h, nil, noon)
		if e.Kind != kind || e.RetryAfter != wait {
			t.Errorf("%d %s: %s: %v after %v", status, name, value, e.Kind, e.RetryAfter)
		}
	}
	f(429, "x-ratelimit-limit-req-minute", "0", llm.KindQuotaExhausted, 0)
	f(429, "x-ratelimit-limit-req-minute", "60", llm.KindRateLimited, 0)
	f(429, "Retry-After", "7", llm.KindRateLimited, 7*time.Second)
	f(503, "Retry-After", "7", llm.KindOverloaded, 7*time.Second)
	f(402, "Retry-After", "3", llm.KindRateLimited, 3*time.Second)

	e := ClassifyError(429, nil, []byte(`{"error":{"details":[{"retryDelay":"12.5s"}]}}`), noon)
	if e.Kind != llm.KindRateLimited || e.RetryAfter != 12500*time.Millisecond {
		t.Errorf("RetryInfo: %v after %v", e.Kind, e.RetryAfter)
	}
}

func TestClassifyErrorAdvice(t *testing.T) {
	t.Parallel()
	f := func(value string, advice llm.Advice) {
		t.Helper()
		for _, status := range []int{400, 429, 500} {
			h := http.Header{}
			h.Set("x-should-retry", value)
			if e := ClassifyError(status, h, nil, noon); e.Advice != advice {
				t.Errorf("%d with x-should-retry %q: advice %d, want %d", status, value, e.Advice, advice)
			}
		}
	}
	f("", llm.NoAdvice)
	f("true", llm.DoRetry)
	f("false", llm.DoNotRetry)
	f("maybe", llm.NoAdvice)
	if e := ClassifyError(500, nil, nil, noon); e.Advice != llm.NoAdvice {
		t.Errorf("without headers: advice %d", e.Advice)
	}
}

func TestBodyIsKeptOnlyWhereItCanBeForwarded(t *testing.T) {
	t.Parallel()
	f := func(status int, body string, want bool) {
		t.Helper()
		e := ClassifyError(status, nil, []byte(body), noon)
		if got := string(e.Body) == body && body != ""; got != want {
			t.Errorf("%d %s: body %q", status, body, e.Body)
		}
	}
	f(400, `{"error":{"message":"bad"}}`, true)
	f(404, ` {"error":{"message":"bad"}} `, true)
	f(422, `{"error":{"message":"bad"}}`, true)
	f(400, `{"error":{"message":"bad","code":"content_filter"}}`, true)
	f(400, `{"error":"bad"}`, false)
	f(400, `{"object":"error","message":"bad"}`, false)
	f(400, `[{"error":{"message":"bad"}}]`, false)
	f(400, `<html>`, false)
	f(401, `{"error":{"message":"bad"}}`, false)
	f(429, `{"error":{"message":"bad"}}`, false)
	f(500, `{"error":{"message":"bad"}}`, false)
}

func TestCredentialsAreNotRepeated(t *testing.T) {
	t.Parallel()
	const key = "sk-proj-0123456789abcdef"
	e := ClassifyError(401, nil, []byte(`{"error":{"message":"Incorrect API key provided: `+key+`. See the docs."}}`), noon)
	if strings.Contains(e.Error(), key) || strings.Contains(string(e.Body), key) {
		t.Errorf("error repeats the key: %v %s", e, e.Body)
	}
	if want := "Incorrect API key provided: *** See the docs."; e.Err == nil || e.Err.Error() != want {
		t.Errorf("inner error %v, want %q", e.Err, want)
	}
}

// TestAccountsAreMasked checks that clients are not told whose account is used, in the message and in a body that is
// forwarded, and that the log is.
func TestAccountsAreMasked(t *testing.T) {
	t.Parallel()
	f := func(status int, text, want string) {
		t.Helper()
		body := `{"error":{"message":"` + text + `","type":"t"}}`
		e := ClassifyError(status, nil, []byte(body), time.Time{})
		if _, got, _ := strings.Cut(e.Message, ": "); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
		if masked := text != want; masked != (e.Err != nil) || masked && e.Err.Error() != text {
			t.Errorf("%q: for the log there is %v", text, e.Err)
		}
		if status == 400 && string(e.Body) != strings.Replace(body, text, want, 1) {
			t.Errorf("%q: the body became %s", text, e.Body)
		}
	}
	f(429, "Rate limit reached for gpt-4o in organization org-abc123 on tokens per min (TPM): Limit 30000",
		"Rate limit reached for gpt-4o in organization org-*** on tokens per min (TPM): Limit 30000")
	f(429, "in organization `org_01hx2abcdef` service tier", "in organization `org_***` service tier")
	f(400, "org-AbC1234: Project proj_a1B2c3D4e5 of (acct-000123).", "org-***: Project proj_*** of (acct-***).")
	f(400, "Org-ABC123", "Org-***")
	f(400, "the org-chart, org-12345, proj_name, myorg-abc123 and org-", "the org-chart, org-12345, proj_name, myorg-abc123 and org-")
	f(500, "no id", "no id")
}

func TestLongMessagesAreCut(t *testing.T) {
	t.Parallel()
	for _, body := range []string{strings.Repeat("é", 10_000), `{"error":{"message":"` + strings.Repeat("é", 10_000) + `"}}`, strings.Repeat("\xff", 5000)} {
		e := ClassifyError(400, nil, []byte(body), noon)
		if len(e.Message) > 3*wire.MaxMessage+50 || !utf8.ValidString(e.Message) || !strings.HasSuffix(e.Message, "…") {
			t.Errorf("message has %d bytes, valid %t", len(e.Message), utf8.ValidString(e.Message))
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	f := func(name, value string, want time.Duration, ok bool) {
		t.Helper()
		h := http.Header{}
		h.Set(name, value)
		if got, gotOK := wire.RetryAfter(h, noon); got != want || gotOK != ok {
			t.Errorf("%s: %s = %v, %t, want %v, %t", name, value, got, gotOK, want, ok)
		}
	}
	f("Retry-After", "2", 2*time.Second, true)
	f("Retry-After", " 0.25 ", 250*time.Millisecond, true)
	f("Retry-After", "0", 0, true)
	f("Retry-After", "-5", 0, true)
	f("Retry-After", "300", 5*time.Minute, true)
	f("Retry-After", "Fri, 20 Nov 2026 12:01:30 GMT", 90*time.Second, true)
	f("Retry-After", "Fri, 20 Nov 2026 11:00:00 GMT", 0, true)
	f("Retry-After", "1m30s", 90*time.Second, true)
	f("Retry-After", "1e300", wire.MaxWait, true)
	f("Retry-After", "Inf", wire.MaxWait, true)
	f("Retry-After", "NaN", 0, false)
	f("Retry-After", "soon", 0, false)
	f("Retry-After", "", 0, false)
	f("retry-after-ms", "1500.5", 1500*time.Millisecond+500*time.Microsecond, true)

	both := http.Header{"Retry-After-Ms": {"20"}, "Retry-After": {"9"}}
	if got, ok := wire.RetryAfter(both, noon); got != 20*time.Millisecond || !ok {
		t.Errorf("both headers: %v, %t", got, ok)
	}
	both.Set("Retry-After-Ms", "x")
	if got, ok := wire.RetryAfter(both, noon); got != 9*time.Second || !ok {
		t.Errorf("unreadable milliseconds: %v, %t", got, ok)
	}
}

func TestAppendError(t *testing.T) {
	t.Parallel()
	for _, k := range llm.Kinds() {
		var v map[string]map[string]any
		body, status := AppendError(nil, &llm.Error{Kind: k, Message: "a \"b\"\n\xff"}, "id")
		if status != k.Status() {
			t.Errorf("%v: status %d, want %d", k, status, k.Status())
		}
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%v: %s: %v", k, body, err)
		}
		e := v["error"]
		typ, isText := e["type"].(string)
		if param, ok := e["param"]; len(v) != 1 || len(e) != 4 || e["code"] != k.Code() || !isText || typ == "" || !ok || param != nil ||
			e["message"] != "a \"b\"\n\ufffd" {
			t.Errorf("%v: %s", k, body)
		}
	}
	f := func(k llm.Kind, param, want string) {
		t.Helper()
		e := &llm.Error{Kind: k, Message: "m", Param: param}
		if got := string(appendErrorBody(nil, e)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := string(AppendStreamError(nil, e)); got != "data: "+want+"\n\n" {
			t.Errorf("in a stream: %q", got)
		}
	}
	f(llm.KindBadRequest, "n", `{"error":{"message":"m","type":"invalid_request_error","param":"n","code":"invalid_request"}}`)
	f(llm.KindUnauthorized, "", `{"error":{"message":"m","type":"authentication_error","param":null,"code":"invalid_api_key"}}`)
	f(llm.KindModelForbidden, "", `{"error":{"message":"m","type":"permission_error","param":null,"code":"model_not_allowed"}}`)
	f(llm.KindQueueFull, "", `{"error":{"message":"m","type":"rate_limit_error","param":null,"code":"queue_full"}}`)
	f(llm.KindQuotaExhausted, "", `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"provider_quota_exhausted"}}`)
	f(llm.KindDraining, "", `{"error":{"message":"m","type":"service_unavailable_error","param":null,"code":"draining"}}`)
	f(llm.KindStalled, "", `{"error":{"message":"m","type":"server_error","param":null,"code":"provider_stalled"}}`)
}

func FuzzClassifyError(f *testing.F) {
	for _, s := range []string{
		`{"error":{"message":"x","code":429,"details":[{"retryDelay":"1s"}]}}`, `{"error":"x"}`, `[{"error":{}}]`,
		`{"detail":[{"msg":"x"}]}`, "<html><title>x</title>", "\xff\xfe", `{"object":"error"}`, "", `"text"`, `{"x_groq":{"error":"x"}}`,
	} {
		f.Add(400, []byte(s))
		f.Add(429, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, e := range []*llm.Error{ClassifyError(status, nil, body, noon), streamError(body)} {
			if e.Kind == llm.KindNone || e.Message == "" || len(e.Message) > 3*wire.MaxMessage+100 || !utf8.ValidString(e.Message) {
				t.Fatalf("error %+v", e)
			}
			if e.Body != nil && !json.Valid(e.Body) || !wire.Valid(appendErrorBody(nil, e)) {
				t.Fatalf("body %q cannot be sent", e.Body)
			}
		}
	})
}

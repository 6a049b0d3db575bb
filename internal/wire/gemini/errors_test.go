package gemini_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

const quota = `{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[` +
	`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_requests",` +
	`"quotaId":"GenerateRequestsPerMinutePerProjectPerModel","quotaValue":"20"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12.5s"}]}}`

// TestFixtureErrors is fixture 3 of PROVIDERS.md, section 8, for Google's shapes, and 4 for its waits.
func TestFixtureErrors(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f := func(status int, retryAfter, body string, kind llm.Kind, wait time.Duration, message string) *llm.Error {
		t.Helper()
		h := http.Header{}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		e := gemini.ClassifyError(status, h, []byte(body), now)
		if e.Kind != kind || e.RetryAfter != wait || !strings.Contains(e.Message, message) || e.ProviderStatus != status || e.Sent != llm.WasSent {
			t.Errorf("%d %s:\ngot %s after %s: %s", status, body, e.Kind, e.RetryAfter, e.Message)
		}
		return e
	}
	google := func(code, status, message string) string {
		return `{"error":{"code":` + code + `,"message":"` + message + `","status":"` + status + `"}}`
	}
	f(429, "", quota, llm.KindRateLimited, 12500*time.Millisecond, "You exceeded")
	f(429, "", "["+quota+"]", llm.KindRateLimited, 12500*time.Millisecond, "You exceeded")
	f(429, "", strings.Replace(quota, "PerMinute", "PerDay", 1), llm.KindQuotaExhausted, 0, // a day is not over in 12.5 s
		"You exceeded")
	f(429, "", strings.Replace(quota, `"20"`, `"0"`, 1), llm.KindQuotaExhausted, 12500*time.Millisecond, "You exceeded")
	f(429, "7", google("429", "RESOURCE_EXHAUSTED", "Resource exhausted."), llm.KindRateLimited, 7*time.Second, "Resource exhausted")
	f(429, "Fri, 20 Nov 2026 12:00:09 GMT", "", llm.KindRateLimited, 9*time.Second, "empty body")
	f(429, "", strings.Replace(quota, "12.5s", "900000h", 1), llm.KindRateLimited, 7*24*time.Hour, "")
	f(429, "", `{"error":{"message":"* Quota exceeded for metric: x, limit: 0, model: y"}}`, llm.KindQuotaExhausted, 0, "limit: 0")
	f(402, "", "", llm.KindQuotaExhausted, 0, "")
	f(400, "", google("400", "INVALID_ARGUMENT", "The input token count (3475108) exceeds the maximum number of tokens allowed (1048576)."), llm.KindContextLength, 0, "3475108")
	f(400, "", google("400", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), llm.KindProviderAuth, 0, "refused Sluice's credentials")
	f(400, "", `{"error":{"code":400,"message":"x","details":[{"reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}`, llm.KindProviderAuth, 0, "")
	f(403, "", google("403", "PERMISSION_DENIED", "no"), llm.KindProviderAuth, 0, "")
	f(403, "", `{"error":{"details":[{"reason":"BILLING_DISABLED"}]}}`, llm.KindQuotaExhausted, 0, "")
	f(401, "", google("401", "UNAUTHENTICATED", "no"), llm.KindProviderAuth, 0, "")
	f(404, "", google("404", "NOT_FOUND", "models/x is not found"), llm.KindRejected, 0, "models/x")
	f(500, "", google("500", "INTERNAL", "oops"), llm.KindServerError, 0, "oops")
	f(503, "", google("503", "UNAVAILABLE", "The model is overloaded."), llm.KindOverloaded, 0, "overloaded")
	f(504, "", google("504", "DEADLINE_EXCEEDED", "late"), llm.KindServerError, 0, "late")
	f(499, "", google("499", "CANCELLED", "x"), llm.KindServerError, 0, "x")
	f(502, "", "<html><head><title>502 Bad\nGateway</title></head></html>", llm.KindServerError, 0, "an HTML page: 502 Bad Gateway")
	f(413, "", "<html>too large", llm.KindRejected, 0, "an HTML page")
	f(400, "", `{"error":"text"}`, llm.KindRejected, 0, "text")
	f(400, "", `{"error":null}`, llm.KindRejected, 0, "")
	f(400, "", `[]`, llm.KindRejected, 0, "")
	f(204, "", ``, llm.KindBadAnswer, 0, "")

	e := f(400, "", `[ {"error":{"code":400,"message":"bad field in projects/my-proj/locations/l of project 681255809395","status":"INVALID_ARGUMENT",`+
		`"details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[0]","description":"x"}]}]}} ]`,
		llm.KindRejected, 0, "projects/***/locations/l of project ***")
	if e.Param != "contents[0]" || e.ProviderCode != "INVALID_ARGUMENT" || !strings.HasPrefix(string(e.Body), `{"error":{"code":400`) ||
		strings.Contains(string(e.Body), "my-proj") || !json.Valid(e.Body) {
		t.Errorf("param %q, code %q, body %s", e.Param, e.ProviderCode, e.Body)
	}
}

// TestFixtureErrorsInStreams is the part of fixture 3 about errors within a 200.
func TestFixtureErrorsInStreams(t *testing.T) {
	t.Parallel()
	f := func(text string, kind llm.Kind) {
		t.Helper()
		s := gemini.NewFollower()
		out := follow(t, s, strings.NewReader(text), wire.FollowOptions{})
		e := s.State().Err
		if e == nil || e.Kind != kind || s.Finished() {
			t.Errorf("%q: error %v", text, e)
			return
		}
		if !strings.HasPrefix(out, `data: {"error":{"code":`) || !strings.HasSuffix(out, "}\n\n") || strings.Count(out, "\n\n") != 1 {
			t.Errorf("%q: client gets %q", text, out)
		}
		if _, err := read(t, strings.NewReader(text)); err == nil || err.Kind != kind {
			t.Errorf("%q: reader says %v", text, err)
		}
		if _, err := gemini.ReadAnswer([]byte(strings.TrimPrefix(strings.TrimSpace(text), "data: "))); err == nil || err.Kind != kind {
			t.Errorf("%q: whole answer gives %v", text, err)
		}
	}
	f(`data: {"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`+"\n\n", llm.KindOverloaded)
	f(`{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}`, llm.KindRateLimited)
	f(`{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}`+"\n", llm.KindRateLimited)
	f("{\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"x\"\n  }\n}\n", llm.KindProviderStream)
	f(`[{"error":{"message":"x","status":"UNAVAILABLE"}}]`+"\n\n", llm.KindOverloaded)
	f(`data: [{"error":{"message":"x","status":"UNAVAILABLE"}}]`+"\n\n", llm.KindOverloaded)
	f(`data: {"error":"odd"}`+"\n\n", llm.KindProviderStream)
	f(`data: {"error":{"message":"the input token count (9) exceeds"}}`+"\n\n", llm.KindContextLength)
}

func TestTruncatedStreams(t *testing.T) {
	t.Parallel()
	f := func(text string) {
		t.Helper()
		s := gemini.NewFollower()
		if follow(t, s, strings.NewReader(text), wire.FollowOptions{}); s.Finished() || s.State().Err != nil {
			t.Errorf("%q counts as finished, or as an error: %v", text, s.State().Err)
		}
		if _, err := read(t, strings.NewReader(text)); err == nil || err.Kind != llm.KindTruncated {
			t.Errorf("%q: %v", text, err)
		}
	}
	f("")
	f(answerText[:strings.Index(answerText, `data: {"candidates": [{"content": {"parts": [{"text": ""`)])
	f(answerText[:strings.LastIndex(answerText, `"finishReason"`)])
	f(": only comments\n\n")
	f("data: {\"usageMetadata\":{\"promptTokenCount\":1}}\n\n")
}

func TestScan(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, complete bool, bytes int, kind llm.Kind) {
		t.Helper()
		a, err := gemini.Scan(op, []byte(body))
		if (err == nil) != (kind == llm.KindNone) || err != nil && err.Kind != kind || a.Complete != complete || a.OutputBytes != bytes {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
	f(llm.OpChat, `{"candidates":[{"content":{"parts":[{"text":"abc"}]},"finishReason":"STOP"}]}`, true, 3, 0)
	f(llm.OpChat, ` {"candidates":[{"content":{"parts":[{"text":"abc"}]}}]}`, false, 3, 0)
	f(llm.OpChat, `{"promptFeedback":{"blockReason":"SAFETY"}}`, true, 0, 0)
	f(llm.OpChat, `{}`, false, 0, 0)
	f(llm.OpEmbedding, `{"embedding":{"values":[1]}}`, true, 0, 0)
	f(llm.OpEmbedding, `{"embeddings":[{"values":[1]}]}`, true, 0, 0)
	f(llm.OpEmbedding, `{"embeddings":[]}`, false, 0, 0)
	f(llm.OpCountTokens, `{"totalTokens":5}`, true, 0, 0)
	f(llm.OpCountTokens, `{"totalTokens":"x"}`, false, 0, 0)
	f(llm.OpChat, ``, false, 0, llm.KindBadAnswer)
	f(llm.OpChat, `7`, false, 0, llm.KindBadAnswer)
	f(llm.OpChat, `[{"candidates":[]}]`, false, 0, llm.KindBadAnswer)
	f(llm.OpChat, `{"candidates":[`, false, 0, llm.KindBadAnswer)
	f(llm.OpChat, `<html>`, false, 0, llm.KindBadAnswer)
	f(llm.OpChat, `{"error":{"code":503}}`, false, 0, llm.KindOverloaded)
	f(llm.OpChat, `[{"error":{"code":429}}]`, false, 0, llm.KindRateLimited)
	a, err := gemini.Scan(llm.OpChat, []byte(`{"modelVersion": "m","candidates":[]}`))
	if got := string(a.AppendAnswer(nil, []byte(`{"modelVersion": "m","candidates":[]}`), "n")); err != nil || got != `{"modelVersion": "n","candidates":[]}` {
		t.Errorf("renamed to %s, %v", got, err)
	}
}

func TestAppendError(t *testing.T) {
	t.Parallel()
	e := &llm.Error{Kind: llm.KindBadRequest, Message: `"x" is bad`, Param: "contents[0].role", RetryAfter: 1500 * time.Millisecond}
	got, status := gemini.AppendError(nil, e, "id-1")
	want := `{"error":{"code":400,"message":"\"x\" is bad","status":"INVALID_ARGUMENT","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"invalid_request","domain":"sluice"},` +
		`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents[0].role","description":"\"x\" is bad"}]},` +
		`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"},` +
		`{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"id-1"}]}}`
	if string(got) != want || status != 400 {
		t.Errorf("%d\ngot  %s\nwant %s", status, got, want)
	}
	for _, k := range llm.Kinds() {
		got, status := gemini.AppendError(nil, &llm.Error{Kind: k, Message: "m"}, "")
		var body struct {
			Error struct {
				Code   int
				Status string
			}
		}
		if err := json.Unmarshal(got, &body); err != nil || status != k.Status() || body.Error.Code != status || body.Error.Status == "" {
			t.Errorf("%s: %d %s, %v", k, status, got, err)
		}
	}
}

func TestLimitsAreUnknown(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	gemini.SetLimits(h, llm.RateLimits{Requests: 5}, time.Now())
	if len(h) != 0 || gemini.Limits(http.Header{"X-Ratelimit-Limit-Requests": {"5"}}) != llm.NoRateLimits() {
		t.Errorf("headers %v", h)
	}
}

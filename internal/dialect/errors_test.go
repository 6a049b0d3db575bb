package dialect_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// answered is what becomes of one error answer: what the road acts on.
type answered struct {
	kind   llm.Kind
	wait   time.Duration
	scope  llm.Scope
	window llm.Window
	advice llm.Advice
}

func (a answered) String() string {
	return fmt.Sprintf("%v after %v, scope %v, window %v, advice %d", a.kind, a.wait, a.scope, a.window, a.advice)
}

// failed is an error answer; headers are written "name: value", one a line.
type failed struct {
	name    string
	back    llm.Dialect
	status  int
	headers string
	body    string
	want    answered
}

const (
	htmlPage = "<!DOCTYPE html><html><head><title>Attention Required!</title></head><body>no</body></html>"
	dayOf    = `{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"50"}]},` +
		`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"38s"}]}}`
)

// TestErrorsAreClassifiedOnce holds all codecs to the lists of PROVIDERS.md 0.6, 0.7, 1.2, 2.4, 3.3, 4.1, 8.3 and 8.4 (2026-11-20).
func TestErrorsAreClassifiedOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, list := range [][]failed{refusedForGood(), limitsThatPass(), limitsOfDays(), overloads(), refusals(), shapes(), waits()} {
		for _, f := range list {
			h := http.Header{}
			for line := range strings.Lines(f.headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				h.Set(name, value)
			}
			e := dialect.Of(f.back).ClassifyError(f.status, h, []byte(f.body), now)
			got := answered{e.Kind, e.RetryAfter, e.Scope, e.Window, e.Advice}
			if got != f.want {
				t.Errorf("%s (%v):\n got %v: %s\nwant %v", f.name, f.back, got, e.Message, f.want)
			}
			if e.ProviderStatus != f.status || e.Sent != llm.WasSent || e.Message == "" {
				t.Errorf("%s (%v): status %d, sent %d, %q", f.name, f.back, e.ProviderStatus, e.Sent, e.Message)
			}
		}
	}
}

// refusedForGood are limits that do not pass by waiting.
func refusedForGood() []failed {
	spent := answered{kind: llm.KindQuotaExhausted}
	var list []failed
	for _, code := range []string{
		"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
		"organization_usage_limit_exceeded", "billing_hard_limit_reached",
	} {
		body := `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"` + code + `"}}`
		list = append(list, failed{"OpenAI " + code, llm.OpenAI, 429, "", body, spent}, failed{"OpenAI " + code, llm.Responses, 429, "", body, spent})
	}
	for _, code := range []string{"enforced_spend_limit_reached", "contract_spend_limit_reached"} {
		list = append(list, failed{"Anthropic " + code, llm.Anthropic, 429, "", claude("rate_limit_error", "m", code), spent})
	}
	plan := answered{kind: llm.KindQuotaExhausted, scope: llm.ScopeModel}
	return append(list,
		failed{"Anthropic billing", llm.Anthropic, 402, "", claude("billing_error", "m", ""), spent},
		failed{"Anthropic own limit", llm.Anthropic, 400, "", claude("invalid_request_error", "You have reached your specified API usage limits.", ""), spent},
		failed{"Anthropic credit", llm.Anthropic, 400, "", claude("invalid_request_error", "Your credit balance is too low to access the Anthropic API.", ""), spent},
		failed{"Mistral's limit of 0", llm.OpenAI, 429, "x-ratelimit-limit-req-minute: 0", `{"message":"Requests rate limit exceeded"}`, plan},
		failed{"Gemini's limit of 0", llm.Gemini, 429, "", `{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0, model: y","status":"RESOURCE_EXHAUSTED"}}`, plan},
		failed{"the same by OpenAI's protocol", llm.OpenAI, 429, "", `[{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0, model: y","status":"RESOURCE_EXHAUSTED"}}]`, plan},
		failed{"OpenRouter 402", llm.OpenAI, 402, "", `{"error":{"code":402,"message":"Insufficient credits"}}`, spent},
		failed{"Together 402", llm.OpenAI, 402, "", `{"error":{"message":"spend","type":"credit_limit"}}`, spent},
		failed{"DeepSeek 402", llm.OpenAI, 402, "", `{"error":{"message":"Insufficient Balance","type":"unknown_error"}}`, spent},
		failed{"xAI 403", llm.OpenAI, 403, "", `{"code":"x","error":"Your team has used all available credits or reached its monthly spending limit."}`, spent},
		failed{"Google's billing", llm.Gemini, 403, "", `{"error":{"code":403,"status":"PERMISSION_DENIED","details":[{"reason":"BILLING_DISABLED"}]}}`, answered{kind: llm.KindQuotaExhausted, scope: llm.ScopeAccount}},
		failed{"Bedrock's quota", llm.Converse, 400, "X-Amzn-ErrorType: ServiceQuotaExceededException", `{"message":"m"}`, plan},
		failed{"Cohere's trial", llm.Cohere, 429, "", `{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}`, spent},
		failed{"Jina's balance", llm.Jina, 403, "", `{"detail":"Insufficient account balance"}`, spent},
	)
}

// limitsThatPass are limits to wait for, or to go round.
func limitsThatPass() []failed {
	passes := answered{kind: llm.KindRateLimited}
	after := func(d time.Duration) answered { return answered{kind: llm.KindRateLimited, wait: d} }
	return []failed{
		{"OpenAI", llm.OpenAI, 429, "retry-after: 2", `{"error":{"message":"Rate limit reached on tokens per min (TPM)","type":"tokens","code":"rate_limit_exceeded"}}`, after(2 * time.Second)},
		{"OpenAI slow_down", llm.OpenAI, 429, "", `{"error":{"message":"m","type":"rate_limit_error","code":"slow_down"}}`, passes},
		{"OpenAI flex", llm.OpenAI, 429, "", `{"error":{"message":"Resource unavailable","type":"resource_unavailable"}}`, passes},
		{"OpenAI's minute", llm.OpenAI, 429, "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 59.9s\nretry-after: 1", `{"error":{"message":"m"}}`, after(time.Second)},
		{"Anthropic", llm.Anthropic, 429, "retry-after: 9", claude("rate_limit_error", "m", ""), after(9 * time.Second)},
		{"Anthropic's ramp", llm.Anthropic, 429, "", claude("rate_limit_error", "m", "ramp_limit_exceeded"), passes},
		{"OpenRouter 402 that passes", llm.OpenAI, 402, "retry-after: 3", `{"error":{"code":402,"message":"m"}}`, after(3 * time.Second)},
		{"Google's RetryInfo", llm.Gemini, 429, "", strings.Replace(dayOf, "PerDay", "PerMinute", 1), after(38 * time.Second)},
		{"the same by OpenAI's protocol", llm.OpenAI, 429, "", "[" + strings.Replace(dayOf, "PerDay", "PerMinute", 1) + "]", after(38 * time.Second)},
		{"Bedrock", llm.Converse, 429, "X-Amzn-ErrorType: ThrottlingException:http://x", `{"message":"Too many requests"}`, passes},
		{"Cohere", llm.Cohere, 429, "", `{"message":"slow"}`, passes},
	}
}

// limitsOfDays pass with the day.
func limitsOfDays() []failed {
	silent := answered{llm.KindQuotaExhausted, 0, llm.ScopeModel, llm.PerDay, 0}
	stated := func(d time.Duration) answered {
		return answered{llm.KindRateLimited, d, llm.ScopeModel, llm.PerDay, 0}
	}
	groq := `{"error":{"message":"Rate limit reached for model m in organization org_01 on requests per day (RPD): Limit 1000, Used 1000. Please try again in 1m26.4s.","type":"requests","code":"rate_limit_exceeded"}}`
	return []failed{
		{"Gemini's quotaId", llm.Gemini, 429, "", dayOf, silent},
		{"Gemini's quotaId with an end", llm.Gemini, 429, "", strings.Replace(dayOf, "38s", "36000s", 1), stated(10 * time.Hour)},
		{"the same by OpenAI's protocol", llm.OpenAI, 429, "", "[" + dayOf + "]", silent},
		{"Groq", llm.OpenAI, 429, "retry-after: 87", groq, stated(87 * time.Second)},
		{"Groq without an end", llm.OpenAI, 429, "", groq, silent},
		{"Groq by its headers", llm.OpenAI, 429, "x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 2h3m", `{"error":{"message":"m"}}`, stated(123 * time.Minute)},
		{"Cerebras", llm.OpenAI, 429, "x-ratelimit-remaining-requests-day: 0\nx-ratelimit-reset-requests-day: 33011.382867", `{"message":"m"}`, stated(33011382867 * time.Microsecond)},
		{"Bedrock", llm.Converse, 429, "X-Amzn-ErrorType: ThrottlingException", `{"message":"Too many tokens per day, please wait before trying again."}`, silent},
		{"a proxy of Anthropic's protocol", llm.Anthropic, 429, "retry-after: 7200", claude("rate_limit_error", "daily limit reached", ""), stated(2 * time.Hour)},
		{"Jina", llm.Jina, 429, "", `{"detail":"daily limit reached"}`, silent},
	}
}

// overloads are about the moment.
func overloads() []failed {
	busy := answered{kind: llm.KindOverloaded}
	var list []failed
	for _, back := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Converse, llm.Cohere, llm.Voyage, llm.Jina} {
		for _, status := range []int{498, 503, 529} {
			list = append(list, failed{fmt.Sprint(status), back, status, "", "", busy})
		}
		for _, status := range []int{500, 502, 504, 408, 409} {
			list = append(list, failed{fmt.Sprint(status), back, status, "", htmlPage, answered{kind: llm.KindServerError}})
		}
	}
	return append(list,
		failed{"OpenAI", llm.OpenAI, 503, "retry-after: 1", `{"error":{"message":"m","type":"service_unavailable_error","code":"server_is_overloaded"}}`, answered{kind: llm.KindOverloaded, wait: time.Second}},
		failed{"Anthropic", llm.Anthropic, 529, "", claude("overloaded_error", "Overloaded", ""), busy},
		failed{"Anthropic's 500", llm.Anthropic, 500, "", claude("api_error", "m", ""), answered{kind: llm.KindServerError}},
		failed{"Gemini", llm.Gemini, 503, "", `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`, busy},
		failed{"Groq's flex", llm.OpenAI, 498, "", `{"error":{"message":"m","code":"capacity_exceeded"}}`, busy},
		failed{"llama.cpp loads", llm.OpenAI, 503, "", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, busy},
		failed{"Bedrock is not ready", llm.Converse, 429, "X-Amzn-ErrorType: ModelNotReadyException", `{"message":"m"}`, busy},
		failed{"Bedrock's model error", llm.Converse, 424, "X-Amzn-ErrorType: ModelErrorException", `{"message":"m"}`, answered{kind: llm.KindServerError}},
	)
}

// refusals are of the request, or of the credentials.
func refusals() []failed {
	key := answered{kind: llm.KindProviderAuth}
	model := answered{kind: llm.KindProviderAuth, scope: llm.ScopeModel}
	rejected := answered{kind: llm.KindRejected}
	long := answered{kind: llm.KindContextLength}
	return []failed{
		{"OpenAI's key", llm.OpenAI, 401, "", `{"error":{"message":"Incorrect API key provided: sk-1","type":"invalid_request_error","code":"invalid_api_key"}}`, key},
		{"OpenAI's project", llm.OpenAI, 403, "", `{"error":{"message":"Project has no access to model m","code":"model_not_allowed"}}`, model},
		{"OpenAI's country", llm.OpenAI, 403, "", `{"error":{"message":"m","code":"unsupported_country_region_territory"}}`, answered{kind: llm.KindProviderAuth, scope: llm.ScopeAccount}},
		{"Anthropic's key", llm.Anthropic, 401, "", claude("authentication_error", "invalid x-api-key", ""), key},
		{"Anthropic's permission", llm.Anthropic, 403, "", claude("permission_error", "m", ""), model},
		{"Anthropic on hold", llm.Anthropic, 400, "", claude("invalid_request_error", "m", "organization_on_hold"), answered{kind: llm.KindProviderAuth, scope: llm.ScopeAccount}},
		{"Gemini's key", llm.Gemini, 400, "", `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`, answered{kind: llm.KindProviderAuth, scope: llm.ScopeKey}},
		{"Vertex's permission", llm.Gemini, 403, "", `{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}`, model},
		{"Bedrock's access", llm.Converse, 403, "X-Amzn-ErrorType: AccessDeniedException", `{"Message":"m"}`, model},
		{"Bedrock's token", llm.Converse, 403, "X-Amzn-ErrorType: ExpiredTokenException", `{"message":"m"}`, key},
		{"model not found", llm.OpenAI, 404, "", `{"error":{"message":"m","type":"invalid_request_error","code":"model_not_found"}}`, rejected},
		{"Anthropic's model not found", llm.Anthropic, 404, "", claude("not_found_error", "model: x", ""), rejected},
		{"Azure's filter", llm.OpenAI, 400, "", `{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}`, answered{kind: llm.KindContentFilter}},
		{"OpenRouter's moderation", llm.OpenAI, 403, "", `{"error":{"code":403,"message":"Your input was flagged"}}`, answered{llm.KindContentFilter, 0, llm.ScopeModel, 0, 0}},
		{"Together's context", llm.OpenAI, 403, "", `{"error":{"message":"Input validation error: inputs tokens + max_new_tokens must be <= 8193","type":"invalid_request_error"}}`, answered{llm.KindContextLength, 0, llm.ScopeModel, 0, 0}},
		{"OpenAI's context", llm.OpenAI, 400, "", `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, long},
		{"Anthropic's context", llm.Anthropic, 400, "", claude("invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum", ""), long},
		{"Gemini's context", llm.Gemini, 400, "", `{"error":{"code":400,"message":"The input token count (2) exceeds the maximum number of tokens allowed (1).","status":"INVALID_ARGUMENT"}}`, long},
		{"Bedrock's context", llm.Converse, 400, "X-Amzn-ErrorType: ValidationException", `{"message":"Input is too long for requested model."}`, long},
	}
}

// shapes are bodies that are not what one expects.
func shapes() []failed {
	rejected := answered{kind: llm.KindRejected}
	var list []failed
	for _, back := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Converse, llm.Cohere, llm.Jina} {
		list = append(list,
			failed{"413 as HTML", back, 413, "", htmlPage, rejected},
			failed{"403 as HTML: a firewall's", back, 403, "", htmlPage, answered{kind: llm.KindBadAnswer, scope: llm.ScopeModel}},
			failed{"400 as an array", back, 400, "", `[{"error":{"message":"m"}}]`, rejected},
			failed{"422 as FastAPI has it", back, 422, "", `{"detail":[{"loc":["body"],"msg":"m","type":"t"}]}`, rejected},
			failed{"404 as FastAPI has it", back, 404, "", `{"detail":"Not Found"}`, rejected},
			failed{"400 as vLLM had it", back, 400, "", `{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}`, rejected},
			failed{"error is a text", back, 400, "", `{"code":"c","error":"m"}`, rejected},
			failed{"code is a number", back, 400, "", `{"error":{"message":"m","code":400}}`, rejected},
			failed{"nothing", back, 400, "", "", rejected},
			failed{"a redirection", back, 302, "", "", answered{kind: llm.KindBadAnswer}},
		)
	}
	return list
}

// waits are the ways to state one, and what a provider advises.
func waits() []failed {
	var list []failed
	for _, back := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Converse, llm.Cohere, llm.Jina} {
		for header, wait := range map[string]time.Duration{
			"retry-after: 7":   7 * time.Second,
			"retry-after: 0.2": 200 * time.Millisecond,
			"retry-after: 300": 5 * time.Minute,
			"retry-after: Fri, 20 Nov 2026 12:01:30 GMT": 90 * time.Second,
			"retry-after: Fri, 20 Nov 2026 11:00:00 GMT": 0,
			"retry-after: 1m30s":                         90 * time.Second,
			"retry-after: soon":                          0,
			"retry-after-ms: 250.5":                      250500 * time.Microsecond,
			"retry-after: 1\nretry-after-ms: 250":        250 * time.Millisecond,
		} {
			list = append(list, failed{header, back, 429, header, "", answered{kind: llm.KindRateLimited, wait: wait}})
		}
		for value, advice := range map[string]llm.Advice{"true": llm.DoRetry, "false": llm.DoNotRetry, "yes": llm.NoAdvice} {
			list = append(list, failed{"x-should-retry: " + value, back, 429, "x-should-retry: " + value, "", answered{kind: llm.KindRateLimited, advice: advice}})
		}
	}
	return list
}

func claude(typ, message, code string) string {
	if code != "" {
		code = `,"details":{"error_code":"` + code + `"}`
	}
	return `{"type":"error","error":{"type":"` + typ + `","message":"` + message + `"` + code + `},"request_id":"r"}`
}

// TestErrorsInStreamsAreClassifiedOnce is about errors after a status of 200 (PROVIDERS.md 0.6, 1.3, 2.3, 3.3, 4.1), where the stream is
// forwarded, where it is translated, and where it is no stream.
func TestErrorsInStreamsAreClassifiedOnce(t *testing.T) {
	t.Parallel()
	f := func(name string, back llm.Dialect, event, data string, kind llm.Kind, scope llm.Scope, window llm.Window) {
		t.Helper()
		check := func(way string, e *llm.Error) {
			t.Helper()
			if e == nil || e.Kind != kind || e.Scope != scope || e.Window != window || e.Sent != llm.WasSent {
				t.Errorf("%s, %s: %+v, want %v, scope %v, window %v", name, way, e, kind, scope, window)
			}
		}
		codec := dialect.Of(back)
		var title []byte
		if event != "" {
			title = []byte(event)
		}
		_, e := codec.NewReader().Read(nil, title, []byte(data))
		check("translated", e)
		if codec.NewFollower != nil {
			fo := codec.NewFollower()
			fo.Reset(wire.FollowOptions{})
			raw := "data: " + data + "\n\n"
			if event != "" {
				raw = "event: " + event + "\n" + raw
			}
			fo.Observe(&wire.Event{Name: title, Data: []byte(data), Raw: []byte(raw), At: strings.Index(raw, data)})
			check("forwarded", fo.State().Err)
		}
	}
	chunk := func(e string) string {
		return `{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":` + e + `}`
	}
	f("OpenRouter's limit", llm.OpenAI, "", chunk(`{"code":429,"message":"m"}`), llm.KindRateLimited, 0, 0)
	f("OpenRouter's provider", llm.OpenAI, "", chunk(`{"code":502,"message":"m"}`), llm.KindProviderStream, 0, 0)
	f("OpenRouter's overload", llm.OpenAI, "", chunk(`{"code":503,"message":"m"}`), llm.KindOverloaded, 0, 0)
	f("OpenRouter's credit", llm.OpenAI, "", chunk(`{"code":402,"message":"m"}`), llm.KindQuotaExhausted, 0, 0)
	f("Cerebras", llm.OpenAI, "", `{"error":{"message":"m","type":"server_error"},"status_code":500}`, llm.KindProviderStream, 0, 0)
	f("Cerebras' limit", llm.OpenAI, "", `{"error":{"message":"m"},"status_code":429}`, llm.KindRateLimited, 0, 0)
	f("Groq", llm.OpenAI, "", `{"id":"x","choices":[],"x_groq":{"error":"over capacity"}}`, llm.KindProviderStream, 0, 0)
	f("vLLM", llm.OpenAI, "", `{"error":{"object":"error","message":"m","type":"InternalServerError","param":null,"code":500}}`, llm.KindProviderStream, 0, 0)
	f("a text", llm.OpenAI, "", `{"error":"m"}`, llm.KindProviderStream, 0, 0)
	f("OpenAI's overload", llm.OpenAI, "", `{"error":{"message":"m","code":"server_is_overloaded"}}`, llm.KindOverloaded, 0, 0)
	f("a day's limit", llm.OpenAI, "", `{"error":{"message":"Rate limit reached on tokens per day (TPD)","code":"rate_limit_exceeded"}}`,
		llm.KindQuotaExhausted, llm.ScopeModel, llm.PerDay)
	f("a filter", llm.OpenAI, "", `{"error":{"message":"m","code":"content_filter"}}`, llm.KindContentFilter, 0, 0)

	f("Responses", llm.Responses, "error", `{"type":"error","code":"server_is_overloaded","message":"m","param":null,"sequence_number":3}`, llm.KindOverloaded, 0, 0)
	f("Responses' failure", llm.Responses, "response.failed", `{"type":"response.failed","sequence_number":3,"response":{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}`,
		llm.KindRateLimited, 0, 0)
	f("Responses' other failure", llm.Responses, "response.failed", `{"type":"response.failed","sequence_number":3,"response":{"id":"r","status":"failed","error":{"code":"server_error","message":"m"}}}`,
		llm.KindProviderStream, 0, 0)
	f("Responses' credit", llm.Responses, "error", `{"type":"error","code":"insufficient_quota","message":"m","sequence_number":1}`, llm.KindQuotaExhausted, 0, 0)

	f("Anthropic's overload", llm.Anthropic, "error", claude("overloaded_error", "Overloaded", ""), llm.KindOverloaded, 0, 0)
	f("Anthropic", llm.Anthropic, "error", claude("api_error", "m", ""), llm.KindProviderStream, 0, 0)
	f("Anthropic's limit", llm.Anthropic, "error", claude("rate_limit_error", "m", ""), llm.KindRateLimited, 0, 0)
	f("Anthropic's spending", llm.Anthropic, "error", claude("rate_limit_error", "m", "enforced_spend_limit_reached"), llm.KindQuotaExhausted, 0, 0)
	f("Anthropic's permission", llm.Anthropic, "error", claude("permission_error", "m", ""), llm.KindProviderAuth, llm.ScopeModel, 0)

	f("Gemini", llm.Gemini, "", `{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}`, llm.KindOverloaded, 0, 0)
	f("Gemini's day", llm.Gemini, "", dayOf, llm.KindQuotaExhausted, llm.ScopeModel, llm.PerDay)
	f("Gemini's fault", llm.Gemini, "", `{"error":{"code":500,"message":"m","status":"INTERNAL"}}`, llm.KindProviderStream, 0, 0)

	f("Bedrock's limit", llm.Converse, "throttlingException", `{"message":"m"}`, llm.KindRateLimited, 0, 0)
	f("Bedrock's day", llm.Converse, "throttlingException", `{"message":"Too many tokens per day"}`, llm.KindQuotaExhausted, llm.ScopeModel, llm.PerDay)
	f("Bedrock's fault", llm.Converse, "modelStreamErrorException", `{"message":"m"}`, llm.KindProviderStream, 0, 0)
	f("Bedrock's overload", llm.Converse, "serviceUnavailableException", `{"message":"m"}`, llm.KindOverloaded, 0, 0)
}

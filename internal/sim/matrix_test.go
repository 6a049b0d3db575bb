package sim

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// TestFaultsInEveryDialect holds that the faults that make sense in all dialects do there what they say.
func TestFaultsInEveryDialect(t *testing.T) {
	t.Parallel()
	for _, g := range tongues() {
		f := func(fault string, stream bool, check func(t *testing.T, g *tongue, a answer)) {
			t.Helper()
			t.Run(g.dialect.String()+"/"+fault, func(t *testing.T) {
				t.Parallel()
				_, c := start(t, quick())
				chat := userChat("sim-fast:"+fault, "how does the sluice work?")
				chat.Stream = stream
				check(t, &g, g.send(c, chat))
			})
		}
		for _, s := range statuses {
			f(strconv.Itoa(s.status)+";after=2", s.status%2 == 0, func(t *testing.T, g *tongue, a answer) {
				e := classify(t, g, a)
				if a.status != s.status && !(s.status == 424) {
					t.Errorf("status %d %s", a.status, a.body)
				}
				if e.Message == "" || e.ProviderStatus != s.status {
					t.Errorf("classified as %+v of %s", e, a.body)
				}
			})
		}
		kind := func(fault string, want llm.Kind) {
			f(fault, false, func(t *testing.T, g *tongue, a answer) {
				if e := classify(t, g, a); e.Kind != want {
					t.Errorf("%s is classified as %v, want %v: %s", fault, e.Kind, want, a.body)
				}
			})
		}
		kind("429", llm.KindRateLimited)
		kind("quota", llm.KindQuotaExhausted)
		kind("context-length", llm.KindContextLength)
		kind("500", llm.KindServerError)
		kind("503", llm.KindOverloaded)
		f("stream-error;after=3", true, func(t *testing.T, g *tongue, a answer) {
			got, e, _ := g.fold(t, a)
			if e == nil || CountTokens(textOf(got)) < 3 {
				t.Errorf("error %v after %q", e, textOf(got))
			}
		})
		f("cut;after=4;form=eof", true, func(t *testing.T, g *tongue, a answer) {
			got, e, _ := g.fold(t, a)
			if e == nil || e.Kind != llm.KindTruncated || CountTokens(textOf(got)) > 4 {
				t.Errorf("error %v after %q", e, textOf(got))
			}
		})
		f("cut;after=4;form=mid", true, func(t *testing.T, g *tongue, a answer) {
			if a.err == nil {
				t.Errorf("a clean end: %q", a.body)
			}
		})
		f("malformed;after=2", true, func(t *testing.T, g *tongue, a answer) {
			got, e, bad := g.fold(t, a)
			if e != nil && e.Kind != llm.KindBadAnswer || e == nil && (bad != 1 || CountTokens(textOf(got)) < 10) {
				t.Errorf("%d malformed, error %v, text %q", bad, e, textOf(got))
			}
		})
		f("malformed", false, func(t *testing.T, g *tongue, a answer) {
			if json.Valid([]byte(a.body)) || a.status != 200 {
				t.Errorf("%d %q", a.status, a.body)
			}
		})
		f("error-200", false, func(t *testing.T, g *tongue, a answer) {
			if !json.Valid([]byte(a.body)) || a.status != 200 || strings.Contains(a.body, "keeper") {
				t.Errorf("%d %q", a.status, a.body)
			}
		})
		f("filtered", true, func(t *testing.T, g *tongue, a answer) {
			if got, e, _ := g.fold(t, a); e != nil || got.Choices[0].Finish != llm.FinishFilter {
				t.Errorf("finish %v, error %v", got.Choices[0].Finish, e)
			}
		})
		f("no-usage", true, func(t *testing.T, g *tongue, a answer) {
			if got, e, _ := g.fold(t, a); e != nil || got.Usage.Output != 0 {
				t.Errorf("usage %+v, error %v", got.Usage, e)
			}
		})
		f("no-done", true, func(t *testing.T, g *tongue, a answer) {
			if a.status != 200 || a.err != nil || len(a.body) == 0 {
				t.Errorf("%d %v", a.status, a.err)
			}
		})
		for _, framing := range []string{"crlf", "bom", "multiline", "no-space", "no-blank", "pings", "split;bytes=3"} {
			if g.frames && framing != "split;bytes=3" {
				continue // there is no text to be framed
			}
			f(framing, true, func(t *testing.T, g *tongue, a answer) {
				if got, e, bad := g.fold(t, a); e != nil || bad > 0 || CountTokens(textOf(got)) < 10 {
					t.Errorf("error %v, %d malformed, text %q", e, bad, textOf(got))
				}
			})
		}
		f("content-filter", true, func(t *testing.T, g *tongue, a answer) {
			if g.dialect != llm.Gemini {
				if e := classify(t, g, a); a.status != 400 || e.Message == "" {
					t.Errorf("%d %s", a.status, a.body)
				}
				return
			}
			if a.status != 200 || !strings.Contains(a.body, "data: {\"promptFeedback\":{\"blockReason\"") {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
		f("html", false, func(t *testing.T, g *tongue, a answer) {
			if a.status != 502 || !strings.HasPrefix(a.body, "<html>") {
				t.Errorf("%d %q", a.status, a.body)
			}
		})
	}
}

func classify(t *testing.T, g *tongue, a answer) *llm.Error {
	t.Helper()
	if a.status < 400 {
		t.Fatalf("%s: status %d %s", g.dialect, a.status, a.body)
	}
	return dialect.Of(g.dialect).ClassifyError(a.status, a.header, []byte(a.body), time.Unix(1750000000, 0))
}

func textOf(a *llm.Answer) (text string) {
	for _, c := range a.Choices {
		for _, p := range c.Parts {
			if p.Kind == llm.PartText {
				text += p.Text
			}
		}
	}
	return text
}

// TestErrorsHaveTheirMakersShape compares errors byte for byte with what each maker documents.
func TestErrorsHaveTheirMakersShape(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	f := func(name, path, body string, header []string, status int, want string, wantHeader ...string) {
		t.Helper()
		a := root.do("POST", path, body, header...)
		got := a.body
		for _, name := range []string{"Request-Id", "X-Request-Id"} {
			if id := a.header.Get(name); id != "" {
				got = strings.ReplaceAll(got, id, "ID")
			}
		}
		if a.status != status || strings.TrimSpace(got) != want {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, got, status, want)
		}
		for i := 0; i+1 < len(wantHeader); i += 2 {
			if got := a.header.Get(wantHeader[i]); got != wantHeader[i+1] {
				t.Errorf("%s: header %s is %q, want %q", name, wantHeader[i], got, wantHeader[i+1])
			}
		}
	}
	version := []string{"Anthropic-Version", "2023-06-01"}
	anthropic := func(model string) string {
		return `{"model":"` + model + `","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	}
	gemini := `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	converse := `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`
	f("overloaded", "/v1/messages", anthropic("sim-fast:529"), version, 529,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"ID"}`)
	f("spend limit", "/v1/messages", anthropic("sim-fast:quota"), version, 429, `{"type":"error","error":{"type":"rate_limit_error","message":`+
		`"You exceeded your current quota, please check your plan and billing details.","details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"ID"}`,
		"Retry-After", "", "X-Should-Retry", "false")
	f("retry", "/v1/messages", anthropic("sim-fast:429;after=3"), version, 429, `{"type":"error","error":{"type":"rate_limit_error","message":`+
		`"Rate limit reached. Please try again later."},"request_id":"ID"}`, "Retry-After", "3", "X-Should-Retry", "true")
	f("no retry", "/v1/messages", anthropic("sim-fast:429;retry=false"), version, 429, `{"type":"error","error":{"type":"rate_limit_error","message":`+
		`"Rate limit reached. Please try again later."},"request_id":"ID"}`, "Retry-After", "", "X-Should-Retry", "false")
	f("no version", "/v1/messages", anthropic("sim-fast"), nil, 400,
		`{"type":"error","error":{"type":"invalid_request_error","message":"anthropic-version: header is required"},"request_id":"ID"}`)
	f("old version", "/v1/messages", anthropic("sim-fast"), []string{"Anthropic-Version", "2022-01-01"}, 400,
		`{"type":"error","error":{"type":"invalid_request_error","message":"anthropic-version: \"2022-01-01\" is not a valid version"},"request_id":"ID"}`)
	quota := `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_requests",` +
		`"quotaId":"GenerateRequestsPerMinutePerProjectPerModel","quotaValue":"10"}]},{"@type":"type.googleapis.com/google.rpc.Help","links":[]}`
	f("retry info", "/v1beta/models/sim-fast:429;after=12:generateContent", gemini, nil, 429, `{"error":{"code":429,"message":`+
		`"Rate limit reached. Please try again later.","status":"RESOURCE_EXHAUSTED","details":[`+quota+`,{"@type":"type.googleapis.com/google.rpc.RetryInfo",`+
		`"retryDelay":"12s"}]}}`, "Retry-After", "")
	f("a day's quota", "/v1beta/models/sim-fast:quota:generateContent", gemini, nil, 429, `{"error":{"code":429,"message":"You exceeded your current quota, `+
		`please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[`+strings.Replace(quota, "PerMinute", "PerDay", 1)+`]}}`)
	f("unavailable", "/v1beta/models/sim-fast:503:generateContent", gemini, nil, 503,
		`{"error":{"code":503,"message":"The server is currently overloaded; please try again later.","status":"UNAVAILABLE"}}`)
	f("throttled", "/model/sim-fast:429/converse", converse, nil, 429, `{"message":"Too many requests, please wait before trying again."}`,
		"X-Amzn-Errortype", "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/", "Content-Type", "application/json")
	f("a quota of the account", "/model/sim-fast:quota/converse", converse, nil, 400, `{"message":"You exceeded your current quota, please check your plan and billing details."}`,
		"X-Amzn-Errortype", "ServiceQuotaExceededException:http://internal.amazon.com/coral/com.amazon.bedrock/")
	f("azure", "/openai/deployments/sim-fast:429/chat/completions?api-version=2024-10-21", `{"messages":[{"role":"user","content":"x"}]}`, nil, 429,
		`{"error":{"code":"429","message":"Rate limit reached. Please try again later."}}`)
	f("azure without a version", "/openai/deployments/sim-fast/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, nil, 404,
		`{"error":{"code":"404","message":"Resource not found"}}`)
	f("unknown model", "/v1beta/models/nothing:generateContent", gemini, nil, 404,
		`{"error":{"code":404,"message":"The model 'nothing' does not exist or you do not have access to it.","status":"NOT_FOUND"}}`)
	f("cohere", "/v2/rerank", `{"model":"x:400","query":"a","documents":["b"]}`, nil, 400,
		`{"id":"ID","message":"The request was refused by the simulator."}`)
	f("jina", "/v1/rerank", `{"model":"x:400","query":"a","documents":["b"]}`, nil, 400, `{"detail":"The request was refused by the simulator."}`)
}

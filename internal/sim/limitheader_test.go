package sim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

// limitHeaders are those about limits, in short.
func limitHeaders(h http.Header) map[string]string {
	all := map[string]string{}
	for name, v := range h {
		for _, prefix := range []string{"X-Ratelimit-", "Anthropic-Ratelimit-"} {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				all[rest] = v[0]
			}
		}
	}
	return all
}

// TestLimitHeaders holds what each dialect and provider tells of a quota of which something is used. Time is 2000-01-01.
func TestLimitHeaders(t *testing.T) {
	t.Parallel()
	openai := ask{dialect: llm.OpenAI}
	limits := QuotaConfig{RPM: 60, TPM: 60_000, InputTPM: 30_000, OutputTPM: 6000, RPD: 1000}
	f := func(name string, a ask, quirk string, change func(*QuotaConfig), want map[string]string) {
		t.Helper()
		cfg := limits
		if change != nil {
			change(&cfg)
		}
		synctest.Test(t, func(t *testing.T) {
			all := []*quota{newQuota(cfg, "q"), newQuota(QuotaConfig{RPM: 6000}, "wide")}
			if _, over := take(time.Now(), all, asks(3000, 3000)); over != nil {
				t.Fatal("refused")
			}
			w := &headerWriter{h: http.Header{}}
			x := &exchange{s: &Server{}, w: w, ask: &a, quotas: all}
			if quirk != "" {
				x.fx.quirk = quirkOf(quirk)
				x.settleQuirk() // sets headers that the deviation has made up
			}
			x.describeAll(time.Now())
			got := limitHeaders(w.h)
			delete(got, "Over-Limit")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		})
	}
	openAI := map[string]string{
		"Limit-Requests": "60", "Remaining-Requests": "59", "Reset-Requests": "1s",
		"Limit-Tokens": "60000", "Remaining-Tokens": "54000", "Reset-Tokens": "6s",
	}
	fixed := map[string]string{
		"Limit-Requests": "60", "Remaining-Requests": "59", "Reset-Requests": "1m0s",
		"Limit-Tokens": "60000", "Remaining-Tokens": "54000", "Reset-Tokens": "1m0s",
	}
	f("openai", openai, "", nil, openAI)
	f("fixed", openai, "", func(c *QuotaConfig) { c.Enforce = "fixed" }, fixed)
	f("sliding", openai, "", func(c *QuotaConfig) { c.Enforce = "sliding" }, fixed)
	slices := func(c *QuotaConfig) { c.Enforce, c.TPM, c.InputTPM, c.OutputTPM = "slices", 600_000, 0, 0 }
	f("slices show the minute", openai, "", slices, map[string]string{
		"Limit-Requests": "60", "Remaining-Requests": "59", "Reset-Requests": "1m0s",
		"Limit-Tokens": "600000", "Remaining-Tokens": "594000", "Reset-Tokens": "1m0s",
	})
	wide := map[string]string{"Limit-Requests": "6000", "Remaining-Requests": "5999", "Reset-Requests": "10ms"}
	f("none", openai, "", func(c *QuotaConfig) { c.Headers = "none" }, wide) // of the other quota
	f("wrong", openai, "", func(c *QuotaConfig) { c.Headers, c.RPM = "wrong", 0 }, map[string]string{
		"Limit-Requests": "6000", "Remaining-Requests": "5999", "Reset-Requests": "10ms",
		"Limit-Tokens": "60000", "Remaining-Tokens": "60000", "Reset-Tokens": "0s",
	})
	f("half", openai, "", func(c *QuotaConfig) { c.Headers = "half" }, map[string]string{
		"Limit-Requests": "30", "Remaining-Requests": "29", "Reset-Requests": "1s",
		"Limit-Tokens": "30000", "Remaining-Tokens": "27000", "Reset-Tokens": "6s",
	})
	f("azure", ask{dialect: llm.OpenAI, host: onAzure}, "azure", nil, map[string]string{
		"Limit-Requests": "60", "Remaining-Requests": "59", "Limit-Tokens": "60000", "Remaining-Tokens": "54000",
	})
	f("groq", openai, "groq", nil, map[string]string{
		"Limit-Requests": "1000", "Remaining-Requests": "999", "Reset-Requests": "24h0m0s",
		"Limit-Tokens": "60000", "Remaining-Tokens": "54000", "Reset-Tokens": "6s",
	})
	f("groq without headers", openai, "groq", func(c *QuotaConfig) { c.Headers = "none" }, wide)
	f("cerebras", openai, "cerebras", nil, map[string]string{
		"Limit-Requests-Day": "1000", "Remaining-Requests-Day": "999", "Reset-Requests-Day": "86400",
		"Limit-Tokens-Minute": "60000", "Remaining-Tokens-Minute": "54000", "Reset-Tokens-Minute": "6",
	})
	f("mistral", openai, "mistral", nil, map[string]string{
		"Limit-Req-Minute": "60", "Remaining-Req-Minute": "59", "Limit-Tokens-Minute": "60000", "Remaining-Tokens-Minute": "54000",
	})
	f("fireworks", openai, "fireworks", nil, map[string]string{
		"Limit-Tokens-Prompt": "30000", "Remaining-Tokens-Prompt": "27000", "Limit-Tokens-Generated": "6000", "Remaining-Tokens-Generated": "3000",
	})
	f("anthropic", ask{dialect: llm.Anthropic}, "", nil, map[string]string{
		"Requests-Limit": "60", "Requests-Remaining": "59", "Requests-Reset": "2000-01-01T00:00:01Z",
		"Tokens-Limit": "6000", "Tokens-Remaining": "3000", "Tokens-Reset": "2000-01-01T00:00:30Z",
		"Input-Tokens-Limit": "30000", "Input-Tokens-Remaining": "27000", "Input-Tokens-Reset": "2000-01-01T00:00:06Z",
		"Output-Tokens-Limit": "6000", "Output-Tokens-Remaining": "3000", "Output-Tokens-Reset": "2000-01-01T00:00:30Z",
	})
	f("gemini", ask{dialect: llm.Gemini}, "", nil, map[string]string{})
	f("bedrock", ask{dialect: llm.Converse, host: onBedrock}, "", nil, map[string]string{})
}

// headerWriter is a response that only headers are set of.
type headerWriter struct {
	http.ResponseWriter
	h http.Header
}

func (w *headerWriter) Header() http.Header { return w.h }

// TestRefusalsByLimits holds how the providers word the refusal of a second request: of a minute's quota and of a day's, with waits as they
// are, in whole seconds and without. The wait itself goes by the clock.
func TestRefusalsByLimits(t *testing.T) {
	t.Parallel()
	openAI := func(c *client) answer { return c.chat("m", "hi", "") }
	azure := func(c *client) answer {
		return c.root().do("POST", "/openai/deployments/m/chat/completions?api-version=2024-10-21", `{"messages":[{"role":"user","content":"x"}]}`)
	}
	anthropic := func(c *client) answer {
		return c.root().do("POST", "/v1/messages", strings.Replace(messagesBody, "sim-fast", "m", 1), "Anthropic-Version", newVersion)
	}
	gemini := func(c *client) answer { return c.root().do("POST", "/v1beta/models/m:generateContent", geminiBody) }
	converse := func(c *client) answer {
		return c.root().do("POST", "/model/m/converse", `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`)
	}
	f := func(name string, cfg QuotaConfig, send func(*client) answer, after, afterMS bool, says ...string) {
		t.Helper()
		c := quick()
		c.Models, c.Quotas = []ModelConfig{{Name: "m"}}, []QuotaConfig{cfg}
		_, client := start(t, c)
		if a := send(client); a.status != 200 {
			t.Fatalf("%s: first request: %d %s", name, a.status, a.body)
		}
		a := send(client)
		if a.status != 429 || (a.header.Get("Retry-After") != "") != after || (a.header.Get("Retry-After-Ms") != "") != afterMS {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
		for _, s := range says {
			negated, not := strings.CutPrefix(s, "!")
			if strings.Contains(a.body, negated) == not {
				t.Errorf("%s: the body says %s, want %s", name, a.body, s)
			}
		}
	}
	minute, day := QuotaConfig{RPM: 1}, QuotaConfig{RPD: 1}
	with := func(c QuotaConfig, retry string) QuotaConfig {
		c.RetryAfter = retry
		return c
	}
	f("openai", minute, openAI, true, true, "on requests per min (RPM): Limit 1, Used 1, Requested 1. Please try again in ")
	f("openai, seconds", with(minute, "seconds"), openAI, true, false, "Please try again in 1m0s.")
	f("openai, no wait", with(minute, "none"), openAI, false, false, "Please try again later.")
	f("openai, day", day, openAI, true, true, "on requests per day (RPD): Limit 1", "rate_limit_exceeded", `"type": "requests"`)
	f("azure", minute, azure, true, true, `"code":"429"`)
	f("azure, no wait", with(minute, "none"), azure, false, false)
	f("anthropic", minute, anthropic, true, false, "rate_limit_error")
	f("anthropic, output", QuotaConfig{OutputTPM: 9, Charge: "max_tokens"}, anthropic, true, false, "on output tokens per min (OTPM): Limit 9")
	f("gemini", minute, gemini, false, false, `"retryDelay":"`, `"quotaId":"GenerateRequestsPerMinutePerProjectPerModel","quotaValue":"1"`)
	f("gemini, seconds", with(minute, "seconds"), gemini, false, false, `"retryDelay":"60s"`)
	f("gemini, no wait", with(minute, "none"), gemini, false, false, "!retryDelay")
	f("gemini, day", day, gemini, false, false, "GenerateRequestsPerDayPerProjectPerModel", "retryDelay")
	f("gemini, input", QuotaConfig{InputTPM: 9}, gemini, false, false, `"quotaId":"GenerateContentInputTokensPerMinutePerProjectPerModel"`)
	f("bedrock", minute, converse, false, false, "Too many requests, please wait")
	f("bedrock, day", QuotaConfig{TPD: 20}, converse, false, false, "Too many tokens per day")
}

// TestQuotasOfModels holds which models share a quota and which have their own.
func TestQuotasOfModels(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.AnyModel = true
	cfg.Models = []ModelConfig{{Name: "gpt-a"}, {Name: "gpt-b"}, {Name: "own", RPM: 1}, {Name: "embed", Kind: "embedding"}}
	cfg.Quotas = []QuotaConfig{{Models: []string{"gpt-*"}, RPM: 2}, {Models: []string{"each-*"}, RPM: 1, PerModel: true}}
	s, c := start(t, cfg)
	f := func(model string, status int) {
		t.Helper()
		if a := c.chat(model, "hi", ""); a.status != status {
			t.Errorf("%s: %d, want %d: %s", model, a.status, status, a.body)
		}
	}
	f("gpt-a", 200)
	f("gpt-b:503", 503) // nothing is charged
	f("gpt-b", 200)
	f("gpt-a", 429)
	f("own", 200)
	f("own", 429)
	f("each-1", 200)
	f("each-2", 200)
	f("each-2", 429)
	f("none", 200)
	f("none", 200)
	var got []string
	for _, q := range settled(s).Quotas {
		got = append(got, fmt.Sprintf("%s %d/%d", q.Name, q.Accepted, q.Refused))
	}
	want := []string{"gpt-* 2/1", "each-* at each-1 1/0", "each-* at each-2 1/1", "model own 1/1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quotas (-want +got):\n%s", diff)
	}
	s.Reset()
	if q := s.Stats().Quotas[0]; q.Accepted != 0 || len(q.Seconds) != 0 {
		t.Errorf("after a reset: %+v", q)
	}
	f("gpt-a", 429) // what was charged stays charged
}

func TestQuotaConfig(t *testing.T) {
	t.Parallel()
	f := func(q QuotaConfig, want string) {
		t.Helper()
		_, err := New(Config{Quotas: []QuotaConfig{q}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
	f(QuotaConfig{}, "quotas[0].rpm: is missing")
	f(QuotaConfig{TPM: -1}, "quotas[0].tpm: -1 is negative")
	f(QuotaConfig{RPM: 1, Enforce: "window"}, `quotas[0].enforce: "window" is none of bucket, fixed, slices, sliding`)
	f(QuotaConfig{RPM: 1, Charge: "all"}, `quotas[0].charge: "all" is none of corrected, max_tokens, actual`)
	f(QuotaConfig{RPM: 1, Headers: "no"}, "quotas[0].headers")
	f(QuotaConfig{RPM: 1, RetryAfter: "no"}, "quotas[0].retry_after")
	f(QuotaConfig{RPM: 1, Models: []string{"["}}, "quotas[0].models[0]")
	f(QuotaConfig{RPM: 1, Burst: time.Second, Enforce: "fixed"}, "quotas[0].burst")
	f(QuotaConfig{RPM: 1, Burst: time.Millisecond}, "quotas[0].burst")
	f(QuotaConfig{RPM: 1, Window: time.Second}, "quotas[0].window")
	f(QuotaConfig{RPM: 1, Phase: time.Second}, "quotas[0].phase")
	if _, err := New(Config{Quotas: make([]QuotaConfig, maxQuotas+1)}); err == nil || !strings.Contains(err.Error(), "101 are more than 100") {
		t.Errorf("too many quotas: %v", err)
	}
	q := QuotaConfig{Models: []string{"a", "b*"}, RPM: 1, TPD: 2, Enforce: "fixed"}
	if got, want := q.String(), "a,b*: RPM 1, TPD 2; fixed; corrected"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

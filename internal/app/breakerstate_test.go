package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/internal/console"
)

// TestAnAccountInTroubleIsSeen spends an account's credit: all its models are out, also the one that was not asked, and one success
// brings them back.
func TestAnAccountInTroubleIsSeen(t *testing.T) {
	t.Parallel()
	var spent atomic.Bool
	spent.Store(true)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if spent.Load() {
			w.WriteHeader(http.StatusPaymentRequired)
			_, _ = w.Write([]byte(`{"error":{"message":"no credit","code":"credit_limit"}}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"x","object":"chat.completion","model":"b","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},` +
			`"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`))
	}))
	t.Cleanup(provider.Close)
	g := start(t, "providers: {p: {base_url: "+provider.URL+"/v1, api_key: k, models: [a, b]}}\nretry: {attempts: 1}\nbreaker: {check: true}\n")
	ask := func(model string, status int) {
		t.Helper()
		if got := g.post("/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`); got.status != status {
			t.Errorf("%s: %d %s", model, got.status, got.body)
		}
	}
	state := func(name string) console.Target {
		t.Helper()
		for _, target := range g.App.targets() {
			if target.Name == name {
				return target
			}
		}
		t.Fatalf("no target %s in %+v", name, g.App.targets())
		return console.Target{}
	}
	ask("a", 429)
	for _, name := range []string{"p/a", "p/b"} {
		got := state(name)
		if got.State != "open" || got.Cause != "quota" || got.Scope != "account" || got.Until == nil || got.Error == nil ||
			*got.Error != (console.TargetError{Code: "provider_quota_exhausted", ProviderStatus: 402, ProviderCode: "credit_limit"}) {
			t.Errorf("%s: %+v, last error %+v", name, got, got.Error)
		}
	}
	g.wantMetrics(
		`sluice_breaker_out{cause="quota",scope="account",target="p/b"} 1`, `sluice_breaker_state{target="p/b"} 2`,
		`sluice_breaker_openings_total{cause="quota",gen_ai_provider_name="p",scope="account"} 1`)
	spent.Store(false)
	ask("b", 200) // it has no other target
	for _, name := range []string{"p/a", "p/b"} {
		if got := state(name); got.State != "closed" || got.Cause != "" || got.Error != nil {
			t.Errorf("%s after a success: %+v", name, got)
		}
	}
	if strings.Contains(g.scrape(), "sluice_breaker_out{") {
		t.Error("something is out still")
	}
	for _, want := range []string{"breaker opened: provider is out of use", "scope=account", "provider_code=credit_limit", "breaker closed: provider is in use again"} {
		if log := g.log.String(); !strings.Contains(log, want) && !strings.Contains(log, strings.ReplaceAll(want, "=", `":"`)) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

// TestReloadOfTheBreaker changes when a breaker opens.
func TestReloadOfTheBreaker(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(provider.Close)
	config := "providers: {p: {base_url: " + provider.URL + "/v1, api_key: k, models: [a]}}\nretry: {attempts: 1}\n"
	g := start(t, config+"breaker: {check: false}\n")
	ask := func() string {
		g.post("/chat/completions", `{"model":"a","messages":[{"role":"user","content":"hi"}]}`)
		return g.App.targets()[0].State
	}
	if got := ask(); got != "closed" {
		t.Errorf("state %s after one failed call", got)
	}
	if err := g.reload(config + "breaker: {failures: 2, check: false}\n"); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "open" {
		t.Errorf("state %s after two failed calls, with failures: 2", got)
	}
}

// TestNewCredentialsHaveNoTrouble: a pause for a day's limit ends when the account gets another key, and not when something else is
// changed about it.
func TestNewCredentialsHaveNoTrouble(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer fresh" {
			w.Header().Set("Retry-After", "36000")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"message":"Rate limit reached on tokens per day (TPD)","code":"rate_limit_exceeded"}}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"x","object":"chat.completion","model":"a","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},` +
			`"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`))
	}))
	t.Cleanup(provider.Close)
	settings := func(key string, concurrency int) string {
		return "providers: {p: {base_url: " + provider.URL + "/v1, api_key: " + key + ", models: [a], concurrency: " + itoa(concurrency) + "}}\nretry: {attempts: 1}\n"
	}
	g := start(t, settings("used-up", 0))
	ask := func(status int) {
		t.Helper()
		if got := g.post("/chat/completions", `{"model":"a","messages":[{"role":"user","content":"hi"}]}`); got.status != status {
			t.Errorf("%d %s, want %d", got.status, got.body, status)
		}
	}
	reload := func(yaml string) {
		t.Helper()
		if err := g.reload(yaml); err != nil {
			t.Fatal(err)
		}
	}
	state := func() string { return g.App.targets()[0].State }
	ask(429)
	if got := state(); got != "paused" {
		t.Fatalf("state %s", got)
	}
	reload(settings("used-up", 5))
	if got := state(); got != "paused" {
		t.Errorf("state %s after a change of concurrency", got)
	}
	reload(settings("fresh", 5))
	if got := state(); got != "closed" {
		t.Errorf("state %s with another key", got)
	}
	ask(200)
}

// TestRawPathsDoNotSpoilTheAccount: a client that asks for what the account's key may not see takes nothing from other calls; calls that are
// refused do.
func TestRawPathsDoNotSpoilTheAccount(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/files" {
			w.WriteHeader(http.StatusPaymentRequired)
			_, _ = w.Write([]byte(`{"error":{"message":"You have exceeded your file storage quota."}}`))
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"message":"You have insufficient permissions for this operation.","type":"invalid_request_error"}}`))
	}))
	t.Cleanup(provider.Close)
	g := start(t, "providers: {p: {base_url: "+provider.URL+"/v1, api_key: k, models: [a, b]}}\nretry: {attempts: 1}\nbreaker: {check: false}\n")
	state := func() string {
		for _, target := range g.App.targets() {
			if target.Name == "p/b" {
				return target.State
			}
		}
		return "unknown"
	}
	for range 5 {
		for _, path := range []string{"/p/p/organization/users", "/p/p/files"} {
			rq := g.request(t.Context(), path, nil)
			rq.Method, rq.URL.Path = http.MethodGet, path
			g.do(rq)
		}
	}
	if got := state(); got != "closed" && got != "unknown" {
		t.Errorf("after raw requests: %s", got)
	}
	for range 3 {
		g.post("/chat/completions", `{"model":"a","messages":[{"role":"user","content":"hi"}]}`)
	}
	if got := state(); got != "open" {
		t.Errorf("after calls: %s", got)
	}
}

package app

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sluice/internal/sim"
)

// simulate runs a simulated provider until the test ends, and returns it with its base URL.
func simulate(t *testing.T, c sim.Config) (s *sim.Server, url string) {
	t.Helper()
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if url, err = s.Listen(""); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the simulator: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve the simulator: %v", err)
		}
	})
	return s, url
}

const budgetKey = "budget-key-0123456789"

// TestBudgetOverHTTP has 500 clients at once at a budget of a dollar, again and again until all are told that it is used up. What the ledger has is
// never above the budget, since no call costs more than it may; what is left is less than one call may cost. Then the gateway starts anew, and still
// knows.
func TestBudgetOverHTTP(t *testing.T) {
	t.Parallel()
	const (
		clients  = 500
		estimate = 0.011 // USD of a call of 100 tokens of output and a short prompt, at most
	)
	_, url := simulate(t, sim.Config{Models: []sim.ModelConfig{{Name: "m", Output: sim.Range{Min: 20, Max: 90}}}})
	prices := filepath.Join(t.TempDir(), "prices.json")
	row := `{"models":[{"provider":"p","model":"m","kind":"chat","input_per_mtok":10,"output_per_mtok":100,"as_of":"2026-11-01"}]}`
	if err := os.WriteFile(prices, []byte(row), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := "providers:\n  p: {api: openai, base_url: \"" + url + "\", models: [m, unpriced]}\nprices_file: " + prices + "\n" +
		"tiers:\n  dollar: {budget: {usd: 1, per: month}}\nkeys:\n  - {name: team-a, key: " + budgetKey + ", tier: dollar}\n"
	data := filepath.Join(t.TempDir(), "data")
	g := startIn(t, data, yaml)
	ask := `{"model":"p/m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
	served := 0
	for wave := 0; ; wave++ {
		if wave == 100 {
			t.Fatal("the budget is not used up after 100 waves")
		}
		replies := make([]reply, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { replies[i] = g.post("/chat/completions", ask, "Authorization", "Bearer "+budgetKey) })
		}
		wg.Wait()
		final := 0
		for _, rp := range replies {
			switch {
			case rp.status == 200:
				served++
			case rp.status == 429 && rp.header.Get("X-Should-Retry") == "false":
				final++
			case rp.status == 429 && rp.header.Get("Retry-After") == "1": // calls under way hold what is left
				wantErrorObject(t, rp.body, "key_budget_exceeded", "calls under way may need all that is left")
			default:
				t.Fatalf("%d %v %s", rp.status, rp.header, rp.body)
			}
		}
		if final == clients {
			break
		}
	}
	spent := 0.0
	for _, r := range g.rows() {
		spent += float64(r.CostNanoUSD) / 1e9
	}
	t.Logf("%d calls were served for $%.6f", served, spent)
	if spent > 1 || spent < 1-estimate {
		t.Errorf("spent $%.6f, want at most $1 and at least $%.3f", spent, 1-estimate)
	}
	check := func(g *gate) {
		t.Helper()
		rp := g.post("/chat/completions", ask, "Authorization", "Bearer "+budgetKey)
		wantError(t, rp, 429, "key_budget_exceeded", `"type":"insufficient_quota"`, "$1 per month (`budget` of tier dollar)", "begins anew at 20")
		if s, err := strconv.Atoi(rp.header.Get("Retry-After")); err != nil || s < 1 || s > 31*24*3600 {
			t.Errorf("Retry-After is %q", rp.header.Get("Retry-After"))
		}
	}
	check(g)
	wantError(t, g.post("/chat/completions", `{"model":"p/unpriced","messages":[]}`, "Authorization", "Bearer "+budgetKey), 403, "model_not_allowed", "unpriced: allow")
	g.settled()
	g.close()
	check(startIn(t, data, yaml))
}

// TestLimitsInEveryFront checks the headers of limits on whole answers and streams, and what a refused call is told, in the words of each front.
func TestLimitsInEveryFront(t *testing.T) {
	t.Parallel()
	_, url := simulate(t, sim.Config{Models: []sim.ModelConfig{{Name: "m", Output: sim.Range{Min: 5, Max: 5}}}})
	yaml := "providers:\n  p: {api: openai, base_url: \"" + url + "\", models: [m]}\ntiers:\n  few: {rpm: 2, tpm: 100_000}\n  daily: {requests_per_day: 1}\nkeys:\n"
	keys := map[string]string{}
	for _, name := range []string{"openai", "responses", "anthropic", "gemini"} {
		keys[name] = name + "-key-0123456789"
		yaml += "  - {name: " + name + ", key: " + keys[name] + ", tier: few}\n  - {name: " + name + "-day, key: " + keys[name] + "-day, tier: daily}\n"
	}
	g := start(t, yaml)
	root := strings.TrimSuffix(g.url, "/v1")
	ask := func(key, path, body string) reply {
		t.Helper()
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, root+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("Content-Type", jsonBody)
		rq.Header.Set("Authorization", "Bearer "+key)
		rq.Header.Set("Anthropic-Version", "2023-06-01")
		return do(t, g.client, rq)
	}
	f := func(front, path, stream, body, streamBody string, headers []string, day ...string) {
		t.Helper()
		for i, rp := range []reply{ask(keys[front], path, body), ask(keys[front], stream, streamBody), ask(keys[front], path, body)} {
			if want := [...]int{200, 200, 429}[i]; rp.status != want {
				t.Fatalf("%s: call %d: %d %s", front, i, rp.status, rp.body)
			}
			left := max(1-i, 0)
			for j, h := range headers {
				want := [...]string{"2", strconv.Itoa(left), "100000", ""}[j]
				if got := rp.header.Get(h); want != "" && got != want || got == "" {
					t.Errorf("%s: call %d: %s is %q, want %q", front, i, h, got, want)
				}
			}
			if i < 2 {
				continue
			}
			if s, err := strconv.Atoi(rp.header.Get("Retry-After")); err != nil || s < 50 || s > 60 || rp.header.Get("X-Should-Retry") != "" {
				t.Errorf("%s: Retry-After %q, X-Should-Retry %q", front, rp.header.Get("Retry-After"), rp.header.Get("X-Should-Retry"))
			}
			if !strings.Contains(rp.body, "key_rate_exceeded") || !strings.Contains(rp.body, "may make 2 (`rpm` of tier few)") || !json.Valid([]byte(rp.body)) {
				t.Errorf("%s: %s", front, rp.body)
			}
		}
		if rp := ask(keys[front]+"-day", path, body); rp.status != 200 {
			t.Errorf("%s: %d %s", front, rp.status, rp.body)
		}
		rp := ask(keys[front]+"-day", path, body)
		if rp.status != 429 || rp.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: %d %v %s", front, rp.status, rp.header, rp.body)
		}
		for _, s := range append(day, "may make 1 per day (`requests_per_day` of tier daily)", "00:00 UTC") {
			if !strings.Contains(rp.body, s) {
				t.Errorf("%s: the error does not say %s: %s", front, s, rp.body)
			}
		}
	}
	chat := `"messages":[{"role":"user","content":"hi"}]}`
	openai := []string{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens"}
	f("openai", "/v1/chat/completions", "/v1/chat/completions", `{"model":"p/m",`+chat, `{"model":"p/m","stream":true,`+chat, openai,
		`"type":"rate_limit_error"`, `"code":"key_rate_exceeded"`)
	f("responses", "/v1/responses", "/v1/responses", `{"model":"p/m","store":false,"input":"hi"}`, `{"model":"p/m","store":false,"stream":true,"input":"hi"}`, openai,
		`"type":"rate_limit_error"`)
	f("anthropic", "/anthropic/v1/messages", "/anthropic/v1/messages", `{"model":"p/m","max_tokens":9,`+chat, `{"model":"p/m","max_tokens":9,"stream":true,`+chat,
		[]string{"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining"},
		`"type":"rate_limit_error"`)
	const contents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	f("gemini", "/gemini/v1beta/models/p%2Fm:generateContent", "/gemini/v1beta/models/p%2Fm:streamGenerateContent?alt=sse", contents, contents, nil,
		`"status":"RESOURCE_EXHAUSTED"`, `"quotaId":"LimitPerDayPerKey"`, `google.rpc.RetryInfo`)
}

// TestUsersOfAKey checks that the end user of a request is found in each dialect's words.
func TestUsersOfAKey(t *testing.T) {
	t.Parallel()
	_, url := simulate(t, sim.Config{Models: []sim.ModelConfig{{Name: "m", Output: sim.Range{Min: 5, Max: 5}}}})
	g := start(t, "providers:\n  p: {api: openai, base_url: \""+url+"\", models: [m]}\ntiers:\n  t: {users: {rpm: 1}}\nkeys:\n  - {name: a, key: "+budgetKey+", tier: t}\n")
	f := func(user, path, body string) {
		t.Helper()
		rq := func() reply {
			req := g.request(t.Context(), "", strings.NewReader(body), "Authorization", "Bearer "+budgetKey, "Anthropic-Version", "2023-06-01")
			req.URL.Path = path
			return do(t, g.client, req)
		}
		if rp := rq(); rp.status != 200 {
			t.Errorf("first call of %s: %d %s", user, rp.status, rp.body)
		}
		if rp := rq(); rp.status != 429 || !strings.Contains(rp.body, "user \\\""+user+"\\\" of key \\\"a\\\"") {
			t.Errorf("second call of %s: %d %s", user, rp.status, rp.body)
		}
	}
	const chat = `"messages":[{"role":"user","content":"hi"}]}`
	f("u1", "/v1/chat/completions", `{"model":"p/m","user":"u1",`+chat)
	f("u2", "/v1/chat/completions", `{"model":"p/m","safety_identifier":"u2",`+chat)
	f("u3", "/v1/responses", `{"model":"p/m","store":false,"safety_identifier":"u3","input":"hi"}`)
	f("u4", "/anthropic/v1/messages", `{"model":"p/m","max_tokens":9,"metadata":{"user_id":"u4"},`+chat)
	for range 3 {
		if rp := g.post("/chat/completions", `{"model":"p/m",`+chat, "Authorization", "Bearer "+budgetKey); rp.status != 200 {
			t.Errorf("a call of nobody: %d %s", rp.status, rp.body)
		}
	}
}

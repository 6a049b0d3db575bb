package app

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/internal/sim"
	"sluice/internal/testenv"
)

// TestReplicasShareABudget has 500 clients at once at a budget of a dollar, through two gateways that share it, again and again until all are told
// that it is used up; Redis is killed on the way, and one of them
// starts anew without it. What both ledgers have together is never above the budget.
func TestReplicasShareABudget(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"undisturbed", "killed", "killed and restarted"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartRedis(t)
			_, url := simulate(t, sim.Config{Models: []sim.ModelConfig{{Name: "m", Output: sim.Range{Min: 20, Max: 90}}}})
			prices := filepath.Join(t.TempDir(), "prices.json")
			row := `{"models":[{"provider":"p","model":"m","kind":"chat","input_per_mtok":10,"output_per_mtok":100,"as_of":"2026-11-01"}]}`
			if err := os.WriteFile(prices, []byte(row), 0o600); err != nil {
				t.Fatal(err)
			}
			yaml := "redis: " + server.URL + "\nreplicas: 2\nproviders:\n  p: {api: openai, base_url: \"" + url + "\", models: [m]}\nprices_file: " + prices + "\n" +
				"tiers:\n  dollar: {budget: {usd: 1, per: month}}\nkeys:\n  - {name: team-a, key: " + budgetKey + ", tier: dollar}\n"
			data := t.TempDir()
			gates := []*gate{start(t, yaml), startIn(t, data, yaml)}
			for _, g := range gates {
				g.wantMetrics("sluice_cluster_replicas 2")
			}
			ask := `{"model":"p/m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
			var served atomic.Int64
			for wave := range 6 {
				if name != "undisturbed" && wave == 1 {
					server.Kill()
				}
				if name == "killed and restarted" && wave == 2 {
					gates[1].close()
					gates[1] = startIn(t, data, yaml)
				}
				var wg sync.WaitGroup
				for i := range 500 {
					wg.Go(func() {
						rp := gates[i%2].post("/chat/completions", ask, "Authorization", "Bearer "+budgetKey)
						switch rp.status {
						case http.StatusOK:
							served.Add(1)
						case http.StatusTooManyRequests:
						default:
							t.Errorf("status %d: %s", rp.status, rp.body)
						}
					})
				}
				wg.Wait()
			}
			sum := 0.0
			for _, g := range gates {
				g.settled()
				for _, r := range g.rows() {
					sum += float64(r.CostNanoUSD) / 1e9
				}
			}
			t.Logf("%d calls served for $%.4f", served.Load(), sum)
			if sum > 1 {
				t.Errorf("spent $%.4f of $1", sum)
			}
			if sum < 0.3 {
				t.Errorf("spent only $%.4f of $1", sum)
			}
		})
	}
}

// TestNoCallWaitsForRedis: Redis stops answering for five seconds, and is there again. Calls of a key with a budget and to a provider with a quota
// go on all the time.
func TestNoCallWaitsForRedis(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	p := newProvider(t, false)
	yaml := "redis: " + server.URL + "\nreplicas: 2\nproviders:\n  p: {api: openai, base_url: \"" + p.URL + "/v1\", api_key: s, models: [m], " +
		"quotas: [{models: [\"*\"], rpm: 60000, rpd: 100000, concurrency: 8, enforced: bucket}]}\n" +
		"tiers:\n  much: {rpm: 60000, tokens_per_day: 100000000}\nkeys:\n  - {name: team-a, key: " + budgetKey + ", tier: much}\n"
	gates := []*gate{start(t, yaml), start(t, yaml)}
	for _, g := range gates {
		g.wantMetrics("sluice_cluster_connected 1", "sluice_cluster_replicas 2")
	}
	q := p.script(say(jsonBody, whole))
	calls, slowest := 0, time.Duration(0)
	call := func() {
		t.Helper()
		for _, g := range gates {
			begun := time.Now()
			if rp := g.post("/chat/completions"+q, askWhole, "Authorization", "Bearer "+budgetKey); rp.status != http.StatusOK {
				t.Fatalf("status %d: %s", rp.status, rp.body)
			}
			calls, slowest = calls+1, max(slowest, time.Since(begun))
		}
	}
	call() // may wait for the first grant
	calls, slowest = 0, 0
	thaw := server.Freeze()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
		call()
	}
	thaw()
	for _, g := range gates {
		g.wantMetrics("sluice_cluster_connected 1")
	}
	for range 100 {
		call()
	}
	t.Logf("%d calls, the slowest took %v", calls, slowest)
	if slowest > 2*time.Second {
		t.Errorf("a call took %v", slowest)
	}
}

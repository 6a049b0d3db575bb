package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/internal/sim"
	"sluice/internal/testenv"
)

// TestReplicasShareABudget has 500 clients at once at a budget of a dollar, through two gateways that share it, again and again until all are told
// that it is used up; Redis is killed on the way. What both ledgers have together is never above the budget.
func TestReplicasShareABudget(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", killed), func(t *testing.T) {
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
			gates := []*gate{start(t, yaml), start(t, yaml)}
			for _, g := range gates {
				g.wantMetrics("sluice_cluster_replicas 2")
			}
			ask := `{"model":"p/m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
			var served atomic.Int64
			for wave := range 6 {
				if killed && wave == 1 {
					server.Kill()
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

package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"sluice/internal/console"
)

// view reads one page of the admin API.
func view[T any](g *gate, path string) (v T) {
	g.t.Helper()
	rq, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, strings.TrimSuffix(g.url, "/v1")+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := g.client.Do(rq)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %d %v %s", path, answer.StatusCode, err, body)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		g.t.Fatalf("%s: %v\n%s", path, err, body)
	}
	return v
}

// TestQueueAndQuotasAreSeen holds a call at its provider, so that two others wait behind it.
func TestQueueAndQuotasAreSeen(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	arrived := make(chan struct{}, 10)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that a client that leaves is noticed
		arrived <- struct{}{}
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"x","object":"chat.completion","model":"a","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},` +
			`"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":40,"total_tokens":60}}`))
	}))
	t.Cleanup(provider.Close)
	g := start(t, "providers:\n  p:\n    base_url: "+provider.URL+"/v1\n    api_key: k\n    models: [a]\n    quotas:\n"+
		"      - {models: [a], rpm: 600, tpm: 100_000, concurrency: 1, charge: actual, enforced: sliding}\n")
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(let)
	call := func(class string) {
		wg.Go(func() {
			if got := g.post("/chat/completions", `{"model":"a","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`, "X-Sluice-Class", class); got.status != 200 {
				t.Errorf("%s call: %d %s", class, got.status, got.body)
			}
		})
	}
	call("interactive")
	await(t, "the first call at the provider", arrived)
	call("interactive")
	call("bulk")
	eventually(t, "two calls that wait", func() bool { return g.queue.Look(0).Calls == 2 })

	q := view[console.Queue](g, "/admin/v1/queue?top=5")
	if q.Calls != 2 || len(q.Classes) != 3 || q.Classes[0].Waiting != 1 || q.Classes[2].Waiting != 1 || q.Bytes == 0 {
		t.Errorf("the queue shows %+v", q)
	}
	if len(q.Targets) != 1 || q.Targets[0].Target != "p/a" || q.Targets[0].Waiting["bulk"] != 1 || q.Targets[0].Tokens == 0 {
		t.Errorf("the queue's targets are %+v", q.Targets)
	}
	if len(q.Keys) != 2 || q.Keys[0].Waiting != 1 {
		t.Errorf("the queue's keys are %+v", q.Keys)
	}
	quotas := view[console.Quotas](g, "/admin/v1/quotas").Quotas
	got := quotas[len(quotas)-1]
	if got.Provider != "p" || got.Models != "a" || got.Origin != "configured" || got.InFlight != 1 || got.Concurrency != 1 || got.Charge != "actual" ||
		got.Enforced == nil || got.Enforced.Mode != "sliding" || got.Enforced.Origin != "configured" || len(got.Limits) != 2 {
		t.Fatalf("the quota shows %+v, enforced %+v", got, got.Enforced)
	}
	if l := got.Limits[0]; l.Dimension != "requests" || l.Per != "minute" || l.Limit != 600 || l.Used != 1 || l.Left != l.Burst-1 {
		t.Errorf("its requests are %+v", l)
	}
	g.wantMetrics(
		`sluice_queue_depth{class="bulk"} 1`, `sluice_quota_limit{dimension="tokens",gen_ai_provider_name="p",per="minute",quota="a"} 100000`,
		`sluice_quota_used{dimension="requests",gen_ai_provider_name="p",per="minute",quota="a"} 1`,
		`sluice_quota_in_flight{gen_ai_provider_name="p",quota="a"} 1`, `sluice_quota_concurrency{gen_ai_provider_name="p",quota="a"} 1`,
		`sluice_quota_mode{gen_ai_provider_name="p",mode="sliding",origin="configured",quota="a"} 1`,
		`sluice_queue_refused_total{class="bulk",reason="shed"} 0`)
	let()
	wg.Wait()
	g.settled()
	for _, target := range view[console.Quotas](g, "/admin/v1/quotas").Targets {
		if e := target.Estimate; target.Target != "p/a" || e == nil || e.Calls != 3 || e.Output != 40 {
			t.Errorf("of %s is known %+v, want three answers of 40 tokens", target.Target, e)
		}
	}
}

// TestAdaptiveConcurrencyIsSeen: the word in the file reaches the place where calls start.
func TestAdaptiveConcurrencyIsSeen(t *testing.T) {
	t.Parallel()
	g := start(t, "providers:\n  s: {api: sim, concurrency: adaptive, sim: {models: [{name: m}]}}\n")
	if got := g.post("/chat/completions", `{"model":"s/m","messages":[{"role":"user","content":"hi"}]}`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, target := range view[console.Quotas](g, "/admin/v1/quotas").Targets {
		if target.Adaptive != 4 {
			t.Errorf("%s shows the limit %d, want 4", target.Target, target.Adaptive)
		}
	}
	g.wantMetrics(`sluice_adaptive_limit{target="s/m"} 4`)
}

package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/internal/testenv"
)

// readiness returns the status of /readyz and its body without spaces.
func (g *gate) readiness() (int, string) {
	g.t.Helper()
	resp, err := g.client.Get(strings.TrimSuffix(g.url, "/v1") + "/readyz")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, strings.Join(strings.Fields(string(b)), "")
}

// TestReplicasShareThroughRedis: two gateways find each other, share a quota and news of a breaker, and go on without Redis.
func TestReplicasShareThroughRedis(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	p := newProvider(t, false)
	yaml := "redis: " + server.URL + "\nreplicas: 2\nproviders:\n  p: {api: openai, base_url: \"" + p.URL + "/v1\", api_key: s, models: [m], " +
		"quotas: [{models: [\"*\"], rpm: 6000, concurrency: 8, enforced: bucket}]}\nbreaker: {failures: 3, check: false}\nretry: {attempts: 1}\n"
	a, b := start(t, yaml), start(t, yaml)
	for _, g := range []*gate{a, b} {
		g.wantMetrics("sluice_cluster_connected 1", "sluice_cluster_replicas 2", "sluice_cluster_lost_total 0", "sluice_cluster_sets 1")
		if code, body := g.readiness(); code != http.StatusOK || strings.Contains(body, "degraded") {
			t.Errorf("readyz: %d %s", code, body)
		}
	}
	calls := func(g *gate, what string, n int) {
		t.Helper()
		q := p.script(say(jsonBody, whole))
		for range n {
			if rp := g.post("/chat/completions"+q, askWhole); rp.status != http.StatusOK {
				t.Fatalf("%s: status %d: %s", what, rp.status, rp.body)
			}
		}
	}
	calls(a, "with Redis", 20)
	calls(b, "with Redis", 20)
	server.Kill()
	for _, g := range []*gate{a, b} {
		g.wantMetrics("sluice_cluster_connected 0", "sluice_cluster_lost_total 1")
		if code, body := g.readiness(); code != http.StatusOK || !strings.Contains(body, `"ready":true,"reasons":[],"degraded":["redis"]`) {
			t.Errorf("readyz without Redis: %d %s", code, body)
		}
		calls(g, "without Redis", 20)
	}
	server.Start()
	for _, g := range []*gate{a, b} {
		g.wantMetrics("sluice_cluster_connected 1", "sluice_cluster_replicas 2")
		calls(g, "Redis is back", 20)
	}
	// A breaker that opens at one replica takes one failure to open at the other.
	down := p.script(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for range 3 {
		a.post("/chat/completions"+down, askWhole)
	}
	eventually(t, "the other replica has heard of it", func() bool {
		return strings.Contains(b.log.String(), "heard of a breaker at another replica")
	})
	if text := b.log.String(); strings.Contains(text, "breaker opened") {
		t.Errorf("hearsay alone opened it: %s", text)
	}
	b.post("/chat/completions"+down, askWhole)
	eventually(t, "one failure opens it", func() bool { return strings.Contains(b.log.String(), "breaker opened") })
}

package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"sluice/internal/config"
	"sluice/internal/ledger"
	"sluice/internal/llm"
)

// TestAdminReadsLedger asks the admin side of an App for what is in its database.
func TestAdminReadsLedger(t *testing.T) {
	t.Parallel()
	none := func(string) (string, bool) { return "", false }
	c, err := config.Parse("s.yaml", []byte("listen: 127.0.0.1:0\ndata_dir: "+t.TempDir()+"\nproviders: {lab: {api: sim}}\n"), none)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), c, Options{Version: "test", Log: io.Discard, Env: none})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now()
	var rows []ledger.Row
	for i := range 5 {
		rows = append(rows, ledger.Row{
			ID: fmt.Sprintf("req_%d", i), Time: now.Add(-time.Duration(i/2) * time.Minute), // two share a moment
			Key: "team-a", Op: "chat", Model: "smart", Target: "lab/sim-fast", Provider: "lab", Status: 200, Attempts: 1,
			Usage: llm.Usage{Input: 10, Output: 5}, CostNanoUSD: 1_000_000, Priced: i != 0, Tags: []string{"nightly"},
		})
	}
	rows[4].Key, rows[4].Code, rows[4].Status = "team-b", llm.KindRateLimited.Code(), 429
	if err := a.store.WriteCalls(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	get := func(path string, to any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8080"
		w := httptest.NewRecorder()
		a.admin.ServeHTTP(w, r)
		if err := json.Unmarshal(w.Body.Bytes(), to); err != nil || w.Code != http.StatusOK {
			t.Fatalf("GET %s = %d %s: %v", path, w.Code, w.Body, err)
		}
	}

	type usage struct {
		Usage []struct {
			Name     string
			Calls    int
			Errors   int
			Unpriced int    `json:"unpriced_calls"`
			CostUSD  string `json:"cost_usd"`
		}
	}
	f := func(by, want string) {
		t.Helper()
		var u usage
		get("/admin/v1/usage?from=1h&by="+by, &u)
		if got := fmt.Sprint(u.Usage); got != want {
			t.Errorf("usage by %s is %s, want %s", by, got, want)
		}
	}
	f("key", "[{team-a 4 0 1 0.003} {team-b 1 1 0 0.001}]")
	f("model", "[{smart 5 1 1 0.004}]")
	f("target", "[{lab/sim-fast 5 1 1 0.004}]")
	f("provider", "[{lab 5 1 1 0.004}]")
	f("tag", "[{nightly 5 1 1 0.004}]")
	f("none", "[{ 5 1 1 0.004}]")

	type page struct {
		Calls []struct{ ID string }
		Next  string
	}
	var seen []string
	for path := "/admin/v1/calls?limit=2"; path != ""; {
		var p page
		get(path, &p)
		for _, c := range p.Calls {
			seen = append(seen, c.ID)
		}
		path = ""
		if p.Next != "" {
			path = "/admin/v1/calls?limit=2&cursor=" + url.QueryEscape(p.Next)
		}
	}
	if got := fmt.Sprint(seen); got != "[req_1 req_0 req_3 req_2 req_4]" {
		t.Errorf("the pages hold %s", got)
	}
	var p page
	get("/admin/v1/calls?key=team-b&failed=true&code="+llm.KindRateLimited.Code(), &p)
	if len(p.Calls) != 1 || p.Calls[0].ID != "req_4" {
		t.Errorf("the failed calls of team-b are %v", p.Calls)
	}
}

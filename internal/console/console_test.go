package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a console whose every part answers.
func options(t *testing.T) Options {
	t.Helper()
	return Options{
		AdminKey: func() llm.Secret { return llm.Secret{} },
		Version:  "v1.2.3", Revision: "abc", Start: time.Now().Add(-time.Minute),
		Log:     slog.New(slog.DiscardHandler),
		Metrics: obs.NewMetrics(obs.MetricsOptions{}).Handler(),
		State: func() State {
			return State{Snapshot: "s1", InFlight: 3, OpenStreams: 2, Queued: 1, Draining: true}
		},
		Targets: func() []Target { return nil },
		Queue:   func(most int) Queue { return Queue{Calls: most} },
		Quotas:  func() Quotas { return Quotas{} },
		Config:  func() ([]byte, error) { return []byte("listen: 127.0.0.1:8080\n"), nil },
		Reload:  func(context.Context) (string, error) { return "s2", nil },
		Usage:   func(context.Context, UsageQuery) ([]Usage, bool, error) { return nil, false, nil },
		Calls:   func(context.Context, CallsQuery) ([]ledger.Row, Place, error) { return nil, Place{}, nil },
	}
}

// send makes a request as it comes from a program on this machine, changed by edit.
func send(t *testing.T, h http.Handler, method, path string, edit func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8080"
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// code returns the code of a JSON error, and fails if the body is none.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code == "" || body.Error.Message == "" {
		t.Errorf("body is no JSON error (%v): %s", err, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type of an error = %q", got)
	}
	return body.Error.Code
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := send(t, New(options(t)), http.MethodGet, "/admin/v1/status", nil)
	var got status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if got.UptimeSeconds < 60 || got.UptimeSeconds > 600 || got.Started.IsZero() {
		t.Errorf("uptime %v, started %v", got.UptimeSeconds, got.Started)
	}
	got.UptimeSeconds, got.Started = 0, time.Time{}
	want := status{Version: "v1.2.3", Revision: "abc", Snapshot: "s1", InFlight: 3, OpenStreams: 2, Queued: 1, Draining: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	o := options(t)
	w := send(t, New(o), http.MethodGet, "/admin/v1/targets", nil)
	if got := strings.Join(strings.Fields(w.Body.String()), ""); got != `{"targets":[]}` {
		t.Errorf("no targets = %s", got)
	}
	o.Targets = func() []Target { return []Target{{Name: "openai/gpt-4o", State: "open", Cause: "provider_overloaded"}} }
	w = send(t, New(o), http.MethodGet, "/admin/v1/targets", nil)
	if !strings.Contains(w.Body.String(), `"cause": "provider_overloaded"`) {
		t.Errorf("targets = %s", w.Body)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	o := options(t)
	w := send(t, New(o), http.MethodGet, "/admin/v1/config", nil)
	if w.Code != http.StatusOK || w.Body.String() != "listen: 127.0.0.1:8080\n" || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("config = %d %s %v", w.Code, w.Body, w.Header())
	}
	o.Config = func() ([]byte, error) { return nil, errors.New("disk on fire") }
	w = send(t, New(o), http.MethodGet, "/admin/v1/config", nil)
	if w.Code != http.StatusInternalServerError || code(t, w) != "internal_error" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("config that fails = %d %s", w.Code, w.Body)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	o := options(t)
	w := send(t, New(o), http.MethodPost, "/admin/v1/reload", nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"snapshot": "s2"`) {
		t.Errorf("reload = %d %s", w.Code, w.Body)
	}
	o.Reload = func(context.Context) (string, error) { return "", errors.New("sluice.yaml:3:1: unknown key lisen") }
	w = send(t, New(o), http.MethodPost, "/admin/v1/reload", nil)
	if w.Code != http.StatusUnprocessableEntity || code(t, w) != "config_invalid" || !strings.Contains(w.Body.String(), "unknown key lisen") {
		t.Errorf("bad reload = %d %s", w.Code, w.Body)
	}
	w = send(t, New(o), http.MethodGet, "/admin/v1/reload", nil)
	if w.Code != http.StatusMethodNotAllowed || code(t, w) != "method_not_allowed" || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET reload = %d %s", w.Code, w.Body)
	}
}

func TestMetricsAndProfiles(t *testing.T) {
	t.Parallel()
	c := New(options(t))
	f := func(path, want string) {
		t.Helper()
		w := send(t, c, http.MethodGet, path, nil)
		if w.Code != http.StatusOK || !bytes.Contains(w.Body.Bytes(), []byte(want)) {
			t.Errorf("GET %s = %d, want 200 with %q", path, w.Code, want)
		}
	}
	f("/metrics", "sluice_inflight 0")
	f("/debug/pprof/", "goroutine")
	f("/debug/pprof/goroutine?debug=1", "goroutine profile")
	f("/debug/pprof/heap", "")
	f("/debug/pprof/cmdline", "test")
	f("/debug/pprof/symbol", "num_symbols")
	f("/debug/pprof/trace?seconds=0.01", "go 1.")
}

func TestUnknownPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/admin", "/admin/v1/keys", "/debug/vars", "/metrics/x"} {
		if w := send(t, New(options(t)), http.MethodGet, path, nil); w.Code != http.StatusNotFound || code(t, w) != "not_found" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	f := func(path string, want bool) {
		t.Helper()
		if Owns(path) != want {
			t.Errorf("Owns(%q) = %v", path, !want)
		}
	}
	f("/metrics", true)
	f("/admin/v1/status", true)
	f("/debug/pprof/heap", true)
	f("/v1/chat/completions", false)
	f("/healthz", false)
	f("/metricsx", false)
	f("/administer", false)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var reasons []llm.Kind
	var degraded []string
	h := NewHealth(func() []llm.Kind { return reasons }, func() []string { return degraded })
	f := func(path string, wantCode int, wantBody string) {
		t.Helper()
		w := send(t, h, http.MethodGet, path, func(r *http.Request) { r.RemoteAddr, r.Host = "203.0.113.7:1", "sluice.example" })
		if got := strings.Join(strings.Fields(w.Body.String()), " "); w.Code != wantCode || !strings.Contains(got, wantBody) {
			t.Errorf("GET %s = %d %s, want %d with %s", path, w.Code, got, wantCode, wantBody)
		}
	}
	f("/healthz", http.StatusOK, `"status": "ok"`)
	f("/readyz", http.StatusOK, `{ "ready": true, "reasons": [] }`)
	degraded = []string{"redis"}
	f("/readyz", http.StatusOK, `{ "ready": true, "reasons": [], "degraded": [ "redis" ] }`)
	degraded = nil
	reasons = []llm.Kind{llm.KindDraining, llm.KindStore, llm.KindLedgerFull}
	f("/healthz", http.StatusOK, `"status": "ok"`)
	f("/readyz", http.StatusServiceUnavailable, `"ready": false, "reasons": [ { "code": "draining", "message": "shutting down`)
	f("/readyz", http.StatusServiceUnavailable, `"code": "store_unavailable"`)
	f("/readyz", http.StatusServiceUnavailable, `"code": "ledger_full"`)
	// What only the operator may see is not here.
	f("/debug/pprof/", http.StatusNotFound, "not_found")
	f("/metrics", http.StatusNotFound, "not_found")
	f("/admin/v1/status", http.StatusNotFound, "not_found")
	if w := send(t, h, http.MethodPost, "/readyz", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz = %d", w.Code)
	}
	if w := send(t, h, http.MethodHead, "/healthz", nil); w.Code != http.StatusOK {
		t.Errorf("HEAD /healthz = %d", w.Code)
	}
}

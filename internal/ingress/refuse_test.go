package ingress

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRefusalsAreCounted checks that a request which does not become a call shows in the metrics, once.
func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	f := func(code, cause string, ask func(s *Server) *httptest.ResponseRecorder) {
		t.Helper()
		s := server(t, &calls{}, func(c *Config) { c.MaxBody = 100 })
		if code == "invalid_api_key" {
			s = server(t, &calls{}, nil, team("*"))
		}
		w := ask(s)
		if e := readError(t, w); e.Error.Code != code {
			t.Errorf("told %q, want %q", e.Error.Code, code)
		}
		scrape := httptest.NewRecorder()
		s.metrics.Handler().ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		series := fmt.Sprintf("sluice_calls_total{cause=%q,code=%q} 1\n", cause, code)
		if !strings.Contains(scrape.Body.String(), series) {
			t.Errorf("%s: no %q in the metrics", code, series)
		}
	}
	send := func(method, path, body string, header ...string) func(s *Server) *httptest.ResponseRecorder {
		return func(s *Server) *httptest.ResponseRecorder { return ask(t, s, method, path, body, header...) }
	}
	const path = "/v1/chat/completions"
	f("invalid_request", "caller", send("POST", path, "{"))
	f("invalid_api_key", "caller", send("POST", path, body))
	f("origin_not_allowed", "policy", send("POST", path, body, "Origin", "https://elsewhere.example"))
	f("unknown_path", "caller", send("POST", "/v1/nothing", body))
	f("model_not_found", "caller", send("GET", "/v1/models/none/such", ""))
	f("method_not_allowed", "caller", send("GET", path, ""))
	f("method_not_allowed", "caller", send("POST", "/v1/models", ""))
	f("method_not_allowed", "caller", send("POST", "/", ""))
	f("request_too_large", "caller", send("POST", path, strings.Repeat(" ", 101)))
	f("client_too_slow", "caller", func(s *Server) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, iotest.ErrReader(os.ErrDeadlineExceeded))
		r.Host = "localhost"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	})
	f("draining", "gateway", func(s *Server) *httptest.ResponseRecorder {
		s.Drain()
		return ask(t, s, "POST", path, body)
	})
}

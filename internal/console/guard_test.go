package console

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"sluice/internal/llm"
)

// everyPath is what a stranger must not get at.
func everyPath() []string {
	return []string{
		"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/cmdline", "/debug/pprof/symbol",
		"/debug/pprof/trace", "/admin/v1/status", "/admin/v1/targets", "/admin/v1/config", "/admin/v1/reload", "/admin/v1/usage", "/admin/v1/calls", "/",
	}
}

func TestGuardWithoutKey(t *testing.T) {
	t.Parallel()
	c := New(options(t))
	f := func(name string, want int, edit func(*http.Request)) {
		t.Helper()
		w := send(t, c, http.MethodGet, "/admin/v1/status", edit)
		if w.Code != want {
			t.Errorf("%s = %d, want %d: %s", name, w.Code, want, w.Body)
		}
		if want == http.StatusForbidden && (code(t, w) != "admin_local_only" || !strings.Contains(w.Body.String(), "set admin_key")) {
			t.Errorf("%s: the refusal does not say how to go on: %s", name, w.Body)
		}
	}
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	remote := func(a string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = a } }
	const ok, no = http.StatusOK, http.StatusForbidden

	f("plain", ok, nil)
	f("IPv6", ok, func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5", "[::1]:8080" })
	f("mapped IPv4", ok, remote("[::ffff:127.0.0.1]:5"))
	f("another loopback address", ok, remote("127.8.8.8:5"))
	f("remote", no, remote("192.0.2.1:5"))
	f("mapped remote", no, remote("[::ffff:192.0.2.1]:5"))
	f("unix socket", no, remote("@"))
	f("no remote", no, remote(""))

	f("localhost", ok, host("LOCALHOST:8080"))
	f("localhost with a dot", ok, host("localhost."))
	f("without a port", ok, host("[::1]"))
	f("rebound name", no, host("evil.example:8080"))
	f("name that begins alike", no, host("localhost.evil.example"))
	f("address that begins alike", no, host("127.0.0.1.evil.example:8080"))
	f("private address", no, host("10.0.0.1:8080"))
	f("no host", no, host(""))

	f("own origin", ok, header("Origin", "http://127.0.0.1:8080"))
	f("foreign origin", no, header("Origin", "https://evil.example"))
	f("other local app", no, header("Origin", "http://127.0.0.1:3000"))
	f("opaque origin", no, header("Origin", "null"))
	f("typed into a browser", ok, header("Sec-Fetch-Site", "none"))
	f("own page", ok, header("Sec-Fetch-Site", "same-origin"))
	f("image on a foreign page", no, header("Sec-Fetch-Site", "cross-site"))
	f("image on another local app", no, header("Sec-Fetch-Site", "same-site"))

	f("forwarded by a proxy", no, header("X-Forwarded-For", "203.0.113.7"))
	f("forwarded, RFC 7239", no, header("Forwarded", "for=203.0.113.7"))
	f("forwarded by its address", no, header("X-Real-IP", "203.0.113.7"))
	f("a key where none is set", no, func(r *http.Request) {
		r.RemoteAddr = "192.0.2.1:5"
		r.Header.Set("X-Admin-Key", "")
		r.Header.Set("Authorization", "Bearer ")
	})

	for _, path := range everyPath() {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if w := send(t, c, method, path, remote("192.0.2.1:5")); w.Code != no {
				t.Errorf("%s %s from elsewhere = %d, want 403", method, path, w.Code)
			}
		}
	}
}

func TestGuardWithKey(t *testing.T) {
	t.Parallel()
	o := options(t)
	key := "correct horse"
	o.AdminKey = func() llm.Secret { return llm.NewSecret(key) }
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	c := New(o)
	f := func(name string, want int, wantCode string, headers ...string) {
		t.Helper()
		w := send(t, c, http.MethodGet, "/admin/v1/status", func(r *http.Request) {
			r.RemoteAddr, r.Host = "192.0.2.1:5", "sluice.example" // the key decides, not where it comes from
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		})
		if w.Code != want {
			t.Errorf("%s = %d, want %d: %s", name, w.Code, want, w.Body)
		}
		if want != http.StatusOK && (code(t, w) != wantCode || w.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("%s = %s %v, want %s", name, w.Body, w.Header(), wantCode)
		}
	}
	f("bearer", http.StatusOK, "", "Authorization", "Bearer correct horse")
	f("bearer in lower case", http.StatusOK, "", "Authorization", "bearer correct horse")
	f("own header", http.StatusOK, "", "X-Admin-Key", "correct horse")
	f("none", http.StatusUnauthorized, "admin_key_missing")
	f("basic", http.StatusUnauthorized, "admin_key_missing", "Authorization", "Basic Y29ycmVjdCBob3JzZQ==")
	f("wrong", http.StatusUnauthorized, "admin_key_invalid", "X-Admin-Key", "correct hors")
	f("longer", http.StatusUnauthorized, "admin_key_invalid", "X-Admin-Key", "correct horse ")
	f("wrong bearer", http.StatusUnauthorized, "admin_key_invalid", "Authorization", "Bearer wrong")

	if w := send(t, c, http.MethodGet, "/metrics", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("loopback without the key that is set = %d, want 401", w.Code)
	}
	for _, path := range everyPath() {
		if w := send(t, c, http.MethodGet, path, nil); w.Code != http.StatusUnauthorized {
			t.Errorf("GET %s without the key = %d, want 401", path, w.Code)
		}
	}
	key = "rotated"
	f("key of before a reload", http.StatusUnauthorized, "admin_key_invalid", "X-Admin-Key", "correct horse")
	f("key of after a reload", http.StatusOK, "", "X-Admin-Key", "rotated")
	if s := log.String(); !strings.Contains(s, "admin request refused") || strings.Contains(s, "horse") {
		t.Errorf("log of refusals: %s", s)
	}
}

// FuzzLoopbackHost checks that no name but localhost counts as this machine.
func FuzzLoopbackHost(f *testing.F) {
	for _, s := range []string{"localhost", "127.0.0.1:80", "[::1]:80", "evil.example", "127.0.0.1.evil:1", "[::ffff:127.0.0.1]", "::1%lo"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !loopbackHost(s) {
			return
		}
		l := strings.ToLower(s)
		if !strings.Contains(l, "localhost") && !strings.Contains(l, "127.") && !strings.Contains(l, ":") {
			t.Errorf("%q counts as loopback", s)
		}
	})
}

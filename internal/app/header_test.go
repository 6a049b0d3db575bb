package app

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestHeaders looks at what passes in both directions: nothing that tells the provider about the client's credentials or
// place, nothing that tells the client about Sluice's account.
func TestHeaders(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, fmt.Sprintf(`
providers:
  p: {api: openai, base_url: "%s/v1", api_key: provider-secret, organization: org-ours, project: proj-ours, models: [m], headers: {X-Title: ours}}
keys:
  - {name: team, key: client-secret-0123456789}
`, p.URL))
	seen := make(chan http.Header, 1)
	for _, c := range []struct{ name, ask, kind, body string }{
		{"whole", askWhole, jsonBody, whole},
		{"stream", askStream, sse, hello + stopped + done},
	} {
		q := p.script(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Clone()
			for _, name := range []string{
				"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Requests",
				"Openai-Processing-Ms", "Openai-Version", "X-Unknown",
				"Openai-Organization", "Openai-Project", "X-Request-Id", "Set-Cookie", "Cf-Ray", "Server", "Server-Timing",
				"X-Sluice-Target", "X-Sluice-Secret", "Strict-Transport-Security", "Alt-Svc", "Www-Authenticate", "Via",
				"X-Accel-Redirect", "X-Accel-Limit-Rate", "X-Sendfile",
			} {
				w.Header().Set(name, "theirs")
			}
			w.Header().Set("Connection", "keep-alive, x-hop")
			w.Header().Set("X-Hop", "theirs")
			say(c.kind, c.body)(w, r)
		})
		rp := g.post("/chat/completions"+q, c.ask, clientHeaders(c.name)...)
		if rp.status != 200 || rp.err != nil {
			t.Fatalf("%s: status %d, %v: %s", c.name, rp.status, rp.err, rp.body)
		}
		checkSent(t, <-seen)
		checkBack(t, rp, c.name == "whole")
		if row := g.row(rp); row.Status != 200 || row.Key != "team" || row.Target != "p/m" {
			t.Errorf("row %+v", row)
		}
	}
}

// clientHeaders returns what a client may send; the idempotency key is of its request.
func clientHeaders(request string) []string {
	return []string{
		"Authorization", "Bearer client-secret-0123456789", "X-Api-Key", "client-secret-2", "Api-Key", "client-secret-3",
		"X-Goog-Api-Key", "client-secret-4", "Proxy-Authorization", "Basic client-secret-5", "Cookie", "session=client-secret-6",
		"X-Sluice-Class", "interactive", "X-Sluice-Tags", "client-tag", "X-Sluice-Deadline", "30s", "X-Sluice-Region", "client-region",
		"X-Forwarded-For", "client-place", "X-Forwarded-Host", "client-place", "X-Forwarded-Proto", "client-place", "Forwarded", "for=client-place",
		"X-Real-Ip", "client-place", "True-Client-Ip", "client-place", "Cf-Connecting-Ip", "client-place", "Via", "client-place",
		"Origin", "http://client-place", "Referer", "http://client-place", "Sec-Fetch-Site", "client-place",
		"Openai-Organization", "client-org", "Openai-Project", "client-proj", "X-Request-Id", "client-id",
		"X-Original-Url", "/client-path", "X-Rewrite-Url", "/client-path", "X-Original-Host", "client-place",
		"X-Http-Method-Override", "client-method", "X-Method-Override", "client-method",
		"X_Api_Key", "client-secret-7", "Openai_Organization", "client-org", "_", "client-odd",
		"Idempotency-Key", "client-idem-" + request, "X-Idempotency-Key", "client-idem", "Connection", "X-Hop", "X-Hop", "client-hop",
		"Openai-Beta", "keep-beta", "X-Stainless-Lang", "keep-lang", "User-Agent", "keep-agent", "X-Unknown", "keep-unknown",
		"X-Title", "client-title", "Accept", "keep-accept",
	}
}

// checkSent checks the headers that the provider got.
func checkSent(t *testing.T, h http.Header) {
	t.Helper()
	for name, values := range h {
		for _, v := range values {
			if strings.Contains(v, "client-") {
				t.Errorf("the provider got %s: %s", name, v)
			}
		}
		if strings.HasPrefix(name, "X-Sluice") || strings.HasPrefix(name, "X-Forwarded") {
			t.Errorf("the provider got %s", name)
		}
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer provider-secret", "Openai-Organization": "org-ours", "Openai-Project": "proj-ours", "X-Title": "ours",
		"Openai-Beta": "keep-beta", "X-Stainless-Lang": "keep-lang", "User-Agent": "keep-agent", "X-Unknown": "keep-unknown",
		"Accept": "keep-accept", "Content-Type": jsonBody, "Accept-Encoding": "",
	} {
		if got := strings.Join(h.Values(name), ", "); got != want {
			t.Errorf("the provider got %s: %q, want %q", name, got, want)
		}
	}
}

// checkBack checks the headers that the client got.
func checkBack(t *testing.T, rp reply, isWhole bool) {
	t.Helper()
	h := rp.header
	if strings.Contains(fmt.Sprint(h), "secret") {
		t.Errorf("the client got a secret: %v", h)
	}
	for _, name := range []string{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Requests", "Openai-Processing-Ms", "Openai-Version", "X-Unknown"} {
		if got := h.Get(name); got != "theirs" {
			t.Errorf("the client got %s: %q, want the provider's", name, got)
		}
	}
	for _, name := range []string{
		"Openai-Organization", "Openai-Project", "Set-Cookie", "Cf-Ray", "Server", "X-Sluice-Secret", "Strict-Transport-Security",
		"Alt-Svc", "Www-Authenticate", "Via", "X-Hop", "X-Accel-Redirect", "X-Accel-Limit-Rate", "X-Sendfile",
	} {
		if h.Get(name) != "" {
			t.Errorf("the client got %s: %q", name, h.Get(name))
		}
	}
	for name, pattern := range map[string]string{
		"X-Sluice-Request-Id": `^[0-9A-Z]{26}$`, "X-Sluice-Target": `^p/m$`, "X-Sluice-Attempts": `^1$`, "X-Sluice-Queue-Ms": `^0$`,
		"X-Sluice-Overhead-Us": `^\d+$`, "X-Sluice-Cache": `^off$`,
		"Server-Timing": `^auth;dur=[\d.]+, queue;dur=[\d.]+, upstream;dur=[\d.]+, sluice;dur=[\d.]+, total;dur=[\d.]+$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(h.Get(name)) || len(h.Values(name)) != 1 {
			t.Errorf("the client got %s: %q, want %s", name, h.Values(name), pattern)
		}
	}
	if h.Get("X-Request-Id") != h.Get("X-Sluice-Request-Id") || len(h.Values("X-Request-Id")) != 1 {
		t.Errorf("X-Request-Id is %q, X-Sluice-Request-Id is %q", h.Values("X-Request-Id"), h.Values("X-Sluice-Request-Id"))
	}
	if cost := h.Get("X-Sluice-Cost-Usd"); isWhole != (cost == "unpriced") {
		t.Errorf("X-Sluice-Cost-Usd is %q", cost)
	}
}

// TestErrorHeaders has the provider refuse Sluice itself: the client learns nothing of the account.
func TestErrorHeaders(t *testing.T) {
	t.Parallel()
	p := newProvider(t, false)
	g := start(t, account("p", p.URL))
	q := p.script(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Set-Cookie", "theirs")
		w.Header().Set("Openai-Organization", "theirs")
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"error":{"message":"Incorrect API key provided: provider-secret","code":"invalid_api_key"}}`)
	})
	rp := g.post("/chat/completions"+q, askWhole)
	wantError(t, rp, http.StatusBadGateway, "provider_auth_failed")
	if strings.Contains(rp.body+fmt.Sprint(rp.header), "secret") || rp.header.Get("Set-Cookie")+rp.header.Get("Openai-Organization") != "" {
		t.Errorf("the client got %v %s", rp.header, rp.body)
	}
	if rp.header.Get("X-Should-Retry") != "false" || rp.header.Get("X-Sluice-Attempts") != "1" || rp.header.Get("X-Sluice-Target") != "p/m" {
		t.Errorf("the client got %v", rp.header)
	}
}

package upstream_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// planted is in everything of a client that must not reach a provider.
const planted = "of-the-client"

// nosy returns the headers of a client that sends all that it can.
func nosy() http.Header {
	h := http.Header{
		"Anthropic-Version": {"2026-10-21"}, "Anthropic-Beta": {"b-1"}, "Openai-Beta": {"x=1"}, "X-Goog-Api-Client": {"genai"},
		"User-Agent": {"SDK/1"}, "X-Stainless-Lang": {"js"}, "Accept": {"application/json"},
		"Connection": {"X-Own"},
	}
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Admin-Key", "Cookie", "Ocp-Apim-Subscription-Key",
		"X-Sluice-Class", "X-Sluice-Tags", "X-Sluice-Anything", "Anthropic-Dangerous-Direct-Browser-Access", "Openai-Organization", "Openai-Project",
		"X-Goog-User-Project", "X-Goog-Iam-Authorization-Token", "X-Goog-Authenticated-User-Email", "X-Amz-Security-Token", "X-Amzn-Oidc-Data",
		"Cf-Access-Jwt-Assertion", "X-Ms-Token-Aad-Access-Token", "X-Ms-Client-Principal", "X-Forwarded-For", "X-Real-Ip", "Origin", "Referer",
		"Traceparent", "Idempotency-Key", "X_api_key", "X-Own", "X-Auth-Token", "Content-Type", "Host", "Sec-Fetch-Site",
	} {
		h[name] = []string{planted}
	}
	return h
}

// TestNothingOfTheClientLeaks sends a nosy client's request to accounts of all kinds, in their dialect and in another: no
// credential of the client's and no header of Sluice's arrives, in headers or query, and the account's own credential does.
func TestNothingOfTheClientLeaks(t *testing.T) {
	t.Parallel()
	auth := map[upstream.Auth][2]string{ // header, value
		upstream.AuthBearer: {"Authorization", "Bearer provider-key"},
		upstream.AuthXKey:   {"X-Api-Key", "provider-key"},
		upstream.AuthKey:    {"Api-Key", "provider-key"},
		upstream.AuthGoog:   {"X-Goog-Api-Key", "provider-key"},
		upstream.AuthGoogle: {"X-Goog-Api-Key", "provider-key"},
		upstream.AuthAWS:    {"Authorization", "Bearer provider-key"},
	}
	for _, p := range upstream.Presets() {
		for _, foreign := range []bool{false, true} {
			got, query := arrives(t, keyed(upstream.Provider{API: p.Kind, Region: "r"}), foreign)
			want := http.Header{"User-Agent": {"SDK/1"}, "Content-Type": {"application/json"}, "Content-Length": {"2"}, "X-Set": {"surface"}}
			want.Set(auth[p.Auth][0], auth[p.Auth][1])
			if !foreign && p.Kind != "bedrock" {
				for _, k := range []string{"Anthropic-Version", "Anthropic-Beta", "Openai-Beta", "X-Goog-Api-Client", "X-Stainless-Lang", "Accept"} {
					want[k] = nosy()[k]
				}
			} else if p.Kind == "anthropic" {
				want.Set("Anthropic-Version", "2023-06-01")
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, foreign %v (-want +got):\n%s", p.Kind, foreign, d)
			}
			if query != "alt=sse&x=1" {
				t.Errorf("%s: query %s", p.Kind, query)
			}
		}
	}
}

// arrives returns the headers and query that a provider sees.
func arrives(t *testing.T, p *upstream.Provider, foreign bool) (got http.Header, query string) {
	t.Helper()
	p.BaseURL = serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got, query = r.Header, r.URL.RawQuery
		if strings.Contains(r.Host+r.URL.String(), planted) {
			t.Errorf("%s: %s %s", p.API, r.Host, r.URL)
		}
	})
	a := open(t, p)
	rq := post("{}")
	rq.Header, rq.Foreign, rq.Set = nosy(), foreign, http.Header{"X-Set": {"surface"}}
	rq.Query = "key=" + planted + "&alt=sse&%61pi_key=" + planted + "&access_token=" + planted + "&X-Amz-Signature=" + planted + "&api-key=" + planted + "&x=1"
	answer, e := a.Send(t.Context(), rq)
	if e != nil {
		t.Fatal(e)
	}
	answer.Finish()
	return got, query
}

// TestPathsArriveEscaped checks that an escaped path arrives as it was written, below a base that has a path of its own.
func TestPathsArriveEscaped(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{0, 1} { // both transports
		var got string
		base := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
		a := account(t, base, func(p *upstream.Provider) { p.Connections = connections })
		rq := post("{}")
		rq.Path, rq.Query = "/model/arn%3Aaws%2Fx/converse", "a=b"
		answer, e := a.Send(t.Context(), rq)
		if e != nil {
			t.Fatal(e)
		}
		answer.Finish()
		if got != "/v1/model/arn%3Aaws%2Fx/converse?a=b" {
			t.Error(got)
		}
		rq.Path = "/bad%zz"
		if _, e := a.Send(t.Context(), rq); e == nil || e.Kind != llm.KindBadRequest {
			t.Errorf("bad escape: %v", e)
		}
	}
}

// TestUpload checks that a body from a reader arrives whole, with its type and length, and is closed.
func TestUpload(t *testing.T) {
	t.Parallel()
	const size = 300 << 10 // more than what is sent at once
	for _, length := range []int64{size, -1} {
		var body []byte
		var ct string
		var cl int64
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var err error
			body, err = io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			ct, cl = r.Header.Get("Content-Type"), r.ContentLength
		}))
		t.Cleanup(s.Close)
		a := account(t, s.URL, nil)
		closed := make(chan struct{})
		rq := &upstream.Request{
			Method: "POST", Path: "/audio/transcriptions", ContentType: "multipart/form-data; boundary=x", UploadLength: length,
			Upload: &upload{bytes.NewReader(bytes.Repeat([]byte("x"), size)), closed},
		}
		answer, e := a.Send(t.Context(), rq)
		if e != nil {
			t.Fatal(e)
		}
		answer.Finish()
		<-closed
		if len(body) != size || ct != "multipart/form-data; boundary=x" || cl != length {
			t.Errorf("got %d bytes of %q, length %d, want %d", len(body), ct, cl, length)
		}
	}
}

type upload struct {
	io.Reader
	closed chan struct{}
}

func (u *upload) Close() error { close(u.closed); return nil }

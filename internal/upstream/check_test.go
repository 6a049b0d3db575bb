package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/upstream"
)

// TestCheck holds what a check asks for, and which answers count.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := func(status int, want bool) {
		t.Helper()
		var path, key atomic.Value
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path.Store(r.Method + " " + r.URL.String())
			key.Store(r.Header.Get("Authorization"))
			w.WriteHeader(status)
		}))
		defer s.Close()
		a := open(t, keyed(upstream.Provider{API: "openai", BaseURL: s.URL + "/v1", Connections: 1}))
		ok, asked := a.Check(t.Context(), false)
		if ok != want || !asked || path.Load() != "GET /v1/models" || key.Load() != "Bearer provider-key" {
			t.Errorf("%d: ok %t, asked %t for %v with %v", status, ok, asked, path.Load(), key.Load())
		}
	}
	for _, status := range []int{200, 301, 401, 403, 404, 429, 501} {
		f(status, true)
	}
	for _, status := range []int{500, 502, 503, 529} {
		f(status, false)
	}
}

// TestCheckWithHTTP2 checks a provider that calls speak HTTP/2 with.
func TestCheckWithHTTP2(t *testing.T) {
	t.Parallel()
	var protos []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protos = append(protos, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	a := open(t, keyed(upstream.Provider{API: "openai", BaseURL: s.URL + "/v1"}))
	upstream.Trust(a, s.Client().Transport.(*http.Transport).TLSClientConfig.Clone())
	for range 2 {
		answer, e := a.Send(t.Context(), &upstream.Request{Method: http.MethodPost, Path: "/chat/completions", Body: []byte("{}")})
		if e != nil {
			t.Fatal(e)
		}
		_, _ = io.Copy(io.Discard, answer)
		answer.Close()
		if ok, asked := a.Check(t.Context(), false); !ok || !asked {
			t.Errorf("ok %t, asked %t", ok, asked)
		}
	}
	if want := []string{"HTTP/2.0", "HTTP/1.1", "HTTP/2.0", "HTTP/1.1"}; !slices.Equal(protos, want) {
		t.Errorf("the provider was spoken to in %v, want %v", protos, want)
	}
}

// TestCheckByConnection is about kinds that list nothing.
func TestCheckByConnection(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	a := open(t, keyed(upstream.Provider{API: "voyage", BaseURL: s.URL + "/v1"}))
	f := func(connection, ok, asked bool) {
		t.Helper()
		if gotOK, gotAsked := a.Check(t.Context(), connection); gotOK != ok || gotAsked != asked {
			t.Errorf("connection %t: ok %t, asked %t, want %t, %t", connection, gotOK, gotAsked, ok, asked)
		}
	}
	f(false, false, false)
	f(true, true, true)
	s.Close()
	f(true, false, true)

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := open(t, keyed(upstream.Provider{API: "voyage", BaseURL: "https://" + plain.Listener.Addr().String()}))
	if ok, asked := secure.Check(t.Context(), true); ok || !asked {
		t.Errorf("a server without TLS: ok %t, asked %t", ok, asked)
	}
}

// TestCheckIsBounded is about providers of which nothing comes.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"openai", "voyage"} {
		synctest.Test(t, func(t *testing.T) {
			a := open(t, keyed(upstream.Provider{API: kind, BaseURL: "http://silent/v1"}))
			defer a.Close()
			a.DialWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			})
			begin := time.Now()
			if ok, asked := a.Check(t.Context(), true); ok || !asked || time.Since(begin) > 1500*time.Millisecond {
				t.Errorf("%s: ok %t, asked %t after %v", kind, ok, asked, time.Since(begin))
			}
		})
	}
}

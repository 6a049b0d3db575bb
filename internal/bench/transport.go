package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sluice/internal/wire/http1"
)

const (
	connectTimeout = 10 * time.Second
	maxIdle        = 1 << 17 // connections that are kept: as many as were ever needed at once
)

// dialFunc opens a connection.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// sender sends requests to one target. Plain HTTP goes by http1, which needs a third of the memory of net/http's transport
// for an open stream; TLS, proxies and bodies over http1.MaxBody go by net/http. Nothing that was answered is retried or
// redirected.
type sender struct {
	base   *url.URL
	header http.Header      // of all requests; not changed once it is made
	plain  *http1.Transport // nil if all goes by net/http
	full   *http.Transport
	dials  atomic.Int64
}

func newSender(t *Target, dial dialFunc) (*sender, error) {
	base, err := url.Parse(strings.TrimSuffix(t.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("read base URL of %s: %w", t.Cell.Target, err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("base URL %q of %s is not http:// or https:// with a host", t.BaseURL, t.Cell.Target)
	}
	s := &sender{base: base, header: http.Header{"Accept": {"application/json, text/event-stream"}, "User-Agent": {"sluice-bench"}}}
	t.Dialect.Authorize(s.header, t.Key)
	for name, v := range t.Headers {
		s.header.Set(name, v.Reveal())
	}
	if dial == nil {
		// No keep-alive probes: a request has its own time limit, and they cost four system calls for each connection.
		dial = (&net.Dialer{Timeout: connectTimeout, KeepAlive: -1}).DialContext
	}
	counted := func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.dials.Add(1)
		return dial(ctx, network, addr)
	}
	s.full = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: counted, TLSHandshakeTimeout: connectTimeout, DisableCompression: true,
		MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: 90 * time.Second, Protocols: new(http.Protocols),
	}
	s.full.Protocols.SetHTTP1(true)
	s.full.Protocols.SetHTTP2(t.shares())
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: base})
	if err != nil {
		return nil, fmt.Errorf("read proxy settings: %w", err)
	}
	if base.Scheme == "http" && proxy == nil {
		s.plain = &http1.Transport{Addr: address(base), Dial: counted, MaxIdle: maxIdle, IdleTimeout: 90 * time.Second}
	}
	return s, nil
}

// address returns host:port of a URL.
func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// at returns the URL of a path below the base URL. The path is escaped, and a query may follow it.
func (s *sender) at(path string) *url.URL {
	u := *s.base
	path, u.RawQuery, _ = strings.Cut(path, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		plain = path
	}
	u.RawPath = u.EscapedPath() + path
	u.Path += plain
	return &u
}

// shares reports whether requests to the target share connections, so that many in flight need few.
func (t *Target) shares() bool { return t.HTTP2 && strings.HasPrefix(t.BaseURL, "https://") }

// sent says how a request got onto the wire.
type sent struct {
	wrote  time.Time // zero if it did not, or if that is told later
	later  *atomic.Pointer[time.Time]
	reused bool
}

// when returns the instant at which the request was on the wire, as far as that is known by now; zero if it is not. net/http
// may tell it after the headers of the answer are there.
func (s *sent) when() time.Time {
	if s.later != nil {
		if t := s.later.Load(); t != nil {
			return *t
		}
	}
	return s.wrote
}

// keeps reports whether the body belongs to the transport for good, so that its memory cannot be used again.
func (s *sender) keeps(body []byte) bool { return s.plain == nil || len(body) > http1.MaxBody }

// send sends a request and returns when the headers of the answer are there. The end of ctx ends the reading of the body, too.
func (s *sender) send(ctx context.Context, u *url.URL, body []byte) (*http.Response, sent, error) {
	rq := &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: s.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if s.keeps(body) {
		return s.sendFull(ctx, rq, body)
	}
	var told http1.Trace
	rq.Body, rq.ContentLength = &http1.Body{Bytes: body, Trace: &told}, int64(len(body))
	resp, err := s.plain.RoundTrip(rq.WithContext(ctx))
	return resp, sent{wrote: told.Wrote, reused: told.Reused}, err
}

// sendFull sends by net/http, which may call the trace from other goroutines, even after it has returned.
func (s *sender) sendFull(ctx context.Context, rq *http.Request, body []byte) (*http.Response, sent, error) {
	var wrote atomic.Pointer[time.Time]
	var reused atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused.Store(i.Reused) },
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				now := time.Now()
				wrote.Store(&now)
			}
		},
	})
	rq = rq.WithContext(ctx)
	rq.Body, rq.ContentLength = readCloser{bytes.NewReader(body)}, int64(len(body))
	// With it net/http sends again what the server has certainly not worked on: a stream that it refused, as it does when more
	// come at once than its settings, which were still on their way, allow; or a connection that it closed before. Every
	// client does so, and the time goes on.
	rq.GetBody = func() (io.ReadCloser, error) { return readCloser{bytes.NewReader(body)}, nil }
	resp, err := s.full.RoundTrip(rq)
	return resp, sent{later: &wrote, reused: reused.Load()}, err
}

// readCloser is a body that is wholly in memory.
type readCloser struct{ *bytes.Reader }

// Close does nothing.
func (readCloser) Close() error { return nil }

func (s *sender) close() {
	if s.plain != nil {
		s.plain.CloseIdleConnections()
	}
	s.full.CloseIdleConnections()
}

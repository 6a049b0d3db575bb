package upstream

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"sluice/internal/wire/http1"
)

const (
	// dialLimit bounds a dial of which the attempt that began it no longer waits: the connection serves the next one.
	dialLimit = 30 * time.Second
	keepIdle  = 60 * time.Second // shorter than what servers and load balancers commonly allow
	maxIdle   = 4096             // connections to a host
)

func newDialer() *net.Dialer { return &net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second} }

// newTransport returns a transport tuned for few hosts and many long answers.
func newTransport(p *Provider) *http.Transport {
	tr := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         newDialer().DialContext,
		TLSHandshakeTimeout: dialLimit,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)},
		// The default of 2 idle connections a host makes a proxy open a connection for nearly every call.
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: maxIdle,
		MaxConnsPerHost:     p.Connections,
		IdleConnTimeout:     keepIdle,
		DisableCompression:  true,    // bytes are forwarded as they come
		WriteBufferSize:     2 << 10, // each open stream holds one of both
		ReadBufferSize:      2 << 10,
		Protocols:           new(http.Protocols),
		// A connection that died silently under HTTP/2 would take every new call with it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
	tr.Protocols.SetHTTP1(true)
	tr.Protocols.SetHTTP2(p.HTTP2 != "off")
	return tr
}

// newPlain returns the transport for an address that is spoken to directly and without TLS.
func newPlain(u *url.URL) *http1.Transport {
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "80")
	}
	return &http1.Transport{Addr: addr, Dial: newDialer().DialContext, MaxIdle: maxIdle, IdleTimeout: keepIdle}
}

// roundTrip sends hr with the body of rq by the transport that suits it.
func (a *Account) roundTrip(hr *http.Request, rq *Request) (*http.Response, error) {
	body := rq.Body
	if rq.Upload != nil {
		closer, ok := rq.Upload.(io.ReadCloser)
		if !ok {
			closer = io.NopCloser(rq.Upload)
		}
		hr.Body = closer
		if hr.ContentLength == 0 {
			hr.Body = http.NoBody // a length of 0 means an unknown one where there is a body
		}
		return a.tr.RoundTrip(hr)
	}
	if a.plain != nil && len(body) <= http1.MaxBody {
		hr.Body = &http1.Body{Bytes: body}
		return a.plain.RoundTrip(hr)
	}
	if len(body) > 0 {
		hr.Body = io.NopCloser(bytes.NewReader(body))
		// Lets the transport send again what a dying idle connection never wrote.
		hr.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return a.tr.RoundTrip(hr)
}

package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// checkLimit bounds a check: a provider that takes longer is as good as down. It is below two seconds, so that the end of an outage
// in which nothing answers is noticed within that time.
const checkLimit = 1500 * time.Millisecond

// Check asks the provider for something that costs nothing, over a connection of its own: its list of models or, for kinds that have
// none, and only if connection is set, no more than a connection. ok says that it answered, be it with a refusal; an error of the server
// (5xx but 501) is no answer. asked is false if there is nothing to ask for. It takes at most 1.5 s.
func (a *Account) Check(ctx context.Context, connection bool) (ok, asked bool) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	if rq, lists := a.ListRequest(); lists {
		return a.checkList(ctx, rq), true
	}
	if !connection {
		return false, false
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: a.base}); proxy != nil || err != nil {
		return false, false // a connection to the proxy says nothing
	}
	return a.checkConnection(ctx), true
}

// checkList asks for the list of models. A pooled connection may be dead without anybody knowing, and a limit on connections may
// be used up: neither is to be taken for an outage.
func (a *Account) checkList(ctx context.Context, rq *Request) bool {
	hr, e := a.request(rq, "")
	if e != nil {
		return false
	}
	tr := a.tr.Clone()
	tr.DisableKeepAlives, tr.MaxConnsPerHost = true, 0
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(true)
	tr.TLSClientConfig.NextProtos = nil // the copy of one that has been used would still offer HTTP/2, and take the answer for HTTP/1.1
	defer tr.CloseIdleConnections()
	hr.Body = http.NoBody
	resp, err := tr.RoundTrip(hr.WithContext(ctx))
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // what the list says does not matter
	return resp.StatusCode < http.StatusInternalServerError || resp.StatusCode == http.StatusNotImplemented
}

// checkConnection connects, with TLS where the provider wants it.
func (a *Account) checkConnection(ctx context.Context) bool {
	port := a.base.Port()
	secure := a.base.Scheme == "https"
	switch {
	case port != "":
	case secure:
		port = "443"
	default:
		port = "80"
	}
	conn, err := a.tr.DialContext(ctx, "tcp", net.JoinHostPort(a.base.Hostname(), port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // it was only to be had
	if !secure {
		return true
	}
	conf := a.tr.TLSClientConfig.Clone()
	conf.ServerName = a.base.Hostname()
	return tls.Client(conn, conf).HandshakeContext(ctx) == nil
}

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// path is what a request met on its way to the provider. The hooks run on goroutines of the transport, some of them at
// once (two families of addresses), and some after the request has failed.
type path struct {
	mu      sync.Mutex // guards what follows
	began   time.Time
	addrs   []net.IPAddr
	dns     time.Duration
	dnsErr  error
	dialed  map[string]time.Time
	remote  string // that was connected to
	rtt     time.Duration
	tcpErr  error
	tls     *tls.ConnectionState
	tlsErr  error
	gotConn bool
}

// watch returns a context whose request fills the path.
func (p *path) watch(ctx context.Context) context.Context {
	p.began, p.dialed = time.Now(), map[string]time.Time{}
	locked := func(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			locked(func() { p.addrs, p.dnsErr, p.dns = i.Addrs, i.Err, time.Since(p.began) })
		},
		ConnectStart: func(_, addr string) { locked(func() { p.dialed[addr] = time.Now() }) },
		ConnectDone: func(_, addr string, err error) {
			locked(func() {
				switch {
				case err != nil && p.remote == "":
					p.tcpErr = err
				case err == nil && p.remote == "":
					p.remote, p.rtt, p.tcpErr = addr, time.Since(p.dialed[addr]), nil
				}
			})
		},
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			locked(func() { p.tls, p.tlsErr = &s, err })
		},
		GotConn: func(httptrace.GotConnInfo) { locked(func() { p.gotConn = true }) },
	})
}

// certificateSoon is when the end of a certificate is near enough to speak of.
const certificateSoon = 14 * 24 * time.Hour

// checks turns the path of a request to u into checks. failed is the request's error, nil if it was answered.
func (p *path) checks(u *url.URL, proxy *url.URL, failed error, now time.Time) []Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := u.Hostname()
	if proxy != nil {
		host = proxy.Hostname()
	}
	all := []Check{proxyCheck(proxy)}
	if net.ParseIP(host) == nil {
		all = append(all, p.dnsCheck(host, failed))
		if p.dnsErr != nil {
			return all
		}
	}
	all = append(all, p.tcpCheck(host, proxy != nil, failed))
	if u.Scheme == "https" && p.remote != "" {
		all = append(all, p.tlsCheck(u.Hostname(), failed, now)...)
	}
	return all
}

func proxyCheck(proxy *url.URL) Check {
	if proxy == nil {
		return okf("proxy", "none")
	}
	return okf("proxy", "%s, from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)", proxy.Redacted())
}

func (p *path) dnsCheck(host string, failed error) Check {
	switch {
	case p.dnsErr != nil:
		c := Check{"dns", Fail, fmt.Sprintf("%s cannot be resolved: %v", host, p.dnsErr), "check the host in base_url and this machine's resolver"}
		var d *net.DNSError
		if errors.As(p.dnsErr, &d) && d.IsTimeout {
			c.Do = "the resolver does not answer: check the network and /etc/resolv.conf"
		}
		return c
	case len(p.addrs) == 0 && failed != nil && p.remote == "":
		return Check{"dns", Fail, host + " was not resolved in time", "the resolver does not answer: check the network and /etc/resolv.conf"}
	case len(p.addrs) == 0:
		return okf("dns", "%s is known without a query", host)
	}
	more := ""
	if n := len(p.addrs) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return okf("dns", "%s is %s%s, in %s", host, p.addrs[0].String(), more, millis(p.dns))
}

func (p *path) tcpCheck(host string, proxied bool, failed error) Check {
	what := host
	if proxied {
		what = "the proxy " + host
	}
	switch {
	case p.remote != "":
		return okf("tcp", "connected to %s in %s", p.remote, millis(p.rtt))
	case p.gotConn && failed == nil:
		return okf("tcp", "connected to %s", what)
	}
	c := Check{"tcp", Fail, "no connection to " + what + ": " + cause(p.tcpErr, failed), "check the host and port in base_url, and firewalls on the way"}
	var timeout net.Error
	switch {
	case errors.Is(p.tcpErr, syscall.ECONNREFUSED):
		c.Do = "nothing listens there: is the server running, and is the port in base_url right?"
	case errors.Is(p.tcpErr, syscall.ENETUNREACH), errors.Is(p.tcpErr, syscall.EHOSTUNREACH):
		c.Do = "there is no route: check this machine's network"
	case p.tcpErr == nil, errors.As(p.tcpErr, &timeout) && timeout.Timeout():
		c.Do = "packets get no answer, which is what firewalls do: may this machine reach the provider? Is a proxy needed (HTTPS_PROXY)?"
	}
	return c
}

// cause words an error without what is said around it anyway.
func cause(all ...error) string {
	for _, err := range all {
		if err == nil {
			continue
		}
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			err = op.Err
		}
		return err.Error()
	}
	return "no answer"
}

func (p *path) tlsCheck(host string, failed error, now time.Time) []Check {
	if p.tls == nil || p.tlsErr != nil {
		if p.tls == nil && failed == nil {
			return nil // a transport that does not tell
		}
		return []Check{tlsFailure(host, p.tlsErr, failed)}
	}
	s := p.tls
	c := okf("tls", "%s", tls.VersionName(s.Version))
	if len(s.PeerCertificates) > 0 {
		leaf := s.PeerCertificates[0]
		left := leaf.NotAfter.Sub(now)
		c.Detail += fmt.Sprintf(", certificate by %s until %s (%d days)", issuer(leaf), leaf.NotAfter.UTC().Format(time.DateOnly), int(left.Hours()/24))
		if left < certificateSoon {
			c.State, c.Do = Warn, "the server's certificate ends soon: tell who runs it"
		}
	}
	version := okf("http", "HTTP/1.1")
	if s.NegotiatedProtocol == "h2" {
		version.Detail = "HTTP/2"
	}
	return []Check{c, version}
}

func issuer(c *x509.Certificate) string {
	for _, name := range append([]string{c.Issuer.CommonName}, c.Issuer.Organization...) {
		if name != "" {
			return name
		}
	}
	return "an unnamed issuer"
}

func tlsFailure(host string, handshake, failed error) Check {
	c := Check{"tls", Fail, "no TLS with " + host + ": " + cause(handshake, failed), "does the server speak TLS on that port, or should base_url begin with http://?"}
	err := errors.Join(handshake, failed)
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		c.Do = "the certificate is signed by nobody whom this machine trusts. For a private authority, add its certificate to the system's, " +
			"or point SSL_CERT_FILE at a file that has it"
	case errors.As(err, &name):
		c.Do = "the certificate is for another name: use that name in base_url"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		c.Do = "the certificate has expired, or is not yet valid: check this machine's clock, and tell who runs the server"
	}
	return c
}

// proxyFor returns the proxy that requests to u go through, nil for none.
func proxyFor(u *url.URL) *url.URL {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return nil // the request will say so
	}
	return proxy
}

// private reports whether a host is on this machine or in a private network, by its name or address.
func private(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return host == "localhost" || !strings.Contains(host, ".") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal")
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

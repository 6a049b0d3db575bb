package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// find returns the check of a name.
func find(t *testing.T, all []Check, name string) Check {
	t.Helper()
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %+v", name, all)
	return Check{}
}

func expect(t *testing.T, c Check, state State, detail, do string) {
	t.Helper()
	if c.State != state || !strings.Contains(c.Detail, detail) || !strings.Contains(c.Do, do) {
		t.Errorf("%s %s: %q -> %q; want %s with %q and %q", c.State, c.Name, c.Detail, c.Do, state, detail, do)
	}
}

func TestPathOverTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	get := func(client *http.Client, at time.Time) []Check {
		var p path
		rq, err := http.NewRequestWithContext(p.watch(t.Context()), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(rq)
		if err == nil {
			answer.Body.Close()
		}
		return p.checks(u, nil, err, at)
	}
	leaf := s.Certificate()
	all := get(s.Client(), leaf.NotAfter.AddDate(0, 0, -100))
	expect(t, find(t, all, "tcp"), OK, "connected to "+u.Host, "")
	expect(t, find(t, all, "tls"), OK, "TLS 1.3, certificate by Acme Co until "+leaf.NotAfter.UTC().Format(time.DateOnly)+" (100 days)", "")
	expect(t, find(t, all, "http"), OK, "HTTP/2", "")
	s.Client().CloseIdleConnections()
	expect(t, find(t, get(s.Client(), leaf.NotAfter.AddDate(0, 0, -3)), "tls"), Warn, "(3 days)", "ends soon")

	stranger := &http.Client{Transport: &http.Transport{}}
	expect(t, find(t, get(stranger, time.Now()), "tls"), Fail, "certificate", "signed by nobody whom this machine trusts")
	trusts := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	other := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusts, ServerName: "other.test"}}}
	expect(t, find(t, get(other, time.Now()), "tls"), Fail, "other.test", "for another name")
	late := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusts, Time: func() time.Time { return leaf.NotAfter.AddDate(1, 0, 0) }}}}
	expect(t, find(t, get(late, time.Now()), "tls"), Fail, "expired", "check this machine's clock")
}

func TestPathFailures(t *testing.T) {
	t.Parallel()
	u := &url.URL{Scheme: "https", Host: "api.example.com"}
	proxy := &url.URL{Scheme: "http", User: url.UserPassword("me", "hunter2"), Host: "proxy.example.com:3128"}
	f := func(name, check string, p *path, proxy *url.URL, detail, do string) {
		t.Helper()
		t.Log(name)
		all := p.checks(u, proxy, errors.New("no answer in time"), time.Now())
		expect(t, find(t, all, check), Fail, detail, do)
		for _, c := range all {
			if strings.Contains(c.Detail+c.Do, "hunter2") {
				t.Errorf("%s: the proxy's password is shown: %+v", name, c)
			}
		}
	}
	addrs := []net.IPAddr{{IP: net.IPv4(192, 0, 2, 1)}, {IP: net.IPv4(192, 0, 2, 2)}}
	f("no such host", "dns", &path{dnsErr: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}}, nil, "cannot be resolved", "base_url")
	f("dumb resolver", "dns", &path{dnsErr: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, nil, "cannot be resolved", "/etc/resolv.conf")
	f("silent resolver", "dns", &path{}, nil, "not resolved in time", "/etc/resolv.conf")
	f("firewall", "tcp", &path{addrs: addrs}, nil, "no answer in time", "firewalls")
	f("no route", "tcp", &path{addrs: addrs, tcpErr: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}}, nil, "unreachable", "no route")
	f("proxy that is down", "tcp", &path{addrs: addrs, tcpErr: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}, proxy, "the proxy proxy.example.com", "nothing listens")
	f("no TLS there", "tls", &path{addrs: addrs, remote: "192.0.2.1:443", tls: &tls.ConnectionState{}, tlsErr: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}},
		nil, "no TLS with api.example.com: tls: first record", "begin with http://")
	ok := (&path{addrs: addrs, remote: "192.0.2.1:443"}).checks(&url.URL{Scheme: "http", Host: "api.example.com"}, proxy, nil, time.Now())
	expect(t, find(t, ok, "proxy"), OK, "http://me:xxxxx@proxy.example.com:3128", "")
	expect(t, find(t, ok, "dns"), OK, "proxy.example.com is 192.0.2.1 and 1 more", "")
}

func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	f := func(server string, state State, detail string) {
		t.Helper()
		expect(t, clock(http.Header{"Date": {server}}, now, time.Second), state, detail, "")
	}
	f(now.UTC().Format(http.TimeFormat), OK, "agrees")
	f(now.Add(29*time.Second).UTC().Format(http.TimeFormat), OK, "agrees")
	f(now.Add(time.Hour).UTC().Format(http.TimeFormat), Warn, "1h0m0s behind the server")
	f(now.Add(-time.Hour).UTC().Format(http.TimeFormat), Warn, "1h0m0s ahead of the server")
	f("yesterday", OK, "states no time")
}

func TestMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, DataDir(dir), OK, "is writable", "")
	expect(t, DataDir(filepath.Join(dir, "a", "b")), OK, "can be made", "")
	expect(t, DataDir(file), Fail, "is no directory", "data_dir")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something was left behind: %v, %v", left, err)
	}
	if c := OpenFiles(); c.Name != "open files" || c.State == Fail {
		t.Errorf("%+v", c)
	}

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	addr := other.Listener.Addr().String()
	expect(t, Listen(t.Context(), "listen", addr), Fail, "cannot listen on "+addr, "another program")
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer gateway.Close()
	expect(t, Listen(t.Context(), "listen", gateway.Listener.Addr().String()), OK, "taken by a gateway", "")
	expect(t, Listen(t.Context(), "admin_listen", "192.0.2.1:8080"), Fail, "cannot listen", "does not have the address")
	expect(t, Listen(t.Context(), "listen", "127.0.0.1:0"), OK, "is free", "")
}

func TestPick(t *testing.T) {
	t.Parallel()
	a := &account{pricedAs: "openai", listed: []string{"text-embedding-3-small", "gpt-4o", "gpt-4o-mini", "whisper-1", "unheard-of"}}
	x, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.pick(x.o.Prices); got != "gpt-4o" {
		t.Errorf("without prices: %q", got)
	}
	if got := a.pick(model.Embedded()); got != "gpt-4o-mini" {
		t.Errorf("with prices: %q", got)
	}
	if (&account{listed: []string{"my-embedder"}}).pick(nil) != "" {
		t.Error("an embedding model is taken for one that chats")
	}
}

func TestSkipsWhatCannotWork(t *testing.T) {
	t.Parallel()
	x := &Exam{o: Options{Parallel: 1}}
	a := &account{broken: true}
	x.addTarget(a, "m")
	x.accounts = []*account{a}
	x.Call(context.Background())
	if len(x.Plan()) != 0 {
		t.Errorf("planned: %v", x.Plan())
	}
	expect(t, find(t, a.targets[0].report.Checks, "call"), Skip, "see above", "")
}

package bench

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire/http1"
	"sluice/internal/workload"
)

// TestWaysToAServer sends by each transport, twice: the second request goes by the connection of the first.
func TestWaysToAServer(t *testing.T) {
	t.Parallel()
	f := func(name, proto string, secure, http2 bool, size int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
				n, err := io.Copy(io.Discard, rq.Body)
				if err != nil || n != int64(size) || rq.Header.Get("Authorization") != "Bearer key" || rq.Header.Get("X-More") != "more" || rq.URL.Path != "/base/v1/chat/completions" {
					w.WriteHeader(http.StatusBadRequest)
				}
				_, _ = io.WriteString(w, rq.Proto)
			}))
			server.EnableHTTP2 = true
			if secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			target := mocked()
			target.BaseURL, target.HTTP2, target.Key = server.URL+"/base/v1/", http2, llm.NewSecret("key")
			target.Headers = map[string]llm.Secret{"X-More": llm.NewSecret("more")}
			s, err := newSender(target, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if secure {
				pool := x509.NewCertPool()
				pool.AddCert(server.Certificate())
				s.full.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
				s.full.TLSClientConfig.NextProtos = nil
				s.full.TLSClientConfig.RootCAs = pool
			}
			for i := range 2 {
				before := time.Now()
				resp, how, err := s.send(t.Context(), s.at("/chat/completions"), make([]byte, size))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 || string(body) != proto {
					t.Errorf("%d %s, %v", resp.StatusCode, body, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				if how.when().Before(before) || how.reused != (i > 0) {
					t.Errorf("request %d: %+v", i, how)
				}
			}
			if n := s.dials.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
	f("plain", "HTTP/1.1", false, false, 1000)
	f("plain, large", "HTTP/1.1", false, false, http1.MaxBody+1)
	f("plain, HTTP/2 is for https", "HTTP/1.1", false, true, 1000)
	f("tls", "HTTP/1.1", true, false, 1000)
	f("tls, HTTP/2", "HTTP/2.0", true, true, 1000)
}

// TestRefusedStreamsAreSentAgain opens more streams at once than a server takes, before its settings can have come. It refuses
// them, and has not looked at them: that is no failure of the server.
func TestRefusedStreamsAreSentAgain(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answering(10 * ms))
	server.EnableHTTP2 = true
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3}
	server.StartTLS()
	defer server.Close()
	target := mocked()
	target.BaseURL, target.HTTP2 = server.URL+"/v1", true
	s, err := newSender(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.full.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	s.full.TLSClientConfig.NextProtos = nil
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			resp, _, err := s.send(t.Context(), s.at("/chat/completions"), make([]byte, 2000))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || resp.Proto != "HTTP/2.0" || !strings.Contains(string(body), "Hello there.") {
				t.Errorf("%s: %s, %v", resp.Proto, body, err)
			}
		})
	}
	wg.Wait()
}

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	f := func(base, addr, want string) {
		t.Helper()
		target := mocked()
		target.BaseURL = base
		s, err := newSender(target, nil)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", base, err, want)
			}
			return
		}
		if err != nil || address(s.base) != addr {
			t.Errorf("%s: %v", base, err)
		}
	}
	f("http://host/v1", "host:80", "")
	f("https://host/v1/", "host:443", "")
	f("http://[::1]:8080", "[::1]:8080", "")
	f("host:80", "", "not http:// or https://")
	f("ftp://host", "", "not http:// or https://")
	f("http://", "", "not http:// or https://")
	f("http://a b/", "", "read base URL of mock/m")
}

// TestServerThatIsNotThere checks how a dead target looks: failures, and a client that is fine.
func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := mocked()
	target.BaseURL = "http://" + l.Addr().String() + "/v1"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var records []report.Record
	run, err := Run(t.Context(), Options{
		Target: target, Workload: whole(), Schedule: constant(20, 5*ms, 10), Prompts: texts{},
		Record: func(r *report.Record) error { records = append(records, *r); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if run.Summary.Failed != 20 || run.Summary.Errors["provider_unreachable"] != 20 || run.Summary.Statuses["none"] != 20 {
		t.Errorf("%+v", run.Summary)
	}
	for _, r := range records {
		if r.Written != report.None || r.Done < r.Dispatched || !strings.Contains(r.Detail, "refused") || r.Cost != 0 {
			t.Fatalf("%+v", r)
		}
	}
}

// TestOwnLimits checks that what this machine lacks is not taken for a fault of the server.
func TestOwnLimits(t *testing.T) {
	t.Parallel()
	f := func(errno syscall.Errno, want string) {
		t.Helper()
		err := fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)})
		if got := ownLimit(err); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: %q", errno, got)
		}
	}
	f(syscall.EMFILE, "RLIMIT_NOFILE")
	f(syscall.ENFILE, "fs.file-max")
	f(syscall.EADDRNOTAVAIL, "net.ipv4.ip_local_port_range")
	f(syscall.ENOBUFS, "memory")
	f(syscall.ECONNREFUSED, "")

	m := measureFailing(t, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)})
	if m.Verdict.State != Invalid || m.Summary.Errors["internal_error"] != 5 {
		t.Errorf("%+v with %+v", m.Verdict, m.Summary.Errors)
	}
	mentions(t, m.Verdict.Reasons, "the client was out of local ports")
}

// measureFailing measures a target that cannot be dialled.
func measureFailing(t *testing.T, err error) measured {
	t.Helper()
	var m measured
	virtually(t, http.NotFoundHandler(), func(t *testing.T, _ dialFunc) {
		m = measureBy(t.Context(), t, failingDial(err), Options{Schedule: constant(5, 100*ms, 10)})
	})
	return m
}

func TestConcurrencyOverTheLimit(t *testing.T) {
	t.Parallel()
	files, err := raiseFiles()
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		files = 1 << 30
	}
	s := constant(1, time.Second, 10)
	s.Arrival.Concurrency = int(files)
	_, err = Run(t.Context(), Options{Target: mocked(), Workload: whole(), Schedule: s, Prompts: texts{}})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(files)) {
		t.Errorf("%v, want one that names the limit of %d", err, files)
	}
	if ports := localPorts(); ports > 0 && files > int64(ports)+spareFiles+1 {
		if err := checkLimits(ports+1, false); err == nil || !strings.Contains(err.Error(), "ip_local_port_range") {
			t.Errorf("%v, want one that names the ports", err)
		}
	}
	if err := checkLimits(1<<30, true); err != nil {
		t.Errorf("HTTP/2 shares connections: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Options{Target: mocked()}); err == nil {
		t.Error("a run without a workload")
	}
	if _, err := Run(t.Context(), Options{Target: mocked(), Workload: &workload.Workload{Arrival: workload.Arrival{Process: workload.Poisson, Rate: 1e12}, Phases: workload.Phases{Sustain: time.Hour}}}); err == nil {
		t.Error("a schedule without end")
	} else if errors.Is(err, errSink) {
		t.Error(err)
	}
}

package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/internal/wire/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a server that answers each request on a connection with the next of its texts, and closes the connection
// after the last one if last is set.
type script struct {
	answers []string
	last    bool
	conns   atomic.Int64
	heard   chan *http.Request // buffered
	gone    chan struct{}      // buffered; one for each connection that the server has closed
}

func (s *script) start(t *testing.T) *http1.Transport {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.heard, s.gone = make(chan *http.Request, 100), make(chan struct{}, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			wg.Go(func() { s.serve(c) })
		}
	})
	tr := transport(ln.Addr().String())
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = ln.Close()
		wg.Wait()
	})
	return tr
}

func (s *script) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.gone <- struct{}{}
	}()
	br := bufio.NewReader(c)
	for i := 0; ; i++ {
		rq, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(rq.Body)
		if err != nil {
			return
		}
		rq.Body = io.NopCloser(strings.NewReader(string(body)))
		s.heard <- rq
		if _, err := io.WriteString(c, s.answers[min(i, len(s.answers)-1)]); err != nil || s.last && i >= len(s.answers)-1 {
			return
		}
	}
}

func transport(addr string) *http1.Transport {
	return &http1.Transport{Addr: addr, Dial: new(net.Dialer).DialContext, MaxIdle: 10, IdleTimeout: time.Minute}
}

func request(ctx context.Context, body string) *http.Request {
	rq := &http.Request{
		Method: "POST", URL: &url.URL{Scheme: "http", Host: "provider.test", Path: "/v1/x", RawQuery: "a=b"}, Host: "provider.test",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Two": {"1", "2"}}, Body: &http1.Body{Bytes: []byte(body)},
	}
	return rq.WithContext(ctx)
}

// ask sends a request and reads the answer whole.
func ask(t *testing.T, tr *http1.Transport, body string) (status int, text string, err error) {
	t.Helper()
	resp, err := tr.RoundTrip(request(t.Context(), body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestRequestOnTheWire(t *testing.T) {
	for _, size := range []int{0, 1, 300, 16 << 10, 16<<10 + 1, http1.MaxBody} {
		s := &script{answers: []string{ok}}
		tr := s.start(t)
		body := strings.Repeat("b", size)
		if status, text, err := ask(t, tr, body); status != 200 || text != "ok" || err != nil {
			t.Fatalf("body of %d: answer %d %q, %v", size, status, text, err)
		}
		rq := <-s.heard
		got, _ := io.ReadAll(rq.Body)
		if string(got) != body || rq.ContentLength != int64(size) || rq.URL.RequestURI() != "/v1/x?a=b" || rq.Host != "provider.test" {
			t.Errorf("body of %d: server got %d bytes for %s %s", size, len(got), rq.Host, rq.URL.RequestURI())
		}
		want := http.Header{"Content-Type": {"application/json"}, "X-Two": {"1", "2"}, "Content-Length": {fmt.Sprint(size)}}
		if d := cmp.Diff(want, rq.Header); d != "" {
			t.Errorf("headers (-want +got):\n%s", d)
		}
	}
}

func TestBodyOverTheLimit(t *testing.T) {
	s := &script{answers: []string{ok}}
	if _, _, err := ask(t, s.start(t), strings.Repeat("b", http1.MaxBody+1)); !errors.Is(err, http1.ErrTooLarge) || s.conns.Load() != 0 {
		t.Errorf("error %v over %d connections, want ErrTooLarge over none", err, s.conns.Load())
	}
}

// TestNothingIsSmuggled checks that no part of a request can start a line of its own.
func TestNothingIsSmuggled(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"header value": func(r *http.Request) { r.Header["X-A"] = []string{"b\r\nX-Evil: 1"} },
		"line feed":    func(r *http.Request) { r.Header["X-A"] = []string{"b\nX-Evil: 1"} },
		"header name":  func(r *http.Request) { r.Header["X-A: b\r\nX-Evil"] = []string{"1"} },
		"colon":        func(r *http.Request) { r.Header["X-A:"] = []string{"1"} },
		"method":       func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\n" },
		"host":         func(r *http.Request) { r.Host = "a\r\nX-Evil: 1" },
		"query":        func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX-Evil: 1" },
	} {
		s := &script{answers: []string{ok}}
		tr := s.start(t)
		rq := request(t.Context(), "x")
		change(rq)
		if resp, err := tr.RoundTrip(rq); err == nil {
			resp.Body.Close()
			t.Errorf("%s: was sent", name)
		}
		if s.conns.Load() != 0 {
			t.Errorf("%s: a connection was made", name)
		}
	}
}

// TestReuse says after which answers a connection serves the next request.
func TestReuse(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         int64 // connections for three requests
	}{
		{"length", ok, 1},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		{"chunked with trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", 1},
		{"informational first", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok, 1},
		{"error status", "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nok", 1},
		{"connection close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3},
		{"more than the answer", ok + "HTTP/1.1 200 OK\r\n", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{answers: []string{c.answer}}
			tr := s.start(t)
			for range 3 {
				if _, text, err := ask(t, tr, "x"); text != "ok" || err != nil {
					t.Fatalf("answer %q, %v", text, err)
				}
			}
			if got := s.conns.Load(); got != c.want {
				t.Errorf("%d connections, want %d", got, c.want)
			}
		})
	}
}

// TestClosedWhileIdle has a server that closes each connection after one answer without saying so. The next request must
// not be lost to it.
func TestClosedWhileIdle(t *testing.T) {
	s := &script{answers: []string{ok}, last: true}
	tr := s.start(t)
	for i := range 20 {
		if _, text, err := ask(t, tr, "x"); text != "ok" || err != nil {
			t.Fatalf("request %d: %q, %v", i, text, err)
		}
		<-s.gone
	}
	if got := s.conns.Load(); got != 20 {
		t.Errorf("%d connections for 20 requests, want 20", got)
	}
}

func TestBrokenAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":         "",
		"no HTTP":         "SSH-2.0-OpenSSH\r\n\r\n",
		"cut headers":     "HTTP/1.1 200 OK\r\nContent-Le",
		"cut body":        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
		"cut chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
		"no last chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"bad chunk size":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"endless headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 1100) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []string{answer}, last: true}
			if status, text, err := ask(t, s.start(t), "x"); err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && status == 200 {
				t.Errorf("answer %d %q, %v; want an error", status, text, err)
			}
		})
	}
}

func TestUntilTheConnectionCloses(t *testing.T) {
	s := &script{answers: []string{"HTTP/1.1 200 OK\r\n\r\nall until the end"}, last: true}
	if _, text, err := ask(t, s.start(t), "x"); text != "all until the end" || err != nil {
		t.Errorf("answer %q, %v", text, err)
	}
}

// TestCancel ends the context while headers are awaited, and while the body is read.
func TestCancel(t *testing.T) {
	for name, answer := range map[string]string{"headers": "", "body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			srv := httptest.NewUnstartedServer(nil)
			srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, _ = rw.WriteString(answer)
				_ = rw.Flush()
				_, _ = io.Copy(io.Discard, c) // ends when the client closes
				close(gone)
			})
			srv.Start()
			defer srv.Close()
			ctx, cancel := context.WithCancel(t.Context())
			tr := transport(srv.Listener.Addr().String())
			defer tr.CloseIdleConnections()
			if name == "headers" {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			resp, err := tr.RoundTrip(request(ctx, "x"))
			if name == "body" {
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.ReadFull(resp.Body, make([]byte, 4))
				cancel()
				_, err = resp.Body.Read(make([]byte, 1))
				_ = resp.Body.Close()
			}
			if err == nil {
				t.Error("no error after cancel")
			}
			<-gone
			cancel()
		})
	}
}

// TestClosedBodyClosesTheConnection leaves answers half read.
func TestClosedBodyClosesTheConnection(t *testing.T) {
	s := &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"}}
	tr := s.start(t)
	for range 3 {
		resp, err := tr.RoundTrip(request(t.Context(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(resp.Body, make([]byte, 4))
		_ = resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("read after close: %v", err)
		}
	}
	if got := s.conns.Load(); got != 3 {
		t.Errorf("%d connections, want 3", got)
	}
}

// TestIdleConnectionsExpire waits for the server's side to see the close.
func TestIdleConnectionsExpire(t *testing.T) {
	closed := make(chan struct{}, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	tr := transport(srv.Listener.Addr().String())
	tr.IdleTimeout = 30 * time.Millisecond
	if _, _, err := ask(t, tr, "x"); err != nil {
		t.Fatal(err)
	}
	<-closed
}

// TestMany runs calls at once, each with its own answer, over connections that are shared one after the other.
func TestMany(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // whole: net/http's server stops reading a body when the answer begins
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	tr := transport(srv.Listener.Addr().String())
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 50 {
				want := strings.Repeat(fmt.Sprintf("%d-%d ", i, j), 100*(j%5))
				if _, got, err := ask(t, tr, want); got != want || err != nil {
					t.Errorf("answer of %d bytes for %d, %v", len(got), len(want), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRoundTrip(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	plain := transport(srv.Listener.Addr().String())
	defer plain.CloseIdleConnections()
	std := &http.Transport{}
	defer std.CloseIdleConnections()
	body := strings.Repeat("b", 300)
	for name, send := range map[string]func() (*http.Response, error){
		"http1": func() (*http.Response, error) { return plain.RoundTrip(request(b.Context(), body)) },
		"net/http": func() (*http.Response, error) {
			rq := request(b.Context(), "")
			rq.URL.Host, rq.Body, rq.ContentLength = plain.Addr, io.NopCloser(strings.NewReader(body)), int64(len(body))
			return std.RoundTrip(rq)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := send()
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

// TestTrace checks what a measuring client is told.
func TestTrace(t *testing.T) {
	t.Parallel()
	s := &script{answers: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}}
	tr := s.start(t)
	for i := range 2 {
		var told http1.Trace
		rq := request(t.Context(), "x")
		rq.Body = &http1.Body{Bytes: []byte("x"), Trace: &told}
		before := time.Now()
		resp, err := tr.RoundTrip(rq)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if told.Reused != (i > 0) || told.Wrote.Before(before) || told.Wrote.After(time.Now()) {
			t.Errorf("request %d: %+v", i, told)
		}
	}
}

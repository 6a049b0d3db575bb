//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/bench/rig"
)

// startMock serves a mock in this process and returns its address.
func startMock(t *testing.T) string {
	t.Helper()
	c, err := rig.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	m, err := rig.NewMock(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(l)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestJobs runs each kind of load in small through the reverse proxy.
func TestJobs(t *testing.T) {
	t.Parallel()
	mock := startMock(t)
	h, err := newProxy("http://" + mock)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(h)
	t.Cleanup(proxy.Close)
	clk, err := rig.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, j job) *result {
		t.Helper()
		j.Addr, j.Mock, j.Peer, j.MockPID = proxy.Listener.Addr().String(), mock, os.Getpid(), os.Getpid()
		r, err := runJob(t.Context(), clk, j)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Failed != 0 || r.Units == 0 || r.Units > r.Sent*100 {
			t.Errorf("%s: %+v", name, r)
		}
		if r.PeerCPU <= 0 || r.Wall < j.Window/2 {
			t.Errorf("%s: CPU %v in %v", name, r.PeerCPU, r.Wall)
		}
		return r
	}
	const ms = time.Millisecond
	open := f("open", job{Kind: "open", Size: 300, Rate: 500, Warm: 20 * ms, Window: 200 * ms, Seed: 1})
	if open.Sent < 70 || open.Sent > 150 { // 110 are expected; five standard deviations are 52
		t.Errorf("open: sent %d calls", open.Sent)
	}
	closed := f("closed", job{Kind: "closed", Size: 10_000, Users: 4, Warm: 20 * ms, Window: 100 * ms})
	if closed.Latency.N < closed.Units-4 || closed.Latency.N > closed.Units+4 || closed.Latency.P50 > closed.Latency.P99 {
		t.Errorf("closed: latency %+v", closed.Latency)
	}
	s := f("streams", job{Kind: "streams", Size: 300, Streams: 20, Rate: 100, Ramp: 50 * ms, Warm: 400 * ms, Window: 100 * ms})
	if s.OpenBefore != 20 || s.OpenAfter != 20 || s.Sent != 20 {
		t.Errorf("streams: %d sent, %d open before, %d after; want 20 of each", s.Sent, s.OpenBefore, s.OpenAfter)
	}
	if s.Delay.N != s.Units || s.FirstChunk.N != 20 || s.PeakRSS == 0 || s.PSS == 0 {
		t.Errorf("streams: %+v", s)
	}
}

// TestFailuresCount breaks answers on purpose: none may pass for a good one.
func TestFailuresCount(t *testing.T) {
	t.Parallel()
	mock := startMock(t)
	clk, err := rig.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	const choice = `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`
	head := []byte(rig.StreamHead)
	chunk := rig.AppendEvent(nil, fmt.Sprintf(choice, fmt.Sprintf(`{"content":"t=%019d"}`, clk.Now()), "null"))
	end := rig.AppendDone(rig.AppendEvent(nil, fmt.Sprintf(choice, `{}`, `"stop"`)))
	f := func(name, kind, answer, want string) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.Copy(io.Discard, r.Body)
				}
				io.WriteString(c, answer)
				c.Close()
			}
		}()
		j := job{
			Kind: kind, Addr: l.Addr().String(), Mock: mock, MockPID: os.Getpid(), Size: 300, Rate: 500, Streams: 5,
			Ramp: 5 * time.Millisecond, Warm: time.Millisecond, Window: 30 * time.Millisecond,
		}
		r, err := runJob(t.Context(), clk, j)
		l.Close()
		<-served
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Failed != r.Sent || r.Sent == 0 || !strings.Contains(r.FirstError, want) {
			t.Errorf("%s: %d of %d failed, first error %q, want %q in it", name, r.Failed, r.Sent, r.FirstError, want)
		}
	}
	f("stream cut", "streams", string(slices.Concat(head, chunk)), "truncated")
	f("stream short", "streams", string(slices.Concat(head, chunk, end)), "1 of")
	f("stream refused", "streams", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", "status 503")
	f("call refused", "open", "HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\nno", "status 429")
	f("call empty", "open", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "status 200")
	f("call cut", "open", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}", "truncated")
}

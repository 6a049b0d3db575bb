// Package http1 is an HTTP/1.1 client over plain TCP for one address. It is what net/http's Transport is, without the two
// goroutines and the hand-over between them that Transport needs for each connection: an open stream costs less memory,
// and a call less CPU (docs/PERFORMANCE.md). It is for servers in one's own network, which speak plain HTTP: for TLS,
// HTTP/2, proxies and large uploads net/http's Transport stays. Answers are parsed by net/http. It runs no goroutines.
package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

const (
	readBuffer = 4 << 10  // for headers
	maxHeader  = 1 << 20  // bytes of an answer's headers
	joinBody   = 16 << 10 // a body up to this size is copied behind the headers, so that both are one write

	// MaxBody is the largest request body. A larger one may fill the socket's buffers while the server, having answered
	// early, does not read; it takes a transport that reads and writes at the same time.
	MaxBody = 64 << 10
)

// ErrTooLarge is returned for a request body over MaxBody. Nothing was sent.
var ErrTooLarge = errors.New("request body is too large for this transport")

// errHeaderLimit is what reading fails with when an answer's headers do not end.
var errHeaderLimit = fmt.Errorf("headers of the answer are over %d bytes", maxHeader)

// past is a deadline that ends all I/O at once.
var past = time.Unix(1, 0)

// Transport keeps connections to one address. It is an http.RoundTripper for requests whose Body is a *Body, and safe for
// concurrent use. The exported fields are set once, before the first request.
type Transport struct {
	Addr        string // host:port
	Dial        func(ctx context.Context, network, addr string) (net.Conn, error)
	MaxIdle     int           // connections that are kept for later requests
	IdleTimeout time.Duration // for how long

	mu     sync.Mutex // guards what follows
	idle   []*conn    // oldest first
	sweep  *time.Timer
	closed bool // CloseIdleConnections was called: connections in use are not kept
}

// Body is a request body that is wholly in memory.
type Body struct {
	Bytes []byte
	Trace *Trace // filled in while the request is sent, if not nil
}

// Trace is what a measuring client wants to know of a request's way. RoundTrip is done with it when it returns.
type Trace struct {
	Wrote  time.Time // when the request had been handed to the kernel; zero if that failed
	Reused bool      // on a connection that was there already
}

// Read is there to make Body an io.ReadCloser; the transport does not use it.
func (b *Body) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing.
func (b *Body) Close() error { return nil }

// RoundTrip sends a request and returns the answer when its headers are there. The connection is used again when the
// answer's body has been read to its end; closing it earlier closes the connection. The end of the request's context ends
// everything at once, also while the body is read. Redirects are not followed, no header is added but Host and
// Content-Length. A httptrace's GotConn is called.
func (t *Transport) RoundTrip(rq *http.Request) (*http.Response, error) {
	var body []byte
	var told *Trace
	if rq.Body != nil {
		b := rq.Body.(*Body)
		body, told = b.Bytes, b.Trace
	}
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	buf := heads.Get().(*[]byte)
	head, err := appendHead(*buf, rq, len(body))
	defer func() { putHead(buf, head) }()
	if err != nil {
		return nil, err
	}
	ctx := rq.Context()
	c, reused, err := t.get(ctx)
	if err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.nc, Reused: reused})
	}
	stop := context.AfterFunc(ctx, c.abort)
	head, err = c.write(head, body)
	if told != nil {
		told.Reused = reused
		if err == nil {
			told.Wrote = time.Now()
		}
	}
	resp, readErr := c.read(rq)
	if readErr != nil {
		stop()
		c.close()
		if err != nil && !errors.Is(readErr, errHeaderLimit) {
			readErr = err // the write failed first
		}
		return nil, fmt.Errorf("ask %s: %w", t.Addr, readErr)
	}
	a := &answer{
		ReadCloser: resp.Body, t: t, c: c, stop: stop,
		keep: err == nil && !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols,
	}
	if len(resp.TransferEncoding) == 1 && resp.TransferEncoding[0] == "chunked" {
		a.chunks.c = c
		a.ReadCloser = &a.chunks
	}
	resp.Body = a
	return resp, nil
}

// CloseIdleConnections closes connections that no request uses, and lets those in use end with their requests.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	idle := t.idle
	t.idle, t.closed = nil, true
	if t.sweep != nil {
		t.sweep.Stop()
	}
	t.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// get returns a connection that waits for a request, or a new one.
func (t *Transport) get(ctx context.Context) (c *conn, reused bool, err error) {
	for {
		t.mu.Lock()
		if len(t.idle) == 0 {
			t.mu.Unlock()
			break
		}
		c = t.idle[len(t.idle)-1] // the warmest
		t.idle = t.idle[:len(t.idle)-1]
		t.mu.Unlock()
		if c.alive() {
			return c, true, nil
		}
		c.close()
	}
	nc, err := t.Dial(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, false, err
	}
	return newConn(nc), false, nil
}

// put keeps a connection for a later request.
func (t *Transport) put(c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) >= t.MaxIdle {
		c.close()
		return
	}
	t.idle = append(t.idle, c)
	if len(t.idle) == 1 && t.IdleTimeout > 0 {
		if t.sweep == nil {
			t.sweep = time.AfterFunc(t.IdleTimeout, t.expire)
		} else {
			t.sweep.Reset(t.IdleTimeout)
		}
	}
}

// expire closes connections that have been idle for too long. It runs on the timer's goroutine.
func (t *Transport) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := time.Now().Add(-t.IdleTimeout)
	n := 0
	for n < len(t.idle) && !t.idle[n].since.After(limit) {
		t.idle[n].close()
		n++
	}
	t.idle = append(t.idle[:0], t.idle[n:]...)
	if len(t.idle) > 0 {
		t.sweep.Reset(max(time.Until(t.idle[0].since.Add(t.IdleTimeout)), time.Millisecond))
	}
}

// answer is the body of an answer; it gives the connection back at its end.
type answer struct {
	io.ReadCloser
	t    *Transport
	c    *conn // nil when the connection is given back or closed
	stop func() bool
	keep bool
	end  error // what Read returns from then on

	chunks chunkedBody // memory for ReadCloser, where the body is chunked
}

// Read reads from the body.
func (a *answer) Read(p []byte) (int, error) {
	if a.c == nil {
		return 0, a.end
	}
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.release(err)
	}
	return n, err
}

// Close ends the answer. It must not be called while Read runs.
func (a *answer) Close() error {
	if a.c != nil {
		a.release(http.ErrBodyReadAfterClose)
	}
	return nil
}

func (a *answer) release(end error) {
	c := a.c
	a.c, a.end = nil, end
	// If the context has ended in this moment, its function may still be about to set a deadline on the connection.
	if a.stop() && end == io.EOF && a.keep && !c.extra && c.buffered() == 0 {
		c.drop()
		a.t.put(c)
		return
	}
	c.close()
}

// conn is one connection. It is used by one request at a time.
type conn struct {
	nc    net.Conn
	br    *bufio.Reader // headers, and what came with them; nil while there is nothing in it
	since time.Time     // idle since
	left  int           // bytes that may still be read; counts only while headers are read
	head  bool          // headers are being read
	extra bool          // something followed an answer
	probe func() bool
}

func newConn(nc net.Conn) *conn { return &conn{nc: nc, probe: prober(nc)} }

// readers holds buffers that no connection needs: one does while headers are read, or what came with them.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// buffered returns how many bytes have been read from the socket and not been taken.
func (c *conn) buffered() int {
	if c.br == nil {
		return 0
	}
	return c.br.Buffered()
}

// drop gives the buffer back.
func (c *conn) drop() {
	if c.br != nil {
		c.br.Reset(nil)
		readers.Put(c.br)
		c.br = nil
	}
}

// Read reads from the socket, within the limit of headers while they are read.
func (c *conn) Read(p []byte) (int, error) {
	if c.head {
		if c.left <= 0 {
			return 0, errHeaderLimit
		}
		p = p[:min(len(p), c.left)]
	}
	n, err := c.nc.Read(p)
	c.left -= n
	return n, err
}

// write sends headers and body, and returns the buffer of the headers, which may have grown.
func (c *conn) write(head, body []byte) ([]byte, error) {
	if len(body) <= joinBody {
		head = append(head, body...)
		_, err := c.nc.Write(head)
		return head, err
	}
	parts := net.Buffers{head, body}
	_, err := parts.WriteTo(c.nc)
	return head, err
}

// read reads the headers of the answer. Informational answers are passed over.
func (c *conn) read(rq *http.Request) (*http.Response, error) {
	if c.br == nil {
		c.br = readers.Get().(*bufio.Reader)
		c.br.Reset(c)
	}
	c.head, c.left = true, maxHeader
	defer func() { c.head = false }()
	for {
		resp, err := http.ReadResponse(c.br, rq)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// alive reports whether an idle connection can be used. A server may have closed it, or sent what nobody asked for.
func (c *conn) alive() bool { return c.probe == nil || c.probe() }

// abort ends reads and writes that are under way, and all that follow.
func (c *conn) abort() { _ = c.nc.SetDeadline(past) }

func (c *conn) close() { _ = c.nc.Close() } // nothing depends on it

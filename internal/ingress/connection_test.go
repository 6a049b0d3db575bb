package ingress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// read reads one answer and its body.
func read(t *testing.T, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestRefusedRequestWithoutItsBody checks that a client cannot hold a connection by never sending the body of a request
// that is refused before it is read: net/http waits for it before it lets the answer out.
func TestRefusedRequestWithoutItsBody(t *testing.T) {
	t.Parallel()
	f := func(request string, status int) {
		t.Helper()
		addr := listen(t, server(t, &calls{}, func(c *Config) { c.Clients.ReadBody = 50 * time.Millisecond }, team()))
		c := dial(t, addr, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if resp, text := read(t, bufio.NewReader(c)); resp.StatusCode != status {
			t.Errorf("%s: %d %s", request, resp.StatusCode, text)
		}
	}
	f("POST /v1/chat/completions", 401)
	f("POST /nothing", 404)
	f("PUT /v1/models", 405)
	f("GET /healthz", 200)
	f("GET /", 200)
}

// TestBadChunksAreNoSuccess checks that a client whose body cannot be read is told so.
func TestBadChunksAreNoSuccess(t *testing.T) {
	t.Parallel()
	addr := listen(t, server(t, &calls{}, nil))
	c := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n")
	if resp, text := read(t, bufio.NewReader(c)); resp.StatusCode != 400 || !strings.Contains(text, "invalid_request") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// TestStatedLengthCostsNoMemory checks that a body costs the memory of what came of it.
func TestStatedLengthCostsNoMemory(t *testing.T) {
	t.Parallel()
	f := func(sent string, length int64, most int) {
		t.Helper()
		got, err := readUpTo(strings.NewReader(sent), length, 64<<20)
		if complete := int64(len(sent)) == length; complete != (err == nil) || complete && string(got) != sent {
			t.Errorf("%d of %d bytes: got %d, %v", len(sent), length, len(got), err)
		}
		if cap(got) > most {
			t.Errorf("%d of %d bytes cost %d", len(sent), length, cap(got))
		}
	}
	f("", 0, 0)
	f("hello", 5, 8)
	f("hello", 32<<20, firstBody)
	f(strings.Repeat("x", firstBody), firstBody, firstBody)
	f(strings.Repeat("x", firstBody+1), firstBody+1, 2*firstBody)
	f(strings.Repeat("0123456789", firstBody), 10*firstBody, 16*firstBody)
}

// TestHalfClosedClientIsTold checks that a client that closes its sending side and goes on reading, which net/http takes
// for one that left, gets an error and not an empty success.
func TestHalfClosedClientIsTold(t *testing.T) {
	t.Parallel()
	c := &calls{answer: func(ctx context.Context, _ *gateway.Exchange, w gateway.Reply) {
		<-ctx.Done()
		w.Fail(llm.Errorf(llm.KindCanceled, "the client closed the request"), nil)
	}}
	addr := listen(t, server(t, c, nil))
	conn := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if resp, text := read(t, bufio.NewReader(conn)); resp.StatusCode != 499 || !strings.Contains(text, "client_closed_request") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// TestBodyCutByHalfClose is the same for a body that breaks off.
func TestBodyCutByHalfClose(t *testing.T) {
	t.Parallel()
	addr := listen(t, server(t, &calls{}, nil))
	conn := dial(t, addr, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if resp, text := read(t, bufio.NewReader(conn)); resp.StatusCode != 499 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

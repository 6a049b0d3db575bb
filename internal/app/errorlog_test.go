package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/internal/config"
)

// TestServerLog lets a handler panic, and checks that it is seen at the default level with its stack, while noise from the
// network is not.
func TestServerLog(t *testing.T) {
	t.Parallel()
	var text lockedBuffer
	a := &App{log: slog.New(slog.NewTextHandler(&text, nil)), config: &config.Config{}}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = a.server(context.Background(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("broken invariant")
	}))
	srv.StartTLS()
	for _, path := range []string{"/abort", "/panic"} {
		if _, err := srv.Client().Get(srv.URL + path); !errors.Is(err, io.EOF) {
			t.Errorf("%s: client got %v, want the end of the connection", path, err)
		}
	}
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "this is no handshake\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(conn).ReadString(0) // until the server has given up
	_ = conn.Close()
	srv.Close()
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "broken invariant") ||
		!strings.Contains(lines[0], "errorlog_test.go") {
		t.Errorf("log:\n%s", text.String())
	}
}

// TestServerLogLevels goes through the messages of net/http.
func TestServerLogLevels(t *testing.T) {
	t.Parallel()
	f := func(text, level string) {
		t.Helper()
		var out strings.Builder
		errorLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))).Print(text)
		if got := out.String(); !strings.Contains(got, "level="+level+" ") || !strings.Contains(got, text) {
			t.Errorf("%q was logged as %s", text, got)
		}
	}
	f("http: panic serving 127.0.0.1:1: boom", "ERROR")
	f("http2: panic serving 127.0.0.1:1: boom", "ERROR")
	f("http: Accept error: too many open files; retrying in 5ms", "WARN")
	f("http: TLS handshake error from 127.0.0.1:1: EOF", "DEBUG")
	f("http2: server: error reading preface from client 127.0.0.1:1: panic serving", "DEBUG")
}

package app

import (
	"context"
	"log"
	"log/slog"
	"strings"
)

// errorLog returns what an http.Server writes its own messages to. They are mostly noise that anybody on the network can
// make (TLS handshakes, resets), for level debug. A panic of a handler and a listener that cannot accept are not. The
// server has no other way to tell them apart than its text.
func errorLog(to *slog.Logger) *log.Logger { return log.New(serverLog{to}, "", 0) }

type serverLog struct{ to *slog.Logger }

// Write takes one message.
func (l serverLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	level, message := slog.LevelDebug, "http server"
	switch _, what, _ := strings.Cut(text, ": "); { // behind "http: " or "http2: "
	case strings.HasPrefix(what, "panic serving "):
		level, message = slog.LevelError, "a handler panicked"
	case strings.HasPrefix(what, "Accept error: "):
		level, message = slog.LevelWarn, "cannot accept connections"
	}
	l.to.LogAttrs(context.Background(), level, message, slog.String("error", text))
	return len(p), nil
}

package obs

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// The limit on repeated log records: of one message and level, the first logBurst in logWindow are written. The next one
// after that window says how many were kept back. Debug records are not limited: who turns them on wants them all.
const (
	logBurst    = 10
	logWindow   = 10 * time.Second
	logMessages = 1024 // messages that are told apart; more share one limit
)

// LogOptions are the settings of NewLogger.
type LogOptions struct {
	Level   slog.Leveler // nil means slog.LevelInfo; a *slog.LevelVar lets a reload change it
	Format  string       // json, text, or auto: text on a terminal, JSON elsewhere; empty means auto
	Metrics *Metrics     // counts records kept back; may be nil
}

// NewLogger makes the process's logger. Messages are constants, with what varies in attributes: the limit on repetition
// goes by level and message only.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	ho := &slog.HandlerOptions{Level: o.Level}
	var h slog.Handler
	if o.Format == "text" || (o.Format != "json" && isTerminal(w)) {
		h = slog.NewTextHandler(w, ho)
	} else {
		h = slog.NewJSONHandler(w, ho)
	}
	return slog.New(&limitHandler{Handler: h, limit: &logLimit{metrics: o.Metrics, seen: map[logKey]*logCount{}}})
}

// ParseLevel reads debug, info, warn or error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(s))
	return l, err
}

// isTerminal reports whether w is a character device, which a terminal is, and a file or pipe is not.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// limitHandler keeps a message that repeats from filling the disk. Handlers derived from one share its limit.
type limitHandler struct {
	slog.Handler
	limit *logLimit
}

// Handle implements slog.Handler.
func (h *limitHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	ok, suppressed := h.limit.allow(logKey{r.Level, r.Message}, r.Time)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *limitHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limitHandler{h.Handler.WithAttrs(attrs), h.limit}
}

// WithGroup implements slog.Handler.
func (h *limitHandler) WithGroup(name string) slog.Handler {
	return &limitHandler{h.Handler.WithGroup(name), h.limit}
}

type logKey struct {
	level   slog.Level
	message string
}

type logCount struct {
	window     time.Time // when the current window began
	written    int       // records written in it
	suppressed int       // records kept back since the last one written
}

// logLimit counts records by message.
type logLimit struct {
	metrics *Metrics // set once

	mu   sync.Mutex
	seen map[logKey]*logCount // guarded by mu; at most logMessages and one more a level
}

// allow says whether a record is written, and how many of its kind were kept back before it.
func (l *logLimit) allow(k logKey, at time.Time) (ok bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.seen[k]
	if c == nil {
		if len(l.seen) >= logMessages {
			k = logKey{level: k.level} // a message that is no constant must not grow the map
			c = l.seen[k]
		}
		if c == nil {
			c = &logCount{window: at}
			l.seen[k] = c
		}
	}
	if at.Sub(c.window) >= logWindow {
		c.window, c.written = at, 0
	}
	if c.written >= logBurst {
		c.suppressed++
		l.metrics.logSuppressed()
		return false, 0
	}
	c.written++
	suppressed, c.suppressed = c.suppressed, 0
	return true, suppressed
}

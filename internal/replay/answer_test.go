package replay

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	f := func(key string, ok bool) {
		t.Helper()
		if e := CheckKey(key); (e == nil) != ok || e != nil && (e.Kind != llm.KindBadRequest || !strings.Contains(e.Message, "255")) {
			t.Errorf("%q: %v", key, e)
		}
	}
	f("k", true)
	f("with space ~", true)
	f(strings.Repeat("k", 255), true)
	f(strings.Repeat("k", 256), false)
	f("", false)
	f("tab\t", false)
	f("ü", false)
}

type broom struct {
	calls int
	max   int64
}

func (c *broom) CleanAnswers(_ context.Context, _ time.Time, maxBytes int64) (int64, error) {
	c.calls, c.max = c.calls+1, maxBytes
	if c.calls == 2 {
		return 0, errors.New("disk is full")
	}
	return 3, nil
}

// TestClean: recordings and the store are cleaned now and then, and a failure is told.
func TestClean(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var c broom
		g := New(config(nil))
		open(t, g, Options{ID: "A"}).Record().Whole(http.StatusOK, []byte("{}"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		Clean(ctx, g, &c, func() KeyConfig { return KeyConfig{MaxBytes: 77} }, slog.New(slog.NewTextHandler(&log, nil)))
		if c.calls < 3 || c.calls > 5 || c.max != 77 {
			t.Errorf("cleaned %d times, %d bytes", c.calls, c.max)
		}
		if len(g.byID) != 0 {
			t.Error("the recording is still there")
		}
		for _, want := range []string{"disk is full", "answers=3"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, log.String())
			}
		}
	})
}

// FuzzCut holds the invariants of cutting into events: nothing is lost, and events end where a blank line does.
func FuzzCut(f *testing.F) {
	for _, s := range []string{"data: 1\n\ndata: 2\r\n\r\n", ": c\n\n", "\n\n\n", "data\r\rx", "a\r\n\rb", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for rest := p; len(rest) > 0; {
			n, _ := cut(rest)
			if n <= 0 || n > len(rest) {
				t.Fatalf("cut %q after %d bytes", rest, n)
			}
			if end := rest[n-1]; n < len(rest) && end != '\n' && end != '\r' {
				t.Fatalf("%q ends without a line end", rest[:n])
			}
			rest = rest[n:]
		}
	})
}

// TestRecordingCost holds what an event costs in the long run to the growth of the buffer.
func TestRecordingCost(t *testing.T) {
	g := New(config(nil))
	r := open(t, g, Options{ID: "A"})
	w := r.Record()
	w.Begin()
	event := []byte("data: 0123456789\n\n")
	if n := testing.AllocsPerRun(100_000, func() { _ = w.Write(event) }); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
	w.End(false)
}

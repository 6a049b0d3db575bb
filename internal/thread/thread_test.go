package thread_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/thread"
)

type cleaner struct {
	calls []time.Time
	max   int64
}

func (c *cleaner) CleanResponses(_ context.Context, now time.Time, maxBytes int64) (int64, error) {
	c.calls, c.max = append(c.calls, now), maxBytes
	if len(c.calls) == 2 {
		return 0, errors.New("disk is full")
	}
	return 3, nil
}

// TestClean: the store is cleaned at once and every few minutes, a failure is told and tried again, and the end is prompt.
func TestClean(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var c cleaner
		ctx, cancel := context.WithTimeout(t.Context(), 21*time.Minute)
		defer cancel()
		start := time.Now()
		thread.Clean(ctx, &c, func() thread.Config { return thread.Config{MaxBytes: 77} }, slog.New(slog.NewTextHandler(&log, nil)))
		if n := len(c.calls); n < 4 || n > 5 {
			t.Errorf("cleaned %d times in 21 minutes", n)
		}
		if !c.calls[0].Equal(start) || c.max != 77 {
			t.Errorf("first at %v with %d bytes", c.calls[0].Sub(start), c.max)
		}
		if since := time.Since(start); since != 21*time.Minute {
			t.Errorf("ended after %v", since)
		}
		for _, want := range []string{"disk is full", "responses=3"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, log.String())
			}
		}
	})
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	var c thread.Config
	c.SetDefaults()
	if c.Retention < 30*24*time.Hour || c.MaxBytes <= 0 {
		t.Errorf("%+v", c)
	}
}

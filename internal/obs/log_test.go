package obs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

func TestLoggerFormats(t *testing.T) {
	t.Parallel()
	f := func(format, want string) {
		t.Helper()
		var b bytes.Buffer
		NewLogger(&b, LogOptions{Format: format}).With("a", 1).WithGroup("g").Info("hello", "key", llm.NewSecret("sk-1234"))
		if !strings.Contains(b.String(), want) {
			t.Errorf("format %q wrote %q, want it to contain %q", format, b.String(), want)
		}
		if strings.Contains(b.String(), "sk-1234") {
			t.Errorf("format %q wrote a secret: %s", format, b.String())
		}
	}
	f("json", `"a":1,"g":{"key":"secret:`)
	f("text", `a=1 g.key=secret:`)
	f("auto", `"msg":"hello"`) // a buffer is no terminal
	f("", `"msg":"hello"`)
}

func TestAutoFormatIsJSONInAFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "log")
	w, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	NewLogger(w, LogOptions{Format: "auto"}).Info("hello")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) || len(b) == 0 {
		t.Errorf("file has %q, want JSON", b)
	}
}

func TestLevelCanChange(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	var level slog.LevelVar
	log := NewLogger(&b, LogOptions{Level: &level, Format: "text"})
	log.Debug("one")
	level.Set(slog.LevelDebug)
	log.Debug("two")
	if strings.Contains(b.String(), "one") || !strings.Contains(b.String(), "two") {
		t.Errorf("wrote %q", b.String())
	}
}

func TestParseLevel(t *testing.T) {
	t.Parallel()
	f := func(s string, want slog.Level, ok bool) {
		t.Helper()
		if got, err := ParseLevel(s); got != want || (err == nil) != ok {
			t.Errorf("ParseLevel(%q) = %v, %v", s, got, err)
		}
	}
	f("debug", slog.LevelDebug, true)
	f("WARN", slog.LevelWarn, true)
	f("loud", 0, false)
	f("", 0, false)
}

func TestRepeatedMessagesAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		m := NewMetrics(MetricsOptions{})
		log := NewLogger(&b, LogOptions{Format: "text", Metrics: m, Level: slog.LevelDebug})
		derived := log.With("part", "x")
		for i := range 25 {
			derived.Warn("again", "i", i)
			log.Debug("again")
		}
		log.Error("again")
		if got := strings.Count(b.String(), "level=WARN"); got != logBurst {
			t.Errorf("%d warnings written, want %d", got, logBurst)
		}
		if got := strings.Count(b.String(), "level=ERROR"); got != 1 {
			t.Errorf("%d errors written, want 1: levels have limits of their own", got)
		}
		if got := strings.Count(b.String(), "level=DEBUG"); got != 25 {
			t.Errorf("%d debug records written, want all 25", got)
		}
		wantLines(t, scrape(t, m), "sluice_log_suppressed_total 15")
		time.Sleep(logWindow)
		b.Reset()
		log.Warn("again")
		log.Warn("again")
		if got := strings.Count(b.String(), "suppressed=15"); got != 1 {
			t.Errorf("after the window: %q, want suppressed=15 once", b.String())
		}
	})
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	l := &logLimit{seen: map[logKey]*logCount{}}
	at := time.Unix(0, 0)
	allowed := 0
	for i := range 3 * logMessages {
		if ok, _ := l.allow(logKey{slog.LevelInfo, fmt.Sprint(i)}, at); ok {
			allowed++
		}
	}
	if len(l.seen) != logMessages+1 {
		t.Errorf("%d messages kept, want %d", len(l.seen), logMessages+1)
	}
	if want := logMessages + logBurst; allowed != want {
		t.Errorf("%d records allowed, want %d", allowed, want)
	}
}

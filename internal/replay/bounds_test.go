package replay

import (
	"net/http"
	"strconv"
	"testing"

	"sluice/internal/llm"
)

// TestNamesDoNotCount: a recording with two names is one.
func TestNamesDoNotCount(t *testing.T) {
	t.Parallel()
	g := New(config(func(c *Config) { c.MaxStreams = 2 }))
	for _, id := range []string{"A", "B"} {
		w := open(t, g, Options{ID: id, Name: func([]byte) string { return "resp_" + id }}).Record()
		w.Begin()
		_ = w.Write([]byte("data: x\n\n"))
	}
	if s := g.Stats(); s.Recordings != 2 {
		t.Errorf("%+v", s)
	}
	if _, _, e := g.Open(Options{ID: "C"}); e == nil || e.Kind != llm.KindQueueFull {
		t.Errorf("a third recording: %v", e)
	}
}

// TestDroppedAreFreed: what was dropped is not held by what was kept beside it.
func TestDroppedAreFreed(t *testing.T) {
	t.Parallel()
	g := New(config(func(c *Config) { c.MaxStreams = 8 }))
	for i := range 8 {
		open(t, g, Options{ID: strconv.Itoa(i)}).Record().Whole(http.StatusOK, make([]byte, 1<<10))
	}
	all := g.ended[:8]
	for i := range 3 {
		open(t, g, Options{ID: "more" + strconv.Itoa(i)})
	}
	for i, r := range all[:3] {
		if r != nil {
			t.Errorf("recording %d is still held", i)
		}
	}
}

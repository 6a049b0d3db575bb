package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(change func(*Config)) Config {
	var c Config
	c.SetDefaults()
	if change != nil {
		change(&c)
	}
	return c
}

func open(t testing.TB, g *Registry, o Options) *Recording {
	t.Helper()
	r, joined, e := g.Open(o)
	if e != nil || joined {
		t.Fatalf("open %+v: joined %v, %v", o, joined, e)
	}
	return r
}

// read returns what a reader gets until its end.
func read(t testing.TB, rd *Reader) (string, error) {
	t.Helper()
	defer rd.Close()
	var all []byte
	for {
		p, err := rd.Next(t.Context())
		if err != nil {
			return string(all), err
		}
		all = append(all, p...)
	}
}

func wantNoStream(t testing.TB, e *llm.Error, says string) {
	t.Helper()
	if e == nil || e.Kind != llm.KindNoStream || !strings.Contains(e.Message, says) {
		t.Errorf("%v; want stream_not_found that says %q", e, says)
	}
}

// TestReadersFollow: readers that come before, while and after an answer is made all get the same bytes.
func TestReadersFollow(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	r := open(t, g, Options{ID: "A", IDs: true})
	var wg sync.WaitGroup
	var want bytes.Buffer
	reader := func() {
		rd, e := r.Attach()
		if e != nil {
			t.Fatal(e)
		}
		wg.Go(func() {
			h, err := rd.Head(t.Context())
			if err != nil || h.Status != 200 || h.Header.Get("X-A") != "1" || h.Whole {
				t.Errorf("head %+v, %v", h, err)
			}
			if got, err := read(t, rd); err != io.EOF || got != want.String() {
				t.Errorf("got %d bytes of %d, %v", len(got), want.Len(), err)
			}
		})
	}
	for i := range 500 {
		fmt.Fprintf(&want, "id: A-%d\nevent: e\ndata: %d\n\n", i+1, i)
	}
	reader()
	w := r.Record()
	w.Header().Set("X-A", "1")
	w.Begin()
	for i := range 500 {
		if i%100 == 0 {
			reader()
		}
		_ = w.Write(fmt.Appendf(nil, "event: e\ndata: %d\n\n", i))
		_ = w.Flush()
	}
	w.End(false)
	reader()
	wg.Wait()
}

// TestAttachAfter goes on from each event of a stream, several of which came in one write, in all forms of line ends.
func TestAttachAfter(t *testing.T) {
	t.Parallel()
	f := func(write []string, ids bool, n int64, want string) {
		t.Helper()
		g := New(config(nil))
		r := open(t, g, Options{ID: "A", IDs: ids})
		w := r.Record()
		w.Begin()
		for _, p := range write {
			_ = w.Write([]byte(p))
		}
		w.End(false)
		rd, e := r.AttachAfter(n)
		if e != nil {
			t.Errorf("%q after %d: %v", write, n, e)
			return
		}
		if got, err := read(t, rd); got != want || err != io.EOF {
			t.Errorf("%q after %d: %q, %v; want %q", write, n, got, err, want)
		}
	}
	three := []string{"data: 1\n\ndata: 2\n\n", "data: 3\n\n"}
	f(three, false, 0, "data: 1\n\ndata: 2\n\ndata: 3\n\n")
	f(three, false, 1, "data: 2\n\ndata: 3\n\n")
	f(three, false, 2, "data: 3\n\n")
	f(three, false, 3, "")
	f(three, true, 0, "id: A-1\ndata: 1\n\nid: A-2\ndata: 2\n\nid: A-3\ndata: 3\n\n")
	f(three, true, 2, "id: A-3\ndata: 3\n\n")
	f([]string{"data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n"}, true, 1, "id: A-2\ndata: 2\r\rid: A-3\ndata: 3\n\n")
	f([]string{"data: 1\n\n: comment\n\ndata: 2\n\n"}, true, 1, ": comment\n\nid: A-2\ndata: 2\n\n")
	f([]string{"data: 1\n\n", ": one\n\n", ": two\n\n", "data: 2\n\n", ": last\n\n"}, false, 1, ": one\n\n: two\n\ndata: 2\n\n: last\n\n")
	f([]string{"data: 1\n\n", ": one\n\n", "data: 2\n\n", ": last\n\n"}, true, 2, ": last\n\n")
	f([]string{": first\n\n", "data: 1\n\n"}, true, 0, ": first\n\nid: A-1\ndata: 1\n\n")
	f([]string{"event: x\ndata: a\ndata: b\n\ndata: last"}, true, 1, "id: A-2\ndata: last")
	f([]string{""}, true, 0, "")
}

func TestAttachPastTheEnd(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	r := open(t, g, Options{ID: "A"})
	w := r.Record()
	w.Begin()
	_ = w.Write([]byte("data: 1\n\n"))
	_, e := r.AttachAfter(2)
	wantNoStream(t, e, "so many events")
	w.End(false)
}

// TestAttachFrom finds the place by what is in the events.
func TestAttachFrom(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	r := open(t, g, Options{ID: "A"})
	w := r.Record()
	w.Begin()
	for i := range 20 {
		_ = w.Write(fmt.Appendf(nil, "data: %d\n\n", i))
	}
	w.End(false)
	for from := range 22 {
		rd, e := r.AttachFrom(func(event []byte) bool {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(event), "data: ")))
			if err != nil {
				t.Errorf("event %q", event)
			}
			return n >= from
		})
		if e != nil {
			t.Fatal(e)
		}
		got, _ := read(t, rd)
		if n := strings.Count(got, "data"); n != max(20-from, 0) || n > 0 && !strings.HasPrefix(got, fmt.Sprintf("data: %d\n", from)) {
			t.Errorf("from %d: %q", from, got)
		}
	}
}

// TestBuffer: of a long stream the newest events are kept, within the limit; who needs older ones is told, at any time.
func TestBuffer(t *testing.T) {
	t.Parallel()
	const buffer = 4096
	g := New(config(func(c *Config) { c.Buffer = buffer }))
	r := open(t, g, Options{ID: "A", Key: "k"})
	slow, e := r.Attach()
	if e != nil {
		t.Fatal(e)
	}
	w := r.Record()
	w.Begin()
	const event = "data: 0123456789012345678901234567890123456789\n\n"
	for i := range 1000 {
		_ = w.Write([]byte(event))
		if kept := len(r.data); kept > buffer || i > 200 && kept < buffer/2 || kept%len(event) != 0 {
			t.Fatalf("%d bytes kept after %d events", kept, i+1)
		}
		if got, want := g.Stats().Bytes, int64(len(r.data)+overheadEvent*len(r.ends)); got != want {
			t.Fatalf("%d bytes counted after %d events, %d held", got, i+1, want)
		}
	}
	_, e = r.Attach()
	wantNoStream(t, e, "resume.buffer, 4096 bytes")
	_, e = r.AttachAfter(r.first - 1)
	wantNoStream(t, e, "oldest event that is kept is "+strconv.FormatInt(r.first+1, 10))
	rd, e := r.AttachAfter(r.first)
	if e != nil {
		t.Fatal(e)
	}
	w.End(false)
	if got, err := read(t, rd); err != io.EOF || len(got) != len(r.data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err := slow.Next(t.Context())
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindSlowClient || !strings.Contains(e.Message, "resume.buffer") {
		t.Errorf("slow reader: %v", err)
	}
	slow.Close()
	if _, ok := r.Answer(); ok {
		t.Error("an answer without its beginning is kept for the key")
	}
	if _, joined, e := g.Open(Options{ID: "B", Key: "k"}); joined || e != nil {
		t.Errorf("the key leads to what is not whole: %v", e)
	}
}

// TestCommentsAreBounded: a provider that sends nothing else does not fill the memory.
func TestCommentsAreBounded(t *testing.T) {
	t.Parallel()
	r := open(t, New(config(nil)), Options{ID: "A"})
	w := r.Record()
	w.Begin()
	for range 20_000 {
		_ = w.Write([]byte(": processing\n\n"))
	}
	_ = w.Write([]byte("data: 1\n\n"))
	if n := len(r.data); n > maxLoose+100 || n < maxLoose/2 {
		t.Errorf("%d bytes kept", n)
	}
	w.End(false)
}

// TestMaxBytes: recordings that have ended make room, oldest first; those under way shrink.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	g := New(config(func(c *Config) { c.MaxBytes = 10_000 }))
	whole := func(id string, size int) {
		r := open(t, g, Options{ID: id})
		r.Record().Whole(200, make([]byte, size))
	}
	whole("A", 4000)
	whole("B", 4000)
	whole("C", 4000)
	if s := g.Stats(); s.Bytes != 8000 || s.Recordings != 2 {
		t.Errorf("%+v", s)
	}
	_, e := g.Find("", "A")
	wantNoStream(t, e, "resume.max_bytes, 10000")
	whole("huge", 20_000)
	_, e = g.Find("", "huge")
	wantNoStream(t, e, "too large")
	if s := g.Stats(); s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
	var all []*Recorder
	for i := range 5 {
		w := open(t, g, Options{ID: "S" + strconv.Itoa(i)}).Record()
		w.Begin()
		all = append(all, w)
	}
	for range 500 {
		for _, w := range all {
			_ = w.Write([]byte("data: 0123456789\n\n"))
			if s := g.Stats(); s.Bytes > 10_000 {
				t.Fatalf("%+v", s)
			}
		}
	}
	for _, w := range all {
		w.End(false)
	}
	if s := g.Stats(); s.Bytes > 10_000 || s.Bytes < 2000 {
		t.Errorf("%+v", s)
	}
}

// TestMaxStreams: recordings that have ended make room for others; those under way do not.
func TestMaxStreams(t *testing.T) {
	t.Parallel()
	g := New(config(func(c *Config) { c.MaxStreams = 2 }))
	a := open(t, g, Options{ID: "A"})
	b := open(t, g, Options{ID: "B"})
	_, _, e := g.Open(Options{ID: "C"})
	if e == nil || e.Kind != llm.KindQueueFull || !strings.Contains(e.Message, "resume.max_streams") {
		t.Errorf("%v", e)
	}
	b.Record().Whole(200, nil)
	open(t, g, Options{ID: "C"})
	_, e = g.Find("", "B")
	wantNoStream(t, e, "resume.max_streams, 2")
	a.Record().End(false)
}

// TestKeys: a key leads to its recording, for its owner, as long as that is under way or has ended well.
func TestKeys(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	a := open(t, g, Options{ID: "A", Owner: "x", Key: "k", Hash: "h"})
	if r, joined, e := g.Open(Options{ID: "B", Owner: "x", Key: "k", Hash: "h"}); r != a || !joined || e != nil {
		t.Errorf("not joined: %v", e)
	}
	_, _, e := g.Open(Options{ID: "B", Owner: "x", Key: "k", Hash: "other"})
	if e == nil || e.Kind != llm.KindIdempotency || !strings.Contains(e.Message, `"k"`) {
		t.Errorf("%v", e)
	}
	other := open(t, g, Options{ID: "B", Owner: "y", Key: "k", Hash: "other"})
	_, e = g.Find("y", "A")
	wantNoStream(t, e, "no answer of that id")

	rd, _ := a.Attach()
	a.Record().Fail(llm.Errorf(llm.KindOverloaded, "busy"), nil)
	_, err := rd.Head(t.Context())
	if f, ok := errors.AsType[*Failure](err); !ok || f.Err.Kind != llm.KindOverloaded {
		t.Errorf("%v", err)
	}
	rd.Close()
	again := open(t, g, Options{ID: "C", Owner: "x", Key: "k", Hash: "h"})
	w := again.Record()
	w.Header().Set("X-A", "1")
	w.Whole(201, []byte("{}"))
	if r, joined, _ := g.Open(Options{ID: "D", Owner: "x", Key: "k", Hash: "h"}); r != again || !joined {
		t.Error("a finished answer is not joined")
	}
	got, ok := again.Answer()
	if !ok || got.Status != 201 || string(got.Body) != "{}" || got.Header.Get("X-A") != "1" || got.Key != "k" || got.Call != "C" || got.Stream {
		t.Errorf("%+v", got)
	}
	other.Record().End(true)
}

// TestPlay: an answer that was kept comes out as it was, from the same positions.
func TestPlay(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	r := open(t, g, Options{ID: "A", Key: "k", IDs: true})
	w := r.Record()
	w.Header().Set("X-A", "1")
	w.Begin()
	_ = w.Write([]byte("data: 1\n\ndata: 2\n\n"))
	w.Header().Set(http.TrailerPrefix+"X-B", "2")
	w.End(false)
	kept, ok := r.Answer()
	if !ok {
		t.Fatal("not kept")
	}
	again := open(t, New(config(nil)), Options{ID: "B", Key: "k", IDs: true})
	again.Record().Play(&kept)
	rd, e := again.AttachAfter(1)
	if e != nil {
		t.Fatal(e)
	}
	h, err := rd.Head(t.Context())
	if err != nil || h.Header.Get("X-A") != "1" || h.Whole || h.Played != "A" {
		t.Errorf("%+v %v", h, err)
	}
	if got, _ := read(t, rd); got != "id: A-2\ndata: 2\n\n" || rd.Trailer().Get(http.TrailerPrefix+"X-B") != "2" {
		t.Errorf("%q, trailer %v", got, rd.Trailer())
	}
}

// TestGrace: the call goes on for a while after its last reader, and to its end if another one comes in time.
func TestGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(config(nil))
		ctx, cancel := context.WithCancelCause(t.Context())
		r := open(t, g, Options{ID: "A", Cancel: cancel})
		a, _ := r.Attach()
		b, _ := r.Attach()
		a.Close()
		a.Close()
		time.Sleep(time.Hour)
		b.Close()
		time.Sleep(29 * time.Second)
		c, e := r.Attach()
		if e != nil {
			t.Fatal(e)
		}
		time.Sleep(time.Hour)
		c.Close()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("ended too early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if e, ok := errors.AsType[*llm.Error](context.Cause(ctx)); !ok || e.Kind != llm.KindCanceled || !strings.Contains(e.Message, "30s (resume.grace)") {
			t.Errorf("ended with %v", context.Cause(ctx))
		}
		r.Record().Fail(llm.Errorf(llm.KindCanceled, "x"), nil)
	})
}

// TestDrain: calls without readers end at once, then and later.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(config(nil))
		lone, cancel := context.WithCancelCause(t.Context())
		rd, _ := open(t, g, Options{ID: "A", Cancel: cancel}).Attach()
		rd.Close()
		read, cancelRead := context.WithCancelCause(t.Context())
		still, _ := open(t, g, Options{ID: "B", Cancel: cancelRead}).Attach()
		g.Drain()
		synctest.Wait()
		if lone.Err() == nil || read.Err() != nil {
			t.Errorf("lone %v, read %v", lone.Err(), read.Err())
		}
		still.Close()
		synctest.Wait()
		if read.Err() == nil {
			t.Error("a call goes on that nobody can come back to")
		}
	})
}

// TestKeep: a recording can be found for a while after its end, by both its names, and then the reason is told.
func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(config(nil))
		r := open(t, g, Options{ID: "A", Name: func(event []byte) string {
			_, name, _ := strings.Cut(strings.TrimSpace(string(event)), "name=")
			return name
		}})
		w := r.Record()
		w.Begin()
		_ = w.Write([]byte("data: x\n\ndata: name=resp_1\n\ndata: name=resp_2\n\n"))
		time.Sleep(time.Hour)
		w.End(false)
		time.Sleep(5*time.Minute - time.Nanosecond)
		for _, id := range []string{"A", "resp_1"} {
			if found, e := g.Find("", id); found != r {
				t.Errorf("%s: %v", id, e)
			}
		}
		time.Sleep(time.Nanosecond)
		for _, id := range []string{"A", "resp_1"} {
			_, e := g.Find("", id)
			wantNoStream(t, e, "5m0s ago (resume.keep)")
		}
		_, e := g.Find("", "resp_2")
		wantNoStream(t, e, "no answer of that id")
		if s := g.Stats(); s != (Stats{}) {
			t.Errorf("%+v", s)
		}
	})
}

// TestTombs: why recordings are gone is not remembered without bound.
func TestTombs(t *testing.T) {
	t.Parallel()
	g := New(config(func(c *Config) { c.MaxStreams = 1 }))
	for i := range 3 * tombs {
		open(t, g, Options{ID: strconv.Itoa(i)}).Record().Whole(200, nil)
	}
	if len(g.gone) != tombs || len(g.goneList) != tombs || len(g.byID) != 1 || len(g.ended) != 1 {
		t.Errorf("%d %d %d %d", len(g.gone), len(g.goneList), len(g.byID), len(g.ended))
	}
}

func TestReadersLeaveWithTheirContext(t *testing.T) {
	t.Parallel()
	g := New(config(nil))
	r := open(t, g, Options{ID: "A"})
	rd, _ := r.Attach()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rd.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := rd.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	rd.Close()
	r.Record().End(false)
	rd, _ = r.Attach()
	if _, err := rd.Head(t.Context()); err != ErrCut {
		t.Error(err)
	}
	rd.Close()
}

package live

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"sluice/internal/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is a writer that may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func TestPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out output
		v := New(&out, nil, Options{})
		var got []string
		seen := 0
		step := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
			all := out.String()
			got = append(got, all[seen:])
			seen = len(all)
		}
		p := sample()
		v.Update(p)
		step(0) // the first comes at once
		for range 16 {
			p.Elapsed += 250 * time.Millisecond
			v.Update(p)
			step(250 * time.Millisecond)
		}
		if quiet := strings.Join(got[1:], ""); quiet != "" {
			t.Errorf("within 5 seconds: %q", quiet)
		}
		p.Errors, p.Failed, p.RateLimited, p.Saturated, p.Cap = nil, 0, 0, true, 0
		v.Update(p)
		step(time.Second) // the time has come
		p.Phase, p.Elapsed = workload.Cooldown, 75*time.Second
		v.Update(p)
		v.Log("a line\x1b[2J\nand another")
		step(0) // a phase begins
		p.Elapsed += time.Second
		v.Update(p)
		step(0)
		v.Close() // what was not shown yet is
		v.Close()
		v.Update(p)
		v.Log("too late")
		step(0)
		want := []string{
			"[3/12] openai/gpt-4o-mini · us-east-1 · repeat 2/3 · step 1/4 | sustain 0:45/1:20 | sent 19.8 of 20.0/s, answered 19.5/s, " +
				"2,310 tokens/s, 31 in flight | TTFT 212 ms/480 ms/1.91 s, E2E 1.21 s/12.3 s | ok 12,159, failed 13 (provider_error 10, " +
				"provider_rate_limited 2, provider_truncated 1), 429s 2 | spent $0.1234 of $5.00 | lag p99 0.42 ms, CPU 0.35\n",
			"[3/12] openai/gpt-4o-mini · us-east-1 · repeat 2/3 · step 1/4 | sustain 0:49/1:20 | sent 19.8 of 20.0/s, answered 19.5/s, " +
				"2,310 tokens/s, 31 in flight | TTFT 212 ms/480 ms/1.91 s, E2E 1.21 s/12.3 s | ok 12,159, failed 0 | spent $0.1234, no limit | " +
				"lag p99 0.42 ms, CPU 0.35, CLIENT SATURATED\n",
			"a line\uFFFD[2J\nand another\n[3/12] openai/gpt-4o-mini · us-east-1 · repeat 2/3 · step 1/4 | cooldown 1:15/1:20 | " +
				"sent 19.8 of 20.0/s, answered 19.5/s, 2,310 tokens/s, 31 in flight | TTFT 212 ms/480 ms/1.91 s, E2E 1.21 s/12.3 s | " +
				"ok 12,159, failed 0 | spent $0.1234, no limit | lag p99 0.42 ms, CPU 0.35, CLIENT SATURATED\n",
			"[3/12] openai/gpt-4o-mini · us-east-1 · repeat 2/3 · step 1/4 | cooldown 1:16/1:20 | sent 19.8 of 20.0/s, answered 19.5/s, " +
				"2,310 tokens/s, 31 in flight | TTFT 212 ms/480 ms/1.91 s, E2E 1.21 s/12.3 s | ok 12,159, failed 0 | spent $0.1234, no limit | " +
				"lag p99 0.42 ms, CPU 0.35, CLIENT SATURATED\n",
		}
		var lines []string
		for _, g := range got {
			if g != "" {
				lines = append(lines, g)
			}
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestNeverWaits holds the engine's side: a screen that takes nothing costs it nothing, and lines do not pile up.
func TestNeverWaits(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe() // nobody reads
	v := New(w, nil, Options{})
	p := sample()
	for i := range 3 * maxLines {
		v.Update(p)
		v.Log(fmt.Sprint("line ", i))
	}
	var rest bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&rest, r)
		read <- err
	}()
	v.Close()
	w.Close()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	text := rest.String()
	if !strings.Contains(text, "lines left out") || !strings.HasSuffix(text, "lag p99 0.42 ms, CPU 0.35\n") || !strings.Contains(text, fmt.Sprint("line ", 3*maxLines-1, "\n")) {
		t.Errorf("of %d lines:\n%.300s", strings.Count(text, "\n"), text)
	}
	if n := strings.Count(text, "\n"); n > 2*maxLines+5 {
		t.Errorf("%d lines were kept, the limit is %d", n, maxLines)
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	var out output
	v := New(&out, nil, Options{Quiet: true})
	v.Update(sample())
	v.Log("line")
	v.Close()
	if out.String() != "" {
		t.Errorf("quiet: %q", out.String())
	}
}

func TestErrorsAreCopied(t *testing.T) {
	t.Parallel()
	b := newInbox()
	p := sample()
	b.put(p)
	clear(p.Errors)
	if got, fresh, _ := b.take(); !fresh || len(got.Errors) != 4 {
		t.Errorf("fresh %v, errors %v: the engine goes on to use its map", fresh, got.Errors)
	}
	if _, fresh, _ := b.take(); fresh {
		t.Error("the same progress is fresh twice")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var h history
	for _, x := range []struct {
		at time.Duration
		v  float64
	}{{100 * time.Millisecond, 1}, {900 * time.Millisecond, 3}, {950 * time.Millisecond, 2}, {time.Second, 4}, {4 * time.Second, 5}} {
		h.add(x.at, x.v)
	}
	if diff := cmp.Diff([]float64{3, 4, 0, 0, 5}, h.values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.add(time.Hour, 6)
	if len(h.values) != maxHistory || h.values[maxHistory-1] != 6 {
		t.Errorf("after a gap of an hour: %d values, the last %v", len(h.values), h.values[len(h.values)-1])
	}
	s := played(sample(), 100, 40)
	next := sample()
	next.Run, next.Elapsed = 3, 0
	s.add(next)
	if len(s.rates.values) != 1 {
		t.Errorf("a new run begins with %d values of the old one", len(s.rates.values)-1)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(count(0), "0")
	f(count(-123), "-123")
	f(count(-1234567), "-1,234,567")
	f(count(999_999), "999,999")
	f(rate(9.994), "9.99")
	f(rate(9.996), "10.0")
	f(rate(99.96), "100")
	f(rate(-1), "–")
	f(millis(0), "–")
	f(millis(9.994), "9.99 ms")
	f(millis(999.4), "999 ms")
	f(millis(999.6), "1.00 s")
	f(millis(61_000), "61.0 s")
	f(clock(59600*time.Millisecond), "1:00")
	f(clock(3661*time.Second), "1:01:01")
	f(clock(-time.Second), "0:00")
	f(dollars(0), "$0.00")
	f(dollars(0.00314), "$0.0031")
	f(dollars(12.345), "$12.35")
	f(percent(-1), "–")
	f(cut("abc", 3), "abc")
	f(cut("abcd", 3), "ab…")
	f(cut("語語語", 4), "語…")
	f(cut("語", 0), "…")
	f(spark([]float64{0, 1, 4, 8}, 8, 3), "▂▅█")
	f(spark([]float64{1}, 0, -1), "")
	f(escapes.ReplaceAllString(bar(0.5, 3, good)+bar(2, 2, good)+bar(-1, 2, good), ""), "━╸─━━──")
}

func TestWhereNothingIsDrawn(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []any{file, null, &output{}, nil, (*os.File)(nil)} {
		if IsTerminal(w) {
			t.Errorf("%T %v is a terminal", w, w)
		}
	}
	if inBackground("12 (a) b) S 1 12 12 34816 12 4194560") || !inBackground("12 (a) b) S 1 13 12 34816 12 4194560") || inBackground("12 (a) S 1 12 12 0 -1 0") || inBackground("") {
		t.Error("the foreground group is misread")
	}
}

package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainEvent is an event in a form that outlives the reader.
type plainEvent struct {
	Name, Data string
	Comment    bool
}

// pieces is a source that gives one piece a read.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

// readAll runs a reader over src to its end.
func readAll(t *testing.T, src io.Reader, limit int) (events []plainEvent, raw []byte, err error) {
	t.Helper()
	var r Reader
	r.Reset(limit)
	take := func(ev Event) {
		if ev.At >= 0 && !bytes.Equal(ev.Raw[ev.At:ev.At+len(ev.Data)], ev.Data) {
			t.Fatalf("At %d does not lead to the data of %q", ev.At, ev.Raw)
		}
		if ev.Comment != (ev.Data == nil) {
			t.Fatalf("event %q: comment %t", ev.Raw, ev.Comment)
		}
		events = append(events, plainEvent{string(ev.Name), string(ev.Data), ev.Comment})
		raw = append(raw, ev.Raw...)
	}
	for {
		_, fillErr := r.Fill(src)
		for {
			ev, ok, err := r.Next()
			if err != nil {
				return events, raw, err
			}
			if !ok {
				break
			}
			take(ev)
		}
		if fillErr == io.EOF {
			if ev, ok := r.Last(); ok {
				take(ev)
			}
			return events, raw, nil
		}
		if fillErr != nil {
			return events, raw, fillErr
		}
	}
}

// reference is the grammar written down plainly: all of the text at hand, one line after the other.
func reference(text string) (events []plainEvent) {
	text = strings.TrimPrefix(text, "\ufeff")
	var ev plainEvent
	var data []string
	end := func() {
		ev.Data, ev.Comment = strings.Join(data, "\n"), data == nil
		events = append(events, ev)
		ev, data = plainEvent{}, nil
	}
	pending := false
	for text != "" {
		line, rest, whole := cutLine(text)
		text = rest
		pending = true
		if line == "" && whole {
			end()
			pending = false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			data = append(data, value)
		case "event":
			ev.Name = value
		}
	}
	if pending {
		end()
	}
	return events
}

func cutLine(text string) (line, rest string, whole bool) {
	i := strings.IndexAny(text, "\r\n")
	if i < 0 {
		return text, "", false
	}
	line, rest = text[:i], text[i+1:]
	if text[i] == '\r' {
		rest = strings.TrimPrefix(rest, "\n")
	}
	return line, rest, true
}

var sseSeeds = []string{
	"data: {\"a\":1}\n\ndata: [DONE]\n\n",
	"data: a\r\n\r\ndata: b\r\n\r\n",
	"data: a\r\rdata: b\r\r",
	"data: a\r\r\ndata: b\r\n\r",
	"\ufeffdata: mark\n\n",
	"\xef\xbbdata: x\n\n", "\xef", "\xef\xbb", "\ufeff",
	": comment\n\ndata: x\n\n: more\n: and more\n\n",
	"event: ping\ndata: {}\n\n", "event: lonely\n\n", "event\ndata\n\n", "event:\ndata:\n\n",
	"data:no space\n\ndata:  two\n\n", "data: a\ndata: b\ndata\ndata: c\n\n", "data:\ndata:\n\n",
	"id: 7\nretry: 100\n\nid: 8\ndata: x\n\n", "nonsense\n\ndatas: x\n\n:\n\n",
	"data: last without blank line", "data: last\n", "data: last\r", "data: last\r\n", ": open", "event: x",
	"\n\n\n", "\r\n\r\n", "\r", "\r\r\n\n\r", "data: é😀\n\n", "data: a\n\n\n\ndata: b\n\n",
}

func TestReaderAtEverySplit(t *testing.T) {
	t.Parallel()
	for _, text := range sseSeeds {
		want := reference(text)
		for i := range len(text) + 1 {
			for j := i; j <= len(text); j++ {
				src := pieces{[]byte(text[:i]), []byte(text[i:j]), []byte(text[j:])}
				checkEvents(t, text, &src, want)
			}
		}
		checkEvents(t, text, io.MultiReader(strings.NewReader(text)), want)
	}
}

// checkEvents reads src, which holds text, and compares the events, and their Raw with text.
func checkEvents(t *testing.T, text string, src io.Reader, want []plainEvent) {
	t.Helper()
	got, raw, err := readAll(t, src, 1<<20)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q: events differ (-want +got):\n%s", text, diff)
	}
	// At the end a blank line may have been added, or the second half of a CRLF left unread.
	if in := strings.TrimPrefix(text, "\ufeff"); !strings.HasPrefix(string(raw)+"\n", in) {
		t.Fatalf("forwarded %q, read %q", raw, in)
	}
}

func FuzzReader(f *testing.F) {
	for i, s := range sseSeeds {
		f.Add([]byte(s), uint16(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		want := reference(string(b))
		i := int(cut) % (len(b) + 1)
		checkEvents(t, string(b), &pieces{b[:i], b[i:]}, want)
		ones := make(pieces, 0, len(b))
		for i := range b {
			ones = append(ones, b[i:i+1])
		}
		checkEvents(t, string(b), &ones, want)
	})
}

func TestLastCompletesTheEvent(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		_, raw, err := readAll(t, strings.NewReader(text), 0)
		if err != nil || string(raw) != want {
			t.Errorf("%q: forwarded %q, %v, want %q", text, raw, err, want)
		}
	}
	f("data: a", "data: a\n\n")
	f("data: a\n", "data: a\n\n")
	f("data: a\r\n", "data: a\r\n\n")
	f("data: a\r", "data: a\r\n\n")
	f("data: a\n\n", "data: a\n\n")
	f("data: a\r\n\r", "data: a\r\n\r\n\n")
}

func TestPureCRStreamIsNotHeldBack(t *testing.T) {
	t.Parallel()
	var r Reader
	if _, err := r.Fill(strings.NewReader("data: a\r\r")); err != nil {
		t.Fatal(err)
	}
	if ev, ok, err := r.Next(); !ok || err != nil || string(ev.Data) != "a" {
		t.Fatalf("Next = %q, %t, %v", ev.Data, ok, err)
	}
}

func TestEventLimit(t *testing.T) {
	t.Parallel()
	f := func(text string, limit int, want string) {
		t.Helper()
		for _, src := range []io.Reader{strings.NewReader(text), &pieces{[]byte(text[:3]), []byte(text[3:])}} {
			_, _, err := readAll(t, src, limit)
			var over *LimitError
			if want == "" && err != nil || want != "" && (!errors.As(err, &over) || over.Limit != limit || over.What != want) {
				t.Errorf("%d bytes, limit %d: error %v, want %q", len(text), limit, err, want)
			}
		}
	}
	long := strings.Repeat("x", 10_000)
	f("data: 1234\n\n", 12, "")
	f("data: 1234\n\n", 11, "SSE event")
	f("data: "+long, 5000, "SSE line")
	f("data: "+long+"\n\n", 10_008, "")
	f("data: "+long+"\n\n", 10_007, "SSE event")
	f(strings.Repeat("data: x\n", 1000), 5000, "SSE event")
	f(strings.Repeat("data: x\n\n", 1000), 20, "")
}

func TestLimitErrorStays(t *testing.T) {
	t.Parallel()
	var r Reader
	r.Reset(4)
	if _, err := r.Fill(strings.NewReader("data: x\n\ndata: y\n\n")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, ok, err := r.Next(); ok || err == nil || err.Error() != "SSE event is over the limit of 4 bytes" {
			t.Fatalf("Next = %t, %v", ok, err)
		}
	}
	if _, ok := r.Last(); ok {
		t.Error("Last gives an event after an error")
	}
}

func TestBufferGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	var r Reader
	r.Reset(1 << 20)
	feed := func(text string) {
		t.Helper()
		src := strings.NewReader(text)
		for events := 0; events == 0; {
			if _, err := r.Fill(src); err != nil {
				t.Fatal(err)
			}
			for {
				ev, ok, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				if string(ev.Raw) != text {
					t.Fatalf("event of %d bytes came back as %d", len(text), len(ev.Raw))
				}
				events++
			}
		}
	}
	small := "data: x\n\n"
	feed(small)
	if len(r.buf) != firstBuffer {
		t.Errorf("buffer begins with %d bytes", len(r.buf))
	}
	feed("data: " + strings.Repeat("x", 500_000) + "\n\n")
	if len(r.buf) < 500_000 {
		t.Errorf("buffer has %d bytes after a large event", len(r.buf))
	}
	feed(small)
	feed(small)
	if len(r.buf) != firstBuffer {
		t.Errorf("buffer has %d bytes when the large event is long gone", len(r.buf))
	}
	feed("data: " + strings.Repeat("x", 10_000) + "\n\n")
	for range shrinkAfter {
		feed(small)
	}
	if len(r.buf) <= firstBuffer {
		t.Error("a moderate buffer is given back too soon")
	}
	feed(small)
	if len(r.buf) != firstBuffer {
		t.Errorf("buffer has %d bytes after many small events", len(r.buf))
	}
}

const sampleChunk = `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012","object":"chat.completion.chunk","created":1763700000,` +
	`"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":" token"},` +
	`"logprobs":null,"finish_reason":null}]}` + "\n\n"

// loop is a source that repeats its text for ever, one copy a read.
type loop struct{ text []byte }

func (l *loop) Read(b []byte) (int, error) { return copy(b, l.text), nil }

func TestReaderDoesNotAllocate(t *testing.T) {
	for _, text := range []string{sampleChunk, ": ping\n\n", "event: x\ndata: a\ndata: b\r\ndata: c\r\n\r\n"} {
		var r Reader
		src := &loop{[]byte(text)}
		step := func() {
			if _, err := r.Fill(src); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := r.Next(); !ok || err != nil {
				t.Fatal("no event", err)
			}
		}
		step()
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%q: %v allocations an event", text, n)
		}
	}
}

func TestAppendEvent(t *testing.T) {
	t.Parallel()
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(AppendData(nil, "x"), "data: x\n\n")
	f(AppendData([]byte("<"), []byte("a\nb\r\nc\rd")), "<data: a\ndata: b\ndata: c\ndata: d\n\n")
	f(AppendEvent(nil, "error", "{}"), "event: error\ndata: {}\n\n")
	f(AppendComment(nil, "wait"), ": wait\n\n")
}

func BenchmarkReader(b *testing.B) {
	var r Reader
	src := &loop{[]byte(sampleChunk)}
	b.SetBytes(int64(len(sampleChunk)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Fill(src); err != nil {
			b.Fatal(err)
		}
		if _, ok, err := r.Next(); !ok || err != nil {
			b.Fatal("no event", err)
		}
	}
}

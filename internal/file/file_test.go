package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIsID(t *testing.T) {
	t.Parallel()
	f := func(id string, want bool) {
		t.Helper()
		if IsID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
	f("file-01KAH0000000000000000ABCDE", true)
	f("file-01KAH0000000000000000ABCD", false)
	f("file-01KAH0000000000000000ABCDEF", false)
	f("file-01kah0000000000000000abcde", false)
	f("file-01KAH0000000000000000ABCDI", false)
	f("file_01KAH0000000000000000ABCDE", false)
	f("file-abc123", false)
	f("file-01KAH0000000000000000ABC\x00E", false)
	f("", false)
}

func TestMimeType(t *testing.T) {
	t.Parallel()
	f := func(stated, name, head, want string) {
		t.Helper()
		if got := mimeType(stated, name, []byte(head)); got != want {
			t.Errorf("%q %q %q: %s, want %s", stated, name, head, got, want)
		}
	}
	f("text/csv; charset=utf-8", "a.pdf", "%PDF-", "text/csv")
	f("application/octet-stream", "a.PDF", "x", "application/pdf")
	f("", "rows.jsonl", "{}", "application/jsonl")
	f("nonsense", "a.md", "x", "text/markdown")
	f("", "a", "%PDF-1.7", "application/pdf")
	f("", "a.b", "\x89PNG\r\n\x1a\n", "image/png")
	f("", "", "plain", "text/plain")
	f("", "", "\x00\x01", "application/octet-stream")
}

// memory is a Keeper of one file.
type memory struct {
	Keeper
	chunks [][]byte
	most   int // chunks of one call
}

func (m *memory) CreateFile(context.Context, string, string, time.Time) error { return nil }
func (m *memory) FinishFile(context.Context, *File) error                     { return nil }

func (m *memory) AppendFile(_ context.Context, _ string, first int, chunks [][]byte, _ time.Time, _ int64) error {
	if first != len(m.chunks) {
		return errors.New("chunks come in another order")
	}
	m.most = max(m.most, len(chunks))
	for _, c := range chunks {
		m.chunks = append(m.chunks, bytes.Clone(c))
	}
	return nil
}

func (m *memory) FileChunk(_ context.Context, _ string, n int) ([]byte, error) {
	if n >= len(m.chunks) {
		return nil, ErrNotFound
	}
	return m.chunks[n], nil
}

// TestChunks cuts files of any size, read in pieces of any size, into chunks of one size.
func TestChunks(t *testing.T) {
	t.Parallel()
	f := func(size int, wrap func(io.Reader) io.Reader) {
		t.Helper()
		data := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		m := &memory{}
		u, err := Begin(t.Context(), m, "file-x", "", time.Now(), Config{MaxFile: int64(size), MaxBytes: 1 << 40, Retention: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Receive(t.Context(), wrap(bytes.NewReader(data))); err != nil {
			t.Fatal(err)
		}
		file, err := u.Finish(t.Context(), "a", "batch", "", 0)
		if err != nil || file.Bytes != int64(size) || u.Bytes() != int64(size) {
			t.Fatalf("%d bytes: %+v, %v", size, file, err)
		}
		for i, c := range m.chunks[:max(len(m.chunks)-1, 0)] {
			if len(c) != ChunkSize {
				t.Errorf("%d bytes: chunk %d has %d", size, i, len(c))
			}
		}
		var got []byte
		if err := Each(t.Context(), m, file, func(c []byte) error {
			got = append(got, c...)
			return nil
		}); err != nil || !bytes.Equal(got, data) || m.most > batchChunks {
			t.Errorf("%d bytes: %d came back, %d chunks at once, %v", size, len(got), m.most, err)
		}
	}
	same := func(r io.Reader) io.Reader { return r }
	for _, size := range []int{0, 1, sniffed + 1, firstBuffer, ChunkSize - 1, ChunkSize, batchChunks * ChunkSize, batchChunks*ChunkSize + 1, 9*ChunkSize + 7} {
		f(size, same)
		f(size, iotest.HalfReader)
		f(size, iotest.DataErrReader)
	}
	f(2000, iotest.OneByteReader)
}

func TestEachNoticesWhatIsMissing(t *testing.T) {
	t.Parallel()
	m := &memory{chunks: [][]byte{make([]byte, ChunkSize), make([]byte, 3)}}
	f := func(size int64, stop, want error, says string) {
		t.Helper()
		err := Each(t.Context(), m, &File{ID: "file-x", Bytes: size}, func([]byte) error { return stop })
		if want != nil && !errors.Is(err, want) || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%d bytes: %v, want %v %q", size, err, want, says)
		}
	}
	f(ChunkSize+4, nil, nil, "chunk 1 of file-x: it has 3 bytes instead of 4")
	f(3*ChunkSize, nil, nil, "3 bytes instead of 262144")
	m.chunks[1] = make([]byte, ChunkSize)
	f(3*ChunkSize, nil, ErrNotFound, "")
	f(3*ChunkSize, io.ErrClosedPipe, io.ErrClosedPipe, "")
}

// broom counts how often it is used, and fails at first.
type broom struct{ times int }

func (b *broom) CleanFiles(context.Context, time.Time) (int64, error) {
	b.times++
	if b.times == 1 {
		return 0, errors.New("away")
	}
	return 1, nil
}

func TestClean(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var b broom
		var log bytes.Buffer
		done := make(chan struct{})
		go func() {
			Clean(ctx, &b, slog.New(slog.NewTextHandler(&log, nil)))
			close(done)
		}()
		time.Sleep(time.Hour) // of the bubble
		end()
		<-done
		if b.times < 10 || b.times > 13 {
			t.Errorf("cleaned %d times in an hour", b.times)
		}
		if !strings.Contains(log.String(), "away") || !strings.Contains(log.String(), "files=1") {
			t.Errorf("log: %s", log.String())
		}
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	f := func(maxBytes, maxFile int64, want string) {
		t.Helper()
		got := ""
		c := Config{MaxBytes: maxBytes, MaxFile: maxFile}
		c.Validate(func(key, _ string) { got += key })
		if got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
	f(1<<20, 1<<20-Overhead, "")
	f(1<<20, 1<<20-Overhead+1, "max_file")
	var c Config
	c.SetDefaults()
	f(c.MaxBytes, c.MaxFile, "")
}

package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"sluice/internal/file"
	"sluice/internal/store"
)

// watched counts what goes into a store and what comes out.
type watched struct {
	*store.Store
	stored, fetched int64
	fail            error // of what is asked next
}

func (k *watched) AppendFile(ctx context.Context, id string, first int, chunks [][]byte, now time.Time, maxBytes int64) error {
	if k.fail != nil {
		return k.fail
	}
	for _, c := range chunks {
		k.stored += int64(len(c))
	}
	return k.Store.AppendFile(ctx, id, first, chunks, now, maxBytes)
}

func (k *watched) FileChunk(ctx context.Context, id string, n int) ([]byte, error) {
	if k.fail != nil {
		return nil, k.fail
	}
	b, err := k.Store.FileChunk(ctx, id, n)
	k.fetched += int64(len(b))
	return b, err
}

// source makes the bytes of a large file as they are read, and looks at how far what is stored is behind.
type source struct {
	size, made int64
	stored     *int64
	lag        int64 // most
	end        func() error
}

func (g *source) Read(p []byte) (int, error) {
	g.lag = max(g.lag, g.made-*g.stored)
	n := int(min(int64(len(p)), g.size-g.made))
	for i := range p[:n] {
		p[i] = pattern(g.made + int64(i))
	}
	if g.made += int64(n); n == 0 {
		return 0, g.end()
	}
	return n, nil
}

func pattern(at int64) byte { return byte(at>>16*31 + at) }

// sink takes an answer, and looks at how far it is behind what was fetched.
type sink struct {
	http.ResponseWriter
	got     int64
	fetched *int64
	lag     int64
	wrong   bool
}

func (s *sink) Write(p []byte) (int, error) {
	s.lag = max(s.lag, *s.fetched-s.got)
	for i, c := range p {
		s.wrong = s.wrong || c != pattern(s.got+int64(i))
	}
	s.got += int64(len(p))
	return len(p), nil
}

// TestLargeFilesAreStreamed proves that no more than a few chunks of a file are in memory: what was read of it is stored, but for one
// batch of chunks, and what was fetched of it is written, but for one chunk.
func TestLargeFilesAreStreamed(t *testing.T) {
	t.Parallel()
	const size, batch = 64 << 20, 4 * file.ChunkSize
	sh := newShelf(t, nil)
	k := &watched{Store: sh.store}
	sh.files = k
	form, kind := formOf(t, "purpose", "batch", "file:big.jsonl", "HERE")
	head, tail, _ := strings.Cut(form, "HERE")
	g := &source{size: size, stored: &k.stored, end: func() error { return io.EOF }}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/files", io.MultiReader(strings.NewReader(head), g, strings.NewReader(tail)))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+keyA)
	w := httptest.NewRecorder()
	sh.ServeHTTP(w, r)
	var f fileJSON
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || f.Bytes != size || k.stored != size {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if limit := int64(batch + 64<<10); g.lag > limit {
		t.Errorf("%d bytes were read before they were stored, want at most %d", g.lag, limit)
	}
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/files/"+f.ID+"/content", nil)
	r.Header.Set("Authorization", "Bearer "+keyA)
	out := &sink{ResponseWriter: httptest.NewRecorder(), fetched: &k.fetched}
	sh.ServeHTTP(out, r)
	if out.got != size || out.wrong || out.lag > file.ChunkSize {
		t.Errorf("%d bytes came back, wrong: %v, at most %d behind", out.got, out.wrong, out.lag)
	}
	want(t, "delete", sh.ask(http.MethodDelete, "/v1/files/"+f.ID, ""), http.StatusOK, "")
	sh.empty("deleted")
}

// TestUploadIsAborted: a client that leaves in the middle leaves nothing behind, nor does a database that fails.
func TestUploadIsAborted(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	k := &watched{Store: sh.store}
	sh.files = k
	form, kind := formOf(t, "purpose", "batch", "file:big.jsonl", "HERE")
	head, _, _ := strings.Cut(form, "HERE")
	ctx, leave := context.WithCancel(t.Context())
	g := &source{size: 3 << 20, stored: &k.stored, end: func() error {
		leave()
		return io.ErrUnexpectedEOF
	}}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/files", io.MultiReader(strings.NewReader(head), g))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+keyA)
	w := httptest.NewRecorder()
	sh.ServeHTTP(w, r)
	want(t, "left", w, 499, "client_closed_request")
	if k.stored < 2<<20 {
		t.Errorf("%d bytes were stored before", k.stored)
	}
	sh.empty("left")

	k.fail = errors.New("away: password hunter2")
	w = sh.upload("purpose", "batch", "file:a", "x")
	want(t, "database away", w, http.StatusServiceUnavailable, "store_unavailable")
	if strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("told: %s", w.Body)
	}
	k.fail = nil
	sh.empty("database away")
	id := sh.keep("a.txt", strings.Repeat("x", 600<<10))
	k.fail = errors.New("away")
	want(t, "read", sh.ask(http.MethodGet, "/v1/files/"+id+"/content", ""), http.StatusServiceUnavailable, "store_unavailable")
	want(t, "call", sh.ask(http.MethodPost, "/v1/chat/completions", `{"model":"smart","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"`+id+`"}}]}]}`),
		http.StatusServiceUnavailable, "store_unavailable")
}

// TestUploadsShareAConnection: a form is read to its end, so that its connection can be used again.
func TestUploadsShareAConnection(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	srv := httptest.NewServer(sh)
	defer srv.Close()
	for i, tail := range []string{"", "an epilogue", strings.Repeat("x", 100<<10), ""} {
		body, kind := formOf(t, "purpose", "batch", "file:a", strings.Repeat("x", 100<<10))
		reused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/v1/files", strings.NewReader(body+tail))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+keyA)
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%d %s %v", resp.StatusCode, b, err)
		}
		_ = resp.Body.Close() // read to its end
		if i > 0 && !reused {
			t.Errorf("upload %d has a connection of its own", i)
		}
	}
}

// TestContentThatBreaksOff: a file that is deleted while it is read must not look complete.
func TestContentThatBreaksOff(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	id := sh.keep("a.txt", strings.Repeat("x", 3*file.ChunkSize))
	sh.files = &deleting{Store: sh.store, id: id}
	srv := httptest.NewServer(sh)
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1/files/"+id+"/content", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+keyA)
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d with %d bytes looks complete", resp.StatusCode, len(b))
	}
}

// deleting is a store in which somebody deletes a file once its first chunk was read.
type deleting struct {
	*store.Store
	id string
}

func (d *deleting) FileChunk(ctx context.Context, id string, n int) ([]byte, error) {
	if n == 1 {
		if err := d.DeleteFile(ctx, "team-a", d.id, time.Now()); err != nil {
			return nil, err
		}
	}
	return d.Store.FileChunk(ctx, id, n)
}

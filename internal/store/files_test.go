package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/file"
)

// fileID returns the id of the n-th file.
func fileID(n int) string { return fmt.Sprintf("%s01KAH%021d", file.Prefix, n) }

// fileConf is what the tests' files may take.
func fileConf() file.Config {
	return file.Config{Retention: time.Hour, MaxBytes: 64 << 20, MaxFile: 20 << 20}
}

// contents returns n bytes that differ from chunk to chunk.
func contents(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

// keepFile uploads a file of an owner, made some minutes after start.
func keepFile(t *testing.T, s *Store, key string, n int, purpose string, data []byte) *file.File {
	t.Helper()
	u, err := file.Begin(t.Context(), s, fileID(n), key, start.Add(time.Duration(n)*time.Minute), fileConf())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Receive(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f, err := u.Finish(t.Context(), "a.txt", purpose, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readFile returns the contents of a file.
func readFile(ctx context.Context, s *Store, f *file.File) ([]byte, error) {
	var b []byte
	err := file.Each(ctx, s, f, func(p []byte) error {
		b = append(b, p...)
		return nil
	})
	return b, err
}

// count returns how many rows a table has.
func count(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	if err := s.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFilesComeBackAsStored(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		for i, size := range []int{0, 1, file.ChunkSize - 1, file.ChunkSize, file.ChunkSize + 1, 4 * file.ChunkSize, 9*file.ChunkSize + 17} {
			want := contents(size)
			f := keepFile(t, s, "team", i, "user_data", want)
			other := open()
			got, err := other.File(t.Context(), "team", f.ID, start)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(*f, got); d != "" {
				t.Errorf("%d bytes (-want +got):\n%s", size, d)
			}
			if data, err := readFile(t.Context(), other, &got); err != nil || !bytes.Equal(data, want) {
				t.Errorf("%d bytes came back as %d, %v", size, len(data), err)
			}
			// Read in pieces of any size it is stored the same.
			u, err := file.Begin(t.Context(), s, fileID(100+i), "team", start, fileConf())
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Receive(t.Context(), iotest.HalfReader(bytes.NewReader(want))); err != nil {
				t.Fatal(err)
			}
			again, err := u.Finish(t.Context(), "a\x00b\xff.txt", "vision", "text/x-odd; a=b", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if again.MIME != "text/x-odd" || !again.Expires.Equal(start.Add(time.Minute)) {
				t.Errorf("it has %s until %v", again.MIME, again.Expires)
			}
			if data, err := readFile(t.Context(), s, again); err != nil || !bytes.Equal(data, want) {
				t.Errorf("%d bytes in halves came back as %d, %v", size, len(data), err)
			}
		}
	})
}

func TestFilesHaveOwners(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		theirs := keepFile(t, s, "other", 1, "user_data", []byte("secret"))
		f := func(name string, err error) {
			t.Helper()
			if !errors.Is(err, file.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		for _, id := range []string{theirs.ID, fileID(2), "", "file-x", "a\x00b", "\xff", strings.Repeat("x", 1000), strings.ToLower(theirs.ID)} {
			_, err := s.File(t.Context(), "team", id, start)
			f("read "+id, err)
			f("delete "+id, s.DeleteFile(t.Context(), "team", id, start))
		}
		if all, more, err := s.Files(t.Context(), "team", file.Page{Limit: 10}, start); err != nil || len(all) > 0 || more {
			t.Errorf("listed %v, %v, %v", all, more, err)
		}
		if _, err := s.FileChunk(t.Context(), theirs.ID, 1); !errors.Is(err, file.ErrNotFound) {
			t.Errorf("a chunk behind the end: %v", err)
		}
		if err := s.DeleteFile(t.Context(), "other", theirs.ID, start); err != nil {
			t.Error(err)
		}
		f("delete again", s.DeleteFile(t.Context(), "other", theirs.ID, start))
		_, err := readFile(t.Context(), s, theirs)
		f("read deleted", err)
		if n, m := count(t, s, "files"), count(t, s, "file_chunks"); n+m > 0 {
			t.Errorf("%d rows and %d chunks are left", n, m)
		}
	})
}

func TestUploadThatBreaksOff(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		broken := errors.New("the client left")
		u, err := file.Begin(t.Context(), s, fileID(1), "team", start, fileConf())
		if err != nil {
			t.Fatal(err)
		}
		r := io.MultiReader(bytes.NewReader(contents(9*file.ChunkSize)), iotest.ErrReader(broken))
		if err := u.Receive(t.Context(), r); !errors.Is(err, broken) {
			t.Fatalf("receive: %v", err)
		}
		if count(t, s, "file_chunks") == 0 {
			t.Error("nothing was stored on the way: the upload was kept in memory")
		}
		if _, err := s.File(t.Context(), "team", fileID(1), start); !errors.Is(err, file.ErrNotFound) {
			t.Errorf("an unfinished upload can be read: %v", err)
		}
		if all, _, err := s.Files(t.Context(), "team", file.Page{Limit: 10}, start); err != nil || len(all) > 0 {
			t.Errorf("an unfinished upload is listed: %v, %v", all, err)
		}
		if err := s.DeleteFile(t.Context(), "team", fileID(1), start); !errors.Is(err, file.ErrNotFound) {
			t.Errorf("an unfinished upload can be deleted: %v", err)
		}
		if err := u.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, m := count(t, s, "files"), count(t, s, "file_chunks"); n+m > 0 {
			t.Errorf("%d rows and %d chunks are left", n, m)
		}
		if err := s.AppendFile(t.Context(), fileID(1), 0, [][]byte{{1}}, start, 1<<30); !errors.Is(err, file.ErrNotFound) {
			t.Errorf("append to what was given up: %v", err)
		}
		if _, err := u.Finish(t.Context(), "x", "batch", "", 0); !errors.Is(err, file.ErrNotFound) {
			t.Errorf("finish what was given up: %v", err)
		}
		if err := s.RemoveFile(t.Context(), fileID(1)); err != nil {
			t.Errorf("remove what is not there: %v", err)
		}
	})
}

func TestFileLimits(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		f := func(n, size int, c file.Config, want error) {
			t.Helper()
			u, err := file.Begin(t.Context(), s, fileID(n), "team", start, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Receive(t.Context(), bytes.NewReader(contents(size))); !errors.Is(err, want) {
				t.Errorf("%d bytes: %v, want %v", size, err, want)
			}
			if err := u.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		}
		c := file.Config{Retention: time.Hour, MaxBytes: 4 << 20, MaxFile: 3 << 20}
		f(1, 3<<20, c, nil)
		f(2, 3<<20+1, c, file.ErrTooLarge)
		keepFile(t, s, "other", 3, "batch", contents(2<<20)) // of all owners together
		f(4, 2<<20, c, file.ErrFull)
		f(5, 2<<20-2*file.Overhead, c, nil)
		f(6, 2<<20-2*file.Overhead+1, c, file.ErrFull)
		if n := count(t, s, "files"); n != 1 {
			t.Errorf("%d files are there", n)
		}
		if err := s.CreateFile(t.Context(), "file-short", "team", start); err == nil {
			t.Error("an id of another form was taken")
		}
		if err := s.CreateFile(t.Context(), fileID(3), "team", start); err == nil {
			t.Error("an id was taken twice")
		}
	})
}

func TestListOfFiles(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		for n := 1; n <= 6; n++ {
			keepFile(t, s, "team", n, []string{"batch", "vision"}[n%2], []byte("x"))
		}
		keepFile(t, s, "other", 7, "batch", []byte("x"))
		f := func(p file.Page, now time.Time, more bool, want ...int) {
			t.Helper()
			all, isMore, err := s.Files(t.Context(), "team", p, now)
			if err != nil {
				t.Fatal(err)
			}
			var got, ids []string
			for i := range all {
				got = append(got, all[i].ID)
			}
			for _, n := range want {
				ids = append(ids, fileID(n))
			}
			if d := cmp.Diff(ids, got); d != "" || more != isMore {
				t.Errorf("%+v: more %v (-want +got):\n%s", p, isMore, d)
			}
		}
		f(file.Page{Limit: 100}, start, false, 6, 5, 4, 3, 2, 1)
		f(file.Page{Limit: 6}, start, false, 6, 5, 4, 3, 2, 1)
		f(file.Page{Limit: 4}, start, true, 6, 5, 4, 3)
		f(file.Page{Limit: 4, After: fileID(3)}, start, false, 2, 1)
		f(file.Page{Limit: 1, After: fileID(3)}, start, true, 2)
		f(file.Page{Limit: 3, Asc: true}, start, true, 1, 2, 3)
		f(file.Page{Limit: 3, Asc: true, After: fileID(3)}, start, false, 4, 5, 6)
		f(file.Page{Limit: 2, Purpose: "vision"}, start, true, 5, 3)
		f(file.Page{Limit: 2, Purpose: "vision", After: fileID(3)}, start, false, 1)
		f(file.Page{Limit: 9, Purpose: "evals"}, start, false)
		f(file.Page{Limit: 9, After: "no\x00id"}, start, false, 6, 5, 4, 3, 2, 1) // sorts behind
		// Who deletes what it has listed goes on behind what is gone.
		if err := s.DeleteFile(t.Context(), "team", fileID(4), start); err != nil {
			t.Fatal(err)
		}
		f(file.Page{Limit: 2, After: fileID(4)}, start, true, 3, 2)
		f(file.Page{Limit: 9}, start.Add(62*time.Minute), false, 6, 5, 3) // 1 and 2 have expired
	})
}

func TestConcurrentReadsOfFiles(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		want := contents(5*file.ChunkSize + 5)
		f := keepFile(t, s, "team", 1, "batch", want)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if got, err := readFile(t.Context(), s, f); err != nil || !bytes.Equal(got, want) {
					t.Errorf("reader %d: %d bytes, %v", i, len(got), err)
				}
			})
			wg.Go(func() { // beside uploads
				u, err := file.Begin(t.Context(), s, fileID(10+i), "team", start, fileConf())
				if err == nil {
					err = u.Receive(t.Context(), bytes.NewReader(want))
				}
				if err == nil {
					err = u.Abort(t.Context())
				}
				if err != nil {
					t.Errorf("upload %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		// A reader that is under way when the file goes is told so; it does not take what it has for all.
		err := file.Each(t.Context(), s, f, func([]byte) error { return s.DeleteFile(t.Context(), "team", f.ID, start) })
		if !errors.Is(err, file.ErrNotFound) {
			t.Errorf("deleted while it is read: %v", err)
		}
	})
}

func TestCleanFiles(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		f := func(now time.Time, deleted int64, rows, chunks int) {
			t.Helper()
			if n, err := s.CleanFiles(t.Context(), now); err != nil || n != deleted {
				t.Errorf("%d deleted, %v; want %d", n, err, deleted)
			}
			if n, m := count(t, s, "files"), count(t, s, "file_chunks"); n != rows || m != chunks {
				t.Errorf("%d files and %d chunks are left, want %d and %d", n, m, rows, chunks)
			}
		}
		f(start, 0, 0, 0)
		keepFile(t, s, "team", 1, "batch", contents((removeBatch+3)*file.ChunkSize))
		keepFile(t, s, "team", 2, "batch", contents(1))
		chunks := count(t, s, "file_chunks")
		f(start.Add(time.Hour), 0, 2, chunks)
		f(start.Add(61*time.Minute), 1, 1, 1)

		// An upload that stands still is given up; one that goes on is not.
		if err := s.CreateFile(t.Context(), fileID(3), "team", start); err != nil {
			t.Fatal(err)
		}
		if err := s.AppendFile(t.Context(), fileID(3), 0, [][]byte{{1}, {2}}, start.Add(30*time.Minute), 1<<30); err != nil {
			t.Fatal(err)
		}
		f(start.Add(61*time.Minute), 0, 2, 3)
		f(start.Add(90*time.Minute), 2, 0, 0) // and the second has expired

		// What an interruption of a removal has left goes.
		keepFile(t, s, "team", 4, "batch", contents(3))
		if _, err := s.write.ExecContext(t.Context(), "UPDATE files SET status = 'removed'"); err != nil {
			t.Fatal(err)
		}
		f(start, 1, 0, 0)
	})
}

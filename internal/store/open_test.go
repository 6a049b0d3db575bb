package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/internal/testenv"
)

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	f := func(name, dsn, dir string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), dsn, dir)
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			for _, w := range []string{"hunter2", "%zz"} {
				if strings.Contains(err.Error(), w) {
					t.Errorf("error %q holds the password", err)
				}
			}
		})
	}
	tmp := t.TempDir()
	file := filepath.Join(tmp, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("data directory is a file", "", file, "data directory "+file)
	f("data directory under a file", "", filepath.Join(file, "sub"), "data directory", "not a directory")

	asDir := filepath.Join(tmp, "a")
	if err := os.MkdirAll(filepath.Join(asDir, sqliteFile), 0o700); err != nil {
		t.Fatal(err)
	}
	f("database is a directory", "", asDir, asDir, "writable", "is a directory")

	other := filepath.Join(tmp, "b")
	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, sqliteFile), []byte(strings.Repeat("this is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	f("not a database", "", other, filepath.Join(other, sqliteFile), "not a database of Sluice")

	f("other kind of DSN", "mysql://root:hunter2@db/x", "", "postgres://")
	f("malformed DSN", "postgres://me:hunter2@host:port/x", "", "cannot be read", "postgres://user:password@host")
	f("malformed escape", "postgres://me:%zz@host/x", "", "cannot be read")
	f("no server", "postgres://me:hunter2@127.0.0.1:1/x", "", "postgres 127.0.0.1:1/x as user me", "cannot be reached", "refused")
}

func TestOpenNewerSchema(t *testing.T) {
	t.Parallel()
	f := func(name, dsn, dir string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), dsn, dir)
			if err != nil {
				t.Fatal(err)
			}
			insert := s.dialect.rebind("INSERT INTO schema_version (version_id, is_applied) VALUES (?, ?)")
			if _, err := s.write.ExecContext(t.Context(), insert, 9999, true); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, err = Open(t.Context(), dsn, dir)
			if err == nil {
				s.Close()
				t.Fatal("Open succeeded")
			}
			for _, w := range []string{"version 9999", "newer sluice"} {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
	f("sqlite", "", t.TempDir())
	f("postgres", testenv.Database(t), "")
}

// TestOpenTogether opens one fresh database from many sides at once: all must find, or make, the same schema.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	f := func(name, dsn, dir string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					s, err := Open(t.Context(), dsn, dir)
					if err != nil {
						t.Error(err)
						return
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
	f("sqlite", "", t.TempDir())
	f("postgres", testenv.Database(t), "")
}

func TestOddDirectoryNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "question?mark", "per%20cent", "hash#tag", "ümlaut", "amp&ersand=1;x"} {
		dir := filepath.Join(t.TempDir(), name)
		s, err := Open(t.Context(), "", dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		mustWrite(t, s, call(1))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		fi, err := os.Stat(filepath.Join(dir, sqliteFile))
		if err != nil || fi.Size() == 0 {
			t.Errorf("%s: the database is not where it should be: %v", name, err)
			continue
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: the database has mode %v, want 0600", name, fi.Mode())
		}
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustWrite(t, s, call(0))
	limit := func(pages int) {
		t.Helper()
		if _, err := s.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(20)
	rows := calls(2000)
	if err := s.WriteCalls(t.Context(), rows); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("error = %v, want one that says that the disk is full", err)
	}
	limit(1 << 30)
	mustWrite(t, s, rows...)
	if got := all(t, s, Filter{}, 1000); len(got) != len(rows) {
		t.Errorf("%d rows after there was room again, want %d", len(got), len(rows))
	}
}

// TestDurableSettings holds what a killed or powerless machine relies on.
func TestDurableSettings(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "busy_timeout": "5000"} {
		var got string
		if err := s.write.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := s.read.Exec("DELETE FROM calls"); err == nil {
		t.Error("the pool for reading can write")
	}
}

// TestConnectionsLost cuts all connections to the server, as its restart does: the ledger's next tries must get through.
func TestConnectionsLost(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	open := func() *Store {
		s, err := Open(t.Context(), dsn, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	s, other := open(), open()
	mustWrite(t, s, call(0))
	if _, err := other.write.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 5 {
		if err = s.WriteCalls(t.Context(), calls(10)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("five tries after the connections were lost: %v", err)
	}
	if got := all(t, s, Filter{}, 100); len(got) != 10 {
		t.Errorf("%d rows, want 10", len(got))
	}
}

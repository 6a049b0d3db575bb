package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInspectSQLite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	i, err := Inspect(t.Context(), "", dir)
	if err != nil || i.Version != 0 || i.Newest == 0 || !strings.HasSuffix(i.Name, sqliteFile) {
		t.Fatalf("nothing there: %+v, %v", i, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("looking made the directory")
	}
	s, err := Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	while, err := Inspect(t.Context(), "", dir)
	if err != nil || while.Version != while.Newest {
		t.Errorf("while it is open: %+v, %v", while, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if i, err := Inspect(t.Context(), "", dir); err != nil || i != while {
		t.Errorf("closed: %+v, %v", i, err)
	}
	if err := os.WriteFile(filepath.Join(dir, sqliteFile), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if i, err := Inspect(t.Context(), "", dir); err == nil || !strings.Contains(err.Error(), sqliteFile) {
		t.Errorf("another file: %+v, %v", i, err)
	}
}

func TestInspectPostgresThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := func(dsn string, want ...string) {
		t.Helper()
		_, err := Inspect(t.Context(), dsn, "")
		if err == nil {
			t.Fatalf("%s: no error", dsn)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", dsn, err, w)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is shown: %v", err)
		}
	}
	f("postgres://sluice:hunter2@127.0.0.1:1/db", "postgres 127.0.0.1:1/db as user sluice", "cannot be reached")
	f("postgres://sluice:hunter2@[/db", "cannot be read")
}

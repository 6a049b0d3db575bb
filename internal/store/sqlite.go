package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteFile is the name of the database in the data directory.
const sqliteFile = "sluice.db"

// readers is the size of the pool for queries; WAL lets them run beside the writer.
const readers = 4

// openSQLite opens or makes the database in dir.
func openSQLite(ctx context.Context, dir string) (*Store, error) {
	path, err := sqlitePath(dir)
	if err != nil {
		return nil, err
	}
	name := "sqlite " + path
	fail := func(err error) (*Store, error) { return nil, fmt.Errorf("open %s: %w", name, explainSQLite(err)) }

	// One connection writes: SQLite has one writer anyway, and waiting in Go's pool is fair where its busy handler is
	// not. FULL makes a commit durable against power loss; the ledger commits in groups, so it costs little.
	write, err := sql.Open("sqlite", sqliteDSN(path, "synchronous(FULL)")+"&_txlock=immediate")
	if err != nil {
		return fail(err)
	}
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write, goose.DialectSQLite3, "sqlite"); err != nil {
		return fail(errors.Join(err, write.Close()))
	}
	read, err := sql.Open("sqlite", sqliteDSN(path, "query_only(1)"))
	if err != nil {
		return fail(errors.Join(err, write.Close()))
	}
	read.SetMaxOpenConns(readers)
	calls, err := newSQLiteCalls(ctx, write)
	if err != nil {
		return fail(errors.Join(err, read.Close(), write.Close()))
	}
	return &Store{
		name:    name,
		dialect: sqliteDialect(),
		write:   write,
		read:    read,
		calls:   calls,
		// The writer last: it checkpoints, and removes the WAL, when no one else has the file open.
		closers: []func() error{calls.close, read.Close, write.Close},
	}, nil
}

// sqlitePath makes the directory and the file, so that what is wrong with either is said in the system's words.
func sqlitePath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find data directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data directory %s: %w", dir, err)
	}
	path := filepath.Join(dir, sqliteFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("open database in data directory %s (must be writable): %w", dir, err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("open database in data directory %s: %w", dir, err)
	}
	return path, nil
}

// sqliteDSN names a file with the settings that every connection has. Temporary data stays in memory: a statement of many
// rows keeps an undo journal, and in a container with a read-only root its temporary file could not be made.
func sqliteDSN(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "temp_store(MEMORY)"}, pragmas...)}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	u := url.URL{Path: path}
	return "file://" + u.EscapedPath() + "?" + q.Encode()
}

func sqliteDialect() dialect {
	return dialect{
		rebind:   func(q string) string { return q },
		tagMatch: "EXISTS (SELECT 1 FROM json_each(calls.tags) WHERE value = ?)",
		tagJoin:  "JOIN json_each(calls.tags) AS tag",
		explain:  explainSQLite,
	}
}

// explainSQLite adds what to do about an error.
func explainSQLite(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk is full: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("the file and its directory must be writable: %w", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("another process keeps it locked: %w", err)
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the file is not a database of Sluice: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the file is damaged: %w", err)
	}
	return err
}

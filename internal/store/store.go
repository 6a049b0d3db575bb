// Package store keeps what must outlive the process: the rows of the ledger and the keys made at run time. It is the
// adapter between the domain (ledger, auth) and SQL: SQLite in the data directory by default, PostgreSQL when a DSN is
// given, with one behaviour for both. It owns the schema and its migrations. It runs no goroutines but those of the
// drivers' pools; Close ends them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"sluice/internal/auth"
	"sluice/internal/ledger"
)

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	// Set once.
	name    string // for messages; holds no secret
	dialect dialect
	write   *sql.DB
	read    *sql.DB // may be the same as write
	calls   callWriter
	closers []func() error // in order
}

// The domain's views of a Store.
var (
	_ ledger.Sink = (*Store)(nil)
	_ auth.Store  = (*Store)(nil)
)

// callWriter is the way of rows into one kind of database.
type callWriter interface {
	// writeCalls stores all rows or none; those whose id is there already stay as they are.
	writeCalls(ctx context.Context, rows []ledger.Row) error
}

// Open opens the database and brings its schema up to date. An empty dsn means SQLite in dataDir, which is created if it
// is missing; a dsn that begins with postgres:// or postgresql:// means PostgreSQL. Several processes may have the same
// database open. Errors name the file or the server, and never hold a password. ctx bounds the opening only.
func Open(ctx context.Context, dsn, dataDir string) (*Store, error) {
	switch {
	case dsn == "":
		return openSQLite(ctx, dataDir)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return openPostgres(ctx, dsn)
	}
	return nil, errors.New("open database: the DSN must begin with postgres:// (or be empty, for SQLite in the data directory)")
}

// Close waits for what is under way and closes the database.
func (s *Store) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}

// String names the database: its kind and its file or server, without credentials.
func (s *Store) String() string { return s.name }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return s.explain("ping", err)
	}
	return nil
}

// WriteCalls stores rows of the ledger, all or none, and returns when they are durable. Rows whose ID is there already
// stay as they are. Texts are made fit for storage: cut at 512 bytes (tags: 64 of 256 bytes), without NUL bytes, valid
// UTF-8; so no row can be refused for what a client put into it.
func (s *Store) WriteCalls(ctx context.Context, rows []ledger.Row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.calls.writeCalls(ctx, rows); err != nil {
		return s.explain(fmt.Sprintf("write %d calls", len(rows)), err)
	}
	return nil
}

// explain says what was tried on which database, and for the errors that an operator can mend, how.
func (s *Store) explain(verb string, err error) error {
	return fmt.Errorf("%s: %s: %w", verb, s.name, s.dialect.explain(err))
}

// dialect is where the two kinds of database differ in ways that a query can see.
type dialect struct {
	rebind   func(query string) string // from ? to the database's own placeholders
	tagMatch string                    // condition: the row has the tag ?
	tagJoin  string                    // joins calls with its tags; the tag is tag.value
	keyLock  string                    // statement that serializes changes of keys within a transaction; empty if they are
	explain  func(error) error         // adds what to do about an error
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"sluice/internal/ledger"
)

// sqliteCalls writes rows by statements of many rows, which halves the cost per row.
type sqliteCalls struct {
	db    *sql.DB
	sizes []int       // rows of each statement, largest first; the last is 1
	stmts []*sql.Stmt // by size
	days  [2]*sql.Stmt

	mu   sync.Mutex // one group at a time
	args []any      // reused
}

// Statements that add to the sums of a day: of a key, and of an end user.
var sqliteDays = [2]string{
	"INSERT INTO key_days (day, key_name, requests, tokens, nano_usd) VALUES (?,?,?,?,?) ON CONFLICT (day, key_name) DO UPDATE SET " + addDays("key_days", "MIN"),
	"INSERT INTO user_days (day, key_name, user_name, requests, tokens, nano_usd) VALUES (?,?,?,?,?,?) " +
		"ON CONFLICT (key_name, user_name, day) DO UPDATE SET " + addDays("user_days", "MIN"),
}

func newSQLiteCalls(ctx context.Context, db *sql.DB) (*sqliteCalls, error) {
	w := &sqliteCalls{db: db, sizes: []int{64, 8, 1}}
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(callColumns)), ",") + ")"
	prepare := func(query string) (*sql.Stmt, error) {
		st, err := db.PrepareContext(ctx, query)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare insert of calls: %w", err), w.close())
		}
		return st, nil
	}
	for _, n := range w.sizes {
		// DO NOTHING and not OR IGNORE, which would swallow rows for other reasons too.
		st, err := prepare("INSERT INTO calls (" + strings.Join(callColumns, ", ") + ") VALUES " +
			strings.TrimSuffix(strings.Repeat(row+",", n), ",") + " ON CONFLICT (id) DO NOTHING")
		if err != nil {
			return nil, err
		}
		w.stmts = append(w.stmts, st)
	}
	for i, query := range sqliteDays {
		st, err := prepare(query)
		if err != nil {
			return nil, err
		}
		w.days[i] = st
	}
	return w, nil
}

func (w *sqliteCalls) close() error {
	var errs []error
	for _, st := range append(w.stmts, w.days[:]...) {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

// errSomeThere says that some rows of a group were there already.
var errSomeThere = errors.New("some rows are there already")

// writeCalls implements callWriter. A group that was written before, in part or whole, is written again row by row: the sums of days must have each
// row once, and a statement of many rows does not tell which were new.
func (w *sqliteCalls) writeCalls(ctx context.Context, rows []ledger.Row) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { clear(w.args) }()
	err := w.writeGroup(ctx, rows, false)
	if errors.Is(err, errSomeThere) {
		err = w.writeGroup(ctx, rows, true)
	}
	return err
}

// writeGroup writes rows in one transaction, each by itself if single is set.
func (w *sqliteCalls) writeGroup(ctx context.Context, rows []ledger.Row, single bool) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // does nothing after Commit
	var sums daySums
	for i, n := range w.sizes {
		if len(rows) < n || single && n > 1 {
			continue
		}
		st := tx.StmtContext(ctx, w.stmts[i])
		for ; len(rows) >= n; rows = rows[n:] {
			added, err := w.insert(ctx, st, rows[:n])
			switch {
			case err != nil:
				return err
			case added == int64(n):
				sums.add(rows[:n])
			case n > 1:
				return errSomeThere
			}
		}
	}
	if err := w.addSums(ctx, tx, &sums); err != nil {
		return fmt.Errorf("add to the sums of days: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// insert runs one statement for rows and returns how many of them were new.
func (w *sqliteCalls) insert(ctx context.Context, st *sql.Stmt, rows []ledger.Row) (int64, error) {
	w.args = w.args[:0]
	for i := range rows {
		w.args = appendArgs(w.args, &rows[i])
	}
	res, err := st.ExecContext(ctx, w.args...)
	if err != nil {
		return 0, fmt.Errorf("insert: %w", err)
	}
	return res.RowsAffected()
}

// addSums adds a group's sums to those of the days.
func (w *sqliteCalls) addSums(ctx context.Context, tx *sql.Tx, sums *daySums) error {
	for key, s := range sums.byKey {
		st, args := w.days[0], []any{key.day, key.key}
		if key.user != "" {
			st, args = w.days[1], append(args, key.user)
		}
		if _, err := tx.StmtContext(ctx, st).ExecContext(ctx, append(args, s.requests, s.tokens, s.nanoUSD)...); err != nil {
			return err
		}
	}
	return nil
}

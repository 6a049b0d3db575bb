package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/model"
	"sluice/internal/report"
)

// Errors of naming a suite.
var (
	ErrNoSuite    = errors.New("there is no suite")
	ErrManySuites = errors.New("more than one suite fits")
)

// SuiteFilter picks suites. Zero fields pick all.
type SuiteFilter struct {
	Workload string
	From, To time.Time // start: From included, To not
	Limit    int       // only so many of the newest; at most, and by default, 1,000
}

// maxSuites is the largest number of suites of one answer.
const maxSuites = 1000

// SaveSuite stores a suite with its runs, in place of what is there under its ID. What is kept of a run is its summary, its
// load and its verdict: series over time, histograms and records stay in the suite's files.
func (s *Store) SaveSuite(ctx context.Context, suite *report.Suite) error {
	verb := "save suite " + suite.ID
	if suite.ID == "" || suite.ID != clean(suite.ID, maxText) {
		return fmt.Errorf("save suite: its id %.40q must be of 1 to %d bytes of text", suite.ID, maxText)
	}
	head := *suite
	head.Runs = nil
	body, err := json.Marshal(&head)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return s.change(ctx, verb, func(do func(query string, args ...any) error) error {
		for _, table := range []string{"bench_runs WHERE suite_id", "bench_suites WHERE id"} {
			if err := do("DELETE FROM "+table+" = ?", suite.ID); err != nil {
				return err
			}
		}
		if err := do("INSERT INTO bench_suites (id, name, workload, workload_hash, started_us, body) VALUES (?, ?, ?, ?, ?, ?)",
			suite.ID, clean(suite.Name, maxText), clean(suite.Workload.Name, maxText), clean(suite.Workload.Hash, maxText), suite.Started.UnixMicro(), string(body)); err != nil {
			return err
		}
		for i, r := range suite.Runs {
			kept := *r
			kept.Series, kept.Gaps, kept.Bins, kept.Hists = nil, "", nil, nil
			body, err := json.Marshal(&kept)
			if err != nil {
				return err
			}
			if err := do("INSERT INTO bench_runs (suite_id, seq, id, target, region, verdict, started_us, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				suite.ID, i, clean(r.ID, maxText), clean(r.Cell.Target, maxText), clean(r.Cell.Region, maxText), clean(r.Verdict.State, maxText), r.Started.UnixMicro(), string(body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// change runs statements in one transaction.
func (s *Store) change(ctx context.Context, verb string, run func(do func(query string, args ...any) error) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(verb, err)
	}
	defer tx.Rollback() // does nothing after Commit
	err = run(func(query string, args ...any) error {
		_, err := tx.ExecContext(ctx, s.dialect.rebind(query), args...)
		return err
	})
	if err != nil {
		return s.explain(verb, err)
	}
	if err := tx.Commit(); err != nil {
		return s.explain(verb, err)
	}
	return nil
}

// Suites returns the suites that the filter picks, oldest first, with their runs.
func (s *Store) Suites(ctx context.Context, f SuiteFilter) ([]*report.Suite, error) {
	where, args := []string{"1 = 1"}, []any(nil)
	if f.Workload != "" {
		where, args = append(where, "workload = ?"), append(args, clean(f.Workload, maxText))
	}
	if !f.From.IsZero() {
		where, args = append(where, "started_us >= ?"), append(args, f.From.UnixMicro())
	}
	if !f.To.IsZero() {
		where, args = append(where, "started_us < ?"), append(args, f.To.UnixMicro())
	}
	limit := f.Limit
	if limit <= 0 || limit > maxSuites {
		limit = maxSuites
	}
	return s.suites(ctx, strings.Join(where, " AND "), append(args, limit)...)
}

// Suite returns one suite with its runs. The error is ErrNoSuite if it is not there.
func (s *Store) Suite(ctx context.Context, id string) (*report.Suite, error) {
	list, err := s.suites(ctx, "id = ?", id, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w %q", ErrNoSuite, id)
	}
	return list[0], nil
}

// suites reads the newest suites that fit a condition, oldest first. The last of args is their number.
func (s *Store) suites(ctx context.Context, cond string, args ...any) ([]*report.Suite, error) {
	picked := "SELECT id FROM bench_suites WHERE " + cond + " ORDER BY started_us DESC, id DESC LIMIT ?"
	var list []*report.Suite
	byID := map[string]*report.Suite{}
	err := s.each(ctx, "read suites", "SELECT id, body FROM bench_suites WHERE id IN ("+picked+") ORDER BY started_us, id", args,
		func(scan func(...any) error) error {
			var id string
			var body []byte
			if err := scan(&id, &body); err != nil {
				return err
			}
			suite := &report.Suite{}
			if err := json.Unmarshal(body, suite); err != nil {
				return fmt.Errorf("read suite %s: %w", id, err)
			}
			list, byID[id] = append(list, suite), suite
			return nil
		})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	err = s.each(ctx, "read runs", "SELECT suite_id, id, body FROM bench_runs WHERE suite_id IN ("+picked+") ORDER BY suite_id, seq", args,
		func(scan func(...any) error) error {
			var suite, id string
			var body []byte
			if err := scan(&suite, &id, &body); err != nil {
				return err
			}
			run := &report.Run{}
			if err := json.Unmarshal(body, run); err != nil {
				return fmt.Errorf("read run %s of suite %s: %w", id, suite, err)
			}
			if to := byID[suite]; to != nil { // nil for one that was added since the first query
				to.Runs = append(to.Runs, run)
			}
			return nil
		})
	return list, err
}

// each calls f for each row of a query.
func (s *Store) each(ctx context.Context, verb, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind(query), args...)
	if err != nil {
		return s.explain(verb, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return s.explain(verb, err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.explain(verb, err)
	}
	return nil
}

// RemoveSuite deletes a suite with its runs, its annotations and its place as a baseline. The error is ErrNoSuite if it is
// not there.
func (s *Store) RemoveSuite(ctx context.Context, id string) error {
	if _, err := s.Suite(ctx, id); err != nil {
		return err
	}
	return s.change(ctx, "remove suite "+id, func(do func(query string, args ...any) error) error {
		for _, table := range []string{"bench_baseline WHERE suite_id", "bench_annotations WHERE suite_id", "bench_runs WHERE suite_id", "bench_suites WHERE id"} {
			if err := do("DELETE FROM "+table+" = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
}

// FindSuite returns the id of the suite that ref names: an id, "latest", the name of suites, of which it takes the newest,
// or the beginning of one id. The error is ErrNoSuite, with the nearest names, or ErrManySuites with the ids that fit.
func (s *Store) FindSuite(ctx context.Context, ref string) (string, error) {
	type way struct {
		cond string
		args []any
	}
	ref = clean(ref, maxText)
	if ref == "" {
		return "", fmt.Errorf("%w without a name", ErrNoSuite)
	}
	ways := []way{{"id = ?", []any{ref}}, {"name = ?", []any{ref}}}
	if ref == "latest" {
		ways = []way{{"1 = 1", nil}}
	}
	for _, w := range ways {
		var id string
		query := s.dialect.rebind("SELECT id FROM bench_suites WHERE " + w.cond + " ORDER BY started_us DESC, id DESC LIMIT 1")
		err := s.read.QueryRowContext(ctx, query, w.args...).Scan(&id)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return "", s.explain("find suite", err)
		}
	}
	var fit, known []string
	err := s.each(ctx, "find suite", "SELECT id, name FROM bench_suites ORDER BY started_us DESC, id DESC LIMIT ?", []any{maxSuites},
		func(scan func(...any) error) error {
			var id, name string
			if err := scan(&id, &name); err != nil {
				return err
			}
			if strings.HasPrefix(id, ref) {
				fit = append(fit, id)
			}
			known = append(known, id, name)
			return nil
		})
	switch {
	case err != nil:
		return "", err
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return "", fmt.Errorf("%w %q: %s", ErrManySuites, ref, shortList(fit))
	case len(known) == 0:
		return "", fmt.Errorf("%w %q: %s has none", ErrNoSuite, ref, s.name)
	}
	hint := "; `sluice bench history` lists them"
	if near := model.Nearest(ref, known, 3); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return "", fmt.Errorf("%w %q%s", ErrNoSuite, ref, hint)
}

// shortList joins the first names of a list.
func shortList(names []string) string {
	const most = 5
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}

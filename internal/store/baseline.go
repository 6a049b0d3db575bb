package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/report"
)

// ErrNoBaseline is returned where a workload has no baseline.
var ErrNoBaseline = errors.New("there is no baseline")

// Baseline is the suite that others of its workload are held against.
type Baseline struct {
	Workload string
	Suite    string // id
	Set      time.Time
}

// SetBaseline makes a suite the baseline of its workload, in place of the one before. The error is ErrNoSuite if the suite
// is not in the database.
func (s *Store) SetBaseline(ctx context.Context, id string, now time.Time) (Baseline, error) {
	suite, err := s.Suite(ctx, id)
	if err != nil {
		return Baseline{}, err
	}
	b := Baseline{Workload: clean(suite.Workload.Name, maxText), Suite: id, Set: now.Truncate(time.Microsecond)}
	return b, s.change(ctx, "set baseline", func(do func(query string, args ...any) error) error {
		return do("INSERT INTO bench_baseline (workload, suite_id, set_us) VALUES (?, ?, ?)"+
			" ON CONFLICT (workload) DO UPDATE SET suite_id = excluded.suite_id, set_us = excluded.set_us",
			b.Workload, b.Suite, now.UnixMicro())
	})
}

// Baselines returns all baselines, the one that was set last first.
func (s *Store) Baselines(ctx context.Context) ([]Baseline, error) {
	var list []Baseline
	err := s.each(ctx, "read baselines", "SELECT workload, suite_id, set_us FROM bench_baseline ORDER BY set_us DESC, workload", nil,
		func(scan func(...any) error) error {
			var b Baseline
			var us int64
			if err := scan(&b.Workload, &b.Suite, &us); err != nil {
				return err
			}
			b.Set = time.UnixMicro(us)
			list = append(list, b)
			return nil
		})
	return list, err
}

// Baseline returns the baseline of a workload, or, if none is named, the only one there is. The error is ErrNoBaseline if
// there is none.
func (s *Store) Baseline(ctx context.Context, workload string) (Baseline, error) {
	all, err := s.Baselines(ctx)
	if err != nil {
		return Baseline{}, err
	}
	var names []string
	for _, b := range all {
		if b.Workload == clean(workload, maxText) {
			return b, nil
		}
		names = append(names, b.Workload)
	}
	switch {
	case len(all) == 0:
		return Baseline{}, fmt.Errorf("%w; `sluice bench baseline set SUITE` makes one", ErrNoBaseline)
	case workload == "" && len(all) == 1:
		return all[0], nil
	case workload == "":
		return Baseline{}, fmt.Errorf("%w that is the only one: name the workload, one of %s", ErrNoBaseline, shortList(names))
	}
	return Baseline{}, fmt.Errorf("%w of the workload %q; there are those of %s", ErrNoBaseline, workload, shortList(names))
}

// ClearBaseline removes the baseline of a workload. The error is ErrNoBaseline if it has none.
func (s *Store) ClearBaseline(ctx context.Context, workload string) (Baseline, error) {
	b, err := s.Baseline(ctx, workload)
	if err != nil {
		return b, err
	}
	return b, s.change(ctx, "clear baseline", func(do func(query string, args ...any) error) error {
		return do("DELETE FROM bench_baseline WHERE workload = ?", b.Workload)
	})
}

// Annotate stores an annotation and returns it with the ID that it got. The error is ErrNoSuite if its suite is not in the
// database.
func (s *Store) Annotate(ctx context.Context, a report.Annotation) (report.Annotation, error) {
	if _, err := s.Suite(ctx, a.Suite); err != nil {
		return a, err
	}
	a.ID = "n" + strings.ToLower(rand.Text()[:10])
	a.Note, a.Created = clean(a.Note, maxNote), a.Created.Truncate(time.Microsecond)
	return a, s.change(ctx, "annotate suite "+a.Suite, func(do func(query string, args ...any) error) error {
		return do("INSERT INTO bench_annotations (id, suite_id, cell, metric, cause, note, created_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
			a.ID, a.Suite, clean(a.Cell, maxText), clean(a.Metric, maxText), string(a.Cause), a.Note, a.Created.UnixMicro())
	})
}

// maxNote is the length of the longest note, in bytes.
const maxNote = 4096

// Annotations returns all annotations, oldest first.
func (s *Store) Annotations(ctx context.Context) ([]report.Annotation, error) {
	var list []report.Annotation
	err := s.each(ctx, "read annotations", "SELECT id, suite_id, cell, metric, cause, note, created_us FROM bench_annotations ORDER BY created_us, id", nil,
		func(scan func(...any) error) error {
			var a report.Annotation
			var us int64
			if err := scan(&a.ID, &a.Suite, &a.Cell, &a.Metric, &a.Cause, &a.Note, &us); err != nil {
				return err
			}
			a.Created = time.UnixMicro(us)
			list = append(list, a)
			return nil
		})
	return list, err
}

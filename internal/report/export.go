package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/workload"
)

// exporter writes one run in another tool's form.
type exporter interface {
	// add takes a record of the run. It does not keep it.
	add(r *Record) error
	// finish writes the files and returns their paths.
	finish() ([]string, error)
	// drop removes what has been begun.
	drop()
}

// export puts each run's records through an exporter of its own. The file of a cell is read once, for all its runs together.
// Rows that cannot be read are passed over, as in every other figure.
func export(r *Results, begin func(*Run) (exporter, error)) (paths []string, err error) {
	cells := map[Cell]map[string]exporter{}
	for _, run := range r.Suite.Runs {
		if cells[run.Cell] == nil {
			cells[run.Cell] = map[string]exporter{}
		}
		cells[run.Cell][run.ID] = nil
	}
	for _, cell := range slices.SortedFunc(maps.Keys(cells), compareCell) {
		files, err := exportCell(r, cell, cells[cell], begin)
		if err != nil {
			return paths, err
		}
		paths = append(paths, files...)
	}
	return paths, nil
}

func exportCell(r *Results, cell Cell, runs map[string]exporter, begin func(*Run) (exporter, error)) (paths []string, err error) {
	defer func() {
		for _, e := range runs {
			if err != nil && e != nil {
				e.drop()
			}
		}
	}()
	for _, run := range r.Suite.Runs {
		if run.Cell == cell {
			if runs[run.ID], err = begin(run); err != nil {
				return nil, err
			}
		}
	}
	for rec, err := range r.Records(cell) {
		if row := (*RowError)(nil); errors.As(err, &row) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e := runs[rec.Run]; e != nil {
			if err := e.add(rec); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		files, err := runs[id].finish()
		runs[id] = nil
		if err != nil {
			return nil, err
		}
		paths = append(paths, files...)
	}
	return paths, nil
}

// runLabel names a run in file names: its record file's name, the repeat, and in a sweep the step.
func runLabel(s *Suite, run *Run) string {
	label := strings.TrimSuffix(run.File, ".csv")
	if label == "" {
		label = safeName(run.Cell.Model) + "_" + safeName(run.ID)
	}
	label += "_r" + strconv.Itoa(run.Repeat+1)
	if slices.ContainsFunc(s.Runs, func(r *Run) bool { return r.Step > 0 }) {
		label += "_s" + strconv.Itoa(run.Step+1)
	}
	return label
}

// good is how many of a run's measured requests met the SLO.
func good(s *Summary) float64 { return s.GoodFraction * float64(s.Requests) }

// hasSLO says whether goodput means more than success.
func hasSLO(s workload.SLO) bool { return s != workload.SLO{} }

func writeJSON(path string, v any) error {
	err := replaceFile(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

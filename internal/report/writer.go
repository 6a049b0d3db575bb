package report

import "errors"

// Format is the version of the files of a suite. A reader refuses newer ones.
const Format = 1

// Writer keeps a suite's results in a directory of its own. Record is for one goroutine at a time, as are all methods.
type Writer struct{ _ int }

// Create makes a directory for the suite below parent, named <date-time>_<workload>, and writes suite.json into it. An
// existing directory is never used again. The writer keeps s: Finish adds runs to it.
func Create(parent string, s *Suite) (*Writer, error) {
	return nil, errors.New("create results: not written")
}

// Dir is the suite's directory.
func (w *Writer) Dir() string { return "" }

// Record appends one request to the file of its cell. Rows reach the file whole, at the latest with the first record
// after a second, or with Flush.
func (w *Writer) Record(c Cell, r *Record) error { return nil }

// Flush writes the rows that are held back.
func (w *Writer) Flush() error { return nil }

// Finish adds a run that has ended to the suite, sets its File, syncs its records and replaces suite.json.
func (w *Writer) Finish(run *Run) error { return nil }

// Close writes the suite, and its figures as series.csv, summary.csv and aggregate.json. It returns the figures.
func (w *Writer) Close() ([]CellResult, error) { return nil, nil }

package report

import "iter"

// Results are a suite's files, as Writer left them.
type Results struct {
	Dir   string
	Suite *Suite
}

// Open reads the suite in dir.
func Open(dir string) (*Results, error) {
	s, err := ReadSuite(dir)
	return &Results{Dir: dir, Suite: s}, err
}

// Records yields the records of a cell from its file, in the order of their ends. See ReadRecords.
func (r *Results) Records(c Cell) iter.Seq2[*Record, error] { return nil }

// Aggregate returns the figures of the suite, with pooled distributions from its records.
func (r *Results) Aggregate() ([]CellResult, error) { return Aggregate(r.Suite, r.Records) }

// ReadSuite reads the suite.json in dir.
func ReadSuite(dir string) (*Suite, error) { return &Suite{}, nil }

// ReadRecords yields the records in a file. The record is valid until the next one. A row that cannot be read is yielded as
// a *RowError without a record, and the rows after it follow; any other error is the last.
func ReadRecords(path string) iter.Seq2[*Record, error] {
	return func(func(*Record, error) bool) {}
}

// RowError is a row of a record file that cannot be read.
type RowError struct {
	Path string
	Line int
	Last bool // no line end follows: the writer was killed
	Err  error
}

func (e *RowError) Error() string { return e.Path }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

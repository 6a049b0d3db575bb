package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Names of the files of a suite, apart from those of records.
const (
	SuiteFile     = "suite.json"
	SeriesFile    = "series.csv"
	SummaryFile   = "summary.csv"
	AggregateFile = "aggregate.json"
)

// maxRow is the longest row of a record file, in bytes. Rows that Writer makes stay below 4 KiB.
const maxRow = 64 << 10

// Results are a suite's files, as Writer left them.
type Results struct {
	Dir   string
	Suite *Suite
}

// Open reads the suite in dir.
func Open(dir string) (*Results, error) {
	s, err := ReadSuite(dir)
	if err != nil {
		return nil, err
	}
	return &Results{Dir: dir, Suite: s}, nil
}

// Records yields the records of a cell from its file, in the order of their ends. See ReadRecords. A cell without a file has
// none.
func (r *Results) Records(c Cell) iter.Seq2[*Record, error] {
	for _, run := range r.Suite.Runs {
		if run.Cell == c && run.File != "" {
			return ReadRecords(filepath.Join(r.Dir, run.File))
		}
	}
	return func(func(*Record, error) bool) {}
}

// Aggregate returns the figures of the suite, with pooled distributions from its records.
func (r *Results) Aggregate() ([]CellResult, error) { return Aggregate(r.Suite, r.Records) }

// ReadSuite reads the suite.json in dir. Files of a newer format are refused.
func ReadSuite(dir string) (*Suite, error) {
	path := filepath.Join(dir, SuiteFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	s, err := ParseSuite(b)
	if err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	return s, nil
}

// ParseSuite reads the content of a suite.json.
func ParseSuite(b []byte) (*Suite, error) {
	var s Suite
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("parse suite: %w", err)
	}
	if s.Format < 1 || s.Format > Format {
		return nil, fmt.Errorf("parse suite: format is %d, this version of sluice reads 1 to %d", s.Format, Format)
	}
	for i, run := range s.Runs {
		if run == nil {
			return nil, fmt.Errorf("parse suite: run %d is null", i)
		}
		// The file may come from anywhere: a name in it must not lead out of the directory.
		if run.File != "" && (run.File != filepath.Base(run.File) || !filepath.IsLocal(run.File)) {
			return nil, fmt.Errorf("parse suite: file %q of run %s is not a name within the suite's directory", run.File, run.ID)
		}
	}
	return &s, nil
}

// RowError is a row of a record file that cannot be read.
type RowError struct {
	Path string // "" if it was not read from a file
	Line int    // from 1
	Last bool   // no line end follows: the writer was killed
	Err  error
}

func (e *RowError) Error() string {
	return fmt.Sprintf("read %s line %d: %v", e.Path, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

var errCut = errors.New("the row is cut off")

// ReadRecords yields the records in a file. The record is valid until the next one. A row that cannot be read is yielded as
// a *RowError without a record, and the rows after it follow; any other error is the last.
func ReadRecords(path string) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, fmt.Errorf("read records: %w", err))
			return
		}
		defer f.Close() // only read
		for r, err := range DecodeRecords(f) {
			if row := (*RowError)(nil); errors.As(err, &row) {
				row.Path = path
			} else if err != nil {
				err = fmt.Errorf("read records %s: %w", path, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// DecodeRecords is ReadRecords of a file that is already open. Columns may come in any order, and further columns are passed
// over; one that is missing is an error.
func DecodeRecords(src io.Reader) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		lines := bufio.NewReaderSize(src, maxRow)
		header, _, err := readLine(lines)
		if err != nil && header == "" {
			yield(nil, fmt.Errorf("read header: %w", err))
			return
		}
		d, err := newRowDecoder(header)
		if err != nil {
			yield(nil, err)
			return
		}
		for n := 2; ; n++ {
			r, err := d.next(lines, n)
			row := (*RowError)(nil)
			goesOn := err == nil || errors.As(err, &row) && !row.Last
			if errors.Is(err, io.EOF) || !yield(r, err) || !goesOn {
				return
			}
		}
	}
}

// readLine returns the next line without its end; whole is false if the end is missing. After bufio.ErrBufferFull the line
// has been passed over.
func readLine(src *bufio.Reader) (line string, whole bool, err error) {
	b, err := src.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = src.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", false, err
		}
		return "", false, bufio.ErrBufferFull
	}
	line, whole = strings.CutSuffix(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), whole, err
}

// rowDecoder reads the rows under one header.
type rowDecoder struct {
	columns []rowColumn // by position in the row; without parse, the field is passed over
	fields  []string
	record  Record
}

func newRowDecoder(header string) (*rowDecoder, error) {
	d := &rowDecoder{}
	names, err := splitRow(nil, strings.TrimPrefix(header, "\ufeff")) // spreadsheets begin files with it
	if err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	known := map[string]rowColumn{}
	for _, c := range rowColumns() {
		if c.parse != nil {
			known[c.name] = c
		}
	}
	for _, name := range names {
		d.columns = append(d.columns, known[name])
		delete(known, name) // a second one of the name is passed over
	}
	for _, c := range rowColumns() {
		if _, missing := known[c.name]; missing {
			return nil, fmt.Errorf("read header: column %q is missing: not a file of records", c.name)
		}
	}
	return d, nil
}

// next reads line n. The error is io.EOF behind the last.
func (d *rowDecoder) next(lines *bufio.Reader, n int) (*Record, error) {
	line, whole, err := readLine(lines)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &RowError{Line: n, Err: fmt.Errorf("the row is longer than %d bytes", maxRow)}
	case err != nil && (line == "" || !errors.Is(err, io.EOF)):
		return nil, err
	case !whole:
		return nil, &RowError{Line: n, Last: true, Err: errCut}
	}
	if err := d.decode(line); err != nil {
		return nil, &RowError{Line: n, Err: err}
	}
	return &d.record, nil
}

func (d *rowDecoder) decode(line string) (err error) {
	if d.fields, err = splitRow(d.fields[:0], line); err != nil {
		return err
	}
	if len(d.fields) != len(d.columns) {
		return fmt.Errorf("%d fields, the header has %d", len(d.fields), len(d.columns))
	}
	d.record = Record{}
	for i, c := range d.columns {
		if c.parse == nil {
			continue
		}
		if err := c.parse(&d.record, d.fields[i]); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}

// splitRow appends the fields of a line to dst, as RFC 4180 has them. Unlike encoding/csv it never looks past the line: the
// writer puts no line ends into fields, and a broken quote then costs one row, not the rest of the file.
func splitRow(dst []string, line string) ([]string, error) {
	for {
		if !strings.HasPrefix(line, `"`) {
			field, rest, more := strings.Cut(line, ",")
			if strings.Contains(field, `"`) {
				return dst, fmt.Errorf("field %d has a quote in it but is not quoted", len(dst)+1)
			}
			dst = append(dst, field)
			if !more {
				return dst, nil
			}
			line = rest
			continue
		}
		end := closingQuote(line)
		if end < 0 {
			return dst, fmt.Errorf("field %d has no closing quote", len(dst)+1)
		}
		dst = append(dst, strings.ReplaceAll(line[1:end], `""`, `"`))
		line = line[end+1:]
		if line == "" {
			return dst, nil
		}
		if line[0] != ',' {
			return dst, fmt.Errorf("field %d goes on behind its closing quote", len(dst))
		}
		line = line[1:]
	}
}

// closingQuote is the index of the quote that ends the field which line begins with, or -1.
func closingQuote(line string) int {
	for i := 1; i < len(line); i++ {
		if line[i] != '"' {
			continue
		}
		if i+1 >= len(line) || line[i+1] != '"' {
			return i
		}
		i++
	}
	return -1
}

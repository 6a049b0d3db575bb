package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format is the version of the files of a suite. A reader refuses newer ones.
const Format = 1

const (
	heldBytes = 64 << 10    // of rows held back for one file
	heldTime  = time.Second // that they are held
)

// Writer keeps a suite's results in a directory of its own. It is for one goroutine at a time.
type Writer struct {
	dir     string
	suite   *Suite
	columns []rowColumn
	files   map[Cell]*cellFile
	names   map[string]bool // of files, in lower case: some file systems do not tell case apart
}

// cellFile holds the records of one cell.
type cellFile struct {
	name    string
	file    *os.File
	held    []byte // whole rows that are not in the file yet
	flushed time.Time
}

// Create makes a directory for the suite below parent, named <date-time>_<workload>, and writes suite.json into it. An
// existing directory is never used again. The writer keeps s: Finish adds runs to it.
func Create(parent string, s *Suite) (*Writer, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("create results: %w", err)
	}
	s.Format = Format
	base := s.Started.UTC().Format("2006-01-02T15-04-05Z") + "_" + safeName(s.Workload.Name)
	for n := 1; ; n++ {
		dir := filepath.Join(parent, base)
		if n > 1 {
			dir += "-" + strconv.Itoa(n)
		}
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrExist) && n < 1000 {
			continue // started within the same second as another
		}
		if err != nil {
			return nil, fmt.Errorf("create results: %w", err)
		}
		w := &Writer{dir: dir, suite: s, columns: rowColumns(), files: map[Cell]*cellFile{}, names: map[string]bool{}}
		return w, w.writeSuite()
	}
}

// Dir is the suite's directory.
func (w *Writer) Dir() string { return w.dir }

// Record appends one request to the file of its cell. Rows reach the file whole: when there are many of them, with the first
// record after a second, or with Flush. After an error the file may end in a part of a row.
func (w *Writer) Record(c Cell, r *Record) error {
	f, err := w.open(c)
	if err != nil {
		return err
	}
	for i := range w.columns {
		if i > 0 {
			f.held = append(f.held, ',')
		}
		f.held = w.columns[i].append(f.held, &c, r)
	}
	f.held = append(f.held, '\n')
	if len(f.held) < heldBytes && time.Since(f.flushed) < heldTime {
		return nil
	}
	return f.flush()
}

// open returns the file of a cell, which it creates for its first record.
func (w *Writer) open(c Cell) (*cellFile, error) {
	if f := w.files[c]; f != nil {
		return f, nil
	}
	name := w.name(c)
	file, err := os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create record file: %w", err)
	}
	f := &cellFile{name: name, file: file}
	for i, col := range w.columns {
		if i > 0 {
			f.held = append(f.held, ',')
		}
		f.held = append(f.held, col.name...)
	}
	f.held = append(f.held, '\n')
	w.files[c] = f
	return f, nil
}

// name is that of a cell's file. Cells that differ in something else than model and region get more of it into the name.
func (w *Writer) name(c Cell) string {
	region := c.Region
	if region == "" {
		region = "default"
	}
	model, region, provider := safeName(c.Model), safeName(region), safeName(c.Provider)
	date := w.suite.Started.UTC().Format(time.DateOnly)
	for n := 0; ; n++ {
		parts := []string{model, region, date}
		switch {
		case n == 1:
			parts = []string{provider, model, region, date}
		case n == 2 && c.Via != "":
			parts = []string{provider, model, region, "via-gateway", date}
		case n > 1:
			parts = []string{provider, model, region, strconv.Itoa(n), date}
		}
		name := strings.Join(parts, "_") + ".csv"
		if lower := strings.ToLower(name); !w.names[lower] {
			w.names[lower] = true
			return name
		}
	}
}

// safeName is s as a part of a file name on any system.
func safeName(s string) string {
	const longest = 60 // bytes
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._+-", r) {
			return r
		}
		return '-'
	}, s)
	for len(s) > longest {
		_, last := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-last]
	}
	if s = strings.Trim(s, ".-_"); s == "" {
		return "unnamed"
	}
	return s
}

func (f *cellFile) flush() error {
	f.flushed = time.Now()
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.file.Write(f.held)
	f.held = f.held[:0]
	if err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

// Flush writes the rows that are held back.
func (w *Writer) Flush() error {
	var err error
	for _, f := range w.files {
		err = errors.Join(err, f.flush())
	}
	return err
}

// Finish adds a run that has ended to the suite, sets its File, syncs its records and replaces suite.json.
func (w *Writer) Finish(run *Run) error {
	if f := w.files[run.Cell]; f != nil {
		run.File = f.name
		if err := f.flush(); err != nil {
			return err
		}
		if err := f.file.Sync(); err != nil {
			return fmt.Errorf("sync records: %w", err)
		}
	}
	if !slices.Contains(w.suite.Runs, run) {
		w.suite.Runs = append(w.suite.Runs, run)
	}
	return w.writeSuite()
}

func (w *Writer) writeSuite() error {
	return w.write(SuiteFile, func(dst io.Writer) error {
		enc := json.NewEncoder(dst)
		enc.SetIndent("", " ")
		return enc.Encode(w.suite)
	})
}

// write replaces a file of the suite: a reader sees the old one or the new one, whatever happens in between.
func (w *Writer) write(name string, content func(io.Writer) error) error {
	if err := replaceFile(filepath.Join(w.dir, name), content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Close writes the suite, and its figures as series.csv, summary.csv and aggregate.json. It returns the figures. The files of
// records are closed whatever error it returns.
func (w *Writer) Close() ([]CellResult, error) {
	var err error
	for _, f := range w.files {
		err = errors.Join(err, f.flush(), f.file.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("close records: %w", err)
	}
	if w.suite.Ended.IsZero() {
		w.suite.Ended = time.Now()
	}
	if err := w.writeSuite(); err != nil {
		return nil, err
	}
	r := &Results{Dir: w.dir, Suite: w.suite}
	results, err := r.Aggregate()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		w.write(SeriesFile, func(dst io.Writer) error { return writeSeries(dst, w.suite) }),
		w.write(SummaryFile, func(dst io.Writer) error { return writeSummary(dst, w.suite) }),
		w.write(AggregateFile, func(dst io.Writer) error { return JSON(dst, w.suite, results) }),
	)
	return results, err
}

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Table is what a section has found.
type Table struct {
	Title   string
	Took    string
	Columns []string
	Rows    [][]string
	Notes   []string
	Bars    []Bar
	Data    any `json:",omitempty"` // what the rows were made of, for the record
}

// Bar is one thing that must hold.
type Bar struct {
	What string
	Got  string
	Want string
	Met  bool
}

// Row adds a row; its cells are written by fmt.Sprint.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// Note adds a line below the table.
func (t *Table) Note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// AtMost adds a bar that a value, written with a verb of fmt, must not exceed. What is no number misses it.
func (t *Table) AtMost(what, verb string, got, most float64) {
	t.Bars = append(t.Bars, Bar{What: what, Got: fmt.Sprintf(verb, got), Want: "at most " + fmt.Sprintf(verb, most), Met: got <= most})
}

// AtLeast adds a bar that a value must reach.
func (t *Table) AtLeast(what, verb string, got, least float64) {
	t.Bars = append(t.Bars, Bar{What: what, Got: fmt.Sprintf(verb, got), Want: "at least " + fmt.Sprintf(verb, least), Met: got >= least})
}

// Print writes the table with its bars.
func (t *Table) Print(w io.Writer) {
	if t.Title != "" {
		fmt.Fprintln(w, t.Title)
	}
	if len(t.Rows) > 0 {
		fmt.Fprintln(w)
		printRows(w, append([][]string{t.Columns}, t.Rows...))
	}
	for _, n := range t.Notes {
		fmt.Fprintln(w, n)
	}
	if len(t.Bars) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{{"bar", "measured", "wanted", ""}}
	for _, b := range t.Bars {
		verdict := "MISSED"
		if b.Met {
			verdict = "met"
		}
		rows = append(rows, []string{b.What, b.Got, b.Want, verdict})
	}
	printRows(w, rows)
}

// printRows writes columns as wide as their widest cell; all but the first are set to the right.
func printRows(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// quantile returns the smallest value that a share q of the sorted values does not exceed; 0 if there are none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(max(int(math.Ceil(q*float64(len(sorted))))-1, 0), len(sorted)-1)]
}

// sorted returns a sorted copy.
func sorted(all []time.Duration) []time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}

// share returns part of whole, 0 of nothing.
func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func percent(x float64) string { return fmt.Sprintf("%.2f%%", 100*x) }

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func inMS(d time.Duration) string { return fmt.Sprintf("%.1f ms", ms(d)) }

// ms is a time in milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

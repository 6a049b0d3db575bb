//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/bench/caller"
	"sluice/bench/rig"
)

// record is everything that came of a run.
type record struct {
	Time    time.Time
	Took    string
	Commit  string
	Machine rig.Machine
	Cells   []*verdict
}

// group is the cells of one scenario.
type group struct {
	name  string
	cells []*verdict
}

// groups returns the cells by scenario, in order.
func (rec *record) groups() []group {
	var all []group
	for _, v := range rec.Cells {
		i := slices.IndexFunc(all, func(g group) bool { return g.name == v.Scenario })
		if i < 0 {
			i = len(all)
			all = append(all, group{name: v.Scenario})
		}
		all[i].cells = append(all[i].cells, v)
	}
	return all
}

// worst returns the worst grade of cells; "-" if there are none.
func worst(cells []*verdict) string {
	order := []string{pass, partial, safe, fail}
	at := -1
	for _, v := range cells {
		at = max(at, slices.Index(order, v.Grade))
	}
	if at < 0 {
		return "-"
	}
	return order[at]
}

// at returns the cells of a front and form.
func (g *group) at(front, form string) []*verdict {
	var all []*verdict
	for _, v := range g.cells {
		if v.Front == front && v.Form == form {
			all = append(all, v)
		}
	}
	return all
}

// print writes the scorecard: a row a scenario, with the worst grade where a field has several cells, and then what is wrong.
func (rec *record) print(w io.Writer, verbose bool) error {
	fmt.Fprintf(w, "Commit %s, %s\n%s\n\n", rec.Commit, rec.Time.Format("2006-01-02 15:04 MST"), rec.Machine)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprint(tw, "scenario\t")
	for _, f := range caller.Fronts() {
		fmt.Fprintf(tw, "%s stream\twhole\t", f.Name)
	}
	fmt.Fprint(tw, "asked\tgap\twall\tmisses\n")
	for _, g := range rec.groups() {
		fmt.Fprintf(tw, "%s\t", g.name)
		for _, f := range caller.Fronts() {
			fmt.Fprintf(tw, "%s\t%s\t", worst(g.at(f.Name, "stream")), worst(g.at(f.Name, "whole")))
		}
		gap, wall, misses := g.longest()
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\n", g.asked(), milliseconds(gap), milliseconds(wall), misses)
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write scorecard: %w", err)
	}
	rec.printWrong(w, verbose)
	counts := rec.counts()
	_, err := fmt.Fprintf(w, "\n%d cells in %s: %d pass, %d partial, %d safe, %d fail; %d advisory misses\n", len(rec.Cells), rec.Took,
		counts[pass], counts[partial], counts[safe], counts[fail], rec.misses())
	return err
}

// printWrong writes what is wrong, cell by cell.
func (rec *record) printWrong(w io.Writer, verbose bool) {
	paint := func(color, s string) string { return s }
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		paint = func(color, s string) string { return "\x1b[" + color + "m" + s + "\x1b[0m" }
	}
	for _, v := range rec.Cells {
		if v.Grade == pass && len(v.Misses) == 0 {
			continue
		}
		color := map[string]string{pass: "33", partial: "33", safe: "33", fail: "31"}[v.Grade]
		fmt.Fprintf(w, "\n%s  %s", paint(color, v.Grade), v.Cell)
		if v.Why != "" {
			fmt.Fprintf(w, "\n    %s", v.Why)
		}
		for _, m := range v.Misses {
			fmt.Fprintf(w, "\n    miss: %s", m)
		}
		if verbose {
			fmt.Fprintf(w, "\n    %s", strings.ReplaceAll(string(v.body), "\n", "\n    "))
		}
	}
	fmt.Fprintln(w)
}

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// longest returns the longest silence and time of a group's cells, and how many misses they have.
func (g *group) longest() (gap, wall time.Duration, misses int) {
	for _, v := range g.cells {
		gap, wall, misses = max(gap, v.Gap), max(wall, v.Wall), misses+len(v.Misses)
	}
	return gap, wall, misses
}

// asked returns how often the targets were asked, as first+second, for each way that occurred.
func (g *group) asked() string {
	var all []string
	for _, v := range g.cells {
		if s := fmt.Sprintf("%d+%d", v.A, v.B); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func (rec *record) counts() map[string]int {
	n := map[string]int{}
	for _, v := range rec.Cells {
		n[v.Grade]++
	}
	return n
}

func (rec *record) misses() int {
	n := 0
	for _, v := range rec.Cells {
		n += len(v.Misses)
	}
	return n
}

// err says whether the bar is met.
func (rec *record) err() error {
	if bad, misses := len(rec.Cells)-rec.counts()[pass], rec.misses(); bad+misses > 0 {
		return fmt.Errorf("%d of %d cells do not pass; %d advisory misses", bad, len(rec.Cells), misses)
	}
	return nil
}

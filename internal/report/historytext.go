package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteJSON writes the history as JSON.
func (h *History) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(h)
}

// WriteCSV writes a row for each point; the columns change, change_id, estimated_cause and annotated_cause are empty where
// no change begins.
func (h *History) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{
		"suite", "name", "started", "workload_hash", "target", "region", "via", "load", "metric", "unit", "mean", "min", "max", "runs",
		"change", "change_id", "estimated_cause", "annotated_cause",
	}}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, l := range h.Lines {
		for i, p := range l.Points {
			s := h.Suites[p.Suite]
			row := []string{
				s.ID, s.Name, s.Started.UTC().Format(time.RFC3339), s.Hash, l.Cell.Target, l.Cell.Region, l.Cell.Via, l.Cell.Load,
				l.Metric, l.Unit, number(p.Value), number(p.Min), number(p.Max), strconv.Itoa(p.N), "", "", "", "",
			}
			if ch := l.changeAt(i); ch != nil {
				if ch.Change != nil {
					row[14] = number(*ch.Change)
				}
				row[15], row[16] = ch.ID, string(ch.Cause)
				if n := len(ch.Notes); n > 0 {
					row[17] = string(ch.Notes[n-1].Cause)
				}
			}
			rows = append(rows, row)
		}
	}
	return c.WriteAll(rows)
}

// changeAt returns the change that begins at a point, or nil.
func (l *Line) changeAt(point int) *Change {
	for i := range l.Changes {
		if l.Changes[i].Point == point {
			return &l.Changes[i]
		}
	}
	return nil
}

// WriteText draws each line for a terminal of so many columns, with its changes below it.
func (h *History) WriteText(w io.Writer, width int) error {
	if len(h.Suites) == 0 {
		_, err := fmt.Fprintln(w, "no suites")
		return err
	}
	first, last := h.Suites[0], h.Suites[len(h.Suites)-1]
	fmt.Fprintf(w, "%s: %d suites from %s to %s\n", h.Workload, len(h.Suites), first.Started.UTC().Format(time.DateOnly), last.Started.UTC().Format(time.DateOnly))
	if len(h.Suites) < MinHistory {
		fmt.Fprintf(w, "changes are looked for from %d suites on\n", MinHistory)
	}
	var cell CellAt
	for i := range h.Lines {
		l := &h.Lines[i]
		if l.Cell != cell {
			fmt.Fprintf(w, "\n%s\n", l.Cell)
			cell = l.Cell
		}
		l.write(w, width, len(h.Suites) >= MinHistory)
	}
	return nil
}

// nameWidth is that of the column of metrics.
const nameWidth = 26

// write draws the line; searched says that others of the history are long enough to have changes.
func (l *Line) write(w io.Writer, width int, searched bool) {
	if len(l.Points) == 0 {
		fmt.Fprintf(w, "  %-*s not measured\n", nameWidth, l.Metric)
		return
	}
	last := l.Points[len(l.Points)-1]
	fmt.Fprintf(w, "  %-*s %s  %s\n", nameWidth, l.Metric, l.Sparkline(max(10, width-nameWidth-24)), figureText(last.Value, l.Unit))
	if searched && len(l.Points) < MinHistory {
		fmt.Fprintf(w, "    %s; changes are looked for from %d on\n", plural(len(l.Points), "point"), MinHistory)
	}
	for _, c := range l.Changes {
		size := "from 0"
		if c.Change != nil {
			size = fmt.Sprintf("%+.1f%%", *c.Change*100)
		}
		fmt.Fprintf(w, "    %s  %s %s (%s to %s) from %s on: %s\n", c.ID, c.Outcome, size, figureText(c.Before, l.Unit), figureText(c.After, l.Unit), c.Suite, c.label())
	}
}

// label is the cause of a change: what people say, or else the estimate.
func (c *Change) label() string {
	if len(c.Notes) == 0 {
		return fmt.Sprintf("perhaps %s: %s", c.Cause, c.Why)
	}
	var notes []string
	for _, n := range c.Notes {
		s := string(n.Cause)
		if n.Note != "" {
			s += ", " + n.Note
		}
		notes = append(notes, s)
	}
	return strings.Join(notes, "; ")
}

// Sparkline draws the values, the newest at the right, in at most so many characters; a bar stands before each change. Older
// values that do not fit are left out.
func (l *Line) Sparkline(width int) string {
	points := l.Points
	from := max(0, len(points)-max(1, width-len(l.Changes)))
	lo, hi := points[from].Value, points[from].Value
	for _, p := range points[from:] {
		lo, hi = min(lo, p.Value), max(hi, p.Value)
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for i := from; i < len(points); i++ {
		if i > from && l.changeAt(i) != nil {
			b.WriteRune('│')
		}
		level := len(levels) / 2
		// A spread below 1 % is drawn flat: it is nothing to look at.
		if hi-lo > 0.01*max(hi, -lo) {
			level = min(len(levels)-1, int((points[i].Value-lo)/(hi-lo)*float64(len(levels))))
		}
		b.WriteRune(levels[level])
	}
	return b.String()
}

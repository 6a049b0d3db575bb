package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes the comparison as JSON.
func (c *Comparison) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// WriteText writes the comparison as a table for a terminal. Rows that are the same are counted only, unless all is set.
func (c *Comparison) WriteText(w io.Writer, all bool) error {
	fmt.Fprintf(w, "baseline   %s\ncandidate  %s\n", c.Base, c.Candidate)
	for _, warning := range c.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CELL\tMETRIC\tBASELINE\tCANDIDATE\tCHANGE\t95 % INTERVAL\tP\tVERDICT")
	shown := 0
	for i := range c.Differences {
		d := &c.Differences[i]
		if d.Outcome == Same && !all {
			continue
		}
		shown++
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Cell, d.Metric, d.side(d.Base), d.side(d.Candidate),
			d.change(d.Change), d.interval(), pText(d.Adjusted), d.verdict())
	}
	if shown > 0 {
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w)
		if more := c.moreRepeats(); more != "" {
			fmt.Fprintln(w, more)
		}
	}
	_, err := fmt.Fprintln(w, c.Sentence())
	return err
}

// verdict is the outcome with what a reader of a table has to know of this row; Reason has the whole.
func (d *Difference) verdict() string {
	switch {
	case d.Outcome == Missing:
		return fmt.Sprintf("%s (%s)", d.Outcome, d.Reason)
	case d.Outcome != Unsure:
		return string(d.Outcome)
	case d.P == nil:
		return string(d.Outcome) + " (one run)"
	case d.Repeats > 0:
		return fmt.Sprintf("%s (%d repeats)", d.Outcome, d.Repeats)
	}
	return fmt.Sprintf("%s (over %d repeats)", d.Outcome, maxRepeats)
}

// moreRepeats says once what would make the rows sure that are not; "" if all are. Rows name their own number.
func (c *Comparison) moreRepeats() string {
	most, single, wild := 0, false, false
	for i := range c.Differences {
		switch d := &c.Differences[i]; {
		case d.Outcome != Unsure:
		case d.P == nil:
			single = true
		case d.Repeats > 0:
			most = max(most, d.Repeats)
		default:
			wild = true
		}
	}
	var say []string
	if single {
		say = append(say, "one run says nothing of chance: measure at least 2 of each, better 5")
	}
	if most > 0 {
		say = append(say, fmt.Sprintf("chance can do that: %d repeats of each suite would tell where a number of repeats is given", most))
	}
	if wild {
		say = append(say, fmt.Sprintf("where it says over %d repeats, the runs differ too much among themselves: measure longer ones", maxRepeats))
	}
	if len(say) == 0 {
		return ""
	}
	return "unsure: " + strings.Join(say, "; ")
}

// WriteMarkdown writes the comparison for a comment on a change: what is not the same in a table, the rest folded away.
func (c *Comparison) WriteMarkdown(w io.Writer) error {
	head := "No regression"
	if c.Counts.Worse > 0 {
		head = fmt.Sprintf("Regression in %d of %d figures", c.Counts.Worse, len(c.Differences))
	}
	fmt.Fprintf(w, "### %s\n\n%s\n\nBaseline %s, candidate %s.\n", head, mdEscape(c.Sentence()), mdEscape(c.Base.String()), mdEscape(c.Candidate.String()))
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "\n> **Warning:** %s\n", mdEscape(warning))
	}
	var told, folded []*Difference
	for i := range c.Differences {
		if d := &c.Differences[i]; d.Outcome == Same {
			folded = append(folded, d)
		} else {
			told = append(told, d)
		}
	}
	if len(told) > 0 {
		fmt.Fprintln(w)
		mdTable(w, told)
	}
	if more := c.moreRepeats(); more != "" {
		fmt.Fprintf(w, "\n%s.\n", mdEscape(more))
	}
	if len(folded) > 0 {
		fmt.Fprintf(w, "\n<details><summary>%d figures are the same</summary>\n\n", len(folded))
		mdTable(w, folded)
		fmt.Fprintln(w, "\n</details>")
	}
	_, err := fmt.Fprintf(w, "\nWelch's t-test on the means of runs, adjusted for %d figures (false discovery rate %.3g %%), tolerance %.3g %% "+
		"(%.3g points for shares).\n", len(c.Differences)-c.Counts.Missing, c.FDR*100, c.Tolerance*100, c.ErrorTolerance*100)
	return err
}

func mdTable(w io.Writer, rows []*Difference) {
	fmt.Fprintln(w, "| | cell | metric | baseline | candidate | change | 95 % interval | p |\n|---|---|---|---:|---:|---:|---|---:|")
	for _, d := range rows {
		fmt.Fprintf(w, "| %s | %s | `%s` | %s | %s | %s | %s | %s |\n", d.markedVerdict(), mdEscape(d.Cell.String()), d.Metric,
			d.side(d.Base), d.side(d.Candidate), d.change(d.Change), d.interval(), pText(d.Adjusted))
	}
}

// markedVerdict is the verdict with the outcome in bold.
func (d *Difference) markedVerdict() string {
	return strings.Replace(mdEscape(d.verdict()), string(d.Outcome), "**"+string(d.Outcome)+"**", 1)
}

// mdEscape keeps names from being read as Markdown or HTML.
func mdEscape(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "*", `\*`, "_", `\_`, "\n", " ").Replace(s)
}

// String names the suite for people.
func (r SuiteRef) String() string {
	s := r.ID
	if r.Name != "" && r.Name != r.ID {
		s = fmt.Sprintf("%s (%s)", r.Name, r.ID)
	}
	if !r.Started.IsZero() {
		s += r.Started.UTC().Format(", 2006-01-02 15:04 UTC")
	}
	return s
}

// Sentence sums up the comparison.
func (c *Comparison) Sentence() string {
	n := c.Counts
	s := fmt.Sprintf("%d worse, %d better, %d the same, %d unsure, %d missing", n.Worse, n.Better, n.Same, n.Unsure, n.Missing)
	switch {
	case n.Worse > 0:
		return s + ": a regression."
	case n.Unsure+n.Missing > 0:
		return s + ": no regression is shown, but not all is known."
	}
	return s + ": no regression."
}

// side writes mean and spread of a sample.
func (d *Difference) side(s Sample) string {
	if len(s.Values) == 0 {
		return "-"
	}
	text := d.figure(s.Mean)
	if len(s.Values) > 1 && s.CV > 0 {
		text += fmt.Sprintf(" ±%.2g%%", s.CV*100)
	}
	return text
}

// figure writes a value in its unit.
func (d *Difference) figure(v float64) string { return figureText(v, d.Unit) }

func figureText(v float64, unit string) string {
	switch unit {
	case "%":
		return fmt.Sprintf("%.3g%%", v*100)
	case "$":
		return "$" + significant(v)
	case "ms":
		return significant(v) + " ms"
	}
	return significant(v)
}

// significant writes v with four digits that count, and no exponent.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := max(0, 3-int(math.Floor(math.Log10(math.Abs(v)))))
	s := fmt.Sprintf("%.*f", min(digits, 12), v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func (d *Difference) change(v *float64) string {
	switch {
	case v == nil && len(d.Base.Values) > 0 && len(d.Candidate.Values) > 0 && d.Base.Mean == 0:
		return "from 0"
	case v == nil:
		return "-"
	case d.Points:
		return fmt.Sprintf("%+.2f pp", *v*100)
	}
	return fmt.Sprintf("%+.1f%%", *v*100)
}

func (d *Difference) interval() string {
	if d.Lo == nil || d.Hi == nil {
		return "-"
	}
	return d.change(d.Lo) + " .. " + d.change(d.Hi)
}

func pText(p *float64) string {
	switch {
	case p == nil:
		return "-"
	case *p < 0.0001:
		return "<0.0001"
	}
	return fmt.Sprintf("%.4f", *p)
}

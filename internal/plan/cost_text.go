package plan

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the answer for people.
func (c *Cost) WriteText(w io.Writer) error {
	if err := writeInputs(w, c.Inputs); err != nil {
		return err
	}
	if err := c.writeCalls(w); err != nil {
		return err
	}
	if err := c.writePeriods(w); err != nil {
		return err
	}
	if err := c.writeBreak(w); err != nil {
		return err
	}
	if len(c.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}

func (c *Cost) writeCalls(w io.Writer) error {
	fmt.Fprintln(w, "\nCOST OF ONE")
	t := newTable(w)
	fmt.Fprintln(t, "  MODEL\tTRANSACTION\tCALL\tHOUR AT FULL RATE\tFORMULA")
	for _, l := range c.Models {
		if !l.Priced {
			near := ""
			if len(l.Nearest) > 0 {
				near = "nearest: " + strings.Join(l.Nearest, ", ")
			}
			fmt.Fprintf(t, "  %s\tunpriced\tunpriced\tunpriced\t%s\n", l.Model, near)
			continue
		}
		hour := "-"
		if l.Hour != nil {
			hour = l.Hour.Short()
		}
		from := ""
		if l.AsOf != "" {
			from = fmt.Sprintf(" (%s, %s)", l.AsOf, l.Source)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s%s\n", l.Model, l.PerCall, l.Paid, hour, l.Formula, from)
	}
	return t.Flush()
}

func (c *Cost) writePeriods(w io.Writer) error {
	t := newTable(w)
	headed := false
	for _, l := range c.Models {
		if !l.Priced || l.Direct.Month == nil {
			continue
		}
		if !headed {
			fmt.Fprintln(w, "\nCOST OVER TIME")
			fmt.Fprintln(t, "  MODEL\tPATTERN\tDAY\tMONTH\tYEAR")
			headed = true
		}
		for _, row := range []struct {
			pattern string
			p       *Period
		}{{"direct", l.Direct}, {"stream", l.Stream}, {"batch", l.Batched}, {"mixed", l.Mixed}} {
			if row.p != nil {
				fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", l.Model, row.pattern, row.p.Day.Short(), row.p.Month.Short(), row.p.Year.Short())
			}
		}
	}
	return t.Flush()
}

func (c *Cost) writeBreak(w io.Writer) error {
	t := newTable(w)
	headed := false
	for _, l := range c.Models {
		b := l.Break
		if b == nil {
			continue
		}
		if !headed {
			fmt.Fprintln(w, "\nBREAK-EVEN OF BATCHES")
			headed = true
		}
		fmt.Fprintf(t, "  %s\ta call in a batch saves %s (%s off)\n", l.Model, b.Saved, percent(*l.Off))
		if b.SavedMonth != nil {
			fmt.Fprintf(t, "  \tall calls in batches save %s a month; each 1 %% of calls %s\n", b.SavedMonth.Short(), b.PerPercent.Short())
		}
		fmt.Fprintf(t, "  \twaiting pays while an hour of it costs a call less than %s\n", b.DelayWorth)
		if b.Pays != nil {
			verdict := "no"
			if *b.Pays {
				verdict = "yes"
			}
			fmt.Fprintf(t, "  \tpays at the given cost of waiting: %s\n", verdict)
		}
		if b.Volume != nil {
			line := fmt.Sprintf("the fixed cost of batches is paid by %s in them a month", quantity(*b.Volume, "call"))
			if b.Share != nil {
				line += ", " + percent(*b.Share) + " of all"
				if b.Share.Cmp(Int(1)) > 0 {
					line += ": it does not pay"
				}
			}
			fmt.Fprintf(t, "  \t%s\n", line)
		}
	}
	return t.Flush()
}

package plan

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// newTable aligns columns as every table of the program does.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// writeInputs writes what an answer was computed from.
func writeInputs(w io.Writer, inputs []Input) error {
	if len(inputs) == 0 {
		return nil
	}
	fmt.Fprintln(w, "INPUTS")
	t := newTable(w)
	for _, i := range inputs {
		source := i.Source
		if source != "" {
			source = "\t" + source
		}
		fmt.Fprintf(t, "  %s\t%s%s\n", i.Name, i.Value, source)
	}
	return t.Flush()
}

// WriteText writes the answer for people.
func (c *Capacity) WriteText(w io.Writer) error {
	if err := writeInputs(w, c.Inputs); err != nil {
		return err
	}
	if len(c.Bounds) > 0 {
		fmt.Fprintln(w, "\nLIMITS")
		t := newTable(w)
		fmt.Fprintln(t, "  LIMIT\tREQUESTS/MIN\tREQUESTS/S\t\tFORMULA")
		for _, b := range c.Bounds {
			binds := ""
			if b.Binds {
				binds = "binds"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", b.Limit, b.RPM.Floor().Grouped(0), b.TPS.Grouped(2), binds, b.Formula)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if err := c.writeCarries(w); err != nil {
		return err
	}
	if c.Wanted != nil {
		if err := c.Wanted.writeText(w); err != nil {
			return err
		}
	}
	if len(c.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}

func (c *Capacity) writeCarries(w io.Writer) error {
	if c.RPM == nil {
		_, err := fmt.Fprintln(w, "\nno limits given: nothing binds")
		return err
	}
	fmt.Fprintln(w, "\nCAPACITY")
	t := newTable(w)
	fmt.Fprintf(t, "  carries\t%s requests/min, %s/s\t%s binds\n", c.RPM.Grouped(0), c.TPS.Grouped(2), list(c.Binding))
	fmt.Fprintf(t, "  with headroom\t%s requests/min\tthe rest is left for bursts\n", c.Usable.Grouped(0))
	if c.Calls != nil {
		fmt.Fprintf(t, "  calls\t%s/s on average\tafter headroom, peak, cache, retries and batches\n", c.Calls.Grouped(2))
	}
	if c.Streams != nil {
		fmt.Fprintf(t, "  streams at once\t%s\t%s/s × %s (Little's law)\n", c.Streams.Ceil().Grouped(0), c.TPS.Grouped(2), seconds(*c.Seconds))
	}
	return t.Flush()
}

func (a *Wanted) writeText(w io.Writer) error {
	fmt.Fprintln(w, "\nWANTED")
	t := newTable(w)
	fmt.Fprintf(t, "  calls\t%s/s\n", a.Calls.Grouped(4))
	fmt.Fprintf(t, "  at the provider\t%s/s, %s/s in the busiest minute\n", a.Mean.Grouped(4), a.Peak.Grouped(4))
	if a.Streams != nil {
		fmt.Fprintf(t, "  streams at once\t%s in the busiest minute (Little's law)\n", a.Streams.Ceil().Grouped(0))
	}
	if a.Enough != nil {
		verdict := "yes"
		if !*a.Enough {
			verdict = "no: " + quantity(*a.Accounts, "account") + " with these limits would be"
		}
		fmt.Fprintf(t, "  enough\t%s\n", verdict)
	}
	if b := a.Batch; b != nil {
		have := "the queue's limit is not known"
		if b.Enough != nil {
			have = "of " + Int(b.Limit).Grouped(0)
		}
		fmt.Fprintf(t, "  batch queue\t%s tokens a day, %s (%s)\n", b.Need.Ceil().Grouped(0), have, b.Formula)
	}
	a.Tier.write(t)
	for _, m := range []struct {
		name   string
		advice *FleetAdvice
	}{{"gateway replicas", a.Replicas}, {"servers", a.Servers}} {
		if m.advice != nil {
			fmt.Fprintf(t, "  %s\t%s: %s (measured: %s)\n", m.name, m.advice.Count.Grouped(0), m.advice.Formula, m.advice.Source)
		}
	}
	if a.GPUs != nil {
		fmt.Fprintf(t, "  GPUs\t%s\n", a.GPUs.Grouped(0))
	}
	return t.Flush()
}

func (a *TierAdvice) write(t io.Writer) {
	switch {
	case a == nil:
		return
	case a.Fits:
		fmt.Fprintf(t, "  tier needed\t%s/%s for %s\n", a.Provider, a.Tier, a.Model)
	case a.Highest == "":
		fmt.Fprintf(t, "  tier needed\tno limits of %s for %s are known\n", a.Provider, a.Model)
		return
	default:
		fmt.Fprintf(t, "  tier needed\tabove %s/%s for %s: %s of it, or limits by agreement\n", a.Provider, a.Highest, a.Model,
			quantity(a.Accounts, "account"))
	}
	mark := ""
	if a.Limits.Unverified {
		mark = ", unverified"
	}
	fmt.Fprintf(t, "  \t%s as of %s%s\n", a.Source.URL, a.Source.AsOf, mark)
	if a.Limits.Note != "" {
		fmt.Fprintf(t, "  \t%s\n", a.Limits.Note)
	}
	if len(a.Skipped) > 0 {
		fmt.Fprintf(t, "  \tnot known, and passed over: %s\n", list(a.Skipped))
	}
}

package plan

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteYAML writes the route as an entry of models, with the figures that speak for each target and against each other in
// comments. It must not be called if there is no route.
func (r *Route) WriteYAML(w io.Writer, q *RouteQuestion) error {
	if r.Strategy == "" {
		panic("BUG: plan: no route to write")
	}
	var b strings.Builder
	b.WriteString("# Made by sluice plan route from measurements.\n")
	for _, i := range r.Inputs {
		source := ""
		if i.Source != "" {
			source = " (" + i.Source + ")"
		}
		fmt.Fprintf(&b, "# %s: %s%s\n", clean(i.Name), clean(i.Value), clean(source))
	}
	fmt.Fprintf(&b, "models:\n  %s:\n    strategy: %s\n    targets:\n", scalar(r.Model), r.Strategy)
	for i := range r.Targets {
		c := &r.Targets[i]
		for _, line := range q.describe(c) {
			fmt.Fprintf(&b, "      # %s\n", clean(line))
		}
		if r.Strategy == "weighted" {
			fmt.Fprintf(&b, "      - {target: %s, weight: %d}\n", scalar(c.Target), c.Weight)
		} else {
			fmt.Fprintf(&b, "      - %s\n", scalar(c.Target))
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "# note: %s\n", clean(n))
	}
	if len(r.Rejected) > 0 {
		b.WriteString("# Rejected:\n")
	}
	for _, x := range r.Rejected {
		fmt.Fprintf(&b, "#   %s at %s: %s\n", clean(x.place()), clean(x.Load), clean(strings.Join(x.Reasons, "; ")))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (x *Rejected) place() string { return (&Candidate{Target: x.Target, Region: x.Region}).place() }

// describe gives the figures of a target, a line each.
func (q *RouteQuestion) describe(c *Chosen) []string {
	var parts []string
	for _, slo := range []struct {
		name  string
		limit time.Duration
		of    Latency
	}{{"TTFT", q.TTFT, c.TTFT}, {"TPOT", q.TPOT, c.TPOT}, {"E2E", q.E2E, c.E2E}} {
		if slo.limit > 0 {
			f, _ := slo.of.Percentile(q.Percentile)
			parts = append(parts, fmt.Sprintf("%s %s %s ms%s", q.Percentile, slo.name, figure(f.Mean), f.interval(" ms")))
		}
	}
	cost := "unpriced"
	if c.Priced {
		cost = USD(Float(c.Cost.Mean)).String() + " a transaction"
	}
	if c.Month != nil {
		cost += ", " + c.Month.Short() + " a month"
	}
	return []string{
		fmt.Sprintf("%s: suite %s of %s, %s, %d repeats, %s", c.place(), c.Suite, c.Date.UTC().Format(time.DateOnly), c.Load, c.Repeats, c.State),
		"  " + strings.Join(parts, ", "),
		fmt.Sprintf("  errors %s %%, carries %s/s with headroom (%s), %s", figure(100*c.ErrorRate.Mean), c.Carries.Round(2), c.capacity, cost),
		"  " + c.Why,
	}
}

// scalar writes a name as YAML text.
func scalar(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" &&
		(s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z')
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// WriteText writes why there is no route.
func (r *Route) WriteText(w io.Writer) error {
	if err := writeInputs(w, r.Inputs); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nNO ROUTE  %s\n\nREJECTED\n", r.Failure)
	t := newTable(w)
	for _, x := range r.Rejected {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", clean(x.place()), clean(x.Load), clean(strings.Join(x.Reasons, "; ")))
	}
	return t.Flush()
}

package main

import (
	"bufio"
	"fmt"
	"io"

	"sluice/internal/doctor"
	"sluice/internal/live"
)

// writeDoctor prints a report for people.
func writeDoctor(w io.Writer, r *doctorReport, dryRun bool) error {
	p := doctorPrinter{w: bufio.NewWriter(w), colour: live.IsTerminal(w)}
	if dryRun {
		p.plan(r.Plan)
		return p.w.Flush()
	}
	p.title("this machine", r.Config)
	p.checks("  ", r.Machine)
	for _, a := range r.Accounts {
		p.title(a.Account, a.BaseURL)
		p.checks("  ", a.Checks)
		for _, t := range a.Targets {
			if len(t.Checks) > 0 {
				fmt.Fprintf(p.w, "  %s\n", plain(t.Target))
				p.checks("    ", t.Checks)
			}
		}
	}
	fmt.Fprintln(p.w)
	if !r.Called && len(r.Plan) > 0 {
		fmt.Fprint(p.w, "No target was called. ")
	}
	fmt.Fprintf(p.w, "%s, %s.\n", count(r.Failures, "failure"), count(r.Warnings, "warning"))
	if r.Quotas != "" {
		fmt.Fprintf(p.w, "\nProposed quotas, for the configuration file:\n\n%s", r.Quotas)
	}
	return p.w.Flush()
}

// doctorPrinter keeps the first error of its writer, as bufio does; Flush returns it.
type doctorPrinter struct {
	w      *bufio.Writer
	colour bool
	titles int
}

func (p *doctorPrinter) title(name, detail string) {
	if p.titles++; p.titles > 1 {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintf(p.w, "%s  %s\n", p.paint("1", plain(name)), plain(detail))
}

func (p *doctorPrinter) checks(indent string, all []doctor.Check) {
	for _, c := range all {
		colour := map[doctor.State]string{doctor.OK: "32", doctor.Warn: "33", doctor.Fail: "31", doctor.Skip: "2"}[c.State]
		fmt.Fprintf(p.w, "%s%s  %-14s  %s\n", indent, p.paint(colour, fmt.Sprintf("%-4s", c.State)), plain(c.Name), plain(c.Detail))
		if c.Do != "" {
			fmt.Fprintf(p.w, "%s%-4s  %-14s  -> %s\n", indent, "", "", plain(c.Do))
		}
	}
}

// plan prints what would be called.
func (p *doctorPrinter) plan(all []doctor.Planned) {
	if len(all) == 0 {
		fmt.Fprintln(p.w, "No target is named: of each provider, the cheapest chat model that it lists would be called.")
		return
	}
	for _, c := range all {
		cost := "price unknown"
		switch {
		case c.Free:
			cost = "free"
		case c.Priced:
			cost = fmt.Sprintf("$%.6f at most", c.WorstUSD)
		}
		fmt.Fprintf(p.w, "%-40s  %s\n", plain(c.Target), cost)
	}
	fmt.Fprintf(p.w, "%s: %s\n", count(len(all), "call"), worst(all))
}

func (p *doctorPrinter) paint(colour, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// bar is one target of the project and what came of it.
type bar struct {
	What   string
	Target string
	Value  float64
	Status string // met, missed, or why there is no verdict
}

// judgeBars holds Sluice's rows against the targets. Each phase that a target speaks of has its own line.
func judgeBars(rec *runRecord) []bar {
	var bars []bar
	add := func(w *row, what, target string, value float64, measured, met bool) {
		b := bar{What: what, Target: target, Value: value, Status: "missed"}
		switch {
		case w == nil || !measured:
			b.Value, b.Status = 0, "not measured"
		case 2*w.Valid < w.Samples:
			b.Status = "not measured: invalid"
		case met:
			b.Status = "met"
		}
		bars = append(bars, b)
	}
	for _, ph := range rec.Phases {
		w := rec.row(ph.Name, sluice)
		var v row // zero when Sluice did not run
		if w != nil {
			v = *w
		}
		limit := 1.25
		switch {
		case ph.Unit == "chunk":
			limit = 1.05
		case ph.Job.Size >= 10_000:
			limit = 1.15
		}
		add(w, "CPU per "+ph.Unit+" to ReverseProxy's, "+ph.Name, fmt.Sprintf("<= %.2f", limit), v.Ratio.Mid, v.Ratio.N > 0, v.Ratio.Mid <= limit)
		if ph.Unit == "chunk" {
			ratio := rec.against(ph.Name, translated, sluice)
			guards := rec.against(ph.Name, sluice, unguarded)
			add(w, "CPU per chunk, with guards and rescue to without, "+ph.Name, "<= 1.05", guards.Mid, guards.N > 0, guards.Mid <= 1.05)
			add(rec.row(ph.Name, translated), "CPU per chunk, translated to forwarded, "+ph.Name, "<= 2.00", ratio.Mid, ratio.N > 0, ratio.Mid <= 2)
			add(w, "KiB per open stream, "+ph.Name, "<= 60", v.KBPerStream.Mid, v.KBPerStream.N > 0, v.KBPerStream.Mid <= 60)
			add(w, "failed streams, "+ph.Name, "0", float64(v.Failed), v.Samples > 0, v.Failed == 0)
		}
		if ph.Job.Streams >= 5000 {
			add(w, "chunk delay p50 in ms, "+ph.Name, "< 3", v.P50, v.Valid > 0, v.P50 < 3)
		}
	}
	return bars
}

// missed counts the bars that are not met.
func (rec *runRecord) missed() int {
	n := 0
	for _, b := range rec.Bars {
		if b.Status != "met" {
			n++
		}
	}
	return n
}

func (rec *runRecord) row(phase, peer string) *row {
	for i := range rec.Rows {
		if w := &rec.Rows[i]; w.Phase == phase && w.Peer == peer {
			return w
		}
	}
	return nil
}

// printRecord writes the tables of a run.
func printRecord(w io.Writer, rec *runRecord) error {
	fmt.Fprintf(w, "Commit %s, %s, took %s, %d rounds\n", rec.Commit, rec.Time.Format("2006-01-02 15:04 MST"), rec.Took, rec.Rounds)
	fmt.Fprintln(w, rec.Machine)
	fmt.Fprintln(w, "Medians over rounds; ratio to ReverseProxy with its range; added = quantile through the peer less that of the direct way.")
	for _, p := range rec.Peers {
		if p.Missing != "" {
			fmt.Fprintf(w, "%s: %s\n", p.Name, p.Missing)
		} else if p.Version != "" {
			fmt.Fprintf(w, "%s is %s\n", p.Name, p.Version)
		}
	}
	for _, ph := range rec.Phases {
		if err := printPhase(w, rec, ph); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\nBars")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, b := range rec.Bars {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", b.What, b.Target, value(b), b.Status)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func value(b bar) string {
	if b.Status == "not measured" {
		return "-"
	}
	return fmt.Sprintf("%.4g", b.Value)
}

func printPhase(w io.Writer, rec *runRecord, ph phase) error {
	fmt.Fprintf(w, "\n%s\n", ph.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	memory := ""
	if ph.Unit == "chunk" {
		memory = "idle MiB\tKiB/stream\tPSS\t"
	}
	fmt.Fprintf(t, "peer\tus CPU/%s\tratio\t%ss/s\tp50 ms\tp99 ms\tadded p50\tadded p99\t%sfailed\tlag p99 ms\tload busy\tvalid\t\n", ph.Unit, ph.Unit, memory)
	for _, p := range rec.Peers {
		if v := rec.row(ph.Name, p.Name); v != nil {
			fmt.Fprintln(t, line(ph, v))
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, p := range rec.Peers {
		v := rec.row(ph.Name, p.Name)
		if v == nil {
			continue
		}
		if v.FirstError != "" {
			fmt.Fprintf(w, "  %s: first failure: %s\n", p.Name, v.FirstError)
		}
		if notes := slices.DeleteFunc(slices.Clone(v.Notes), func(n string) bool { return strings.HasSuffix(n, clientBoundMsg) }); len(notes) > 0 {
			fmt.Fprintf(w, "  %s: %s\n", p.Name, strings.Join(notes, "; "))
		}
	}
	return nil
}

// line is one row of a phase's table, with a tab after each cell.
func line(ph phase, v *row) string {
	state := fmt.Sprintf("%d/%d", v.Valid, v.Samples)
	if 2*v.Valid < v.Samples {
		state += " invalid"
	}
	rate := fmt.Sprintf("%.0f", v.PerSecond)
	if slices.ContainsFunc(v.Notes, func(n string) bool { return strings.HasSuffix(n, clientBoundMsg) }) {
		rate = ">=" + rate // the load's limit, not the peer's
	}
	cells := []string{v.Peer, "-", "-", rate, fmt.Sprintf("%.3f", v.P50), fmt.Sprintf("%.3f", v.P99), "-", "-"}
	if v.Peer != direct {
		cells[1] = fmt.Sprintf("%.1f", v.CPU)
	}
	if v.Added50.N > 0 {
		cells[6], cells[7] = fmt.Sprintf("%+.3f", v.Added50.Mid), fmt.Sprintf("%+.3f", v.Added99.Mid)
	}
	if r := v.Ratio; r.N > 0 {
		cells[2] = fmt.Sprintf("%.2f (%.2f-%.2f)", r.Mid, r.Min, r.Max)
	}
	if ph.Unit == "chunk" {
		memory := []string{"-", "-", "-"}
		if k := v.KBPerStream; k.N > 0 {
			memory = []string{fmt.Sprintf("%.1f", v.Idle), fmt.Sprintf("%.1f (%.1f-%.1f)", k.Mid, k.Min, k.Max), fmt.Sprintf("%.1f", v.PSSPerStream)}
		}
		cells = append(cells, memory...)
	}
	cells = append(cells, fmt.Sprintf("%d of %d", v.Failed, v.Sent), fmt.Sprintf("%.2f", v.LagP99), fmt.Sprintf("%.0f %%", 100*v.LoadBusy), state)
	return strings.Join(cells, "\t") + "\t"
}

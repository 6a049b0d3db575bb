//go:build linux

// Command scheduler measures the scheduler on whole processes: simulated providers that enforce quotas in the four ways found in the wild,
// the gateway in front of them, and callers of two kinds, those that go through it and those that retry by themselves as the official SDKs
// do. It prints a table for each section with the bars met and missed, and ends with 1 if one is missed. docs/PERFORMANCE.md describes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"sluice/bench/rig"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them; see rig.Start
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "scheduler:", err)
		os.Exit(1)
	}
}

// options of a run, from flags.
type options struct {
	only        string
	quick, full bool
	json        string
	sluice      string
	cells       string
	parallel    int
	seed        uint64
	keep        string // directory for logs and configurations; "" for one that is removed
}

// section is one part of the report. run may be slow; it prints nothing but progress.
type section struct {
	name string
	run  func(context.Context, *lab) (*Table, error)
}

// sections are all that there are, in the order of the report.
func sections() []section {
	return []section{
		{"backlog", backlog},
		{"priority", priority},
		{"overload", overload},
		{"budget", budget},
		{"fairness", fairness},
		{"speed", speed},
		{"replicas", replicas},
	}
}

func run(args []string, out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	f := flag.NewFlagSet("scheduler", flag.ContinueOnError)
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	f.StringVar(&o.only, "only", "", "sections, separated by commas, of "+strings.Join(names, ", "))
	f.BoolVar(&o.quick, "quick", false, "less work by the same rules, in about a third of the time")
	f.BoolVar(&o.full, "full", false, "have the reference senders really send, too")
	f.StringVar(&o.json, "json", "", "file for everything that was measured")
	f.StringVar(&o.sluice, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	f.StringVar(&o.cells, "cells", "", "of backlog: only cells whose name contains one of these, separated by commas, for example 'fixed/declared,slices'")
	f.IntVar(&o.parallel, "parallel", 6, "cells of backlog at once, each with a provider and a gateway of its own")
	f.Uint64Var(&o.seed, "seed", 1, "decides what is asked and when")
	f.StringVar(&o.keep, "keep", "", "`directory` for logs and configurations (default: one that is removed)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	chosen, err := choose(sections(), o.only)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, &o)
	if err != nil {
		return err
	}
	defer l.close()
	return report(ctx, l, chosen, out)
}

// choose returns the sections that are named; all if none is.
func choose(all []section, only string) ([]section, error) {
	if only == "" {
		return all, nil
	}
	var chosen []section
next:
	for name := range strings.SplitSeq(only, ",") {
		for _, s := range all {
			if s.name == strings.TrimSpace(name) {
				chosen = append(chosen, s)
				continue next
			}
		}
		return nil, fmt.Errorf("there is no section %q", name)
	}
	return chosen, nil
}

// record is a whole run.
type record struct {
	Time     time.Time
	Took     string
	Machine  string
	Commit   string
	Quick    bool
	Sections map[string]*Table
}

// report runs the sections one after the other, prints them, and returns an error that counts the bars that were missed.
func report(ctx context.Context, l *lab, chosen []section, out io.Writer) error {
	rec := &record{Time: time.Now().UTC(), Machine: rig.ReadMachine(0, "").String(), Commit: rig.Commit(ctx), Quick: l.o.quick, Sections: map[string]*Table{}}
	fmt.Fprintf(out, "%s, commit %s\n", rec.Machine, rec.Commit)
	bars, missed := 0, 0
	for _, s := range chosen {
		begun := time.Now()
		t, err := s.run(ctx, l)
		if err != nil {
			return fmt.Errorf("section %s: %w", s.name, err)
		}
		t.Took = time.Since(begun).Round(time.Second).String()
		rec.Sections[s.name] = t
		fmt.Fprintf(out, "\n== %s (%s)\n", s.name, t.Took)
		t.Print(out)
		for _, b := range t.Bars {
			bars++
			if !b.Met {
				missed++
			}
		}
	}
	rec.Took = time.Since(rec.Time).Round(time.Second).String()
	if l.o.json != "" {
		if err := rig.SaveAs(l.o.json, rec); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%d of %d bars met, %s\n", bars-missed, bars, rec.Took)
	if missed > 0 {
		return fmt.Errorf("%d of %d bars missed", missed, bars)
	}
	return nil
}

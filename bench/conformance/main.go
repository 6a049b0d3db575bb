//go:build linux

// Command conformance runs the real program between this client and two simulated providers that misbehave, and says for each failure, form
// and front what the client was given: pass, partial, safe or fail. It ends with an error unless all pass without an advisory miss.
// docs/CONFORMANCE.md says what each scenario does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"sluice/bench/rig"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them; see rig.Start
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// options of a run, from flags.
type options struct {
	program string
	json    string
	only    *regexp.Regexp
	verbose bool
	full    bool
	list    bool
	workers int
	scale   time.Duration // factor of the gateway's limits; 0 is as good as 1
	slack   time.Duration // added to each limit of the verdict
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	if o.list {
		return listScenarios(os.Stdout)
	}
	rec, err := measure(ctx, o)
	if err != nil {
		return err
	}
	if err := rec.print(os.Stdout, o.verbose); err != nil {
		return err
	}
	if o.json != "" {
		if err := rig.SaveAs(o.json, rec); err != nil {
			return err
		}
	}
	return rec.err()
}

func parseOptions(args []string) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("conformance", flag.ContinueOnError)
	f.StringVar(&o.program, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	f.StringVar(&o.json, "json", "", "file for the verdicts")
	f.StringVar(&only, "only", "", "only cells whose name (scenario/front/form) matches this expression")
	f.BoolVar(&o.verbose, "v", false, "show the bytes of cells that do not pass")
	f.BoolVar(&o.full, "full", false, "outages of 60 s in place of 20 s")
	f.BoolVar(&o.list, "list", false, "print the scenarios, as they stand in docs/CONFORMANCE.md, and end")
	f.IntVar(&o.workers, "workers", 24, "cells at a time")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("flag only: %w", err)
	}
	return o, nil
}

// rounds bounds how often a cell is done.
const rounds = 3

// measure runs the matrix.
func measure(ctx context.Context, o options) (*record, error) {
	dir, err := os.MkdirTemp("", "sluice-conformance-")
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	files, err := rig.RaiseFiles()
	if err != nil {
		return nil, err
	}
	if o.program == "" {
		fmt.Fprintln(os.Stderr, "building sluice")
		if o.program, err = rig.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	rec := &record{Time: time.Now().UTC(), Commit: rig.Commit(ctx), Machine: rig.ReadMachine(files, "")}
	cells := matrix(scenarios(), o.only.MatchString)
	if len(cells) == 0 {
		return nil, fmt.Errorf("no cell matches %q", o.only)
	}
	if rec.Cells, err = runRounds(ctx, o, dir, cells); err != nil {
		return nil, err
	}
	rec.Took = time.Since(rec.Time).Round(100 * time.Millisecond).String()
	return rec, nil
}

// runRounds runs cells, and those again whose misses may be the machine's.
func runRounds(ctx context.Context, o options, dir string, cells []*cell) ([]*verdict, error) {
	var all []*verdict
	at := map[string]int{} // index of each cell's verdict
	for round := 0; round < rounds && len(cells) > 0; round++ {
		verdicts, err := runRound(ctx, o, filepath.Join(dir, fmt.Sprint("round", round)), cells)
		if err != nil {
			return nil, err
		}
		var again []*cell
		for i, v := range verdicts {
			v.Repeated = round
			if k, ok := at[v.Cell]; ok {
				all[k] = v
			} else {
				at[v.Cell] = len(all)
				all = append(all, v)
			}
			if v.doubtful() {
				again = append(again, cells[i])
			}
		}
		cells = again
	}
	return all, nil
}

// runRound runs cells with processes of their own.
func runRound(ctx context.Context, o options, dir string, cells []*cell) ([]*verdict, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	outage := 20 * time.Second
	if o.full {
		outage = time.Minute
	}
	l, err := startLab(ctx, o.program, dir, cells, outage, max(o.scale, 1))
	if err != nil {
		return nil, err
	}
	defer l.stop()
	tell := func(done int) {
		if done%100 == 0 || done == len(cells) {
			fmt.Fprintf(os.Stderr, "%d of %d cells\n", done, len(cells))
		}
	}
	all, err := l.run(ctx, cells, o.workers, tell)
	if err != nil {
		return nil, err
	}
	verdicts := make([]*verdict, len(all))
	for i, p := range all {
		verdicts[i] = judge(p, o.slack)
	}
	return verdicts, nil
}

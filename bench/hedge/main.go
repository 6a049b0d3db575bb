//go:build linux

// Command hedge measures what hedging does to the time to first token, on whole processes: a simulated provider whose calls stall at
// times before their first token, the gateway in front of it, and clients that stream. It prints the times of a healthy target, of one
// that stalls, and of that one hedged, and how many calls more the provider has seen. It exits with 1 if a bar is missed. docs/RESILIENCE.md
// says what can be reached.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"sluice/bench/rig"
)

// The bars.
const (
	maxRatio = 1.3  // p99 of the hedged target to that of the healthy one
	maxExtra = 0.02 // second requests for calls, which the provider's count must bear out
)

// options of a run, from flags.
type options struct {
	calls, warm, users int
	stalls, budget     float64
	spread             float64
	median             time.Duration
	after              string
	seed               uint64
	out, sluice        string
}

func main() {
	runtime.LockOSThread() // children die with the thread that started them; see rig.Start
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hedge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	f := flag.NewFlagSet("hedge", flag.ContinueOnError)
	f.IntVar(&o.calls, "calls", 6000, "calls of each target that are measured")
	f.IntVar(&o.warm, "warm", 1000, "calls before, from which the gateway learns the target's times; they count for the bar of extra calls")
	f.IntVar(&o.users, "users", 100, "clients, each with one call at a time")
	f.Float64Var(&o.stalls, "stalls", 0.01, "share of calls that stall for ever before the first token")
	f.Float64Var(&o.budget, "budget", 0.02, "hedge.budget")
	f.StringVar(&o.after, "after", "p95", "hedge.after")
	f.DurationVar(&o.median, "median", 150*time.Millisecond, "median time to first token of a healthy call")
	f.Float64Var(&o.spread, "spread", 0.6, "sigma of its lognormal spread; 0.6 makes the 99th percentile four times the median")
	f.Uint64Var(&o.seed, "seed", 7, "seed of the simulated provider")
	f.StringVar(&o.out, "out", "bench-out", "directory for the record of the run")
	f.StringVar(&o.sluice, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	dir, err := os.MkdirTemp("", "sluice-hedge-")
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	rec, err := measure(ctx, &o, dir)
	if err != nil {
		return err
	}
	name, err := rig.Save(o.out, "hedge", rec.Time, rec)
	if err != nil {
		return err
	}
	rec.print(os.Stdout)
	fmt.Printf("\nrecord: %s\n", name)
	return rec.judge()
}

// measure starts the processes and puts the load on the targets.
func measure(ctx context.Context, o *options, dir string) (*record, error) {
	var err error
	if o.sluice == "" {
		fmt.Fprintln(os.Stderr, "building sluice")
		o.sluice, err = rig.Build(ctx, dir)
	} else {
		o.sluice, err = filepath.Abs(o.sluice)
	}
	if err != nil {
		return nil, err
	}
	sim, err := startSim(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	defer sim.Stop()
	gate, err := startGateway(ctx, o, dir, sim.Addr)
	if err != nil {
		return nil, err
	}
	defer gate.Stop()
	rec := &record{Time: time.Now(), Machine: rig.ReadMachine(0, "").String(), Commit: rig.Commit(ctx), Budget: o.budget, Stalls: o.stalls, Spread: o.spread}
	fmt.Fprintf(os.Stderr, "%d calls\n", 3*(o.warm+o.calls))
	if rec.Targets, err = load(ctx, o, gate.Addr, []string{healthy, stalling, hedged}); err != nil {
		return nil, gate.Failure(err)
	}
	for _, res := range rec.Targets {
		if res.Seen, err = seen(sim.Addr, res.Target); err != nil {
			return nil, err
		}
		if res.Hedges, err = hedges(gate.Addr, res.Target); err != nil {
			return nil, err
		}
	}
	rec.Took = time.Since(rec.Time).Round(time.Second).String()
	return rec, nil
}

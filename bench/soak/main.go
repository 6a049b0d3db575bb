//go:build linux

// Command soak has two hundred callers use the real program, over its four chat fronts, for ten minutes, while the simulated providers behind it
// fail in every way of table F at five times the rates of its source. At the end it holds what came against the bars: nearly all calls have
// the complete right answer, none looks whole and is not, none is late, nothing is left behind in the gateway, and its ledger says what the
// providers say. It ends with an error if a bar is missed.
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
	"syscall"
	"time"

	"sluice/bench/rig"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them; see rig.Start
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// options of a run, from flags.
type options struct {
	program  string
	json     string
	time     time.Duration
	callers  int
	deadline time.Duration
	progress time.Duration // between two lines
	seed     uint64
	out      io.Writer
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{progress: 10 * time.Second, out: os.Stdout}
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.StringVar(&o.program, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	f.StringVar(&o.json, "json", "", "file for everything that was measured")
	f.DurationVar(&o.time, "time", 10*time.Minute, "how long calls are begun")
	f.IntVar(&o.callers, "callers", 200, "calls at once")
	f.DurationVar(&o.deadline, "deadline", 30*time.Second, "of each call")
	f.Uint64Var(&o.seed, "seed", 1, "decides what is asked and, with the order of requests, what fails")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	dir, err := os.MkdirTemp("", "sluice-soak-")
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	rec, err := soak(ctx, o, dir)
	if err != nil {
		return err
	}
	rec.print(o.out)
	if o.json != "" {
		if err := rig.SaveAs(o.json, rec); err != nil {
			return err
		}
	}
	return rec.err()
}

// soak runs the whole and judges it.
func soak(ctx context.Context, o options, dir string) (*record, error) {
	files, err := rig.RaiseFiles()
	if err != nil {
		return nil, err
	}
	if o.program == "" {
		fmt.Fprintln(o.out, "building sluice")
		if o.program, err = rig.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	rec := &record{Time: time.Now().UTC(), Commit: rig.Commit(ctx), Machine: rig.ReadMachine(files, ""), Callers: o.callers}
	l, err := startLab(ctx, o.program, dir)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	l.deadline = o.deadline
	if l.asks, err = l.prepare(ctx, o.seed); err != nil {
		return nil, err
	}
	before, err := l.state()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	calls := l.load(ctx, o, rec)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	rec.Took = time.Since(begin).Round(100 * time.Millisecond).String()
	after, err := l.settle(ctx, before)
	if err != nil {
		return nil, err
	}
	rec.Before, rec.After = before, after
	rec.tally(calls)
	if err := l.audit(ctx, calls, rec); err != nil {
		return nil, err
	}
	rec.judge()
	return rec, nil
}

//go:build linux

// Command gateway compares whole processes on this machine, from outside: Sluice, a plain httputil.ReverseProxy and
// nginx, each between a client and a mock provider that cost next to nothing. It measures CPU time for each call and
// each chunk of a stream, added latency at fixed rates, and memory for each open stream. docs/PERFORMANCE.md says how
// the figures come about. The subcommands mock, proxy and client are its own child processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"sluice/bench/rig"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them; see startProcess
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 {
		switch args[0] {
		case "mock":
			return runMock()
		case "client":
			return runClient(ctx)
		case "proxy":
			if len(args) != 2 {
				return errors.New("proxy wants the URL of its upstream")
			}
			return runProxy(args[1])
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return runComparison(ctx, o)
}

func parseOptions(args []string) (options, error) {
	var o options
	var peers, peerCPUs, loadCPUs string
	f := flag.NewFlagSet("gateway", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "short windows and two rounds: about a minute, for a first look")
	f.IntVar(&o.rounds, "rounds", 0, "rounds over all peers (default 4, with -quick 2)")
	f.BoolVar(&o.check, "check", false, "exit with an error if a bar is missed or not measured")
	f.StringVar(&o.out, "out", "bench-out", "directory for the record of the run")
	f.StringVar(&o.only, "only", "", "only loads whose name contains this, like \"1000 streams\" or \"300 B\"")
	f.StringVar(&peers, "peers", strings.Join(allPeers(), ","), "what to compare")
	f.StringVar(&o.sluicePath, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	f.StringVar(&peerCPUs, "peer-cpus", "0", "CPUs of the peer under test, like 0 or 0,2-3; empty: not pinned")
	f.StringVar(&loadCPUs, "load-cpus", "1", "CPUs of mock and client; empty: not pinned")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds == 0 {
		o.rounds = 4
		if o.quick {
			o.rounds = 2
		}
	}
	o.peers = strings.Split(peers, ",")
	return o, o.pin(peerCPUs, loadCPUs)
}

// pin reads the CPU lists. Without taskset or with one CPU only, nothing is pinned, and the record says so.
func (o *options) pin(peerCPUs, loadCPUs string) error {
	if !rig.CanPin() {
		return nil
	}
	for _, l := range []struct {
		text string
		into *[]int
	}{{peerCPUs, &o.peerCPUs}, {loadCPUs, &o.loadCPUs}} {
		if l.text == "" {
			continue
		}
		cpus, err := rig.ParseCPUs(l.text)
		if err != nil {
			return err
		}
		*l.into = cpus
	}
	return nil
}

func runComparison(ctx context.Context, o options) error {
	limit, err := rig.RaiseFiles()
	if err != nil {
		return err
	}
	const enough = 12_000 // a gateway holds two sockets for each of 5,000 streams
	if limit < enough {
		return fmt.Errorf("limit of open files is %d, below %d; raise it with ulimit -Hn", limit, enough)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &runner{o: o, self: self, dir: dir, progress: os.Stderr}
	peers, err := r.find(ctx)
	if err != nil {
		return err
	}
	groups, err := choose(phases(o.quick), o.only)
	if err != nil {
		return err
	}
	rec := newRecord(ctx, o, peers, slices.Concat(groups...), limit)
	samples, err := r.compare(ctx, peers, groups)
	if err != nil {
		return err
	}
	rec.Samples, rec.Took = samples, time.Since(rec.Time).Round(time.Second).String()
	rec.Rows = summarizeRows(rec)
	rec.Bars = judgeBars(rec)
	name, err := rig.Save(o.out, "gateway", rec.Time, rec)
	if err != nil {
		return err
	}
	if err := printRecord(os.Stdout, rec); err != nil {
		return err
	}
	fmt.Printf("\nrecord of all rounds: %s\n", name)
	if missed := rec.missed(); o.check && missed > 0 {
		return fmt.Errorf("%d of %d bars missed or not measured", missed, len(rec.Bars))
	}
	return nil
}

func runMock() error {
	c, err := rig.NewClock()
	if err != nil {
		return err
	}
	m, err := rig.NewMock(c)
	if err != nil {
		return err
	}
	return m.RunChild()
}

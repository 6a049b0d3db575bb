//go:build linux

// Command truth holds the load engine against servers whose answers are known: that it reports what happened, that it can
// carry what it says, that it admits what it cannot, and that other tools agree. It prints a table of bars and ends with an
// error if one is missed. docs/PERFORMANCE.md says how the figures come about. The subcommands serve, mock and engine are
// its own child processes.
package main

import (
	"context"
	"encoding/json"
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
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) > 0 {
		switch args[0] {
		case "mock":
			return runMock(args[1:])
		case "burn":
			return burn()
		case "engine":
			return runEngine(ctx)
		case "serve":
			var p plan
			if len(args) != 2 || json.Unmarshal([]byte(args[1]), &p) != nil {
				return errors.New("serve wants a plan in JSON")
			}
			return runServer(p)
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return measure(ctx, o)
}

// runMock serves the mock. An argument is the slack of its times.
func runMock(args []string) error {
	var slack time.Duration
	if len(args) > 0 {
		var err error
		if slack, err = time.ParseDuration(args[0]); err != nil {
			return fmt.Errorf("slack of the mock: %w", err)
		}
	}
	c, err := rig.NewClock()
	if err != nil {
		return err
	}
	m, err := rig.NewMock(c)
	if err != nil {
		return err
	}
	m.Pace.Slack = slack
	return m.RunChild()
}

func parseOptions(args []string) (options, error) {
	var o options
	var engineCPU, peerCPU string
	f := flag.NewFlagSet("truth", flag.ContinueOnError)
	f.StringVar(&o.only, "only", "", "only sections whose name contains this: "+strings.Join(sectionNames(), ", "))
	f.StringVar(&o.json, "json", "", "file for everything that was measured (default: bench-out/truth-<time>.json)")
	f.BoolVar(&o.quick, "quick", false, "short windows and single rounds, for a first look: its verdicts say little")
	f.StringVar(&o.sluicePath, "sluice", "", "sluice binary (default: built from ./cmd/sluice)")
	f.StringVar(&engineCPU, "engine-cpu", "1", "CPU of the load engine and of other tools; empty: not pinned")
	f.StringVar(&peerCPU, "server-cpu", "0", "CPU of the servers; empty: not pinned")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if !rig.CanPin() {
		return o, nil
	}
	for _, l := range []struct {
		text string
		into *[]int
	}{{engineCPU, &o.engineCPU}, {peerCPU, &o.serverCPU}} {
		if l.text == "" {
			continue
		}
		cpus, err := rig.ParseCPUs(l.text)
		if err != nil {
			return o, err
		}
		*l.into = cpus
	}
	return o, nil
}

// section is a group of bars that are measured together.
type section struct {
	name, about string
	run         func(ctx context.Context, l *lab, f *findings) error
}

// sections lists all, in the order of their runs.
func sections() []section {
	return []section{
		{"truth", "figures beside those of a server that logs its writes", runTruth},
		{"sim", "figures beside those of the simulator", runSim},
		{"rules", "what tools get wrong", runRules},
		{"frozen", "a server that stops for 2 s of every 10", runFrozen},
		{"capacity", "what one core carries, and what it says beyond that", runCapacity},
		{"peers", "the same server measured by other tools", runPeers},
		{"statistics", "comparisons and histories that are drawn from known distributions", runStatistics},
		{"arithmetic", "sums whose result is known", runArithmetic},
	}
}

func sectionNames() []string {
	var all []string
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}

// record is what a run leaves in its file.
type record struct {
	Time     time.Time
	Took     string
	Commit   string
	Machine  rig.Machine
	Quick    bool
	Sections []*findings
}

func measure(ctx context.Context, o options) error {
	limit, err := rig.RaiseFiles()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-truth-")
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	l := &lab{o: o, self: self, dir: dir, files: limit, progress: os.Stderr}
	defer l.close()
	pinned := ""
	if len(o.engineCPU)+len(o.serverCPU) > 0 {
		pinned = fmt.Sprintf("engine and tools on CPU %s, servers on %s", rig.JoinCPUs(o.engineCPU), rig.JoinCPUs(o.serverCPU))
	}
	rec := &record{Time: time.Now().UTC(), Commit: rig.Commit(ctx), Machine: rig.ReadMachine(limit, pinned), Quick: o.quick}
	fmt.Printf("Commit %s, %s\n%s\n", rec.Commit, rec.Time.Format("2006-01-02 15:04 MST"), rec.Machine)
	if err := l.runSections(ctx, rec); err != nil {
		return err
	}
	rec.Took = time.Since(rec.Time).Round(time.Second).String()
	return rec.finish(os.Stdout, o.json)
}

// runSections runs what was asked for. A section that fails does not keep the others from running.
func (l *lab) runSections(ctx context.Context, rec *record) error {
	for _, s := range sections() {
		if !strings.Contains(s.name, l.o.only) {
			continue
		}
		fmt.Fprintf(l.progress, "%s: %s\n", s.name, s.about)
		r := &findings{Name: s.name, About: s.about}
		watch, err := startNoise()
		if err != nil {
			return err
		}
		start := time.Now()
		if err := s.run(ctx, l, r); err != nil {
			r.Error = err.Error()
		}
		r.Took = time.Since(start).Round(100 * time.Millisecond).String()
		r.Noise = watch.String()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rec.Sections = append(rec.Sections, r)
		if err := r.print(os.Stdout); err != nil {
			return err
		}
	}
	if len(rec.Sections) == 0 {
		return fmt.Errorf("no section has %q in its name; there are %s", l.o.only, strings.Join(sectionNames(), ", "))
	}
	return nil
}

// finish saves the record and gives the verdict on the whole.
func (rec *record) finish(w io.Writer, name string) error {
	var err error
	if name == "" {
		name, err = rig.Save("bench-out", "truth", rec.Time, rec)
	} else {
		err = rig.SaveAs(name, rec)
	}
	if err != nil {
		return err
	}
	good, bad := 0, 0
	var where []string
	for _, r := range rec.Sections {
		g, b := r.count()
		if good, bad = good+g, bad+b; b > 0 {
			where = append(where, r.Name)
		}
	}
	fmt.Fprintf(w, "\ntook %s; everything that was measured: %s\n", rec.Took, name)
	if bad > 0 {
		return fmt.Errorf("%d of %d bars missed or not measured, in %s", bad, good+bad, strings.Join(where, ", "))
	}
	fmt.Fprintf(w, "all %d bars met\n", good)
	return nil
}

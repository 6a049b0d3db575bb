//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// lab is where sections work: the program under test, and a way to run it. All methods may be called at the same time.
type lab struct {
	o      *options
	dir    string // for logs and configurations
	sluice string // the binary
	remove bool   // dir, at the end

	starts chan func() // run by the goroutine that starts children
	ended  sync.WaitGroup
}

// newLab builds the program.
func newLab(ctx context.Context, o *options) (*lab, error) {
	if _, err := rig.RaiseFiles(); err != nil {
		return nil, err
	}
	l := &lab{o: o, dir: o.keep, starts: make(chan func())}
	var err error
	if l.dir == "" {
		l.remove = true
		l.dir, err = os.MkdirTemp("", "sluice-scheduler-")
	} else {
		err = os.MkdirAll(l.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if o.sluice != "" {
		l.sluice, err = filepath.Abs(o.sluice)
	} else {
		fmt.Fprintln(os.Stderr, "building sluice")
		l.sluice, err = rig.Build(ctx, l.dir)
	}
	if err != nil {
		return nil, err
	}
	l.ended.Go(func() {
		runtime.LockOSThread() // children die with the thread that started them; see rig.Start
		for start := range l.starts {
			start()
		}
	})
	return l, nil
}

// close ends the lab. What was started must have been stopped.
func (l *lab) close() {
	close(l.starts)
	l.ended.Wait()
	if l.remove {
		_ = os.RemoveAll(l.dir) // a temporary directory: what is left of it does no harm
	}
}

// start starts a child on the goroutine that stays with its thread.
func start[P any](l *lab, child func() (P, error)) (p P, err error) {
	done := make(chan struct{})
	l.starts <- func() {
		p, err = child()
		close(done)
	}
	<-done
	return p, err
}

// provider is a simulated provider.
type provider struct{ *rig.Product }

// provide starts a simulated provider by a configuration; name tells it apart from others of the run.
func (l *lab) provide(ctx context.Context, name, config string) (*provider, error) {
	p, err := start(l, func() (*rig.Product, error) { return rig.StartSim(ctx, l.sluice, l.dir, fileName(name)+"-sim", config) })
	if err != nil {
		return nil, err
	}
	return &provider{p}, nil
}

// stats returns what the provider has counted.
func (p *provider) stats() (*sim.Stats, error) {
	var st sim.Stats
	if err := rig.Get(p.Addr, "/sim/stats", &st); err != nil {
		return nil, fmt.Errorf("read counts of the simulator: %w", err)
	}
	return &st, nil
}

// reset has the provider count from zero; what was charged to its quotas stays charged.
func (p *provider) reset() error {
	resp, err := http.Post(p.URL()+"/sim/reset", "", nil)
	if err != nil {
		return fmt.Errorf("reset counts of the simulator: %w", err)
	}
	return resp.Body.Close()
}

// gate starts a gateway by a configuration without listen and data_dir, and waits until it is ready.
func (l *lab) gate(ctx context.Context, name, config string) (*rig.Product, error) {
	p, err := start(l, func() (*rig.Product, error) {
		return rig.StartGateway(ctx, l.sluice, l.dir, fileName(name)+"-gateway", config)
	})
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func fileName(s string) string { return strings.NewReplacer("/", "-", " ", "-").Replace(s) }

// progress tells whoever watches.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

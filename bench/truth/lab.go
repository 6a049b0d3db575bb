//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"sluice/bench/rig"
)

// lab holds what the sections need. Its methods run on the main goroutine, locked to its thread (rig.Start).
type lab struct {
	o        options
	self     string // this program
	dir      string // temporary files of this run
	sluice   string // the product's program
	files    uint64 // limit of open files
	progress io.Writer
	engine   *rig.Process // runs jobs; nil until it is needed
}

// options of the program, from flags.
type options struct {
	only, json           string
	quick                bool
	sluicePath           string
	engineCPU, serverCPU []int // of the engine and other tools, of the servers; empty: not pinned
}

// seconds returns a time as it is, or a shorter one for a quick look.
func (l *lab) seconds(full, quick float64) float64 {
	if l.o.quick {
		return quick
	}
	return full
}

// span is seconds as a duration.
func (l *lab) span(full, quick float64) time.Duration {
	return time.Duration(l.seconds(full, quick) * float64(time.Second))
}

func (l *lab) rounds(full int) int {
	if l.o.quick {
		return 1
	}
	return full
}

// say writes a line about what goes on.
func (l *lab) say(format string, args ...any) { fmt.Fprintf(l.progress, "  "+format+"\n", args...) }

// serve starts a server of this program on the servers' CPU and returns it with its address.
func (l *lab) serve(ctx context.Context, args ...string) (*rig.Process, string, error) {
	p, err := rig.Start(rig.Spec{Dir: l.dir, Name: args[0], CPUs: l.o.serverCPU, Args: append([]string{l.self}, args...)})
	if err != nil {
		return nil, "", err
	}
	addr, err := p.ReadLine(ctx, 10*time.Second)
	if err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, addr, nil
}

// serveTruth starts a truth server.
func (l *lab) serveTruth(ctx context.Context, p plan) (*rig.Process, string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, "", fmt.Errorf("encode plan: %w", err)
	}
	return l.serve(ctx, "serve", string(b))
}

// load has the engine's process do a job.
func (l *lab) load(ctx context.Context, j job, limit time.Duration) (*outcome, error) {
	if l.engine == nil {
		var err error
		if l.engine, err = l.startEngine("engine"); err != nil {
			return nil, err
		}
	}
	o, err := order(ctx, l.engine, j, limit)
	if err != nil {
		l.engine.Stop()
		l.engine = nil
	}
	return o, err
}

// startEngine starts a process of the load engine on one CPU, with one thread for Go code.
func (l *lab) startEngine(name string) (*rig.Process, error) {
	return rig.Start(rig.Spec{Dir: l.dir, Name: name, CPUs: l.o.engineCPU, Env: []string{"GOMAXPROCS=1"}, Args: []string{l.self, "engine"}})
}

// order has a process of the engine do a job.
func order(ctx context.Context, engine *rig.Process, j job, limit time.Duration) (*outcome, error) {
	b, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	if _, err := engine.In.Write(append(b, '\n')); err != nil {
		return nil, engine.Failure(err)
	}
	line, err := engine.ReadLine(ctx, limit)
	if err != nil {
		return nil, err
	}
	var o outcome
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		return nil, fmt.Errorf("decode outcome: %w", err)
	}
	return &o, nil
}

// close ends what is left.
func (l *lab) close() {
	if l.engine != nil {
		l.engine.Stop()
	}
}

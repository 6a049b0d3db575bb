//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/report"
	"sluice/internal/sim"
)

// simConfig is a model whose times are spread by a known sigma, with failures by chance.
const simConfig = `seed: 7
record: 4000
models:
  - name: spread
    speed: {overhead: 60ms, step: 9ms, jitter: 0.4}
    output: {min: 8, max: 60}
faults:
  - {fault: "429", probability: 0.03}
  - {fault: "503", probability: 0.03}
  - {fault: "cut;after=1", probability: 0.03}
`

// simulator is a running `sluice sim`.
type simulator struct {
	*rig.Process
	url  string // with the version part
	addr string
}

// simulate starts the product's simulator with a configuration.
func (l *lab) simulate(ctx context.Context, config string) (*simulator, error) {
	if err := l.build(ctx); err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, "sim.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure simulator: %w", err)
	}
	p, err := rig.Start(rig.Spec{Dir: l.dir, Name: "sim", CPUs: l.o.serverCPU, Args: []string{l.sluice, "sim", "--listen", "127.0.0.1:0", "--config", file}})
	if err != nil {
		return nil, err
	}
	line, err := p.ReadLine(ctx, 10*time.Second) // simulated provider at URL (...
	_, rest, ok := strings.Cut(line, " at ")
	url, _, _ := strings.Cut(rest, " ")
	if err == nil && !ok {
		err = p.Failure(fmt.Errorf("its first line is %q", line))
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	return &simulator{p, url, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/v1")}, nil
}

// build compiles the product once, unless a program was named.
func (l *lab) build(ctx context.Context) error {
	var err error
	switch {
	case l.sluice != "":
	case l.o.sluicePath != "":
		l.sluice, err = filepath.Abs(l.o.sluicePath)
	default:
		l.say("building sluice")
		l.sluice, err = rig.Build(ctx, l.dir)
	}
	return err
}

// take returns the records of all requests and has the simulator forget them.
func (s *simulator) take(ctx context.Context) ([]sim.RequestRecord, error) {
	var all []sim.RequestRecord
	if err := rig.Get(s.addr, "/sim/requests", &all); err != nil {
		return nil, fmt.Errorf("read records of the simulator: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/sim/reset", nil)
	if err != nil {
		return nil, fmt.Errorf("reset simulator: %w", err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("reset simulator: %w", err)
	}
	return all, resp.Body.Close()
}

// truthOfSim turns a record of the simulator into what a perfect client would report.
func truthOfSim(r *sim.RequestRecord) truthOf {
	t := truthOf{
		ID: r.ID, Status: r.Status, OK: r.Status == http.StatusOK && r.Done && !r.Aborted && !slices.Contains(r.Faults, "cut"),
		TTFT: report.None, TTFO: report.None, TPOT: report.None, E2E: report.None, Tokens: r.Usage.Output, Reasoning: r.Usage.Reasoning,
	}
	if t.OK {
		t.TTFT, t.TTFO, t.E2E = r.Timing.FirstSent, r.Timing.FirstSent, r.Timing.LastSent
		if t.Tokens > 1 {
			t.TPOT = (r.Timing.LastSent - r.Timing.FirstSent) / time.Duration(t.Tokens-1)
		}
	}
	return t
}

// runSim measures `sluice sim`, whose records say when it wrote.
func runSim(ctx context.Context, l *lab, f *findings) error {
	s, err := l.simulate(ctx, simConfig)
	if err != nil {
		return err
	}
	defer s.Stop()
	return l.arrivals(f, func(sh shape) (*outcome, []truthOf, error) {
		o, err := l.load(ctx, job{URL: s.url, Model: "spread", Shape: sh, Keep: true}, sh.total())
		if err != nil {
			return nil, nil, err
		}
		records, err := s.take(ctx)
		if err != nil {
			return nil, nil, err
		}
		all := make([]truthOf, len(records))
		for i := range records {
			all[i] = truthOfSim(&records[i])
		}
		return o, all, nil
	})
}

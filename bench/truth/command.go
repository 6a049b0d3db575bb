//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sluice/bench/rig"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// command runs `sluice bench run` itself on one core, at a rate of answers that are not streamed, and adds a bar on the
// verdict that it prints and the code that it ends with.
func (l *lab) command(ctx context.Context, f *findings, name string, rate float64, state string, code int) error {
	if err := l.build(ctx); err != nil {
		return err
	}
	l.say("%s: %.0f/s", name, rate)
	server, addr, err := l.serve(ctx, "mock")
	if err != nil {
		return err
	}
	defer server.Stop()
	dir, err := os.MkdirTemp(l.dir, "command-")
	if err != nil {
		return fmt.Errorf("prepare %s: %w", name, err)
	}
	s := shape{Process: workload.Constant, Rate: rate, Sustain: 2 * time.Second, Cooldown: 2 * time.Second, Output: mockTokens, Whole: true}
	config := fmt.Sprintf("data_dir: %s\nproviders:\n  truth: {api: openai, base_url: \"http://%s/v1\", api_key: sk-truth, models: [mock]}\n", dir, addr)
	for file, text := range map[string]string{"sluice.yaml": config, "load.yaml": s.file()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
	}
	p, err := rig.Start(rig.Spec{Dir: dir, Name: "bench", CPUs: l.o.engineCPU, Env: []string{"GOMAXPROCS=1"}, Args: []string{
		l.sluice, "bench", "run", filepath.Join(dir, "load.yaml"), "--config", filepath.Join(dir, "sluice.yaml"), "--target", "truth/mock",
		"--out", filepath.Join(dir, "results"), "--no-save", "--yes", "--quiet", "--json",
	}})
	if err != nil {
		return err
	}
	defer p.Stop()
	out, err := p.ReadAll(ctx, 2*time.Minute)
	if len(out) == 0 && err != nil {
		return err
	}
	var said struct {
		Results []struct {
			Verdict report.Verdict
			TPS     report.Stat
		}
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("read results of %s: %w", name, err)
	}
	if len(said.Results) != 1 {
		return fmt.Errorf("read results of %s: there are %d, not 1", name, len(said.Results))
	}
	r := said.Results[0]
	f.add(name, fmt.Sprintf("%s, exit code %d", state, code), held(r.Verdict.State == state && p.Code() == code), "%s; exit code %d", verdict(r.Verdict), p.Code()).Note = fmt.Sprintf("asked for %.0f calls/s, its figure would be %.0f", rate, r.TPS.Mean)
	return nil
}

// burn uses a CPU until its parent is gone.
func burn() error {
	rig.ExitWithParent()
	for x := uint64(1); ; x = x*6364136223846793005 + 1 {
		if x == 0 {
			return nil // never: the sequence has no 0 within any run
		}
	}
}

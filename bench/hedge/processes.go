//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// The targets, which are models of the gateway. Each has two of the simulator's models behind it, named with -a and -b.
const (
	healthy  = "healthy"
	stalling = "stalling"
	hedged   = "hedged"
)

const benchKey = "sk-bench-of-hedging"

// firstToken is the gateway's limit on a first token: what ends a stall that is not hedged.
const firstToken = 3 * time.Second

// startSim starts the product's simulator. Half of the stalls begin before the headers, half after them.
func startSim(ctx context.Context, o *options, dir string) (*rig.Process, string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "seed: %d\nmodels:\n", o.seed)
	for _, name := range []string{healthy, stalling, hedged} {
		for _, suffix := range []string{"a", "b"} {
			fmt.Fprintf(&b, "  - name: %s-%s\n    speed: {overhead: %v, step: 1ms, jitter: %v}\n    output: {min: 2, max: 6}\n", name, suffix, o.median, o.spread)
		}
	}
	if o.stalls > 0 {
		fmt.Fprintf(&b, "faults:\n")
		for _, fault := range []string{"silent", "stall;after=0"} {
			fmt.Fprintf(&b, "  - {fault: %q, probability: %v, models: [\"%s-*\", \"%s-*\"]}\n", fault, o.stalls/2, stalling, hedged)
		}
	}
	file := filepath.Join(dir, "sim.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, "", fmt.Errorf("configure simulator: %w", err)
	}
	p, err := rig.Start(rig.Spec{Dir: dir, Name: "sim", Args: []string{o.sluice, "sim", "--listen", "127.0.0.1:0", "--config", file}})
	if err != nil {
		return nil, "", err
	}
	line, err := p.ReadLine(ctx, 10*time.Second) // simulated provider at URL (...
	_, rest, ok := strings.Cut(line, " at http://")
	if err == nil && !ok {
		err = p.Failure(fmt.Errorf("its first line is %q", line))
	}
	if err != nil {
		p.Stop()
		return nil, "", err
	}
	addr, _, _ := strings.Cut(rest, "/")
	return p, addr, nil
}

// startGateway starts the gateway and waits until it is ready.
func startGateway(ctx context.Context, o *options, dir, simAddr string) (*rig.Process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	text := fmt.Sprintf("listen: %s\ndata_dir: %s\nproviders:\n  sim: {api: openai, base_url: \"http://%s/v1\", api_key: sk-sim}\nkeys:\n  - {name: bench, key: %s}\n"+
		"timeouts: {headers: %v, first_token: %v}\nmodels:\n", addr, filepath.Join(dir, "data"), simAddr, benchKey, firstToken, firstToken)
	for _, name := range []string{healthy, stalling, hedged} {
		text += fmt.Sprintf("  %s:\n    targets: [sim/%s-a, sim/%s-b]\n", name, name, name)
	}
	text += fmt.Sprintf("    hedge: {after: %s, budget: %v}\n", o.after, o.budget) // of the last one
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, "", fmt.Errorf("configure gateway: %w", err)
	}
	p, err := rig.Start(rig.Spec{Dir: dir, Name: "gateway", Args: []string{o.sluice, "serve", "--config", file}})
	if err == nil {
		if err = ready(ctx, p, addr); err == nil {
			return p, addr, nil
		}
		p.Stop()
	}
	return nil, "", err
}

// ready waits until the gateway says that it is.
func ready(ctx context.Context, p *rig.Process, addr string) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(20 * time.Second); ; {
		resp, err := client.Get("http://" + addr + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if time.Now().After(end) {
			return p.Failure(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Done():
			return p.Failure(errors.New("ended before it was ready"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// seen returns how many requests the simulator has had for a target's models.
func seen(simAddr, target string) (n int64, err error) {
	var st sim.Stats
	if err := rig.Get(simAddr, "/sim/stats", &st); err != nil {
		return 0, fmt.Errorf("read counts of the simulator: %w", err)
	}
	return st.Models[target+"-a"].Requests + st.Models[target+"-b"].Requests, nil
}

// hedges reads from the gateway's metrics what came of a target's hedges.
func hedges(addr, target string) (map[string]int, error) {
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	all := map[string]int{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		labels, value, _ := strings.Cut(lines.Text(), "} ")
		result, of, ok := strings.Cut(strings.TrimPrefix(labels, `sluice_hedges_total{result="`), `",target="sim/`+target+"-")
		if !ok || !strings.HasPrefix(labels, "sluice_hedges_total{") || of == "" {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %q: %w", lines.Text(), err)
		}
		all[result] += n
	}
	return all, lines.Err()
}

//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
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
func startSim(ctx context.Context, o *options, dir string) (*rig.Product, error) {
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
	return rig.StartSim(ctx, o.sluice, dir, "sim", b.String())
}

// startGateway starts the gateway and waits until it is ready.
func startGateway(ctx context.Context, o *options, dir, simAddr string) (*rig.Product, error) {
	text := fmt.Sprintf("providers:\n  sim: {api: openai, base_url: \"http://%s/v1\", api_key: sk-sim}\nkeys:\n  - {name: bench, key: %s}\n"+
		"timeouts: {headers: %v, first_token: %v}\nmodels:\n", simAddr, benchKey, firstToken, firstToken)
	for _, name := range []string{healthy, stalling, hedged} {
		text += fmt.Sprintf("  %s:\n    targets: [sim/%s-a, sim/%s-b]\n", name, name, name)
	}
	text += fmt.Sprintf("    hedge: {after: %s, budget: %v}\n", o.after, o.budget) // of the last one
	p, err := rig.StartGateway(ctx, o.sluice, dir, "gateway", text)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
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

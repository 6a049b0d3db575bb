//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/bench/caller"
	"sluice/bench/rig"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// lab is a gateway between this program and two simulated providers, all of them processes. It is started and stopped by the goroutine that
// is locked to its thread (rig.Start); cells run in goroutines of their own.
type lab struct {
	gateway, first, second *rig.Product
	client                 *http.Client
	full                   bool // outages have their full length
}

const (
	records  = 20_000           // that each simulator keeps
	patience = 30 * time.Second // for one call; what takes longer hangs
	// reference marks the requests that ask a simulator for the right answer.
	reference = "X-Reference"
)

// startLab starts the processes for a set of cells.
func startLab(ctx context.Context, program, dir string, cells []*cell) (*lab, error) {
	l := &lab{client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}}
	start := func(to **rig.Product, begin func() (*rig.Product, error)) error {
		p, err := begin()
		*to = p
		return err
	}
	err := start(&l.first, func() (*rig.Product, error) {
		return rig.StartSim(ctx, program, dir, "first", simConfig(cells, true))
	})
	if err == nil {
		err = start(&l.second, func() (*rig.Product, error) {
			return rig.StartSim(ctx, program, dir, "second", simConfig(cells, false))
		})
	}
	if err == nil {
		err = start(&l.gateway, func() (*rig.Product, error) {
			return rig.StartGateway(ctx, program, dir, "gateway", gatewayConfig(cells, l.first.URL(), l.second.URL()))
		})
	}
	if err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *lab) stop() {
	l.client.CloseIdleConnections()
	for _, p := range []*rig.Product{l.gateway, l.first, l.second} {
		if p != nil {
			p.Stop()
		}
	}
}

// simConfig returns a simulator's configuration. All names that have no settings of their own are the same model, so that the same prompt gets
// the same text under each of them, at both simulators.
func simConfig(cells []*cell, first bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed: 5\nany_model: true\nrecord: %d\nmodels:\n", records)
	b.WriteString("  - {name: steady, speed: {overhead: 5ms, step: 3ms}, output: {min: 60, max: 60}}\n")
	b.WriteString("  - {name: embed, kind: embedding}\n")
	for _, c := range cells {
		if first && c.kinda != "" {
			fmt.Fprintf(&b, "  - {name: %s, speed: {overhead: 5ms, step: 3ms}, output: {min: 60, max: 60}, %s}\n", c.id, c.kinda)
		}
	}
	b.WriteString("faults:\n  - {fault: \"400\", models: [no-such-model]}\n") // the list must not be empty
	for _, c := range cells {
		name, fault := c.id, c.a
		if !first {
			name, fault = c.id+"b", c.b
		}
		if fault != "" {
			fmt.Fprintf(&b, "  - {fault: %q, models: [%q]}\n", fault, name)
		}
	}
	return b.String()
}

// gatewayConfig gives each cell accounts of its own, so that neither breakers nor budgets of one are those of another.
func gatewayConfig(cells []*cell, first, second string) string {
	var b, models strings.Builder
	b.WriteString(settings)
	b.WriteString("providers:\n")
	account := func(name, root string, d llm.Dialect) {
		switch d {
		case llm.Anthropic:
			fmt.Fprintf(&b, "  %s: {api: anthropic, base_url: \"%s/v1\", api_key: k}\n", name, root)
		case llm.Gemini:
			fmt.Fprintf(&b, "  %s: {api: gemini, base_url: \"%s/v1beta\", api_key: k}\n", name, root)
		case llm.Responses:
			fmt.Fprintf(&b, "  %s: {api: openai, responses: native, base_url: \"%s/v1\", api_key: k}\n", name, root)
		default:
			fmt.Fprintf(&b, "  %s: {api: openai, responses: translate, base_url: \"%s/v1\", api_key: k}\n", name, root)
		}
	}
	for _, c := range cells {
		account(c.id+"-1", first, c.target)
		targets := c.id + "-1/" + c.id
		if !c.one {
			account(c.id+"-2", second, c.target)
			targets += ", " + c.id + "-2/" + c.id + "b"
		}
		set := c.set
		if set != "" {
			set = ", " + set
		}
		fmt.Fprintf(&models, "  %s: {targets: [%s]%s}\n", c.id, targets, set)
	}
	return b.String() + "models:\n" + models.String()
}

// played is what came of a cell.
type played struct {
	cell *cell
	res  *caller.Result // of the call that counts
	ref  *llm.Answer    // what is right
	err  error          // why the cell could not be run

	seenA, seenB []sim.RequestRecord // requests that the targets saw, in order
	// Of scenarios that judge themselves.
	fails, misses []string
	note          string
	self          bool // res and ref are not to be compared
}

// play runs one cell.
func (l *lab) play(ctx context.Context, c *cell) *played {
	if c.scenario.play != nil {
		return c.scenario.play(l, c)
	}
	p := &played{cell: c}
	if p.ref, p.err = l.ask(ctx, c); p.err != nil {
		return p
	}
	p.res, p.err = l.call(ctx, c)
	return p
}

// call makes the cell's call.
func (l *lab) call(ctx context.Context, c *cell) (*caller.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := c.front.Request(ctx, l.gateway.URL(), c.chat(c.id, c.stream))
	if err != nil {
		return nil, err
	}
	if c.header[0] != "" {
		r.Header.Set(c.header[0], c.header[1])
	}
	return c.front.Call(l.client, r, c.stream), nil
}

// ask asks the second simulator, directly, in the target's dialect and without any fault, for the answer to the cell's question.
func (l *lab) ask(ctx context.Context, c *cell) (*llm.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	front := caller.Front{Name: c.target.String(), Dialect: c.target}
	r, err := front.Request(ctx, l.second.URL(), c.chat("right", false))
	if err != nil {
		return nil, err
	}
	r.Header.Set(reference, "1")
	res := front.Call(l.client, r, false)
	if res.Answer == nil || !res.Complete {
		return nil, fmt.Errorf("ask for the right answer: status %d, %v, %v, %.300s", res.Status, res.Broken, res.Bad, res.Body)
	}
	return res.Answer, nil
}

// run runs cells, some of them at a time, and then reads what the targets have seen.
func (l *lab) run(ctx context.Context, cells []*cell, workers int, tell func(done int)) ([]*played, error) {
	all := make([]*played, len(cells))
	var wg sync.WaitGroup
	next := make(chan int) // sent and closed below, received by the workers
	var mu sync.Mutex
	done := 0
	for range workers {
		wg.Go(func() {
			for i := range next {
				all[i] = l.play(ctx, cells[i])
				mu.Lock()
				done++
				tell(done)
				mu.Unlock()
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, l.collect(ctx, all)
}

// collect gives each cell the requests that its targets saw. It waits until these have ended, since a simulator may see the end of a request after
// the gateway does.
func (l *lab) collect(ctx context.Context, all []*played) error {
	for _, side := range []struct {
		p    *rig.Product
		into func(p *played) *[]sim.RequestRecord
		name func(c *cell) string
	}{
		{l.first, func(p *played) *[]sim.RequestRecord { return &p.seenA }, func(c *cell) string { return c.id }},
		{l.second, func(p *played) *[]sim.RequestRecord { return &p.seenB }, func(c *cell) string { return c.id + "b" }},
	} {
		if err := settle(ctx, side.p); err != nil {
			return err
		}
		seen, err := requests(side.p)
		if err != nil {
			return err
		}
		by := map[string][]sim.RequestRecord{}
		for i := range seen {
			if seen[i].Header.Get(reference) == "" {
				by[seen[i].Model] = append(by[seen[i].Model], seen[i])
			}
		}
		for _, p := range all {
			*side.into(p) = by[side.name(p.cell)]
		}
	}
	return nil
}

// settle waits until a simulator has no request under way.
func settle(ctx context.Context, p *rig.Product) error {
	for end := time.Now().Add(5 * time.Second); ; {
		var st sim.Stats
		if err := rig.Get(p.Addr, "/sim/stats", &st); err != nil {
			return err
		}
		if st.Open == 0 || time.Now().After(end) {
			return nil // what is still open is judged by its record
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// requests returns the records of a simulator, without bodies, in the order of arrival.
func requests(p *rig.Product) ([]sim.RequestRecord, error) {
	var all []sim.RequestRecord
	if err := rig.Get(p.Addr, "/sim/requests?bodies=false", &all); err != nil {
		return nil, fmt.Errorf("read records of the simulator: %w", err)
	}
	slices.SortFunc(all, func(a, b sim.RequestRecord) int { return a.Start.Compare(b.Start) })
	return all, nil
}

// post sends JSON and returns status and body.
func (l *lab) post(ctx context.Context, url string, body any) (int, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err = io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

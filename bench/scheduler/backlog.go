//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/internal/sim"
)

// The quota of the backlog: 9,000 requests and 4.2 million tokens a minute.
const (
	backlogRPM = 9000
	backlogTPM = 4_200_000
)

// service is how long an answer takes on average: the simulator's overhead and the steps of half its longest answer.
const (
	overhead = 300 * time.Millisecond
	step     = 15 * time.Millisecond
	shortest = 16
	longest  = 64
	service  = overhead + step*(shortest+longest)/2
)

// benchKey is the client's key at each gateway.
const benchKey = "sk-bench-of-the-scheduler"

// modes are the ways of enforcing.
func modes() []string { return []string{"bucket", "fixed", "slices", "sliding"} }

// cell is one run of the backlog: callers of a kind, a mode, and what is known of it.
type cell struct {
	mode string
	kind string // sdk, declared, headers, none; steady and clairvoyant with -full

	asks    []ask
	callers int
	phase   time.Duration // of the windows, in fixed
	runs    []*cellRun
	err     error
}

// cellRun is what came of it.
type cellRun struct {
	Cell        string
	Took        time.Duration
	Clairvoyant time.Duration
	Steady      time.Duration
	Sent        int64 // requests at the provider
	Limited     int64 // answered 429
	Lost        int   // calls that ended with an error
	Failure     string
	Rate        float64 // tokens charged until the last was, as a share of the plain rate
	Peak        float64 // highest use of an enforced window
	Longest     time.Duration
	Seconds     []sim.QuotaSecond
}

func (c *cell) name() string { return c.mode + "/" + c.kind }

// backlog measures how fast a backlog is worked off, and what is refused meanwhile.
func backlog(ctx context.Context, l *lab) (*Table, error) {
	calls, callers := 3000, 500
	if l.o.quick {
		calls, callers = 1800, 300
	}
	asks := mixed().draw(calls, l.o.seed, "m")
	cells := backlogCells(l.o)
	slots := make(chan struct{}, max(l.o.parallel, 1))
	var group sync.WaitGroup
	for i, c := range cells {
		c.asks, c.callers = asks, callers
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			// Apart from each other, so that their first bursts are not all at once on two cores.
			if c.err = pause(ctx, time.Duration(i%cap(slots))*2500*time.Millisecond); c.err == nil {
				c.err = c.run(ctx, l)
			}
		})
	}
	group.Wait()
	t := &Table{
		Title:   fmt.Sprintf("%d calls of %.0f tokens on average from %d callers at %d RPM and %d TPM", calls, total(charges(asks))/float64(calls), callers, backlogRPM, backlogTPM),
		Columns: []string{"cell", "time", "clairvoyant", "time/clairvoyant", "time/steady", "requests", "429", "429 share", "calls lost", "of plain rate", "peak use", "longest call"},
	}
	var data []*cellRun
	for _, c := range cells {
		if c.err != nil {
			return nil, fmt.Errorf("%s: %w", c.name(), c.err)
		}
		for n, r := range c.runs {
			t.Row(r.Cell, inSeconds(r.Took), inSeconds(r.Clairvoyant), fmt.Sprintf("%.3f", r.ratio()), fmt.Sprintf("%.3f", float64(r.Took)/float64(r.Steady)),
				r.Sent, r.Limited, percent(share(r.Limited, r.Sent)), r.Lost, percent(r.Rate), fmt.Sprintf("%.4f", r.Peak), inSeconds(r.Longest))
			if r.Failure != "" {
				t.Note("%s: %s", r.Cell, r.Failure)
			}
			c.judge(t, n, r)
			data = append(data, r)
		}
	}
	t.Data = data
	return t, nil
}

// backlogCells are the cells that were asked for: those that take longest first.
func backlogCells(o *options) []*cell {
	kinds := []string{"declared", "none", "headers", "sdk"}
	if o.full {
		kinds = append(kinds, "steady", "clairvoyant")
	}
	var all []*cell
	for _, kind := range kinds {
		for _, mode := range modes() {
			c := &cell{mode: mode, kind: kind}
			if o.cells == "" || slices.ContainsFunc(strings.Split(o.cells, ","), func(s string) bool { return strings.Contains(c.name(), s) }) {
				all = append(all, c)
			}
		}
	}
	return all
}

func (r *cellRun) ratio() float64 { return float64(r.Took) / float64(r.Clairvoyant) }

// judge holds a run against the bars of its kind.
func (c *cell) judge(t *Table, n int, r *cellRun) {
	limits := map[string]struct{ ratio, refused float64 }{
		"declared": {1.25, 0.005}, "headers": {1.3, 0.01}, "none": {1.5, 0.03},
	}
	bar, ok := limits[c.kind]
	if !ok {
		return
	}
	learned := c.kind == "declared" && n == 1
	if learned {
		bar.ratio, bar.refused = 1.10, 0.001
	}
	if learned && c.mode == "slices" {
		t.AtMost(r.Cell+": time/steady", "%.3f", float64(r.Took)/float64(r.Steady), 1.03)
	} else {
		t.AtMost(r.Cell+": time/clairvoyant", "%.3f", r.ratio(), bar.ratio)
	}
	t.AtMost(r.Cell+": share of 429", "%.4f", share(r.Limited, r.Sent), bar.refused)
	t.AtMost(r.Cell+": calls with an error", "%.0f", float64(r.Lost), 0) // without these the time says nothing
	if learned {
		t.AtLeast(r.Cell+": of the quota's plain rate", "%.4f", r.Rate, 0.99)
	}
	t.AtMost(r.Cell+": highest use of a window", "%.4f", r.Peak, 1.00001)
}

// windowAge is how long a fixed window has been running when the load begins: the first one is shorter than the others.
const windowAge = 20 * time.Second

// afterWindow is how much later than planned the clairvoyant sender really sends, so that nothing arrives before its window.
const afterWindow = 20 * time.Millisecond

// run starts the cell's own provider and gateway and puts the load on them.
func (c *cell) run(ctx context.Context, l *lab) error {
	headers := "true"
	if c.kind == "none" {
		headers = "none"
	}
	now := time.Now()
	config := fmt.Sprintf("seed: %d\nmodels:\n  - {name: m, speed: {overhead: %v, step: %v, jitter: 0.2}, output: {min: %d, max: %d}}\n"+
		"quotas:\n  - {rpm: %d, tpm: %d, enforce: %s, charge: max_tokens, headers: %q, retry_after: seconds",
		l.o.seed, overhead, step, shortest, longest, backlogRPM, backlogTPM, c.mode, headers)
	begin := now.Add(5 * time.Second)
	if c.mode == "fixed" {
		c.phase = time.Duration(begin.Add(-windowAge).UnixNano() % int64(time.Minute)).Truncate(time.Second)
		config += fmt.Sprintf(", phase: %v", c.phase)
	}
	p, err := l.provide(ctx, c.name(), config+"}\n")
	if err != nil {
		return err
	}
	defer p.Stop()
	addr, retry := p.Addr, 2
	if c.kind == "declared" || c.kind == "headers" || c.kind == "none" {
		g, err := l.gate(ctx, c.name(), gatewayConfig(p.Addr, c.kind == "declared"))
		if err != nil {
			return err
		}
		defer g.Stop()
		addr, retry = g.Addr, 0
	}
	if err := pause(ctx, time.Until(begin)); err != nil {
		return err
	}
	client := newClient(addr, benchKey, c.callers)
	client.retry = retry
	defer client.close()
	if err := c.load(ctx, client, p, ""); err != nil {
		return err
	}
	if c.kind != "declared" {
		return nil
	}
	if err := pause(ctx, c.recovery()); err != nil {
		return err
	}
	return c.load(ctx, client, p, ", again")
}

// recovery is how long it takes until the provider has forgotten a run.
func (c *cell) recovery() time.Duration {
	if c.mode == "slices" {
		return 2 * time.Second
	}
	return 61 * time.Second
}

// gatewayConfig is the configuration of a gateway with one account.
func gatewayConfig(provider string, declared bool) string {
	text := fmt.Sprintf("providers:\n  p:\n    api: openai\n    base_url: \"http://%s/v1\"\n    api_key: sk-sim\n    models: [m]\n", provider)
	if declared {
		text += fmt.Sprintf("    quotas:\n      - {models: [\"*\"], rpm: %d, tpm: %d, charge: max_tokens}\n", backlogRPM, backlogTPM)
	}
	return text + "keys:\n  - {name: bench, key: " + benchKey + "}\nqueue: {max_wait: 5m}\n"
}

// load puts the backlog on an address and adds what came of it to the runs.
func (c *cell) load(ctx context.Context, client *client, p *provider, suffix string) error {
	if err := p.reset(); err != nil {
		return err
	}
	progress("%s%s begins", c.name(), suffix)
	begun := time.Now()
	tokens := charges(c.asks)
	where := &terms{mode: c.mode, rpm: backlogRPM, tpm: backlogTPM, into: c.into(begun)}
	var results []*result
	switch c.kind {
	case "steady":
		results = client.planned(ctx, c.asks, where.even(tokens))
	case "clairvoyant":
		plan := where.plan(tokens, c.callers, service)
		for i := range plan {
			plan[i] += afterWindow
		}
		results = client.planned(ctx, c.asks, plan)
	default:
		results = client.backlog(ctx, c.asks, c.callers)
	}
	r := &cellRun{Cell: c.name() + suffix, Took: time.Since(begun), Steady: where.steady(tokens, service)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Clairvoyant = where.clairvoyant(tokens, c.callers, service)
	st, err := p.stats()
	if err != nil {
		return err
	}
	if len(st.Quotas) != 1 {
		return fmt.Errorf("the simulator has %d quotas", len(st.Quotas))
	}
	r.count(&st.Quotas[0], begun)
	var one error
	if r.Lost, one = failures(results); one != nil {
		r.Failure = one.Error()
	}
	for _, one := range results {
		r.Longest = max(r.Longest, one.took)
	}
	c.runs = append(c.runs, r)
	progress("%s%s: %.1f s, %.3f of clairvoyant, %d of %d answered 429, %d calls lost", c.name(), suffix, r.Took.Seconds(), r.ratio(), r.Limited, r.Sent, r.Lost)
	return nil
}

// count takes over what the provider says.
func (r *cellRun) count(q *sim.QuotaStats, begun time.Time) {
	r.Sent, r.Limited, r.Seconds = q.Accepted+q.Refused, q.Refused, q.Seconds
	for _, l := range q.Limits {
		r.Peak = max(r.Peak, l.Peak)
	}
	r.Rate = plainRate(q, begun)
}

// plainRate is what a quota of the backlog was charged until the last call was accepted, as a share of what comes at its plain rate in that time.
// Where seconds are enforced those count that were whole; else the time ends with the second of the last call.
func plainRate(q *sim.QuotaStats, begun time.Time) float64 {
	last := 0
	for i, s := range q.Seconds {
		if s.Accepted > 0 {
			last = i
		}
	}
	if q.Enforce == "slices" {
		if last < 2 {
			return 0
		}
		var sum int64
		for _, s := range q.Seconds[1:last] {
			sum += s.Tokens
		}
		return float64(sum) / (float64(last-1) * backlogTPM / 60)
	}
	span := q.Start.Add(time.Duration(last+1) * time.Second).Sub(begun)
	return float64(q.Tokens) / (span.Minutes() * backlogTPM)
}

// into is how long the window of a mode has been running at a time.
func (c *cell) into(at time.Time) time.Duration {
	length := time.Second
	if c.mode == "fixed" {
		length = time.Minute
	}
	return time.Duration((at.UnixNano() - int64(c.phase)) % int64(length))
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sluice/internal/sim"
)

// The traffic of the section on priority: callers of the class bulk that would take all of a quota of requests, and interactive calls that
// come at random times and need a tenth of it.
const (
	priorityRPM   = 3000
	bulkCallers   = 150
	interactShare = 0.1
)

// slotInterval is the time in which the quota lets one more call through.
const slotInterval = time.Minute / priorityRPM

// longestAnswer is how long the simulator takes for the longest of its answers.
const longestAnswer = 130 * time.Millisecond

// mix is the traffic of one mode.
type mix struct {
	Mode        string
	warm, span  time.Duration
	Interactive []*result         `json:"-"`
	Waits       [][2]float64      // of each interactive call: when it came, in seconds, and how long it waited, in ms
	Seconds     []sim.QuotaSecond // at the provider
	Limited     int64             // 429 at the provider
	Accepted    int64             // by the provider, while it was measured
	err         error
}

// priority measures how long interactive calls wait behind bulk, and what bulk gets beside them.
func priority(ctx context.Context, l *lab) (*Table, error) {
	warm, span := 140*time.Second, 2*time.Minute
	if l.o.quick {
		warm, span = 125*time.Second, time.Minute
	}
	var all []*mix
	var group sync.WaitGroup
	for i, mode := range modes() {
		m := &mix{Mode: mode, warm: warm, span: span}
		all = append(all, m)
		group.Go(func() {
			// Windows of the modes do not begin together, so that their bursts do not meet on two cores.
			if m.err = pause(ctx, time.Duration(i)*7*time.Second); m.err == nil {
				m.err = m.run(ctx, l)
			}
		})
	}
	group.Wait()
	t := &Table{
		Title: fmt.Sprintf("%d callers of bulk and Poisson traffic at %.0f%% of %d RPM for %v, after %v to learn; one slot is %v",
			bulkCallers, 100*interactShare, priorityRPM, span, warm, slotInterval),
		Columns: []string{"mode", "interactive", "wait p50", "wait p99", "client p50", "client p99", "errors", "both accepted", "of quota", "429"},
	}
	for _, m := range all {
		if m.err != nil {
			return nil, fmt.Errorf("%s: %w", m.Mode, m.err)
		}
		m.tell(t)
	}
	t.Data = all
	return t, nil
}

// tell adds the mode to the report.
func (m *mix) tell(t *Table) {
	var waits, took []time.Duration
	for _, r := range m.Interactive {
		waits, took = append(waits, r.queued), append(took, r.took)
	}
	waits, took = sorted(waits), sorted(took)
	lost, one := failures(m.Interactive)
	quota := priorityRPM * m.span.Minutes()
	both := float64(m.Accepted) / quota
	told, seen := quantile(waits, .99), quantile(took, .99)-longestAnswer
	t.Row(m.Mode, len(m.Interactive), inMS(quantile(waits, .5)), inMS(told), inMS(quantile(took, .5)), inMS(quantile(took, .99)),
		lost, m.Accepted, percent(both), m.Limited)
	if one != nil {
		t.Note("%s: %v", m.Mode, one)
	}
	t.AtMost(m.Mode+": p99 of the wait of interactive calls, ms", "%.1f", ms(told), ms(slotInterval+20*time.Millisecond))
	t.AtMost(m.Mode+": p99 of their time at the client less the longest answer, ms", "%.1f", ms(seen), ms(slotInterval+20*time.Millisecond))
	t.AtMost(m.Mode+": interactive calls with an error", "%.0f", float64(lost), 0)
	// What bulk has lost is the quota less its calls, and interactive calls took theirs: both together are the quota, but for what is measured.
	t.AtLeast(m.Mode+": bulk and interactive together, of the quota", "%.4f", both, 0.98)
}

// run starts a provider and a gateway and puts the mix on them.
func (m *mix) run(ctx context.Context, l *lab) error {
	name := "priority/" + m.Mode
	p, err := l.provide(ctx, name, fmt.Sprintf("seed: %d\nmodels:\n  - {name: m, speed: {overhead: 100ms, step: 2ms}, output: {min: 8, max: 15}}\n"+
		"quotas:\n  - {rpm: %d, enforce: %s, retry_after: seconds}\n", l.o.seed, priorityRPM, m.Mode))
	if err != nil {
		return err
	}
	defer p.Stop()
	g, err := l.gate(ctx, name, fmt.Sprintf("providers:\n  p:\n    api: openai\n    base_url: \"http://%s/v1\"\n    api_key: sk-sim\n    models: [m]\n"+
		"    quotas:\n      - {models: [\"*\"], rpm: %d}\nkeys:\n  - {name: bench, key: %s}\nqueue: {max_wait: 5m}\n", p.Addr, priorityRPM, benchKey))
	if err != nil {
		return err
	}
	defer g.Stop()
	small := sizes{mean: 200, sigma: 0.3, least: 50, most: 1000}
	bulk, interactive := newClient(g.Addr, benchKey, bulkCallers), newClient(g.Addr, benchKey, 100)
	bulk.class, interactive.class = "bulk", "interactive"
	defer bulk.close()
	defer interactive.close()
	asks := small.draw(500, l.o.seed, "m")
	progress("%s begins", name)
	from := time.Now().Add(m.warm).Truncate(time.Second) // the provider counts by the second
	until := from.Add(m.span)
	over, cancel := context.WithCancel(ctx) // for bulk calls that still wait at the end
	defer cancel()
	var group sync.WaitGroup
	for i := range bulkCallers {
		group.Go(func() {
			for n := i; time.Now().Before(until) && over.Err() == nil; n++ {
				if r := bulk.call(over, &asks[n%len(asks)]); r.err != nil && pause(over, 100*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(l.o.seed, 0xfeed))
	results := interactive.poisson(ctx, asks, until, interactShare*priorityRPM/60, random)
	stopping := pause(ctx, time.Until(until))
	st, err := p.stats()
	cancel()
	group.Wait()
	if stopping != nil || err != nil {
		return errors.Join(stopping, err)
	}
	for _, r := range results {
		if r.begun > m.warm && r.begun < m.warm+m.span-time.Second {
			m.Interactive = append(m.Interactive, r)
			m.Waits = append(m.Waits, [2]float64{r.begun.Seconds(), ms(r.queued)})
		}
	}
	q := &st.Quotas[0]
	m.Limited, m.Seconds = q.Refused, q.Seconds
	for i, s := range q.Seconds {
		if at := q.Start.Add(time.Duration(i) * time.Second); !at.Before(from) && at.Before(until) {
			m.Accepted += s.Accepted
		}
	}
	return nil
}

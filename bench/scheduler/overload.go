//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"sluice/bench/rig"
)

// The quota of the section on overload, enforced by the second: what is not used in a second is lost.
const (
	overloadRPM = 3000
	overloadBy  = 10  // times the quota come
	shortQueue  = 100 // calls that may wait: two seconds of the quota
	overKeys    = 10  // clients' keys that the calls come from
)

// flood is what came of an overload.
type flood struct {
	Calls     int
	Served    int // in the time that was measured
	Refused   []time.Duration
	Waited    []time.Duration // that the gateway says the refused have been in the queue
	Odd       int             // neither served nor refused with 429
	Failure   string
	Resident  []int64 // KiB, each second
	Limited   int64   // 429 at the provider
	Returned  int     // refused callers of the bursts that came back when they were told
	Welcome   int     // of these, served
	BackWaits []time.Duration
}

// overload sends ten times the quota, and bursts.
func overload(ctx context.Context, l *lab) (*Table, error) {
	span, bursts := time.Minute, 5
	if l.o.quick {
		span, bursts = 20*time.Second, 2
	}
	f := &flood{}
	if err := f.pour(ctx, l, span); err != nil {
		return nil, err
	}
	if err := f.burst(ctx, l, bursts); err != nil {
		return nil, err
	}
	t := &Table{
		Title:   fmt.Sprintf("%d times a quota of %d RPM for %v, then %d bursts of 10 s of it in 1 s; %d calls may wait", overloadBy, overloadRPM, span, bursts, shortQueue),
		Columns: []string{"calls", "served", "of capacity", "refused", "refusal p50", "refusal p99", "429 at provider", "resident MiB, begin", "end", "came back", "served then"},
	}
	refused := sorted(f.Refused)
	begin, end := f.resident()
	capacity := overloadRPM * span.Minutes()
	t.Row(f.Calls, f.Served, percent(float64(f.Served)/capacity), len(refused), inMS(quantile(refused, .5)), inMS(quantile(refused, .99)), f.Limited,
		fmt.Sprintf("%.1f", begin), fmt.Sprintf("%.1f", end), f.Returned, percent(share(int64(f.Welcome), int64(f.Returned))))
	waited := sorted(f.Waited)
	t.Note("the refused had been in the queue for %s (p50), %s (p99), %s at most", inMS(quantile(waited, .5)), inMS(quantile(waited, .99)), inMS(quantile(waited, 1)))
	waits := sorted(f.BackWaits)
	t.Note("refused callers of the bursts were asked to wait %s (p5), %s (p50), %s (p95)", inSeconds(quantile(waits, .05)), inSeconds(quantile(waits, .5)), inSeconds(quantile(waits, .95)))
	if f.Failure != "" {
		t.Note("an answer that was neither: %s", f.Failure)
	}
	t.AtLeast("goodput, of capacity", "%.4f", float64(f.Served)/capacity, 0.98)
	t.AtMost("p99 of refusals, ms", "%.2f", ms(quantile(refused, .99)), 5)
	t.AtMost("resident memory at the end to that at the beginning", "%.2f", end/begin, 1.15)
	t.AtMost("calls neither served nor refused with 429", "%.0f", float64(f.Odd), 0)
	t.AtLeast("refused callers of bursts", "%.0f", float64(f.Returned), 1)
	t.AtLeast("of these, served at their first return", "%.4f", share(int64(f.Welcome), int64(f.Returned)), 0.95)
	return t, nil
}

// resident returns the means of the first and the last third, in MiB.
func (f *flood) resident() (begin, end float64) {
	third := max(len(f.Resident)/3, 1)
	mean := func(kb []int64) float64 {
		var sum int64
		for _, n := range kb {
			sum += n
		}
		return float64(sum) / float64(max(len(kb), 1)) / 1024
	}
	return mean(f.Resident[:min(third, len(f.Resident))]), mean(f.Resident[max(len(f.Resident)-third, 0):])
}

// floodLab is a provider with the quota and a gateway with a short queue.
func (l *lab) floodLab(ctx context.Context, name string) (*provider, *rig.Product, error) {
	p, err := l.provide(ctx, name, fmt.Sprintf("seed: %d\nmodels:\n  - {name: m, speed: {overhead: 100ms, step: 2ms, jitter: 0.2}, output: {min: 8, max: 16}}\n"+
		"quotas:\n  - {rpm: %d, enforce: slices, retry_after: seconds}\n", l.o.seed, overloadRPM))
	if err != nil {
		return nil, nil, err
	}
	config := fmt.Sprintf("providers:\n  p:\n    api: openai\n    base_url: \"http://%s/v1\"\n    api_key: sk-sim\n    models: [m]\n"+
		"    quotas:\n      - {models: [\"*\"], rpm: %d}\nqueue: {max_calls: %d}\nkeys:\n", p.Addr, overloadRPM, shortQueue)
	for i := range overKeys {
		config += fmt.Sprintf("  - {name: bench%d, key: %s-%d}\n", i, benchKey, i)
	}
	g, err := l.gate(ctx, name, config)
	if err != nil {
		p.Stop()
		return nil, nil, err
	}
	return p, g, nil
}

// pour has calls come at random times, ten times as many as the quota allows. The first seconds are not counted: there connections are
// made, memory is had and the quota is learned.
func (f *flood) pour(ctx context.Context, l *lab, span time.Duration) error {
	p, g, err := l.floodLab(ctx, "overload")
	if err != nil {
		return err
	}
	defer p.Stop()
	defer g.Stop()
	const warm = 15 * time.Second
	progress("overload begins")
	begun := time.Now()
	until := begun.Add(warm + span)
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { f.watch(watching, g.PID(), begun.Add(warm)) })
	small := sizes{mean: 200, sigma: 0.3, least: 50, most: 1000}
	results := make([][]*result, overKeys)
	var group sync.WaitGroup
	for i := range overKeys {
		group.Go(func() {
			c := newClient(g.Addr, fmt.Sprintf("%s-%d", benchKey, i), 200)
			defer c.close()
			random := rand.New(rand.NewPCG(l.o.seed, uint64(i)))
			results[i] = c.poisson(ctx, small.draw(200, l.o.seed+uint64(i), "m"), until, overloadBy*overloadRPM/60/overKeys, random)
		})
	}
	group.Wait()
	stop()
	watch.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, of := range results {
		for _, r := range of {
			f.count(r, warm, span)
		}
	}
	st, err := p.stats()
	if err != nil {
		return err
	}
	f.Limited = st.Quotas[0].Refused
	return nil
}

// watch notes the gateway's memory each second.
func (f *flood) watch(ctx context.Context, pid int, from time.Time) {
	for at := from; pause(ctx, time.Until(at)) == nil; at = at.Add(time.Second) {
		kb, err := rig.ResidentKB(pid)
		if err != nil {
			return // the process has ended: its callers say so
		}
		f.Resident = append(f.Resident, kb)
	}
}

// count adds a call: as served in the second in which it ended, as refused if it began in the time that is measured.
func (f *flood) count(r *result, warm, span time.Duration) {
	if end := r.begun + r.took; r.err == nil && end >= warm && end < warm+span {
		f.Served++
	}
	if r.begun < warm {
		return
	}
	f.Calls++
	switch {
	case r.err == nil:
	case r.status == http.StatusTooManyRequests:
		f.Refused, f.Waited = append(f.Refused, r.took), append(f.Waited, r.queued)
	default:
		f.Odd++
		f.Failure = r.err.Error()
	}
}

// burst sends what the quota allows in ten seconds within one, and has those that are refused come back once, when they are told to.
func (f *flood) burst(ctx context.Context, l *lab, bursts int) error {
	p, g, err := l.floodLab(ctx, "burst")
	if err != nil {
		return err
	}
	defer p.Stop()
	defer g.Stop()
	c := newClient(g.Addr, benchKey+"-0", 1000)
	defer c.close()
	asks := sizes{mean: 200, sigma: 0.3, least: 50, most: 1000}.draw(10*overloadRPM/60, l.o.seed, "m")
	for range bursts {
		progress("burst begins")
		var mu sync.Mutex
		var group sync.WaitGroup
		begun := time.Now()
		for i := range asks {
			group.Go(func() {
				if pause(ctx, time.Duration(i)*time.Second/time.Duration(len(asks))-time.Since(begun)) != nil {
					return
				}
				r := c.call(ctx, &asks[i])
				if r.status != http.StatusTooManyRequests {
					return
				}
				wait := r.wait // -1, and at once, if it was not told
				if pause(ctx, wait) != nil {
					return
				}
				again := c.call(ctx, &asks[i])
				mu.Lock()
				defer mu.Unlock()
				f.Returned++
				f.BackWaits = append(f.BackWaits, wait)
				if again.err == nil {
					f.Welcome++
				}
			})
		}
		group.Wait()
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
	}
	return nil
}

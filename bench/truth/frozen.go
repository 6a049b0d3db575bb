//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"syscall"
	"time"

	"sluice/bench/rig"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// A server that answers in 5 ms but stops for 2 s of every 10. Of clients that come at constant intervals 20 % wait, the
// last one in a hundred for 1.9 s.
const (
	frozenFor   = 2 * time.Second
	frozenEvery = 10 * time.Second
	frozenFirst = 4 * time.Second // of each interval
	frozenAfter = 5 * time.Millisecond
	frozenRate  = 100
	frozenUsers = 4      // of the tool that waits for its answers
	frozenCap   = 8      // on requests in flight
	barFrozen   = 1500.0 // ms at p99
	barBlind    = 100.0  // ms at p99: what a tool says that does not see it
)

// freeze is an interval in which the server stood still, on CLOCK_MONOTONIC.
type freeze struct{ from, to int64 }

// watchers are those that measure the frozen server at the same time.
type watchers struct {
	open, capped, closed *outcome
	tool                 measured
}

// runFrozen measures a server that stands still at times, with the engine and with a tool that waits for each answer before
// it sends again, all at once, so that they see the same freezes.
func runFrozen(ctx context.Context, l *lab, f *findings) error {
	server, addr, err := l.serve(ctx, "mock")
	if err != nil {
		return err
	}
	defer server.Stop()
	clock, err := rig.NewClock()
	if err != nil {
		return err
	}
	var blind *tool
	for _, t := range []*tool{hey(), wrk()} {
		if blind = t.find(); blind != nil {
			break
		}
	}
	cycles := l.rounds(2)
	l.say("%d x %v on a server that stops for %v", cycles, frozenEvery, frozenFor)
	w, freezes, err := l.watchFrozen(ctx, server, addr, clock, blind, cycles)
	if err != nil {
		return err
	}
	w.judge(f, blind, freezes)
	return nil
}

// watchFrozen runs all watchers while it stops the server and lets it go on.
func (l *lab) watchFrozen(ctx context.Context, server *rig.Process, addr string, clock rig.Clock, blind *tool, cycles int) (*watchers, []freeze, error) {
	length := time.Duration(cycles) * frozenEvery
	url, model := "http://"+addr+"/v1", rig.MockModel(frozenAfter, 0)
	open := shape{Process: workload.Constant, Rate: frozenRate, Sustain: length, Cooldown: 5 * time.Second, Output: mockTokens, Whole: true}
	capped, closed := open, open
	capped.Users = frozenCap
	closed.Process, closed.Rate, closed.Users = workload.Closed, 0, frozenUsers

	var w watchers
	var wg sync.WaitGroup
	defer wg.Wait()
	errs := make([]error, 4)
	for i, run := range []struct {
		shape shape
		into  **outcome
	}{{open, &w.open}, {capped, &w.capped}, {closed, &w.closed}} {
		engine, err := l.startEngine(fmt.Sprintf("engine-%d", i))
		if err != nil {
			return nil, nil, err
		}
		defer engine.Stop()
		wg.Go(func() {
			*run.into, errs[i] = order(ctx, engine, job{URL: url, Model: model, Shape: run.shape, Keep: true}, run.shape.total())
		})
	}
	if blind != nil {
		t := target{url: url + "/chat/completions", body: fmt.Sprintf(`{"model":%q}`, model), users: frozenUsers, length: length}
		p, err := l.start(blind, t)
		if err != nil {
			return nil, nil, err
		}
		defer p.Stop()
		wg.Go(func() { w.tool, errs[3] = blind.finish(ctx, p, t) })
	}
	freezes, err := freezeAll(ctx, server, clock, cycles)
	if err != nil {
		return nil, nil, err
	}
	wg.Wait()
	return &w, freezes, errors.Join(errs...)
}

// freezeAll stops the server once in each interval.
func freezeAll(ctx context.Context, server *rig.Process, clock rig.Clock, cycles int) ([]freeze, error) {
	alarm, err := rig.NewAlarm()
	if err != nil {
		return nil, err
	}
	defer alarm.Close()
	defer context.AfterFunc(ctx, func() { alarm.Close() })() // ends a wait
	var all []freeze
	begin := clock.Now()
	for i := range cycles {
		at := begin + int64(i)*int64(frozenEvery) + int64(frozenFirst)
		if err := alarm.Until(clock, at); err != nil {
			return nil, err
		}
		if err := server.Signal(syscall.SIGSTOP); err != nil {
			return nil, err
		}
		from := clock.Now()
		err := alarm.Until(clock, from+int64(frozenFor))
		to := clock.Now()
		if err := errors.Join(err, server.Signal(syscall.SIGCONT)); err != nil {
			return nil, err
		}
		all = append(all, freeze{from, to})
	}
	return all, nil
}

// wait is what a client must wait who comes at an instant.
func wait(at int64, freezes []freeze) time.Duration {
	for _, z := range freezes {
		switch {
		case at >= z.from && at < z.to: // read when the server goes on, and answered after its time
			return time.Duration(z.to-at) + frozenAfter
		case at < z.from && at+int64(frozenAfter) >= z.from: // read before, due during the freeze
			return time.Duration(z.to - at)
		}
	}
	return frozenAfter
}

// trueWaits are the percentiles of what clients had to wait who came as a run's schedule says.
func trueWaits(o *outcome, freezes []freeze) three {
	var v []float64
	for i := range o.Records {
		v = append(v, millis(wait(o.Anchor+int64(o.Records[i].Scheduled), freezes)))
	}
	return threeOf(v)
}

func distOf(d *report.Dist) three { return three{d.P50, d.P95, d.P99} }

func (w *watchers) judge(f *findings, blind *tool, freezes []freeze) {
	truth := trueWaits(w.open, freezes)
	sched := distOf(&w.open.Run.Summary.E2ESched)
	f.add("what clients waited, p50 p95 p99", fmt.Sprintf("p99 >= %.0f ms", barFrozen), held(truth[2] >= barFrozen), "%v ms, from the schedule and the freezes", truth)
	good := sched[2] >= barFrozen
	for i := range sched {
		good = good && math.Abs(sched[i]-truth[i]) <= max(0.02*truth[i], 5) // a stopped process goes on some ms late
	}
	f.add("engine, open loop", "the same, within 2 % or 5 ms", held(good), "%v ms from schedule", sched)
	hybrid := &w.capped.Run.Summary
	truth = trueWaits(w.capped, freezes)
	f.add(fmt.Sprintf("engine, at most %d in flight", frozenCap), fmt.Sprintf("p99 from schedule >= %.0f ms", barFrozen), held(hybrid.E2ESched.P99 >= barFrozen),
		"%v ms from schedule, %v ms from sending; state %s", distOf(&hybrid.E2ESched), distOf(&hybrid.E2E), w.capped.Run.Verdict.State)
	f.add(fmt.Sprintf("engine, closed loop of %d", frozenUsers), fmt.Sprintf("blind: p99 < %.0f ms", barBlind), held(w.closed.Run.Summary.E2E.P99 < barBlind),
		"%v ms from sending, n %d", distOf(&w.closed.Run.Summary.E2E), w.closed.Run.Summary.E2E.N)
	if blind == nil {
		f.add("another tool, closed loop", "blind", absent, "hey or wrk is not installed").Note = hey().install
		return
	}
	f.add(fmt.Sprintf("%s, closed loop of %d", blind.name, frozenUsers), fmt.Sprintf("blind: p99 < %.0f ms", barBlind), held(w.tool.Latency[2] < barBlind),
		"%v ms from sending, n %d", w.tool.Latency, w.tool.N)
}

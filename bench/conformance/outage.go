//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sluice/bench/caller"
	"sluice/internal/llm"
)

const (
	outageFrom   = 3 * time.Second        // when a simulator goes down, since the start of its schedule
	outageAfter  = 3 * time.Second        // how long calls go on after it is back
	outageEvery  = 100 * time.Millisecond // between two calls
	outageNotice = 2 * time.Second        // until which a gateway may find out
	maxProbes    = 3                      // requests to a target that is down, once that is known
	maxReturn    = 2 * time.Second        // until a target that is back is used again
)

// patient are limits that only a machine in trouble reaches.
const patient = "timeouts: {headers: 20s, first_token: 20s, idle: 20s}"

// outages are failures that last.
func outages() []scenario {
	outage := func(form, doc string, fronts ...llm.Dialect) scenario {
		return scenario{
			name: "outage-" + form, row: "R3", only: "stream", fronts: fronts, outage: form, play: playOutage, set: patient,
			doc: doc + " for 20 s (60 s with -full) under 10 calls a second: each gets its whole answer, at most 3 requests find out whether it is back, and 2 s after it is back it is used again",
			want: want{
				a: span{1, 1_000_000}, b: span{1, 1_000_000},
			},
		}
	}
	return []scenario{
		outage("503", "the first target answers 503"),
		outage("reset", "the first target resets connections", llm.OpenAI),
		outage("refuse", "the first target's port is closed", llm.OpenAI),
		{
			name: "storm", row: "direct: 429", one: true, a: "429;after=1;first=6", play: playStorm, set: patient,
			doc:  "24 calls at once; the only target refuses the first six with 429 and Retry-After: 1: all get the whole answer, none asks again before the second is over",
			want: want{a: span{24, 30}, wall: time.Second + 3*answerTime},
		},
	}
}

// asked is one of several calls.
type asked struct {
	at  time.Time
	res *caller.Result
	err error
}

// wrong says what is wrong with a call that should have got its whole right answer.
func (a *asked) wrong(ref *llm.Answer) string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.res.Told != nil:
		return fmt.Sprintf("error %d %s: %.100s", a.res.Told.Status, a.res.Told.Code, a.res.Told.Message)
	case a.res.Broken != nil:
		return a.res.Broken.Error()
	case len(a.res.Bad) > 0:
		return a.res.Bad[0]
	case !a.res.Complete:
		return "ends without an end"
	}
	return caller.Same(ref, a.res.Answer)
}

// playOutage calls all the time while the first target goes down and comes back.
func playOutage(ctx context.Context, l *lab, c *cell) *played {
	p := &played{cell: c}
	if p.ref, p.err = l.ask(ctx, c); p.err != nil {
		return p
	}
	down := l.epoch.Add(outageFrom)
	up := down.Add(l.outage)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []asked
	tick := time.NewTicker(outageEvery)
	defer tick.Stop()
	for time.Now().Before(up.Add(outageAfter)) && ctx.Err() == nil {
		wg.Go(func() {
			one := asked{at: time.Now()}
			one.res, one.err = l.call(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, one)
		})
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	wg.Wait()
	good := 0
	for i := range all {
		if why := all[i].wrong(p.ref); why != "" {
			p.failed("the call %v after the outage began: %s", all[i].at.Sub(down).Round(time.Millisecond), why)
		} else {
			good++
		}
		if all[i].res != nil {
			p.wall, p.gap = max(p.wall, all[i].res.Wall), max(p.gap, all[i].res.Gap)
		}
	}
	p.note = fmt.Sprintf("%d of %d calls right", good, len(all))
	p.look = func(j *judging) { lookAtOutage(j, down, up) }
	return p
}

// lookAtOutage judges what the target saw that was down.
func lookAtOutage(j *judging, down, up time.Time) {
	before, probes := 0, 0
	var back time.Time
	for i := range j.p.seenA {
		at := j.p.seenA[i].Start
		switch {
		case at.Before(down.Add(outageNotice)):
			before++
		case at.Before(up):
			probes++
		case back.IsZero() && j.p.seenA[i].Status == 200:
			back = at
		}
	}
	j.Note += fmt.Sprintf("; %d requests while it was down", probes)
	if before == 0 {
		j.miss("the first target was not used before the outage")
	}
	if probes > maxProbes {
		j.miss("%d requests to the target while it was down, want at most %d", probes, maxProbes)
	}
	if back.IsZero() {
		j.miss("the target is not used again in %v", outageAfter)
	} else {
		j.Note += fmt.Sprintf("; used again after %v", back.Sub(up).Round(time.Millisecond))
		j.slow("used again after", back.Sub(up), maxReturn)
	}
}

// playStorm makes many calls at once.
func playStorm(ctx context.Context, l *lab, c *cell) *played {
	p := &played{cell: c}
	if p.ref, p.err = l.ask(ctx, c); p.err != nil {
		return p
	}
	all := make([]asked, 24)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			all[i].at = time.Now()
			all[i].res, all[i].err = l.call(ctx, c)
		})
	}
	wg.Wait()
	for i := range all {
		if why := all[i].wrong(p.ref); why != "" {
			p.failed("one of 24 calls: %s", why)
		}
		if all[i].res != nil {
			p.wall = max(p.wall, all[i].res.Wall)
		}
	}
	p.look = func(j *judging) {
		var told time.Time // when the first refusal was told
		for i := range p.seenA {
			if r := &p.seenA[i]; r.Status == 429 && (told.IsZero() || r.Start.Add(r.Took).Before(told)) {
				told = r.Start.Add(r.Took)
			}
		}
		early := 0
		for i := range p.seenA {
			// What was sent before the refusal could be read does not count.
			if wait := p.seenA[i].Start.Sub(told); wait > timing/2 && wait < 990*time.Millisecond {
				early++
			}
		}
		if early > 0 {
			j.late++ // on a busy machine, requests under way may take longer than that to arrive
			j.miss("%d requests before the stated wait was over", early)
		}
	}
	return p
}

//go:build linux

package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sluice/bench/rig"
	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire/openai"
)

// tally turns what the engine records of a job into its result.
type tally struct {
	job   *job
	clock rig.Clock

	from, to atomic.Int64 // the window, on CLOCK_MONOTONIC; 0 before begin

	mu      sync.Mutex
	r       result
	latency rig.Histogram
	first   rig.Histogram
	delay   rig.Histogram
	lag     rig.Histogram
}

func newTally(c rig.Clock, j *job) *tally {
	return &tally{job: j, clock: c, latency: rig.NewHistogram(), first: rig.NewHistogram(), delay: rig.NewHistogram(), lag: rig.NewHistogram()}
}

// begin fixes the window when the run's anchor is known.
func (t *tally) begin(anchor int64) {
	from := anchor + int64(t.job.Ramp+t.job.Warm)
	t.from.Store(from)
	t.to.Store(from + int64(t.job.Window))
}

// add takes one call or stream that has ended.
func (t *tally) add(r *report.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Sent++
	if r.Dispatched != report.None {
		t.lag.Record(int64(r.Dispatched - r.Scheduled))
	}
	from := t.job.Ramp + t.job.Warm
	to := from + t.job.Window
	inside := func(at time.Duration) bool { return at >= from && at < to }
	streams := t.job.Kind == "streams"
	if streams {
		t.addStream(r, from, to)
	}
	switch {
	case r.Incomplete:
		t.fail("no answer in time")
	case !r.OK:
		t.fail(fmt.Sprintf("status %d, %s: %s", r.Status, r.Error, r.Detail))
	case streams && int64(r.Events) != 1+r.WantOutput: // complete by its end, but not by its content, of which the mock's opening is the first
		t.fail(fmt.Sprintf("%d of %d chunks", r.Events, 1+r.WantOutput))
	case !streams:
		t.addCall(r, inside)
	}
}

// addCall takes a complete answer. The caller holds mu.
func (t *tally) addCall(r *report.Record, inside func(time.Duration) bool) {
	if inside(r.Done) {
		t.r.Units++
	}
	start := r.Scheduled
	if t.job.Kind == "closed" {
		start = r.Dispatched
	}
	if inside(start) {
		t.latency.Record(int64(r.Done - start))
	}
}

// addStream takes what streams have beside calls. The caller holds mu.
func (t *tally) addStream(r *report.Record, from, to time.Duration) {
	open := func(at time.Duration) bool {
		return r.FirstByte != report.None && r.FirstByte <= at && (r.Done == report.None || r.Done > at)
	}
	if open(from) {
		t.r.OpenBefore++
	}
	if open(to) {
		t.r.OpenAfter++
	}
	if r.FirstToken != report.None {
		t.first.Record(int64(r.FirstToken - r.Scheduled))
	}
}

// fail counts what got no proper answer. The caller holds mu.
func (t *tally) fail(why string) {
	t.r.Failed++
	if t.r.FirstError == "" {
		t.r.FirstError = why
	}
}

// chunk counts a content chunk that was written at one time and read at another.
func (t *tally) chunk(written, read int64) {
	if read < t.from.Load() || read >= t.to.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Units++
	t.delay.Record(read - written)
}

// finish returns the result, with the quantiles filled in.
func (t *tally) finish() *result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r
	r.Latency, r.FirstChunk = t.latency.Quantiles(), t.first.Quantiles()
	r.Delay, r.DispatchLag = t.delay.Quantiles(), t.lag.Quantiles()
	return &r
}

// stamping is the dialect, with a look at the time that each chunk carries.
type stamping struct {
	openai.Client
	t *tally
}

// Stream returns a reader that hands the times on.
func (s stamping) Stream(op llm.Op) llm.StreamReader { return &stampReader{s.Client.Stream(op), s.t} }

type stampReader struct {
	llm.StreamReader
	t *tally
}

// Observe takes the time before anything else is done with the event.
func (s *stampReader) Observe(name, data []byte) llm.Seen {
	if at, ok := rig.StampOf(data); ok {
		s.t.chunk(at, s.t.clock.Now())
	}
	return s.StreamReader.Observe(name, data)
}

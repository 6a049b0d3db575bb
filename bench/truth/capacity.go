//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// What one core must carry, and how much more it is then asked for.
const (
	barStreams  = 10_000
	barEvents   = 80_000 // a second, of all streams
	barKiB      = 60     // of memory for each stream
	barRequests = 15_000 // a second, not streamed
	beyond      = 3
	mockTokens  = 140                   // of its answers that are not streamed
	barMargin   = 0.99                  // of a number that a run is to reach
	serverSlack = time.Millisecond      // of the mock's times: it makes tokens for many streams in one step, as servers do
	exitInvalid = 4                     // of `sluice bench run`
	serverLate  = 50 * time.Millisecond // at p99: beyond it the server is what limits
)

// heavy is one load for one fresh process of the engine.
type heavy struct {
	name    string
	model   string
	shape   shape
	starved bool // another process wants the engine's core for itself
}

// streamed is a load of so many streams at a time, which each last for the given time and begin evenly spread.
func streamed(name string, streams int, events float64, length, sustain time.Duration) heavy {
	every := time.Duration(float64(streams) / events * float64(time.Second))
	return heavy{name: name, model: rig.MockModel(0, every), shape: shape{
		Process: workload.Constant, Rate: 1.02 * float64(streams) / length.Seconds(), Warmup: length + time.Second, Sustain: sustain,
		Cooldown: length + 2*time.Second, Output: int(length / every),
	}}
}

func whole(name string, rate float64, sustain time.Duration) heavy {
	return heavy{name: name, model: rig.MockModel(0, 0), shape: shape{
		Process: workload.Constant, Rate: rate, Warmup: time.Second, Sustain: sustain, Cooldown: 5 * time.Second, Output: mockTokens, Whole: true,
	}}
}

// runCapacity loads the engine, on one core, with what it must carry and with more.
func runCapacity(ctx context.Context, l *lab, f *findings) error {
	if len(l.o.engineCPU) != 1 || len(l.o.serverCPU) == 0 {
		f.add("pinning", "engine on one CPU, servers on another", unknown, "not pinned").Note = "needs two CPUs and taskset (apt-get install util-linux)"
		return nil
	}
	h := streamed("streams", barStreams, barEvents, l.span(16, 4), l.span(8, 3))
	w, err := l.carryOnce(ctx, h)
	if err != nil {
		return err
	}
	w.judgeStreams(f)
	if w, err = l.carryOnce(ctx, whole("calls", barRequests, l.span(10, 3))); err != nil {
		return err
	}
	w.judgeCalls(f)
	starved := streamed("streams on a core that another process uses too", barStreams, barEvents, l.span(4, 3), l.span(4, 3))
	starved.starved = true
	more := streamed(fmt.Sprintf("%d times the events", beyond), barStreams, beyond*barEvents, l.span(4, 3), l.span(4, 3))
	for _, h := range []heavy{more, starved} {
		if w, err = l.carry(ctx, h); err != nil {
			return err
		}
		w.judgeBeyond(f)
	}
	if err := l.command(ctx, f, "sluice bench run, a load that is easy", 100, "valid", 0); err != nil {
		return err
	}
	return l.command(ctx, f, fmt.Sprintf("sluice bench run, %d times the calls", beyond), beyond*barRequests, "invalid", exitInvalid)
}

// carried is what became of a heavy load.
type carried struct {
	heavy
	out      *outcome
	idle     int64 // KiB of the engine before
	peak     int64
	cores    float64 // that the engine used in the middle of the load
	server   float64 // that the server used
	lateness rig.Quantiles
	noise    string
	before   []string // what became of runs before that were not valid
}

// tries bounds how often a load is put on until it is carried: that it can be is shown by one valid run, and a machine that
// others use may spoil some. The table names those that were not.
const tries = 3

// carryOnce repeats a load until a run of it is valid.
func (l *lab) carryOnce(ctx context.Context, h heavy) (*carried, error) {
	var before []string
	for try := 1; ; try++ {
		c, err := l.carry(ctx, h)
		if err != nil {
			return nil, err
		}
		c.before = before
		if c.valid() || try == tries {
			return c, nil
		}
		before = append(before, fmt.Sprintf("run %d was %s; %s; %s", try, verdict(c.out.Run.Verdict), c.serverSays(), c.noise))
		l.say("once more, since it was %s", verdict(c.out.Run.Verdict))
	}
}

func (c *carried) valid() bool {
	return c.out.Run.Verdict.State == "valid" && c.out.Run.Summary.Failed == 0
}

// carry puts a heavy load on a fresh server, with a fresh process of the engine.
func (l *lab) carry(ctx context.Context, h heavy) (*carried, error) {
	l.say("%s: %.0f requests/s for %v", h.name, h.shape.Rate, h.shape.Warmup+h.shape.Sustain)
	server, addr, err := l.serve(ctx, "mock", serverSlack.String())
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	engine, err := l.startEngine("capacity")
	if err != nil {
		return nil, err
	}
	defer engine.Stop()
	if h.starved {
		burner, err := rig.Start(rig.Spec{Dir: l.dir, Name: "burner", CPUs: l.o.engineCPU, Args: []string{l.self, "burn"}})
		if err != nil {
			return nil, err
		}
		defer burner.Stop()
	}
	c := &carried{heavy: h}
	others, err := startNoise()
	if err != nil {
		return nil, err
	}
	// A first, small job takes what a process does once out of the figures.
	warm := whole("warm-up", 100, 500*time.Millisecond)
	if _, err := order(ctx, engine, job{URL: "http://" + addr + "/v1", Model: warm.model, Shape: warm.shape}, time.Minute); err != nil {
		return nil, err
	}
	if _, err := rig.TakeLag(addr); err != nil {
		return nil, err
	}
	if c.idle, err = rig.ResidentKB(engine.PID()); err != nil {
		return nil, err
	}
	watched := make(chan error, 1)
	stop := make(chan struct{})
	go func() { watched <- c.watch(engine.PID(), server.PID(), stop) }()
	c.out, err = order(ctx, engine, job{URL: "http://" + addr + "/v1", Model: h.model, Shape: h.shape}, h.shape.total())
	close(stop)
	if werr := <-watched; err == nil {
		err = werr
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	c.noise = others.String()
	c.lateness, err = rig.TakeLag(addr)
	return c, err
}

// watch samples memory until the job is done, and CPU time over the middle of its load.
func (c *carried) watch(engine, server int, stop <-chan struct{}) error {
	begin := time.Now()
	from, to := begin.Add(c.shape.Warmup+c.shape.Sustain/10), begin.Add(c.shape.Warmup+c.shape.Sustain)
	type reading struct {
		at             time.Time
		engine, server time.Duration
	}
	var first, last reading
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			if wall := last.at.Sub(first.at).Seconds(); wall > 0 {
				c.cores, c.server = (last.engine-first.engine).Seconds()/wall, (last.server-first.server).Seconds()/wall
			}
			return nil
		case <-tick.C:
		}
		kb, err := rig.ResidentKB(engine)
		if err != nil {
			return err
		}
		c.peak = max(c.peak, kb)
		now := reading{at: time.Now()}
		if now.engine, err = rig.CPUTime(engine); err != nil {
			return err
		}
		if now.server, err = rig.CPUTime(server); err != nil {
			return err
		}
		if now.at.After(from) && first.at.IsZero() {
			first = now
		}
		if !now.at.After(to) {
			last = now
		}
	}
}

// serverSays tells whether the server was what limited.
func (c *carried) serverSays() string {
	ms := time.Duration(c.lateness.P99).Round(100 * time.Microsecond)
	text := fmt.Sprintf("the server used %.2f of its core and was %v late at p99", c.server, ms)
	if time.Duration(c.lateness.P99) > serverLate {
		text += ": THE SERVER LIMITED"
	}
	return text
}

// verdict is the state of a run with its first reason.
func verdict(v report.Verdict) string {
	switch n := len(v.Reasons); n {
	case 0:
		return v.State
	case 1:
		return v.State + ": " + v.Reasons[0]
	default:
		return fmt.Sprintf("%s: %s, and %d more", v.State, v.Reasons[0], n-1)
	}
}

// judgeVerdict adds the bar that a run must be valid.
func (c *carried) judgeVerdict(f *findings) {
	s := &c.out.Run.Summary
	note := fmt.Sprintf("sent %.2f ms late at p99, idle alarm %.2f ms; %s; %s", c.out.Run.Client.Lag.P99, c.out.Run.Client.Probe.P99, c.serverSays(), c.noise)
	f.add(c.name+": verdict", "valid, no failures", held(c.valid()), "%s, %d failed", verdict(c.out.Run.Verdict), s.Failed).Note = strings.Join(append(c.before, note), "; ")
}

func (c *carried) judgeStreams(f *findings) {
	run := c.out.Run
	events := run.Summary.OutputRate // the mock counts a token for each event
	c.judgeVerdict(f)
	f.add("streams: at once", fmt.Sprint(barStreams), held(run.Client.MaxInFlight >= barStreams), "%d", run.Client.MaxInFlight)
	f.add("streams: events/s", fmt.Sprint(barEvents), held(events >= barMargin*barEvents), "%.0f", events)
	kib := float64(c.peak-c.idle) / float64(max(run.Client.MaxInFlight, 1))
	f.add("streams: memory of each", fmt.Sprintf("<= %d KiB", barKiB), held(kib <= barKiB), "%.1f KiB (%.0f MiB at most, %.0f before)", kib, float64(c.peak)/1024, float64(c.idle)/1024)
	f.add("streams: CPU", "one core", informal, "%.2f of it, %.2f us for an event", c.cores, c.cores*1e6/max(events, 1))
}

func (c *carried) judgeCalls(f *findings) {
	s := &c.out.Run.Summary
	c.judgeVerdict(f)
	f.add("calls: completed/s", fmt.Sprint(barRequests), held(s.TPS >= barMargin*barRequests), "%.0f", s.TPS)
	f.add("calls: CPU", "one core", informal, "%.2f of it, %.1f us for a call", c.cores, c.cores*1e6/max(s.TPS, 1))
}

// judgeBeyond wants the engine to say that its figures are not to be believed.
func (c *carried) judgeBeyond(f *findings) {
	s := &c.out.Run.Summary
	f.add(c.name, "verdict invalid", held(c.out.Run.Verdict.State == "invalid"), "%s", verdict(c.out.Run.Verdict)).Note = fmt.Sprintf("its figures would be %.0f calls/s, %.0f tokens/s, E2E p99 %.0f ms; it used %.2f of its core; %s", s.TPS, s.OutputRate, s.E2E.P99, c.cores, c.serverSays())
}

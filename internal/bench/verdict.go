package bench

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"sluice/internal/report"
	"sluice/internal/workload"
)

// Bounds of the verdict. Those of the client's own lateness make a run invalid: its figures would show the client. The others
// mean that a figure is not what it seems, or not of the load that was asked for. A slow target crosses none of the first.
const (
	lagP50       = 10 * time.Millisecond
	lagP99       = 100 * time.Millisecond
	leastSent    = 0.99 // of the requests scheduled in the window
	mostCPU      = 0.90 // of the cores this process may use
	mostPerRead  = 1.5  // events
	mostMiss     = 0.10 // share of answers that are over 10 % off the length asked for
	cacheOff     = 0.10 // between the share of cached input and the one that the workload makes possible
	mostHeld     = 0.01 // of the requests, which kept others from being sent while their records waited
	mostCut      = 0.01 // of the requests, which the end of the run cut off
	littleOff    = 0.20 // from 1
	littleFewest = 100  // requests, for Little's law to say anything
)

// The states of a verdict.
const (
	Valid    = report.StateValid
	Degraded = report.StateDegraded
	Invalid  = report.StateInvalid
)

// judge says whether the figures of a run are those of the target. Invalid: no, they are of this client. Degraded: yes, but
// some of them for the reasons given.
func (r *run) judge(run *report.Run, c *collector) report.Verdict {
	invalid := r.lateness(run, c)
	if p := r.exhausted.Load(); p != nil {
		invalid = append(invalid, "the client was "+*p)
	}
	if c.measured == 0 {
		invalid = append(invalid, "no request was scheduled in the measured window")
	}
	doubts := r.doubts(run, c)
	switch {
	case len(invalid) > 0:
		return report.Verdict{State: Invalid, Reasons: append(invalid, doubts...)}
	case len(doubts) > 0:
		return report.Verdict{State: Degraded, Reasons: doubts}
	}
	return report.Verdict{State: Valid}
}

// lateness returns where the client itself was late.
func (r *run) lateness(run *report.Run, c *collector) (out []string) {
	closed := run.Load.Process == workload.Closed
	what, who := "requests were sent", "after their time"
	if closed {
		who = "after their user was free"
	}
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	cl := &run.Client
	if cl.Lag.P50 > ms(lagP50) {
		add("%s %.1f ms %s in the median (limit %g ms)", what, cl.Lag.P50, who, ms(lagP50))
	}
	if cl.Lag.P99 > ms(lagP99) {
		add("%s %.0f ms %s at p99 (limit %g ms)", what, cl.Lag.P99, who, ms(lagP99))
	}
	if cl.Probe.P50 > ms(lagP50) {
		add("an idle alarm of the client came %.1f ms late in the median (limit %g ms): it cannot follow the answers", cl.Probe.P50, ms(lagP50))
	}
	if cl.Probe.P99 > ms(lagP99) {
		add("an idle alarm of the client came %.0f ms late at p99 (limit %g ms)", cl.Probe.P99, ms(lagP99))
	}
	if held := share(r.held.Load(), r.dispatched.Load()); run.Load.Mode != "open" && held > mostHeld {
		add("%.1f %% of the requests held their place until their record could be kept (limit %g %%): the disk or the screen is too slow", 100*held, 100*mostHeld)
	}
	if !closed && cl.Achieved < leastSent && c.scheduled > 0 {
		add("only %.1f %% of the scheduled requests were sent within the window (limit %g %%)", 100*cl.Achieved, 100*leastSent)
	}
	return out
}

// doubts returns which figures are not what they seem.
func (r *run) doubts(run *report.Run, c *collector) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	cl, sum := &run.Client, &run.Summary
	if cores := float64(runtime.GOMAXPROCS(0)); cl.CPU > mostCPU*cores {
		add("the client used %.2f of %g cores: it may be what limits", cl.CPU, cores)
	}
	if cl.EventsRead > mostPerRead {
		add("%.2f events came in one read on average: gaps between events (ICL) are those of the client or the path, not of the server", cl.EventsRead)
	}
	if cut := share(sum.Incomplete, sum.Requests); cut > mostCut {
		add("%.1f %% of the requests were cut off by the end of the run: percentiles of latency leave the slowest out", 100*cut)
	}
	if sum.LengthMiss > mostMiss {
		add("%.0f %% of the answers are over 10 %% off the output length asked for", 100*sum.LengthMiss)
	}
	if c.input > 0 {
		asked := share(c.shared, c.wanted)
		switch d := cl.OtherCached - asked; {
		case d > cacheOff:
			add("%.0f %% of the input came from the server's prefix cache, the workload shares %.0f %%", 100*cl.OtherCached, 100*asked)
		case -d > cacheOff && c.cached > 0:
			add("only %.0f %% of the input came from the server's prefix cache, the workload shares %.0f %%", 100*cl.OtherCached, 100*asked)
		}
	}
	if c.measured >= littleFewest && sum.Little > 0 && math.Abs(sum.Little-1) > littleOff {
		add("requests in flight are %.2f times rate x latency: no steady state, the figures depend on the length of the run", sum.Little)
	}
	if cl.CapMet > 0 && run.Load.Mode == "hybrid" {
		add("%.1f %% of the arrivals met the cap of %d in flight: TTFT and E2E from sending do not show their wait, those from schedule do", 100*cl.CapMet, run.Load.Concurrency)
	}
	return out
}

package bench

import (
	"testing"

	"sluice/internal/report"
	"sluice/internal/workload"
)

// TestVerdict changes one fact of a good run at a time.
func TestVerdict(t *testing.T) {
	t.Parallel()
	f := func(name, state string, change func(run *report.Run, c *collector), words ...string) {
		t.Helper()
		late := report.Quantiles{N: 1000, P50: 0.1, P99: 2}
		got := &report.Run{
			Load:    report.Load{Mode: "open", Process: workload.Poisson},
			Client:  report.Client{Lag: late, Probe: late, CPU: 0.1, Achieved: 1, EventsRead: 1, MaxInFlight: 3},
			Summary: report.Summary{Requests: 1000, OK: 1000, Little: 1},
		}
		c := &collector{measured: 1000, scheduled: 1000, inTime: 1000, input: 1000, wanted: 1000}
		change(got, c)
		v := (&run{}).judge(got, c)
		if v.State != state || (state == Valid) != (len(v.Reasons) == 0) {
			t.Errorf("%s: %+v", name, v)
		}
		if len(words) > 0 {
			mentions(t, v.Reasons, words...)
		}
	}
	f("good", Valid, func(*report.Run, *collector) {})
	f("late in the median", Invalid, func(r *report.Run, _ *collector) { r.Client.Lag.P50 = 10.1 }, "10.1 ms after their time in the median")
	f("just not late", Valid, func(r *report.Run, _ *collector) { r.Client.Lag.P50, r.Client.Lag.P99 = 10, 100 })
	f("late at p99", Invalid, func(r *report.Run, _ *collector) { r.Client.Lag.P99 = 101 }, "101 ms after their time at p99")
	f("late users", Invalid, func(r *report.Run, _ *collector) {
		r.Load.Process, r.Client.Lag.P99 = workload.Closed, 150
	}, "after their user was free")
	f("late alarm", Invalid, func(r *report.Run, _ *collector) { r.Client.Probe.P50 = 30 }, "idle alarm", "30.0 ms")
	f("late alarm at p99", Invalid, func(r *report.Run, _ *collector) { r.Client.Probe.P99 = 300 }, "idle alarm", "300 ms")
	f("too few sent", Invalid, func(r *report.Run, _ *collector) { r.Client.Achieved = 0.98 }, "98.0 % of the scheduled")
	f("closed loops schedule nothing", Valid, func(r *report.Run, _ *collector) {
		r.Load.Process, r.Client.Achieved = workload.Closed, 0
	})
	f("nothing measured", Invalid, func(_ *report.Run, c *collector) { c.measured = 0 }, "no request")
	f("busy", Degraded, func(r *report.Run, _ *collector) { r.Client.CPU = 1e6 }, "of", "cores")
	f("coalesced", Degraded, func(r *report.Run, _ *collector) { r.Client.EventsRead = 1.6 }, "1.60 events", "ICL")
	f("lengths", Degraded, func(r *report.Run, _ *collector) { r.Summary.LengthMiss = 0.2 }, "20 %", "output length")
	f("cached, though nothing is shared", Degraded, func(r *report.Run, _ *collector) { r.Client.OtherCached = 0.3 }, "30 % of the input", "shares 0 %")
	f("cached as asked", Valid, func(r *report.Run, c *collector) { r.Client.OtherCached, c.cached, c.shared = 0.45, 450, 500 })
	f("cached too little", Degraded, func(r *report.Run, c *collector) { r.Client.OtherCached, c.cached, c.shared = 0.1, 100, 500 }, "only 10 %", "shares 50 %")
	f("server without a cache", Valid, func(_ *report.Run, c *collector) { c.shared = 500 })
	f("cut off", Degraded, func(r *report.Run, _ *collector) { r.Summary.OK, r.Summary.Incomplete = 980, 20 }, "2.0 %", "leave the slowest out")
	f("hardly cut off", Valid, func(r *report.Run, _ *collector) { r.Summary.OK, r.Summary.Incomplete = 990, 10 })
	f("not steady", Degraded, func(r *report.Run, _ *collector) { r.Summary.Little = 1.5 }, "1.50 times", "steady state")
	f("too few for Little", Valid, func(r *report.Run, c *collector) { r.Summary.Little, c.measured = 1.5, 20 })
	f("cap met", Degraded, func(r *report.Run, _ *collector) {
		r.Load.Mode, r.Load.Concurrency, r.Client.CapMet = "hybrid", 8, 0.25
	}, "25.0 %", "cap of 8")
	f("overloaded server", Valid, func(r *report.Run, _ *collector) {
		r.Summary.OK, r.Summary.Failed, r.Client.MaxInFlight = 10, 990, 1e6
	})
}

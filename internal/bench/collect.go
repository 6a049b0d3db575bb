package bench

import (
	"fmt"
	"net/http"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/report"
	"sluice/internal/workload"
)

const (
	errorWindow = 100 // requests that the error rate is taken over
	errorFewest = 20  // with fewer no run is stopped
)

// collector takes the outcomes of a run, one at a time: it hands records on and adds up. It runs on one goroutine.
type collector struct {
	r   *run
	err error // of Record; from then on outcomes are only counted

	sum    *report.Summarizer
	series []report.Second
	live   live

	lag                  *hdrhistogram.Histogram // microseconds; of measured requests
	scheduled, inTime    int64                   // measured requests, and those that were sent in time for the window
	capMet               int64
	events, reads        int64
	input, cached        int64
	shared, wanted       int64 // tokens of the input that a cache may have, of those asked for
	measured             int64
	recent               [errorWindow]bool // outcome of the last requests: failed
	recentN, recentFails int
}

func newCollector(r *run) *collector {
	return &collector{r: r, sum: report.NewSummarizer(r.o.Workload.SLO), lag: latencies(), live: newLive()}
}

// latencies returns a histogram of microseconds up to an hour.
func latencies() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
}

// observe records a time in a histogram of microseconds.
func observe(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, 0), time.Hour) / time.Microsecond)) // within the range
}

// run takes outcomes until the channel is closed.
func (c *collector) run() {
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for {
		select {
		case o, ok := <-c.r.results:
			if !ok {
				c.progress()
				return
			}
			c.take(o)
			c.r.outcomes.Put(o)
		case <-tick.C:
			c.progress()
		}
	}
}

func (c *collector) take(o *outcome) {
	rec := &o.rec
	c.r.o.Budget.Settle(o.reserved, booked(o))
	c.sum.Add(rec)
	c.addSeries(o)
	c.addClient(o)
	c.live.take(rec)
	c.watchErrors(rec)
	if c.err == nil && c.r.o.Record != nil {
		if err := c.r.o.Record(rec); err != nil {
			c.err = fmt.Errorf("record request: %w", err)
			c.r.stop(errSink)
			c.r.cut(errSink)
		}
	}
}

// booked is what a request counts in the budget: what it cost, or all that was reserved if it was sent and nobody knows what
// became of it. That is also so for an answer that broke off: what the provider has made of it, and bills, is not told.
func booked(o *outcome) int64 {
	rec := &o.rec
	switch {
	case rec.Status == 0 && rec.Written != report.None:
		return o.reserved
	case rec.Status == http.StatusOK && !rec.OK:
		return max(o.reserved, rec.Cost)
	}
	return rec.Cost
}

// second returns the entry of the series that an instant belongs to.
func (c *collector) second(t time.Duration) *report.Second {
	i := int(max(t, 0) / time.Second)
	for len(c.series) <= i {
		c.series = append(c.series, report.Second{})
	}
	return &c.series[i]
}

// addSeries counts the request in the seconds that it touched. The output tokens that its usage tells are spread over its
// events, so that the series adds up to the tokens of the records.
func (c *collector) addSeries(o *outcome) {
	rec := &o.rec
	if rec.Dispatched == report.None {
		return
	}
	c.second(rec.Dispatched).Sent++
	switch {
	case rec.OK:
		c.second(rec.Done).Done++
	case !rec.Incomplete:
		c.second(rec.Done).Failed++
	}
	if rec.Output == 0 {
		return
	}
	if rec.Events == 0 {
		c.second(max(rec.LastToken, rec.Done, rec.FirstByte)).Tokens += float64(rec.Output)
		return
	}
	each := float64(rec.Output) / float64(rec.Events)
	for i, n := range o.emitted.counts {
		if n > 0 {
			c.second(time.Duration(o.emitted.first+i) * time.Second).Tokens += float64(n) * each
		}
	}
}

// addClient keeps what the verdict is made of.
func (c *collector) addClient(o *outcome) {
	rec := &o.rec
	if rec.Phase != workload.Sustain {
		return
	}
	c.measured++
	observe(c.lag, o.lag)
	if o.capMet {
		c.capMet++
	}
	if t := rec.Scheduled; t >= c.r.window.from && t < c.r.window.to {
		c.scheduled++
		if t+o.lag <= c.r.window.to+lagP99 {
			c.inTime++
		}
	}
	c.events += int64(rec.Events)
	c.reads += int64(rec.Reads)
	if rec.OK && !rec.Estimated {
		c.input += rec.Input
		c.cached += rec.Cached
		c.wanted += rec.WantInput
		c.shared += o.shared
	}
}

// watchErrors stops the run when too many of the last requests have failed.
func (c *collector) watchErrors(rec *report.Record) {
	limit := c.r.o.Workload.MaxError
	if limit <= 0 || rec.Incomplete {
		return
	}
	i := c.recentN % errorWindow
	if c.recent[i] {
		c.recentFails--
	}
	if c.recent[i] = !rec.OK; !rec.OK {
		c.recentFails++
	}
	c.recentN++
	if n := min(c.recentN, errorWindow); n >= errorFewest && float64(c.recentFails) > limit*float64(n) {
		c.r.stop(errErrorRate)
	}
}

// quantiles summarises a histogram of microseconds, in milliseconds.
func quantiles(h *hdrhistogram.Histogram) report.Quantiles {
	n := h.TotalCount()
	if n == 0 {
		return report.Quantiles{}
	}
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return report.Quantiles{N: n, Mean: h.Mean() / 1000, P50: at(50), P95: at(95), P99: at(99), Max: float64(h.Max()) / 1000}
}

// result puts everything together when nothing runs any more.
func (r *run) result(c *collector, w watched, rtt time.Duration) (*report.Run, error) {
	s := r.schedule
	run := &report.Run{
		ID: r.id, Suite: r.o.Suite, Cell: r.target.Cell, Repeat: r.o.Repeat, Step: r.o.Step, Seed: r.o.Key.Seed, Started: r.anchor,
		Load: report.Load{
			Mode: s.Arrival.Mode(), Process: s.Arrival.Process, Rate: s.Arrival.Rate, Shape: s.Arrival.Shape, Concurrency: s.Arrival.Concurrency,
			Warmup: s.Phases.Warmup, Ramp: s.Phases.Ramp, Sustain: s.Phases.Sustain, Cooldown: s.Phases.Cooldown, Requests: s.Requests,
		},
		From: r.window.from, To: r.window.to, Stopped: r.stopped(),
	}
	if n := int64(len(s.Slots)); n > 0 {
		run.Load.Requests = n
	}
	if run.Stopped != "" { // the load ended there, so that rates are of the part that was loaded
		run.To = min(run.To, max(run.From, r.stopInstant()))
	}
	var flying int64
	for i := range c.series {
		x := &c.series[i]
		flying += x.Sent - x.Done - x.Failed
		x.InFlight = flying
	}
	run.Series = c.series
	var err error
	if run.Gaps, err = report.EncodeHist(r.gaps.h); err != nil {
		return nil, fmt.Errorf("keep gaps of run %s: %w", r.id, err)
	}
	if err := c.sum.Finish(run); err != nil {
		return nil, fmt.Errorf("sum up run %s: %w", r.id, err)
	}
	run.Client = report.Client{
		Lag: quantiles(c.lag), Probe: w.probe, CPU: w.cpu, Achieved: share(c.inTime, c.scheduled), CapMet: share(c.capMet, c.measured),
		EventsRead: share(c.events, c.reads), OtherCached: share(c.cached, c.input), RTT: float64(rtt) / float64(time.Millisecond),
		MaxInFlight: r.maxFlight.Load(), MaxRSS: w.memory, OpenFiles: w.files, Connections: r.sender.dials.Load(),
	}
	run.Verdict = r.judge(run, c)
	return run, nil
}

// share is a/b, 0 if b is 0.
func share(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sluice/internal/report"
)

// truthOf is one request as its server knows it. Times are None where there was no such thing.
type truthOf struct {
	ID                string
	Status            int
	OK                bool
	Received          int64 // CLOCK_MONOTONIC; 0 if the server does not tell
	End               int64
	TTFT, TTFO        time.Duration
	TPOT, E2E         time.Duration
	Tokens, Reasoning int64
	Emitted           []emission
}

// truth turns an entry of the log into what a perfect client would report.
func (e *entry) truth() truthOf {
	t := truthOf{
		ID: requestID(e.N), Status: e.Status, OK: e.Complete, Received: e.Received, End: e.End,
		TTFT: report.None, TTFO: report.None, TPOT: report.None, E2E: report.None,
		Tokens: e.Tokens, Reasoning: e.Reasoning, Emitted: e.Emitted,
	}
	if !e.Complete {
		return t
	}
	t.TTFT, t.E2E = time.Duration(e.First-e.Received), time.Duration(e.Last-e.Received)
	if e.FirstText > 0 {
		t.TTFO = time.Duration(e.FirstText - e.Received)
	}
	if e.Tokens > 1 {
		t.TPOT = time.Duration(e.Last-e.First) / time.Duration(e.Tokens-1)
	}
	return t
}

// comparison sets what the engine said of several runs beside the truth.
type comparison struct {
	figures []*figure
	counts  []exact
	states  []string
	single  []float64 // differences of E2E of single requests, ms
	strange int       // requests that only one side knows
}

// figure is one latency, run by run.
type figure struct {
	name        string
	said        func(*report.Summary) *report.Dist
	true        func(*truthOf) time.Duration
	got, want   []three
	gotN, wantN int64
}

// exact is a number without tolerance. It may lie between two bounds, which differ only by what happened as the window
// opened or closed.
type exact struct {
	name           string
	got, low, high float64
}

func newComparison() *comparison {
	return &comparison{figures: []*figure{
		{name: "TTFT", said: func(s *report.Summary) *report.Dist { return &s.TTFT }, true: func(t *truthOf) time.Duration { return t.TTFT }},
		{name: "TTFO", said: func(s *report.Summary) *report.Dist { return &s.TTFO }, true: func(t *truthOf) time.Duration { return t.TTFO }},
		{name: "TPOT", said: func(s *report.Summary) *report.Dist { return &s.TPOT }, true: func(t *truthOf) time.Duration { return t.TPOT }},
		{name: "E2E", said: func(s *report.Summary) *report.Dist { return &s.E2E }, true: func(t *truthOf) time.Duration { return t.E2E }},
	}}
}

// add takes one run.
func (c *comparison) add(o *outcome, all []truthOf) {
	s := &o.Run.Summary
	for _, g := range c.figures {
		var v []float64
		for i := range all {
			if d := g.true(&all[i]); all[i].OK && d != report.None {
				v = append(v, millis(d))
			}
		}
		d := g.said(s)
		g.got, g.want = append(g.got, three{d.P50, d.P95, d.P99}), append(g.want, threeOf(v))
		g.gotN, g.wantN = g.gotN+d.N, g.wantN+int64(len(v))
	}
	c.counts = append(c.counts, countsOf(o, all)...)
	c.states = append(c.states, o.Run.Verdict.State)
	c.match(o.Records, all)
}

// match compares request by request.
func (c *comparison) match(records []report.Record, all []truthOf) {
	byID := make(map[string]*truthOf, len(all))
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	for i := range records {
		t := byID[records[i].RequestID]
		if t == nil {
			c.strange++
			continue
		}
		delete(byID, t.ID)
		if d, ok := records[i].E2E(); ok && records[i].OK && t.OK {
			c.single = append(c.single, millis(d-t.E2E))
		}
	}
	c.strange += len(byID)
}

// edge is how near to the window's ends a thing must have happened for its side to be open: the way over loopback and the
// wake-up of the reader take that long at most on a quiet machine.
const edge = 3 * time.Millisecond

// countsOf returns the numbers that must be exact.
func countsOf(o *outcome, all []truthOf) []exact {
	run, s := o.Run, &o.Run.Summary
	var ok, failed, tokens, reasoning float64
	var done, emitted exact
	from, to := o.Anchor+int64(run.From), o.Anchor+int64(run.To)
	statuses := map[string]float64{}
	for i := range all {
		t := &all[i]
		statuses[fmt.Sprint(t.Status)]++
		if !t.OK {
			failed++
			if t.Status == 200 { // its tokens were never told, only shown: an estimate may be twice as high
				for _, e := range t.Emitted {
					emitted.high += 2 * float64(e.Tokens)
				}
			}
			continue
		}
		ok++
		tokens, reasoning = tokens+float64(t.Tokens), reasoning+float64(t.Reasoning)
		done.count(t.End, 1, from, to)
		for _, e := range t.Emitted {
			emitted.count(e.At, float64(e.Tokens), from, to)
		}
	}
	window := (run.To - run.From).Seconds()
	list := []exact{
		{"requests", float64(s.Requests), ok + failed, ok + failed},
		{"ok", float64(s.OK), ok, ok},
		{"failed", float64(s.Failed), failed, failed},
		{"output tokens", float64(s.OutputTokens), tokens, tokens},
		{"reasoning tokens", float64(s.ReasoningTokens), reasoning, reasoning},
	}
	for status, n := range statuses {
		list = append(list, exact{"status " + status, float64(s.Statuses[status]), n, n})
	}
	if len(all) > 0 && all[0].Received > 0 {
		list = append(list, exact{"completed in window", s.TPS * window, done.low, done.high},
			exact{"tokens in window", s.OutputRate * window, emitted.low, emitted.high})
	}
	return list
}

// count adds what happened at an instant to the bounds.
func (e *exact) count(at int64, n float64, from, to int64) {
	if at >= from+int64(edge) && at < to-int64(edge) {
		e.low += n
	}
	if at >= from-int64(edge) && at < to+int64(edge) {
		e.high += n
	}
}

// holds leaves room for the rounding of a rate that was multiplied by its window again.
func (e *exact) holds() bool { return e.got >= e.low-1e-6*e.low && e.got <= e.high+1e-6*e.high }

// judge adds the bars.
func (c *comparison) judge(f *findings, process string) {
	for _, g := range c.figures {
		got, want := medianOf(g.got), medianOf(g.want)
		good := g.gotN == g.wantN
		for i := range got {
			good = good && near(c.deviation(g, i)+want[i], want[i])
		}
		b := f.add(process+": "+g.name+" p50 p95 p99", "within 2 % or 1 ms", held(good), "%v ms, true %v, n %d", got, want, g.gotN)
		if g.gotN != g.wantN {
			b.Note = fmt.Sprintf("the server knows %d values, the engine %d", g.wantN, g.gotN)
		}
	}
	c.judgeCounts(f, process)
	sorted := slices.Sorted(slices.Values(c.single))
	f.add(process+": single requests", "all known to both", held(c.strange == 0 && len(c.single) > 0),
		"E2E is off by %.2f ms in the median, %.2f at p99; %d known to one side only", quantile(sorted, .5), quantile(sorted, .99), c.strange)
}

// deviation is the median over runs of how far one percentile is off.
func (c *comparison) deviation(g *figure, i int) float64 {
	var d []float64
	for run := range g.got {
		d = append(d, g.got[run][i]-g.want[run][i])
	}
	return median(d)
}

// judgeCounts adds one bar for all numbers that must be exact.
func (c *comparison) judgeCounts(f *findings, process string) {
	var wrong []string
	open := 0.0
	for _, e := range c.counts {
		if !e.holds() {
			wrong = append(wrong, fmt.Sprintf("%s %.10g, true %s", e.name, e.got, bounds(e.low, e.high)))
		}
		open = max(open, e.high-e.low)
	}
	b := f.add(process+": requests, errors by status, tokens, TPS, tokens/s", "exact", held(len(wrong) == 0 && len(c.counts) > 0),
		"%d of %d numbers exact, open by at most %.0f at the window's ends", len(c.counts)-len(wrong), len(c.counts), open)
	b.Note = strings.Join(wrong, "; ")
	if i := slices.IndexFunc(c.states, func(s string) bool { return s == "invalid" }); i >= 0 {
		b.Note = strings.TrimPrefix(b.Note+"; the engine itself calls a run invalid", "; ")
	}
}

func bounds(low, high float64) string {
	if low == high || math.IsNaN(low) {
		return fmt.Sprintf("%.10g", low)
	}
	return fmt.Sprintf("%.10g to %.10g", low, high)
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"sluice/internal/report"
	"sluice/internal/sim"
	"sluice/internal/workload"
)

// rulesConfig are models whose times can be told in advance: no jitter, no batching.
const rulesConfig = `seed: 7
record: 1000
models:
  - name: steady
    speed: {overhead: 50ms, step: 10ms}
  - name: bundling
    speed: {overhead: 50ms, step: 10ms}
    tokens_per_event: 4
  - name: thinking
    speed: {overhead: 50ms, step: 10ms}
    reasoning: 8
`

// The times of those models, and what is asked of them.
const (
	rulesFirst  = 50.0 // ms
	rulesStep   = 10.0
	rulesTokens = 21
)

// rule is one thing that tools get wrong, and what is right.
type rule struct {
	what  string
	model string
	want  string
	// judge says whether it is right, and what was measured.
	judge func(s *report.Summary, served []sim.RequestRecord) (bool, string)
}

func rules() []rule {
	// Wrong rules are wrong by far more than a busy machine's delays: the exact figures are other sections' matter.
	about := func(d *report.Dist, n int64, ms float64) bool { return d.N == n && math.Abs(d.P50-ms) <= max(ms/20, 3) }
	paced := func(d *report.Dist, n int64, ms float64) bool { return d.N == n && math.Abs(d.P50-ms) <= ms/20 }
	return []rule{
		{
			"a first chunk with only the role", "steady:role-delay;delay=200ms", "TTFT 250 ms, first event at once, TPOT 10 ms",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				ok := about(&s.TTFT, s.Requests, rulesFirst+200) && about(&s.FirstEvent, s.Requests, 0) && paced(&s.TPOT, s.Requests, rulesStep)
				return ok, fmt.Sprintf("TTFT %.1f ms, first event %.1f ms, TPOT %.2f ms", s.TTFT.P50, s.FirstEvent.P50, s.TPOT.P50)
			},
		},
		{
			"four tokens in an event", "bundling", "TPOT by tokens, gaps by events, 3.5 tokens an event",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				// 21 tokens in 6 events: the last one comes 5 steps of 4 tokens after the first.
				ok := paced(&s.TPOT, s.Requests, 20*rulesStep/20) && math.Abs(s.ICL.P50-4*rulesStep) <= 2 && s.TokensPerEvent == 3.5
				return ok, fmt.Sprintf("TPOT %.2f ms, gap %.1f ms, %.2f tokens an event", s.TPOT.P50, s.ICL.P50, s.TokensPerEvent)
			},
		},
		{
			"reasoning before text", "thinking", "TTFT 50 ms, TTFO after the reasoning, its tokens counted",
			func(s *report.Summary, served []sim.RequestRecord) (bool, string) {
				var thought int64
				for i := range served {
					thought += served[i].Usage.Reasoning
				}
				later := float64(thought) / float64(max(len(served), 1)) * rulesStep
				ok := about(&s.TTFT, s.Requests, rulesFirst) && math.Abs(s.TTFO.Mean-s.TTFT.Mean-later) <= later/20 && s.ReasoningTokens == thought && thought > 0
				return ok, fmt.Sprintf("TTFT %.1f ms, TTFO %.1f ms later in the mean, true %.1f; %d tokens, true %d", s.TTFT.P50, s.TTFO.Mean-s.TTFT.Mean, later, s.ReasoningTokens, thought)
			},
		},
		{
			"no usage", "steady:no-usage", "all marked as estimated, latencies kept",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				ok := s.Estimated == s.Requests && s.OK == s.Requests && s.OutputTokens > 0 && about(&s.TTFT, s.Requests, rulesFirst)
				return ok, fmt.Sprintf("%d of %d marked, %d tokens by estimate, TTFT %.1f ms", s.Estimated, s.Requests, s.OutputTokens, s.TTFT.P50)
			},
		},
		{
			"usage in every chunk", "steady:usage-each", "the last one counts, once",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				return s.Estimated == 0 && s.OutputTokens == rulesTokens*s.Requests, fmt.Sprintf("%d tokens, true %d", s.OutputTokens, rulesTokens*s.Requests)
			},
		},
		{
			"events with CR LF, comments, several data lines", "steady:crlf+pings+multiline+no-space", "the same figures",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				ok := s.OK == s.Requests && s.OutputTokens == rulesTokens*s.Requests && about(&s.TTFT, s.Requests, rulesFirst) && paced(&s.TPOT, s.Requests, rulesStep)
				return ok, fmt.Sprintf("%d of %d ok, TTFT %.1f ms, TPOT %.2f ms, %d tokens", s.OK, s.Requests, s.TTFT.P50, s.TPOT.P50, s.OutputTokens)
			},
		},
		{
			"an error inside a stream with status 200", "steady:stream-error;after=5", "failed, in no distribution",
			func(s *report.Summary, _ []sim.RequestRecord) (bool, string) {
				return s.Failed == s.Requests && s.TTFT.N == 0 && s.E2E.N == 0, fmt.Sprintf("%d of %d failed, %d values of TTFT", s.Failed, s.Requests, s.TTFT.N)
			},
		},
		{
			"every third stream cut", "steady:cut;after=5;p=0.33", "failed, in no distribution, the others true",
			func(s *report.Summary, served []sim.RequestRecord) (bool, string) {
				var cut int64
				for i := range served {
					if len(served[i].Faults) > 0 {
						cut++
					}
				}
				ok := s.Failed == cut && cut > 0 && about(&s.E2E, s.Requests-cut, rulesFirst+rulesStep*(rulesTokens-1))
				return ok, fmt.Sprintf("%d failed, true %d; E2E of %d: %.1f ms", s.Failed, cut, s.E2E.N, s.E2E.P50)
			},
		},
	}
}

// runRules has the simulator do each thing that tools get wrong.
func runRules(ctx context.Context, l *lab, f *findings) error {
	s, err := l.simulate(ctx, rulesConfig)
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, r := range rules() {
		sh := shape{Process: workload.Constant, Rate: 40, Sustain: time.Second, Cooldown: 5 * time.Second, Output: rulesTokens, Seed: 3}
		o, err := l.load(ctx, job{URL: s.url, Model: r.model, Shape: sh, Exact: true}, sh.total())
		if err != nil {
			return err
		}
		served, err := s.take(ctx)
		if err != nil {
			return err
		}
		ok, got := r.judge(&o.Run.Summary, served)
		f.add(r.what, r.want, held(ok && o.Run.Summary.Requests > 0), "%s", got)
	}
	return nil
}

//go:build linux

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// plan says how the truth server answers. All of it follows from the seed and the number of the request, so that whoever
// has the plan knows what every answer was to be.
type plan struct {
	Seed      uint64
	First     delay // from the request to the first event with content, or to an answer that is not streamed
	Gap       delay // between events
	Events    [2]int
	Bundle    int // tokens of an event are drawn from 1 to this
	Reasoning int // events of reasoning before the text are drawn from 0 to this
	Failures  []failure
}

// delay is a distribution of durations: lognormal with a Sigma, even between Median-Spread and Median+Spread with a Spread.
// With neither it is one duration.
type delay struct {
	Median time.Duration
	Sigma  float64
	Spread time.Duration
}

func (d delay) draw(r *rand.Rand) time.Duration {
	if d.Spread > 0 {
		return d.Median - d.Spread + time.Duration(r.Int64N(2*int64(d.Spread)))
	}
	return time.Duration(float64(d.Median) * math.Exp(d.Sigma*r.NormFloat64()))
}

// failure happens to the requests whose number is At more than a multiple of Every.
type failure struct {
	Every, At int64
	Status    int // of the refusal; 200 for a stream that is cut
}

// script is one answer as it is meant.
type script struct {
	Status int
	Cut    bool // the connection is closed after the first event
	First  time.Duration
	Events []piece
}

// piece is one event with content.
type piece struct {
	Gap       time.Duration // after the event before
	Tokens    int
	Reasoning bool
}

// script returns the answer to the n-th request, from 0.
func (p *plan) script(n int64) script {
	r := rand.New(rand.NewPCG(p.Seed, uint64(n)))
	s := script{Status: 200, First: p.First.draw(r)}
	for _, f := range p.Failures {
		if n%f.Every == f.At {
			s.Status, s.Cut = f.Status, f.Status == 200
		}
	}
	thoughts := 0
	if p.Reasoning > 0 {
		thoughts = r.IntN(p.Reasoning + 1)
	}
	count := p.Events[0] + r.IntN(p.Events[1]-p.Events[0]+1)
	s.Events = make([]piece, thoughts+max(count, 1))
	for i := range s.Events {
		e := &s.Events[i]
		if e.Tokens, e.Reasoning = 1, i < thoughts; p.Bundle > 1 {
			e.Tokens += r.IntN(p.Bundle)
		}
		if i > 0 {
			e.Gap = p.Gap.draw(r)
		}
	}
	if s.Cut {
		s.Events = s.Events[:1]
	}
	return s
}

// tokens of the events, and how many of them are reasoning.
func (s *script) tokens() (all, reasoning int64) {
	for _, e := range s.Events {
		all += int64(e.Tokens)
		if e.Reasoning {
			reasoning += int64(e.Tokens)
		}
	}
	return all, reasoning
}

// entry is one answer as it was written. Times are CLOCK_MONOTONIC in nanoseconds, taken just before the write; 0 for what
// was not written.
type entry struct {
	N         int64
	Status    int
	Complete  bool  // the whole answer was written
	Received  int64 // the request had been read
	First     int64 // first event with content, or the answer
	FirstText int64 // first such event that is not reasoning
	Last      int64 // last event with content, or the answer
	End       int64
	Tokens    int64 // that were written
	Reasoning int64
	Emitted   []emission
}

// emission is one write of tokens.
type emission struct{ At, Tokens int64 }

func requestID(n int64) string { return fmt.Sprintf("truth-%d", n) }

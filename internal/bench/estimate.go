package bench

import (
	"fmt"
	"math"
	"time"

	"sluice/internal/llm"
	"sluice/internal/workload"
)

// Estimation is what a suite would send and cost.
type Estimation struct {
	Cells        []CellEstimate `json:"cells"`
	Runs         int            `json:"runs"`
	Requests     int64          `json:"requests"` // of all cells; of a closed loop 0
	InputTokens  int64          `json:"input_tokens"`
	OutputTokens int64          `json:"output_tokens"`
	Dollars      float64        `json:"dollars"`
	Unpriced     []string       `json:"unpriced,omitempty"` // targets without a known price: they are not in Dollars
	Duration     time.Duration  `json:"duration_ns"`        // at most
	// Bounded is false for a closed loop: it sends as much as the target takes, so that only PerRequest is known.
	Bounded bool `json:"bounded"`
	// AtMost means that the load levels are found on the way: the figures are those of the most that may be tried.
	AtMost bool `json:"at_most"`
}

// CellEstimate is an Estimation of one target.
type CellEstimate struct {
	Target     string  `json:"target"`
	Runs       int     `json:"runs"`
	Requests   int64   `json:"requests"`
	Dollars    float64 `json:"dollars"`
	PerRequest float64 `json:"dollars_per_request"` // mean
	Priced     bool    `json:"priced"`
}

// priced reports whether the price of a target is known.
func priced(t *Target) bool {
	if t.Price == nil {
		return false
	}
	_, ok := t.Price(llm.Usage{Input: 1, Output: 1})
	return ok
}

// Estimate computes what Suite would send and cost, and sends nothing. It fails where Suite would fail before it sends. The
// output of requests without a limit counts as the workload's mean.
func Estimate(o SuiteOptions) (*Estimation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &suite{o: &o}
	levels, repeats := s.levels(), o.repeats()
	if o.Search {
		levels, repeats = make([]float64, o.steps()), 1
		for i := range levels { // most trials are near what is looked for, which nobody knows: take the first rate
			levels[i] = s.firstRate()
		}
	}
	e := &Estimation{Bounded: true, AtMost: o.Sweep || o.Search}
	e.Cells = make([]CellEstimate, len(o.Targets))
	for i, t := range o.Targets {
		e.Cells[i] = CellEstimate{Target: t.Cell.Target, Priced: priced(t)}
		if !e.Cells[i].Priced {
			e.Unpriced = append(e.Unpriced, t.Cell.Target)
		}
	}
	for repeat := range repeats {
		var sched *workload.Schedule
		for step, rate := range levels {
			if e.AtMost && step > 0 { // levels far beyond what any target takes: they are not drawn, but reckoned by the first
				e.add(&o, sched, rate/levels[0])
				continue
			}
			var err error
			sched, err = o.Workload.Schedule(workload.ScheduleOptions{Key: workload.Key{Seed: o.Workload.Seed, Repeat: repeat, Step: step}, Rate: rate})
			if err != nil {
				return nil, fmt.Errorf("estimate workload %s: %w", o.Workload.Name, err)
			}
			for _, t := range o.Targets {
				if err := checkLimits(sched.Arrival.Concurrency, t.shares()); err != nil {
					return nil, fmt.Errorf("estimate load on %s: %w", t.Cell.Target, err)
				}
			}
			e.add(&o, sched, 1)
		}
	}
	for i := range e.Cells {
		c := &e.Cells[i]
		e.Dollars += c.Dollars
		if c.Requests > 0 {
			c.PerRequest = c.Dollars / float64(c.Requests)
		}
	}
	return e, nil
}

// add adds one run of each cell, at a multiple of the schedule's rate.
func (e *Estimation) add(o *SuiteOptions, s *workload.Schedule, times float64) {
	_, meanOutput := o.Workload.Expected()
	span := s.Phases.Warmup + s.Phases.Ramp + s.Phases.Sustain + s.Phases.Cooldown
	if s.Arrival.Process == workload.Closed {
		e.addClosed(o, span)
		return
	}
	if s.Arrival.Process == workload.Trace { // it has as many requests at each rate
		times = 1
	}
	scaled := func(n int64) int64 { return int64(math.Round(times * float64(n))) }
	for i, t := range o.Targets {
		c := &e.Cells[i]
		c.Runs++
		e.Runs++
		e.Duration += span
		var input, output, cost int64
		for j := range s.Slots {
			u := expected(&s.Slots[j], meanOutput)
			input += u.Input
			output += u.Output
			if c.Priced {
				nano, _ := t.Price(u)
				cost += nano
			}
		}
		n := scaled(int64(len(s.Slots)))
		c.Requests += n
		e.Requests += n
		e.InputTokens += scaled(input)
		e.OutputTokens += scaled(output)
		c.Dollars += times * float64(cost) / 1e9
	}
}

// addClosed adds one run of each cell of a closed loop, of which only the mean request is known.
func (e *Estimation) addClosed(o *SuiteOptions, span time.Duration) {
	in, out := o.Workload.Expected()
	e.Bounded = false
	for i, t := range o.Targets {
		c := &e.Cells[i]
		c.Runs++
		e.Runs++
		e.Duration += span
		if c.Priced {
			nano, _ := t.Price(llm.Usage{Input: int64(in + 0.5), Output: int64(out + 0.5)})
			c.PerRequest = float64(nano) / 1e9
		}
	}
}

// expected is the usage of a slot's request.
func expected(s *workload.Slot, meanOutput float64) llm.Usage {
	u := llm.Usage{Input: int64(s.Input), Output: int64(s.Output)}
	if u.Output == 0 && s.Kind != workload.Embeddings {
		u.Output = int64(meanOutput + 0.5)
	}
	return u
}

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
	if o.Sweep {
		err := e.addSweep(&o, levels, repeats)
		if err != nil {
			return nil, err
		}
		repeats = 0
	}
	for repeat := range repeats {
		for step, rate := range levels {
			sched, err := schedule(&o, repeat, step, rate)
			if err != nil {
				return nil, err
			}
			e.add(&o, sched, 1, 1)
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

// schedule makes the schedule of one run, and finds what would keep it from being run.
func schedule(o *SuiteOptions, repeat, step int, rate float64) (*workload.Schedule, error) {
	s, err := o.Workload.Schedule(workload.ScheduleOptions{Key: workload.Key{Seed: o.Workload.Seed, Repeat: repeat, Step: step}, Rate: rate})
	if err != nil {
		return nil, fmt.Errorf("estimate workload %s: %w", o.Workload.Name, err)
	}
	for _, t := range o.Targets {
		if err := checkLimits(s.Arrival.Concurrency, t.shares()); err != nil {
			return nil, fmt.Errorf("estimate load on %s: %w", t.Cell.Target, err)
		}
	}
	return s, nil
}

// addSweep adds all levels of an open-ended sweep, which double. A schedule of the highest has millions of requests and is
// hardly ever sent: what each sends follows from the first level by its rate.
func (e *Estimation) addSweep(o *SuiteOptions, levels []float64, repeats int) error {
	first, err := schedule(o, 0, 0, levels[0])
	if err != nil {
		return err
	}
	for _, rate := range levels {
		e.add(o, first, repeats, rate/levels[0])
	}
	return nil
}

// add adds runs of a schedule to each cell. Each sends so many times what the schedule has.
func (e *Estimation) add(o *SuiteOptions, s *workload.Schedule, runs int, times float64) {
	_, meanOutput := o.Workload.Expected()
	span := s.Phases.Warmup + s.Phases.Ramp + s.Phases.Sustain + s.Phases.Cooldown
	if s.Arrival.Process == workload.Closed {
		e.addClosed(o, span)
		return
	}
	times *= float64(runs)
	for i, t := range o.Targets {
		c := &e.Cells[i]
		c.Runs += runs
		e.Runs += runs
		e.Duration += time.Duration(runs) * span
		var sum llm.Usage
		nanos := int64(0)
		for j := range s.Slots {
			u := expected(&s.Slots[j], meanOutput)
			sum.Input += u.Input
			sum.Output += u.Output
			if c.Priced {
				nano, _ := t.Price(u)
				nanos += nano
			}
		}
		requests := scaled(int64(len(s.Slots)), times)
		c.Requests += requests
		e.Requests += requests
		e.InputTokens += scaled(sum.Input, times)
		e.OutputTokens += scaled(sum.Output, times)
		c.Dollars += float64(nanos) / 1e9 * times
	}
}

// scaled is n times a factor, in whole numbers.
func scaled(n int64, times float64) int64 { return int64(math.Round(float64(n) * times)) }

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

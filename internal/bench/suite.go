package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"sluice/internal/report"
	"sluice/internal/workload"
)

// SuiteOptions are everything that one command measures: a workload on each of some targets, at one load or several, some
// times over.
type SuiteOptions struct {
	Name     string // the user's label; "" takes the workload's name
	Command  string // for the record
	Version  string // of this program
	Prices   string // date of the price table
	Targets  []*Target
	Workload *workload.Workload
	Repeats  int // in place of the workload's; 0 keeps them

	// How load levels are chosen; with none of them there is one, the workload's own.
	Rates  []float64 // these, in this order
	Sweep  bool      // twice the rate, from the first of Rates or the workload's, until the target is saturated
	Search bool      // look for the highest rate that meets the SLO, from the first of Rates or the workload's
	Steps  int       // at most so many load levels of a sweep or search for each target; 0 for 16
	Good   float64   // search: share of requests that must be within the SLO; 0 for 0.99
	Verify int       // search: how often the rate that was found must hold; 0 for 3
	Within float64   // search: how close to the limit the rate must be, as a share of it; 0 for 0.05

	MaxSpend float64 // dollars, for all runs together; 0 takes the workload's

	// Header is what NewSuite made of these options. Its Ended, Found and Stopped are set at the end; nil if nobody wants it.
	Header *report.Suite

	// All functions are called from one goroutine at a time, and may be nil.
	Record   func(c report.Cell, r *report.Record) error // of each request; r is valid during the call only
	Run      func(run *report.Run) error                 // of each run that has ended
	Progress func(Progress)                              // about four times a second

	dial dialFunc // for tests in virtual time
}

// NewSuite returns the suite that the options describe, without runs.
func NewSuite(o *SuiteOptions) *report.Suite {
	w := o.Workload
	s := &report.Suite{
		Format: report.Format, Name: o.Name, Started: time.Now(), Command: o.Command,
		Workload:   report.Workload{Name: w.Name, Version: w.Version, Hash: w.Hash, Citation: w.Citation, Source: w.Source, SLO: w.SLO},
		Conditions: conditions(),
	}
	if s.Name == "" {
		s.Name = w.Name
	}
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	s.ID = s.Started.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
	s.Conditions.Version, s.Conditions.Prices, s.Conditions.Repeats, s.Conditions.Order = o.Version, o.Prices, o.repeats(), "ABBA"
	return s
}

func (o *SuiteOptions) repeats() int {
	switch {
	case o.Repeats > 0:
		return o.Repeats
	case o.Workload.Repeats > 0:
		return o.Workload.Repeats
	}
	return 1
}

func (o *SuiteOptions) maxSpend() float64 {
	if o.MaxSpend > 0 {
		return o.MaxSpend
	}
	return o.Workload.MaxSpend
}

func (o *SuiteOptions) steps() int {
	if o.Steps > 0 {
		return o.Steps
	}
	return 16
}

// check finds what cannot be measured before anything is sent.
func (o *SuiteOptions) check() error {
	if o.Workload == nil || len(o.Targets) == 0 {
		return errors.New("measure: there is no workload or no target")
	}
	if o.Sweep && o.Search {
		return errors.New("measure: a sweep and a search exclude each other")
	}
	a := o.Workload.Arrival
	if (o.Sweep || o.Search) && len(o.Rates) == 0 && (a.Process == workload.Closed || a.Rate <= 0) {
		return fmt.Errorf("measure workload %s: a sweep or search needs the rate to begin with, and the workload (%s) has none", o.Workload.Name, a.Process)
	}
	if o.Search && o.Workload.SLO == (workload.SLO{}) {
		return fmt.Errorf("measure workload %s: a search needs limits to look for, and the workload has no SLO", o.Workload.Name)
	}
	if p := o.Workload.Phases; o.Sweep && p.Sustain > 0 && p.Sustain < leastSweep {
		return fmt.Errorf("measure workload %s: a sweep until saturation looks at how the load in flight grows, and needs %v of measured time for that; the workload has %v",
			o.Workload.Name, leastSweep, p.Sustain)
	}
	for _, r := range o.Rates {
		if !(r > 0) {
			return fmt.Errorf("measure: rate %v is not above 0", r)
		}
	}
	var unpriced []string
	for _, t := range o.Targets {
		if !priced(t) {
			unpriced = append(unpriced, t.Cell.Target)
		}
	}
	if o.maxSpend() > 0 && len(unpriced) > 0 {
		return fmt.Errorf("measure: the spend limit of $%g cannot be kept, there is no price for %s", o.maxSpend(), strings.Join(unpriced, ", "))
	}
	return nil
}

// leastSweep is the shortest window that has three thirds of whole seconds, wherever it begins: see Saturated.
const leastSweep = 4 * time.Second

// suite is a suite under way. It is used by one goroutine.
type suite struct {
	o      *SuiteOptions
	s      *report.Suite
	budget *Budget
	cells  []*cell
	runs   int // so far
}

// cell is one target of a suite.
type cell struct {
	i      int
	target *Target
	done   bool // nothing more is sent to it
	top    int  // last step of an open-ended sweep that it is measured at; -1 while that is not known
	doubts int  // how many of the last runs in a row were invalid
	last   *report.Run
}

// Suite measures all targets and returns what was measured, also beside an error. Runs of different targets follow each other
// in turn, forwards in one round and backwards in the next (A B C, C B A), and each load level forwards in one repeat and
// backwards in the next, so that what changes with the time of day falls on all of them alike. The end of ctx ends it cleanly: the suite has Stopped set and what was measured until then.
func Suite(ctx context.Context, o SuiteOptions) (*report.Suite, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &suite{o: &o, s: NewSuite(&o), budget: NewBudget(o.maxSpend())}
	if o.Header != nil {
		header := *o.Header
		header.Runs = nil
		s.s = &header
	}
	for i, t := range o.Targets {
		s.cells = append(s.cells, &cell{i: i, target: t, top: -1})
	}
	var err error
	switch {
	case o.Search:
		err = s.search(ctx)
	default:
		err = s.sweep(ctx)
	}
	s.s.Ended = time.Now()
	if o.Header != nil {
		o.Header.Ended, o.Header.Found, o.Header.Stopped = s.s.Ended, s.s.Found, s.s.Stopped
	}
	return s.s, err
}

// order returns the cells in the order of a round.
func (s *suite) order(round int) []*cell {
	all := slices.Clone(s.cells)
	if round%2 == 1 {
		slices.Reverse(all)
	}
	return all
}

// sweep measures each load level on each cell, and all of that as often as it is repeated. The first repeat says which levels
// the others have, if they were not given.
func (s *suite) sweep(ctx context.Context) error {
	levels := s.levels()
	for repeat := range s.o.repeats() {
		for step, rate := range levels {
			for _, c := range s.order(repeat + step) {
				if c.done || s.s.Stopped != "" || c.top >= 0 && step > c.top {
					continue
				}
				if err := s.run(ctx, c, repeat, step, len(levels), rate); err != nil {
					return err
				}
				if s.o.Sweep && repeat == 0 && c.last != nil && c.ends() {
					c.top = step
				}
			}
		}
	}
	return nil
}

// ends reports whether there is no use in more load than that of the last run: the target was saturated, or failed, or this
// client has been at its own limit for two levels. After one, another program may have held the processor for a moment.
func (c *cell) ends() bool {
	return Saturated(c.last) || c.last.Stopped == errErrorRate.Error() || c.doubts >= 2
}

// levels returns the rates of a sweep. 0 is the workload's own.
func (s *suite) levels() []float64 {
	if !s.o.Sweep {
		if len(s.o.Rates) > 0 {
			return s.o.Rates
		}
		return []float64{0}
	}
	rate, most := s.firstRate(), s.o.Workload.MaxRate()
	out := []float64{rate}
	for len(out) < s.o.steps() && 2*rate <= most {
		rate *= 2
		out = append(out, rate)
	}
	return out
}

func (s *suite) firstRate() float64 {
	if len(s.o.Rates) > 0 {
		return s.o.Rates[0]
	}
	return s.o.Workload.Arrival.Rate
}

// run does one run.
func (s *suite) run(ctx context.Context, c *cell, repeat, step, steps int, rate float64) error {
	if ctx.Err() != nil {
		s.s.Stopped = errInterrupted.Error()
		return nil
	}
	runtime.GC() // what the last run left does not slow this one
	o := Options{
		Target: c.target, Workload: s.o.Workload, Rate: rate, Budget: s.budget, Suite: s.s.ID, Repeat: repeat, Step: step, dial: s.o.dial,
		Key: workload.Key{Seed: s.o.Workload.Seed, Suite: s.s.ID, Cell: c.i, Repeat: repeat, Step: step},
	}
	if s.o.Record != nil {
		o.Record = func(r *report.Record) error { return s.o.Record(c.target.Cell, r) }
	}
	if s.o.Progress != nil {
		o.Progress = func(p Progress) {
			p.Repeats, p.Steps, p.Run, p.Runs = s.o.repeats(), steps, s.runs, s.total(steps)
			s.o.Progress(p)
		}
	}
	run, err := Run(ctx, o)
	if err != nil {
		return err
	}
	s.runs++
	c.last = run
	if c.doubts++; run.Verdict.State != Invalid {
		c.doubts = 0
	}
	s.s.Runs = append(s.s.Runs, run)
	switch run.Stopped {
	case "":
	case errErrorRate.Error():
		c.done = !s.o.Sweep // the others go on; in a sweep only what is above this load is left out
	default:
		s.s.Stopped = run.Stopped
	}
	if s.o.Run != nil {
		return s.o.Run(run)
	}
	return nil
}

// total is how many runs there will be at most.
func (s *suite) total(steps int) int {
	if s.o.Search {
		return len(s.cells) * steps
	}
	return len(s.cells) * steps * s.o.repeats()
}

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/bench"
	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// job is one run of the load engine. The parent sends it to a process of the engine as a line of JSON.
type job struct {
	URL   string // with its version part
	Model string
	Shape shape
	Keep  bool // return the records of all requests
	Exact bool // ask for exactly as many tokens as the workload says
}

// outcome is what the engine reported, with what is needed to set it beside the truth.
type outcome struct {
	Run     *report.Run
	Anchor  int64 // of the run's instants, on CLOCK_MONOTONIC
	CPU     time.Duration
	Took    time.Duration
	Records []report.Record `json:",omitempty"`
}

// runEngine does the jobs that come in on stdin, one after the other, and answers each with a line of JSON. It ends with
// stdin.
func runEngine(ctx context.Context) error {
	clock, err := rig.NewClock()
	if err != nil {
		return err
	}
	if _, err := rig.RaiseFiles(); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		o, err := j.run(ctx, clock)
		if err != nil {
			return err
		}
		if err := out.Encode(o); err != nil {
			return fmt.Errorf("write outcome: %w", err)
		}
	}
}

// run puts the job's load on its server.
func (j *job) run(ctx context.Context, clock rig.Clock) (*outcome, error) {
	w, err := workload.Parse("truth.yaml", []byte(j.Shape.file()))
	if err != nil {
		return nil, fmt.Errorf("read workload of the job: %w", err)
	}
	var o outcome
	options := bench.Options{
		Target: &bench.Target{
			Cell:    report.Cell{Target: "truth/" + j.Model, Provider: "truth", Model: j.Model, Dialect: "openai"},
			BaseURL: j.URL, Model: j.Model, Key: llm.NewSecret("sk-truth"), Dialect: openai.Client{}, Exact: j.Exact,
		},
		Workload: w,
		Key:      workload.Key{Seed: w.Seed, Suite: "truth"},
		Record: func(r *report.Record) error {
			if j.Keep {
				o.Records = append(o.Records, *r)
			}
			return nil
		},
	}
	before, err := rig.CPUTime(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("read own CPU time: %w", err)
	}
	start := clock.Now()
	if o.Run, err = bench.Run(ctx, options); err != nil {
		return nil, err
	}
	after, err := rig.CPUTime(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("read own CPU time: %w", err)
	}
	o.CPU, o.Took, o.Anchor = after-before, time.Duration(clock.Now()-start), clock.At(o.Run.Started)
	return &o, nil
}

// shape is what the workloads of this program differ in.
type shape struct {
	Process  string  // workload.Closed, workload.Constant, workload.Poisson
	Rate     float64 // requests a second, of an open loop
	Users    int     // of a closed loop; a cap on an open one, 0 for none
	Warmup   time.Duration
	Sustain  time.Duration
	Cooldown time.Duration // for what is still open after it
	Output   int           // tokens asked for
	Whole    bool          // not streamed
	Seed     uint64
}

// total is how long a run takes at most, with time to spare.
func (s *shape) total() time.Duration { return s.Warmup + s.Sustain + s.Cooldown + 20*time.Second }

// file is the workload file.
func (s *shape) file() string {
	var b strings.Builder
	fmt.Fprintf(&b, "benchmark_workload:\n  name: truth\n  seed: %d\n  stream: %t\n  timeout: 30s\n  repeats: 1\n", s.Seed, !s.Whole)
	fmt.Fprintf(&b, "  phases: {warmup: %v, ramp: 0s, sustain: %v, cooldown: %v}\n", s.Warmup, s.Sustain, s.Cooldown)
	fmt.Fprintf(&b, "  request_distribution: {input_tokens: 32, output_tokens: %d}\n", s.Output)
	fmt.Fprintf(&b, "  arrival: {process: %s", s.Process)
	if s.Rate > 0 {
		fmt.Fprintf(&b, ", rate: %f", s.Rate)
	}
	if s.Users > 0 {
		fmt.Fprintf(&b, ", concurrency: %d", s.Users)
	}
	fmt.Fprint(&b, "}\n")
	return b.String()
}

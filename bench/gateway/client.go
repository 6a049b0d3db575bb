//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/bench"
	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/workload"
)

const patience = 10 * time.Second // for what is under way when the load ends

// job is one phase of load on one peer. The runner sends it to the client process as a line of JSON.
type job struct {
	Kind    string        // open, closed or streams
	Addr    string        // of the peer
	Mock    string        // of the mock, asked for its lateness
	Peer    int           // process id of the gateway, 0 when there is none
	MockPID int           // process id of the mock
	Size    int           // bytes of the prompt
	Rate    float64       // open: calls a second; streams: chunks a second of each stream
	Users   int           // closed: connections in use
	Streams int           // streams: how many are open at once
	Ramp    time.Duration // streams: time over which they start
	Warm    time.Duration // load before the window
	Window  time.Duration // what counts
	Seed    uint64        // of the schedule

	PeerCPUs, LoadCPUs []int // what the processes are pinned to; empty if nothing is
}

// result is what one job measured. Times of processes are those used within the window.
type result struct {
	Units        int64  // calls or chunks that ended in the window
	Sent, Failed int64  // calls or streams of the whole job
	FirstError   string `json:",omitempty"`

	Latency     rig.Quantiles // calls: from the intended start (open) or the sending (closed) to the last byte
	FirstChunk  rig.Quantiles // streams: from the intended start to the first content chunk
	Delay       rig.Quantiles // streams: from the mock's write of a chunk to the client's read
	DispatchLag rig.Quantiles // from the intended start to the engine's sending
	MockLag     rig.Quantiles // from the due time of a chunk to its write

	Wall                        time.Duration
	PeerCPU, MockCPU, ClientCPU time.Duration
	PeerCores, LoadCores        time.Duration // busy time of the CPUs, whoever used it
	OpenBefore, OpenAfter       int64         // streams open at both ends of the window
	PeakRSS, PSS                int64         // of the peer, KiB
	Verdict                     report.Verdict
}

// runClient does the jobs that come in on stdin and answers each with a line of JSON. It ends with stdin.
func runClient(ctx context.Context) error {
	c, err := rig.NewClock()
	if err != nil {
		return err
	}
	if _, err := rig.RaiseFiles(); err != nil {
		return err
	}
	in := json.NewDecoder(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		r, err := runJob(ctx, c, j)
		if err != nil {
			return fmt.Errorf("run %s job: %w", j.Kind, err)
		}
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
}

// runJob puts the job's load on its peer with the load engine, and watches all processes in its window.
func runJob(ctx context.Context, c rig.Clock, j job) (*result, error) {
	w, schedule, err := j.plan()
	if err != nil {
		return nil, err
	}
	t := newTally(c, &j)
	watched := make(chan error, 1)
	began := false
	var every time.Duration
	if j.Kind == "streams" {
		every = j.interval()
	}
	run, err := bench.Run(ctx, bench.Options{
		Target: &bench.Target{
			Cell:    report.Cell{Target: "bench/mock", Provider: "bench", Model: "mock", Dialect: "openai"},
			BaseURL: "http://" + j.Addr + "/v1", Model: "bench/" + rig.MockModel(0, every), Key: llm.NewSecret(benchKey), Dialect: stamping{t: t},
		},
		Workload: w, Schedule: schedule, Prompts: prompt(j.Size), Key: workload.Key{Seed: j.Seed},
		Began: func(anchor time.Time) {
			t.begin(c.At(anchor))
			began = true
			go func() { watched <- watch(c, j, t) }()
		},
		Record: func(r *report.Record) error {
			t.add(r)
			return nil
		},
	})
	if began {
		err = errors.Join(err, <-watched)
	}
	if err != nil {
		return nil, err
	}
	r := t.finish()
	r.Verdict = run.Verdict
	return r, nil
}

// plan turns the job into a workload. Streams have a schedule of their own: each lasts until the window is over, so that all
// of them are open during it.
func (j *job) plan() (*workload.Workload, *workload.Schedule, error) {
	if j.Kind == "streams" {
		w := &workload.Workload{Name: "streams", Stream: true, Timeout: j.Ramp + j.Warm + j.Window + patience}
		return w, j.streams(), nil
	}
	arrival := fmt.Sprintf("{process: poisson, rate: %f}", j.Rate)
	if j.Kind == "closed" {
		arrival = fmt.Sprintf("{process: closed, concurrency: %d}", j.Users)
	}
	w, err := workload.Parse("job.yaml", fmt.Appendf(nil, `benchmark_workload:
  name: calls
  seed: %d
  stream: false
  timeout: %v
  phases: {warmup: %v, ramp: 0s, sustain: %v, cooldown: %v}
  request_distribution: {input_tokens: %d, output_tokens: 140}
  arrival: %s
`, j.Seed, patience, j.Warm, j.Window, patience, j.Size/4, arrival))
	if err != nil {
		return nil, nil, err
	}
	s, err := w.Schedule(workload.ScheduleOptions{Key: workload.Key{Seed: j.Seed}})
	return w, s, err
}

// interval is the time between two chunks of a stream.
func (j *job) interval() time.Duration { return time.Duration(float64(time.Second) / j.Rate) }

// streams fixes the starts of all streams, at random over the ramp. All of them are open during the window; one that starts
// early is longer, so that all end soon after it:
//
//	begin      ramp       warm        window
//	  |---------|----------|===========|
//	  first stream  ......................
//	            last stream ...............
func (j *job) streams() *workload.Schedule {
	end := j.Ramp + j.Warm + j.Window
	s := &workload.Schedule{
		Arrival: workload.Arrival{Process: workload.Poisson, Rate: float64(j.Streams) / j.Ramp.Seconds()},
		Phases:  workload.Phases{Sustain: end, Cooldown: patience},
	}
	rnd := rand.New(rand.NewPCG(j.Seed, 2))
	starts := make([]time.Duration, j.Streams)
	for i := range starts {
		starts[i] = time.Duration(rnd.Int64N(int64(j.Ramp)))
	}
	slices.Sort(starts)
	for i, at := range starts {
		chunks := int32((end-at)/j.interval()) + 2 // the last one after the window
		s.Slots = append(s.Slots, workload.Slot{
			At: at, Index: int64(i), Phase: workload.Sustain, Input: int32(j.Size / 4), Output: chunks, Group: -1, Row: -1,
		})
	}
	return s
}

// prompt is a text of so many bytes, the same for each request.
type prompt int

// Messages returns the one message.
func (p prompt) Messages(workload.Slot) []workload.Message {
	const text = "Tell me, in plain words, how a river finds its way to the sea.\nGive \"three\" examples. "
	return []workload.Message{{Role: "user", Text: strings.Repeat(text, int(p)/len(text)+1)[:p]}}
}

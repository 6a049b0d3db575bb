package page_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/internal/report"
	"sluice/internal/workload"
)

// madePage is a suite as a measurement would leave it, from simulated requests: each has its instants, and all figures are
// computed from them by the code that computes those of real ones.
type madePage struct {
	dir     string
	suite   *report.Suite
	results []report.CellResult
}

// behaviour is how a simulated target answers.
type behaviour struct {
	cell     report.Cell
	ttft     time.Duration // median, at no load
	perToken time.Duration
	capacity float64    // requests a second at which queueing begins to hurt
	price    [2]float64 // dollars for a million tokens in and out; 0 for unknown
	fail     float64
	kind     string
	status   int
	limit    int64 // requests a minute, named in headers; 0 for none
}

// pagePlan is a suite to make.
type pagePlan struct {
	name    string
	targets []behaviour
	loads   []report.Load
	repeats int
	slo     workload.SLO
	verdict func(cell, repeat, step int) report.Verdict
}

var pageStart = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

func pageCell(provider, model, region string) report.Cell {
	return report.Cell{Target: provider + "/" + model, Provider: provider, Model: model, Region: region, Dialect: "openai"}
}

// openLoad is a load of rate requests a second with short phases around sustain.
func openLoad(rate float64, sustain time.Duration) report.Load {
	return report.Load{
		Mode: "open", Process: "poisson", Rate: rate, Warmup: sustain / 10, Ramp: sustain / 10, Sustain: sustain, Cooldown: sustain / 10,
		Requests: int64(rate * sustain.Seconds()),
	}
}

// make simulates the plan and keeps its files below parent.
func (p pagePlan) make(t testing.TB, parent string) madePage {
	t.Helper()
	s := &report.Suite{
		ID: "20261121T093000Z-" + p.name, Name: p.name, Started: pageStart, Command: "sluice bench matrix --workload " + p.name + ".yaml",
		Workload: report.Workload{
			Name: p.name, Version: "1.2", Hash: "9f2c4e1b7a60d3558ce0b1f4a9d27e6631f0c8ab5be44d0d2e9a7713c5f0e842",
			Citation: "Lengths follow the Azure LLM inference trace 2023, conversation (Splitwise, ISCA'24), CC-BY.",
			Source:   "benchmark_workload:\n  name: " + p.name + "\n  request_distribution:\n    - {percentile: 50, input_tokens: 1020, output_tokens: 129}\n    - {percentile: 95, input_tokens: 4083, output_tokens: 451}\n  latency_sla_ms: 8000\n",
			SLO:      p.slo,
		},
		Conditions: report.Conditions{
			Version: "0.3.0", Go: "go1.26.8", OS: "linux", Kernel: "6.12.48", CPU: "AMD EPYC 9654", CPUs: 8, GOMAXPROCS: 8,
			Memory: 32 << 30, Host: "bench-eu-1", Prices: "2026-11-01", Repeats: p.repeats, Order: "ABBA",
		},
	}
	w, err := report.Create(parent, s)
	if err != nil {
		t.Fatal(err)
	}
	at := pageStart
	for repeat := range p.repeats {
		for step, load := range p.loads {
			for c, b := range p.targets {
				run := &report.Run{
					ID: fmt.Sprintf("%s-%03d", at.Format("20060102T150405Z"), len(s.Runs)), Suite: s.ID, Cell: b.cell, Repeat: repeat, Step: step,
					Seed: uint64(1000*c + 100*step + repeat + 1), Started: at, Load: load, Verdict: report.Verdict{State: report.StateValid},
				}
				simulate(t, w, run, b, p.slo)
				if p.verdict != nil {
					run.Verdict = p.verdict(c, repeat, step)
				}
				if err := w.Finish(run); err != nil {
					t.Fatal(err)
				}
				at = at.Add(run.To + 20*time.Second)
			}
		}
	}
	s.Ended = at
	results, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return madePage{w.Dir(), s, results}
}

// simulate makes the requests of a run, and its figures from them.
func simulate(t testing.TB, w *report.Writer, run *report.Run, b behaviour, slo workload.SLO) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(run.Seed, 7))
	load, rate := run.Load, run.Load.Rate
	if load.Mode == "closed" {
		rate = float64(load.Concurrency) / 2 // an answer takes some two seconds
	}
	from := load.Warmup + load.Ramp
	to := from + load.Sustain
	end := to + load.Cooldown
	run.From, run.To, run.Series = from, to, make([]report.Second, int(end/time.Second)+1)
	run.Client = report.Client{
		Lag:   report.Quantiles{N: 1000, Mean: 0.3, P50: 0.12 + 0.1*rnd.Float64(), P95: 0.8, P99: 1.4 + rnd.Float64(), Max: 6},
		Probe: report.Quantiles{N: 1000, Mean: 0.1, P50: 0.06, P95: 0.2, P99: 0.4 + 0.2*rnd.Float64(), Max: 2},
		CPU:   0.1 + 0.002*rate, Achieved: 1, EventsRead: 1.02, RTT: 8 + 20*rnd.Float64(), MaxInFlight: int64(rate * 4), MaxRSS: 80 << 20, OpenFiles: 1 << 20,
	}
	pace := 1 + 0.03*rnd.NormFloat64() // of this run
	sum := report.NewSummarizer(slo)
	used := 0.0
	for i, when := 0, time.Duration(0); ; i++ {
		when += time.Duration(rnd.ExpFloat64() / rate * float64(time.Second))
		if when >= to {
			break
		}
		r := simulatedRequest(rnd, b, rate, when, pace, end)
		r.Index, r.Run = int64(i), run.ID
		r.Phase = workload.Sustain
		if when < load.Warmup {
			r.Phase = workload.Warmup
		} else if when < from {
			r.Phase = workload.Ramp
		}
		if b.limit > 0 {
			used = min(1, rate*60/float64(b.limit)*(0.9+0.1*rnd.Float64()))
			r.Limits = report.Limits{Requests: b.limit, RequestsLeft: int64(float64(b.limit) * (1 - used)), Tokens: b.limit * 1500, TokensLeft: int64(float64(b.limit*1500) * (1 - 0.7*used))}
		}
		tally(run.Series, &r)
		r.Repeat, r.Step = run.Repeat, run.Step
		sum.Add(&r)
		if err := w.Record(run.Cell, &r); err != nil {
			t.Fatal(err)
		}
	}
	if err := sum.Finish(run); err != nil {
		t.Fatal(err)
	}
}

// simulatedRequest makes one request with its fate.
func simulatedRequest(rnd *rand.Rand, b behaviour, rate float64, when time.Duration, pace float64, end time.Duration) report.Record {
	busy := min(0.97, rate/b.capacity)
	slow := pace * (1 + 0.35*busy/(1-busy)) * (1 + 0.25*math.Sin(2*math.Pi*float64(when)/float64(end)))
	logNormal := func(median, sigma float64) float64 { return median * math.Exp(sigma*rnd.NormFloat64()) }
	r := report.Record{
		Kind: "chat", Stream: true, Group: -1, Scheduled: when, Dispatched: when + time.Duration(rnd.ExpFloat64()*2e5), Status: 200, Limits: report.NoLimits(),
		FirstByte: report.None, FirstEvent: report.None, FirstToken: report.None, FirstText: report.None, LastToken: report.None,
		Input: int64(logNormal(1020, 0.6)), Output: int64(max(2, logNormal(129, 0.7))), Reused: true,
	}
	r.WantInput, r.WantOutput = r.Input, r.Output
	r.Written = r.Dispatched + 50*time.Microsecond
	if rnd.Float64() < b.fail {
		r.Status, r.Error, r.Detail = b.status, b.kind, "simulated"
		r.Done = r.Dispatched + time.Duration(logNormal(40, 0.5)*1e6)
		r.FirstByte = r.Done
		return r
	}
	ttft := time.Duration(logNormal(float64(b.ttft), 0.35) * slow)
	r.FirstByte = r.Dispatched + ttft*9/10
	r.FirstToken = r.Dispatched + ttft
	r.FirstEvent, r.FirstText = r.FirstToken, r.FirstToken
	r.LastToken = r.FirstToken + time.Duration(float64(b.perToken)*slow*float64(r.Output-1)*(0.9+0.2*rnd.Float64()))
	r.Done = r.LastToken + time.Millisecond
	r.Events, r.Reads = int(r.Output), int(r.Output)
	if r.Done > end {
		r.Incomplete = true
		return r
	}
	r.OK = true
	if b.price[0] > 0 {
		r.Cost, r.Priced = int64(1e3*(float64(r.Input)*b.price[0]+float64(r.Output)*b.price[1])), true
	}
	return r
}

// tally puts a request into the run's seconds.
func tally(series []report.Second, r *report.Record) {
	last := len(series) - 1
	sent := min(last, int(r.Dispatched/time.Second))
	done := min(last, int(r.Done/time.Second))
	series[sent].Sent++
	if r.OK {
		series[done].Done++
		series[done].Tokens += float64(r.Output)
	} else if !r.Incomplete {
		series[done].Failed++
	}
	for i := sent; i < done; i++ {
		series[i].InFlight++
	}
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/plan"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// measured is a suite with its figures.
type measured struct {
	suite   *report.Suite
	results []report.CellResult
}

// readResults reads the results of a measurement: a directory that bench wrote, or a suite that is in the database. Only what
// is known of whole runs is used here, so records are not read.
func readResults(cmd *cobra.Command, open openKeysFunc, ref string) (m *measured, err error) {
	l := &suiteLoader{cmd: cmd, open: open}
	defer func() { err = errors.Join(err, l.close()) }()
	s, err := l.load(ref)
	if err != nil {
		return nil, fmt.Errorf("--results: %w", err)
	}
	all, err := report.Aggregate(s, nil)
	if err != nil {
		return nil, fmt.Errorf("--results: %w", err)
	}
	return &measured{s, all}, nil
}

// resultsFlags adds the flags by which a suite is found in the database. The command has --config already.
func resultsFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("database", "", "`URL` of the PostgreSQL database with the results, in place of the configuration's")
	f.String("data-dir", "", "`directory` of the SQLite database with the results, in place of the configuration's")
}

// candidates turns results into what plan route weighs.
func (m *measured) candidates() []plan.Candidate {
	var all []plan.Candidate
	for i := range m.results {
		r := &m.results[i]
		c := plan.Candidate{
			Target: r.Cell.Target, Region: r.Cell.Region, Via: r.Cell.Via, Suite: m.suite.ID, Date: m.suite.Started, Step: r.Step,
			Load: loadText(r.Load), Repeats: r.Repeats, State: r.Verdict.State, Reasons: r.Verdict.Reasons,
			TTFT: latency(r.TTFT), TPOT: latency(r.TPOT), E2E: latency(r.E2E),
			TPS: measuredFigure(r.TPS, microPlaces), ErrorRate: measuredFigure(r.ErrorRate, microPlaces),
			Limits:    plan.Limits{RPM: max(r.RPMLimit, 0), TPM: max(r.TPMLimit, 0)},
			MainError: mostFrequent(r.Errors),
		}
		if r.Load.Mode != workload.Closed && r.E2ESched.P95.Has() {
			c.E2E = latency(r.E2ESched) // from the schedule: what a caller waits, the client's own queue included
		}
		if r.Unpriced == 0 {
			c.Cost = measuredFigure(r.CostPerCall, nanoPlaces)
		}
		if input, output, ok := meanTokens(r.Summaries); ok {
			c.Tokens = input + output
		}
		all = append(all, c)
	}
	return all
}

// mostFrequent returns the key with the highest count, the first by name of several.
func mostFrequent(counts map[string]int64) string {
	best := ""
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if best == "" || counts[k] > counts[best] {
			best = k
		}
	}
	return best
}

func latency(p report.Percentiles) plan.Latency {
	return plan.Latency{P50: measuredFigure(p.P50, microPlaces), P95: measuredFigure(p.P95, microPlaces), P99: measuredFigure(p.P99, microPlaces)}
}

// What figures are rounded to: means of floating point numbers differ in the last digits, which must not decide.
const (
	microPlaces = 1e6
	nanoPlaces  = 1e9 // of a dollar, as in the ledger
)

func measuredFigure(s report.Stat, places float64) plan.Figure {
	round := func(x float64) float64 { return math.Round(x*places) / places }
	return plan.Figure{N: s.N, Mean: round(s.Mean), Lo: round(s.Lo), Hi: round(s.Hi)}
}

// loadText says how requests arrived.
func loadText(l report.Load) string {
	if l.Mode == workload.Closed {
		return fmt.Sprintf("%d users", l.Concurrency)
	}
	s := plan.Float(l.Rate).Round(3) + "/s " + l.Process
	if l.Concurrency > 0 {
		s += fmt.Sprintf(" under a cap of %d", l.Concurrency)
	}
	return s
}

// meanTokens returns the mean lengths of requests over all runs. ok is false if no request succeeded.
func meanTokens(all []report.Summary) (input, output float64, ok bool) {
	var in, out, n float64
	for i := range all {
		k := float64(all[i].Input.N)
		in, out, n = in+all[i].Input.Mean*k, out+all[i].Output.Mean*k, n+k
	}
	if n == 0 {
		return 0, 0, false
	}
	return math.Round(in/n*1000) / 1000, math.Round(out/n*1000) / 1000, true
}

// meanOf returns the mean of a distribution over all runs, in seconds. ok is false if no request had the figure.
func meanOf(all []report.Summary, of func(*report.Summary) *report.Dist) (s plan.Exact, ok bool) {
	var sum, n float64
	for i := range all {
		d := of(&all[i])
		sum, n = sum+d.Mean*float64(d.N), n+float64(d.N)
	}
	if n == 0 {
		return s, false
	}
	return plan.Float(math.Round(sum/n*1000) / 1e6), true
}

// pick finds the result of one target: at the highest load that was measured validly.
func (m *measured) pick(target string) (*report.CellResult, error) {
	var best *report.CellResult
	var names []string
	for i := range m.results {
		r := &m.results[i]
		name := r.Cell.Target
		if r.Cell.Region != "" {
			name += "@" + r.Cell.Region
		}
		names = append(names, name)
		if target != "" && target != name && target != r.Cell.Target {
			continue
		}
		if r.Verdict.State == report.StateValid && (best == nil || r.TPS.Mean > best.TPS.Mean) {
			best = r
		}
	}
	if best != nil {
		return best, nil
	}
	if target == "" {
		return nil, fmt.Errorf("--results: suite %s has no valid measurement", m.suite.ID)
	}
	return nil, fmt.Errorf("--target: suite %s has no valid measurement of %q%s", m.suite.ID, target, nearestOf(target, names))
}

// provenance names a suite as the source of a figure.
func (m *measured) provenance(r *report.CellResult) string {
	return strings.TrimSpace(fmt.Sprintf("suite %s of %s, %s, %s", m.suite.ID, m.suite.Started.UTC().Format(time.DateOnly), r.Cell.Target, loadText(r.Load)))
}

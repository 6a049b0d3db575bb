package report

import (
	"cmp"
	"fmt"
	"slices"
)

// The states of a Verdict, from good to bad.
const (
	StateValid    = "valid"
	StateDegraded = "degraded"
	StateInvalid  = "invalid"
)

func badness(state string) int {
	return slices.Index([]string{StateValid, StateDegraded, StateInvalid}, state)
}

// Badness orders verdicts: the higher, the less the figures can be believed.
func (v Verdict) Badness() int { return badness(v.State) }

// newCellResult sums up the runs of one cell at one step, all but Pooled.
func newCellResult(runs []*Run) CellResult {
	slices.SortStableFunc(runs, func(a, b *Run) int { return cmp.Or(a.Repeat-b.Repeat, cmp.Compare(a.ID, b.ID)) })
	first := runs[0]
	r := CellResult{
		Cell: first.Cell, Step: first.Step, Load: first.Load, Rate: first.Load.Rate, Repeats: len(runs),
		Verdict: Verdict{State: first.Verdict.State}, Errors: map[string]int64{}, Statuses: map[string]int64{},
		RPMLimit: -1, TPMLimit: -1, RPMUsed: -1, TPMUsed: -1,
	}
	for _, run := range runs {
		r.addRun(run)
	}
	r.setStats()
	return r
}

// addRun takes a run's sums and verdict.
func (r *CellResult) addRun(run *Run) {
	s := &run.Summary
	r.Runs = append(r.Runs, run.ID)
	r.Summaries = append(r.Summaries, *s)
	if badness(run.Verdict.State) > badness(r.Verdict.State) {
		r.Verdict.State = run.Verdict.State
	}
	for _, reason := range run.Verdict.Reasons {
		if r.Repeats > 1 {
			reason = fmt.Sprintf("repeat %d: %s", run.Repeat+1, reason)
		}
		r.Verdict.Reasons = append(r.Verdict.Reasons, reason)
	}
	if run.Stopped != "" {
		r.Stopped = run.Stopped
	}
	r.Requests += s.Requests
	r.OK += s.OK
	r.Failed += s.Failed
	r.Incomplete += s.Incomplete
	r.Unpriced += s.Unpriced
	r.Estimated += s.Estimated
	r.RateLimited += s.RateLimited
	r.Cost += s.Cost
	for kind, n := range s.Errors {
		r.Errors[kind] += n
	}
	for status, n := range s.Statuses {
		r.Statuses[status] += n
	}
	if s.RPMLimit > 0 {
		r.RPMLimit = s.RPMLimit
	}
	if s.TPMLimit > 0 {
		r.TPMLimit = s.TPMLimit
	}
	r.RPMUsed = max(r.RPMUsed, s.RPMUsed)
	r.TPMUsed = max(r.TPMUsed, s.TPMUsed)
}

// setStats sets the figures over repeats. A run that lacks a figure is not in it: no price, no success, no stream.
func (r *CellResult) setStats() {
	over := func(has func(*Summary) bool, of func(*Summary) float64) Stat {
		var xs []float64
		for i := range r.Summaries {
			if s := &r.Summaries[i]; has(s) {
				xs = append(xs, of(s))
			}
		}
		return newStat(xs)
	}
	window := func(s *Summary) bool { return s.Window > 0 }
	asked := func(s *Summary) bool { return s.Requests > 0 }
	ended := func(s *Summary) bool { return s.OK+s.Failed > 0 }
	priced := func(s *Summary) bool { return s.OK > s.Unpriced }
	r.TPS = over(window, func(s *Summary) float64 { return s.TPS })
	r.WholeTPS = over(asked, func(s *Summary) float64 { return s.WholeTPS })
	r.OutputRate = over(window, func(s *Summary) float64 { return s.OutputRate })
	r.InputRate = over(window, func(s *Summary) float64 { return s.InputRate })
	r.Goodput = over(window, func(s *Summary) float64 { return s.Goodput })
	r.GoodFraction = over(asked, func(s *Summary) float64 { return s.GoodFraction })
	r.ErrorRate = over(ended, failedShare)
	r.CostPerCall = over(priced, func(s *Summary) float64 { return s.CostPerCall })
	r.CostPerHour = over(priced, func(s *Summary) float64 { return s.CostPerHour })
	r.Concurrency = over(window, func(s *Summary) float64 { return s.Concurrency })
	r.RPM = over(window, func(s *Summary) float64 { return s.RPM })
	r.TPM = over(window, func(s *Summary) float64 { return s.TPM })
	latencies := func(d func(*Summary) *Dist) Percentiles {
		has := func(s *Summary) bool { return d(s).N > 0 }
		return Percentiles{
			P50: over(has, func(s *Summary) float64 { return d(s).P50 }),
			P95: over(has, func(s *Summary) float64 { return d(s).P95 }),
			P99: over(has, func(s *Summary) float64 { return d(s).P99 }),
		}
	}
	r.TTFT = latencies(func(s *Summary) *Dist { return &s.TTFT })
	r.TPOT = latencies(func(s *Summary) *Dist { return &s.TPOT })
	r.E2E = latencies(func(s *Summary) *Dist { return &s.E2E })
	r.E2ESched = latencies(func(s *Summary) *Dist { return &s.E2ESched })
}

// markBest sets Best of each result.
func markBest(results []CellResult) {
	for _, m := range []struct {
		name string
		of   func(*CellResult) Stat
		less bool // is better
	}{
		{BestTPS, func(r *CellResult) Stat { return r.TPS }, false},
		{BestOutputRate, func(r *CellResult) Stat { return r.OutputRate }, false},
		{BestGoodput, func(r *CellResult) Stat { return r.Goodput }, false},
		{BestTTFT, func(r *CellResult) Stat { return r.TTFT.P95 }, true},
		{BestTPOT, func(r *CellResult) Stat { return r.TPOT.P95 }, true},
		{BestE2E, func(r *CellResult) Stat { return r.E2E.P95 }, true},
		{BestCost, func(r *CellResult) Stat { return r.CostPerCall }, true},
	} {
		var best []*CellResult
		compared := 0
		for i := range results {
			r := &results[i]
			s := m.of(r)
			if !s.Has() || r.OK == 0 || r.Verdict.State == StateInvalid {
				continue
			}
			compared++
			order := -1 // of r against the best
			if len(best) > 0 {
				order = cmp.Compare(m.of(best[0]).Mean, s.Mean)
				if m.less {
					order = -order
				}
			}
			switch {
			case order < 0:
				best = []*CellResult{r}
			case order == 0:
				best = append(best, r)
			}
		}
		if compared < 2 || len(best) == compared {
			continue // nothing stands out
		}
		for _, r := range best {
			r.Best = append(r.Best, m.name)
		}
	}
}

// Headline returns one result of each cell, in their order: at the step with the highest goodput, or rather TPS where no
// request was good, among those that are not invalid; of invalid ones only if there are no others.
func Headline(results []CellResult) []*CellResult {
	var out []*CellResult
	at := map[Cell]int{}
	for i := range results {
		r := &results[i]
		place, seen := at[r.Cell]
		if !seen {
			at[r.Cell] = len(out)
			out = append(out, r)
			continue
		}
		best := out[place]
		sound, bestSound := r.Verdict.State != StateInvalid, best.Verdict.State != StateInvalid
		if sound && !bestSound || sound == bestSound &&
			cmp.Or(cmp.Compare(r.Goodput.Mean, best.Goodput.Mean), cmp.Compare(r.TPS.Mean, best.TPS.Mean)) > 0 {
			out[place] = r
		}
	}
	return out
}

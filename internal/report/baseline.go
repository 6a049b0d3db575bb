package report

import (
	"cmp"
	"slices"

	"sluice/internal/stat"
)

// TargetFigures are what a suite measured of a target's streamed calls, in seconds; 0 where it did not.
type TargetFigures struct{ TTFT50, TTFT95, TPOT50 float64 }

// Target returns the figures of a target as a gateway may expect to see them: measured directly if they were, in the region
// if both say where they are, and under the lightest load, since a sweep drives a target to its limits on purpose. They are
// means over the runs that are not invalid. ok is false if there is none.
func (s *Suite) Target(target, region string) (f TargetFigures, ok bool) {
	var runs []*Run
	for _, r := range s.Runs {
		if r.Cell.Target == target && r.Verdict.State != StateInvalid && (region == "" || r.Cell.Region == "" || r.Cell.Region == region) {
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 {
		return f, false
	}
	best := slices.MinFunc(runs, func(a, b *Run) int {
		return cmp.Or(cmp.Compare(len(a.Cell.Via), len(b.Cell.Via)), cmp.Compare(a.Load.Rate, b.Load.Rate),
			cmp.Compare(a.Load.Concurrency, b.Load.Concurrency), cmp.Compare(a.Step, b.Step))
	}).At()
	for name, to := range map[string]*float64{"ttft_p50_ms": &f.TTFT50, "ttft_p95_ms": &f.TTFT95, "tpot_p50_ms": &f.TPOT50} {
		metrics, err := FindMetrics([]string{name})
		if err != nil {
			panic("BUG: " + err.Error())
		}
		var values []float64
		for _, r := range runs {
			if v, why := metrics[0].value(&r.Summary); why == "" && r.At() == best {
				values = append(values, v/1000)
			}
		}
		if len(values) > 0 {
			*to = stat.Mean(values)
		}
	}
	return f, true
}

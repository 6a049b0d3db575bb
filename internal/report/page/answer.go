package page

import (
	"cmp"
	"maps"
	"slices"

	"sluice/internal/report"
)

// answer is the verdict in one sentence: which target to take.
func (v *view) answer() sentence {
	usable := v.believed()
	switch {
	case len(v.results) == 0:
		return plain("Nothing was measured.")
	case len(usable) == 0:
		return plain("No target can be judged.")
	}
	if v.limits() == "" {
		return v.answerWithoutLimits(usable)
	}
	met := v.met()
	switch one := len(v.cells) == 1; {
	case len(met) == 0 && v.sweep():
		return plain("No target meets the service level at any load that was tried.")
	case len(met) == 0 && one:
		return plain("%s does not meet the service level.", cellName(v.cells[0]))
	case len(met) == 0 && len(usable) < len(v.cells):
		return plain("No target that can be judged meets the service level.")
	case len(met) == 0:
		return plain("No target meets the service level.")
	case v.sweep():
		first := met[0]
		s := plain("%s carries %s within the service level: ", cellName(v.results[first].Cell), map[bool]string{true: "a load", false: "the highest load"}[one])
		s.text("%s", v.atLeast(first))
		s.fig(v.figures(first).tps(&v.results[first]))
		s.text(" transactions a second.")
		return s
	case one:
		return plain("%s meets the service level.", cellName(v.cells[0]))
	case len(met) == 1:
		return plain("%s is the only target that meets the service level.", cellName(v.results[met[0]].Cell))
	}
	if first, ok := v.cheapest(met); ok {
		return plain("%s is the cheapest of the %d targets that meet the service level.", cellName(v.results[first].Cell), len(met))
	}
	return plain("%s answers fastest of the %d targets that meet the service level.", cellName(v.results[v.quickest(met)].Cell), len(met))
}

// atLeast is what stands before the throughput of a result within the limits if its cell was offered no higher load.
func (v *view) atLeast(i int) string {
	x, _ := loadLevel(v.results[i].Load)
	for j := range v.results {
		if y, _ := loadLevel(v.results[j].Load); v.results[j].Cell == v.results[i].Cell && y > x {
			return ""
		}
	}
	return "at least "
}

// met are, for each cell that meets the limits at any load level, the result that meets them with the highest throughput; the
// highest of all comes first.
func (v *view) met() []int {
	best := map[report.Cell]int{}
	for i := range v.results {
		r := &v.results[i]
		if r.Verdict.State == report.StateInvalid || r.OK == 0 || !v.meets(i) {
			continue
		}
		if j, ok := best[r.Cell]; !ok || r.TPS.Mean > v.results[j].TPS.Mean {
			best[r.Cell] = i
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b int) int {
		return cmp.Or(cmp.Compare(v.results[b].TPS.Mean, v.results[a].TPS.Mean), a-b)
	})
}

func (v *view) answerWithoutLimits(usable []int) sentence {
	first := cellName(v.results[v.quickest(usable)].Cell)
	if len(v.cells) == 1 {
		return plain("%s was measured.", first)
	}
	cheap, ok := v.cheapest(usable)
	switch {
	case !ok:
		return plain("%s answers fastest.", first)
	case cellName(v.results[cheap].Cell) == first:
		return plain("%s answers fastest, and is cheapest.", first)
	default:
		return plain("%s answers fastest, and %s is cheapest.", first, cellName(v.results[cheap].Cell))
	}
}

// quickest is the result whose answers are complete earliest, at the 95th percentile, or at the median where that is all
// there is.
func (v *view) quickest(of []int) int {
	return slices.MinFunc(of, func(a, b int) int {
		x, y := v.results[a].E2ESched, v.results[b].E2ESched
		return cmp.Or(cmp.Compare(x.P95.Mean, y.P95.Mean), cmp.Compare(x.P50.Mean, y.P50.Mean))
	})
}

// cheapest is the result with the lowest cost of a transaction. ok is false unless all have a price.
func (v *view) cheapest(of []int) (first int, ok bool) {
	if slices.ContainsFunc(of, func(i int) bool { return !v.results[i].CostPerCall.Has() }) {
		return 0, false
	}
	return slices.MinFunc(of, func(a, b int) int {
		return cmp.Compare(v.results[a].CostPerCall.Mean, v.results[b].CostPerCall.Mean)
	}), true
}

package page

import "sluice/internal/report"

import "fmt"

// tile is a figure at the head of the page.
type tile struct {
	What, Unit string
	Fig        figure
	Who        *who
	Note       string
}

func (v *view) tiles() []tile {
	usable := v.believed()
	if len(usable) == 0 {
		return nil
	}
	pick := func(what, unit string, fig func(figures, *report.CellResult) figure, raw func(*report.CellResult) float64, more bool) tile {
		best := -1
		for _, i := range usable {
			r := &v.results[i]
			if fig(v.figures(i), r).None != "" {
				continue
			}
			if best < 0 || more == (raw(r) > raw(&v.results[best])) && raw(r) != raw(&v.results[best]) {
				best = i
			}
		}
		if best < 0 {
			return tile{What: what, Fig: fig(v.figures(usable[0]), &v.results[usable[0]])}
		}
		w := v.who(v.results[best].Cell)
		return tile{What: what, Unit: unit, Fig: fig(v.figures(best), &v.results[best]), Who: &w}
	}
	only := len(v.cells) == 1
	word := func(several, one string) string {
		if only {
			return one
		}
		return several
	}
	first := pick(word("Highest throughput", "Throughput"), "TPS", figures.tps, func(r *report.CellResult) float64 { return r.TPS.Mean }, true)
	if v.bound() {
		first = pick("Quickest answer, E2E p95", "ms", func(f figures, r *report.CellResult) figure { return f.percentile(r, latencyE2E(), 0.95) },
			func(r *report.CellResult) float64 { return r.E2ESched.P95.Mean }, false)
	}
	return []tile{
		first,
		pick(word("Quickest first token, p95", "First token, p95"), "ms", figures.ttft95, func(r *report.CellResult) float64 { return r.TTFT.P95.Mean }, false),
		pick(word("Lowest cost of a transaction", "Cost of a transaction"), "", figures.costPerCall, func(r *report.CellResult) float64 { return r.CostPerCall.Mean }, false),
		v.limitTile(usable),
	}
}

// limitTile says how many targets meet the service level.
func (v *view) limitTile(usable []int) tile {
	limits := v.limits()
	if limits == "" {
		return tile{What: "Service level", Fig: figure{None: "the workload sets no limits"}}
	}
	if len(v.cells) == 1 {
		i := usable[0]
		f := v.figures(i).stat("good_fraction", v.results[i].GoodFraction, shareText, noSuccess)
		f.Best = false
		return tile{What: "Within the service level", Fig: f, Note: limits}
	}
	if v.sweep() {
		limits += ", at some load"
	}
	return tile{
		What: "Meet the service level", Unit: fmt.Sprintf("of %d targets", len(v.cells)),
		Fig: figure{num: num{Text: fmt.Sprint(len(v.met()))}}, Note: limits,
	}
}

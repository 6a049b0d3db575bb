package page

import (
	"fmt"
	"slices"

	"sluice/internal/report"
)

// heat is the matrix of models and regions.
type heat struct {
	Regions []string
	Rows    []heatRow
	Scales  []heatScale
}

type heatRow struct {
	Name, Via string
	Cells     []heatCell
}

// heatCell is one cell with its figure in each metric; Blank says why it has none.
type heatCell struct {
	Blank string
	Tints []tint
}

// tint is a figure and its colour: a step of the ramp, or none.
type tint struct {
	Of   string
	Step string
	Fig  figure
}

type heatScale struct{ Of, From, To, Note string }

// rampSteps is the number of colours in palette.css.
const rampSteps = 12

// heatMetrics are the choices above the heatmap. Of is the name that the page's script and style know.
func heatMetrics() []struct {
	of, note string
	fig      func(figures, *report.CellResult) figure
	raw      func(*report.CellResult) float64
} {
	type m = struct {
		of, note string
		fig      func(figures, *report.CellResult) figure
		raw      func(*report.CellResult) float64
	}
	return []m{
		{"tps", "transactions a second, more is better", figures.tps, func(r *report.CellResult) float64 { return r.TPS.Mean }},
		{"tokens", "output tokens a second, more is better", figures.tokens, func(r *report.CellResult) float64 { return r.OutputRate.Mean }},
		{"ttft", "time to first token, p95, less is better", figures.ttft95, func(r *report.CellResult) float64 { return r.TTFT.P95.Mean }},
		{"cost", "cost of a transaction, less is better", figures.costPerCall, func(r *report.CellResult) float64 { return r.CostPerCall.Mean }},
	}
}

// heat makes the matrix from the headline results; nil if there are none.
func (v *view) heat() *heat {
	if len(v.head) == 0 {
		return nil
	}
	h := &heat{}
	type row struct{ name, via string }
	var rows []row
	at := map[row]map[string]int{}
	name := report.MatrixNames(v.headline())
	for _, i := range v.head {
		c := v.results[i].Cell
		var key row
		key.name, key.via = name(&v.results[i])
		if at[key] == nil {
			rows = append(rows, key)
			at[key] = map[string]int{}
		}
		at[key][c.Region] = i
		if !slices.Contains(h.Regions, c.Region) {
			h.Regions = append(h.Regions, c.Region)
		}
	}
	slices.Sort(h.Regions)
	for _, key := range rows {
		hr := heatRow{Name: key.name, Via: key.via}
		for _, region := range h.Regions {
			hc := heatCell{Blank: "not measured"}
			if i, ok := at[key][region]; ok {
				hc = heatCell{Tints: v.tints(i)}
			}
			hr.Cells = append(hr.Cells, hc)
		}
		h.Rows = append(h.Rows, hr)
	}
	h.Scales = v.scales()
	return h
}

// headline returns the results of v.head.
func (v *view) headline() []*report.CellResult {
	all := make([]*report.CellResult, len(v.head))
	for n, i := range v.head {
		all[n] = &v.results[i]
	}
	return all
}

// tints are a result's figures in all metrics, with their colours.
func (v *view) tints(i int) []tint {
	var out []tint
	for _, m := range heatMetrics() {
		t := tint{Of: m.of, Fig: m.fig(v.figures(i), &v.results[i])}
		switch v.results[i].Verdict.State {
		case report.StateInvalid:
			t.Fig.Mark, t.Step = "invalid: do not use", "invalid"
			out = append(out, t)
			continue
		case report.StateDegraded:
			t.Fig.Mark = "disturbed"
		}
		if lo, hi, ok := v.extent(m.fig, m.raw); ok && t.Fig.None == "" {
			t.Step = fmt.Sprintf("q%d", rampStep(m.raw(&v.results[i]), lo, hi))
		}
		out = append(out, t)
	}
	return out
}

// leastExtent keeps small differences from looking large: the ramp begins at this share of the highest value, or below.
const leastExtent = 0.75

// extent is the range of the ramp for a metric of the headline results that are not invalid.
func (v *view) extent(fig func(figures, *report.CellResult) figure, raw func(*report.CellResult) float64) (lo, hi float64, ok bool) {
	for _, i := range v.head {
		r := &v.results[i]
		if fig(v.figures(i), r).None != "" || r.Verdict.State == report.StateInvalid {
			continue
		}
		x := raw(r)
		if !ok {
			lo, hi, ok = x, x, true
		}
		lo, hi = min(lo, x), max(hi, x)
	}
	return min(lo, leastExtent*hi), hi, ok
}

// rampStep is a value's place on the ramp. Where all values are alike, each is in the lower middle.
func rampStep(x, lo, hi float64) int {
	if hi <= lo {
		return rampSteps / 3
	}
	return min(rampSteps-1, int((x-lo)/(hi-lo)*rampSteps))
}

func (v *view) scales() []heatScale {
	var out []heatScale
	for _, m := range heatMetrics() {
		lo, hi, ok := v.extent(m.fig, m.raw)
		s := heatScale{Of: m.of, Note: m.note}
		if ok && hi > lo && len(v.head) > 1 {
			text := number3
			if m.of == "cost" {
				text = usd
			} else if m.of == "ttft" {
				text = func(x float64) string { return number3(x) + " ms" }
			}
			s.From, s.To = text(lo), text(hi)
		}
		out = append(out, s)
	}
	return out
}

package page

import (
	"fmt"
	"strconv"

	"sluice/internal/report"
)

// bigTable holds all results with all their figures.
type bigTable struct {
	Columns []header
	Rows    []tableRow
}

type header struct {
	Name, Unit, Tip string
	First           string // the direction of the first sort: "ascending" or "descending"
}

type tableRow struct {
	Who     who
	Load    string
	Sort    string // of the load
	State   string // of the verdict
	Figures []figure
}

// figureColumn is a column of the table with the figure of a result.
type figureColumn struct {
	header
	fig func(figures, *report.CellResult) figure
}

func latencyMetrics(label, tip string, l latencyAt, qs ...float64) []figureColumn {
	var out []figureColumn
	for _, q := range qs {
		p := fmt.Sprintf("p%g", 100*q)
		out = append(out, figureColumn{
			header{label + " " + p, "ms", tip + " Mean over repeats of each run's " + p + ".", "ascending"},
			func(f figures, r *report.CellResult) figure { return f.percentile(r, l, q) },
		})
	}
	return out
}

func figureColumns() []figureColumn {
	more := func(name, unit, tip string, fig func(figures, *report.CellResult) figure) figureColumn {
		return figureColumn{header{name, unit, tip, "descending"}, fig}
	}
	less := func(name, unit, tip string, fig func(figures, *report.CellResult) figure) figureColumn {
		return figureColumn{header{name, unit, tip, "ascending"}, fig}
	}
	out := []figureColumn{
		more("TPS", "transactions/s", "Successes that ended in the measured window, per second.", figures.tps),
		more("Tokens", "output tokens/s", "Output tokens emitted in the measured window, per second.", figures.tokens),
		more("Goodput", "good requests/s", "Requests within every limit of the service level, per second.", figures.goodput),
		more("Within limits", "of requests", "Share of all requests, failures included, that met every limit.", func(f figures, r *report.CellResult) figure {
			return f.stat("good_fraction", r.GoodFraction, shareText, "no request was measured")
		}),
		less("Errors", "of requests", "Failures as a share of all that ended.", func(f figures, r *report.CellResult) figure {
			return f.stat("error_rate", r.ErrorRate, shareText, "no request ended")
		}),
	}
	out = append(out, latencyMetrics("TTFT", "Time to first token, from sending.", latencyTTFT(), 0.5, 0.95, 0.99)...)
	out = append(out, latencyMetrics("TPOT", "Time per output token after the first.", latencyTPOT(), 0.5, 0.95)...)
	out = append(out, latencyMetrics("E2E", "From the scheduled instant to the last token.", latencyE2E(), 0.5, 0.95, 0.99)...)
	out = append(out, latencyMetrics("E2E sent", "From the instant of sending to the last token.", latencyE2ESent(), 0.95)...)
	return append(out,
		less("Cost", "a transaction", "Cost of all requests divided by the successes.", figures.costPerCall),
		less("Cost", "an hour", "Cost of one hour at this rate without a break.", figures.costPerHour),
		more("In flight", "requests", "Mean number of requests on their way.", func(f figures, r *report.CellResult) figure {
			return f.stat("concurrency", r.Concurrency, number3, "not recorded")
		}),
		more("Requests", "measured", "Requests of all repeats that fell into the measured window.", func(f figures, r *report.CellResult) figure {
			return f.count("requests", r.Requests)
		}),
	)
}

// table makes the table of all results; nil if there are none.
func (v *view) table() *bigTable {
	if len(v.results) == 0 {
		return nil
	}
	t := &bigTable{}
	for _, m := range figureColumns() {
		t.Columns = append(t.Columns, m.header)
	}
	for i := range v.results {
		r := &v.results[i]
		x, _ := loadLevel(r.Load)
		row := tableRow{Who: v.who(r.Cell), Load: loadWords(r.Load), Sort: strconv.FormatFloat(x, 'g', -1, 64), State: r.Verdict.State}
		for _, m := range figureColumns() {
			row.Figures = append(row.Figures, m.fig(v.figures(i), r))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// pooledRow is one latency over the requests of all repeats together.
type pooledRow struct {
	Who     who
	Load    string
	Latency string
	N       figure
	Figures []figure // mean, p50, p90, p95, p99, p99.9, max
}

// pooledTable is nil if there is no latency.
type pooledTable struct {
	Heads []string
	Rows  []pooledRow
}

func (v *view) pooled() *pooledTable {
	out := &pooledTable{Heads: []string{"mean", "p50", "p90", "p95", "p99", "p99.9", "max"}}
	for i := range v.results {
		p := &v.results[i].Pooled
		for _, l := range []struct {
			name, path string
			dist       *report.PooledDist
		}{
			{"TTFT", "pooled.ttft_ms", &p.TTFT},
			{"TPOT", "pooled.tpot_ms", &p.TPOT},
			{"ICL", "pooled.icl_ms", &p.ICL},
			{"E2E", "pooled.e2e_sched_ms", &p.E2ESched},
			{"E2E sent", "pooled.e2e_ms", &p.E2E},
		} {
			if l.dist.N > 0 {
				r := &v.results[i]
				out.Rows = append(out.Rows, pooledRow{
					Who: v.who(r.Cell), Load: loadWords(r.Load), Latency: l.name,
					N: v.figures(i).count(l.path+".n", l.dist.N), Figures: v.figures(i).dist(l.path, l.dist),
				})
			}
		}
	}
	if len(out.Rows) == 0 {
		return nil
	}
	return out
}

func (f figures) dist(path string, d *report.PooledDist) []figure {
	at := func(key string, value float64, in report.Interval) figure {
		if in.Mark == report.MarkOmitted || in.Mark == "" {
			return figure{None: fmt.Sprintf("%s are too few for %s", counted(d.N, "value", "values"), key)}
		}
		fig := f.one(path+"."+key, value, number3)
		if in.Mark == report.MarkWide {
			fig.Mark = "wide"
			return fig
		}
		lo, hi := f.num(path+".interval."+key+".lo", in.Lo, number3), f.num(path+".interval."+key+".hi", in.Hi, number3)
		fig.Lo, fig.Hi = &lo, &hi
		return fig
	}
	return []figure{
		f.one(path+".mean", d.Mean, number3),
		at("p50", d.P50, d.Interval.P50), at("p90", d.P90, d.Interval.P90), at("p95", d.P95, d.Interval.P95),
		at("p99", d.P99, d.Interval.P99), at("p999", d.P999, d.Interval.P999),
		f.one(path+".max", d.Max, number3),
	}
}

// costRow is a target in the cost-throughput matrix.
type costRow struct {
	Who                   who
	Load                  string
	State                 string
	TPS, PerCall, PerHour figure
	P95, Within           figure
}

// costs are the headline results, one row each.
func (v *view) costs() []costRow {
	var out []costRow
	for _, i := range v.head {
		r, f := &v.results[i], v.figures(i)
		row := costRow{
			Who: v.who(r.Cell), Load: loadWords(r.Load), State: r.Verdict.State,
			TPS: f.tps(r), PerCall: f.costPerCall(r), PerHour: f.costPerHour(r), P95: f.percentile(r, latencyE2E(), 0.95),
			Within: f.stat("good_fraction", r.GoodFraction, shareText, "no request was measured"),
		}
		if v.limits() == "" {
			row.Within = figure{None: "the workload sets no limits"}
		}
		out = append(out, row)
	}
	return out
}

package page

import (
	"math"
	"slices"

	"sluice/internal/report"
)

// chartData is what the page's script draws, in the form of data.ts in web/report.
type chartData struct {
	Cells []string     `json:"cells"`
	Heads []int        `json:"heads"` // the step of each cell's headline result
	SLO   chartSLO     `json:"slo"`
	Time  []chartRun   `json:"time"`
	Load  []chartSweep `json:"load"`
	Cost  []chartPoint `json:"cost"`
	thin  string       // what of the runs over time was left out, in words
}

type chartSLO struct {
	TTFT float64 `json:"ttft"`
	TPOT float64 `json:"tpot"`
	E2E  float64 `json:"e2e"`
}

// chartFigure is mean, low and high; the last two null without an interval.
type chartFigure [3]*float64

type chartRun struct {
	Cell   int          `json:"cell"`
	Repeat int          `json:"repeat"`
	Step   int          `json:"step"`
	Load   string       `json:"load"`
	From   float64      `json:"from"`
	To     float64      `json:"to"`
	X      []float64    `json:"x"`
	N      []int64      `json:"n"`
	TTFT   [][]*float64 `json:"ttft"`
	E2E    [][]*float64 `json:"e2e"`
	RateX  []float64    `json:"rateX"`
	Done   []float64    `json:"done"`
	Failed []float64    `json:"failed"`
	Flight []float64    `json:"flight"`
}

type chartSweep struct {
	Cell   int          `json:"cell"`
	Points []chartLevel `json:"points"`
}

type chartLevel struct {
	Result  int            `json:"result"`
	Load    float64        `json:"load"`
	Unit    string         `json:"unit"`
	Invalid bool           `json:"invalid"`
	TPS     chartFigure    `json:"tps"`
	Tokens  chartFigure    `json:"tokens"`
	TTFT    []*chartFigure `json:"ttft"`
	E2E     []*chartFigure `json:"e2e"`
}

type chartPoint struct {
	Cell   int         `json:"cell"`
	Result int         `json:"result"`
	TPS    chartFigure `json:"tps"`
	Cost   chartFigure `json:"cost"`
	P95    *float64    `json:"p95"`
}

// Bounds of the page's size: a run over time takes some 12 KB at the most.
const (
	maxTimeRuns  = 150
	maxRatePoint = 60
)

func (v *view) chartData() chartData {
	slo := v.suite.Workload.SLO
	d := chartData{
		Cells: make([]string, len(v.cells)),
		SLO:   chartSLO{TTFT: report.Milliseconds(slo.TTFT), TPOT: report.Milliseconds(slo.TPOT), E2E: report.Milliseconds(slo.E2E)},
		Load:  v.chartSweeps(), Cost: v.chartPoints(),
	}
	for i, c := range v.cells {
		d.Cells[i] = cellName(c)
		d.Heads = append(d.Heads, v.results[v.head[i]].Step)
	}
	d.Time, d.thin = v.chartRuns()
	return d
}

func chartStat(s report.Stat) chartFigure {
	f := chartFigure{exact(s.Mean), nil, nil}
	if s.HasInterval() {
		f[1], f[2] = exact(s.Lo), exact(s.Hi)
	}
	return f
}

// exact is a value for JSON, which has no word for what is no number.
func exact(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// rounded is a value of a curve over time, to four significant digits: the page holds many of them.
func rounded(x float64) *float64 {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return exact(x)
	}
	k := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	x = math.Round(x*k) / k
	return &x
}

func (v *view) chartSweeps() []chartSweep {
	var out []chartSweep
	for c, cell := range v.cells {
		s := chartSweep{Cell: c}
		for i := range v.results {
			r := &v.results[i]
			if r.Cell != cell || r.OK == 0 || !r.TPS.Has() {
				continue
			}
			x, unit := loadLevel(r.Load)
			if x == 0 {
				x = r.Rate
			}
			s.Points = append(s.Points, chartLevel{
				Result: i, Load: x, Unit: unit, Invalid: r.Verdict.State == report.StateInvalid, TPS: chartStat(r.TPS), Tokens: chartStat(r.OutputRate),
				TTFT: v.chartPercentiles(i, latencyTTFT()), E2E: v.chartPercentiles(i, latencyE2E()),
			})
		}
		slices.SortStableFunc(s.Points, func(a, b chartLevel) int { return a.Result - b.Result })
		if len(s.Points) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// chartPercentiles are p50, p95 and p99, null where the table has none.
func (v *view) chartPercentiles(i int, l latencyAt) []*chartFigure {
	r := &v.results[i]
	p := l.of(r)
	out := make([]*chartFigure, 3)
	for k, q := range []float64{0.5, 0.95, 0.99} {
		if v.figures(i).percentile(r, l, q).None == "" {
			f := chartStat([]report.Stat{p.P50, p.P95, p.P99}[k])
			out[k] = &f
		}
	}
	return out
}

func (v *view) chartPoints() []chartPoint {
	var out []chartPoint
	for _, i := range v.head {
		r := &v.results[i]
		f := v.figures(i)
		if f.tps(r).None != "" || f.costPerCall(r).None != "" || r.Verdict.State == report.StateInvalid {
			continue
		}
		p := chartPoint{Cell: v.cell(r.Cell), Result: i, TPS: chartStat(r.TPS), Cost: chartStat(r.CostPerCall)}
		if f.percentile(r, latencyE2E(), 0.95).None == "" {
			p.P95 = exact(r.E2ESched.P95.Mean)
		}
		out = append(out, p)
	}
	return out
}

// chartRuns are the runs over time. Of very many runs, only the first repeat is kept, and then only as many as fit.
func (v *view) chartRuns() (out []chartRun, thin string) {
	runs := slices.Clone(v.suite.Runs)
	if len(runs) > maxTimeRuns {
		runs = slices.DeleteFunc(runs, func(r *report.Run) bool { return r.Repeat > 0 })
		thin = "To keep the page small, the first repeat of each target is shown."
	}
	if len(runs) > maxTimeRuns {
		runs = runs[:maxTimeRuns]
		thin = "To keep the page small, the first repeat of some targets is shown."
	}
	for _, run := range runs {
		c := v.cell(run.Cell)
		if c < 0 || len(run.Bins) == 0 && len(run.Series) == 0 {
			continue
		}
		out = append(out, v.chartRun(run, c))
	}
	slices.SortStableFunc(out, func(a, b chartRun) int {
		if a.Cell != b.Cell {
			return a.Cell - b.Cell
		}
		if a.Step != b.Step {
			return a.Step - b.Step
		}
		return a.Repeat - b.Repeat
	})
	return out, thin
}

func (v *view) chartRun(run *report.Run, cell int) chartRun {
	r := chartRun{
		Cell: cell, Repeat: run.Repeat, Step: run.Step, Load: loadWords(run.Load), From: run.From.Seconds(), To: run.To.Seconds(),
		TTFT: make([][]*float64, 3), E2E: make([][]*float64, 3), X: []float64{}, N: []int64{},
	}
	for k := range 3 {
		r.TTFT[k], r.E2E[k] = []*float64{}, []*float64{}
	}
	for _, b := range run.Bins {
		r.X = append(r.X, (b.From+b.To).Seconds()/2)
		r.N = append(r.N, b.E2E.N)
		for k, q := range []float64{0.5, 0.95, 0.99} {
			r.TTFT[k] = append(r.TTFT[k], v.binned(b.TTFT, q))
			r.E2E[k] = append(r.E2E[k], v.binned(b.E2E, q))
		}
	}
	r.addSeries(run.Series)
	return r
}

// binned is a percentile of a part of a run, if it has the requests for one.
func (v *view) binned(d report.Quantiles, q float64) *float64 {
	if v.marks.Mark(q, d.N) == report.MarkOmitted {
		return nil
	}
	switch q {
	case 0.5:
		return rounded(d.P50)
	case 0.95:
		return rounded(d.P95)
	default:
		return rounded(d.P99)
	}
}

// addSeries puts the seconds of a run into parts of equal length.
func (r *chartRun) addSeries(seconds []report.Second) {
	width := (len(seconds) + maxRatePoint - 1) / maxRatePoint
	r.RateX, r.Done, r.Failed, r.Flight = []float64{}, []float64{}, []float64{}, []float64{}
	for i := 0; i < len(seconds); i += width {
		group := seconds[i:min(i+width, len(seconds))]
		var done, failed, flight float64
		for _, s := range group {
			done += float64(s.Done)
			failed += float64(s.Failed)
			flight += float64(s.InFlight)
		}
		n := float64(len(group))
		r.RateX = append(r.RateX, float64(i)+n/2)
		r.Done = append(r.Done, *rounded(done / n))
		r.Failed = append(r.Failed, *rounded(failed / n))
		r.Flight = append(r.Flight, *rounded(flight / n))
	}
}

package page

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sluice/internal/report"
)

// figure is a number on the page, or the reason why there is none.
type figure struct {
	num
	Lo, Hi *num   // its interval
	CV     *num   // of the repeats
	Mark   string // what the reader must know of it; "" for nothing
	None   string // why it is missing
	Sort   string // the raw value, for sorting; "" if missing
	Best   bool
}

// num is one value with its source.
type num struct {
	Text string
	Ref  string // for data-figure
}

// figures makes those of one source: an index of results, or a run's ID.
type figures struct {
	v      *view
	source any
}

func (v *view) figures(result int) figures { return figures{v, result} }

// num makes one from a value at a path of the source.
func (f figures) num(path string, value float64, text func(float64) string) num {
	ref, err := json.Marshal([]any{f.source, path, value})
	if err != nil { // the value is no number; callers have looked
		return num{Text: "–"}
	}
	return num{Text: text(value), Ref: string(ref)}
}

// one makes a figure without an interval.
func (f figures) one(path string, value float64, text func(float64) string) figure {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return figure{None: "not defined"}
	}
	return figure{num: f.num(path, value, text), Sort: strconv.FormatFloat(value, 'g', -1, 64)}
}

func (f figures) count(path string, n int64) figure {
	return f.one(path, float64(n), func(v float64) string { return grouped(int64(v)) })
}

// stat makes a figure over repeats. none says why there is none, if there is none.
func (f figures) stat(path string, s report.Stat, text func(float64) string, none string) figure {
	if !s.Has() {
		return figure{None: none}
	}
	fig := f.one(path+".mean", s.Mean, text)
	if fig.None == "" && s.HasInterval() {
		lo, hi, cv := f.num(path+".lo", s.Lo, text), f.num(path+".hi", s.Hi, text), f.num(path+".cv", s.CV, shareText)
		fig.Lo, fig.Hi, fig.CV = &lo, &hi, &cv
	}
	return fig
}

// Reasons for missing figures.
const (
	noSuccess = "no request succeeded"
	noPrice   = "the price of this target is not known"
	noStream  = "no answer was streamed"
)

// rate is stat for something that successes alone bring.
func (f figures) rate(r *report.CellResult, path string, s report.Stat, text func(float64) string) figure {
	if r.OK == 0 {
		return figure{None: noSuccess}
	}
	return f.stat(path, s, text, noSuccess)
}

func (f figures) tps(r *report.CellResult) figure {
	return f.best(r, report.BestTPS, f.rate(r, "tps", r.TPS, number3))
}

func (f figures) tokens(r *report.CellResult) figure {
	return f.best(r, report.BestOutputRate, f.rate(r, "output_tokens_s", r.OutputRate, number3))
}

func (f figures) goodput(r *report.CellResult) figure {
	return f.best(r, report.BestGoodput, f.rate(r, "goodput", r.Goodput, number3))
}

func (f figures) costPerCall(r *report.CellResult) figure {
	if r.OK == 0 {
		return figure{None: noSuccess}
	}
	fig := f.stat("cost_per_transaction_usd", r.CostPerCall, usd, noPrice)
	if fig.None == "" && r.Unpriced > 0 {
		fig.Mark = "some requests have no known price"
	}
	return f.best(r, report.BestCost, fig)
}

func (f figures) costPerHour(r *report.CellResult) figure {
	if r.OK == 0 {
		return figure{None: noSuccess}
	}
	if !r.CostPerCall.Has() {
		return figure{None: noPrice}
	}
	return f.stat("cost_per_hour_usd", r.CostPerHour, usd, noPrice)
}

func (f figures) ttft95(r *report.CellResult) figure { return f.percentile(r, latencyTTFT(), 0.95) }

// best marks a figure in which no other result is better.
func (f figures) best(r *report.CellResult, name string, fig figure) figure {
	if f.v.bound() && (name == report.BestTPS || name == report.BestOutputRate || name == report.BestGoodput) {
		return fig // the load decides, and chance
	}
	for _, b := range r.Best {
		fig.Best = fig.Best || b == name && fig.None == ""
	}
	return fig
}

// latencyAt says where a latency's percentiles are.
type latencyAt struct {
	path string
	none string
	of   func(*report.CellResult) *report.Percentiles
	n    func(*report.Summary) int64
	best string // of the 95th percentile
}

func latencyTTFT() latencyAt {
	return latencyAt{"ttft_ms", noStream, func(r *report.CellResult) *report.Percentiles { return &r.TTFT }, func(s *report.Summary) int64 { return s.TTFT.N }, report.BestTTFT}
}

func latencyTPOT() latencyAt {
	return latencyAt{"tpot_ms", "no stream had two tokens", func(r *report.CellResult) *report.Percentiles { return &r.TPOT }, func(s *report.Summary) int64 { return s.TPOT.N }, report.BestTPOT}
}

func latencyE2E() latencyAt {
	return latencyAt{"e2e_sched_ms", noSuccess, func(r *report.CellResult) *report.Percentiles { return &r.E2ESched }, func(s *report.Summary) int64 { return s.E2ESched.N }, ""}
}

func latencyE2ESent() latencyAt {
	return latencyAt{"e2e_ms", noSuccess, func(r *report.CellResult) *report.Percentiles { return &r.E2E }, func(s *report.Summary) int64 { return s.E2E.N }, report.BestE2E}
}

// percentile makes the figure of a latency's percentile over repeats. It is missing where a run has too few requests for it,
// and marked where they are too few for an interval.
func (f figures) percentile(r *report.CellResult, l latencyAt, q float64) figure {
	p := l.of(r)
	s, key := p.P50, "p50"
	switch q {
	case 0.95:
		s, key = p.P95, "p95"
	case 0.99:
		s, key = p.P99, "p99"
	}
	if r.OK == 0 {
		return figure{None: noSuccess}
	}
	least, any := leastN(r, l)
	if !any {
		return figure{None: l.none}
	}
	mark := f.v.marks.Mark(q, least)
	if mark == report.MarkOmitted || !s.Has() {
		return figure{None: fmt.Sprintf("a run has %s, too few for %s", counted(least, "request", "requests"), key)}
	}
	fig := f.stat(l.path+"."+key, s, number3, l.none)
	if mark == report.MarkWide {
		fig.Mark = "wide"
	}
	if q == 0.95 && l.best != "" {
		fig = f.best(r, l.best, fig)
	}
	return fig
}

// leastN is the smallest number of values of a latency in a run that has any.
func leastN(r *report.CellResult, l latencyAt) (n int64, any bool) {
	for i := range r.Summaries {
		if k := l.n(&r.Summaries[i]); k > 0 && (!any || k < n) {
			n, any = k, true
		}
	}
	return n, any
}

// number3 writes three significant digits or all that are whole, thousands apart.
func number3(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	s := strconv.FormatFloat(v, 'f', min(6, max(0, digits)), 64)
	whole, rest, _ := strings.Cut(s, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && (n >= 1000 || n <= -1000) {
		whole = grouped(n)
	}
	if rest != "" {
		whole += "." + rest
	}
	return strings.Replace(whole, "-", "−", 1)
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// usd writes money: cents where there are some, three significant digits below.
func usd(v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	digits := 2
	switch {
	case v == 0 || v >= 100:
		return sign + "$" + grouped(int64(math.Round(v)))
	case v < 1:
		digits = min(12, 2-int(math.Floor(math.Log10(v))))
	}
	return sign + "$" + strconv.FormatFloat(v, 'f', digits, 64)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// shareText writes a share, so that neither a rest nor a little is rounded away: 99.97 % is not 100 %.
func shareText(v float64) string {
	p := 100 * v
	digits := 1
	switch rest := math.Min(math.Abs(p), math.Abs(100-p)); {
	case rest == 0:
		digits = 0
	case rest < 0.1:
		digits = 3
	case rest < 1:
		digits = 2
	}
	return strings.Replace(strconv.FormatFloat(p, 'f', digits, 64), "-", "−", 1) + " %"
}

// inUnits writes milliseconds as a person says them.
func inUnits(ms float64) string {
	if ms >= 1000 {
		return brief(ms/1000) + " s"
	}
	return brief(ms) + " ms"
}

// brief is number3 without zeros that say nothing, for numbers that people have chosen.
func brief(v float64) string {
	s := number3(v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// lasting writes a duration of minutes or hours.
func lasting(d time.Duration) string {
	switch {
	case d < time.Second:
		return brief(report.Milliseconds(d)) + " ms"
	case d < time.Minute:
		return brief(d.Seconds()) + " s"
	case d < time.Hour && d%time.Minute < time.Second:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// counted writes a number with its noun.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

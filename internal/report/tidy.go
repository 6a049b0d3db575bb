package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// csvText is s as a field that a spreadsheet does not take for a formula.
func csvText(s string) string {
	if s != "" && strings.IndexByte("=+-@'", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func csvFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// writeSeries writes what happened when, a value a row: counts by the second, latencies by the bins of each run.
func writeSeries(dst io.Writer, s *Suite) error {
	w := csv.NewWriter(dst)
	row := []string{"target", "region", "via", "repeat", "step", "t_s", "metric", "unit", "stat", "value"}
	if err := w.Write(row); err != nil {
		return err
	}
	for _, run := range s.Runs {
		put := func(at time.Duration, metric, unit, stat string, value float64) {
			// The first error stays in w and is found below.
			_ = w.Write([]string{
				csvText(run.Cell.Target), csvText(run.Cell.Region), csvText(run.Cell.Via), strconv.Itoa(run.Repeat), strconv.Itoa(run.Step),
				csvFloat(at.Seconds()), metric, unit, stat, csvFloat(value),
			})
		}
		for i, x := range run.Series {
			at := time.Duration(i) * time.Second
			put(at, "sent", "requests", "count", float64(x.Sent))
			put(at, "done", "requests", "count", float64(x.Done))
			put(at, "failed", "requests", "count", float64(x.Failed))
			put(at, "output", "tokens", "sum", x.Tokens)
			put(at, "in_flight", "requests", "last", float64(x.InFlight))
		}
		for _, b := range run.Bins {
			putQuantiles(put, b.From, "ttft", b.TTFT)
			putQuantiles(put, b.From, "tpot", b.TPOT)
			putQuantiles(put, b.From, "e2e_sched", b.E2E)
		}
	}
	w.Flush()
	return w.Error()
}

func putQuantiles(put func(time.Duration, string, string, string, float64), at time.Duration, metric string, q Quantiles) {
	if q.N == 0 {
		return
	}
	put(at, metric, "requests", "count", float64(q.N))
	put(at, metric, "ms", "mean", q.Mean)
	put(at, metric, "ms", "p50", q.P50)
	put(at, metric, "ms", "p95", q.P95)
	put(at, metric, "ms", "p99", q.P99)
	put(at, metric, "ms", "max", q.Max)
}

// summaryColumn is one column of summary.csv. An empty text is a figure that the run does not have.
type summaryColumn struct {
	name string
	of   func(*Run) string
}

// writeSummary writes the figures of each run, a run a row.
func writeSummary(dst io.Writer, s *Suite) error {
	w := csv.NewWriter(dst)
	cols := summaryColumns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.name
	}
	if err := w.Write(row); err != nil {
		return err
	}
	for _, run := range s.Runs {
		for i, c := range cols {
			row[i] = c.of(run)
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func summaryColumns() []summaryColumn {
	cols := append(runFigures(), countFigures()...)
	cols = append(cols, rateFigures()...)
	for _, d := range []struct {
		name, unit string
		of         func(*Summary) *Dist
	}{
		{"ttft", "ms", func(s *Summary) *Dist { return &s.TTFT }},
		{"ttft_sched", "ms", func(s *Summary) *Dist { return &s.TTFTSched }},
		{"ttfo", "ms", func(s *Summary) *Dist { return &s.TTFO }},
		{"first_event", "ms", func(s *Summary) *Dist { return &s.FirstEvent }},
		{"tpot", "ms", func(s *Summary) *Dist { return &s.TPOT }},
		{"ntpot", "ms", func(s *Summary) *Dist { return &s.NTPOT }},
		{"icl", "ms", func(s *Summary) *Dist { return &s.ICL }},
		{"e2e", "ms", func(s *Summary) *Dist { return &s.E2E }},
		{"e2e_sched", "ms", func(s *Summary) *Dist { return &s.E2ESched }},
		{"input", "tokens", func(s *Summary) *Dist { return &s.Input }},
		{"output", "tokens", func(s *Summary) *Dist { return &s.Output }},
	} {
		cols = append(cols, distFigures(d.name, d.unit, d.of)...)
	}
	return cols
}

func runFigures() []summaryColumn {
	return []summaryColumn{
		{"target", func(r *Run) string { return csvText(r.Cell.Target) }},
		{"provider", func(r *Run) string { return csvText(r.Cell.Provider) }},
		{"model", func(r *Run) string { return csvText(r.Cell.Model) }},
		{"region", func(r *Run) string { return csvText(r.Cell.Region) }},
		{"via", func(r *Run) string { return csvText(r.Cell.Via) }},
		{"repeat", func(r *Run) string { return strconv.Itoa(r.Repeat) }},
		{"step", func(r *Run) string { return strconv.Itoa(r.Step) }},
		{"run_id", func(r *Run) string { return csvText(r.ID) }},
		{"started_utc", func(r *Run) string { return r.Started.UTC().Format(time.RFC3339Nano) }},
		{"stopped", func(r *Run) string { return csvText(r.Stopped) }},
		{"verdict", func(r *Run) string { return r.Verdict.State }},
		{"reasons", func(r *Run) string { return csvText(strings.Join(r.Verdict.Reasons, "; ")) }},
		{"mode", func(r *Run) string { return r.Load.Mode }},
		{"process", func(r *Run) string { return r.Load.Process }},
		{"rate_per_s", func(r *Run) string { return unless(r.Load.Rate == 0, r.Load.Rate) }},
		{"concurrency_cap", func(r *Run) string { return unless(r.Load.Concurrency == 0, float64(r.Load.Concurrency)) }},
		{"window_s", func(r *Run) string { return csvFloat(r.Summary.Window) }},
		{"whole_s", func(r *Run) string { return csvFloat(r.Summary.Whole) }},
	}
}

// unless is v, or empty if missing is true.
func unless(missing bool, v float64) string {
	if missing {
		return ""
	}
	return csvFloat(v)
}

func countFigures() []summaryColumn {
	n := func(name string, of func(*Summary) int64) summaryColumn {
		return summaryColumn{name, func(r *Run) string { return strconv.FormatInt(of(&r.Summary), 10) }}
	}
	return []summaryColumn{
		n("requests", func(s *Summary) int64 { return s.Requests }),
		n("ok", func(s *Summary) int64 { return s.OK }),
		n("failed", func(s *Summary) int64 { return s.Failed }),
		n("incomplete", func(s *Summary) int64 { return s.Incomplete }),
		n("rate_limited", func(s *Summary) int64 { return s.RateLimited }),
		n("input_tokens", func(s *Summary) int64 { return s.InputTokens }),
		n("output_tokens", func(s *Summary) int64 { return s.OutputTokens }),
		n("reasoning_tokens", func(s *Summary) int64 { return s.ReasoningTokens }),
		n("cached_tokens", func(s *Summary) int64 { return s.CachedTokens }),
		n("usage_estimated_requests", func(s *Summary) int64 { return s.Estimated }),
		n("unpriced_requests", func(s *Summary) int64 { return s.Unpriced }),
	}
}

func rateFigures() []summaryColumn {
	v := func(name string, of func(*Summary) float64, missing func(*Summary) bool) summaryColumn {
		return summaryColumn{name, func(r *Run) string { return unless(missing(&r.Summary), of(&r.Summary)) }}
	}
	has := func(*Summary) bool { return false }
	noWindow := func(s *Summary) bool { return s.Window <= 0 }
	noRequests := func(s *Summary) bool { return s.Requests == 0 }
	noPrice := func(s *Summary) bool { return s.OK == s.Unpriced }
	return []summaryColumn{
		v("tps_per_s", func(s *Summary) float64 { return s.TPS }, noWindow),
		v("whole_tps_per_s", func(s *Summary) float64 { return s.WholeTPS }, noRequests),
		v("output_tokens_per_s", func(s *Summary) float64 { return s.OutputRate }, noWindow),
		v("whole_output_tokens_per_s", func(s *Summary) float64 { return s.WholeOutput }, noRequests),
		v("input_tokens_per_s", func(s *Summary) float64 { return s.InputRate }, noWindow),
		v("goodput_per_s", func(s *Summary) float64 { return s.Goodput }, noWindow),
		v("good_fraction", func(s *Summary) float64 { return s.GoodFraction }, noRequests),
		v("error_fraction", failedShare, func(s *Summary) bool { return s.OK+s.Failed == 0 }),
		v("tokens_per_event", func(s *Summary) float64 { return s.TokensPerEvent }, func(s *Summary) bool { return s.TokensPerEvent == 0 }),
		v("length_miss_fraction", func(s *Summary) float64 { return s.LengthMiss }, noRequests),
		v("cost_usd", func(s *Summary) float64 { return s.Cost }, noPrice),
		v("cost_per_transaction_usd", func(s *Summary) float64 { return s.CostPerCall }, noPrice),
		v("cost_per_hour_usd", func(s *Summary) float64 { return s.CostPerHour }, noPrice),
		v("requests_per_min", func(s *Summary) float64 { return s.RPM }, noWindow),
		v("tokens_per_min", func(s *Summary) float64 { return s.TPM }, noWindow),
		v("limit_requests_per_min", func(s *Summary) float64 { return float64(s.RPMLimit) }, func(s *Summary) bool { return s.RPMLimit < 0 }),
		v("limit_tokens_per_min", func(s *Summary) float64 { return float64(s.TPMLimit) }, func(s *Summary) bool { return s.TPMLimit < 0 }),
		v("requests_used_fraction", func(s *Summary) float64 { return s.RPMUsed }, func(s *Summary) bool { return s.RPMUsed < 0 }),
		v("tokens_used_fraction", func(s *Summary) float64 { return s.TPMUsed }, func(s *Summary) bool { return s.TPMUsed < 0 }),
		v("concurrency_mean", func(s *Summary) float64 { return s.Concurrency }, has),
		v("little_ratio", func(s *Summary) float64 { return s.Little }, func(s *Summary) bool { return s.Little == 0 }),
	}
}

// failedShare is the share of failures among the requests that ended.
func failedShare(s *Summary) float64 {
	if s.OK+s.Failed == 0 {
		return 0
	}
	return float64(s.Failed) / float64(s.OK+s.Failed)
}

func distFigures(name, unit string, of func(*Summary) *Dist) []summaryColumn {
	cols := []summaryColumn{{name + "_n", func(r *Run) string { return strconv.FormatInt(of(&r.Summary).N, 10) }}}
	for _, x := range []struct {
		stat string
		of   func(*Dist) float64
	}{
		{"mean", func(d *Dist) float64 { return d.Mean }},
		{"std", func(d *Dist) float64 { return d.Std }},
		{"min", func(d *Dist) float64 { return d.Min }},
		{"p50", func(d *Dist) float64 { return d.P50 }},
		{"p90", func(d *Dist) float64 { return d.P90 }},
		{"p95", func(d *Dist) float64 { return d.P95 }},
		{"p99", func(d *Dist) float64 { return d.P99 }},
		{"p999", func(d *Dist) float64 { return d.P999 }},
		{"max", func(d *Dist) float64 { return d.Max }},
	} {
		cols = append(cols, summaryColumn{name + "_" + x.stat + "_" + unit, func(r *Run) string {
			d := of(&r.Summary)
			return unless(d.N == 0, x.of(d))
		}})
	}
	return cols
}

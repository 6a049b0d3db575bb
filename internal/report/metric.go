package report

import (
	"fmt"
	"slices"
	"strings"

	"sluice/internal/model"
	"sluice/internal/stat"
)

// Metric is one figure of a run by which suites are compared.
type Metric struct {
	Name   string // as in files: with its unit, if it has one
	Unit   string // for people: "ms", "1/s", "$" or "%"
	Higher bool   // more is better
	Points bool   // a share, whose change is told in percentage points rather than in percent

	value func(*Summary) (v float64, why string) // why is set if the run does not have the figure
}

// Value returns the figure of a run; why is not empty if it has none.
func (m Metric) Value(s *Summary) (v float64, why string) { return m.value(s) }

// Metrics returns all by which suites can be compared. The first ones are those of DefaultMetrics.
func Metrics() []Metric {
	rate := func(name string, get func(*Summary) float64) Metric {
		return Metric{Name: name, Unit: "1/s", Higher: true, value: func(s *Summary) (float64, string) {
			if s.Requests == 0 {
				return 0, "no requests were measured"
			}
			return get(s), ""
		}}
	}
	return []Metric{
		rate("tps", func(s *Summary) float64 { return s.TPS }),
		rate("output_tokens_s", func(s *Summary) float64 { return s.OutputRate }),
		latency("ttft_p50_ms", 0.50, func(s *Summary) (*Dist, float64) { return &s.TTFT, s.TTFT.P50 }),
		latency("ttft_p95_ms", 0.95, func(s *Summary) (*Dist, float64) { return &s.TTFT, s.TTFT.P95 }),
		latency("tpot_p50_ms", 0.50, func(s *Summary) (*Dist, float64) { return &s.TPOT, s.TPOT.P50 }),
		latency("e2e_p95_ms", 0.95, func(s *Summary) (*Dist, float64) { return &s.E2E, s.E2E.P95 }),
		{Name: "error_rate", Unit: "%", Points: true, value: errorRate},
		{Name: "cost_per_transaction_usd", Unit: "$", value: costPerCall},

		rate("goodput", func(s *Summary) float64 { return s.Goodput }),
		latency("ttft_p99_ms", 0.99, func(s *Summary) (*Dist, float64) { return &s.TTFT, s.TTFT.P99 }),
		latency("tpot_p95_ms", 0.95, func(s *Summary) (*Dist, float64) { return &s.TPOT, s.TPOT.P95 }),
		latency("e2e_p50_ms", 0.50, func(s *Summary) (*Dist, float64) { return &s.E2E, s.E2E.P50 }),
		latency("e2e_p99_ms", 0.99, func(s *Summary) (*Dist, float64) { return &s.E2E, s.E2E.P99 }),
		latency("e2e_sched_p95_ms", 0.95, func(s *Summary) (*Dist, float64) { return &s.E2ESched, s.E2ESched.P95 }),
		latency("e2e_sched_p99_ms", 0.99, func(s *Summary) (*Dist, float64) { return &s.E2ESched, s.E2ESched.P99 }),
	}
}

// DefaultMetrics are the names of the metrics that are compared if none are asked for. They are few: the more there are, the
// larger a change must be to stand out from the false alarms.
func DefaultMetrics() []string {
	var names []string
	for _, m := range Metrics()[:8] {
		names = append(names, m.Name)
	}
	return names
}

// Why a run lacks a figure that neither its repeats nor its baseline can be expected to have.
const (
	noneHas   = "no request has it" // a latency that its kind of requests does not have
	notPriced = "the price is not known"
)

// latency is a percentile, which a run has if it has enough requests for it.
func latency(name string, q float64, get func(*Summary) (*Dist, float64)) Metric {
	return Metric{Name: name, Unit: "ms", value: func(s *Summary) (float64, string) {
		d, v := get(s)
		switch {
		case d.N == 0:
			return 0, noneHas
		case !stat.Enough(q, int(d.N)):
			return 0, fmt.Sprintf("%d requests a run are too few for p%g, which needs %d", d.N, q*100, stat.MinSamples(q))
		}
		return v, ""
	}}
}

func errorRate(s *Summary) (float64, string) {
	if s.OK+s.Failed == 0 {
		return 0, "no request has ended"
	}
	return float64(s.Failed) / float64(s.OK+s.Failed), ""
}

func costPerCall(s *Summary) (float64, string) {
	switch {
	case s.OK == 0:
		return 0, "no request was answered"
	case s.Unpriced > 0:
		return 0, notPriced
	}
	return s.CostPerCall, ""
}

// FindMetrics returns the metrics of those names, or the default ones if there are no names.
func FindMetrics(names []string) ([]Metric, error) {
	if len(names) == 0 {
		names = DefaultMetrics()
	}
	all := Metrics()
	var found []Metric
	for _, name := range names {
		i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name })
		if i < 0 {
			var known []string
			for _, m := range all {
				known = append(known, m.Name)
			}
			return nil, fmt.Errorf("there is no metric %q%s", name, orOneOf(name, known))
		}
		found = append(found, all[i])
	}
	return found, nil
}

// orOneOf ends a message about an unknown name with the nearest of the known ones, or else with all.
func orOneOf(name string, known []string) string {
	if near := model.Nearest(name, known, 3); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return "; there are " + strings.Join(known, ", ")
}

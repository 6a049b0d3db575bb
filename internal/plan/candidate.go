package plan

import (
	"fmt"
	"time"
)

// Figure is a measured figure over repeats. With N = 0 there is none; with N = 1 there is no interval.
type Figure struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Lo   float64 `json:"lo"` // 95 % interval of the mean
	Hi   float64 `json:"hi"`
}

// MarshalJSON writes the numbers with at most nine decimals.
func (f Figure) MarshalJSON() ([]byte, error) {
	if f.N == 0 {
		return []byte(`{"n":0}`), nil
	}
	return fmt.Appendf(nil, `{"n":%d,"mean":%s,"lo":%s,"hi":%s}`, f.N, Float(f.Mean), Float(f.Lo), Float(f.Hi)), nil
}

// interval writes the interval with a unit: " (95 % interval 300-340 ms)".
func (f Figure) interval(unit string) string {
	if f.N < 2 {
		return " (one repeat, no interval)"
	}
	return fmt.Sprintf(" (95 %% interval %s-%s%s)", figure(f.Lo), figure(f.Hi), unit)
}

// figure writes a measured number with the digits that mean something.
func figure(x float64) string {
	switch {
	case x >= 100 || x <= -100:
		return Float(x).Round(0)
	case x >= 10 || x <= -10:
		return Float(x).Round(1)
	}
	return Float(x).Round(2)
}

// Latency holds percentiles of a latency in milliseconds.
type Latency struct {
	P50 Figure `json:"p50"`
	P95 Figure `json:"p95"`
	P99 Figure `json:"p99"`
}

// Percentile returns one by its name: p50, p95 or p99. ok is false for any other.
func (l Latency) Percentile(name string) (f Figure, ok bool) {
	switch name {
	case "p50":
		return l.P50, true
	case "p95":
		return l.P95, true
	case "p99":
		return l.P99, true
	}
	return Figure{}, false
}

// Candidate is a target as it was measured at one load. What was measured is someone else's: the caller fills it in.
type Candidate struct {
	Target  string    `json:"target"` // provider/model, as in configuration
	Region  string    `json:"region,omitempty"`
	Via     string    `json:"via,omitempty"` // gateway in between
	Suite   string    `json:"suite"`
	Date    time.Time `json:"date"`
	Step    int       `json:"step"`
	Load    string    `json:"load"` // in words: "5/s poisson"
	Repeats int       `json:"repeats"`

	State   string   `json:"verdict"` // "valid", "degraded", "invalid"
	Reasons []string `json:"verdict_reasons,omitempty"`

	TTFT Latency `json:"ttft_ms"`
	TPOT Latency `json:"tpot_ms"`
	E2E  Latency `json:"e2e_ms"`

	TPS       Figure `json:"tps"` // answers a second
	ErrorRate Figure `json:"error_rate"`
	MainError string `json:"main_error,omitempty"` // the most frequent kind of failure
	Cost      Figure `json:"cost_usd"`             // of a transaction; N = 0 if any request had no known price

	Limits Limits  `json:"limits"`             // as the target's headers stated them
	Tokens float64 `json:"tokens_per_request"` // input and output, mean
}

// Provider is the first part of the target's name.
func (c *Candidate) Provider() string {
	for i := range len(c.Target) {
		if c.Target[i] == '/' {
			return c.Target[:i]
		}
	}
	return c.Target
}

// place names the candidate with its region.
func (c *Candidate) place() string {
	if c.Region == "" {
		return c.Target
	}
	return c.Target + " in " + c.Region
}

// carries returns how many requests a second the target is known to carry with headroom left: what was measured, but no
// more than its limits let pass.
func (c *Candidate) carries(headroom Exact) (rate Exact, because string) {
	rate, because = Float(c.TPS.Mean), "measured"
	s := Shape{Input: Float(c.Tokens)}
	for _, b := range s.bounds(&c.Limits) {
		if b.TPS.Cmp(rate) < 0 {
			rate, because = b.TPS, "limit "+b.Limit+" "+Int(b.Value).Grouped(0)+" from headers"
		}
	}
	return rate.Times(Int(1).Minus(headroom)), because
}

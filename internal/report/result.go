package report

// Confidence is that of every interval in this package.
const Confidence = 0.95

// CellResult is what a suite says about one cell at one load level, over all repeats. Tables, charts, comparisons and plans
// read this form.
type CellResult struct {
	Cell    Cell    `json:"cell"`
	Step    int     `json:"step"`
	Load    Load    `json:"load"`
	Rate    float64 `json:"rate_per_s"` // asked for; 0 in a closed loop
	Repeats int     `json:"repeats"`    // runs that count here: all that were measured
	Verdict Verdict `json:"verdict"`    // the worst of all runs, with the reasons of each
	Stopped string  `json:"stopped,omitempty"`
	BadRows int     `json:"bad_rows,omitempty"` // rows of the record file that could not be read

	Runs      []string  `json:"runs"`      // Run.ID, by repeat
	Summaries []Summary `json:"summaries"` // one for each of Runs

	// Figures over the repeats: each run is one observation.
	TPS          Stat        `json:"tps"`
	WholeTPS     Stat        `json:"whole_tps"`
	OutputRate   Stat        `json:"output_tokens_s"`
	InputRate    Stat        `json:"input_tokens_s"`
	Goodput      Stat        `json:"goodput"`
	GoodFraction Stat        `json:"good_fraction"`
	ErrorRate    Stat        `json:"error_rate"` // failed / (ok + failed)
	CostPerCall  Stat        `json:"cost_per_transaction_usd"`
	CostPerHour  Stat        `json:"cost_per_hour_usd"`
	Concurrency  Stat        `json:"concurrency"`
	TTFT         Percentiles `json:"ttft_ms"`
	TPOT         Percentiles `json:"tpot_ms"`
	E2E          Percentiles `json:"e2e_ms"`
	E2ESched     Percentiles `json:"e2e_sched_ms"`

	// Pooled holds the distributions over the requests of all repeats together. The mean of percentiles above is not the
	// percentile of the whole: both are given.
	Pooled Pooled `json:"pooled"`

	// Sums over the repeats.
	Requests   int64            `json:"requests"`
	OK         int64            `json:"ok"`
	Failed     int64            `json:"failed"`
	Incomplete int64            `json:"incomplete"`
	Unpriced   int64            `json:"unpriced"`
	Estimated  int64            `json:"usage_estimated"`
	Errors     map[string]int64 `json:"errors,omitempty"`   // by llm kind
	Statuses   map[string]int64 `json:"statuses,omitempty"` // by HTTP status, "none" without one
	Cost       float64          `json:"cost_usd"`

	RPM         Stat    `json:"rpm"`       // requests sent a minute
	TPM         Stat    `json:"tpm"`       // tokens a minute
	RPMLimit    int64   `json:"rpm_limit"` // from headers; -1 if none came
	TPMLimit    int64   `json:"tpm_limit"`
	RPMUsed     float64 `json:"rpm_used"` // highest share in use, from headers; -1 if unknown
	TPMUsed     float64 `json:"tpm_used"`
	RateLimited int64   `json:"rate_limited"`

	// Best names the figures in which no other result of the suite is better, among those that are not invalid; empty if
	// the suite has one result only.
	Best []string `json:"best,omitempty"`
}

// Names of figures in CellResult.Best.
const (
	BestTPS        = "tps"
	BestOutputRate = "output_tokens_s"
	BestGoodput    = "goodput"
	BestTTFT       = "ttft_p95_ms"
	BestTPOT       = "tpot_p95_ms"
	BestE2E        = "e2e_p95_ms"
	BestCost       = "cost_per_transaction_usd"
)

// Stat is one figure over repeats. N counts the runs that have it: with 0 there is none, and the other fields mean nothing.
type Stat struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // of the sample; 0 if N < 2
	CV   float64 `json:"cv"`  // Std / Mean; 0 if N < 2 or Mean is 0
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
	Lo   float64 `json:"lo"` // Student's interval of the mean; both equal Mean if N < 2, where there is none
	Hi   float64 `json:"hi"`
}

// Has says whether any run had the figure.
func (s Stat) Has() bool { return s.N > 0 }

// HasInterval says whether Lo and Hi are an interval.
func (s Stat) HasInterval() bool { return s.N > 1 }

// Percentiles are percentiles of one latency, each over repeats: Mean is the mean of the runs' percentiles.
type Percentiles struct {
	P50 Stat `json:"p50"`
	P95 Stat `json:"p95"`
	P99 Stat `json:"p99"`
}

// Pooled are the distributions over the requests of all repeats.
type Pooled struct {
	TTFT      PooledDist `json:"ttft_ms"`
	TTFTSched PooledDist `json:"ttft_sched_ms"`
	TPOT      PooledDist `json:"tpot_ms"`
	E2E       PooledDist `json:"e2e_ms"`
	E2ESched  PooledDist `json:"e2e_sched_ms"`
	ICL       PooledDist `json:"icl_ms"`
}

// PooledDist is a distribution with what is known about its percentiles.
type PooledDist struct {
	Dist
	Interval Intervals `json:"interval"`
}

// Intervals holds those of a distribution's percentiles.
type Intervals struct {
	P50  Interval `json:"p50"`
	P90  Interval `json:"p90"`
	P95  Interval `json:"p95"`
	P99  Interval `json:"p99"`
	P999 Interval `json:"p999"`
}

// Interval is the order-statistic interval of a percentile. Lo and Hi mean something only if Mark is MarkSound.
type Interval struct {
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
	Mark Mark    `json:"mark"`
}

// Mark says how far the number of observations carries a percentile.
type Mark string

// The marks of a percentile q of n observations.
const (
	MarkSound   Mark = "sound"   // a two-sided interval exists
	MarkWide    Mark = "wide"    // no such interval, but on average one observation lies beyond it: n >= 1/(1-q)
	MarkOmitted Mark = "omitted" // fewer: it would be the maximum under another name, and must not be shown
)

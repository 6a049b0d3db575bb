package report

// Summary holds the figures of a run's measured window. Latencies are in milliseconds, rates for a second.
type Summary struct {
	Window float64 `json:"window_s"`
	Whole  float64 `json:"whole_s"` // first send .. last completion of the measured requests

	Requests   int64            `json:"requests"`
	OK         int64            `json:"ok"`
	Failed     int64            `json:"failed"`
	Incomplete int64            `json:"incomplete"`
	Errors     map[string]int64 `json:"errors,omitempty"`   // by llm kind
	Statuses   map[string]int64 `json:"statuses,omitempty"` // by HTTP status, "none" without one

	TPS            float64 `json:"tps"`             // transactions: successes that ended inside the window / window
	WholeTPS       float64 `json:"whole_tps"`       // completed / Whole, as vLLM counts
	OutputRate     float64 `json:"output_tokens_s"` // emitted inside the window / window
	InputRate      float64 `json:"input_tokens_s"`
	WholeOutput    float64 `json:"whole_output_tokens_s"`
	Goodput        float64 `json:"goodput"`       // requests that met every limit of the SLO / window
	GoodFraction   float64 `json:"good_fraction"` // of all requests, failed ones included
	TokensPerEvent float64 `json:"tokens_per_event"`

	TTFT       Dist `json:"ttft_ms"`       // first token - dispatched
	TTFTSched  Dist `json:"ttft_sched_ms"` // first token - scheduled
	TTFO       Dist `json:"ttfo_ms"`
	FirstEvent Dist `json:"first_event_ms"`
	TPOT       Dist `json:"tpot_ms"`
	NTPOT      Dist `json:"ntpot_ms"`
	ICL        Dist `json:"icl_ms"`
	E2E        Dist `json:"e2e_ms"`       // from dispatched
	E2ESched   Dist `json:"e2e_sched_ms"` // from scheduled: free of coordinated omission
	Input      Dist `json:"input_tokens"`
	Output     Dist `json:"output_tokens"`

	InputTokens     int64   `json:"input_tokens_total"`
	OutputTokens    int64   `json:"output_tokens_total"`
	ReasoningTokens int64   `json:"reasoning_tokens_total"`
	CachedTokens    int64   `json:"cached_tokens_total"`
	Estimated       int64   `json:"usage_estimated"` // requests without usage
	LengthMiss      float64 `json:"length_miss"`     // share of requests whose output is over 10 % off the length asked for

	Cost        float64 `json:"cost_usd"`
	Unpriced    int64   `json:"unpriced"` // requests without a known price
	CostPerCall float64 `json:"cost_per_transaction_usd"`
	CostPerHour float64 `json:"cost_per_hour_usd"` // at this rate, for a whole hour

	RPM         float64 `json:"rpm"`       // requests sent a minute
	TPM         float64 `json:"tpm"`       // tokens a minute, input and output
	RPMLimit    int64   `json:"rpm_limit"` // from headers; -1 if none came
	TPMLimit    int64   `json:"tpm_limit"`
	RPMUsed     float64 `json:"rpm_used"` // highest share of the limit in use, from headers; -1 if unknown
	TPMUsed     float64 `json:"tpm_used"`
	RateLimited int64   `json:"rate_limited"` // answers with status 429

	Concurrency float64 `json:"concurrency"` // mean in flight
	Little      float64 `json:"little"`      // mean in flight / (rate x mean latency): near 1 in a steady state
}

// Dist is the distribution of one figure over requests. Only values that exist are in it; N counts them.
type Dist struct {
	N    int64   `json:"n"`
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"`
	Min  float64 `json:"min"`
	P10  float64 `json:"p10"`
	P25  float64 `json:"p25"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

package report

import (
	"time"

	"sluice/internal/workload"
)

// Run is one cell under one load level for one repeat.
type Run struct {
	ID      string    `json:"id"` // unique, sorts by time
	Suite   string    `json:"suite"`
	Cell    Cell      `json:"cell"`
	Repeat  int       `json:"repeat"` // from 0
	Step    int       `json:"step"`   // from 0; load level of a sweep
	Seed    uint64    `json:"seed"`
	Started time.Time `json:"started"` // the anchor of all instants

	Load Load `json:"load"`

	// The measured window, as offsets from Started.
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`

	Series  []Second `json:"series"`  // of the whole run, one for each second from Started
	Gaps    string   `json:"gaps"`    // HdrHistogram V2 (base64) of gaps between content events in microseconds, sustain only
	Client  Client   `json:"client"`  // how the measuring side did
	Summary Summary  `json:"summary"` // figures of the measured window
	Verdict Verdict  `json:"verdict"`

	Bins  []Bin             `json:"bins"`            // latencies over time, of the whole run
	Hists map[string]string `json:"hists,omitempty"` // HdrHistogram V2 (base64) in microseconds of "ttft", "ttft_sched", "tpot", "e2e", "e2e_sched"
	File  string            `json:"file"`            // that holds the records, within the suite's directory

	Stopped string `json:"stopped,omitempty"` // why it ended early: "spend", "interrupted", …
}

// Bin holds the latencies of the successful requests that were scheduled within a part of a run.
type Bin struct {
	From time.Duration `json:"from_ns"` // offset from Started
	To   time.Duration `json:"to_ns"`
	TTFT Quantiles     `json:"ttft_ms"`
	TPOT Quantiles     `json:"tpot_ms"`
	E2E  Quantiles     `json:"e2e_sched_ms"` // from scheduled
}

// Load is how requests arrived.
type Load struct {
	Mode        string        `json:"mode"`    // "open", "closed", or "hybrid" for a rate under a cap on concurrency
	Process     string        `json:"process"` // "constant", "poisson", "gamma", "trace", "ramp", "closed"
	Rate        float64       `json:"rate_per_s,omitempty"`
	Shape       float64       `json:"shape,omitempty"` // gamma
	Concurrency int           `json:"concurrency,omitempty"`
	Warmup      time.Duration `json:"warmup_ns"`
	Ramp        time.Duration `json:"ramp_ns"`
	Sustain     time.Duration `json:"sustain_ns"`
	Cooldown    time.Duration `json:"cooldown_ns"`
	Requests    int64         `json:"requests"` // in the schedule; 0 for a closed loop bounded by time
}

// Second is what happened in one second of a run, by the time of the event.
type Second struct {
	Sent     int64   `json:"sent"`
	Done     int64   `json:"done"`
	Failed   int64   `json:"failed"`
	Tokens   float64 `json:"tokens"`    // output tokens emitted, whichever request they belong to
	InFlight int64   `json:"in_flight"` // at the end of the second
}

// Client is how the measuring side did: it decides whether the run is believed.
type Client struct {
	Lag          Quantiles `json:"lag_ms"`   // dispatched - scheduled, in milliseconds, open loop
	Probe        Quantiles `json:"probe_ms"` // lateness of a timer that does nothing else
	CPU          float64   `json:"cpu"`      // cores used by this process
	Achieved     float64   `json:"achieved"` // requests sent in the window / requests scheduled in it
	CapMet       float64   `json:"cap_met"`  // share of arrivals that found the cap on concurrency reached
	EventsRead   float64   `json:"events_per_read"`
	OtherCached  float64   `json:"cached_share"` // cached input tokens / input tokens
	RTT          float64   `json:"rtt_ms"`       // of a TCP handshake with the target; 0 if unknown
	MaxInFlight  int64     `json:"max_in_flight"`
	MaxRSS       int64     `json:"max_rss_bytes"`
	OpenFiles    int64     `json:"open_files_limit"`
	Connections  int64     `json:"connections_opened"`
	DroppedBytes int64     `json:"dropped_bytes,omitempty"`
}

// Quantiles summarises a distribution. N is 0 if nothing was recorded.
type Quantiles struct {
	N    int64   `json:"n"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Verdict says whether the figures of a run describe the target rather than the client.
type Verdict struct {
	State   string   `json:"state"` // "valid", "degraded", "invalid"
	Reasons []string `json:"reasons,omitempty"`
}

// Suite is everything that one command measured.
type Suite struct {
	Format     int        `json:"format"` // of the files, Format
	ID         string     `json:"id"`
	Name       string     `json:"name"` // the user's label, or the workload's name
	Started    time.Time  `json:"started"`
	Ended      time.Time  `json:"ended"`
	Command    string     `json:"command"`
	Workload   Workload   `json:"workload"`
	Conditions Conditions `json:"conditions"`
	Runs       []*Run     `json:"runs"`
	Found      []Found    `json:"found,omitempty"` // by a search, one for each cell
	Stopped    string     `json:"stopped,omitempty"`
}

// Found is what the search for the highest rate that meets the SLO came to.
type Found struct {
	Cell     Cell    `json:"cell"`
	Rate     float64 `json:"rate_per_s"` // highest that met the SLO; 0 if none did
	Verified int     `json:"verified"`   // how often it did so in a row, after it was found
	Steps    int     `json:"steps"`      // load levels that were tried
	Reason   string  `json:"reason"`     // what ended the search
}

// Workload identifies the load that a suite put on its targets.
type Workload struct {
	Name     string       `json:"name"`
	Version  string       `json:"version"`
	Hash     string       `json:"hash"` // of all that decides what is sent
	Citation string       `json:"citation,omitempty"`
	Source   string       `json:"source"` // the file as it was read, for the record
	SLO      workload.SLO `json:"slo"`
}

// Conditions are the circumstances of a suite that may change its figures.
type Conditions struct {
	Version    string `json:"version"` // of sluice
	Go         string `json:"go"`
	OS         string `json:"os"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Memory     int64  `json:"memory_bytes"`
	Host       string `json:"host,omitempty"`
	Prices     string `json:"prices"` // date of the price table
	Repeats    int    `json:"repeats"`
	Order      string `json:"order"` // "ABBA"
}

// Package bench is the load engine: it sends a workload's schedule to a target and records what happens to each request. It
// waits for the schedule's instants, never for the target, so that a slow target cannot slow the load down and hide itself.
// It judges its own work: a run in which the client was late says so. Run owns every goroutine that it starts.
package bench

import (
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// Dialect is the client's end of a protocol. Its methods are called by many goroutines at once.
type Dialect interface {
	// Name is as in configuration: "openai".
	Name() string
	// Path is appended to the target's base URL.
	Path(p *llm.Prompt) string
	// AppendRequest appends the request's body.
	AppendRequest(dst []byte, p *llm.Prompt) []byte
	// Authorize sets the headers that carry the key, and those that the protocol demands.
	Authorize(h http.Header, key llm.Secret)
	// Stream returns a reader for the events of streamed answers to op.
	Stream(op llm.Op) llm.StreamReader
	// Answer reads a 200 answer that was not streamed. The error is nil only for a complete one. Without usage from the
	// server, the usage has Estimated set, and its Output is an estimate.
	Answer(op llm.Op, body []byte) (llm.Usage, *llm.Error)
	// Error classifies an answer with another status.
	Error(status int, h http.Header, body []byte, now time.Time) *llm.Error
	// Limits reads the quota headers of an answer, whatever its status.
	Limits(h http.Header) llm.RateLimits
}

// Target is where a run sends its requests.
type Target struct {
	Cell    report.Cell
	BaseURL string // with its version part, without a trailing slash
	Model   string // as the target is asked for it
	Key     llm.Secret
	Headers map[string]llm.Secret
	Dialect Dialect
	HTTP2   bool // for https: allow HTTP/2
	Exact   bool // the server knows ignore_eos and min_tokens
	// Price returns the price of usage in nano-dollars; ok is false if it is not known.
	Price func(u llm.Usage) (nano int64, ok bool)
}

// Prompter makes the texts of a run's requests, as workload.Prompter does. Safe for concurrent use.
type Prompter interface {
	Messages(s workload.Slot) []workload.Message
}

// Options are one run.
type Options struct {
	Target   *Target
	Workload *workload.Workload
	Key      workload.Key
	Rate     float64 // in place of the workload's, for sweeps; 0 keeps it
	Budget   *Budget // shared by all runs of a command; nil for none
	Suite    string  // ID of the suite that the run belongs to; "" if none
	Repeat   int     // from 0
	Step     int     // from 0; load level of a sweep
	// Schedule and Prompts are sent in place of what Workload and Key make; nil for none.
	Schedule *workload.Schedule
	Prompts  Prompter
	// Began is called once, before the first request is sent, with the anchor of all instants, which may lie a moment ahead;
	// nil for none.
	Began func(anchor time.Time)
	// Record is called for each request, from one goroutine at a time. The record is valid during the call only.
	Record func(*report.Record) error
	// Progress is called about four times a second, from the goroutine that calls Record; nil for none.
	Progress func(Progress)

	dial dialFunc // for tests in virtual time; nil for the network
}

// Progress is a run as it stands.
type Progress struct {
	Cell                          report.Cell
	Repeat, Repeats, Step, Steps  int
	Run, Runs                     int // of the whole command
	Phase                         workload.Phase
	Elapsed, Total                time.Duration
	Target                        float64 // rate asked for
	Rate                          float64 // sent a second, over the last seconds
	TPS                           float64 // completed a second
	Tokens                        float64 // output tokens a second
	InFlight                      int64
	Sent, OK, Failed, RateLimited int64
	Errors                        map[string]int64
	TTFT50, TTFT95, TTFT99        float64 // milliseconds, last seconds
	E2E50, E2E95                  float64
	TPOT50                        float64
	Spent, Cap                    float64 // dollars; Cap 0 for none
	LagP99                        float64 // milliseconds
	CPU                           float64 // cores
	RPMUsed, TPMUsed              float64 // -1 unknown
	Saturated                     bool    // the client is at its limit
}

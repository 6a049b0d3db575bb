// Package report owns the records of measurements: what one request, one run and one suite of runs are, the files they are
// kept in, the figures computed from them, and the forms in which people and other tools read those figures (text, CSV,
// JSON, HTML). It measures nothing and talks to no provider. It runs no goroutines.
package report

import (
	"time"

	"sluice/internal/workload"
)

// None is the value of an instant that did not happen or was not seen. It is never counted as zero.
const None time.Duration = -1

// Cell is what a run measures: one model at one provider in one region, directly or through a gateway.
type Cell struct {
	Target   string `json:"target"` // provider/model
	Provider string `json:"provider"`
	Model    string `json:"model"`
	Region   string `json:"region"`        // "" if the configuration names none
	Dialect  string `json:"dialect"`       // "openai", …
	Via      string `json:"via,omitempty"` // base URL of the gateway in between; "" if none
}

// Record is one request as it was measured. Instants are offsets from the run's anchor on the monotonic clock; None where
// they did not happen.
type Record struct {
	Run    string // Run.ID
	Repeat int
	Step   int   // index of the load level within a sweep, otherwise 0
	Index  int64 // place in the schedule
	Phase  workload.Phase
	Kind   string // "chat", "embeddings", "tools", "structured"
	Stream bool
	Group  int64 // conversation or prefix group; -1 if none
	Turn   int   // of a conversation, from 0

	Scheduled  time.Duration // when the schedule wanted it sent; in a closed loop, when its user became free
	Dispatched time.Duration // when the load engine came to send it
	Written    time.Duration // when the request was on the wire
	FirstByte  time.Duration // headers of the answer were there
	FirstEvent time.Duration // first event of any kind
	FirstToken time.Duration // first event with content, reasoning, refusal or tool call text: ends TTFT
	FirstText  time.Duration // first such event that is not reasoning: ends TTFO
	LastToken  time.Duration // last such event: ends E2E of a stream
	Done       time.Duration // the answer had ended, or the request had failed

	Events int // events with content
	Reads  int // reads that brought them: Events/Reads over 1.5 marks coalescing

	WantInput  int64 // tokens that the workload asked for
	WantOutput int64 // as requested from the provider; 0 if not limited
	Input      int64 // as the provider's usage says, or estimated
	Output     int64 // reasoning included
	Reasoning  int64
	Cached     int64
	Estimated  bool // no usage came: Input and Output are estimates

	OK         bool          // complete, as the dialect defines it
	Incomplete bool          // cut off by the end of the run: neither success nor failure
	Status     int           // HTTP status; 0 if none came
	Error      string        // llm kind of failure ("rate_limited", …); "" if OK or Incomplete
	Detail     string        // what the provider or the network said, cut to 200 bytes
	RetryAfter time.Duration // advice that came with a failure; 0 if none
	RequestID  string

	Cost   int64 // nano-dollars
	Priced bool

	Reused bool // on a connection that was already open

	Limits Limits // quota headers of the answer
}

// Limits are the quota headers of one answer. -1 where a header was missing.
type Limits struct {
	Requests, RequestsLeft int64
	Tokens, TokensLeft     int64
}

// NoLimits is Limits without any header.
func NoLimits() Limits { return Limits{-1, -1, -1, -1} }

// Package obs is how Sluice is seen: Prometheus metrics, OpenTelemetry spans and the logger. It owns the names, the
// labels and the bounds on both; the stages hand it finished facts. It is the only package that imports the Prometheus
// client and the OpenTelemetry SDK, and nothing in it blocks a call: metrics are atomic adds on handles resolved ahead of
// the call, spans go to a bounded queue that drops when it is full. Its one goroutine, the span batcher, belongs to
// Tracer and ends with Tracer.Shutdown.
package obs

import (
	"time"

	"sluice/internal/llm"
)

// Stage is one part of a call's time, in the order in which a call passes them.
type Stage uint8

// The stages of a call.
const (
	StageRead       Stage = iota // the request's body: reading and parsing
	StageAuth                    // key to principal
	StageRoute                   // model name to plan
	StageAdmit                   // waiting for capacity
	StageConnect                 // getting a connection to the provider; zero when a pooled one was free
	StageHeaders                 // request sent until response headers
	StageFirstToken              // response headers until the first content token
	StageStream                  // first content token until the end of the answer
	StageSettle                  // end of the answer until everything reserved is settled
	stageCount
)

// StageCount is the number of stages, the length of CallStats.Stages.
const StageCount = int(stageCount)

// String returns the stage's name, the value of the label `stage`.
func (s Stage) String() string {
	names := [...]string{"read", "auth", "route", "admit", "connect", "headers", "first_token", "stream", "settle"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// CallStats is what there is to know of a finished call. Series.Observe turns it into metrics. The caller may reuse it.
type CallStats struct {
	Kind     llm.Kind // KindNone when the call was answered
	Class    llm.Class
	Stream   bool
	Attempts int // sends to providers; each after the first counts as a retry

	Total      time.Duration // arrival until the last byte was handed to the client's connection
	Overhead   time.Duration // part of Total that was neither waiting for capacity, nor for the provider, nor for the client
	FirstToken time.Duration // start of the attempt that answered until its first content token; 0 if none came

	// Stages holds the time spent in each stage. Zero means that the call did not enter the stage and is not observed,
	// but for StageAdmit: a call with an attempt has been through it, and zero says that it did not wait.
	Stages [StageCount]time.Duration

	Usage       llm.Usage
	HasUsage    bool // Usage is known, exact or estimated
	CostNanoUSD int64
	Priced      bool // CostNanoUSD is known; a call with usage and no price counts as unpriced
	Malformed   int  // events of the provider that could not be read
}

// BreakerState is the state of a target's circuit breaker, the value of the gauge sluice_breaker_state.
type BreakerState uint8

// The states of a breaker.
const (
	BreakerClosed BreakerState = iota
	BreakerHalfOpen
	BreakerOpen
)

// Breaker is what there is to say of a target's circuit breaker. Cause and Scope are words of closed vocabularies; they count where
// it is not closed.
type Breaker struct {
	Target       string
	State        BreakerState
	Cause, Scope string
}

// LedgerStats is what the metrics show of the ledger.
type LedgerStats struct {
	Backlog int    // rows not yet written
	Written uint64 // rows written since start
	Failed  uint64 // groups of rows whose write failed and was tried again
}

// Sources are read at each scrape. A nil field leaves its metric out. The functions must be safe for concurrent use, must
// not block, and give only names that come from the configuration.
type Sources struct {
	QueueDepth func(c llm.Class) int
	Breakers   func(emit func(Breaker))
	Ledger     func() LedgerStats
	Cluster    func() ClusterStats
	Queue      func() QueueStats
	Quotas     func(emit func(Quota))
	Adaptive   func(emit func(target string, limit int))
}

// ClusterStats is the state of what replicas share through Redis.
type ClusterStats struct {
	Connected bool
	Replicas  int
	Sets      int           // budgets that were shared by the last refresh
	Refreshes uint64        // so far
	Refresh   time.Duration // time of the last one
	Lost      uint64        // times that Redis was lost
}

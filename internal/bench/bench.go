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

// Prompt is what a request asks for, before a dialect puts it into words.
type Prompt struct {
	Kind     workload.Kind
	Model    string
	Messages []Message // for Embeddings: one, the input
	Output   int64     // limit on output tokens, 0 for none
	Exact    bool      // ask for exactly Output tokens where the dialect or server knows how (ignore_eos, min_tokens)
	Stream   bool
}

// Message is one message of a conversation.
type Message struct{ Role, Text string }

// Dialect is the client's end of a protocol. Its methods are called by many goroutines at once.
type Dialect interface {
	// Name is as in configuration: "openai".
	Name() string
	// Path is appended to the target's base URL.
	Path(p *Prompt) string
	// AppendRequest appends the request's body.
	AppendRequest(dst []byte, p *Prompt) []byte
	// Authorize sets the headers that carry the key, and those that the protocol demands.
	Authorize(h http.Header, key llm.Secret)
	// Stream returns a reader for the events of one streamed answer. It may be used again after Reset.
	Stream() StreamReader
	// Answer reads an answer that was not streamed.
	Answer(body []byte, u *llm.Usage) error
	// Error classifies a failure.
	Error(status int, h http.Header, body []byte, now time.Time) *llm.Error
}

// StreamReader follows one streamed answer.
type StreamReader interface {
	Reset()
	// Observe looks at one event's name and data. Both are valid during the call only.
	Observe(name, data []byte) Seen
	// End says what the stream amounts to, once it has ended. err is nil only for a complete answer.
	End() (u llm.Usage, hasUsage bool, err error)
}

// Seen is what one event brought.
type Seen uint8

// Bits of Seen. An event with none of them (a role, a ping, usage) brings no token.
const (
	SawText      Seen = 1 << iota // content, refusal, or tool call text
	SawReasoning                  // reasoning text
	SawEnd                        // the protocol's end of the stream: nothing that follows counts
)

// Target is where a run sends its requests.
type Target struct {
	Cell    report.Cell
	BaseURL string // with its version part, without a trailing slash
	Model   string // as the target is asked for it
	Key     llm.Secret
	Headers map[string]llm.Secret
	Dialect Dialect
	HTTP2   bool
	// Price returns the price of usage in nano-dollars; ok is false if it is not known.
	Price func(u llm.Usage) (nano int64, ok bool)
}

// Options are one run.
type Options struct {
	Target   *Target
	Workload *workload.Workload
	Key      workload.Key
	Rate     float64 // in place of the workload's, for sweeps; 0 keeps it
	Budget   *Budget // shared by all runs of a command; nil for none
	// Record is called for each request, from one goroutine at a time. The record is valid during the call only.
	Record func(*report.Record) error
	// Progress is called about four times a second; nil for none.
	Progress func(Progress)
}

// Budget is the money that a command may spend. Safe for concurrent use.
type Budget struct{ _ int }

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

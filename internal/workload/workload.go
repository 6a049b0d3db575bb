// Package workload says what load a measurement puts on its targets: lengths in tokens, kinds of requests, arrivals, phases,
// limits. It reads workload files and traces, ships profiles, and turns a workload and a seed into a schedule of requests
// and their bodies' content. It sends nothing and runs no goroutines.
package workload

import "time"

// Workload is a workload file, read and checked.
type Workload struct {
	Name        string
	Version     string
	Description string
	Citation    string // of the data that it was made from; "" if none
	Hash        string // SHA-256, in hex, of all that decides what is sent; not of name, description, limits and white space
	Source      string // the file's text, for the record

	Seed     uint64
	Stream   bool
	Arrival  Arrival
	Phases   Phases
	Repeats  int
	SLO      SLO
	MaxSpend float64 // dollars; 0 for no limit
	MaxError float64 // share of failures at which a run stops early; 0 for never
	Timeout  time.Duration

	load load // what is sent
}

// Mode returns "closed" for users who wait for their answers, "open" for a rate, "hybrid" for a rate under a cap.
func (a Arrival) Mode() string {
	switch {
	case a.Process == Closed:
		return Closed
	case a.Concurrency > 0:
		return "hybrid"
	}
	return "open"
}

// The arrival processes.
const (
	Closed   = "closed"
	Constant = "constant"
	Poisson  = "poisson"
	Gamma    = "gamma"
	Trace    = "trace"
	Rising   = "ramp"
)

// Arrival is how requests arrive.
type Arrival struct {
	Process     string  // "closed", "constant", "poisson", "gamma", "trace", "ramp"
	Rate        float64 // requests a second; for a ramp where it ends
	From        float64 // for a ramp where it begins
	Shape       float64 // gamma: 1 is Poisson, below 1 is bursty
	Concurrency int     // closed: number of users; else a cap on requests in flight, 0 for none
	Think       time.Duration
	Speed       float64 // trace: 2 replays twice as fast
}

// Phases are the lengths of a run's parts.
type Phases struct{ Warmup, Ramp, Sustain, Cooldown time.Duration }

// SLO are limits on the latencies of one request; 0 where there is none. A request that meets all of them counts for goodput.
type SLO struct {
	TTFT time.Duration `json:"ttft_ns,omitempty"`
	TPOT time.Duration `json:"tpot_ns,omitempty"`
	E2E  time.Duration `json:"e2e_ns,omitempty"`
}

// Phase is the part of a run that a request is scheduled in. Only Sustain is measured.
type Phase uint8

// The phases of a run, in order.
const (
	Warmup Phase = iota
	Ramp
	Sustain
	Cooldown
)

// String returns the phase's name as it is written into files.
func (p Phase) String() string {
	return [...]string{"warmup", "ramp", "sustain", "cooldown"}[p&3]
}

// Slot is one request of a schedule.
type Slot struct {
	At     time.Duration // from the start of the run, ramp and warm-up included; 0 in a closed loop
	Think  time.Duration // in a closed loop, how long its user waits before sending it
	Index  int64
	Phase  Phase // in a closed loop set by who sends it, before its prompt is made
	Kind   Kind
	Input  int32 // tokens of the whole text: prefix and earlier turns included
	Output int32 // 0 for no limit
	Group  int32 // conversation or prefix group; -1 if none
	Turn   int16 // of a conversation, from 0
	Shared int32 // leading tokens of the input that an earlier request can have left in a prefix cache
	Row    int32 // of the trace, or of the file of prompts; -1 if none
}

// Kind is what a request asks for.
type Kind uint8

// The kinds of requests.
const (
	Chat Kind = iota
	Embeddings
	Tools
	Structured
)

// String returns the kind's name as workload files and records have it.
func (k Kind) String() string {
	return [...]string{"chat", "embeddings", "tools", "structured"}[k&3]
}

// Key seeds what a run sends. Different repeats, cells and steps get different prompts, so that no provider's cache carries
// over from one to the next.
type Key struct {
	Seed         uint64
	Suite        string
	Cell, Repeat int
	Step         int
}

// Message is one message of a prompt. Roles are "system", "user" and "assistant".
type Message struct{ Role, Text string }

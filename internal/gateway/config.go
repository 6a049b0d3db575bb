package gateway

import "time"

// Retry says how often, how soon and how much at most a call is tried again.
type Retry struct {
	// Attempts is the largest number of attempts for one call, the first included, over all targets. A call that the
	// client itself is retrying (x-stainless-retry-count) gets one fewer for each of its retries, but still one for each
	// target as far as the number allows. Attempts that a provider refuses because a minute's quota is used up are not
	// counted: the call goes back to the queue. Only with 1 it does not, and no call is sent twice for any reason.
	Attempts int `yaml:"attempts" min:"1" max:"100"`
	// Budget is the largest share of a model's calls that may be retries at a target that the call has asked already;
	// failover to another one is not counted. It keeps retries from multiplying the load of a provider that is down.
	// Models that the configuration does not name share one budget.
	Budget float64 `yaml:"budget" unit:"share"`
	// Base is the upper end of the wait before the first retry; it doubles with each further one, and the actual wait is
	// random below it. A wait of up to a minute that the only target's provider states is used in its place.
	Base time.Duration `yaml:"base"`
	// Max is the longest such random wait.
	Max time.Duration `yaml:"max"`
}

// SetDefaults fills in what a file may leave out.
func (r *Retry) SetDefaults() {
	*r = Retry{Attempts: 3, Budget: 0.2, Base: 250 * time.Millisecond, Max: 8 * time.Second}
}

// Validate reports each problem with the key that it is at.
func (r *Retry) Validate(fail func(key, message string)) {
	if r.Max < r.Base {
		fail("max", "must not be less than base")
	}
}

// What may be done with a stream that breaks after the client has seen part of it.
const (
	BreakError    = "error"
	BreakContinue = "continue"
	BreakRestart  = "restart"
)

// Rescue says what is done for a call whose attempt fails.
type Rescue struct {
	// OnBreak says what becomes of a stream that breaks after its client has seen part of it: error ends it with an error in the
	// client's dialect; continue asks the next target to go on from what there is; restart asks for the whole answer again and leaves out
	// what the client has, if it begins the same. What cannot be gone on with (tool calls, structured output) is restarted.
	OnBreak string `yaml:"on_break" enum:"error,continue,restart"`
	// FailoverOn names errors that end a call otherwise, and shall go to the next target instead: auth (the provider refuses Sluice's
	// credentials), content_filter, rejected (the provider refuses the request).
	FailoverOn []string `yaml:"failover_on" enum:"auth,content_filter,rejected" example:"[auth]"`
	// Supervise makes a call that is not streamed to its client a stream at the provider, so that a late first token, a stall or a
	// broken connection is noticed early and rescued: auto where the provider streams, off for never.
	Supervise string `yaml:"supervise" enum:"auto,off"`
	// Guards stop answers that have gone wrong.
	Guards Guards `yaml:"guards"`
	// Hedge sends a second request where the first is slow to begin.
	Hedge Hedge `yaml:"hedge"`
	// Structured says what is done about answers that are not in the form that the request demands.
	Structured Structured `yaml:"structured"`
}

// Guards stop answers that have gone wrong.
type Guards struct {
	// Repetition says what is done with an answer that repeats itself without end: retry (as on_break says, if the client has seen
	// part of it), cancel (end with an error), flag (only count and log it), off.
	Repetition string `yaml:"repetition" enum:"retry,cancel,flag,off"`
	// MinRate is the least number of tokens a second that an answer may come with, once its text has begun; 0 for no limit.
	MinRate float64 `yaml:"min_rate"`
	// RateWindow is the time over which that is measured.
	RateWindow time.Duration `yaml:"rate_window"`
	// SlowAction says what is done with an answer that is slower: as for repetition.
	SlowAction string `yaml:"slow_action" enum:"retry,cancel,flag"`
}

// Hedge says when a call that waits for its first token is sent a second time: to the next target that has a place free, else to the same
// one. The first content token wins; the other request is canceled, and what it cost is in the call's cost. It holds for chat and text
// completions.
type Hedge struct {
	// After is when: a percentile of the target's time to first token as observed (p50 to p99.9), a time (1ms to 10m), or off. It is later where
	// more calls would be sent twice than the budget allows. A percentile needs some twenty calls of late.
	After string `yaml:"after" example:"p95"`
	// Budget is the largest share of a model's calls that may be sent twice.
	Budget float64 `yaml:"budget" unit:"share"`
}

// Structured says what is done about answers that are not in the form that the request demands: JSON, a JSON schema, or a tool's
// arguments.
type Structured struct {
	// Retry is how often a call whose answer cannot be parsed is asked again, with a stricter instruction.
	Retry int `yaml:"retry" max:"5"`
	// Schema says that answers are held against the request's JSON schema too, not only parsed.
	Schema bool `yaml:"schema"`
	// Stream says what is done with answers that are streamed: check ends one that has not its form with an error event (of tools that
	// are not strict it only looks whether their arguments are JSON), hold keeps it back until it is whole, so that it can be tried again
	// unseen, off leaves it alone.
	Stream string `yaml:"stream" enum:"check,hold,off"`
}

// SetDefaults fills in what a file may leave out.
func (r *Rescue) SetDefaults() {
	*r = Rescue{
		OnBreak: BreakContinue, Supervise: "auto",
		Guards:     Guards{Repetition: "retry", MinRate: 0.2, RateWindow: time.Minute, SlowAction: "retry"},
		Hedge:      Hedge{After: "off", Budget: 0.02},
		Structured: Structured{Retry: 1, Schema: true, Stream: "check"},
	}
}

// Validate reports each problem with the key that it is at.
func (h *Hedge) Validate(fail func(key, message string)) {
	if _, e := h.when(); e != "" {
		fail("after", e)
	}
	if !(h.Budget >= 0 && h.Budget <= 1) {
		fail("budget", "must be from 0 to 1")
	}
}

// Validate reports each problem with the key that it is at.
func (g *Guards) Validate(fail func(key, message string)) {
	if g.MinRate < 0 || g.MinRate > 1000 {
		fail("min_rate", "must be from 0 to 1000 tokens a second")
	}
	if g.MinRate > 0 && g.RateWindow < time.Second {
		fail("rate_window", "must be at least 1s")
	}
}

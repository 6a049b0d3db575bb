// Package limit is the arithmetic of budgets: how much may be taken of what in which time, reserved before a call and settled
// after it. Time is a parameter. It knows no provider, no key and no network; pace, auth and cluster build on it.
package limit

import (
	"slices"
	"time"

	"sluice/internal/llm"
)

// Dim is what a budget is counted in.
type Dim uint8

// The dimensions.
const (
	Requests Dim = iota
	Tokens       // of input and output together, by the counting rule
	Input        // tokens
	Output       // tokens
	Money        // billionths of a US dollar
	Dims     = iota
)

// Amounts is a quantity of each dimension.
type Amounts [Dims]int64

// Limit is one budget: so much of a dimension in a time.
type Limit struct {
	Dim    Dim
	Amount int64
	Per    time.Duration // second, minute, hour, day
}

// Mode is how a provider enforces limits of a minute.
type Mode uint8

// The modes found in the wild.
const (
	Unknown Mode = iota // not yet learned: even pacing, and what the learner allows beyond it
	Slices              // in one-second parts of the window
	Bucket              // a bucket that fills continuously
	Fixed               // windows that begin anew at fixed times
	Sliding             // whatever was taken within the last window counts
)

// Shape is how the limits of one set are enforced, as far as it is known.
type Shape struct {
	Mode   Mode
	Window time.Duration // of Fixed and Sliding, mostly a minute
	Burst  time.Duration // of Bucket: how much of its rate a full one holds; of Slices with an Anchor: how much of it may go at once, 0 for all
	Anchor time.Time     // of Fixed and Slices: the beginning of a window or slice; zero if unknown
	Slack  time.Duration // how much earlier or later than we think a call may be counted, or a window begin
}

// Charge is what a provider counts when.
type Charge uint8

// The counting rules.
const (
	ChargeAuto      Charge = iota // not known: what is expected is reserved, and corrected at the end
	ChargeMax                     // input and max_tokens on arrival, and that stands (OpenAI)
	ChargeCorrected               // the same, corrected at the end to what was used (Anthropic, Cerebras)
	ChargeActual                  // what was used
)

// Terms are the limits of a set and how they are counted.
type Terms struct {
	Limits      []Limit
	Concurrency int // calls at a time; 0 means no limit
	Charge      Charge
	FreeCached  bool  // cached input does not count
	Shape       Shape // as configured; the zero Shape is to be learned
}

// Equal reports whether two terms say the same.
func (t *Terms) Equal(o Terms) bool {
	return slices.Equal(t.Limits, o.Limits) && t.Concurrency == o.Concurrency && t.Charge == o.Charge && t.FreeCached == o.FreeCached &&
		t.Shape == o.Shape
}

// Try is one question whether a call may start.
type Try struct {
	Need llm.Need
	// Key is the client's key, for estimates.
	Key   string
	Class llm.Class
	// Last says that there is no other target: one that is out of use is used rather than none.
	Last bool
	// Claims are what calls that go before this one wait for, in this pass over the queue; nil if nobody waits. Whoever refuses a call for
	// want of budget notes it there.
	Claims *Claims
}

// Report is what a replica tells of its part of a shared set.
type Report struct {
	Spent  Amounts // since the report before
	Wanted Amounts // that would be spent in the next second, if it could be: what was asked for, granted or not
	InUse  int     // calls under way
}

// Grant is a part of a shared set.
type Grant struct {
	From, To    time.Time // when it may be spent, by this machine's clock
	Amounts     Amounts   // of dimensions that the set limits
	Concurrency int
}

// Member is a set of budgets that replicas share. Its methods are safe for concurrent use.
type Member interface {
	Name() string // the same at all replicas
	Terms() Terms // with the shape that has been learned
	Report(now time.Time) Report
	Follow(g Grant) // from now on: spend only what is granted, until the next
	// Alone has it go by its own arithmetic, at a part of all limits: 1 without other replicas. Of the limits that rests name, only what they
	// say is left, until their time is over.
	Alone(fraction float64, rests ...Rest)
}

// Rest is what one replica may still spend of a limit of more than a minute while it hears nothing of the others.
type Rest struct {
	Dim    Dim
	Per    time.Duration
	Amount int64     // from the last Report on
	Until  time.Time // end of the hour or day
}

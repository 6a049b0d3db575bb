package admit

import (
	"time"

	"sluice/internal/llm"
)

// View is what the queue looks like at one time: for people, and for metrics.
type View struct {
	Calls    int // that wait, in all classes
	MaxCalls int
	Bytes    int64 // of their requests
	MaxBytes int64
	Paused   int // calls in back-off before a retry
	Classes  [classes]ClassView
	Keys     []KeyView    // those with most calls waiting first, one row for each class; as many as were asked for
	Targets  []TargetView // that calls wait for: most calls first, as many as were asked for
	Started  [classes]int64
	Refused  []RefusedView // every reason of every class, also where nobody was refused
}

// ClassView is one class in a View.
type ClassView struct {
	Class   llm.Class
	Waiting int
	Oldest  time.Duration // how long the one that came first has waited
}

// KeyView is one key's calls of one class.
type KeyView struct {
	Key     string
	Class   llm.Class
	Waiting int
	Bytes   int64
	Weight  int
	Oldest  time.Duration
}

// TargetView is one target that calls wait for. A call that may go to several counts at each.
type TargetView struct {
	Target    string
	Waiting   [classes]int
	Tokens    int64                  // that they need
	PerSecond float64                // tokens of calls that went from here to any of their targets, of late; 0 if that is not known
	Expected  [classes]time.Duration // that a call which comes now would wait behind all of its class and above; 0 if that is not known
	Blocked   time.Duration          // until the first of them may start, if it waits for a quota or a pause; 0 if that is not known
	Out       bool                   // of use
}

// RefusedView counts calls of one class that did not get a place, for one reason, since the queue was made.
type RefusedView struct {
	Class  llm.Class
	Reason string // a short name, fit for a label
	Calls  int64
}

// Look returns a view with at most a number of keys and targets.
func (q *Queue[L]) Look(most int) View {
	c := q.config.Load()
	v := View{MaxCalls: c.MaxQueue, MaxBytes: c.MaxBytes, Paused: int(q.paused.Load())}
	for i := range v.Classes {
		v.Classes[i] = ClassView{Class: llm.Class(i), Waiting: int(q.byClass[i].Load())}
		v.Calls += v.Classes[i].Waiting
	}
	return v
}

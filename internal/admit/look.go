package admit

import (
	"cmp"
	"slices"
	"strings"
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

// Look returns a view with at most a number of keys and targets. It holds the queue up for a time that grows with that number and with that of the
// targets which are waited for, but not with that of calls or keys.
func (q *Queue[L]) Look(most int) View {
	c := q.config.Load()
	now := time.Now()
	v := View{MaxCalls: c.MaxQueue, MaxBytes: c.MaxBytes, Paused: int(q.paused.Load())}
	q.mu.Lock()
	defer q.mu.Unlock()
	v.Bytes, v.Started = q.bytes, q.started
	for i := range v.Classes {
		v.Classes[i] = ClassView{Class: llm.Class(i), Waiting: int(q.byClass[i].Load())}
		v.Calls += v.Classes[i].Waiting
		if w := q.ages[i].oldest; w != nil {
			v.Classes[i].Oldest = now.Sub(w.begin)
		}
		for why, n := range q.refused[i] {
			v.Refused = append(v.Refused, RefusedView{llm.Class(i), reasonNames[why], n})
		}
	}
	v.Keys = q.lookAtKeys(most, now)
	v.Targets = q.lookAtTargets(most, now)
	return v
}

// lookAtKeys returns the keys that take most of the queue: it goes down the heaps no further than it has to.
func (q *Queue[L]) lookAtKeys(most int, now time.Time) []KeyView {
	var keys []KeyView
	frontier := make([][2]int, 0, classes+most) // class and place
	offer := func(class, i int) {
		if i < q.hogs[class].len() {
			frontier = append(frontier, [2]int{class, i})
		}
	}
	for class := range q.hogs {
		offer(class, 0)
	}
	for len(keys) < most && len(frontier) > 0 {
		best := 0
		for i, at := range frontier {
			b := frontier[best]
			if q.hogs[at[0]].all[at[1]].rank.before(q.hogs[b[0]].all[b[1]].rank) {
				best = i
			}
		}
		class, i := frontier[best][0], frontier[best][1]
		frontier[best] = frontier[len(frontier)-1]
		frontier = frontier[:len(frontier)-1]
		offer(class, 2*i+1)
		offer(class, 2*i+2)
		t := q.hogs[class].all[i].item
		keys = append(keys, KeyView{
			Key: t.id.key, Class: t.id.class, Waiting: t.calls, Bytes: t.bytes, Weight: int(t.weight), Oldest: now.Sub(t.first.begin),
		})
	}
	return keys
}

func (q *Queue[L]) lookAtTargets(most int, now time.Time) []TargetView {
	var lanes []*lane[L]
	for _, a := range q.accounts {
		lanes = append(lanes, a.lanes...)
	}
	slices.SortFunc(lanes, func(a, b *lane[L]) int {
		return cmp.Or(cmp.Compare(b.calls, a.calls), strings.Compare(a.key.name, b.key.name))
	})
	var targets []TargetView
	for _, l := range lanes[:min(len(lanes), most)] {
		s := q.speedOf(l, llm.Interactive, now)
		v := TargetView{Target: l.key.name, PerSecond: s.all, Blocked: l.blocked(now), Out: l.out || l.key.resort}
		var higher int64
		calls := 0
		for i := range l.rungs {
			r := &l.rungs[i]
			v.Waiting[i] = r.calls
			v.Tokens += r.tokens
			calls += r.calls
			if i > 0 {
				s = q.speedOf(l, llm.Class(i), now)
			}
			v.Expected[i] = max(s.wait(i, higher, r.tokens, calls), v.Blocked)
			higher += r.tokens
		}
		targets = append(targets, v)
	}
	return targets
}

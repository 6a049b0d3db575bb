package admit

import (
	"time"

	"sluice/internal/llm"
)

// reason is why a call did not get a place.
type reason uint8

// The reasons, and their names for metrics.
const (
	fullCalls reason = iota // max_calls
	fullBytes               // max_bytes
	fullKey                 // max_calls_per_key
	gaveWay                 // waited, and gave way to another
	tooLate                 // would not start before its deadline or max_wait
	expired                 // waited as long as it could
	noTarget                // no target could start it: the next tier's turn
	left                    // its caller went away
	reasons   = iota
)

var reasonNames = [reasons]string{
	fullCalls: "max_calls", fullBytes: "max_bytes", fullKey: "max_calls_per_key", gaveWay: "shed", tooLate: "out_of_reach",
	expired: "expired", noTarget: "no_target", left: "left",
}

// patience is how long a call waits at most, and why.
type patience struct {
	call *llm.Call
	end  time.Time
	max  time.Duration
	name string // of the setting that says so
	due  bool   // it is the call's own deadline
}

func (c *Config) patience(call *llm.Call, now time.Time) patience {
	p := patience{call: call, max: c.MaxWait, name: "queue.max_wait"}
	if call.Class >= llm.Bulk && c.MaxWaitBulk > c.MaxWait {
		p.max, p.name = c.MaxWaitBulk, "queue.max_wait_bulk"
	}
	p.end = now.Add(p.max)
	if !call.Deadline.IsZero() && call.Deadline.Before(p.end) {
		p.end, p.due = call.Deadline, true
	}
	return p
}

// turnAway says why a call must not even be tried, if others are before it wherever it could go. It costs no more than a few look-ups.
func (q *Queue[L]) turnAway(w *waiter[L], c *Config, p *patience, o *outlook) *llm.Error {
	if w.bytes > c.MaxBytes {
		q.refused[w.class][fullBytes]++
		return llm.Errorf(llm.KindQueueFull, "the request takes %d bytes, queue.max_bytes is %d", w.bytes, c.MaxBytes)
	}
	if o.first || w.front {
		return nil
	}
	if err := q.tooLate(w, c, p, o); err != nil {
		return err
	}
	t := q.tenants[tenantID{w.class, w.try.Key}]
	if err := q.overKey(w, t, 1, c); err != nil {
		return err
	}
	calls := q.waiting.Load()
	overCalls, overBytes := calls >= int64(c.MaxQueue), q.bytes+w.bytes > c.MaxBytes
	if !overCalls && !overBytes {
		return nil
	}
	for class := classes - 1; class > int(w.class); class-- {
		if q.hogs[class].len() > 0 {
			return nil // somebody of a lower class gives way
		}
	}
	space := w.space
	if t != nil {
		space += t.space
	}
	if h := &q.hogs[w.class]; h.len() > 0 && h.top().space > unfair*space {
		return nil // the key that has far more gives way
	}
	return q.full(w, c, overCalls, calls, false)
}

// tooLate refuses a call that would not start in time, by what is known well enough; nil if it would.
func (q *Queue[L]) tooLate(w *waiter[L], c *Config, p *patience, o *outlook) *llm.Error {
	if !o.firm || time.Now().Add(o.wait).Before(p.end) {
		return nil
	}
	if !w.last {
		q.refused[w.class][noTarget]++
		return busy(w.targets, p, o.wait)
	}
	q.refused[w.class][tooLate]++
	err := p.outOfReach(o.wait)
	err.RetryAfter = q.comeBack(w, c)
	return err
}

// overKey refuses a call if its key would have too many waiting with so many more.
func (q *Queue[L]) overKey(w *waiter[L], t *tenant[L], more int, c *Config) *llm.Error {
	if c.MaxPerKey <= 0 || t == nil || t.calls+more <= c.MaxPerKey {
		return nil
	}
	q.refused[w.class][fullKey]++
	err := llm.Errorf(llm.KindQueueFull, "%d %s calls of this key are waiting, queue.max_calls_per_key is %d", t.calls+more-1, w.class,
		c.MaxPerKey)
	err.RetryAfter = q.comeBack(w, c)
	return err
}

// full makes the error for a call that has no place in the queue, or has lost it.
func (q *Queue[L]) full(w *waiter[L], c *Config, overCalls bool, calls int64, waited bool) *llm.Error {
	var err *llm.Error
	why := fullCalls
	switch {
	case waited && overCalls:
		err = llm.Errorf(llm.KindQueueFull, "the call gave way in a full queue: queue.max_calls is %d", c.MaxQueue)
	case waited:
		err = llm.Errorf(llm.KindQueueFull, "the call gave way in a full queue: queue.max_bytes is %d", c.MaxBytes)
	case overCalls:
		err = llm.Errorf(llm.KindQueueFull, "%d calls are waiting, queue.max_calls is %d", calls, c.MaxQueue)
	default:
		why = fullBytes
		err = llm.Errorf(llm.KindQueueFull, "the requests of waiting calls take %d bytes, queue.max_bytes is %d", q.bytes, c.MaxBytes)
	}
	if waited {
		why = gaveWay
	}
	q.refused[w.class][why]++
	err.RetryAfter = q.comeBack(w, c)
	return err
}

// unfair is how many times as much of the queue as the key of a call that comes another must have, for a call of it that waits already to
// give way: keys that are about even would only push out each other's calls, which had better been refused when they came.
const unfair = 2

// shed brings the queue back within its bounds after w has come: of the lowest class, the key that takes most of them loses its youngest call, until
// it is enough; but w goes itself, rather than a call of its class whose key has not far more than its own. The caller holds mu.
func (q *Queue[L]) shed(w *waiter[L], c *Config) {
	shed := false
	for {
		calls := q.waiting.Load()
		overCalls := calls > int64(c.MaxQueue)
		if calls == 0 || !overCalls && q.bytes <= c.MaxBytes {
			break
		}
		class := classes - 1
		for q.hogs[class].len() == 0 {
			class--
		}
		hog := q.hogs[class].top()
		victim := hog.last
		if !w.settled && !w.front && class == int(w.class) && hog.space <= unfair*w.tenant.space {
			victim = w
		}
		victim.err = q.full(victim, c, overCalls, calls-1, victim != w)
		q.settle(victim, nil)
		shed = true
	}
	if shed {
		q.dispatchDirty()
	}
}

// hopeless returns why a waiter that was just tried must not wait, or nil. The caller holds mu.
func (q *Queue[L]) hopeless(w *waiter[L], c *Config, p *patience, o *outlook) *llm.Error {
	if err := q.overKey(w, w.tenant, 0, c); err != nil {
		return err
	}
	var until time.Time
	for i := range w.nodes {
		n := &w.nodes[i]
		at := n.lane.until
		if !n.lane.out {
			if !n.claims {
				return nil
			}
			at = n.until
		}
		if at.IsZero() {
			return nil
		}
		until = earlier(until, at)
	}
	if until.Before(p.end) {
		return nil
	}
	d := time.Until(until)
	if w.resort || !w.last {
		q.refused[w.class][noTarget]++
		if w.resort {
			return unhealthy(w.targets, until)
		}
		return busy(w.targets, p, d)
	}
	q.refused[w.class][tooLate]++
	err := p.outOfReach(d)
	err.RetryAfter = max(told(d), q.comeBack(w, c))
	return err
}

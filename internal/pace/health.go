package pace

import (
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// health is the state of one breaker: a target's, or its account's. It is guarded by the account's mu. Times count from
// the fleet's epoch.
type health struct {
	rules *atomic.Pointer[Breaker] // set once

	out     bool          // open, or half open once until is over
	since   time.Duration // when it opened last
	until   time.Duration // end of the cool-down
	probe   *lease        // the probe under way; nil if none
	opened  int           // openings in a row
	row     int           // failures in a row
	same    int           // failures in a row with the present cause
	trouble               // the last failure while row > 0 or out
	pause   trouble       // why it is paused
	paused  time.Duration // end of the pause that the provider asked for; 0 if none
	recent  window

	openings, probes int64 // since the state was made
}

// trouble is what a failure was.
type trouble struct {
	cause  Cause
	scope  llm.Scope
	kind   llm.Kind
	status int
	code   string
}

// maxCode bounds what is kept of a provider's code.
const maxCode = 100

func troubleOf(c Cause, s llm.Scope, o *Outcome) trouble {
	return trouble{c, s, o.Kind, o.Status, o.Code[:min(len(o.Code), maxCode)]}
}

// settled reports whether the state can be forgotten: the target is in use, or its trouble is long over.
func (h *health) settled(now time.Duration) bool {
	return h.paused <= now && (!h.out || now-h.until > h.rules.Load().MaxCooldown)
}

// troubled reports whether ask has anything to look at.
func (h *health) troubled() bool { return h.out || h.paused > 0 }

// ask says whether a call may start. trial is set if it has to be reported to try.
func (h *health) ask(now time.Duration, last bool) (r Refusal, until time.Duration, trial bool) {
	if h.paused > now {
		return Limited, h.paused, false
	}
	h.paused = 0
	switch {
	case !h.out:
		return Started, 0, false
	case last, now >= h.until && h.probe == nil:
		return Started, 0, true
	case h.probe != nil:
		return Open, 0, false
	default:
		return Open, h.until, false
	}
}

// try notes that a call has started while the breaker is open. The first after the cool-down is the probe.
func (h *health) try(le *lease) {
	if h.probe == nil && le.f.now() >= h.until {
		h.probe = le
		h.probes++
	}
}

// succeed takes a success, and reports whether it closed the breaker. trial says that the call began after it opened.
func (h *health) succeed(trial bool) (closed bool) {
	if h.out {
		if !trial {
			return false // began before the trouble: says nothing about calls that start after it
		}
		h.out, h.until, h.probe, h.opened = false, 0, nil, 0
		h.recent = window{}
		closed = true
	}
	h.row, h.same, h.trouble = 0, 0, trouble{}
	return closed
}

// give takes the probe back from a call that has ended, and reports whether it had it.
func (h *health) give(le *lease) bool {
	if h.probe != le {
		return false
	}
	h.probe = nil
	return true
}

// fail takes a failure, and reports whether it opened the breaker. probed says that the call was the probe.
func (h *health) fail(t trouble, wait time.Duration, probed bool, now time.Duration) (opened bool) {
	if h.out {
		if probed {
			h.trouble = t
			h.open(now, wait)
		}
		return probed
	}
	if h.cause != t.cause {
		h.same = 0
	}
	h.trouble = t
	h.row++
	h.same++
	b := h.rules.Load()
	h.recent.add(now, b.Window, true)
	calls, failed := h.recent.count(now, b.Window)
	if h.row >= b.Failures || h.same >= b.threshold(t.cause) || calls >= b.MinCalls && float64(failed) >= b.Ratio*float64(calls) {
		h.open(now, wait)
		return true
	}
	return false
}

// open takes the target out of use, at least for as long as the provider asked.
func (h *health) open(now, wait time.Duration) {
	b := h.rules.Load()
	h.out, h.since = true, now
	h.opened++
	h.openings++
	h.row, h.same = 0, 0
	h.until = now + max(b.cooldown(h.cause, h.opened), min(wait, b.maxPause(h.cause)))
}

// rest pauses the target for as long as the provider asked, and reports whether that is news.
func (h *health) rest(t trouble, wait, now time.Duration) bool {
	end := now + min(wait, h.rules.Load().maxPause(t.cause))
	fresh := h.paused <= now
	if end > h.paused {
		h.paused, h.pause = end, t
	}
	return fresh
}

// forget makes the state that of a target which has had no trouble, and reports whether it was out of use.
func (h *health) forget() (closed bool) {
	closed = h.out
	*h = health{rules: h.rules, openings: h.openings, probes: h.probes}
	return closed
}

// suspect reports whether the last calls in a row have failed in a way that a free check can confirm.
func (h *health) suspect() bool { return !h.out && h.row >= confirmRow && h.cause.checkable() }

// away reports whether the breaker is open for trouble of which a free check can tell the end.
func (h *health) away() bool { return h.out && h.cause.checkable() }

// hold takes a free check that failed: the provider is down, which goes on for as long as the checks fail. It reports whether it
// opened the breaker.
func (h *health) hold(now time.Duration) (opened bool) {
	if h.suspect() {
		h.open(now, 0)
		opened = true
	}
	if h.away() {
		h.until = max(h.until, h.since+jittered(h.rules.Load().MaxCooldown))
	}
	return opened
}

// release takes a free check that passed after others had failed: the next call is the probe. It reports whether that is news.
func (h *health) release(now time.Duration) bool {
	if !h.away() || h.until <= now {
		return false
	}
	h.until = now
	return true
}

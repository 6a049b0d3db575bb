package pace

import (
	"math/rand/v2"
	"time"

	"sluice/internal/llm"
)

// The breaker of a target.
//
//  1. Closed: calls start. Every outcome that says something about the target is counted; the request's own errors and
//     clients that leave say nothing.
//  2. It opens on a number of failures in a row, or on a share of failures in a rolling window with enough calls.
//  3. Open: nothing starts until the cool-down is over, which doubles with each opening in a row, up to a cap.
//  4. After that the next live call is the probe; while it is under way nothing else starts. Success closes the breaker,
//     failure opens it again, an outcome that says nothing leaves the probe to the next call.
//  5. A caller that has no other target is let through at any time. Its success closes the breaker; its failure, not
//     being the probe's, changes nothing.
//  6. Apart from all that, a rate limit with a stated end pauses the target until then. It is no failure.

// Breaker says when a target is taken out of use. Zero fields get the value of DefaultBreaker.
type Breaker struct {
	Failures    int           // opens after so many failures in a row
	Ratio       float64       // or when this share of the window's calls has failed,
	MinCalls    int           // of at least so many
	Window      time.Duration // length of the window
	Cooldown    time.Duration // first cool-down
	MaxCooldown time.Duration // cap of its doubling
	MaxPause    time.Duration // longest pause that a provider's Retry-After can cause
	Check       bool          // accounts in trouble are checked (see Due)
}

// DefaultBreaker returns the defaults.
func DefaultBreaker() Breaker {
	return Breaker{
		Failures:    5,
		Ratio:       0.5,
		MinCalls:    20,
		Window:      30 * time.Second,
		Cooldown:    2 * time.Second,
		MaxCooldown: time.Minute,
		MaxPause:    time.Hour,
	}
}

func (b Breaker) withDefaults() Breaker {
	d := DefaultBreaker()
	if b.Failures > 0 {
		d.Failures = b.Failures
	}
	if b.Ratio > 0 {
		d.Ratio = b.Ratio
	}
	if b.MinCalls > 0 {
		d.MinCalls = b.MinCalls
	}
	for _, x := range []struct {
		to   *time.Duration
		from time.Duration
	}{{&d.Window, b.Window}, {&d.Cooldown, b.Cooldown}, {&d.MaxCooldown, b.MaxCooldown}, {&d.MaxPause, b.MaxPause}} {
		if x.from > 0 {
			*x.to = x.from
		}
	}
	return d
}

// Cause is what took a target out of use. The zero Cause is none.
type Cause uint8

// The causes.
const (
	NoCause     Cause = iota
	Auth              // the provider refuses our credentials
	RateLimit         // 429 that ends by itself
	Quota             // 429 or 402 that does not
	Overload          // the provider says it is overloaded
	ServerError       // 5xx, broken or unreadable answers
	Timeout           // no answer, no first token or no progress in time
	Unreachable       // no connection
)

// String returns the cause's name, which is a metric label.
func (c Cause) String() string {
	return [...]string{"none", "auth", "rate_limit", "quota", "overload", "server_error", "timeout", "unreachable"}[c]
}

// causeOf returns what an outcome says of the target; NoCause if it is no fault of it.
func causeOf(k llm.Kind) Cause {
	switch k {
	case llm.KindProviderAuth:
		return Auth
	case llm.KindRateLimited:
		return RateLimit
	case llm.KindQuotaExhausted:
		return Quota
	case llm.KindOverloaded:
		return Overload
	case llm.KindServerError, llm.KindTruncated, llm.KindBadAnswer, llm.KindProviderStream:
		return ServerError
	case llm.KindConnectTimeout, llm.KindHeaderTimeout, llm.KindFirstToken, llm.KindStalled, llm.KindTooSlow:
		return Timeout
	case llm.KindUnreachable:
		return Unreachable
	default:
		return NoCause
	}
}

// Refused credentials and an empty account do not mend by themselves from one call to the next. Auth keeps a threshold,
// since some providers answer 403 to single requests (moderation).
const (
	authFailures  = 3
	quotaFailures = 1
)

func (b *Breaker) threshold(c Cause) int {
	switch c {
	case Auth:
		return min(authFailures, b.Failures)
	case Quota:
		return quotaFailures
	default:
		return b.Failures
	}
}

// cooldown returns the length of the n-th opening in a row (from 1). Jitter takes up to a fifth off, so that replicas
// and targets do not probe in step, and the cap holds.
func (b *Breaker) cooldown(n int) time.Duration {
	d := b.Cooldown
	for range n - 1 {
		if d >= b.MaxCooldown/2 {
			d = b.MaxCooldown
			break
		}
		d *= 2
	}
	d = min(d, b.MaxCooldown)
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}

// health is the breaker's state of one target. It is guarded by the account's mu. Times count from the fleet's epoch.
type health struct {
	breaker *Breaker // set once

	out    bool          // open, or half open once until is over
	until  time.Duration // end of the cool-down
	probe  *lease        // the probe under way; nil if none
	opened int           // openings in a row
	row    int           // failures in a row
	same   int           // failures in a row with the present cause
	cause  Cause         // of the last failure while row > 0 or out
	paused time.Duration // end of the pause that the provider asked for; 0 if none
	recent window
}

// settled reports whether the state can be forgotten: the target is in use, or its trouble is long over.
func (h *health) settled(now time.Duration) bool {
	return h.paused <= now && (!h.out || now-h.until > h.breaker.MaxCooldown)
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

// try notes that a call has started while the target is out of use. The first after the cool-down is the probe.
func (h *health) try(le *lease) {
	le.trial = true
	if h.probe == nil && le.f.now() >= h.until {
		h.probe = le
	}
}

// record takes the outcome of a call.
func (h *health) record(le *lease, o Outcome, now time.Duration) {
	if o.Kind == llm.KindNone {
		h.succeed(le)
		h.recent.add(now, h.breaker.Window, false)
		return
	}
	probed := h.probe == le
	if probed {
		h.probe = nil
	}
	cause := causeOf(o.Kind)
	if cause == RateLimit && o.RetryAfter > 0 {
		h.paused = max(h.paused, now+min(o.RetryAfter, h.breaker.MaxPause))
		return
	}
	switch {
	case cause == NoCause:
	case probed:
		h.cause = cause
		h.open(now, o)
	case !h.out:
		h.fail(cause, o, now)
	}
}

// succeed takes a success, and reports whether it closed the breaker.
func (h *health) succeed(le *lease) (closed bool) {
	if h.out {
		if !le.trial {
			return false // began before the trouble: says nothing about calls that start after it
		}
		h.out, h.until, h.probe, h.opened = false, 0, nil, 0
		h.recent = window{}
		closed = true
	}
	h.row, h.same, h.cause = 0, 0, NoCause
	return closed
}

// fail counts a failure of a target in use.
func (h *health) fail(c Cause, o Outcome, now time.Duration) {
	if h.cause != c {
		h.cause, h.same = c, 0
	}
	h.row++
	h.same++
	h.recent.add(now, h.breaker.Window, true)
	calls, failed := h.recent.count(now, h.breaker.Window)
	b := h.breaker
	if h.row >= b.Failures || h.same >= b.threshold(c) || calls >= b.MinCalls && float64(failed) >= b.Ratio*float64(calls) {
		h.open(now, o)
	}
}

// open takes the target out of use, at least for as long as the provider asked.
func (h *health) open(now time.Duration, o Outcome) {
	h.out = true
	h.opened++
	h.row, h.same = 0, 0
	h.until = now + max(h.breaker.cooldown(h.opened), min(o.RetryAfter, h.breaker.MaxPause))
}

// windowSlices is the number of parts of the rolling window.
const windowSlices = 10

// window counts calls over a rolling time in slices, the oldest of which falls out as time passes.
type window struct {
	calls, failed [windowSlices]int32
	at            int64 // number of the youngest slice since the epoch
}

// add counts a call that ended.
func (w *window) add(now, length time.Duration, failed bool) {
	w.turn(now, length)
	i := w.at % windowSlices
	w.calls[i]++
	if failed {
		w.failed[i]++
	}
}

// count returns the calls in the window and how many of them failed.
func (w *window) count(now, length time.Duration) (calls, failed int) {
	w.turn(now, length)
	for i := range windowSlices {
		calls += int(w.calls[i])
		failed += int(w.failed[i])
	}
	return calls, failed
}

// turn empties the slices whose time has come again.
func (w *window) turn(now, length time.Duration) {
	at := int64(now / max(length/windowSlices, 1))
	for n := min(at-w.at, windowSlices); n > 0; n-- {
		i := (at - n + 1) % windowSlices
		w.calls[i], w.failed[i] = 0, 0
	}
	w.at = max(w.at, at)
}

package pace

import (
	"math/rand/v2"
	"time"

	"sluice/internal/llm"
)

// The breakers: one of each target and one of each account.
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
//  7. Trouble with a scope wider than one model (refused credentials, no credit, no connection) counts at the account: its
//     breaker takes out all targets, also those that have not been asked yet. A success of any of them closes it.
//  8. Free checks (check.go) stretch the cool-down while they fail, and end it when they pass after that.

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
		Check:       true,
	}
}

func (b Breaker) withDefaults() Breaker {
	d := DefaultBreaker()
	d.Check = b.Check
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
	MinuteQuota       // 429 that ends by itself, soon
	DayQuota          // a limit of a day is used up
	Quota             // 429 or 402 that does not end by itself: no credit, a spend limit, a model that is not on the plan
	Overload          // the provider says it is overloaded
	ServerError       // 5xx, broken or unreadable answers
	Timeout           // no answer, no first token or no progress in time
	Unreachable       // no connection
)

// String returns the cause's name, which is a metric label.
func (c Cause) String() string {
	return [...]string{
		"none", "auth", "minute_quota", "day_quota", "quota", "overload", "server_error", "timeout", "unreachable",
	}[c]
}

// causeOf returns what an outcome says of the target; NoCause if it is no fault of it.
func causeOf(k llm.Kind, w llm.Window) Cause {
	switch k {
	case llm.KindProviderAuth:
		return Auth
	case llm.KindRateLimited, llm.KindQuotaExhausted:
		switch {
		case w == llm.PerDay:
			return DayQuota
		case k == llm.KindQuotaExhausted:
			return Quota
		}
		return MinuteQuota
	case llm.KindOverloaded:
		return Overload
	case llm.KindServerError, llm.KindTruncated, llm.KindBadAnswer, llm.KindProviderStream:
		return ServerError
	case llm.KindHeaderTimeout, llm.KindFirstToken, llm.KindStalled, llm.KindTooSlow:
		return Timeout
	case llm.KindUnreachable, llm.KindConnectTimeout:
		return Unreachable
	default:
		return NoCause
	}
}

// scopeOf returns what of the provider an outcome is about: what the error says or, where it does not, what its cause mostly
// means. A connection that broke says nothing of other models; upstream tells apart one that could not be had.
func scopeOf(c Cause, s llm.Scope) llm.Scope {
	if s != llm.ScopeUnknown {
		return s
	}
	switch c {
	case Auth:
		return llm.ScopeKey
	case Quota:
		return llm.ScopeAccount
	default:
		return llm.ScopeModel
	}
}

// checkable reports whether a free check can tell of the end of trouble. It cannot tell of limits, credit or credentials.
func (c Cause) checkable() bool {
	return c == ServerError || c == Timeout || c == Overload || c == Unreachable
}

// Refused credentials, an empty account and a day's limit do not mend by themselves from one call to the next. Auth keeps
// a threshold, since some providers answer 403 to single requests (moderation).
const (
	authFailures  = 3
	quotaFailures = 1
)

func (b *Breaker) threshold(c Cause) int {
	switch c {
	case Auth:
		return min(authFailures, b.Failures)
	case Quota, DayQuota:
		return quotaFailures
	default:
		return b.Failures
	}
}

// A day's limit whose end nobody states is tried again after an hour, then ever less often. Most of them end at midnight
// somewhere.
const (
	dayCooldown    = time.Hour
	maxDayCooldown = 4 * time.Hour
	maxDayPause    = 24 * time.Hour
)

// overloadFactor is how much longer an overloaded provider is left alone: calls that come back at once keep it overloaded.
const overloadFactor = 2

// cooldown returns the length of the n-th opening in a row (from 1). Jitter takes up to a fifth off, so that replicas
// and targets do not probe in step, and the cap holds.
func (b *Breaker) cooldown(c Cause, n int) time.Duration {
	d, top := b.Cooldown, b.MaxCooldown
	switch c {
	case Overload:
		d *= overloadFactor
	case DayQuota:
		d, top = dayCooldown, maxDayCooldown
	}
	for range n - 1 {
		if d >= top/2 {
			d = top
			break
		}
		d *= 2
	}
	return jittered(min(d, top))
}

// maxPause is the longest wait stated by a provider that is believed.
func (b *Breaker) maxPause(c Cause) time.Duration {
	if c == DayQuota {
		return max(b.MaxPause, maxDayPause)
	}
	return b.MaxPause
}

// jittered takes up to a fifth off a time.
func jittered(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/5+1)) }

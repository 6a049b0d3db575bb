package admit

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"sluice/internal/llm"
)

// ended returns the error for a call whose context has ended.
func ended(ctx context.Context) *llm.Error {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*llm.Error](cause); ok {
		own := *e
		return &own
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return llm.Errorf(llm.KindTotalTimeout, "the call's time was over before it could start")
	}
	e := llm.Errorf(llm.KindCanceled, "the client left before the call could start")
	e.Err = cause
	return e
}

func late(call *llm.Call, waited time.Duration) *llm.Error {
	within := call.Deadline.Sub(call.Start).Round(time.Millisecond)
	if waited == 0 {
		return llm.Errorf(llm.KindDeadline, "the call's deadline (%v after its arrival) is over or cannot be met", within)
	}
	return llm.Errorf(llm.KindDeadline, "no capacity before the call's deadline (%v after its arrival); waited %v", within,
		waited.Round(time.Millisecond))
}

func tooLong(c *Config, waited, needed time.Duration) *llm.Error {
	if needed > 0 {
		e := llm.Errorf(llm.KindDeadline, "the next attempt may begin in %v, queue.max_wait is %v",
			needed.Round(time.Millisecond), c.MaxWait)
		e.RetryAfter = needed
		return e
	}
	return llm.Errorf(llm.KindDeadline, "no capacity within queue.max_wait (%v); waited %v", c.MaxWait,
		waited.Round(time.Millisecond))
}

func full(c *Config, waiting int64, retryAfter time.Duration) *llm.Error {
	e := llm.Errorf(llm.KindQueueFull, "%d calls are waiting, queue.max_calls is %d", waiting, c.MaxQueue)
	e.RetryAfter = retryAfter
	return e
}

// maxNamed is how many targets an error message names.
const maxNamed = 3

func unhealthy(targets []*llm.Target, until time.Time) *llm.Error {
	var names []string
	for _, t := range targets[:min(len(targets), maxNamed)] {
		names = append(names, t.Name)
	}
	if len(targets) > maxNamed {
		names = append(names, "and others")
	}
	e := llm.Errorf(llm.KindNoHealthyTarget, "no target is in use now (%s)", strings.Join(names, ", "))
	if !until.IsZero() {
		e.RetryAfter = max(time.Until(until), 0)
	}
	return e
}

// estimate says how long a waiter at the end of the queue would have to wait, by the rate of starts in the last seconds.
// It is what the fastest of its accounts needs to get through those who wait there; at least a second, and max_wait if
// nothing has moved.
func (q *Queue[L]) estimate(w *waiter[L], c *Config) time.Duration {
	best := time.Duration(0)
	now := time.Now()
	for i := range w.nodes {
		a := w.nodes[i].lane.account
		perSecond := a.rate.perSecond(now)
		if perSecond <= 0 {
			continue
		}
		d := time.Duration(min(float64(a.nodes)/perSecond, maxEstimate.Seconds()) * float64(time.Second))
		if best == 0 || d < best {
			best = d
		}
	}
	if best == 0 {
		return c.MaxWait
	}
	return max(best.Round(time.Second), time.Second)
}

// maxEstimate bounds the estimate: beyond it, it means "much later".
const maxEstimate = time.Hour

// rateWindow is the time over which the rate of starts is averaged: older starts count less by e in each such time.
const rateWindow = 10 * time.Second

// rate is an exponentially weighted rate of events.
type rate struct {
	score float64
	first time.Time // first event of the run, so that a young run is not taken for a slow one
	at    time.Time // last event
}

func (r *rate) add(now time.Time) {
	r.score = r.decayed(now)
	if r.score < 0.01 {
		r.first = now
	}
	r.score++
	r.at = now
}

func (r *rate) decayed(now time.Time) float64 {
	if r.score == 0 {
		return 0
	}
	return r.score * math.Exp(-now.Sub(r.at).Seconds()/rateWindow.Seconds())
}

// perSecond returns the rate; 0 if there was no event of late.
func (r *rate) perSecond(now time.Time) float64 {
	s := r.decayed(now)
	if s < 0.01 {
		return 0
	}
	age := max(now.Sub(r.first).Seconds(), 1)
	return s / (rateWindow.Seconds() * (1 - math.Exp(-age/rateWindow.Seconds())))
}

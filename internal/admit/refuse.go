package admit

import (
	"context"
	"errors"
	"fmt"
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

// over is the error for a call that has waited as long as it could.
func (p *patience) over(waited time.Duration) *llm.Error {
	if p.due {
		return late(p.call, waited)
	}
	return llm.Errorf(llm.KindDeadline, "no capacity within %s (%v); waited %v", p.name, p.max, waited.Round(time.Millisecond))
}

// outOfReach is the error for a call that would have to wait too long.
func (p *patience) outOfReach(wait time.Duration) *llm.Error {
	return llm.Errorf(llm.KindDeadline, "%s", p.reach(wait))
}

func (p *patience) reach(wait time.Duration) string {
	if p.due {
		left := time.Until(p.end)
		within := p.call.Deadline.Sub(p.call.Start).Round(time.Millisecond)
		return fmt.Sprintf("the call would have to wait %v, its deadline is in %v (%v after its arrival)", beyond(wait, left), left.Truncate(time.Millisecond), within)
	}
	return fmt.Sprintf("the call would have to wait %v, %s is %v", beyond(wait, p.max), p.name, p.max)
}

// beyond rounds a wait up for people, so that it is seen to be longer than what it is over.
func beyond(wait, most time.Duration) time.Duration {
	unit := 100 * time.Millisecond
	if most < time.Second {
		unit = time.Millisecond
	}
	up := (max(wait, most) + unit - 1).Truncate(unit)
	if up <= most {
		up += unit
	}
	return up
}

// tooSoon is the error for an attempt that may begin only after the longest wait.
func (p *patience) tooSoon(in time.Duration) *llm.Error {
	e := llm.Errorf(llm.KindDeadline, "the next attempt may begin in %v, %s is %v", beyond(in, p.max), p.name, p.max)
	e.RetryAfter = in
	return e
}

// busy is the error for a call whose targets are in use, but not in time for it.
func busy(targets []*llm.Target, p *patience, wait time.Duration) *llm.Error {
	e := llm.Errorf(llm.KindNoHealthyTarget, "no target can take the call in time (%s): %s", named(targets), p.reach(wait))
	e.RetryAfter = wait
	return e
}

// maxNamed is how many targets an error message names.
const maxNamed = 3

func unhealthy(targets []*llm.Target, until time.Time) *llm.Error {
	e := llm.Errorf(llm.KindNoHealthyTarget, "no target is in use now (%s)", named(targets))
	if !until.IsZero() {
		e.RetryAfter = max(time.Until(until), 0)
	}
	return e
}

func named(targets []*llm.Target) string {
	var names []string
	for _, t := range targets[:min(len(targets), maxNamed)] {
		names = append(names, t.Name)
	}
	if len(targets) > maxNamed {
		names = append(names, "and others")
	}
	return strings.Join(names, ", ")
}

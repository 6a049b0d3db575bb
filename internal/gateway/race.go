package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"sluice/internal/admit"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
)

// A hedged attempt (Dean, Barroso: "The Tail at Scale", CACM 56(2), 2013):
//
//  1. When the call's request is on its way, a timer is set. If it fires before a content token has come, and the budget allows, a second
//     attempt is made, by a run of its own on a goroutine of its own. It is taken only where a place is free at once.
//  2. The run that has a content token first claims the call. Only a run that has claimed it uses the Reply. The other one is canceled.
//  3. The winner relays on its own goroutine. The call's goroutine waits until both have ended, and goes on as if the winner's attempt
//     had been its own.
//  4. If the first attempt fails while the second is under way, the second is waited for. If both fail, the first one's error counts.
//
// Invariant: the call's run is changed by its own goroutine alone. The second run is made as a copy of it when the request is ready,
// before the timer can fire, and from then on belongs to the timer's goroutine, until done is closed.

// race is one hedged attempt.
type race struct {
	// Set before the timer is.
	first  *run
	ctx    context.Context // of the call; each run has a child of it
	tiers  [][]*llm.Target
	target *llm.Target // of the first attempt
	delay  time.Duration
	base   books // of the call before the attempts

	cancelFirst context.CancelCauseFunc

	mu           sync.Mutex
	timer        *time.Timer // nil until the first request is ready
	denied       bool        // there was no place or no budget
	second       *run        // prepared with the timer; nil if it will not be needed
	winner       *run        // that has claimed the call
	over         bool        // no second attempt may begin
	settled      bool        // the second's books are in the call's
	cancelSecond context.CancelCauseFunc
	done         chan struct{} // closed when the second attempt has ended; nil if none has begun

	// Written by the second's goroutine, read when done is closed.
	fault  *llm.Error
	broken any // what it panicked with
}

// errOutrun makes the cause that cancels an attempt that has lost. It is shown to nobody.
func errOutrun() *llm.Error {
	return llm.Errorf(llm.KindCanceled, "another attempt had the first token sooner")
}

// attemptHedged makes an attempt, and a second one next to it if the first is slow to begin and the model's settings allow it.
// The one with the first content token wins.
func (r *run) attemptHedged(plan *route.Plan, grant admit.Grant[pace.Lease]) *llm.Error {
	if !r.hedged() {
		return r.attempt(grant)
	}
	return r.attemptRaced(plan, grant)
}

// attemptRaced is kept out of line, so that calls that are not hedged do not carry its frame.
//
//go:noinline
func (r *run) attemptRaced(plan *route.Plan, grant admit.Grant[pace.Lease]) *llm.Error {
	h := r.hedge(plan, &grant)
	if h == nil {
		return r.attempt(grant)
	}
	defer h.leave()
	e := r.attempt(grant)
	h.wait()
	return h.settle(e)
}

// hedge prepares the race of an attempt; nil if none is to be.
func (r *run) hedge(plan *route.Plan, grant *admit.Grant[pace.Lease]) *race {
	if len(r.asked) == 0 { // the call's first attempt
		r.budget.hedges.deposit(r.settings.Rescue.Hedge.Budget)
	}
	delay, ok := r.settings.Rescue.Hedge.delay(grant.Lease, &r.budget.hedges)
	if !ok {
		return nil
	}
	h := &race{first: r, ctx: r.ctx, tiers: plan.Tiers, target: grant.Target, delay: delay}
	r.ctx, h.cancelFirst = context.WithCancelCause(h.ctx)
	r.race = h
	return h
}

// armHedge sets the timer of the second attempt. It is called when the request of the first is ready to be sent.
func (r *run) armHedge() {
	h := r.race
	if h == nil || h.first != r || h.second != nil || !r.streams() {
		return
	}
	r.form() // which reads the request: from now on it is shared
	h.base = r.books()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.second = r.fork()
	h.timer = time.AfterFunc(h.delay-time.Since(r.sent), h.fire)
}

// fork returns a copy of r for an attempt next to that of r. What belongs to the call is shared.
func (r *run) fork() *run {
	c := runs.Get().(*run)
	silent, asked := c.silent[:0], c.asked[:0]
	*c = *r
	c.silent, c.asked = append(silent, r.silent...), append(asked, r.asked...)
	return c
}

// fire makes the second attempt, on the timer's goroutine.
func (h *race) fire() {
	grant, c := h.begin()
	if c == nil {
		return
	}
	defer close(h.done)
	defer func() {
		if p := recover(); p != nil { // for the goroutine of the call, whose panics end that call alone
			h.broken = p
			h.cancelFirst(errOutrun())
		}
	}()
	h.fault = c.attempt(grant)
}

// begin takes a place for the second attempt and makes its run ready; the run is nil if there is to be none.
func (h *race) begin() (grant admit.Grant[pace.Lease], c *run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.winner != nil || h.ctx.Err() != nil {
		return grant, nil
	}
	c = h.second
	if !c.budget.hedges.withdraw() {
		h.again(obs.HedgeNoBudget)
		return grant, nil
	}
	grant, ok := c.g.queue.TryAcquire(&c.x.Call, c.wantsRoom(admit.Ask{Targets: h.others()}))
	if !ok {
		c.budget.hedges.refund()
		h.again(obs.HedgeNoTarget)
		return grant, nil
	}
	x := *c.x // the first attempt changes its own only after its claim, or its end
	c.x = &x
	c.ctx, h.cancelSecond = context.WithCancelCause(h.ctx)
	c.upstream += time.Since(c.sent)
	h.done = make(chan struct{})
	return grant, c
}

// again has a call for which there was no second attempt ask for it again after the same time: the longer it has been waiting, the more
// it needs one. The caller holds mu.
func (h *race) again(why obs.HedgeResult) {
	if !h.denied {
		h.denied = true
		h.second.info.target.Hedge(why)
	}
	h.timer.Reset(max(h.delay, leastAgain))
}

// others returns the targets that a second attempt may go to, the best first: others of the tier, then of the next ones, that the call
// has not asked; at last the first attempt's own.
func (h *race) others() []*llm.Target {
	var list []*llm.Target
	tier := slices.IndexFunc(h.tiers, func(tier []*llm.Target) bool { return slices.Contains(tier, h.target) })
	for _, tier := range h.tiers[max(tier, 0):] {
		for _, t := range tier {
			if !slices.Contains(h.second.asked, t) && !slices.Contains(h.second.silent, t) {
				list = append(list, t)
			}
		}
	}
	return append(list, h.target)
}

// claim is called at the first content token, before anything of the answer is used. It returns an error of KindCanceled if another attempt
// has been quicker.
func (r *run) claim() *llm.Error {
	if r.race == nil {
		return nil
	}
	return r.race.claim(r)
}

func (h *race) claim(by *run) *llm.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.winner == by:
		return nil
	case h.winner != nil:
		return errOutrun()
	}
	h.winner = by
	switch {
	case by != h.first:
		h.cancelFirst(errOutrun())
	case h.done != nil:
		by.attempts++ // for the answer's headers
		h.cancelSecond(errOutrun())
	default:
		h.close()
	}
	return nil
}

// close sees to it that no second attempt begins. The caller holds mu.
func (h *race) close() {
	h.over = true
	if h.timer != nil {
		h.timer.Stop()
	}
	if h.done == nil && h.second != nil {
		h.second.release()
		h.second = nil
	}
}

// wait returns when no second attempt is under way, and none can begin.
func (h *race) wait() {
	h.mu.Lock()
	h.close()
	done := h.done
	h.mu.Unlock()
	if done != nil {
		<-done
	}
}

// leave ends the race, also where the first attempt has panicked.
func (h *race) leave() {
	h.mu.Lock()
	if h.cancelSecond != nil {
		h.cancelSecond(errOutrun())
	}
	h.mu.Unlock()
	h.wait()
	h.cancelFirst(nil)
	if c := h.second; c != nil {
		if !h.settled {
			h.first.absorb(c, &h.base)
		}
		if c.open { // it has panicked
			c.g.metrics.StreamClosed()
		}
		h.second = nil
		c.release()
	}
	h.first.ctx, h.first.race = h.ctx, nil
}

// settle brings both attempts into the call's books, when both have ended, and returns how the call stands after them; e is how the first
// has ended. If the second has won, the call's run is then as if it had made that attempt itself.
func (h *race) settle(e *llm.Error) *llm.Error {
	r, c := h.first, h.second
	if c == nil {
		return e
	}
	if h.broken != nil {
		panic(h.broken)
	}
	h.settled = true
	c.info.target.Hedge(h.result(c))
	if h.winner != c {
		if h.winner == r && c.unsent {
			r.attempts--
		}
		if f := h.fault; f != nil && (f.Kind == llm.KindUnsupported || c.keptSilent(f) || f.Advice == llm.DoNotRetry) {
			c.silent = append(c.silent, c.target)
		}
		r.silent, c.silent = c.silent, r.silent
		r.absorb(c, &h.base)
		return e
	}
	if e != nil && (r.keptSilent(e) || e.Advice == llm.DoNotRetry) {
		c.silent = append(c.silent, r.target)
	}
	*r, *c = *c, *r
	*c.x = *r.x // the call's own Exchange, which c has now
	r.x = c.x
	r.absorb(c, &h.base)
	return h.fault
}

// result returns what has come of the second attempt.
func (h *race) result(c *run) obs.HedgeResult {
	switch {
	case h.winner == c:
		return obs.HedgeWon
	case h.fault == nil || h.fault.Kind == llm.KindCanceled:
		return obs.HedgeLost
	default:
		return obs.HedgeFailed
	}
}

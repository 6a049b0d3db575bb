package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/route"
	"sluice/internal/upstream"
)

// partsAtOnce is how many parts of one call are under way at once. More would let one client take an account's slots from
// others, who wait in the same line.
const partsAtOnce = 4

// errPartFailed makes the cause that cancels the parts of a call of which one has failed. Its text is shown to nobody.
func errPartFailed() *llm.Error {
	return llm.Errorf(llm.KindCanceled, "another part of the call has failed")
}

// attemptParts runs a call in parts. Each is a call of its own on the road: it is admitted, sent, tried again and failed over by
// itself, with a budget of attempts of its own. What all of them have consumed goes into the one row of the call, also where one
// fails: then the others are canceled, and the call fails with its error.
//
// The parts run on goroutines of their own, which have ended when this returns.
func (r *run) attemptParts(plan route.Plan, parts []part) *llm.Error {
	bodies, e := r.cut(parts)
	if e != nil {
		return e
	}
	runs := make([]*run, len(parts))
	for i, body := range bodies {
		if runs[i], e = r.child(plan.Tiers[0][0], body); e != nil {
			return e
		}
	}
	began := time.Now()
	failed, e := r.runParts(plan, runs)
	r.gather(runs, time.Since(began))
	if e != nil {
		return ofPart(e, parts[failed])
	}
	answers := make([][]byte, len(runs))
	for i, c := range runs {
		answers[i] = c.w.(*partReply).body
	}
	body, e := r.join(parts, answers)
	if e != nil {
		return e
	}
	r.answerParts(runs[0], body, len(parts))
	return nil
}

// child returns a run for one part, which shares with r what belongs to the call.
func (r *run) child(first *llm.Target, body []byte) (*run, *llm.Error) {
	x := *r.x
	x.Body, x.Chat, x.OnAnswer = body, nil, nil
	rq, e := dialect.Of(x.Call.Front).Parse(x.Call.Op, body)
	if e != nil {
		return nil, e
	}
	rq.Fields().Model = r.x.Request.Fields().Model
	x.Request = rq
	x.Call.InputTokens = model.EstimateTokens(rq.Fields().InputBytes) + rq.Fields().MediaTokens
	return &run{
		g: r.g, snap: r.snap, x: &x, w: &partReply{header: http.Header{}}, ctx: r.ctx,
		settings: r.settings, endSetting: r.endSetting, public: r.public, configured: r.configured, planned: r.planned, budget: r.budget,
		span: r.span, need: r.g.estimate(first, &x.Call),
	}, nil
}

// runParts runs the parts, a few at once, and returns the first error and the part that it is of.
func (r *run) runParts(plan route.Plan, runs []*run) (failed int, e *llm.Error) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards failed, e and broken
	var broken any    // what a part panicked with
	var group sync.WaitGroup
	slots := make(chan struct{}, partsAtOnce) // sent here, received by the part that ends; never closed
	for i, c := range runs {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		c.ctx = ctx
		group.Go(func() {
			defer func() { <-slots }()
			defer func() {
				if p := recover(); p != nil { // for the goroutine of the call, whose panics end that call alone
					mu.Lock()
					broken = p
					mu.Unlock()
					cancel(errPartFailed())
				}
			}()
			fault := c.attemptFitting(plan)
			if fault == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if e == nil {
				failed, e = i, fault
				cancel(errPartFailed())
			}
		})
	}
	group.Wait()
	if broken != nil {
		panic(broken)
	}
	if e == nil {
		e = upstream.Cause(r.ctx)
	}
	return failed, e
}

// gather adds the books of the parts to those of the call.
func (r *run) gather(runs []*run, took time.Duration) {
	r.priced = true
	for _, c := range runs {
		r.attempts += c.attempts
		r.queued = max(r.queued, c.queued)
		r.position, r.expected = max(r.position, c.position), max(r.expected, c.expected)
		r.costNano += c.costNano
		r.priced = r.priced && (c.priced || c.usage == (llm.Usage{}))
		r.usage = r.usage.Plus(c.usage)
		r.overspent = r.overspent || c.overspent
		if c.target != nil {
			r.target, r.info, r.leg = c.target, c.info, c.leg
			r.sent, r.connect, r.headers = c.sent, c.connect, c.headers
		}
	}
	r.priced = r.priced && r.usage != (llm.Usage{})
	r.upstream = max(took-r.queued, 0)
}

// answerParts sends the joined answer, with the headers of the first part's.
func (r *run) answerParts(first *run, body []byte, parts int) {
	r.committed = time.Now()
	r.first, r.shown = r.committed, r.committed
	h := r.w.Header()
	maps.Copy(h, first.w.Header())
	h["X-Sluice-Parts"] = []string{strconv.Itoa(parts)}
	r.commonHeaders(h, r.committed)
	h["X-Sluice-Cost-Usd"] = []string{r.costText()}
	r.status, r.bytesOut = http.StatusOK, int64(len(body))
	if r.x.OnAnswer != nil {
		r.x.OnAnswer(body, nil, r.target)
	}
	r.w.Whole(http.StatusOK, body)
}

// ofPart makes an error of a part one of the call: the provider's own words count inputs from the part's first.
func ofPart(e *llm.Error, p part) *llm.Error {
	switch e.Kind.Cause() {
	case llm.ByProvider:
		own := *e
		own.Message = fmt.Sprintf("inputs %d to %d: %s", p.first, p.end-1, e.Message)
		own.Body, own.Param = nil, ""
		return &own
	}
	return e
}

// partReply keeps a part's answer.
type partReply struct {
	header http.Header
	body   []byte
}

func (w *partReply) Header() http.Header      { return w.header }
func (w *partReply) Whole(_ int, body []byte) { w.body = body }
func (w *partReply) Begin()                   { panic("BUG: a part of a call is streamed") }
func (w *partReply) Write([]byte) *llm.Error  { panic("BUG: a part of a call is streamed") }
func (w *partReply) Flush() *llm.Error        { panic("BUG: a part of a call is streamed") }
func (w *partReply) Fail(*llm.Error, []byte)  {}

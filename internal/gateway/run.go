package gateway

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
	"sluice/internal/shape"
	"sluice/internal/upstream"
)

// maxErrorBody bounds what is read of a provider's error answer.
const maxErrorBody = 256 << 10

// run is one call under way. It is used by one goroutine.
type run struct {
	g    *Gateway
	snap *Snapshot
	x    *Exchange
	w    Reply
	ctx  context.Context // ends when the client leaves, or with shutdown

	settings   *Settings
	endSetting string // what sets the call's deadline
	public     string // model name as planned
	configured bool   // the name comes from the configuration, not from the client
	planned    time.Time
	budget     *retryBudget
	need       llm.Need    // what the call is expected to take of quotas
	charge     auth.Charge // of the key's limits, if charged
	charged    bool

	// The attempt that is under way, or was last.
	target   *llm.Target
	info     *targetInfo
	attempts int
	silent   []*llm.Target // took a request and did not answer, said not to come again, or cannot do it: not asked again for this call
	asked    []*llm.Target // in this call
	paid     bool          // the next attempt is taken out of the budget
	lease    pace.Lease
	receipt  admit.Receipt // what the fairness between keys has charged for the attempt
	sent     time.Time     // start of the attempt
	connect  time.Duration // from there to a connection
	headers  time.Duration // from there to the response headers
	consumed consumed
	billed   llm.Usage // what the attempt has added to the books
	leg      leg
	unsent   bool  // nothing was sent: it does not count
	race     *race // that the attempt is in; nil if it is not hedged

	resc      *rescue     // the client's stream has broken, and is to be gone on with; nil if it has not
	demand    *shape.Form // that the request makes of its answer; nil if none, or not yet known
	formKnown bool
	badForms  int        // answers that did not have it
	stricter  []llm.Turn // what the next request says besides, after an answer that was not in the form that was asked for
	flagged   llm.Kind   // what a guard has found and let through
	open      bool       // a stream to the client is counted as open

	requeued bool          // the attempt before was refused for want of quota: the next one is not a retry that is paid for
	requeues int           // attempts that a provider refused for want of quota, and that the call did not pay for
	refused  time.Time     // when the first of them was refused
	stated   time.Duration // waits that were stated with them
	position int           // of the call in the queue when it came; 0 if it did not have to wait
	expected time.Duration // that it would wait, by what was known then

	// What has come of it.
	queued    time.Duration // waited for admission, in all attempts
	committed time.Time     // when the answer began to go to the client; zero if it has not
	first     time.Time     // when the first content token of the attempt was read
	shown     time.Time     // the same, of the attempt that the client's answer began with
	upstream  time.Duration // waited for the provider, in all attempts, until the commit
	overhead  time.Duration // Sluice's own time until the answer began
	usage     llm.Usage     // of all attempts; the same goes for the cost
	costNano  int64
	priced    bool // there is a cost, and all of it is known
	bytesIn   int64
	bytesOut  int64 // sent to the client
	malformed int
	status    int
	relayed   bool // status is the provider's, and went to the client whatever it says
	err       *llm.Error
	overspent bool // the budget allowed no further attempt
	returned  bool // the call has come to its end; false while a panic unwinds

	span *obs.Span
}

var runs = sync.Pool{New: func() any { return new(run) }}

// release gives r back for another call. Nothing may hold on to r.
func (r *run) release() {
	*r = run{silent: r.silent[:0], asked: r.asked[:0]}
	runs.Put(r)
}

// attemptAll sends attempts until one succeeds, none may follow, or nothing is left to ask. It returns nil if the client
// has its answer, whole or broken; an error is for the caller of the call.
//
// Order of targets: the plan's tiers in turn, each failed attempt moving on to the next tier at once. When all have been
// asked, it begins again at the first, after a back-off or the wait that the provider stated. All waiting is done by
// admission, without a slot.
func (r *run) attemptAll(plan route.Plan) *llm.Error {
	e := r.tryAll(plan)
	if e != nil && r.resc != nil {
		r.giveUp(e)
		return nil
	}
	return e
}

func (r *run) tryAll(plan route.Plan) *llm.Error {
	retry := &r.settings.Retry
	r.budget.deposit(retry.Budget)
	defer r.unpay()
	var last *llm.Error
	var notBefore time.Time
	for tier := 0; ; {
		more := tier+1 < len(plan.Tiers)
		if !r.pay(plan.Tiers[tier]) {
			if more {
				tier++
				continue
			}
			return r.overBudget(last)
		}
		grant, e := r.acquire(plan.Tiers, tier, notBefore)
		if e != nil {
			if e.Kind == llm.KindNoHealthyTarget && more {
				tier++
				continue
			}
			if last != nil && e.Kind != llm.KindCanceled && e.Kind != llm.KindDraining {
				if last.Retryable() {
					last.RetryAfter = max(last.RetryAfter, e.RetryAfter) // the queue knows who else waits
				}
				return last // why the call failed, rather than why it was not tried again
			}
			return e
		}
		if r.resc == nil {
			e = r.attemptHedged(&plan, grant)
		} else {
			e = r.attempt(grant)
		}
		if e == nil || !r.committed.IsZero() && r.resc == nil {
			return nil
		}
		if r.resc != nil && r.resc.over {
			return e
		}
		if r.refusedStream(e) || r.refusedPrefill(e) {
			last = e
			continue // to the same target, otherwise
		}
		var over bool
		if r.requeued, over = r.requeue(e, plan.Tiers); over {
			return e
		}
		unable := e.Kind == llm.KindUnsupported // nothing was sent, and it says nothing of the other targets
		if !unable || last == nil {
			last = e
		}
		if !unable && (!r.mayFailOver(e, plan.Tiers) || r.x.Upload.used() || !r.requeued && r.counted() >= retry.attempts(len(plan.Tiers), r.x.Retried)) {
			return e
		}
		if unable || r.keptSilent(e) || e.Advice == llm.DoNotRetry {
			r.silent = append(r.silent, r.target)
		}
		var wait time.Duration
		if more {
			tier++
		} else {
			tier = 0
			if r.requeued {
				wait = r.requeueWait(e)
			} else {
				wait = retry.wait(last, r.attempts, len(plan.Tiers) == 1)
			}
		}
		if !r.mayRetry(plan.Tiers, wait) {
			return last
		}
		notBefore = time.Now().Add(wait)
	}
}

// mayRetry reports whether another attempt fits the deadline and has a target.
func (r *run) mayRetry(tiers [][]*llm.Target, wait time.Duration) bool {
	if end := r.x.Call.Deadline; wait > maxStated || !end.IsZero() && time.Until(end) <= wait {
		return false
	}
	return slices.ContainsFunc(tiers, func(tier []*llm.Target) bool { return len(r.heard(tier)) > 0 })
}

// heard returns the targets of a tier that may be asked (again) in this call.
func (r *run) heard(tier []*llm.Target) []*llm.Target {
	if len(r.silent) == 0 {
		return tier
	}
	return slices.DeleteFunc(slices.Clone(tier), func(t *llm.Target) bool { return slices.Contains(r.silent, t) })
}

// acquire waits for one of a tier's targets, and until notBefore.
func (r *run) acquire(tiers [][]*llm.Target, tier int, notBefore time.Time) (admit.Grant[pace.Lease], *llm.Error) {
	targets := r.heard(tiers[tier])
	if len(targets) == 0 {
		return admit.Grant[pace.Lease]{}, llm.Errorf(llm.KindNoHealthyTarget, "no target of the model is left to ask")
	}
	rest := slices.ContainsFunc(tiers[tier+1:], func(t []*llm.Target) bool { return len(r.heard(t)) > 0 })
	start := time.Now()
	defer r.traceAdmit(start)
	grant, e := r.g.queue.Acquire(r.ctx, &r.x.Call, r.wantsRoom(admit.Ask{Targets: targets, Last: !rest, NotBefore: notBefore}))
	if e != nil {
		r.queued += time.Since(start)
		return grant, e
	}
	r.queued += grant.Waited
	r.place(&grant)
	return grant, nil
}

// attempt makes one attempt and gives the slot back. An error means that nothing has reached the client. If r.committed
// is set, the call is over, and the client has been told all there is in its stream.
func (r *run) attempt(grant admit.Grant[pace.Lease]) (e *llm.Error) {
	span := r.beginAttempt(&grant)
	defer func() { r.attempted(span, e) }()
	answer, stop, e := r.ask(span)
	if e != nil {
		return e
	}
	defer stop()
	defer answer.Close()
	if r.x.Call.Op == llm.OpRaw {
		return r.relayRaw(answer)
	}
	if answer.Status >= 300 {
		return r.readError(answer)
	}
	if r.leg.inner && isWhole(answer.Header) {
		r.leg.inner = false
	}
	r.consumed.begun = true
	if e := checkEncoding(answer.Header); e != nil {
		return e
	}
	switch {
	case isMedia(r.x.Call.Op):
		return r.media(answer)
	case r.streams():
		return r.relay(answer)
	}
	return r.whole(answer)
}

// beginAttempt opens the books of an attempt. Like ask it is kept out of line: what both need is not on the stack of an open stream.
//
//go:noinline
func (r *run) beginAttempt(grant *admit.Grant[pace.Lease]) *obs.Span {
	if r.info == nil || r.target != grant.Target { // what is learned of a target holds for the call, even if nobody else keeps it
		r.info = r.snap.info(r.g.metrics, grant.Target, r.configured)
	}
	r.target, r.lease, r.receipt = grant.Target, grant.Lease, grant.Receipt
	if !slices.Contains(r.asked, grant.Target) {
		r.unpay()
		r.asked = append(r.asked, grant.Target)
	}
	r.paid = false
	r.attempts++
	r.sent, r.unsent = time.Now(), true
	r.headers, r.connect, r.first, r.consumed, r.billed = 0, 0, time.Time{}, consumed{}, llm.Usage{}
	return r.span.Attempt("attempt", r.sent)
}

// ask writes the request in the target's words and sends it. stop must be called when the attempt is over, if there is no error.
//
//go:noinline
func (r *run) ask(span *obs.Span) (answer *upstream.Answer, stop func(), e *llm.Error) {
	rq, e := r.request(span)
	if e != nil {
		return nil, nil, e
	}
	r.unsent = false
	r.armHedge()
	answer, stop, e = r.send(rq)
	if e != nil {
		stop()
		r.consumed.begun = mayHaveWorked(e)
		return nil, nil, e
	}
	r.headers, r.connect = time.Since(r.sent), answer.Connect()
	r.told(answer.Header)
	return answer, stop, nil
}

// attempted closes the books of an attempt.
func (r *run) attempted(span *obs.Span, e *llm.Error) {
	now := time.Now()
	r.bill()
	if r.resc != nil && e != nil {
		r.resc.before = r.resc.before.Plus(r.billed)
	}
	out := pace.Outcome{Duration: now.Sub(r.sent), Whole: !r.streams() || isMedia(r.x.Call.Op)}
	switch {
	case e != nil:
		out.Kind, out.RetryAfter, out.Scope, out.Window = e.Kind, e.RetryAfter, e.Scope, e.Window
		out.Status, out.Code = e.ProviderStatus, e.ProviderCode
		r.upstream += out.Duration
	case r.err != nil: // broke after the commit point, or is a refusal that was relayed as it came
		out.Kind, out.RetryAfter, out.Scope, out.Window = r.err.Kind, r.err.RetryAfter, r.err.Scope, r.err.Window
		out.Status, out.Code = r.err.ProviderStatus, r.err.ProviderCode
	}
	if !r.first.IsZero() {
		out.FirstToken = r.first.Sub(r.sent)
	}
	r.used(&out)
	r.lease.Done(out)
	r.g.queue.Used(r.receipt, r.billed.Input, r.billed.Output)
	r.info.target.Attempt(out.Kind)
	r.traceAttempt(span, out.Kind, now)
	if r.unsent {
		r.attempts--
	}
}

func (r *run) traceParent(span *obs.Span) string {
	if tp := span.TraceParent(); tp != "" {
		return tp
	}
	return r.x.Call.TraceParent
}

// readError classifies an answer that is no success. Where the provider did not send all of its body, what there is
// and the status say more than that.
func (r *run) readError(answer *upstream.Answer) *llm.Error {
	body, e := readAll(answer, maxErrorBody, "")
	if e != nil && e.Kind.Cause() != llm.ByProvider {
		return e
	}
	body = r.info.account.Redact(body)
	e = r.leg.back.ClassifyError(answer.Status, answer.Header, body, time.Now())
	if !r.leg.same {
		e.Body = nil // in words that the client does not know
	}
	return e
}

// checkEncoding refuses an answer that Sluice cannot read, streamed or not.
func checkEncoding(h http.Header) *llm.Error {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return llm.Errorf(llm.KindBadAnswer, "the provider answered with content encoding %.40q, which was not asked for", enc)
	}
	return nil
}

// whole relays an answer that comes in one piece. It is read to its end before anything is sent on, so that one that is
// cut can be asked for again.
func (r *run) whole(answer *upstream.Answer) *llm.Error {
	body, e := readAll(answer, r.info.account.MaxAnswer, "max_answer")
	if e != nil {
		if r.x.Call.Op != llm.OpEmbedding && e.Kind != llm.KindBadAnswer {
			r.consumed.outBytes = int64(len(body)) // part of an answer cannot be read; little of it is not text
		}
		return e
	}
	out, a, e := r.understand(body)
	if e != nil {
		return e
	}
	if out, a, e = r.formed(out, a); e != nil {
		return e
	}
	if e := r.claim(); e != nil {
		return e
	}
	r.tellWhole(out, a)
	r.first = time.Now()
	r.commit(answer.Header)
	r.sendWhole(answer.Status, out)
	return nil
}

// understand reads a whole answer and returns it as the client is to have it; a is it in neutral words, if it was translated.
func (r *run) understand(body []byte) (out []byte, a *llm.Answer, e *llm.Error) {
	if !r.leg.same {
		return r.translated(body)
	}
	got, e := r.leg.back.Scan(r.x.Call.Op, body)
	if e != nil {
		r.consumed.refused = e.Kind != llm.KindBadAnswer
		return nil, nil, e
	}
	r.consumed.usage, r.consumed.reported, r.consumed.outBytes, r.consumed.tier = got.Usage, got.HasUsage, int64(got.OutputBytes), got.Tier
	if !got.Complete {
		return nil, nil, noFinish()
	}
	if r.snap.RequestedName {
		body = got.AppendAnswer(make([]byte, 0, len(body)+len(r.x.Call.Model)), body, r.x.Call.Model)
	}
	return body, nil, nil
}

// readAll reads an answer of at most limit bytes; name is the limit's setting.
func readAll(answer *upstream.Answer, limit int64, name string) ([]byte, *llm.Error) {
	size := int64(2 << 10)
	if answer.Length >= 0 {
		size = answer.Length + 1 // one more, so that the last read finds the end
	}
	buf := make([]byte, 0, min(size, limit+1))
	for {
		n, err := answer.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return buf[:limit], tooMuch("the provider's answer is over %d bytes (%s)", limit, name)
		}
		switch {
		case err == nil:
		case isEOF(err) && (answer.Length < 0 || int64(len(buf)) == answer.Length):
			return buf, nil
		default:
			return buf, answer.Fail(err)
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
	}
}

// tooMuch makes the error for an answer that is over one of our limits. The same target would answer as much again, at the
// same cost.
func tooMuch(format string, args ...any) *llm.Error {
	e := llm.Errorf(llm.KindBadAnswer, format, args...)
	e.Sent, e.Advice = llm.WasSent, llm.DoNotRetry
	return e
}

// commit marks the point after which the call can no longer be tried elsewhere, and sets the headers of the answer.
func (r *run) commit(from http.Header) {
	r.committed = time.Now()
	r.shown = r.first
	r.upstream += r.first.Sub(r.sent)
	h := r.w.Header()
	r.answerHeaders(h, from)
	h["X-Sluice-Target"] = r.info.header
	r.commonHeaders(h, r.committed)
}

// commonHeaders sets what every answer of a call carries.
func (r *run) commonHeaders(h http.Header, now time.Time) {
	call := &r.x.Call
	total := now.Sub(call.Start)
	r.overhead = max(total-r.queued-r.upstream, 0)
	h["X-Sluice-Attempts"] = []string{strconv.Itoa(r.attempts)}
	h["X-Sluice-Queue-Ms"] = []string{strconv.FormatInt(r.queued.Milliseconds(), 10)}
	h["X-Sluice-Overhead-Us"] = []string{strconv.FormatInt(r.overhead.Microseconds(), 10)}
	h["X-Sluice-Cache"] = []string{"off"}
	r.quotaHeaders(h, now)
	h["Server-Timing"] = []string{r.serverTiming(total)}
}

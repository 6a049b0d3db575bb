// Package gateway takes one call from its start to its end: it charges the key, plans the route, asks for admission, sends
// attempts, retries and fails over until the commit point, relays the answer, and settles everything that was
// reserved. It is the only place that composes the stages and the only one that retries. Every call runs on the
// goroutine that brought it.
package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/dialect"
	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
	"sluice/internal/shape"
)

// Exchange is a call as it comes from a front: checked, not yet planned. The gateway owns it until Do returns.
type Exchange struct {
	Call    llm.Call // Front is the dialect of Body
	Key     *auth.Principal
	Request dialect.Request // what Body says
	Body    []byte
	Path    string      // of the front, below its version, for example "/chat/completions"
	Query   string      // raw, without credentials
	Header  http.Header // of the client
	// Head is what a translated answer says about itself and the request.
	Head llm.Head
	// Chat is the request in neutral words, for a target of another dialect; nil until one needs it. A front that has
	// made it (a conversation that Sluice keeps) sets it together with the Body for targets of its own dialect.
	Chat *llm.Chat
	// OnAnswer, if set, is called once with a complete answer, before the client is sent the end of it: raw is its body where the target
	// speaks the front's dialect (and, of a stream, repeats it at its end), a the answer otherwise. Both are the callee's. by is the target
	// that has it as its own; nil if it is that of several. It may be called on another goroutine than Do, before that returns.
	OnAnswer func(raw []byte, a *llm.Answer, by *llm.Target)

	// Upload is the body instead of Body, for operations that are streamed through.
	Upload *Upload
	// Method and Provider are of what is relayed raw: the HTTP method, and the account's name in the configuration.
	Method, Provider string

	Retried int           // how often the client says it has retried this call already
	Checked time.Time     // when authentication and parsing were done
	Auth    time.Duration // part of the time until then that finding out who calls has taken
	Waited  time.Duration // since then, for the same call of another process (an idempotency key)
}

// Reply is the caller's end of a call. Exactly one of Whole, Fail or a sequence Begin, Write and Flush... is used. Headers
// may be set until the first of them. It is used by one goroutine.
type Reply interface {
	Header() http.Header
	// Whole sends a complete answer.
	Whole(status int, body []byte)
	// Begin opens a stream with status 200.
	Begin()
	// Write adds a part to a stream. It need not be sent before Flush. The error is KindCanceled or KindSlowClient.
	Write(p []byte) *llm.Error
	// Flush sends what was written. The error is as that of Write.
	Flush() *llm.Error
	// Fail sends an error in the caller's dialect: as a whole answer, or, in a stream that has begun, as event, which is in that
	// dialect already.
	Fail(e *llm.Error, event []byte)
}

// Gateway runs calls. It is safe for concurrent use.
type Gateway struct {
	// set once
	queue   *admit.Queue[pace.Lease]
	ledger  *ledger.Ledger
	metrics *obs.Metrics
	tracer  *obs.Tracer
	log     *slog.Logger
	budgets *budgets
	signed  *signatures
	counter *model.Counter
	forms   shape.Cache

	estimate Estimator
	never    NeverFunc // nil if there is none

	snapshot atomic.Pointer[Snapshot]
}

// New returns a gateway without a snapshot: Swap must be called before the first call.
func New(q *admit.Queue[pace.Lease], est Estimator, l *ledger.Ledger, m *obs.Metrics, t *obs.Tracer, log *slog.Logger) *Gateway {
	return &Gateway{queue: q, estimate: est, ledger: l, metrics: m, tracer: t, log: log, budgets: newBudgets(), signed: newSignatures(), counter: model.NewCounter()}
}

// Swap puts a new snapshot in force. Calls under way keep the one that they began with.
func (g *Gateway) Swap(s *Snapshot) {
	g.snapshot.Store(s)
	g.budgets.keep(s.Routes)
}

// Snapshot returns the snapshot in force.
func (g *Gateway) Snapshot() *Snapshot { return g.snapshot.Load() }

// Do runs a call to its end. When it returns, the caller has its answer or its error, every reservation is settled, and
// the call's row is in the ledger. Canceling ctx ends the call; its cause tells why.
func (g *Gateway) Do(ctx context.Context, x *Exchange, w Reply) {
	r := runs.Get().(*run) // on the stack it would make that grow, which a stream then holds for its life
	defer r.release()
	r.g, r.snap, r.x, r.w, r.ctx = g, g.snapshot.Load(), x, w, ctx
	r.bytesIn, r.queued = int64(len(x.Body)), x.Waited
	g.metrics.CallStarted()
	defer g.metrics.CallEnded()
	if !g.ledger.Reserve() {
		r.refuse(llm.Errorf(llm.KindLedgerFull, "the ledger's backlog is full (ledger.backlog): calls are refused until it can be written"))
		return
	}
	r.traceStart()
	defer r.settle() // appends the row to the place that was reserved
	r.serve()
	r.returned = true
}

// serve answers a call that has its place in the ledger.
func (r *run) serve() {
	defer r.discharge()
	if r.x.Call.Op == llm.OpRaw {
		r.serveRaw()
		return
	}
	plan, e := r.plan()
	if e != nil {
		r.fail(e)
		return
	}
	if r.x.Call.Op == llm.OpCountTokens && r.countHere(&plan) {
		return // which took nothing of anybody
	}
	if plan.Tiers = r.able(plan.Tiers); len(plan.Tiers) == 0 {
		r.fail(llm.Errorf(llm.KindUnsupported, "no target of the model %q can be asked for %s", r.x.Call.Model, r.x.Call.Op))
		return
	}
	if e := r.reserve(&plan); e != nil {
		r.fail(e)
		return
	}
	r.limit()
	parts, e := r.split(&plan)
	switch {
	case e != nil:
	case parts != nil:
		e = r.attemptParts(plan, parts)
	case r.x.Call.Op == llm.OpEmbedding:
		e = r.attemptFitting(plan)
	default:
		e = r.attemptAll(plan)
	}
	if e != nil {
		r.fail(e)
	}
}

// plan finds the targets of the call's model and checks that the key may use it.
func (r *run) plan() (route.Plan, *llm.Error) {
	name := r.x.Call.Model
	plan, e := r.snap.Routes.Plan(name, rand.Uint64())
	if e != nil {
		return plan, e
	}
	if !r.x.Key.Allows(name) && !r.x.Key.Allows(sameTarget(plan, name)) {
		e := llm.Errorf(llm.KindModelForbidden, "the key %q may not use the model %q (keys.models)", r.x.Key.Name(), name)
		e.Param = "model"
		return plan, e
	}
	r.settings = r.snap.settings(plan.Public)
	r.public, r.configured = plan.Public, plan.Configured
	r.budget = r.g.budgets.of(&plan)
	r.planned = time.Now()
	return plan, nil
}

// sameTarget returns the target's full name if model is only another way to write it, so that a key for "openai/*" may
// ask for "gpt-4o". For an alias it returns the alias.
func sameTarget(plan route.Plan, model string) string {
	if plan.Alias {
		return model
	}
	return plan.Tiers[0][0].Name
}

// limit sets when the call must be over: at the caller's deadline, or after the model's total timeout if that comes first.
func (r *run) limit() {
	call := &r.x.Call
	r.endSetting = "X-Sluice-Deadline"
	if total := r.settings.Timeouts.Total; total > 0 {
		if end := call.Start.Add(total); call.Deadline.IsZero() || end.Before(call.Deadline) {
			call.Deadline, r.endSetting = end, "timeouts.total"
		}
	}
}

package pace

import (
	"strings"
	"sync"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/model"
)

// maxTargets bounds the targets of an account whose state is kept. Clients can make up model names
// (`provider/anything`), so the number is not given by configuration.
const maxTargets = 4096

// sweepEvery is the least time between two searches for targets that can be forgotten.
const sweepEvery = time.Second

// Limits is what configuration says about capacity.
type Limits struct {
	Providers []ProviderLimits
}

// ProviderLimits are the limits of one provider account.
type ProviderLimits struct {
	Name        string
	Concurrency int // calls at a time over all models; 0 means no limit
	Quotas      []QuotaLimits
	Targets     map[string]int // calls at a time of one model, by the model's name at the provider

	Adaptive     bool // the number of calls at a time is found out for each model
	MostAdaptive int  // the most that it, or a quota's, can be; 0 means 1,000
}

// QuotaLimits is a limit shared by some models of an account.
type QuotaLimits struct {
	Models   []string // names or patterns (model.Match); empty means all
	Terms    limit.Terms
	Adaptive bool // calls at a time are found out for each of the models
}

func (q *QuotaLimits) name() string {
	if len(q.Models) == 0 {
		return "*"
	}
	return strings.Join(q.Models, ",")
}

func (q *QuotaLimits) covers(name string) bool {
	for _, p := range q.Models {
		if model.Match(p, name) {
			return true
		}
	}
	return len(q.Models) == 0
}

// places counts what is in use of one concurrency limit.
type places struct {
	limit int // 0 means none
	used  int
}

func (p *places) full() bool { return p.limit > 0 && p.used >= p.limit }

// account is the state of one provider account. One mutex covers all of it: a call takes its places at the account,
// its quotas and its target at once or not at all, so no place is ever held that must be given back.
type account struct {
	name string // set once

	mu      sync.Mutex
	health  health // of trouble that is that of all targets
	check   check
	changes []Change // of breakers, not yet reported; nil mostly
	use     places
	quotas  []*quota
	limits  map[string]int // of single models

	adaptive     bool
	mostAdaptive int

	targets map[string]*target
	swept   time.Duration // time of the last sweep
}

// target is the state of one model at the account. Guarded by the account's mu.
type target struct {
	name   string // provider/model
	use    places
	quotas []*quota     // that cover it, and its own
	sets   []*limit.Set // of the quotas
	own    *quota       // what is found out where no limits are declared; nil until there are none
	health health

	latency *latency // nil until the first sample

	adaptive *adaptive // nil if the number of calls is not to be found out
}

func newAccount(name string, f *Fleet) *account {
	return &account{name: name, targets: map[string]*target{}, health: health{rules: &f.rules}}
}

// ask says whether the breakers let a call start: the account's, then the target's. all and own say at which of the two it
// has to be reported to try. The caller holds a.mu.
func (a *account) ask(tg *target, now time.Duration, last bool) (r Refusal, until time.Duration, all, own bool) {
	if r, until, all = a.health.ask(now, last); r != Started {
		return r, until, false, false
	}
	r, until, own = tg.health.ask(now, last)
	return r, until, all, own
}

// record takes the outcome of a call to the breakers, and reports whether checks have come to be wanted. The caller holds
// a.mu.
func (a *account) record(le *lease, o *Outcome, now time.Duration) (wanted bool) {
	tg := le.target
	b := le.f.rules.Load()
	if o.Kind == llm.KindNone {
		a.succeed(le)
		a.health.recent.add(now, b.Window, false)
		tg.health.recent.add(now, b.Window, false)
		return false
	}
	probedAll, probed := a.health.give(le), tg.health.give(le)
	cause := causeOf(o.Kind, o.Window)
	scope := scopeOf(cause, o.Scope)
	h, of := &tg.health, tg
	if scope != llm.ScopeModel {
		h, of, probed = &a.health, nil, probedAll
	}
	if of != nil && le.trialAll && a.health.cause == Unreachable && answered(o.Kind) && a.health.succeed(true) {
		a.closed(nil) // whatever it says, it is there
	}
	t := troubleOf(cause, scope, o)
	switch {
	case cause == NoCause:
		return false
	case cause == MinuteQuota && (le.paced() || le.need.Op == llm.OpCountTokens):
		return false // the quota's business, or that of a limit on counting alone
	case (cause == MinuteQuota || cause == DayQuota) && o.RetryAfter > 0:
		if h.rest(t, o.RetryAfter, now) && cause == DayQuota {
			a.rested(h, of, now)
		}
		return false
	case h.fail(t, o.RetryAfter, probed, now):
		a.changed(of)
	}
	return (h.away() || h.suspect()) && a.want(now, b)
}

// succeed takes a success to the breakers. The caller holds a.mu.
func (a *account) succeed(le *lease) (closed bool) {
	if a.health.succeed(le.trialAll) {
		a.closed(nil)
		closed = true
	}
	if le.target.health.succeed(le.trial) {
		a.closed(le.target)
		closed = true
	}
	return closed
}

// answered reports whether an error of a kind is in an answer of the provider's, so that there is a way to it.
func answered(k llm.Kind) bool {
	switch k {
	case llm.KindRejected, llm.KindContentFilter, llm.KindContextLength, llm.KindProviderAuth, llm.KindRateLimited,
		llm.KindQuotaExhausted, llm.KindOverloaded, llm.KindServerError, llm.KindProviderStream:
		return true
	default:
		return false
	}
}

// room reports which limit keeps the target from starting one more call.
func (tg *target) room(a *account) Refusal {
	if a.use.full() {
		return FullAccount
	}
	if tg.use.full() || tg.adaptive.full(tg.use.used) {
		return Full
	}
	return Started
}

// target returns the state of t. The caller holds a.mu. When there are too many targets and none can be forgotten, the
// state is good for this call only: its quotas count, its breaker has no memory.
func (a *account) target(t *llm.Target, f *Fleet) *target {
	if tg := a.targets[t.Model]; tg != nil {
		return tg
	}
	tg := &target{name: t.Name, use: places{limit: a.limits[t.Model]}}
	a.cover(tg, t.Model, f)
	tg.health.rules = &f.rules
	a.adapt(tg, f.now())
	if len(a.targets) >= maxTargets {
		a.sweep(f.now())
	}
	if len(a.targets) < maxTargets {
		a.targets[t.Model] = tg
	}
	return tg
}

// sweep forgets targets that have nothing to remember.
func (a *account) sweep(now time.Duration) {
	if a.swept > 0 && now-a.swept < sweepEvery {
		return
	}
	a.swept = now
	for name, tg := range a.targets {
		if tg.use.used == 0 && tg.health.settled(now) {
			delete(a.targets, name)
		}
	}
}

// cover gives a target the quotas that its model belongs to. If none of them declares budgets, it has one of its own, for what is found out.
func (a *account) cover(tg *target, model string, f *Fleet) {
	tg.quotas, tg.sets = nil, nil
	declared := false
	for _, q := range a.quotas {
		if q.limits.covers(model) {
			tg.quotas = append(tg.quotas, q)
			declared = declared || len(q.limits.Terms.Limits) > 0
		}
	}
	if declared {
		tg.own = nil
	} else {
		if tg.own == nil {
			tg.own = f.newQuota(a.name, QuotaLimits{Models: []string{model}}, true)
		}
		tg.quotas = append(tg.quotas, tg.own)
	}
	for _, q := range tg.quotas {
		tg.sets = append(tg.sets, q.set)
	}
}

// update sets the limits. A quota over the same models keeps its count.
func (a *account) update(p *ProviderLimits, f *Fleet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.use.limit = p.Concurrency
	a.limits = p.Targets
	a.adaptive, a.mostAdaptive = p.Adaptive, p.MostAdaptive
	old := make(map[string]*quota, len(a.quotas))
	for _, q := range a.quotas {
		old[q.limits.name()] = q
	}
	a.quotas = make([]*quota, 0, len(p.Quotas))
	for _, l := range p.Quotas {
		q := old[l.name()]
		if q == nil {
			q = f.newQuota(a.name, l, false)
		}
		q.update(f.time(f.now()), l)
		a.quotas = append(a.quotas, q)
	}
	for name, tg := range a.targets {
		tg.use.limit = a.limits[name]
		a.cover(tg, name, f)
		a.adapt(tg, f.now())
	}
}

// renew forgets trouble. Calls under way go on, and say what they say of the new account. The caller holds a.mu.
func (a *account) renew() {
	if a.health.forget() {
		a.closed(nil)
	}
	for _, tg := range a.targets {
		if tg.health.forget() {
			a.closed(tg)
		}
	}
	a.check = check{active: a.check.active, running: a.check.running, begun: a.check.begun}
}

// idle reports whether nothing of the account is in use or worth remembering.
func (a *account) idle(now time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.use.used > 0 || a.check.running || !a.health.settled(now) {
		return false
	}
	for _, tg := range a.targets {
		if !tg.health.settled(now) {
			return false
		}
	}
	return true
}

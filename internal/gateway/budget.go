package gateway

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"sluice/internal/llm"
	"sluice/internal/route"
)

// retryBudget bounds repeated attempts to a share of calls, so that an outage does not multiply the load on a target. Each
// call pays in its share, each attempt at a target that the call has asked before takes one out. The balance is kept in
// thousandths, between 0 and a small reserve that lets a quiet model retry at all.
type retryBudget struct {
	milli  atomic.Int64
	hedges hedgeBudget // of the same model
}

const budgetReserve = 10_000

func newRetryBudget() *retryBudget {
	b := &retryBudget{}
	b.milli.Store(budgetReserve)
	return b
}

func (b *retryBudget) deposit(share float64) {
	if b.milli.Load() < budgetReserve { // may overshoot by a few calls' shares: harmless
		b.milli.Add(int64(share * 1000))
	}
}

func (b *retryBudget) withdraw() bool {
	if b.milli.Add(-1000) >= 0 {
		return true
	}
	b.refund()
	return false
}

// refund gives back what was taken for an attempt that did not follow.
func (b *retryBudget) refund() { b.milli.Add(1000) }

// maxListedBudgets bounds how many models have a budget of their own without being a name under models.
const maxListedBudgets = 1024

// budgets has a budget for each public model name. It lives across reloads.
type budgets struct {
	common *retryBudget // of all names that clients make up

	named atomic.Pointer[map[string]*retryBudget] // never changed, only replaced

	mu sync.Mutex // held while named is replaced
}

func newBudgets() *budgets {
	b := &budgets{common: newRetryBudget()}
	b.named.Store(&map[string]*retryBudget{})
	return b
}

// of returns the budget of a plan's model.
func (b *budgets) of(p *route.Plan) *retryBudget {
	if !p.Configured {
		return b.common
	}
	if one := (*b.named.Load())[p.Public]; one != nil {
		return one
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.named.Load()
	if one := old[p.Public]; one != nil {
		return one
	}
	if len(old) >= maxListedBudgets && !p.Alias {
		return b.common
	}
	named, one := maps.Clone(old), newRetryBudget()
	named[p.Public] = one
	b.named.Store(&named)
	return one
}

// keep forgets the budgets of names that a table does not know.
func (b *budgets) keep(t *route.Table) {
	b.mu.Lock()
	defer b.mu.Unlock()
	named := maps.Clone(*b.named.Load())
	maps.DeleteFunc(named, func(name string, _ *retryBudget) bool {
		p, e := t.Plan(name, 0)
		return e != nil || !p.Configured
	})
	b.named.Store(&named)
}

// pay takes the next attempt out of the model's budget, if every target of its tier has been asked in this call: asking
// another one is no repetition. It reports false if the budget does not allow it. What was paid stands until the attempt begins, or unpay.
func (r *run) pay(tier []*llm.Target) bool {
	if r.attempts == 0 || r.requeued || r.unasked(tier) {
		return true
	}
	r.paid = r.paid || r.budget.withdraw()
	return r.paid
}

// unasked reports whether a target of a tier has not been asked in this call.
func (r *run) unasked(tier []*llm.Target) bool {
	return slices.ContainsFunc(tier, func(t *llm.Target) bool { return !slices.Contains(r.asked, t) })
}

// unpay gives back what was paid for an attempt that does not follow, or goes to a target not asked before.
func (r *run) unpay() {
	if r.paid {
		r.paid = false
		r.budget.refund()
	}
}

// overBudget says in a call's error why nothing more was tried.
func (r *run) overBudget(e *llm.Error) *llm.Error {
	r.overspent = true
	e.Message += " (no further attempt was made: the model's retries are used up, retry.budget)"
	return e
}

package pace

import (
	"cmp"
	"slices"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// quota is a limit shared by some models of an account, or what has been found out about one target that configuration says nothing of.
// Guarded by the account's mu, as far as it is not the set's own business.
type quota struct {
	limits  QuotaLimits
	own     bool // of a single target, not declared
	set     *limit.Set
	learner *learner // nil: nothing is learned
}

// held is what a call has taken of one quota.
type held struct {
	quota  *quota
	ticket ticket
}

// newQuota returns a quota of which nothing is used. The name of its set is the same at all replicas.
func (f *Fleet) newQuota(account string, l QuotaLimits, own bool) *quota {
	now := f.time(f.now())
	t := l.Terms
	t.Shape = lenient(t.Shape)
	q := &quota{limits: l, own: own, set: limit.NewSet(now, account+"/"+l.name(), t)}
	q.set.OnFreed(f.reopened, f.regranted)
	q.learner = newLearner(q.set, l.Terms, !own)
	return q
}

// Calls that are sent in one order arrive in another, and some much later than others when many are sent at once; where a quota is used to the
// last token, each that is counted too early or too late is refused. These are the margins for that where nothing else is known. That of
// windows is the least, since nothing is sent around their ends; those of slices, too, since they come every second.
const (
	minuteSlack = 200 * time.Millisecond
	windowSlack = 40 * time.Millisecond
	sliceSlack  = 8 * time.Millisecond
)

// lenient gives a shape the usual margin, if it has none.
func lenient(s limit.Shape) limit.Shape {
	switch {
	case s.Slack != 0:
	case s.Mode == limit.Slices || s.Mode == limit.Unknown:
		s.Slack = sliceSlack
	case s.Mode == limit.Fixed:
		s.Slack = windowSlack
	case s.Mode == limit.Bucket && s.Burst > 0:
		s.Slack = min(minuteSlack, s.Burst/20)
	default:
		s.Slack = minuteSlack
	}
	return s
}

// update replaces what is declared. What is learned of the shape stays, unless the configuration says it.
func (q *quota) update(now time.Time, l QuotaLimits) {
	same := q.limits.Terms.Equal(l.Terms)
	q.limits = l
	if same {
		return
	}
	t := l.Terms
	if t.Shape == (limit.Shape{}) {
		t.Shape = q.set.Terms().Shape
	}
	t.Shape = lenient(t.Shape)
	q.set.Update(now, t)
	if q.learner != nil {
		q.learner.update(now, l.Terms)
	}
}

// paced reports whether the quota has budgets of a minute or less, so that a 429 is its business.
func (q *quota) paced() bool { return q.set.Waits() }

// time returns the time that is so long after the fleet was made.
func (f *Fleet) time(now time.Duration) time.Time { return f.epoch.Add(now) }

// reopened reports that more may start than was said before, at some quota. It is called with locks held.
func (f *Fleet) reopened() { f.stirred.Store(true) }

// regranted reports that replicas have shared a quota anew.
func (f *Fleet) regranted() {
	if f.freed != nil {
		f.freed(nil)
	}
}

// stir passes on what reopened has noted. No lock is held.
func (f *Fleet) stir() {
	if f.freed != nil && f.stirred.Load() && f.stirred.CompareAndSwap(true, false) {
		f.freed(nil)
	}
}

// reserve takes what a call needs of all quotas of its target, or of none. The caller holds the account's mu and ends the lease on refusal.
func (le *lease) reserve(now time.Time, tg *target, t *limit.Try) (r Refusal, until time.Time) {
	for _, q := range tg.quotas {
		if q.learner == nil {
			continue
		}
		if ok, at := q.learner.ask(now, t); !ok {
			for _, s := range tg.sets {
				s.Claim(now, t, at)
			}
			return Short, at
		}
	}
	le.hold(tg)
	switch a, at := limit.ReserveAll(now, tg.sets, t, le.taken); a {
	case limit.Full:
		return Full, time.Time{}
	case limit.Short:
		return Short, at
	}
	for i := range le.held {
		if h := &le.held[i]; h.quota.learner != nil {
			h.quota.learner.sent(now, &t.Need, &h.ticket)
		}
	}
	return Started, time.Time{}
}

// hold makes place for the reservations of a target's quotas.
func (le *lease) hold(tg *target) {
	n := len(tg.quotas)
	if cap(le.held) < n {
		le.held, le.taken = make([]held, n), make([]limit.Reservation, n)
	}
	le.held, le.taken = le.held[:n], le.taken[:n]
	for i, q := range tg.quotas {
		le.held[i].quota = q
	}
}

// limits takes in what the headers of an answer say. The caller holds the account's mu.
func (le *lease) limits(now time.Time, h *llm.RateLimits) {
	for i := range le.held {
		if q := le.held[i].quota; q.learner != nil {
			q.learner.answered(now, &le.taken[i], &le.held[i].ticket, h)
		}
	}
}

// settle ends what the call has taken of quotas. The caller holds the account's mu.
func (le *lease) settle(now time.Time, o *Outcome) {
	limited := refusedForNow(o)
	for i := range le.held {
		q, r := le.held[i].quota, &le.taken[i]
		if limited && q.paced() {
			q.set.Refused(now, r, o.RetryAfter)
		}
		if q.learner != nil {
			if limited {
				q.learner.refused(now, r, &le.held[i].ticket, o)
			} else {
				q.learner.done(now, r, &le.held[i].ticket, o)
			}
		}
		switch {
		case o.Used:
			q.set.Settle(now, r, o.Usage, true)
		case unsent(o.Kind):
			q.set.Refund(now, r, false)
		case o.Kind == llm.KindRateLimited || o.Kind == llm.KindQuotaExhausted || o.Kind == llm.KindOverloaded:
			q.set.Refund(now, r, true)
		default:
			q.set.Settle(now, r, llm.Usage{}, false)
		}
		le.held[i] = held{}
	}
	le.held, le.taken = le.held[:0], le.taken[:0]
}

// refusedForNow reports whether a quota of a minute has refused the call.
func refusedForNow(o *Outcome) bool {
	return o.Kind == llm.KindRateLimited && o.Window != llm.PerDay
}

// unsent reports whether the provider cannot have seen the call.
func unsent(k llm.Kind) bool { return k == llm.KindUnreachable || k == llm.KindConnectTimeout }

// paced reports whether a 429 is the business of a quota of the call's target, not of its breaker. The caller holds the account's mu.
func (le *lease) paced() bool {
	return slices.ContainsFunc(le.held, func(h held) bool { return h.quota.paced() })
}

// eachQuota calls f for all quotas of an account: those declared, then those of single targets of which something is known. The caller holds mu.
func (a *account) eachQuota(f func(*quota)) {
	for _, q := range a.quotas {
		f(q)
	}
	for _, tg := range a.targets {
		if q := tg.own; q != nil && q.set.Limited() {
			f(q)
		}
	}
}

// Sets returns the sets of all quotas that limit anything, by name.
func (f *Fleet) Sets() []*limit.Set {
	var sets []*limit.Set
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		a.eachQuota(func(q *quota) {
			if q.set.Limited() {
				sets = append(sets, q.set)
			}
		})
		a.mu.Unlock()
	}
	slices.SortFunc(sets, func(a, b *limit.Set) int { return cmp.Compare(a.Name(), b.Name()) })
	return sets
}

// Members returns the same for replicas to share.
func (f *Fleet) Members() []limit.Member {
	sets := f.Sets()
	members := make([]limit.Member, len(sets))
	for i, s := range sets {
		members[i] = s
	}
	return members
}

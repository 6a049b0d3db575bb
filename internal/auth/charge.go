package auth

import (
	"time"

	"sluice/internal/llm"
)

// Order is what a call asks of its key's limits.
type Order struct {
	Need     llm.Need
	User     string // end user that the client named; empty if it named none
	NanoUSD  int64  // what the call may cost at most by the estimate, in billionths of a US dollar
	Unpriced bool   // the price is not known
}

// Charge is what a key, and its end user, have been charged for one call. It is a value: copies are the same charge. The zero Charge is not
// valid.
type Charge struct {
	p     *Principal
	place int32  // of the lease in the account
	gen   uint32 // 0 if nothing is limited
}

// Reserve charges a call to the limits of the key, its tier and its end user: requests, tokens, money, and calls under way. If one of them
// does not allow it, nothing is charged and the error says which, and when to come back: KindKeyConcurrency, KindKeyRate, KindKeyBudget, or
// KindModelForbidden for a call of unknown price where money is limited. A charge must be settled exactly once, and before the call's row is
// appended to the ledger: what the ledger has beyond what was settled counts as others' (see period.told).
//
// Nothing waits but the first call of an end user whose day or month is limited: for the ledger's database, at most lookupTime.
func (p *Principal) Reserve(now time.Time, o Order) (Charge, *llm.Error) {
	if p.key == nil && (p.user == nil || o.User == "") {
		p.account.loose.Add(1)
		return Charge{p: p}, nil
	}
	if e := p.unpriced(&o); e != nil {
		return Charge{}, e
	}
	n := need{tokens: max(o.Need.Tokens(), 0), nano: max(o.NanoUSD, 0)}
	a := p.account
	a.mu.Lock()
	var u *userMeter
	if p.user != nil && o.User != "" {
		if u = p.findUser(o.User, now); u == nil {
			a.mu.Unlock()
			return Charge{}, p.tooManyUsers()
		}
	}
	at := a.moment(now)
	l := lease{user: u, day: at.day, month: at.month, tick: at.tick(), need: n, live: true}
	a.share.ask(n, now)
	a.day.at(at.day)
	a.month.at(at.month)
	r := p.check(&l, &at)
	if r.bound == nil {
		c := p.take(&l)
		a.mu.Unlock()
		return c, nil
	}
	a.mu.Unlock()
	return Charge{}, p.refuse(&r, &at, o.User)
}

// check says whether the limits of the key and of the user allow a call. The caller holds the account.
func (p *Principal) check(l *lease, at *moment) (r refusal) {
	a := p.account
	if p.key != nil {
		a.move(p.key, at)
		r = a.check(p.key, at, l.need, a.loose.Load(), a.share.parts(at.now, a.among))
		if r.bound == nil {
			r = a.share.check(p.key, at, l.need, a.running+a.loose.Load())
		}
	}
	if l.user != nil {
		l.user.move(p.user, at)
		u := l.user.check(p.user, at, l.need, 0, whole)
		u.user = true
		r = r.worse(u)
	}
	return r
}

// take reserves what a call needs, and gives it a place. The caller holds the account.
func (p *Principal) take(l *lease) Charge {
	a := p.account
	a.take(l)
	a.share.spend(amounts{1, l.need.tokens, l.need.nano})
	if l.user != nil {
		l.user.take(l)
	}
	place := a.place()
	l.gen = a.leases[place].gen + 1
	if l.gen == 0 {
		l.gen = 1 // 0 stands for nothing limited
	}
	a.leases[place] = *l
	return Charge{p: p, place: place, gen: l.gen}
}

// Settle puts what was used in the place of what was reserved, and ends the call's being under way. A call that no provider has worked on
// gets everything back but the request. It panics if the charge has been settled.
func (c Charge) Settle(now time.Time, u llm.Usage, nanoUSD int64) {
	a := c.p.account
	if c.gen == 0 {
		if a.loose.Add(-1) < 0 {
			panic("BUG: a call of key " + c.p.name + " was settled twice")
		}
		return
	}
	used := need{tokens: max(u.Total(), 0), nano: max(nanoUSD, 0)}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.moment(now)
	l := &a.leases[c.place]
	if !l.live || l.gen != c.gen {
		panic("BUG: a call of key " + c.p.name + " was settled twice")
	}
	a.settle(l, &at, used)
	a.share.spend(amounts{0, used.tokens - l.need.tokens, used.nano - l.need.nano})
	if l.user != nil {
		l.user.settle(l, &at, used)
	}
	*l = lease{gen: l.gen}
	a.free = append(a.free, c.place)
}

// Limits returns the state of the key's limits, and of its end user's, for the headers of an answer: of requests and of tokens the limit that is
// nearest to its end, -1 where there is none. Of a limit of a minute the reset is when all of it is free again, of one of a day its end.
func (c Charge) Limits(now time.Time) llm.RateLimits {
	if c.gen == 0 {
		return llm.NoRateLimits()
	}
	a := c.p.account
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &a.leases[c.place]
	if l.gen != c.gen {
		l = &lease{}
	}
	return c.p.limits(now, l.user)
}

// Limits is Charge.Limits for a call that has not been charged, for example since a limit refused it. user is the end user that it names.
func (p *Principal) Limits(now time.Time, user string) llm.RateLimits {
	if p.key == nil && p.user == nil {
		return llm.NoRateLimits()
	}
	a := p.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.limits(now, a.users.byName[user])
}

// limits is Limits; the caller holds the account.
func (p *Principal) limits(now time.Time, user *userMeter) llm.RateLimits {
	out := llm.NoRateLimits()
	at := p.account.moment(now)
	if p.key != nil {
		p.account.tell(&out, p.key, &at)
	}
	if user != nil && p.user != nil {
		user.tell(&out, p.user, &at)
	}
	return out
}

// tell adds the state of a meter to what an answer's headers say, where it is nearer to its end.
func (m *meter) tell(out *llm.RateLimits, b *bounds, at *moment) {
	m.move(b, at)
	if l := b.of[perMinute].amount; l > 0 {
		tighter(&out.Requests, &out.RequestsLeft, &out.RequestsReset, l, l-m.minute.sum.requests, m.minute.requestsFit(l, l, at.elapsed))
	}
	if l := b.of[tokensPerMinute].amount; l > 0 {
		tighter(&out.Tokens, &out.TokensLeft, &out.TokensReset, l, l-m.minute.sum.tokens, m.minute.tokensFit(l, l, at.elapsed))
	}
	if !b.any(requestsPerDay, tokensPerDay) {
		return
	}
	day, left := &m.day.cur, nextDay(at.now).Sub(at.now)
	used := day.used()
	if l := b.of[requestsPerDay].amount; l > 0 {
		tighter(&out.Requests, &out.RequestsLeft, &out.RequestsReset, l, l-used.requests, left)
	}
	if l := b.of[tokensPerDay].amount; l > 0 {
		tighter(&out.Tokens, &out.TokensLeft, &out.TokensReset, l, l-used.tokens-day.reserved.tokens, left)
	}
}

// tighter puts a limit in the place of another that has more left.
func tighter(limit, left *int64, reset *time.Duration, l, remaining int64, wait time.Duration) {
	if *limit >= 0 && *left <= remaining {
		return
	}
	*limit, *left, *reset = l, max(remaining, 0), wait
}

// Priced reports whether the key, or its end users, have a budget of money, so that an Order must say what its call may cost.
func (p *Principal) Priced() bool { return p.key.money() || p.user.money() }

// Weight is the key's share among keys that wait; 1 unless its tier says otherwise.
func (p *Principal) Weight() int { return max(p.weight, 1) }

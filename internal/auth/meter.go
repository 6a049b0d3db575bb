package auth

import "time"

// moment is a time as meters need it.
type moment struct {
	now        time.Time
	elapsed    time.Duration // since the start of the process, by a clock that does not jump
	day, month int32
}

func (m *moment) tick() int64 { return int64(m.elapsed / tick) }

// need is what one call is expected to take, and what it may cost at most.
type need struct{ tokens, nano int64 }

// meter counts what a key, or an end user of a key, takes. It is guarded by the key's account.
type meter struct {
	running    int64   // calls under way that have been reserved
	minute     *minute // nil until a limit needs it
	day, month calendar
}

// refusal says which limit does not allow a call. The zero refusal is none.
type refusal struct {
	bound  *bound
	kind   kind
	used   int64 // of the limit; of money and tokens without what is reserved
	held   int64 // reserved by calls under way
	need   int64
	never  bool          // the call does not fit the limit at any time
	spent  bool          // a day or month must end first
	busy   bool          // it would fit but for what calls under way have reserved
	wait   time.Duration // until it fits, if nothing else is taken
	user   bool          // the limit is one of the end user
	shared bool          // it is not the limit, but this replica's part of it
}

// worse returns the refusal that lasts longer.
func (r refusal) worse(o refusal) refusal {
	switch {
	case o.bound == nil:
		return r
	case r.bound == nil, o.never && !r.never, o.wait > r.wait && !r.never:
		return o
	}
	return r
}

// busyWait is told to callers that calls under way are in the way of: nobody knows when those end.
const busyWait = time.Second

// move brings a meter to a moment.
func (m *meter) move(b *bounds, at *moment) {
	if b.any(perMinute, tokensPerMinute) {
		if m.minute == nil {
			m.minute = &minute{last: at.tick()}
		}
		m.minute.advance(at.tick())
	}
	m.day.at(at.day)
	m.month.at(at.month)
}

// check says whether a call fits a part of all limits. The meter must have been moved to the moment; loose is how many calls are under way that
// it does not count.
func (m *meter) check(b *bounds, at *moment, n need, loose int64, part parts) (r refusal) {
	if l := &b.of[concurrency]; l.amount > 0 {
		if most := partOf(l.amount, part.minute); m.running+loose >= most {
			r = refusal{bound: l, kind: concurrency, used: m.running + loose, busy: true, shared: m.running+loose < l.amount, wait: busyWait}
		}
	}
	if l := &b.of[perMinute]; l.amount > 0 {
		if most := partOf(l.amount, part.minute); m.minute.sum.requests >= most {
			r = r.worse(refusal{
				bound: l, kind: perMinute, used: m.minute.sum.requests, shared: m.minute.sum.requests < l.amount,
				wait: m.minute.requestsFit(1, most, at.elapsed),
			})
		}
	}
	if l := &b.of[tokensPerMinute]; l.amount > 0 {
		// A call that is larger than a mere part of the limit, and not than the limit, goes when nothing else was taken.
		most := max(partOf(l.amount, part.minute), min(n.tokens, l.amount))
		if used := m.minute.sum.tokens; used+n.tokens > most {
			r = r.worse(refusal{
				bound: l, kind: tokensPerMinute, used: used, need: n.tokens, never: n.tokens > l.amount,
				shared: used+n.tokens <= l.amount, wait: m.minute.tokensFit(n.tokens, most, at.elapsed),
			})
		}
	}
	if b.calendar() {
		r = r.worse(m.checkCalendar(b, at, n, part))
	}
	return r
}

// partOf returns a part of a limit, at least 1.
func partOf(amount int64, part float64) int64 {
	if part >= 1 {
		return amount
	}
	return max(int64(float64(amount)*part), 1)
}

// checkCalendar is check for the limits of days and months. Of those the part is that of what was left when the database last told.
func (m *meter) checkCalendar(b *bounds, at *moment, n need, part parts) (r refusal) {
	day, month := &m.day.cur, &m.month.cur
	used, held, base, baseOfMonth := day.used(), day.reserved, day.base, month.base
	if part.apart {
		base, baseOfMonth = amounts{}, amounts{}
	}
	r = r.worse(over(&b.of[requestsPerDay], requestsPerDay, used.requests, 0, 1, base.requests, part.requests))
	r = r.worse(over(&b.of[tokensPerDay], tokensPerDay, used.tokens, held.tokens, n.tokens, base.tokens, part.tokens))
	r = r.worse(over(&b.of[moneyPerDay], moneyPerDay, used.nano, held.nano, n.nano, base.nano, part.nano))
	if r.spent {
		r.wait = nextDay(at.now).Sub(at.now)
	}
	o := over(&b.of[moneyPerMonth], moneyPerMonth, month.used().nano, month.reserved.nano, n.nano, baseOfMonth.nano, part.nano)
	if o.spent {
		o.wait = nextMonth(at.now).Sub(at.now)
	}
	return r.worse(o)
}

// over says whether a limit of the calendar refuses a call. What is spent decides until the end of the period, what is reserved only for the
// moment. The caller knows how long a period that is spent lasts.
func over(l *bound, k kind, used, held, need, base int64, part float64) refusal {
	if l.amount <= 0 {
		return refusal{}
	}
	r := refusal{bound: l, kind: k, used: used, held: held, need: need, never: need > l.amount}
	if r.spent = need > l.amount-used; r.spent {
		r.wait = 2 * busyWait // longer than for one that is busy
		return r
	}
	if part < 1 && need > base+partOf(l.amount-base, part)-used-held {
		r.shared, r.wait = true, busyWait
		return r
	}
	if r.busy = need > l.amount-used-held; r.busy {
		r.wait = busyWait
		return r
	}
	return refusal{}
}

// lease is what one call has reserved.
type lease struct {
	gen        uint32 // of the place: a charge that is not of this one has been settled
	live       bool
	user       *userMeter // nil if none is limited
	tick       int64      // at which the minutes count it
	day, month int32
	need       need
}

// take reserves what a call needs.
func (m *meter) take(l *lease) {
	m.running++
	if m.minute != nil {
		m.minute.add(1, l.need.tokens)
	}
	for _, p := range [...]*period{&m.day.cur, &m.month.cur} {
		p.settled.requests++
		p.reserved.tokens += l.need.tokens
		p.reserved.nano += l.need.nano
	}
}

// settle puts what was used in the place of what was reserved.
func (m *meter) settle(l *lease, at *moment, used need) {
	m.running--
	if m.minute != nil {
		m.minute.advance(at.tick())
		m.minute.correct(l.tick, used.tokens-l.need.tokens)
	}
	for _, p := range [...]*period{m.day.of(l.day), m.month.of(l.month)} {
		if p == nil {
			continue // the ledger has it
		}
		p.reserved.tokens -= l.need.tokens
		p.reserved.nano -= l.need.nano
		p.settled.tokens += used.tokens
		p.settled.nano += used.nano
	}
}

// idle reports whether no call of the meter is under way.
func (m *meter) idle() bool { return m.running == 0 }

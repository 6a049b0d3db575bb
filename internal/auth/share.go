package auth

import (
	"cmp"
	"slices"
	"time"

	"sluice/internal/limit"
)

// share is this replica's part of the limits of a key. It is guarded by the key's account.
type share struct {
	alone     float64   // part of the limits without grants; 0 if nobody has said
	following bool      // only what is granted may be spent
	from, to  time.Time // of the grant
	left      amounts   // of the grant, or of the rests; may be negative
	places    int64     // calls at a time by the grant

	// Without grants: what left holds of days and months is all that is known to be left, until a time.
	rests [limit.Dims]bool
	until time.Time

	// Since the last report.
	reported time.Time
	spent    amounts
	asked    amounts
	lastUse  time.Time
}

// parts are what is ours of limits, by our own counts: of those of a minute and of calls at a time, and of days and months by what they count.
type parts struct {
	minute, requests, tokens, nano float64

	apart bool // of days and months all that is ours, not of what was left when the database last told: that knows nothing of other replicas
}

// whole is what is ours without other replicas.
var whole = parts{minute: 1, requests: 1, tokens: 1, nano: 1}

// parts returns what is ours: all while grants come, which are the other bound, and all of that of which it is known what is left.
func (s *share) parts(now time.Time, among *division) parts {
	if s.following && now.Sub(s.to) < orphanTime {
		return whole
	}
	part := s.alone
	if part == 0 {
		part = among.part()
	}
	of := func(d limit.Dim) float64 {
		if s.resting(d, now) {
			return 1
		}
		return part
	}
	return parts{part, of(limit.Requests), of(limit.Tokens), of(limit.Money), among.apart.Load()}
}

// resting reports whether it is known what is left of days and months, and no grants come.
func (s *share) resting(d limit.Dim, now time.Time) bool {
	return !s.following && s.rests[d] && now.Before(s.until)
}

// ask notes what a call needs, whether it gets it or not.
func (s *share) ask(n need, now time.Time) {
	s.lastUse = now
	s.asked = s.asked.plus(amounts{1, n.tokens, n.nano})
}

// spend notes what was reserved, or what more or less of it was used.
func (s *share) spend(a amounts) {
	s.spent = s.spent.plus(a)
	s.left = s.left.minus(a)
}

// orphanTime is how long after the end of a grant its key waits for another, before it goes by its own counts.
const orphanTime = 2 * time.Second

// check says whether the grant allows a call. Outside of the grant's time nothing may be spent; but if neither another comes nor the word that there
// are none, something is wrong with the sharing, and that must not shut the key out.
func (s *share) check(b *bounds, at *moment, n need, running int64) refusal {
	if !s.following {
		return s.checkRests(b, at, n)
	}
	if at.now.Sub(s.to) >= orphanTime {
		return refusal{}
	}
	if at.now.Before(s.from) || !at.now.Before(s.to) {
		for k := range b.of {
			if b.of[k].amount > 0 {
				return refusal{bound: &b.of[k], kind: kind(k), shared: true, wait: busyWait}
			}
		}
	}
	for _, c := range [...]struct {
		kind  kind
		lacks bool
	}{
		{concurrency, running >= s.places},
		{perMinute, s.left.requests < 1},
		{requestsPerDay, s.left.requests < 1},
		{tokensPerMinute, s.left.tokens < n.tokens},
		{tokensPerDay, s.left.tokens < n.tokens},
		{moneyPerDay, s.left.nano < n.nano},
		{moneyPerMonth, s.left.nano < n.nano},
	} {
		if c.lacks && b.of[c.kind].amount > 0 {
			return refusal{bound: &b.of[c.kind], kind: c.kind, shared: true, wait: busyWait}
		}
	}
	return refusal{}
}

// checkRests says whether what is left of days and months, as far as it is known without grants, allows a call.
func (s *share) checkRests(b *bounds, at *moment, n need) refusal {
	for _, c := range [...]struct {
		kind  kind
		dim   limit.Dim
		lacks bool
	}{
		{requestsPerDay, limit.Requests, s.left.requests < 1},
		{tokensPerDay, limit.Tokens, s.left.tokens < n.tokens},
		{moneyPerDay, limit.Money, s.left.nano < n.nano},
		{moneyPerMonth, limit.Money, s.left.nano < n.nano},
	} {
		if c.lacks && b.of[c.kind].amount > 0 && s.resting(c.dim, at.now) {
			return refusal{bound: &b.of[c.kind], kind: c.kind, shared: true, wait: busyWait}
		}
	}
	return refusal{}
}

// member is a key's limits as replicas share them.
type member struct {
	account *account
	bounds  *bounds
}

var _ limit.Member = member{}

// idleTime is how long after its last call a key's limits are shared.
const idleTime = 2 * time.Minute

// Members returns the limits that replicas share: those of keys that had a call in the last two minutes. What end users may do in a minute, and
// at once, is not shared; what they may in a day or a month counts by the ledger's database.
func (d *Directory) Members() []limit.Member {
	t, now := d.table.Load(), time.Now()
	var all []limit.Member
	for name, b := range t.limited {
		a := t.accounts[name]
		a.mu.Lock()
		active := a.running > 0 || now.Sub(a.share.lastUse) < idleTime && !a.share.lastUse.IsZero()
		if !active {
			a.share.following = false
		}
		a.mu.Unlock()
		if active {
			all = append(all, member{a, b})
		}
	}
	slices.SortFunc(all, func(x, y limit.Member) int { return cmp.Compare(x.Name(), y.Name()) })
	return all
}

// Name implements limit.Member.
func (m member) Name() string { return "key:" + m.account.name }

// Terms implements limit.Member. Both kinds of budgets are told as one of the day: what is left of the month when the day begins is all that may
// be spent in it.
func (m member) Terms() limit.Terms {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	t := limit.Terms{Charge: limit.ChargeActual, Shape: limit.Shape{Mode: limit.Sliding, Window: time.Minute}}
	add := func(k kind, d limit.Dim, per time.Duration) {
		if n := m.bounds.of[k].amount; n > 0 {
			t.Limits = append(t.Limits, limit.Limit{Dim: d, Amount: n, Per: per})
		}
	}
	const day = 24 * time.Hour
	add(perMinute, limit.Requests, time.Minute)
	add(tokensPerMinute, limit.Tokens, time.Minute)
	add(requestsPerDay, limit.Requests, day)
	add(tokensPerDay, limit.Tokens, day)
	money := m.bounds.of[moneyPerDay].amount
	if month := m.bounds.of[moneyPerMonth].amount; month > 0 {
		before := a.month.cur.used().nano - a.day.cur.used().nano
		if left := max(month-before, 1); money == 0 || left < money {
			money = left
		}
	}
	if money > 0 {
		t.Limits = append(t.Limits, limit.Limit{Dim: limit.Money, Amount: money, Per: day})
	}
	t.Concurrency = int(m.bounds.of[concurrency].amount)
	return t
}

// Report implements limit.Member.
func (m member) Report(now time.Time) limit.Report {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.share
	r := limit.Report{Spent: s.spent.dims(), InUse: int(a.running + a.loose.Load())}
	if span := now.Sub(s.reported); !s.reported.IsZero() && span > 0 {
		perSecond := func(n int64) int64 {
			return int64(float64(n) * float64(time.Second) / float64(max(span, 50*time.Millisecond)))
		}
		r.Wanted = amounts{perSecond(s.asked.requests), perSecond(s.asked.tokens), perSecond(s.asked.nano)}.dims()
	} else {
		r.Wanted = s.asked.dims()
	}
	s.reported, s.spent, s.asked = now, amounts{}, amounts{}
	return r
}

// Follow implements limit.Member. What was spent since the last report is taken off the grant, which cannot know it.
func (m member) Follow(g limit.Grant) {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.share
	s.following, s.from, s.to, s.places = true, g.From, g.To, int64(g.Concurrency)
	s.left = amounts{g.Amounts[limit.Requests], g.Amounts[limit.Tokens], g.Amounts[limit.Money]}.minus(s.spent)
}

// Alone implements limit.Member.
func (m member) Alone(fraction float64, rests ...limit.Rest) {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.share
	s.following, s.alone, s.rests = false, min(max(fraction, 0.001), 1), [limit.Dims]bool{}
	var left limit.Amounts
	for _, r := range rests {
		s.rests[r.Dim], left[r.Dim], s.until = true, r.Amount, r.Until
	}
	s.left = amounts{left[limit.Requests], left[limit.Tokens], left[limit.Money]}.minus(s.spent)
}

// Known tells what all replicas have spent today, as far as the ledger's database says.
func (m member) Known(d limit.Dim) int64 {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.day.at(dayOf(time.Now())).used().dims()[d]
}

// dims returns amounts as limit counts them.
func (a amounts) dims() (out limit.Amounts) {
	out[limit.Requests], out[limit.Tokens], out[limit.Money] = a.requests, a.tokens, a.nano
	return out
}

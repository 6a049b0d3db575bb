package cluster

import (
	"math"
	"time"

	"sluice/internal/limit"
)

// The labels of windows that are none.
const (
	unbound = 0  // grants are not bound to a window
	none    = -1 // nothing is granted
	apart   = -2 // the set goes by its own share
)

// slot is what may be spent between two times, by this machine's clock.
type slot struct {
	label    int64
	from, to time.Time // zero if there is none
	amounts  limit.Amounts
}

// pauser is a Member whose provider may have said that nothing may be sent for a while.
type pauser interface {
	Paused(now time.Time) time.Time // until when; zero if not
	Block(now, until time.Time)
}

var _ pauser = (*limit.Set)(nil)

// part is this replica's part of one set. It is owned by Run.
//
// What is granted is in at most two slots: the present one, and the one after it if the grants of the set are bound to windows. What is spent
// is told to Redis as totals since this replica began, so that a round trip whose answer is lost is told again, and counted once.
type part struct {
	m     limit.Member
	name  string
	id    string // of this replica's part, at the server
	exact bool   // of a quota, not a key's limit

	follows  bool          // grants are followed, not its own share
	fraction float64       // of all limits, while they are not
	total    limit.Amounts // spent since the beginning
	old      limit.Amounts // total at the end of the last slot
	oldLabel int64         // of that slot
	demand   demand
	inUse    int
	blocked  time.Time
	refused  bool      // the provider has refused a call since Redis answered last
	heard    time.Time // another replica said that nothing may start before
	spentAt  time.Time // something was spent last before this

	now, next    slot
	target       limit.Amounts // most to hold
	free         limit.Amounts // what nobody held at the last refresh
	places       int           // calls at a time that may be under way here
	placesTarget int
	terms        limit.Terms
	past         past
	frameEnd     time.Time     // of the present window, if grants are bound to one
	frame        time.Duration // of the windows that grants are bound to; 0 if they are not
	paced        bool          // grants hold for any second, since it is not known when the provider's begin
	fade         fade
	rests        []*rest
	acked        limit.Amounts // the total that the server has been told
	ackedBy      int64         // when the server was born that was told
}

// begin sets the part of a set that has just been found.
func (p *part) begin(follow bool, fraction float64, now time.Time) {
	p.oldLabel = none
	p.terms = termsOf(p.m)
	if !p.exact || !follow {
		p.alone(fraction, now)
		return
	}
	p.stop(now)
}

// maxPlaces bounds the calls at a time that are shared: more are as good as no limit, and would not fit the script's answer.
const maxPlaces = 1 << 30

// termsOf returns the terms of a set as they are shared.
func termsOf(m limit.Member) limit.Terms {
	t := m.Terms()
	t.Concurrency = min(t.Concurrency, maxPlaces)
	return t
}

// shared reports whether grants are followed.
func (p *part) shared() bool { return p.follows }

// tell tells a Member that has taken another's place what holds.
func (p *part) tell(now time.Time) {
	switch {
	case p.follows:
		p.follow(now)
	case p.fade.until.IsZero():
		p.take(now)
		p.apart(now)
	default:
		p.fading(now)
	}
}

// stop makes the set wait for its first grant.
func (p *part) stop(now time.Time) {
	p.take(now)
	p.follows, p.now, p.next = true, slot{label: none}, slot{}
	p.target, p.places, p.placesTarget = limit.Amounts{}, 0, 0
	p.follow(now)
}

// alone makes the set go by its own share.
func (p *part) alone(fraction float64, now time.Time) {
	if !p.follows && p.fraction == fraction {
		return
	}
	p.take(now)
	if p.follows && p.exact && p.now.label >= 0 {
		p.fade = p.fadeFrom(fraction, now)
	}
	if p.follows {
		p.keepRests(now)
	}
	p.follows, p.fraction, p.now, p.next = false, fraction, slot{label: apart}, slot{}
	if p.fade.until.IsZero() {
		p.apart(now)
		return
	}
	p.fading(now)
}

// fade is how a set that has followed grants comes to its own share. Its own share alone would be too much at first: it may have spent less
// than that lately because another replica has spent more. So until the last grants are forgotten by whoever enforces the limit, it may spend
// no more than what it held, its share of what nobody held, and its share of what has come free since then.
type fade struct {
	at, until time.Time // the zero fade is none
	base      limit.Amounts
	total     limit.Amounts // spent when it began
}

func (p *part) fadeFrom(fraction float64, now time.Time) fade {
	f := fade{at: now, until: now, total: p.total}
	for i := range p.terms.Limits {
		l := &p.terms.Limits[i]
		w := p.window(l)
		f.base[l.Dim] = max(p.now.amounts[l.Dim], 0) + int64(float64(p.free[l.Dim])*fraction*0.9) // others may know of a little less
		if l.Per > time.Minute {
			continue
		}
		switch end := now.Add(w); {
		case w == p.frame && !p.frameEnd.IsZero():
			f.until = later(f.until, earlier(p.frameEnd, end))
		default:
			f.until = later(f.until, end)
		}
	}
	return f
}

// fading sets what may be spent while a fade lasts.
func (p *part) fading(now time.Time) {
	f := &p.fade
	if f.until.IsZero() || p.follows {
		return
	}
	p.take(now)
	if !now.Before(f.until) {
		*f = fade{}
		p.apart(now)
		return
	}
	g := limit.Grant{From: now.Add(-time.Second), To: earlier(f.until, now.Add(leaseTime)), Concurrency: max(int(float64(p.terms.Concurrency)*p.fraction), 1)}
	g.Amounts = p.fadeLeft(now)
	p.m.Follow(g)
}

// fadeLeft returns what may be spent now.
func (p *part) fadeLeft(now time.Time) (left limit.Amounts) {
	f := &p.fade
	set := [limit.Dims]bool{}
	for i := range p.terms.Limits {
		l := &p.terms.Limits[i]
		w := p.window(l)
		most := float64(l.Amount) * p.fraction * min(float64(w)/float64(l.Per), 1) // its own share of a whole window
		come := 0.0
		switch p.terms.Shape.Mode {
		case limit.Bucket:
			come = float64(l.Amount) * p.fraction * now.Sub(f.at).Seconds() / l.Per.Seconds()
		case limit.Sliding:
			come = float64(p.past.between(l.Dim, f.at.Add(-w), now.Add(-w)))
		}
		if l.Per > time.Minute {
			come = 0
		}
		n, ok := p.rest(l).left(p, now)
		if !ok {
			n = max(int64(min(float64(f.base[l.Dim]-(p.total[l.Dim]-f.total[l.Dim]))+come, most)), 0)
		}
		if !set[l.Dim] || n < left[l.Dim] {
			left[l.Dim], set[l.Dim] = n, true
		}
	}
	return left
}

// window returns in what time a limit comes back.
func (p *part) window(l *limit.Limit) time.Duration {
	s := p.terms.Shape
	switch {
	case l.Per > time.Minute || l.Per < time.Second:
		return l.Per
	case s.Mode == limit.Unknown || s.Mode == limit.Slices:
		return time.Second
	case s.Mode == limit.Bucket && s.Burst > 0:
		return s.Burst
	case s.Mode != limit.Bucket && s.Window > 0:
		return s.Window
	default:
		return l.Per
	}
}

// frameLong returns the window that grants are bound to; 0 if none.
func (p *part) frameLong() time.Duration {
	switch s := p.terms.Shape; {
	case s.Mode == limit.Slices && !s.Anchor.IsZero():
		return time.Second
	case s.Mode == limit.Fixed && !s.Anchor.IsZero() && s.Window > 0:
		return s.Window
	case s.Mode == limit.Fixed && !s.Anchor.IsZero():
		return time.Minute
	default:
		return 0
	}
}

// take reads what has happened in the set.
func (p *part) take(now time.Time) {
	r := p.m.Report(now)
	for d, n := range r.Spent {
		if n > 0 {
			p.spentAt = now
		}
		p.total[d] += n
		if p.follows {
			p.now.amounts[d] -= n
		}
	}
	p.past.add(&r.Spent, p.terms.Limits, now)
	p.demand.add(&r, now)
	p.inUse = r.InUse
	if b, ok := p.m.(pauser); ok {
		p.blocked = b.Paused(now)
		p.refused = p.refused || p.blocked.After(now) && !p.blocked.Equal(p.heard)
	}
}

// demand is what would be spent in a second, as far as the reports since the last refresh tell.
type demand struct {
	since, last time.Time
	spent       limit.Amounts
	refused     limit.Amounts // what a report says beyond twice the rate of spending: the largest call that was refused
	any         bool
}

// add takes in one report. Reports may be a few milliseconds apart, in which a single call looks like a high rate: rates are of all the time
// since the last refresh.
func (m *demand) add(r *limit.Report, now time.Time) {
	if m.last.IsZero() {
		m.since, m.last = now, now
	}
	per := max(now.Sub(m.last).Seconds(), 0.001)
	for d, n := range r.Spent {
		m.spent[d] += n
		m.refused[d] = max(m.refused[d], r.Wanted[d]-int64(2*math.Max(float64(n), 0)/per)-1)
	}
	m.any = m.any || r.Wanted != (limit.Amounts{})
	m.last = now
}

// wanted returns it. What was refused once makes the part grow: twice what it could spend.
func (m *demand) wanted(now time.Time) (w limit.Amounts) {
	per := max(now.Sub(m.since), refreshTime/2).Seconds()
	for d, n := range m.spent {
		rate := math.Max(float64(n), 0) / per
		if m.refused[d] > 0 {
			rate *= 2
		}
		w[d] = int64(math.Ceil(rate)) + m.refused[d]
	}
	return w
}

// told begins anew.
func (m *demand) told(now time.Time) { *m = demand{since: now, last: now} }

// roll goes on to the next slot if it has begun.
func (p *part) roll(now time.Time) {
	if !p.follows {
		return
	}
	p.take(now)
	if p.next.from.IsZero() || now.Before(p.next.from) {
		return
	}
	p.old, p.oldLabel = p.total, p.now.label
	p.now, p.next = p.next, slot{}
	p.frameEnd, p.free = p.frameEnd.Add(p.frame), limit.Amounts{} // what is free of this window is not known yet
	p.follow(now)
}

// follow passes on what may be spent. The set has been read just before: a Member counts what it spends from its last Report on.
func (p *part) follow(now time.Time) {
	g := limit.Grant{From: p.now.from, To: p.now.to, Amounts: p.now.amounts, Concurrency: p.places}
	if g.To.IsZero() {
		g.From, g.To, g.Amounts = now, now.Add(leaseTime), limit.Amounts{}
	}
	for d := range g.Amounts {
		g.Amounts[d] = max(g.Amounts[d], 0)
	}
	p.m.Follow(g)
}

// short reports whether the set is about to run out of something that may be had.
func (p *part) short(now time.Time) bool {
	if !p.follows {
		return false
	}
	wanted := p.demand.wanted(now)
	for _, l := range p.terms.Limits {
		d := l.Dim
		want := wanted[d]
		if want > 0 && p.now.amounts[d] < want/8 && (p.free[d] > 0 || p.target[d] == 0) {
			return true
		}
		if p.demand.refused[d] > p.now.amounts[d] && (p.free[d] > 0 || p.late(now) || p.paced) {
			return true
		}
	}
	return p.terms.Concurrency > 0 && p.inUse >= p.places && p.demand.any && now.Before(p.now.to)
}

// giveBack lowers what is held to what it should be at most, before it is told to Redis: what is given up must not be spent any more.
func (p *part) giveBack(now time.Time) {
	lowered := false
	late := p.late(now) || p.paced
	for _, l := range p.terms.Limits {
		if late && p.demand.refused[l.Dim] > p.now.amounts[l.Dim] && p.now.amounts[l.Dim] > 0 {
			p.now.amounts[l.Dim], lowered = 0, true // the rest of a second: of use to a smaller call elsewhere, or together with other rests
		}
		if most := p.target[l.Dim] + p.target[l.Dim]/8 + 1; p.now.amounts[l.Dim] > most {
			p.now.amounts[l.Dim], lowered = p.target[l.Dim], true
		}
	}
	if most := max(p.placesTarget, p.inUse); p.places > most {
		p.places, lowered = most, true
	}
	if lowered {
		p.follow(now)
	}
}

// late reports whether a window of a second is so old that rests of it are put together for calls that still fit.
func (p *part) late(now time.Time) bool {
	return !p.now.to.IsZero() && p.frame == time.Second && now.Add(800*time.Millisecond).After(p.now.to)
}

// own returns what the set may still spend of its own share of a limit, while it goes by that.
func (p *part) own(l *limit.Limit, now time.Time) int64 {
	if n, ok := p.rest(l).left(p, now); ok {
		return n
	}
	w := p.window(l)
	return max(int64(math.Ceil(float64(l.Amount)*p.fraction*min(float64(w)/float64(l.Per), 1)))-p.past.recent(l, w, now), 0)
}

// past is what a replica has spent lately. It is what tells a server that has lost its state.
type past struct {
	seconds [64]limit.Amounts
	last    int64  // second of the newest
	long    []span // of limits over more than a minute
}

// span is what was spent of one limit in its present hour or day.
type span struct {
	dim   limit.Dim
	per   time.Duration
	index int64
	sum   int64
}

// add books what was spent since the last time.
func (p *past) add(spent *limit.Amounts, limits []limit.Limit, now time.Time) {
	p.move(now)
	for d, n := range spent {
		p.seconds[p.last%int64(len(p.seconds))][d] += n
	}
	for _, l := range limits {
		if l.Per > time.Minute {
			p.span(&l, now).sum += spent[l.Dim]
		}
	}
}

// move forgets the seconds that are long over.
func (p *past) move(now time.Time) {
	s := now.Unix()
	for i := max(p.last+1, s-int64(len(p.seconds))+1); i <= s; i++ {
		p.seconds[i%int64(len(p.seconds))] = limit.Amounts{}
	}
	p.last = max(p.last, s)
}

// span returns the record of a long limit.
func (p *past) span(l *limit.Limit, now time.Time) *span {
	index := now.UnixMilli() / max(l.Per.Milliseconds(), 1)
	for i := range p.long {
		if s := &p.long[i]; s.dim == l.Dim && s.per == l.Per {
			if s.index != index {
				s.index, s.sum = index, 0
			}
			return s
		}
	}
	p.long = append(p.long, span{dim: l.Dim, per: l.Per, index: index})
	return &p.long[len(p.long)-1]
}

// between returns what was spent from one time to another, in whole seconds: rather too little than too much.
func (p *past) between(d limit.Dim, from, to time.Time) (sum int64) {
	for s := max(p.last-int64(len(p.seconds))+1, from.Unix()+1); s < to.Unix(); s++ {
		sum += p.seconds[s%int64(len(p.seconds))][d]
	}
	return sum
}

// recent returns what was spent within the window of a limit, rather too much than too little.
func (p *past) recent(l *limit.Limit, window time.Duration, now time.Time) int64 {
	if l.Per > time.Minute {
		return p.span(l, now).sum
	}
	p.move(now)
	n := min(int64(math.Ceil(window.Seconds()))+1, int64(len(p.seconds)))
	var sum int64
	for i := range n {
		if s := p.last - i; s >= 0 {
			sum += p.seconds[s%int64(len(p.seconds))][l.Dim]
		}
	}
	return sum
}

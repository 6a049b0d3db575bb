package cluster

import (
	"net/url"
	"slices"
	"time"

	"sluice/internal/limit"
)

// ask is what is told of one set, and asked for it, in one refresh.
type ask struct {
	part     *part
	key      string
	id       string
	lease    time.Duration
	replicas int
	terms    limit.Terms
	dims     []limit.Dim // that the set limits, in order
	anchor   int64       // of the shape, in the server's milliseconds; -1 if not known
	blocked  int64       // likewise; 0 for none

	label, nextLabel, oldLabel int64
	recent                     []int64 // spent within each of the limits
	known                      []int64 // of limits of more than a minute, as the ledger has it
	rests                      []*rest // of those limits, in order: what is told of it is kept for us
	wanted, old, total         limit.Amounts
	keep, nextKeep             limit.Amounts
	need                       limit.Amounts // of the largest call that was refused
	places, inUse              int
	age                        time.Duration // since something was spent last
	refused                    int           // 1 if the provider has refused a call since the last answer
}

// key returns the name under which a set's state is kept. The braces make it a slot of its own in a Redis Cluster.
func (c *Cluster) key(name string) string { return c.o.Prefix + ":{" + url.QueryEscape(name) + "}:v1" }

// ask reads the state of one set and makes what is to be told; ok is false if there is nothing to share.
func (c *Cluster) ask(p *part, now time.Time) (a ask, ok bool) {
	p.terms = termsOf(p.m)
	p.take(now)
	if len(p.terms.Limits) == 0 && p.terms.Concurrency == 0 {
		p.alone(1, now)
		return ask{}, false
	}
	a = c.tells(p, now)
	if !p.follows {
		c.askApart(&a, p, now)
		return a, true
	}
	p.giveBack(now)
	for _, r := range a.rests {
		r.lower()
	}
	a.label, a.oldLabel, a.old, a.places = p.now.label, p.oldLabel, p.old, p.places
	a.keep = p.now.amounts
	if !p.next.from.IsZero() {
		a.nextLabel, a.nextKeep = p.next.label, p.next.amounts
	}
	return a, true
}

// tells makes what is told of a set that keeps nothing. It has been read just before.
func (c *Cluster) tells(p *part, now time.Time) ask {
	a := ask{
		part: p, key: c.key(p.name), id: p.id, lease: leaseTime, replicas: c.replicas(), terms: p.terms, anchor: -1,
		label: apart, oldLabel: none, nextLabel: none, wanted: p.demand.wanted(now), need: p.demand.refused, old: p.total, total: p.total, inUse: p.inUse,
	}
	if s := p.terms.Shape; !s.Anchor.IsZero() {
		a.anchor = millis(c.clock.server(s.Anchor, now))
		if w := p.frameLong().Milliseconds(); w > 0 {
			a.anchor %= w
		}
	}
	if p.blocked.After(now) {
		a.blocked = millis(c.clock.server(p.blocked, now))
	}
	for i := range p.terms.Limits {
		l := &p.terms.Limits[i]
		a.recent, a.known = append(a.recent, p.past.recent(l, p.window(l), now)), append(a.known, p.known(l))
		if !slices.Contains(a.dims, l.Dim) {
			a.dims = append(a.dims, l.Dim)
		}
	}
	slices.Sort(a.dims)
	a.rests = p.long()
	if p.refused {
		a.refused = 1
	}
	a.age = min(max(now.Sub(p.spentAt), 0), time.Second)
	for _, r := range a.rests {
		r.told = 0
	}
	return a
}

// askApart tells what a set that goes by its own share may still spend of it, so that it is not granted to others meanwhile.
func (c *Cluster) askApart(a *ask, p *part, now time.Time) {
	var set [limit.Dims]bool
	for i := range p.terms.Limits {
		l := &p.terms.Limits[i]
		n := p.own(l, now)
		if !p.fade.until.IsZero() {
			n = min(n, p.fadeLeft(now)[l.Dim])
		}
		if !set[l.Dim] || n < a.keep[l.Dim] {
			set[l.Dim] = true
			a.keep[l.Dim] = n
		}
	}
	p.tellRests(&a.keep, now)
	if p.terms.Concurrency > 0 {
		a.places = max(int(float64(p.terms.Concurrency)*p.fraction), p.inUse)
	}
	if c.joined { // what is left of the share becomes the first lease
		p.take(now)
		p.promiseRests()
		p.follows, p.fade = true, fade{}
		p.now = slot{label: apart, from: now, to: now.Add(leaseTime / 2), amounts: a.keep}
		p.places = a.places
		p.follow(now)
		a.total = p.total
	}
}

// append writes the ask as the script's arguments.
func (a *ask) append(args []any) []any {
	s := a.terms.Shape
	args = append(args, a.id, a.lease.Milliseconds(), a.replicas, int(s.Mode), s.Window.Milliseconds(), s.Burst.Milliseconds(), a.anchor,
		a.terms.Concurrency, a.inUse, a.places, a.blocked, a.label, a.nextLabel, a.oldLabel, refreshTime.Milliseconds(),
		len(a.terms.Limits), len(a.dims), s.Slack.Milliseconds(), a.age.Milliseconds(), a.refused)
	rests := a.rests
	for i, l := range a.terms.Limits {
		args = append(args, int(l.Dim), l.Amount, max(l.Per.Milliseconds(), 1), a.recent[i])
		if l.Per <= time.Minute {
			args = append(args, 0, 0)
			continue
		}
		args = append(args, rests[0].told, a.known[i])
		rests = rests[1:]
	}
	for _, d := range a.dims {
		args = append(args, int(d), a.wanted[d], a.old[d], a.total[d], max(a.keep[d], 0), max(a.nextKeep[d], 0), a.need[d])
	}
	return args
}

// apply takes in what was granted.
func (c *Cluster) apply(p *part, r *reply, sent, now time.Time) {
	p.demand.told(now)
	if !c.joined || !p.follows {
		return // its own share holds; the next ask tells what is left of it
	}
	p.take(now)
	p.refused = false
	p.frame, p.paced = r.frame, r.frame == 0 && (r.shape == limit.Unknown || r.shape == limit.Slices)
	if p.now.label < 0 || p.now.label != r.label && (p.next.from.IsZero() || p.next.label != r.label) {
		p.enter(r)
	}
	if b, ok := p.m.(pauser); ok && r.blocked > 0 {
		if until, _ := c.clock.local(r.blocked, now); until.After(now) && until.After(p.blocked) {
			p.heard = until
			b.Block(now, until) // another replica was told so
		}
	}
	end := sent.Add(leaseTime * 9 / 10)
	for i, d := range r.dims {
		g := r.grants[i]
		if p.now.label == r.label {
			p.now.amounts[d] += g.add
		} else if p.next.label == r.label {
			p.next.amounts[d] += g.add
		}
		p.target[d], p.free[d] = g.target, g.free
	}
	if p.now.label == r.label { // else the next one has begun, and nothing of this one may be spent in it
		p.now.to = end
	}
	if r.frame > 0 {
		c.window(p, r, end, now)
	}
	for i, x := range p.long() {
		x.amount, x.target, x.known = r.rests[i].amount, r.rests[i].target, true
	}
	p.places += r.places
	p.placesTarget = r.placesTarget
	p.follow(now)
}

// enter begins the slot of a window that nothing was granted for ahead.
func (p *part) enter(r *reply) {
	kept := p.now.amounts
	p.old, p.oldLabel = p.total, p.now.label
	was := p.now.label
	p.now, p.next = slot{label: r.label}, slot{}
	if was == apart {
		p.now.amounts = kept // the rest of its own share has become its lease
		p.old, p.oldLabel = limit.Amounts{}, none
	}
}

// window sets the times of a slot that is bound to a window, and makes the next one if there are grants for it. The error of the clocks
// and the time that calls may be under way to where they are counted are kept out of both ends.
func (c *Cluster) window(p *part, r *reply, end, now time.Time) {
	begin, bound := c.clock.local(r.start, now)
	bound = min(bound+p.terms.Shape.Slack, r.frame/8)
	if p.now.label == r.label {
		p.frameEnd = begin.Add(r.frame)
		p.now.from = begin.Add(bound)
		p.now.to = earlier(begin.Add(r.frame-bound), end)
	}
	ahead := false
	for i := range r.dims {
		ahead = ahead || r.grants[i].ahead > 0
	}
	if p.now.label != r.label || !ahead && p.next.from.IsZero() {
		return
	}
	if p.next.from.IsZero() {
		p.next = slot{label: r.label + 1}
	}
	p.next.from = begin.Add(r.frame + bound)
	p.next.to = earlier(begin.Add(2*r.frame-bound), end.Add(r.frame/2))
	for i, d := range r.dims {
		p.next.amounts[d] += r.grants[i].ahead
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

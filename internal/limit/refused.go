package limit

import "time"

// Refusals. A provider that refuses a call for want of a minute's budget says for how long, mostly in whole seconds rounded up. How long nothing
// should start depends on how it counts:
//
//  1. Slices: to the end of the second. That is also what tells when seconds begin: the refused call and those accepted before it, which
//     filled the slice, lie in one second.
//  2. Bucket: what comes back in the time of a call is enough for a call. The bucket is taken for empty, so that calls go at its rate.
//  3. Fixed: to the end of the window, which is known better than to a second.
//  4. Sliding and all else: as stated, but for what rounding may have added.
//
// After a pause of the last two kinds calls start one, two, four and so on at a time (ramp), so that a pause which was too short costs a handful of
// refusals, not one for each call that waits.

const (
	leastPause  = 25 * time.Millisecond // after a refusal
	mostPause   = 5 * time.Second       // where the provider states none
	rounding    = 900 * time.Millisecond
	leastStep   = 10 * time.Millisecond
	mostStep    = 250 * time.Millisecond
	mostRamp    = 12                    // doublings after which a ramp ends
	sureAnchor  = 60 * time.Millisecond // how well the beginning of slices must be known to go by it
	anchorSlack = 5 * time.Millisecond  // added to what is not known of it
	mostAnchors = 4                     // that may turn out wrong, before no other is looked for
)

// refusals is what a set knows of the refusals of late.
type refusals struct {
	at    int64 // the last that was not of a call under way at the time of another
	tries int   // pauses in a row that were too short: no call was accepted after them

	ramp   int64 // when the ramp began or begins; 0: there is none
	step   int64 // in which the number of calls doubles
	ramped int   // calls that have started since

	anchor anchor
}

// anchor is when slices begin, as far as it has been found out.
type anchor struct {
	known  bool
	lo, hi int64 // a slice began between these
	wrong  int   // refusals in a row that contradict it
	at     int64 // of the last of them
	lost   int   // anchors that were given up
}

// Refused takes in that the provider refused the call of a reservation, which has not ended yet, for want of a budget of a minute or less, and
// lets nothing start for a while. stated is for how long the provider says; 0 if it does not.
func (s *Set) Refused(now time.Time, r *Reservation, stated time.Duration) {
	s.mu.Lock()
	s.turn(now)
	if r.set != s {
		s.mu.Unlock()
		panic("BUG: limit: reservation refused after its end, or at another set")
	}
	e := &s.refusals
	if r.at <= e.at || r.at < s.blocked {
		s.mu.Unlock()
		return // it was under way when another was refused, which said the same
	}
	took := s.now - r.at
	if e.at > 0 && r.at-s.blocked < int64(200*time.Millisecond) {
		e.tries = min(e.tries+1, 8)
	} else {
		e.tries = 0
	}
	e.at = s.now
	moved := s.findAnchor(r)
	until, ramp := s.pause(r, int64(stated))
	s.blocked = max(s.blocked, until)
	if e.ramp = 0; ramp {
		e.ramp, e.ramped, e.step = s.blocked, 0, min(max(took/2, int64(leastStep)), int64(mostStep))
	}
	s.mu.Unlock()
	if moved {
		tell(s.corrected)
	}
}

// pause returns until when nothing should start after a refusal, and whether calls should start slowly after it.
func (s *Set) pause(r *Reservation, stated int64) (until int64, ramp bool) {
	short := s.now + min(int64(leastPause)<<s.refusals.tries, int64(mostPause))
	if stated > 0 {
		short = min(short, s.now+stated)
	}
	if s.terms.Shape.Mode == Bucket && s.terms.Shape.Burst <= time.Minute {
		s.empty(&r.amounts)
		return short, false
	}
	if s.terms.Shape.Mode == Slices {
		for i := range s.budgets {
			if f, ok := s.budgets[i].gauges[0].counter.(*fixed); ok && s.budgets[i].wait() && s.refusals.tries == 0 {
				if in := (r.at - f.anchor) % f.window; in > f.window/2 {
					return max(r.at-in+f.window+f.slack, s.now), false
				}
			}
		}
		return short, false
	}
	if s.terms.Shape.Mode == Fixed {
		for i := range s.budgets {
			b := &s.budgets[i]
			f, ok := b.gauges[0].counter.(*fixed)
			if !ok || !b.wait() || r.amounts[b.Dim] == 0 {
				continue
			}
			spent := stated == 0 && 4*f.n > 3*b.gauges[0].limit // else it may be about something else
			if end := f.to; spent || end <= r.at+stated && end > r.at+stated-int64(1100*time.Millisecond) {
				return max(end, short), true
			}
		}
	}
	if stated > int64(time.Second) {
		return s.now + stated - int64(rounding), true
	}
	return short, true
}

// empty takes for used up the bucket that has least left, of those that a call needs. What the call gives back when it ends is used up too,
// but for requests, of which it gives back none.
func (s *Set) empty(n *Amounts) {
	var least *gauge
	part, back := 2.0, int64(0)
	for i := range s.budgets {
		b := &s.budgets[i]
		g := &b.gauges[0]
		if !b.wait() || n[b.Dim] == 0 || g.rule != strict {
			continue
		}
		if left := float64(g.limit-g.used()) / float64(g.limit); left < part {
			part, least = left, g
			if back = n[b.Dim]; b.Dim == Requests {
				back = 0
			}
		}
	}
	if least != nil && least.used() < least.limit+back {
		c := least.counter.(*bucket)
		c.level, c.part = least.limit+back, 0
	}
}

// ramping returns when a call may start that must not yet since a pause has just ended; 0 if it may. The caller holds mu.
func (s *Set) ramping() int64 {
	e := &s.refusals
	if e.ramp == 0 || s.now < e.ramp {
		return 0
	}
	k := (s.now - e.ramp) / e.step
	if k >= mostRamp {
		e.ramp = 0
		return 0
	}
	if e.ramped < 1<<k {
		return 0
	}
	return e.ramp + (k+1)*e.step
}

// findAnchor learns from a refusal when slices begin, and reports whether the budgets were made anew for it.
//
// The slice of the refused call was full. So it began less than a second before that call, and before the last of so many calls as, with that
// one, are all that a slice holds. With calls sent evenly both are nearly the same time.
func (s *Set) findAnchor(r *Reservation) bool {
	a := &s.refusals.anchor
	if s.terms.Shape.Mode != Slices || !s.terms.Shape.Anchor.IsZero() || a.lost > mostAnchors {
		return false
	}
	if a.known {
		if s.now-a.at > int64(10*time.Second) {
			a.wrong = 0
		}
		a.wrong++
		a.at = s.now
		if a.wrong < 2 {
			return false
		}
		*a = anchor{lost: a.lost + 1}
		s.build()
		return true
	}
	lo, hi := r.at-int64(slice), int64(0)
	for i := range s.budgets {
		b := &s.budgets[i]
		if h, ok := b.gauges[b.n-1].counter.(*history); ok && b.wait() && r.amounts[b.Dim] > 0 {
			hi = max(hi, h.filled(b.gauges[b.n-1].limit, r.at))
		}
	}
	if hi == 0 {
		return false // we have sent less: it is about something else
	}
	if hi <= lo {
		hi = lo + int64(leastStep)
	}
	if a.hi != 0 { // both tell of the same beginning, some seconds later
		n := (lo - a.lo + int64(slice)/2) / int64(slice) * int64(slice)
		if l, h := max(lo, a.lo+n), min(hi, a.hi+n); l < h {
			lo, hi = l, h
		}
	}
	a.lo, a.hi = lo, hi
	if hi-lo > int64(sureAnchor) {
		return false
	}
	a.known, a.wrong = true, 0
	s.build()
	return true
}

// filled returns the last time from which on all of a limit was used until another; 0 if it was not.
func (h *history) filled(limit, until int64) int64 {
	sum := int64(0)
	for i := h.n - 1; i >= 0; i-- {
		e := h.at(i)
		if e.first > until {
			continue
		}
		if sum += e.n; sum >= limit {
			return e.first
		}
	}
	return 0
}

// aligned returns the shape with the beginning of slices, if that has been found out.
func (s *Set) aligned() Shape {
	sh := s.terms.Shape
	if a := &s.refusals.anchor; a.known && sh.Mode == Slices && sh.Anchor.IsZero() {
		sh.Anchor = s.time((a.lo + a.hi) / 2)
		sh.Slack = max(sh.Slack/2, time.Duration(a.hi-a.lo)/2) + anchorSlack
		sh.Burst = max(2*credit, 3*sh.Slack) // evenly within each, so that an error about its beginning costs few calls
	}
	return sh
}

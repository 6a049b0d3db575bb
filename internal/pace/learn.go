package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// learner finds out how a provider enforces a quota, from what it answers. It is guarded by its account's mu. What it learns it tells the
// set.
type learner struct {
	set      *limit.Set
	base     time.Time // times of the study count from here
	declared bool
	study    *study // nil if there is nothing to find out, or not yet
	told     limit.Shape
	charge   limit.Charge
	rate     take

	// Of what is not declared; see wake.
	scout   *scout // nil: no call was sent since there is no study
	scouted uint64 // calls that were sent while there was no study
	early   []note // of those that the study was made of
	woken   uint64 // number of the first of them
	studies uint32 // made so far
	found   found  // zero if nothing was, or the study has it
}

// ticket is what a learner remembers of one call.
type ticket struct {
	note    note
	study   uint32 // that made it
	scouted uint64 // the call's number, if there was none
}

// unbound is the shape of a set while the study decides: it lets through whatever any way of enforcement does, which is two windows' worth, at
// the end of one and the beginning of the next.
var unbound = limit.Shape{Mode: limit.Unknown, Window: time.Minute, Burst: 2*time.Minute + 2*time.Second}

// newLearner returns a learner for a quota. declared says that the limits are those of the configuration.
func newLearner(set *limit.Set, t limit.Terms, declared bool) *learner {
	l := &learner{set: set, base: time.Now(), declared: declared}
	l.update(l.base, t)
	return l
}

// update takes in new terms of the configuration.
func (l *learner) update(now time.Time, t limit.Terms) {
	switch {
	case !l.declared:
	case !minutely(&t) || t.Shape.Mode != limit.Unknown:
		l.study = nil
	case l.study == nil:
		l.study = newStudy(&t)
		l.told = limit.Shape{}
		l.apply(now)
	default:
		l.study.setTerms(&t)
	}
}

// minutely reports whether terms limit anything that comes back within a minute.
func minutely(t *limit.Terms) bool {
	for _, l := range t.Limits {
		if l.Amount > 0 && l.Per > 0 && l.Per <= time.Minute && int(l.Dim) < budgetDims {
			return true
		}
	}
	return false
}

// apply tells the set what is known of the shape.
func (l *learner) apply(now time.Time) {
	if at := l.study.pause; at > 0 {
		l.study.pause = 0
		l.set.Block(now, l.base.Add(at))
	}
	if l.study.unknown {
		return
	}
	sh := unbound
	if g := &l.study.guess; g.settled {
		if sh = g.shape; sh.Mode == limit.Slices && !l.study.second.on {
			if at, slack, ok := l.study.phase.begin(); ok {
				sh.Anchor, sh.Slack = l.base.Add(at), slack
			}
		}
	} else if first, width, ok := g.begin(); ok {
		sh = limit.Shape{Mode: limit.Fixed, Window: time.Minute, Anchor: l.base.Add(first)}
		if width <= narrowTime { // what is sent meanwhile counts for both windows
			sh.Anchor, sh.Slack = sh.Anchor.Add(width/2), width/2+windowSlack
		}
	}
	sh = lenient(sh)
	charge := [...]limit.Charge{limit.ChargeMax, limit.ChargeCorrected, limit.ChargeActual}[l.study.rule]
	if l.study.open {
		charge = limit.ChargeCorrected // the study keeps to the other rule
	}
	if sh == l.told && charge == l.charge && l.rate == l.study.rate {
		return
	}
	anew := !l.declared && (l.rate == take{} || l.told.Mode != sh.Mode)
	l.told, l.charge, l.rate = sh, charge, l.study.rate
	t := l.set.Terms()
	if !l.declared {
		t.Limits = l.study.terms()
	}
	t.Shape, t.Charge = lenient(sh), charge
	l.set.Update(now, t)
	if anew {
		l.recount(now)
	}
}

// recount tells the set what was sent: before any limit was known it has counted nothing, and by one that was far too high too little.
func (l *learner) recount(now time.Time) {
	s := l.study
	tr := &s.past[s.rule]
	for d, rate := range s.rate {
		if rate == 0 {
			continue
		}
		uses := make([]limit.Use, 0, traceSlots)
		for slot := max(tr.slot-int64(time.Minute/traceSlot), 0); slot <= tr.slot; slot++ {
			end := tr.all
			if slot < tr.slot {
				end = tr.begun[(slot+1)%traceSlots]
			}
			if n := end[d] - tr.begun[slot%traceSlots][d]; n >= 1 {
				uses = append(uses, limit.Use{At: l.base.Add(time.Duration(slot) * traceSlot), N: int64(n)})
			}
		}
		if n := s.pending.sum[s.rule][d]; n >= 1 {
			uses = append(uses, limit.Use{At: now, N: int64(n)})
		}
		l.set.Recount(now, limit.Dim(d), time.Minute, uses)
	}
}

// ask says whether a call may go, as far as what is not yet known is concerned, and if not, when to ask again. The set is asked after that.
func (l *learner) ask(now time.Time, t *limit.Try) (ok bool, until time.Time) {
	if l.study == nil || l.set.Following() {
		return true, time.Time{}
	}
	ok, at := l.study.ask(now.Sub(l.base), &t.Need)
	l.apply(now)
	if ok {
		return true, time.Time{}
	}
	return false, l.base.Add(max(at, now.Sub(l.base)+time.Millisecond))
}

// sent takes note of a call that starts.
func (l *learner) sent(now time.Time, n *llm.Need, tk *ticket) {
	switch {
	case l.set.Following(): // others send, too, of which nothing is known here
	case l.asleep():
		l.scouts(now.Sub(l.base), n, tk)
	case l.study != nil:
		tk.note, tk.study = l.study.sent(now.Sub(l.base), n), l.studies
	}
}

// answered takes in what the headers of an answer say. The call is under way.
func (l *learner) answered(now time.Time, r *limit.Reservation, tk *ticket, h *llm.RateLimits) {
	if l.accepted(tk); l.asleep() && tk.scouted > 0 && tells(h) {
		l.wake(now.Sub(l.base))
	}
	n := l.note(tk)
	if n == nil {
		return
	}
	correct := l.study.answered(now.Sub(l.base), n, h)
	l.apply(now)
	if !l.study.guess.settled {
		return
	}
	for d, left := range correct {
		if left >= 0 {
			l.set.Correct(now, r, limit.Dim(d), time.Minute, left)
		}
	}
}

// refused takes in a 429 of a minute's quota, before the reservation is refunded. The set is blocked already if the answer says for how
// long.
func (l *learner) refused(now time.Time, r *limit.Reservation, tk *ticket, o *Outcome) {
	if l.asleep() && tk.scouted > 0 {
		l.wake(now.Sub(l.base))
	}
	n := l.note(tk)
	if n == nil {
		return
	}
	l.study.refused(now.Sub(l.base), n, o.RetryAfter)
	l.apply(now)
}

// done takes in the end of a call that was not refused, before its reservation is settled.
func (l *learner) done(now time.Time, r *limit.Reservation, tk *ticket, o *Outcome) {
	l.accepted(tk)
	n := l.note(tk)
	if n == nil {
		return
	}
	in, out := float64(n.need.Input), float64(n.need.Output)
	if o.Used {
		in, out = float64(o.Usage.Input), float64(o.Usage.Output)
	}
	l.study.done(now.Sub(l.base), n, in, out)
	l.apply(now)
}

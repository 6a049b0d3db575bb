package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// study finds out how a provider enforces a quota, from what it answers. It is guarded by its account's mu.
//
//  1. Each way in which a minute's limits may be enforced is a hypothesis (guess), which predicts from what was taken whether a call is
//     accepted. A call that is not refused within the time that refusals take was accepted. Calls are judged in the order in which
//     they were sent, with the fate of all earlier ones known: that is why a trace of what was taken runs behind by that time.
//  2. A hypothesis that predicted otherwise gets a strike; two make it out. When all are out, one of the premises is wrong: the
//     counting rule, the rate, or somebody else uses the quota too. Then the next such premise is tried and all begin anew.
//  3. While hypotheses differ, a call that all of them accept goes, one that none accepts waits, and one that some accept is a probe.
//     Probes are bounded by how many of them are not yet known to be accepted, so that a wrong guess costs a handful of refusals.
//  4. With one hypothesis left the study is settled: the set of budgets has its shape, and the study looks on.
type study struct {
	rate     take // per second, 0 where there is no limit
	declared bool
	unknown  bool // the rate is not known at all: nothing was ever refused
	judgedOK int  // calls that were accepted, while it is not
	stated   bool // the rate is that of headers
	auto     bool // the counting rule is to be learned
	open     bool // and is not known: ruleMax or ruleCorrected
	rule     rule
	against  [rules]int // what speaks against a counting rule
	guess    guess

	now     time.Duration
	past    [rules]trace // judged calls
	pending pending
	reach   time.Duration // within which refusals come
	fast    time.Duration // the slowest refusal of late

	// Probes.
	width    int           // how many may be unconfirmed
	grown    int           // probes that were accepted and went further than any before
	hold     time.Duration // none before: what a refusal means is not yet known
	doubt    bool          // the last that was judged was refused
	told     time.Duration // the wait that the provider stated, until when
	toldAt   time.Duration
	judged   time.Duration // the last refusal
	tried    time.Duration // when another counting rule was tried last
	failed   int           // episodes in a row
	passed   int           // calls that were accepted beyond the rate
	wrong    int           // refusals that contradict the shape that was found
	wrongAt  time.Duration
	pause    time.Duration // until when nothing should be sent; taken by the learner
	found    time.Duration // when the shape and the counting rule were known
	times    int
	episode  time.Duration // end of the refusals that count as one
	episodes int

	heads  heads
	second second
	phase  phase

	// Growth of a rate that was found out.
	grewAt    time.Duration
	before    take // the rate
	estimated time.Duration
	adjusted  float64 // by how much since then
	streak    int     // accepted calls since the last refusal
	overgrown int     // times that it was refused
}

// note is what a study remembers of one call.
type note struct {
	id   uint64 // 0: none
	at   time.Duration
	need llm.Need
	rule rule
	// With this call, when it was sent, by each rule: what a bucket lacks, and what was taken within the last minute.
	lack, span [rules]take
}

// entry is a call that has not been judged.
type entry struct {
	at      time.Duration
	need    llm.Need
	refused bool
	// accepted says that an answer has begun or ended: no refusal comes any more.
	accepted bool
	probe    bool
	mixed    bool // some hypotheses do not accept it
}

// pending are the calls that have not been judged, in the order in which they were sent.
type pending struct {
	ring   [512]entry
	first  uint64 // of those in the ring
	next   uint64
	sum    [rules]take // of those not refused
	probes int         // not refused
}

func (p *pending) full() bool { return p.next-p.first == uint64(len(p.ring)) }

func (p *pending) get(id uint64) *entry {
	if id < p.first || id >= p.next {
		return nil
	}
	return &p.ring[id%uint64(len(p.ring))]
}

// firstReach is the time that refusals are given at first.
const firstReach = 150 * time.Millisecond

func newStudy(terms *limit.Terms) *study {
	l := &study{reach: firstReach, width: firstWidth, declared: minutely(terms)}
	l.unknown = !l.declared
	l.pending.first, l.pending.next = 1, 1
	l.setTerms(terms)
	l.guess.reset(terms.Shape)
	return l
}

// setTerms sets the limits of a minute and the counting rule.
func (l *study) setTerms(terms *limit.Terms) {
	l.rate = take{}
	for _, b := range terms.Limits {
		if int(b.Dim) < budgetDims && b.Per > 0 && b.Per <= time.Minute {
			l.rate[b.Dim] = float64(b.Amount) / b.Per.Seconds()
		}
	}
	switch terms.Charge {
	case limit.ChargeMax:
		l.rule = ruleMax
	case limit.ChargeCorrected:
		l.rule = ruleCorrected
	case limit.ChargeActual:
		l.rule = ruleActual
	default:
		if !l.auto {
			l.auto, l.open, l.rule = true, true, ruleMax
		}
		return
	}
	l.auto, l.open = false, false
}

// turn lets time pass: calls that would have been refused by now were accepted.
func (l *study) turn(now time.Duration) {
	l.now = now
	p := &l.pending
	for p.first < p.next {
		e := p.get(p.first)
		if now-e.at <= l.reach && !e.accepted {
			break
		}
		l.judge(e)
		p.first++
	}
	for r := range l.past {
		l.past[r].turn(max(now-l.reach, 0), &l.rate)
	}
}

// judge takes a call to the past, whose fate is known.
func (l *study) judge(e *entry) {
	for r := range l.past {
		l.past[r].turn(e.at, &l.rate)
	}
	s := l.stand(l.rule, take{}, e.at, &e.need)
	if e.refused {
		if l.unknown && l.past[ruleMax].since(e.at - time.Minute)[limit.Requests] < scoutLeast {
			return // no rate follows from so little; the breaker heeds it
		}
		if l.unknown {
			l.estimate(e.at)
			s = l.stand(l.rule, take{}, e.at, &e.need)
		}
		if l.open {
			if c := l.stand(ruleCorrected, take{}, e.at, &e.need); e.at > l.judged+400*time.Millisecond {
				if yes, no := l.guess.ask(&c, true); yes > 0 && no == 0 {
					l.oppose(ruleCorrected)
				}
			}
		}
		l.judged = e.at
		late := l.stand(l.rule, l.soonAfter(e), e.at, &e.need)
		l.guess.refused(&late)
		l.revive(true)
		return
	}
	switch {
	case l.second.on:
		l.again(e)
	case !l.guess.settled && !l.unknown && !l.guess.possible(&s):
		l.beyond()
	}
	if l.open {
		if !l.guess.possible(&s) {
			l.oppose(ruleMax)
		}
		s = l.stand(ruleCorrected, take{}, e.at, &e.need)
	}
	for r := range l.past {
		l.past[r].add(rule(r).onArrival(&e.need))
		l.pending.sum[r].sub(rule(r).onArrival(&e.need))
	}
	if l.unknown {
		l.judgedOK++
		return
	}
	l.streak++
	if !l.declared && !l.stated && !l.second.on {
		l.adjust(&s)
	}
	l.guess.accepted(&s)
	if e.probe {
		l.pending.probes--
		l.doubt = false
		l.grown++
		if e.mixed {
			l.width = min(l.width*2, lastWidth)
		}
	}
	l.revive(false)
}

// slowStart is how many calls may be under way unconfirmed after a refusal, beside as many as were accepted since.
const slowStart = 4

// careful returns how many calls may be under way unconfirmed after a refusal. Where seconds may be enforced it is a part of what went in the last
// one, so that being wrong again costs a handful of refusals and not a second's worth; that is still enough for more every second.
func (l *study) careful(now time.Duration) uint64 {
	if !l.guess.slices.in() {
		return uint64(slowStart + l.streak)
	}
	second := l.past[l.rule].since(now - time.Second)[limit.Requests]
	return uint64(max(min(slowStart+l.streak, int(second)/4), slowStart))
}

// shuffle is the time within which calls may arrive in another order than they were sent.
const shuffle = 30 * time.Millisecond

// soonAfter returns what was taken by calls that were sent so soon after another that they may have come before it.
func (l *study) soonAfter(e *entry) (sum take) {
	p := &l.pending
	for id := p.first; id < p.next; id++ {
		o := p.get(id)
		if o.at > e.at+shuffle {
			break
		}
		if o != e && !o.refused {
			sum.add(l.rule.onArrival(&o.need))
		}
	}
	return sum
}

// stand is how far a call goes into the quota, by each hypothesis, in seconds at the plain rate.
type stand struct {
	now  time.Duration
	lack float64 // of a bucket
	cost float64
	tr   *trace
	rate *take
	more take // besides what is in tr
}

// stand returns where a call at a time goes to, in addition to more.
func (l *study) stand(r rule, more take, now time.Duration, n *llm.Need) stand {
	tr, cost := &l.past[r], r.onArrival(n)
	more.add(cost)
	lack := tr.lack
	lack.add(more)
	if gone := (now - tr.at).Seconds(); gone > 0 {
		for d := range lack {
			lack[d] = max(lack[d]-gone*l.rate[d], cost[d])
		}
	}
	return stand{now: now, lack: lack.largest(&l.rate), cost: cost.largest(&l.rate), tr: tr, rate: &l.rate, more: more}
}

// since returns what was taken since a time or a slot earlier, with the call.
func (s *stand) since(at time.Duration) float64 {
	t := s.tr.since(at)
	t.add(s.more)
	return t.largest(s.rate)
}

// Probes.
const (
	firstWidth = 4
	lastWidth  = 12
)

// idle reports whether the set of budgets can decide alone: the shape and the counting rule are known, and have been for so long that all
// that counts has been counted by them.
func (l *study) idle(now time.Duration) bool {
	if !l.guess.settled || l.open || !l.declared && !l.stated {
		return false
	}
	if l.guess.shape.Mode == limit.Slices {
		return now > l.episode+3*time.Second
	}
	return now > l.found+time.Minute+5*time.Second
}

// ask says whether a call may go, as far as what is not yet known is concerned, and if not, when to ask again.
func (l *study) ask(now time.Duration, n *llm.Need) (ok bool, until time.Duration) {
	if l.idle(now) {
		return true, 0
	}
	l.turn(now)
	p := &l.pending
	if l.unknown {
		if p.next-p.first >= uint64(max(scoutWidth, l.judgedOK/8)) && l.judgedOK < scoutEnough {
			return false, p.get(p.first).at + l.reach + time.Millisecond
		}
		return true, 0
	}
	if p.full() {
		return false, p.get(p.first).at + l.reach
	}
	if l.second.on && p.next-p.first >= uint64(l.width) {
		return false, p.get(p.first).at + l.reach + time.Millisecond
	}
	if l.guess.settled && l.guess.shape.Mode == limit.Slices && !l.second.on {
		if now < l.episode+3*time.Second && p.next-p.first >= l.careful(now) {
			return false, p.get(p.first).at + l.reach + time.Millisecond
		}
		if l.declared || l.stated {
			return true, 0
		}
	}
	s := l.stand(l.rule, p.sum[l.rule], now, n)
	yes, no := l.guess.ask(&s, l.doubt)
	if l.guess.settled && !l.declared && !l.stated && !l.second.on {
		if l.guess.over(&s) {
			l.grow(now)
		}
		if l.guess.shape.Mode != limit.Slices && l.episodes > 0 && p.next-p.first >= uint64(slowStart+l.streak) {
			return false, p.get(p.first).at + l.reach + time.Millisecond // what is left follows from a rate that was only found out
		}
		if l.guess.shape.Mode != limit.Slices && l.grewAt > 0 && now < l.grewAt+growMinute/2 && p.next-p.first >= 2*slowStart {
			return false, p.get(p.first).at + l.reach + time.Millisecond
		}
		return true, 0 // the set decides
	}
	switch {
	case l.episodes > 0 && p.next-p.first >= l.careful(now):
		return false, p.get(p.first).at + l.reach + time.Millisecond
	case no == 0 && !l.guess.grows(&s):
		return true, 0
	case yes < no && l.higher(now):
		l.tried = now
		return true, 0
	case yes == 0 && !l.other(now, n):
		return false, now + l.guess.soonest(&s)
	case yes == 0 && (l.hold > now || now < l.tried+l.reach):
		return false, now + l.reach
	case yes == 0:
		l.tried = now
		return true, 0
	case no > 0 && l.guess.narrow():
		return false, now + traceSlot/2 // the end of a window is near, and a probe would tell little
	case l.told > now:
		return false, l.told
	case l.hold > now:
		return false, l.hold
	case (l.doubt || yes < no) && yes < (yes+no)*l.guess.patience(), yes < no && now < l.episode+l.guess.pause():
		return false, now + traceSlot
	}
	if p.probes >= l.allowed(yes, no) {
		return false, l.oldestProbe() + l.reach + time.Millisecond
	}
	return true, 0
}

// other reports whether another counting rule than the one that is gone by has room for a call, and may be tried.
func (l *study) other(now time.Duration, n *llm.Need) bool {
	if !l.open || now < l.episode+2*time.Second || l.told > now || l.guess.slices.in() {
		return false
	}
	s := l.stand(ruleCorrected, l.pending.sum[ruleCorrected], now, n)
	yes, no := l.guess.ask(&s, true)
	return yes > no
}

// oppose takes in that what happened speaks against a counting rule.
func (l *study) oppose(r rule) {
	if l.against[r]++; l.against[r] < 2 || !l.open {
		return
	}
	l.open = false
	l.found = l.now
	if l.rule = ruleMax; r == ruleMax {
		l.rule = ruleCorrected
	}
}

// allowed returns how many probes may be unconfirmed. Where only the size of a bucket is in doubt, it grows with the burst that was confirmed.
func (l *study) allowed(yes, no float64) int {
	switch {
	case no == 0 && l.heads.trusted():
		return 48
	case no == 0:
		if l.grown < 200 {
			return min(max(l.grown/20, 6), 10)
		}
		return min(l.grown/12, 40)
	case yes < no:
		return 1
	}
	return l.width
}

func (l *study) oldestProbe() time.Duration {
	for id := l.pending.first; id < l.pending.next; id++ {
		if e := l.pending.get(id); e.probe && !e.refused {
			return e.at
		}
	}
	return l.now
}

// sent takes note of a call that has been sent.
func (l *study) sent(now time.Duration, n *llm.Need) note {
	l.turn(now)
	p := &l.pending
	if p.full() {
		l.judge(p.get(p.first))
		p.first++
	}
	e := p.get2(p.next)
	*e = entry{at: now, need: *n}
	if !l.unknown && (!l.guess.settled || l.open) {
		s := l.stand(l.rule, p.sum[l.rule], now, n)
		yes, no := l.guess.ask(&s, l.doubt)
		e.mixed = yes > 0 && no > 0
		if e.probe = no > 0 || l.guess.grows(&s); e.probe {
			p.probes++
		}
	}
	for r := range p.sum {
		p.sum[r].add(rule(r).onArrival(n))
	}
	l.phase.turn(now)
	l.phase.sent(now, l.rule.onArrival(n))
	t := note{id: p.next, at: now, need: *n, rule: l.rule}
	for r := range l.past {
		t.lack[r], t.span[r] = l.past[r].lack, l.past[r].since(now-time.Minute)
		t.lack[r].add(p.sum[r])
		t.span[r].add(p.sum[r])
	}
	p.next++
	return t
}

func (p *pending) get2(id uint64) *entry { return &p.ring[id%uint64(len(p.ring))] }

// revive makes a new beginning when no hypothesis is left.
func (l *study) revive(refused bool) {
	if l.guess.settled && l.found == 0 {
		l.found = l.now
		if l.guess.shape.Mode == limit.Slices {
			l.open = false // what is corrected comes back in another second
		}
	}
	if !l.guess.none() {
		return
	}
	switch {
	case l.open && !refused && l.declared:
		l.open, l.rule = false, ruleCorrected
	case !l.declared && !l.stated && !refused:
		l.scale(1.5)
	case !l.declared && !l.stated:
		l.scale(0.9)
	}
	l.guess.reset(limit.Shape{})
	l.found = 0
}

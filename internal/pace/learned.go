package pace

import (
	"cmp"
	"math"
	"slices"
	"time"

	"sluice/internal/limit"
)

// Learned is what has been found out of one quota, for another process to go on with. It can be written as JSON.
type Learned struct {
	Quota  string        // name of the quota's set
	Limits []limit.Limit `json:",omitempty"` // a minute's, where none are declared
	Shape  limit.Shape   // Unknown if it is not; of Fixed, Anchor is the earliest beginning that is possible
	Latest time.Duration `json:",omitempty"` // of Fixed: how much later than Anchor a window may begin
	Charge limit.Charge  // ChargeAuto if it is not known
}

// Learned returns what has been found out, by name.
func (f *Fleet) Learned() (all []Learned) {
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		a.eachQuota(func(q *quota) {
			if q.learner != nil {
				if x, ok := q.learner.learned(q.set.Name()); ok {
					all = append(all, x)
				}
			}
		})
		a.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Learned) int { return cmp.Compare(a.Quota, b.Quota) })
	return all
}

// Recall takes over what another process has found out of the declared quotas. What does not fit is left out.
func (f *Fleet) Recall(all []Learned) {
	byName := make(map[string]Learned, len(all))
	for _, x := range all {
		byName[x.Quota] = x
	}
	now := f.time(f.now())
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		for _, q := range a.quotas {
			if x, ok := byName[q.set.Name()]; ok && q.learner != nil {
				q.learner.recall(now, x)
			}
		}
		a.mu.Unlock()
	}
	f.stir()
}

// learned returns what has been found out; ok is false if that is nothing.
func (l *learner) learned(name string) (x Learned, ok bool) {
	if l.study == nil || l.study.unknown {
		return x, false
	}
	x = Learned{Quota: name}
	if !l.declared {
		x.Limits = l.study.terms()
	}
	if !l.study.open {
		x.Charge = chargeOf(l.study.rule)
	}
	g := &l.study.guess
	if g.settled {
		x.Shape = g.shape
		return x, true
	}
	if first, width, ok := g.begin(); ok && width <= narrowTime {
		x.Shape = limit.Shape{Mode: limit.Fixed, Window: time.Minute, Anchor: l.base.Add(first).UTC().Round(0)}
		x.Latest = width
		return x, true
	}
	return x, !l.declared
}

func chargeOf(r rule) limit.Charge {
	return [...]limit.Charge{limit.ChargeMax, limit.ChargeCorrected, limit.ChargeActual}[r]
}

// recall takes over what has been learned.
func (l *learner) recall(now time.Time, x Learned) {
	s := l.study
	if s == nil || s.unknown {
		return
	}
	if s.auto && x.Charge != limit.ChargeAuto {
		s.open = false
		switch x.Charge {
		case limit.ChargeMax:
			s.rule = ruleMax
		case limit.ChargeCorrected:
			s.rule = ruleCorrected
		case limit.ChargeActual:
			s.rule = ruleActual
		}
	}
	g := &s.guess
	switch x.Shape.Mode {
	case limit.Slices, limit.Bucket, limit.Sliding:
		g.reset(x.Shape)
		if x.Shape.Mode == limit.Bucket {
			g.least = x.Shape.Burst.Seconds()
		}
		s.found = now.Sub(l.base) - 2*time.Minute // nothing was taken before by this process
	case limit.Fixed:
		if x.Shape.Anchor.IsZero() || x.Latest < 0 || x.Latest > 5*time.Second {
			return
		}
		g.reset(limit.Shape{})
		g.most = math.Inf(1)
		g.slices.n, g.sliding.n, g.bucket.n = out, out, out
		from := (x.Shape.Anchor.Sub(l.base)%time.Minute + time.Minute) % time.Minute
		for b := range g.fixed {
			off := (time.Duration(b)*binTime - from + time.Minute + binTime/2) % time.Minute
			if off > x.Latest+binTime {
				g.fixed[b].n = out
			}
		}
	}
	l.apply(now)
}

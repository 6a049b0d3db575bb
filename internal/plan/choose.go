package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// latency is the percentile by which candidates are compared: of the first limit that is stated.
func (q *RouteQuestion) latency(c *Chosen) (name string, ms float64) {
	name, of := "E2E", c.E2E
	switch {
	case q.TTFT > 0:
		name, of = "TTFT", c.TTFT
	case q.TPOT > 0:
		name, of = "TPOT", c.TPOT
	}
	f, _ := of.Percentile(q.Percentile)
	return q.Percentile + " " + name, f.Mean
}

// order compares candidates by what is preferred: better ones first. Those without a price come after those with one where
// cost counts. The name decides the rest, so that the order is one.
func (q *RouteQuestion) order(all []Chosen) func(a, b Chosen) int {
	leastCost, leastMS := 0.0, 0.0
	for i := range all {
		if c := all[i].Cost; c.N > 0 && c.Mean > 0 && (leastCost == 0 || c.Mean < leastCost) {
			leastCost = c.Mean
		}
		if _, ms := q.latency(&all[i]); ms > 0 && (leastMS == 0 || ms < leastMS) {
			leastMS = ms
		}
	}
	return func(a, b Chosen) int {
		_, ma := q.latency(&a)
		_, mb := q.latency(&b)
		byCost := cmp.Or(unpricedLast(a, b), cmp.Compare(a.Cost.Mean, b.Cost.Mean))
		name := cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Region, b.Region))
		switch q.Prefer {
		case PreferLatency:
			return cmp.Or(cmp.Compare(ma, mb), byCost, name)
		case PreferBalanced:
			// How many times the cheapest and the fastest, multiplied: neither unit counts for more.
			times := func(c Chosen, ms float64) float64 { return ratio(c.Cost.Mean, leastCost) * ratio(ms, leastMS) }
			return cmp.Or(unpricedLast(a, b), cmp.Compare(times(a, ma), times(b, mb)), byCost, name)
		}
		return cmp.Or(byCost, cmp.Compare(ma, mb), name)
	}
}

func ratio(x, least float64) float64 {
	if least == 0 {
		return 1
	}
	return x / least
}

func unpricedLast(a, b Chosen) int {
	switch {
	case a.Priced == b.Priced:
		return 0
	case a.Priced:
		return -1
	}
	return 1
}

// explain says of each candidate whether another one is at least as good in everything (cost, latency, errors, capacity) and
// better in something. Those of which no other is are the Pareto front. What is unpriced cannot be placed.
func explain(all []Chosen) {
	for i := range all {
		if !all[i].Priced {
			all[i].Why = "its price is not known, so whether another target is better in everything is not either"
			continue
		}
		all[i].Why = "on the Pareto front: no other target is better in one thing and as good in the others"
		for j := range all {
			if i != j && dominates(&all[j], &all[i]) {
				all[i].Why = "dominated by " + all[j].Target + ", which is as good in cost, latency, errors and capacity, and better in one"
				break
			}
		}
	}
}

func dominates(a, b *Chosen) bool {
	if !a.Priced {
		return false
	}
	better := false
	for _, x := range [][2]float64{
		{a.Cost.Mean, b.Cost.Mean},
		{a.TTFT.P95.Mean, b.TTFT.P95.Mean},
		{a.E2E.P95.Mean, b.E2E.P95.Mean},
		{a.ErrorRate.Mean, b.ErrorRate.Mean},
		{-a.Carries.Float64(), -b.Carries.Float64()},
	} {
		if x[0] > x[1] {
			return false
		}
		better = better || x[0] < x[1]
	}
	return better
}

// choose makes the route from the candidates that meet all conditions, best first:
//
//  1. If one carries the load alone, the best of those is first, and others stand behind it for failover: first those that
//     carry the load too, and of another provider than the targets before.
//  2. If none does, the best ones share the load by weight, as many as it takes. Others are kept with weight 0, for failover.
//  3. If all together do not carry it, there is no route.
func (q *RouteQuestion) choose(r *Route, fit []Chosen) {
	if len(fit) == 0 {
		r.Failure = "no measured target meets all conditions"
		return
	}
	need := q.Rate.Times(q.Peak)
	if q.Rate.Sign() > 0 {
		r.Need = &need
	}
	carries := func(c Chosen) bool { return c.Carries.Cmp(need) >= 0 }
	if first := slices.IndexFunc(fit, carries); first >= 0 {
		r.Strategy = "failover"
		r.Targets = append(r.Targets, fit[first])
		q.standBy(r, slices.Delete(slices.Clone(fit), first, first+1), need, 1)
		r.Targets[0].Weight = 1
		return
	}
	var sum Exact
	n := 0
	for n < len(fit) && sum.Cmp(need) < 0 {
		sum = sum.Plus(fit[n].Carries)
		n++
	}
	if sum.Cmp(need) < 0 {
		r.Failure = fmt.Sprintf("all targets that meet the conditions carry %s/s together with %s headroom, %s/s are wanted in the busiest minute",
			sum.Grouped(2), percent(q.Headroom), need.Grouped(2))
		q.refuse(r, fit, func(c Chosen) string {
			return fmt.Sprintf("capacity too low: carries %s/s (%s)", c.Carries.Grouped(2), c.capacity)
		})
		return
	}
	if n > q.Targets {
		r.Failure = fmt.Sprintf("the load takes %d targets together, and no more than %d are allowed", n, q.Targets)
		q.refuse(r, fit, func(c Chosen) string {
			return fmt.Sprintf("capacity too low alone: carries %s/s (%s)", c.Carries.Grouped(2), c.capacity)
		})
		return
	}
	r.Strategy = "weighted"
	r.Targets = append(r.Targets, fit[:n]...)
	for i := range r.Targets {
		r.Targets[i].Weight = weight(r.Targets[i].Carries, sum)
	}
	q.standBy(r, fit[n:], need, 0)
}

// weight is a share in percent, at least 1.
func weight(part, sum Exact) int {
	return int(part.Times(Int(100)).Over(sum).Plus(Float(0.5)).Floor().Max(Int(1)).Int64())
}

// standBy adds targets for failover until the route is full.
func (q *RouteQuestion) standBy(r *Route, rest []Chosen, need Exact, weight int) {
	for len(rest) > 0 && len(r.Targets) < q.Targets {
		known := func(c Chosen) bool {
			return slices.ContainsFunc(r.Targets, func(t Chosen) bool { return t.Provider() == c.Provider() })
		}
		best := 0
		for i := range rest {
			better := cmp.Or(
				cmp.Compare(count(rest[i].Carries.Cmp(need) >= 0), count(rest[best].Carries.Cmp(need) >= 0)),
				cmp.Compare(count(!known(rest[i])), count(!known(rest[best]))))
			if better > 0 {
				best = i
			}
		}
		c := rest[best]
		c.Weight = weight
		r.Targets = append(r.Targets, c)
		rest = slices.Delete(slices.Clone(rest), best, best+1)
	}
	q.refuse(r, rest, func(Chosen) string {
		return fmt.Sprintf("meets all conditions, but the route has %d targets already", q.Targets)
	})
	for _, c := range r.Targets[1:] {
		if r.Strategy == "failover" && c.Carries.Cmp(need) < 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s carries %s/s, less than the %s/s wanted: as a fallback it takes part of the load", c.Target,
				c.Carries.Grouped(2), need.Grouped(2)))
		}
	}
	for _, c := range r.Targets {
		if !c.Priced {
			r.Notes = append(r.Notes, c.Target+" is unpriced: what it costs is not known, which does not mean nothing")
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// refuse puts candidates among the rejected.
func (q *RouteQuestion) refuse(r *Route, all []Chosen, why func(Chosen) string) {
	for _, c := range all {
		r.Rejected = append(r.Rejected, Rejected{c.Target, c.Region, c.Load, []string{why(c)}})
	}
}

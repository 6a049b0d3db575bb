package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What a route is best at.
const (
	PreferCost     = "cost"
	PreferLatency  = "latency"
	PreferBalanced = "balanced"
)

// Preferences are the values of RouteQuestion.Prefer.
func Preferences() []string { return []string{PreferCost, PreferLatency, PreferBalanced} }

// RouteQuestion asks for the route that measured targets make.
type RouteQuestion struct {
	Name       string // public name of the model that the route is for
	Candidates []Candidate

	TTFT, TPOT, E2E time.Duration // limits on latency; 0 for none
	Percentile      string        // which percentile the limits are on: p50, p95, p99
	MaxErrors       Exact         // highest share of failures

	Rate     Exact // calls a second in the mean; 0 if not stated
	Peak     Exact
	Headroom Exact
	MaxCost  Exact // USD for a transaction; 0 for none
	Budget   Exact // USD a month at the stated rate; 0 for none

	Prefer   string
	Targets  int  // most targets of the route
	Unproven bool // take a target whose figure meets a limit while its interval does not
	Degraded bool // take measurements whose verdict is "degraded"

	Inputs []Input
}

// Route is the answer.
type Route struct {
	Inputs   []Input    `json:"inputs"`
	Model    string     `json:"model"`
	Strategy string     `json:"strategy,omitempty"` // "" if there is no route
	Targets  []Chosen   `json:"targets"`
	Rejected []Rejected `json:"rejected"`
	Failure  string     `json:"failure,omitempty"` // why there is no route
	Notes    []string   `json:"notes,omitempty"`
	Need     *Exact     `json:"need_per_s,omitempty"` // in the busiest minute
}

// Chosen is a target of the route.
type Chosen struct {
	Candidate
	Weight   int    `json:"weight"`
	Carries  Exact  `json:"carries_per_s"` // with headroom
	Month    *Money `json:"month_usd,omitempty"`
	Why      string `json:"why"`
	Priced   bool   `json:"priced"`
	capacity string // where Carries comes from
}

// Rejected is a candidate that is not in the route.
type Rejected struct {
	Target  string   `json:"target"`
	Region  string   `json:"region,omitempty"`
	Load    string   `json:"load"`
	Reasons []string `json:"reasons"`
}

// Route answers the question. A route that cannot be made is an answer, with Failure set; an error is a question without
// meaning.
func (q *RouteQuestion) Route() (*Route, error) {
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("plan route: %w", err)
	}
	r := &Route{Inputs: q.Inputs, Model: q.Name}
	fit := q.sift(r)
	slices.SortFunc(fit, q.order(fit))
	explain(fit)
	q.choose(r, fit)
	slices.SortFunc(r.Rejected, func(a, b Rejected) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Region, b.Region), strings.Compare(a.Load, b.Load))
	})
	return r, nil
}

func (q *RouteQuestion) check() error {
	switch {
	case q.Name == "":
		return errors.New("the model needs a name")
	case len(q.Candidates) == 0:
		return errors.New("no measured targets are given")
	case q.TTFT <= 0 && q.TPOT <= 0 && q.E2E <= 0:
		return errors.New("no limit on latency is given: state one for TTFT, TPOT or E2E")
	case q.Budget.Sign() > 0 && q.Rate.Sign() == 0:
		return errors.New("a budget for a month needs the rate that it is spent at")
	case q.Targets < 1:
		return errors.New("a route has at least one target")
	case q.Peak.Cmp(Int(1)) < 0:
		return errors.New("the peak factor is below 1: the busiest minute has no less than the mean")
	case q.Headroom.Sign() < 0 || q.Headroom.Cmp(Int(1)) >= 0:
		return errors.New("headroom must leave something: want 0 up to, but not, 100 %")
	case !slices.Contains(Preferences(), q.Prefer):
		return fmt.Errorf("preference is %q, want %s", q.Prefer, strings.Join(Preferences(), ", "))
	}
	if _, ok := (Latency{}).Percentile(q.Percentile); !ok {
		return fmt.Errorf("percentile is %q, want p50, p95 or p99", q.Percentile)
	}
	return nil
}

// sift keeps, of each target and region, the measurement at the highest load that meets all conditions. Of those that none
// meets, it records the reasons at the load that came nearest.
func (q *RouteQuestion) sift(r *Route) []Chosen {
	type key struct{ target, region, via string }
	var keys []key
	by := map[key][]Candidate{}
	for _, c := range q.Candidates {
		k := key{c.Target, c.Region, c.Via}
		if by[k] == nil {
			keys = append(keys, k)
		}
		by[k] = append(by[k], c)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.target, b.target), strings.Compare(a.region, b.region), strings.Compare(a.via, b.via))
	})
	var fit []Chosen
	for _, k := range keys {
		best, near := -1, Rejected{}
		steps := by[k]
		slices.SortStableFunc(steps, func(a, b Candidate) int {
			return cmp.Or(cmp.Compare(a.TPS.Mean, b.TPS.Mean), cmp.Compare(a.Step, b.Step), a.Date.Compare(b.Date))
		})
		for i := range steps {
			reasons := q.reject(&steps[i])
			if len(reasons) == 0 {
				best = i
			} else if near.Reasons == nil || len(reasons) < len(near.Reasons) {
				near = Rejected{k.target, k.region, steps[i].Load, reasons}
			}
		}
		if best < 0 {
			r.Rejected = append(r.Rejected, near)
			continue
		}
		c := Chosen{Candidate: steps[best], Priced: steps[best].Cost.N > 0}
		c.Carries, c.capacity = c.carries(q.Headroom)
		if c.Priced && q.Rate.Sign() > 0 {
			month := USD(q.month(&c.Candidate))
			c.Month = &month
		}
		fit = append(fit, c)
	}
	return oneOfEach(fit, r, q)
}

// oneOfEach keeps the better of a target's measurements in several regions or through several gateways: a route names the
// target, and cannot tell them apart.
func oneOfEach(fit []Chosen, r *Route, q *RouteQuestion) []Chosen {
	slices.SortStableFunc(fit, q.order(fit))
	var kept []Chosen
	for _, c := range fit {
		if slices.ContainsFunc(kept, func(o Chosen) bool { return o.Target == c.Target }) {
			r.Rejected = append(r.Rejected, Rejected{
				c.Target, c.Region, c.Load, []string{"measured better elsewhere, and a route cannot tell the two apart: give each region a provider of its own"},
			})
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// month is what the stated rate costs in a month with one target.
func (q *RouteQuestion) month(c *Candidate) Exact {
	return Float(c.Cost.Mean).Times(q.Rate).Times(Int(day)).Times(Int(daysPerYear)).Over(Int(monthsPerYear))
}

// reject returns the reasons against a measurement; none if it meets all conditions.
func (q *RouteQuestion) reject(c *Candidate) []string {
	var why []string
	if c.State != "valid" && (c.State != "degraded" || !q.Degraded) {
		why = append(why, strings.TrimSuffix("measurement is "+c.State+": "+clean(strings.Join(c.Reasons, "; ")), ": "))
	}
	for _, slo := range []struct {
		name  string
		limit time.Duration
		of    Latency
	}{{"TTFT", q.TTFT, c.TTFT}, {"TPOT", q.TPOT, c.TPOT}, {"E2E", q.E2E, c.E2E}} {
		if slo.limit <= 0 {
			continue
		}
		f, _ := slo.of.Percentile(q.Percentile)
		if reason := q.against(q.Percentile+" "+slo.name, f, float64(slo.limit)/float64(time.Millisecond), " ms", 1); reason != "" {
			why = append(why, reason)
		}
	}
	if reason := q.against("error rate", c.ErrorRate, q.MaxErrors.Float64(), " %", 100); reason != "" {
		if c.MainError != "" {
			reason += ", mostly " + clean(c.MainError)
		}
		why = append(why, reason)
	}
	return append(why, q.tooDear(c)...)
}

// against compares a figure with a limit: with the end of its interval, unless unproven figures are taken.
func (q *RouteQuestion) against(what string, f Figure, limit float64, unit string, scale float64) string {
	shown := f
	shown.Mean, shown.Lo, shown.Hi = f.Mean*scale, max(f.Lo, 0)*scale, f.Hi*scale
	at := figure(limit*scale) + unit
	switch {
	case f.N == 0:
		return what + " was not measured"
	case f.Mean > limit && limit > 0:
		return fmt.Sprintf("%s %s%s misses %s by %s %%%s", what, figure(shown.Mean), unit, at, figure(100*(f.Mean-limit)/limit), shown.interval(unit))
	case f.Mean > limit:
		return fmt.Sprintf("%s %s%s misses %s%s", what, figure(shown.Mean), unit, at, shown.interval(unit))
	case q.Unproven:
		return ""
	case f.N < 2:
		return fmt.Sprintf("%s %s%s meets %s, but one repeat proves nothing: measure more, or --accept-unproven", what, figure(shown.Mean), unit, at)
	case f.Hi > limit:
		return fmt.Sprintf("%s %s%s meets %s, but its interval does not%s: measure more repeats, or --accept-unproven", what,
			figure(shown.Mean), unit, at, shown.interval(unit))
	}
	return ""
}

// tooDear says what is wrong with the price.
func (q *RouteQuestion) tooDear(c *Candidate) []string {
	if q.Budget.Sign() == 0 && q.MaxCost.Sign() == 0 {
		return nil
	}
	if c.Cost.N == 0 {
		return []string{"unpriced: whether it is within the budget cannot be said"}
	}
	var why []string
	if cost := Float(c.Cost.Mean); q.MaxCost.Sign() > 0 && cost.Cmp(q.MaxCost) > 0 {
		why = append(why, fmt.Sprintf("%s a transaction is above %s", USD(cost), USD(q.MaxCost)))
	}
	if month := q.month(c); q.Budget.Sign() > 0 && month.Cmp(q.Budget) > 0 {
		why = append(why, fmt.Sprintf("%s a month at %s/s is over the budget of %s", USD(month).Short(), q.Rate.Grouped(2), USD(q.Budget).Short()))
	}
	return why
}

// clean makes foreign text fit into one line of a comment.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff {
			return ' '
		}
		return r
	}, s)
}

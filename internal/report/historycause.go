package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// explain estimates the cause of each change from what else changed with it. It looks, in this order, for what would
// explain everything else too:
//
//  1. what is sent: another workload;
//  2. the measuring side: another host or CPU, which is no change of the target;
//  3. limits: other ones in the answers' headers, or more answers with status 429;
//  4. the model: answers of another length, other reasoning, tokens bundled in another way, another price;
//  5. a return to the level before within three suites, which is noise;
//  6. otherwise how much the provider has to spare.
func (b *builder) explain(h *History) {
	for i := range h.Lines {
		l := &h.Lines[i]
		for j := range l.Changes {
			c := &l.Changes[j]
			c.Cause, c.Why = b.cause(h, l, j)
		}
	}
}

func (b *builder) cause(h *History, l *Line, j int) (Cause, string) {
	c := l.Changes[j]
	from, to := 0, len(l.Points)
	if j > 0 {
		from = l.Changes[j-1].Point
	}
	if j+1 < len(l.Changes) {
		to = l.Changes[j+1].Point
	}
	last, first := b.suites[l.Points[c.Point-1].Suite], b.suites[l.Points[c.Point].Suite]
	if last.Workload.Hash != first.Workload.Hash {
		return CauseWorkload, "what is sent changed: " + strings.Join(workloadDifferences(last, first), "; ")
	}
	if x, y := last.Conditions, first.Conditions; x.Host != y.Host || x.CPU != y.CPU || x.CPUs != y.CPUs {
		return CauseNoise, fmt.Sprintf("it was measured elsewhere: %s, %d CPUs, and %s, %d CPUs", orUnknown(x.Host), x.CPUs, orUnknown(y.Host), y.CPUs)
	}
	before, after := b.traits(l, from, c.Point), b.traits(l, c.Point, to)
	if why := before.limits(&after); why != "" {
		return CauseLimit, why
	}
	if why := before.model(&after); why != "" {
		return CauseModel, why
	}
	if why := b.passing(l, j); why != "" {
		return CauseNoise, why
	}
	why := "neither what is sent nor limits, length of answers or price changed"
	if n := h.together(l, &c); n > 0 {
		why += fmt.Sprintf("; %d other cells of %s changed at the same time", n, provider(l.Cell.Target))
	}
	return CauseCapacity, why
}

// passing says whether the line comes back to the level before within three suites.
func (b *builder) passing(l *Line, j int) string {
	const short = 3
	if j+1 < len(l.Changes) {
		if next := l.Changes[j+1]; next.Point-l.Changes[j].Point <= short && alike(next.After, l.Changes[j].Before) {
			return fmt.Sprintf("after %d suites it is back", next.Point-l.Changes[j].Point)
		}
	}
	if j > 0 {
		if prev := l.Changes[j-1]; l.Changes[j].Point-prev.Point <= short && alike(l.Changes[j].After, prev.Before) {
			return fmt.Sprintf("it is back at the level of %d suites before", l.Changes[j].Point-prev.Point)
		}
	}
	return ""
}

func alike(a, b float64) bool { return math.Abs(a-b) <= 0.05*math.Max(math.Abs(a), math.Abs(b)) }

// traits are figures that tell causes apart, as means over the runs of a stretch of suites.
type traits struct {
	requestLimit, tokenLimit int64 // the newest; -1 if unknown
	limited                  float64
	output, reasoning        float64
	perEvent, cost           float64
}

// traits collects those of the points from..to of a line.
func (b *builder) traits(l *Line, from, to int) traits {
	t := traits{requestLimit: -1, tokenLimit: -1}
	n, priced := 0.0, 0.0
	for _, p := range l.Points[from:to] {
		for _, s := range b.series[p.Suite][l.Cell] {
			n++
			if s.RPMLimit > 0 {
				t.requestLimit = s.RPMLimit
			}
			if s.TPMLimit > 0 {
				t.tokenLimit = s.TPMLimit
			}
			if s.Requests > 0 {
				t.limited += float64(s.RateLimited) / float64(s.Requests)
			}
			if s.OutputTokens > 0 {
				t.reasoning += float64(s.ReasoningTokens) / float64(s.OutputTokens)
			}
			t.output += s.Output.Mean
			t.perEvent += s.TokensPerEvent
			if s.OK > 0 && s.Unpriced == 0 {
				priced++
				t.cost += s.CostPerCall
			}
		}
	}
	for _, v := range []*float64{&t.limited, &t.output, &t.reasoning, &t.perEvent} {
		*v /= max(n, 1)
	}
	t.cost /= max(priced, 1)
	return t
}

// limits says what changed in limits; "" if nothing did.
func (t *traits) limits(after *traits) string {
	var why []string
	if t.requestLimit > 0 && after.requestLimit > 0 && t.requestLimit != after.requestLimit {
		why = append(why, fmt.Sprintf("the limit on requests went from %d to %d a minute", t.requestLimit, after.requestLimit))
	}
	if t.tokenLimit > 0 && after.tokenLimit > 0 && t.tokenLimit != after.tokenLimit {
		why = append(why, fmt.Sprintf("the limit on tokens went from %d to %d a minute", t.tokenLimit, after.tokenLimit))
	}
	if d := after.limited - t.limited; math.Abs(d) >= 0.01 {
		why = append(why, fmt.Sprintf("%.1f %% of answers had status 429, before %.1f %%", after.limited*100, t.limited*100))
	}
	return strings.Join(why, "; ")
}

// model says what changed in the answers; "" if nothing did.
func (t *traits) model(after *traits) string {
	var why []string
	moved := func(what string, x, y, by float64) {
		if x > 0 && y > 0 && math.Abs(y-x) > by*x {
			why = append(why, fmt.Sprintf("%s went from %s to %s", what, significant(x), significant(y)))
		}
	}
	moved("the length of answers", t.output, after.output, 0.10)
	moved("tokens per event", t.perEvent, after.perEvent, 0.20)
	if math.Abs(after.reasoning-t.reasoning) > 0.05 {
		why = append(why, fmt.Sprintf("reasoning is %.0f %% of the output, before %.0f %%", after.reasoning*100, t.reasoning*100))
	}
	moved("the cost of a call in dollars", t.cost, after.cost, 0.02)
	return strings.Join(why, "; ")
}

// together counts the other cells of the same provider of which any line changed within one suite of c.
func (h *History) together(l *Line, c *Change) int {
	at := l.Points[c.Point].Suite
	cells := map[CellAt]bool{}
	for i := range h.Lines {
		o := &h.Lines[i]
		if o.Cell == l.Cell || provider(o.Cell.Target) != provider(l.Cell.Target) {
			continue
		}
		if slices.ContainsFunc(o.Changes, func(oc Change) bool {
			d := o.Points[oc.Point].Suite - at
			return d >= -1 && d <= 1
		}) {
			cells[o.Cell] = true
		}
	}
	return len(cells)
}

func provider(target string) string {
	name, _, _ := strings.Cut(target, "/")
	return name
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown host"
	}
	return s
}

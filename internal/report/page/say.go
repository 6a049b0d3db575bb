package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/report"
)

// sentence is text with names and figures in it.
type sentence []part

// part is a piece of a sentence: plain text, a name to stress, or a figure.
type part struct {
	Text string
	Bold bool
	Fig  *figure
}

func (s *sentence) text(format string, args ...any) {
	*s = append(*s, part{Text: fmt.Sprintf(format, args...)})
}

func (s *sentence) bold(text string) { *s = append(*s, part{Text: text, Bold: true}) }

func (s *sentence) fig(f figure) { *s = append(*s, part{Fig: &f}) }

func plain(format string, args ...any) sentence {
	var s sentence
	s.text(format, args...)
	return s
}

// say tells what the answer rests on: what was measured, who is fastest and cheapest, and who meets the limits.
func (v *view) say() []sentence {
	if len(v.results) == 0 {
		return []sentence{plain("This suite holds no finished run.")}
	}
	out := []sentence{v.sayWhat()}
	usable := v.believed()
	if len(usable) == 0 {
		return append(out, v.sayNothing())
	}
	if len(usable) == 1 && len(v.cells) == 1 {
		out = append(out, v.sayOne(usable[0]))
	} else {
		out = append(out, v.sayFastest(usable)...)
		out = append(out, v.sayCheapest(usable)...)
	}
	return append(out, v.sayLimits(usable)...)
}

func (v *view) sayWhat() sentence {
	var requests, ok, failed, cut int64
	repeats := 0
	for i := range v.results {
		r := &v.results[i]
		requests += r.Requests
		ok += r.OK
		failed += r.Failed
		cut += r.Incomplete
		repeats = max(repeats, r.Repeats)
	}
	models, regions := map[string]bool{}, map[string]bool{}
	for _, c := range v.cells {
		models[cmp.Or(c.Model, c.Target)], regions[c.Region] = true, true
	}
	var s sentence
	s.text("%s", counted(int64(len(v.cells)), "target was", "targets were"))
	if len(regions) > 1 {
		s.text(" measured (%s in %s)", counted(int64(len(models)), "model", "models"), counted(int64(len(regions)), "region", "regions"))
	} else {
		s.text(" measured")
	}
	switch {
	case v.sweep():
		s.text(" at several load levels")
	case v.sameLoad():
		s.text(" under a load of %s", loadWords(v.results[0].Load))
	}
	s.text(", %s: ", map[bool]string{true: "once", false: fmt.Sprintf("%d times each", repeats)}[repeats <= 1])
	s.text("%s", counted(requests, "request", "requests"))
	switch {
	case requests == 0:
		s = append(s[:len(s)-1], part{Text: "no request fell into the measured time"})
	case ok == requests:
		s.text(", all successful")
	case ok == 0:
		s.text(", of which not one succeeded")
	case failed == 0:
		s.text(", none of which failed; %s were cut off by the end of a run", shareText(float64(cut)/float64(requests)))
	default:
		s.text(", of which %s failed", shareText(float64(failed)/float64(requests)))
		if cut > 0 {
			s.text(" and %s were cut off by the end of a run", shareText(float64(cut)/float64(requests)))
		}
	}
	s.text(".")
	return s
}

func (v *view) sameLoad() bool {
	return !slices.ContainsFunc(v.results, func(r report.CellResult) bool { return loadWords(r.Load) != loadWords(v.results[0].Load) })
}

func (v *view) sayNothing() sentence {
	for i := range v.results {
		if v.results[i].OK > 0 {
			return plain("No target can be judged: the figures are those of the measuring side, or of its disturbances, and say nothing about the targets.")
		}
	}
	return plain("No target can be judged: there is no answer to measure. What went wrong is under “Successes and errors”.")
}

// sayOne describes the only target.
func (v *view) sayOne(i int) sentence {
	r, f := &v.results[i], v.figures(i)
	var s sentence
	s.bold(cellName(r.Cell))
	s.text(" completed ")
	s.fig(f.tps(r))
	s.text(" transactions a second%s", v.atLoad(r))
	if p := f.ttft95(r); p.None == "" {
		s.text("; 95 %% of first tokens came within ")
		s.fig(inWords(p, r.TTFT.P95))
	}
	if p := f.percentile(r, latencyE2E(), 0.95); p.None == "" {
		s.text("; 95 %% of answers were complete within ")
		s.fig(inWords(p, r.E2ESched.P95))
	}
	if c := f.costPerCall(r); c.None == "" {
		s.text(". A transaction cost ")
		s.fig(c)
	} else {
		s.text(". What it costs is not known")
	}
	s.text(".")
	return s
}

// atLoad names the load level where there are several.
func (v *view) atLoad(r *report.CellResult) string {
	if !v.sweep() {
		return ""
	}
	return " at " + loadWords(r.Load)
}

// inWords is a latency over repeats as a sentence has it, with its unit.
func inWords(f figure, s report.Stat) figure {
	f.Text = inUnits(s.Mean)
	return f
}

// keepsUp is the share of the offered rate that a target must complete to be said to keep up with it. The rest leaves room
// for failures, and for the chance in the number of arrivals.
const keepsUp = 0.9

// offered is the rate that all targets were offered alike; ok is false if there was none. Then their throughput is the
// load's, as long as they keep up, and no figure of theirs.
func (v *view) offered(usable []int) (rate float64, ok bool) {
	if v.sweep() || len(usable) == 0 {
		return 0, false
	}
	rate = v.results[usable[0]].Rate
	return rate, rate > 0 && !slices.ContainsFunc(usable, func(i int) bool { return v.results[i].Rate != rate })
}

// bound says whether the load rather than the targets sets the highest throughput: some kept up with a rate that all were
// offered alike.
func (v *view) bound() bool {
	usable := v.believed()
	rate, ok := v.offered(usable)
	return ok && len(usable) > 1 && slices.ContainsFunc(usable, func(i int) bool { return v.results[i].TPS.Mean >= keepsUp*rate })
}

func (v *view) boundNote() string {
	if !v.bound() {
		return ""
	}
	return fmt.Sprintf("No target was offered more than %s requests/s: near that, throughput is the load’s, not the target’s.", brief(v.results[v.believed()[0]].Rate))
}

// keptUp says whether all targets kept up with a rate that they were offered alike.
func (v *view) keptUp(usable []int) bool {
	rate, ok := v.offered(usable)
	return ok && !slices.ContainsFunc(usable, func(i int) bool { return v.results[i].TPS.Mean < keepsUp*rate })
}

func (v *view) sayFastest(usable []int) []sentence {
	var out []sentence
	rate, same := v.offered(usable)
	switch {
	case v.keptUp(usable):
		out = append(out, plain("All of them kept up with the %s requests/s that were offered, so throughput does not tell them apart; how much more they could do was not tried.", brief(rate)))
	case same:
		out = append(out, v.sayBehind(usable, rate))
	default:
		out = append(out, v.sayFirst(usable, ranking{
			what: "had the highest throughput:", unit: " transactions a second", more: true,
			stat: func(r *report.CellResult) report.Stat { return r.TPS },
			fig:  func(f figures, r *report.CellResult) figure { return f.tps(r) },
		}))
	}
	timed := slices.DeleteFunc(slices.Clone(usable), func(i int) bool {
		return v.figures(i).percentile(&v.results[i], latencyE2E(), 0.95).None != ""
	})
	if len(timed) > 0 && !v.sweep() {
		out = append(out, v.sayFirst(timed, ranking{
			what: "answered fastest: 95 % of its answers were complete within",
			stat: func(r *report.CellResult) report.Stat { return r.E2ESched.P95 },
			fig: func(f figures, r *report.CellResult) figure {
				return inWords(f.percentile(r, latencyE2E(), 0.95), r.E2ESched.P95)
			},
		}))
	}
	return out
}

// sayBehind names the targets that did not complete the rate they were offered.
func (v *view) sayBehind(usable []int, rate float64) sentence {
	var s sentence
	s.text("Of the %s requests/s that were offered, ", brief(rate))
	n := 0
	for _, i := range usable {
		r := &v.results[i]
		if r.TPS.Mean >= keepsUp*rate {
			continue
		}
		if n++; n == 4 {
			s.text(", and others less than was offered too")
			break
		}
		if n > 1 {
			s.text(", ")
		}
		s.bold(cellName(r.Cell))
		s.text(" completed only ")
		s.fig(v.figures(i).tps(r))
	}
	s.text(".")
	return s
}

// ranking is a figure by which one target comes first.
type ranking struct {
	what, unit string
	more       bool // is better
	stat       func(*report.CellResult) report.Stat
	fig        func(figures, *report.CellResult) figure
}

// sayFirst names the target that comes first, and whether it is clearly ahead of the next one.
func (v *view) sayFirst(of []int, k ranking) sentence {
	order := slices.Clone(of)
	slices.SortStableFunc(order, func(a, b int) int {
		d := cmp.Compare(k.stat(&v.results[a]).Mean, k.stat(&v.results[b]).Mean)
		if k.more {
			d = -d
		}
		return d
	})
	first := &v.results[order[0]]
	var s sentence
	s.bold(cellName(first.Cell))
	s.text(" %s ", k.what)
	s.fig(k.fig(v.figures(order[0]), first))
	s.text("%s%s", k.unit, v.atLoad(first))
	if len(order) > 1 {
		next := &v.results[order[1]]
		a, b := k.stat(first), k.stat(next)
		s.text("; next is %s with ", cellName(next.Cell))
		s.fig(k.fig(v.figures(order[1]), next))
		switch {
		case !a.HasInterval() || !b.HasInterval():
			s.text(", and one repeat cannot say whether that is chance")
		case a.Lo <= b.Hi && b.Lo <= a.Hi:
			s.text(", which is not clearly worse: their intervals overlap")
		}
	}
	s.text(".")
	return s
}

func (v *view) sayCheapest(usable []int) []sentence {
	priced := slices.DeleteFunc(slices.Clone(usable), func(i int) bool { return !v.results[i].CostPerCall.Has() })
	switch {
	case len(priced) == 0:
		return []sentence{plain("Which is cheapest is not known: no target has a price.")}
	case len(priced) == 1 && len(usable) > 1:
		return []sentence{plain("Which is cheapest is not known: only %s has a price.", cellName(v.results[priced[0]].Cell))}
	}
	first := slices.MinFunc(priced, func(a, b int) int {
		return cmp.Compare(v.results[a].CostPerCall.Mean, v.results[b].CostPerCall.Mean)
	})
	r := &v.results[first]
	var s sentence
	s.bold(cellName(r.Cell))
	s.text(" is cheapest, at ")
	s.fig(v.figures(first).costPerCall(r))
	s.text(" a transaction")
	var same []string
	for _, i := range priced {
		if i != first && v.results[i].CostPerCall.Mean <= 1.005*r.CostPerCall.Mean {
			same = append(same, cellName(v.results[i].Cell))
		}
	}
	if len(same) > 0 {
		s.text("; within half a percent of it: %s", listed(same, 3))
	}
	if missing := len(usable) - len(priced); missing > 0 {
		s.text(" (%s no price)", counted(int64(missing), "target has", "targets have"))
	}
	s.text(".")
	return []sentence{s}
}

// sayLimits says who meets the service level, and which of those is cheapest.
func (v *view) sayLimits(usable []int) []sentence {
	limits := v.limits()
	if limits == "" {
		return []sentence{plain("The workload sets no limits on latency, so nothing is said about meeting a service level.")}
	}
	met := v.met()
	var s sentence
	s.text("The service level (%s, for at least 95 %% of requests, failures counted as misses) is ", limits)
	switch {
	case len(met) == 0 && len(v.cells) == 1:
		s.text("not met: %s were within it.", v.within(usable[0]))
		return []sentence{s}
	case len(met) == 0:
		best := slices.MaxFunc(usable, func(a, b int) int {
			return cmp.Compare(v.results[a].GoodFraction.Mean, v.results[b].GoodFraction.Mean)
		})
		s.text("met by none; nearest is %s, with %s within it.", cellName(v.results[best].Cell), v.within(best))
		return []sentence{s}
	case len(v.cells) == 1 && !v.sweep():
		s.text("met: %s were within it", v.within(met[0]))
	case len(met) == len(v.cells) && !v.sweep():
		s.text("met by all targets")
	case v.sweep():
		s.text("held")
		for j, i := range met {
			if j == 4 {
				s.text(", and by %s", counted(int64(len(met)-4), "other", "others"))
				break
			}
			s.text("%s by %s up to %s", map[bool]string{true: "", false: ","}[j == 0], cellName(v.results[i].Cell), v.atLeast(i))
			s.fig(v.figures(i).tps(&v.results[i]))
			s.text(" TPS")
		}
	default:
		names := make([]string, len(met))
		for j, i := range met {
			names[j] = cellName(v.results[i].Cell)
		}
		s.text("met by %s", listed(names, 4))
	}
	s.text(".")
	return []sentence{s}
}

// meets says whether a result is within all limits.
func (v *view) meets(i int) bool {
	return v.results[i].GoodFraction.Has() && v.results[i].GoodFraction.Mean >= sloMet
}

// within is the share of a result's requests within all limits, in words.
func (v *view) within(i int) string {
	if g := v.results[i].GoodFraction; g.Has() {
		return shareText(g.Mean)
	}
	return "an unknown share"
}

// limits are the service level in words; "" if there is none.
func (v *view) limits() string {
	var parts []string
	slo := v.suite.Workload.SLO
	if slo.TTFT > 0 {
		parts = append(parts, "first token within "+inUnits(report.Milliseconds(slo.TTFT)))
	}
	if slo.TPOT > 0 {
		parts = append(parts, "at most "+inUnits(report.Milliseconds(slo.TPOT))+" per output token")
	}
	if slo.E2E > 0 {
		parts = append(parts, "complete within "+inUnits(report.Milliseconds(slo.E2E)))
	}
	return strings.Join(parts, ", ")
}

// listed joins names, and counts those beyond the first few.
func listed(names []string, most int) string {
	if len(names) > most {
		names = append(slices.Clone(names[:most]), counted(int64(len(names)-most), "other", "others"))
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

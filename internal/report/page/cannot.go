package page

import (
	"fmt"
	"slices"

	"sluice/internal/report"
)

// cannot says what the figures do not show, each with its reason.
func (v *view) cannot() []sentence {
	if len(v.results) == 0 {
		return nil
	}
	var out []sentence
	add := func(s sentence) { out = append(out, s) }
	v.cannotBelieve(add)
	if v.suite.Stopped != "" {
		add(plain("The suite ended early (%s): targets later in its order have fewer runs, or none.", v.suite.Stopped))
	} else if v.suite.Ended.IsZero() {
		add(plain("The suite is %s: runs that had not ended by then are missing.", report.Unfinished))
	}
	if len(v.believed()) > 0 {
		v.cannotRepeat(add)
		v.cannotPercentile(add)
		v.cannotCost(add)
		v.cannotLoad(add)
	}
	v.cannotCount(add)
	if len(out) == 0 {
		add(plain("Nothing is missing for this workload. Other prompts, other hours and other places may give other figures."))
	}
	return out
}

// which names the cells of the results that f chooses, each once.
func (v *view) which(f func(*report.CellResult) bool) []string {
	var names []string
	for i := range v.results {
		if n := cellName(v.results[i].Cell); f(&v.results[i]) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

func (v *view) cannotBelieve(add func(sentence)) {
	for _, state := range []string{report.StateInvalid, report.StateDegraded} {
		names := v.which(func(r *report.CellResult) bool { return r.Verdict.State == state })
		if len(names) == 0 {
			continue
		}
		var reasons []string
		for i := range v.results {
			if v.results[i].Verdict.State != state {
				continue
			}
			for _, r := range v.results[i].Verdict.Reasons {
				if !slices.Contains(reasons, r) {
					reasons = append(reasons, r)
				}
			}
		}
		why := ""
		if len(reasons) > 0 {
			why = ": " + listed(reasons, 2)
		}
		if state == report.StateInvalid {
			add(plain("The figures of %s must not be used%s.", listed(names, 3), why))
		} else {
			add(plain("The figures of %s are somewhat disturbed%s.", listed(names, 3), why))
		}
	}
	names := v.which(func(r *report.CellResult) bool { return r.OK == 0 })
	switch {
	case len(names) == len(v.cells):
		add(plain("How fast and how costly the targets are: no request was answered."))
	case len(names) > 0 && !v.sweep():
		add(plain("%s gave no answer: speed and cost are not known.", listed(names, 3)))
	}
}

func (v *view) cannotRepeat(add func(sentence)) {
	most := 0
	for i := range v.results {
		most = max(most, v.results[i].Repeats)
	}
	switch {
	case most == 1:
		add(plain("Each target was measured once, so no figure has an interval, and differences may be chance."))
	case most < 5:
		add(plain("%d repeats give wide intervals: differences below some ten percent may be chance. Five repeats or more carry a decision.", most))
	}
	unsteady := v.which(func(r *report.CellResult) bool { return r.OK > 0 && r.TPS.CV > 0.10 })
	if len(unsteady) > 0 {
		add(plain("The throughput of %s differs by more than 10 %% between repeats.", listed(unsteady, 3)))
	}
}

func (v *view) cannotPercentile(add func(sentence)) {
	few := v.which(func(r *report.CellResult) bool {
		n, any := leastN(r, latencyE2E())
		return any && r.OK > 0 && v.marks.Mark(0.99, n) != report.MarkSound
	})
	if len(few) > 0 {
		add(plain("The 99th percentile needs 441 requests in a run for an interval. It is marked as wide, or left out, for %s.", listed(few, 2)))
	}
}

func (v *view) cannotCost(add func(sentence)) {
	if names := v.which(func(r *report.CellResult) bool { return r.OK > 0 && !r.CostPerCall.Has() }); len(names) > 0 {
		add(plain("The cost of %s is not known: the price table has no entry.", listed(names, 3)))
	}
	if names := v.which(func(r *report.CellResult) bool { return r.Unpriced > 0 && r.CostPerCall.Has() }); len(names) > 0 {
		add(plain("The cost of %s is that of its priced requests only.", listed(names, 3)))
	}
	var estimated, ok int64
	for i := range v.results {
		estimated += v.results[i].Estimated
		ok += v.results[i].OK
	}
	if estimated > 0 {
		add(plain("The tokens of %s came without a count by the provider and are estimates (%s of the answers).", counted(estimated, "request", "requests"), shareText(float64(estimated)/float64(max(ok, 1)))))
	}
}

func (v *view) cannotLoad(add func(sentence)) {
	if names := v.which(func(r *report.CellResult) bool { return r.Load.Mode == "closed" }); len(names) > 0 {
		add(plain("A fixed number of users waits for answers before it asks again, so overload does not show: a slower target is offered less."))
	}
	if v.sweep() {
		return
	}
	add(plain("One load level was tried. Where latency begins to rise with load is not known."))
}

func (v *view) cannotCount(add func(sentence)) {
	var bad int
	for i := range v.results {
		bad += v.results[i].BadRows
	}
	if bad > 0 {
		add(plain("%s of the records could not be read and %s missing in the figures.", counted(int64(bad), "row", "rows"), map[bool]string{true: "is", false: "are"}[bad == 1]))
	}
	failing := v.which(func(r *report.CellResult) bool { return r.OK > 0 && r.Failed*20 > r.Requests })
	if len(failing) > 0 {
		add(plain("Latencies are those of successes. With more than 5 %% of requests failed, those of %s describe the lucky ones.", listed(failing, 3)))
	}
	waited := 0
	for _, run := range v.suite.Runs {
		if run.Client.CapMet > 0 {
			waited++
		}
	}
	if waited > 0 {
		add(plain("In %s the cap on requests in flight held requests back: the load was lower than asked for.", counted(int64(waited), "run", "runs")))
	}
	merged := 0
	for _, run := range v.suite.Runs {
		merged += boolInt(run.Client.EventsRead > 1.5)
	}
	if merged > 0 {
		add(plain("%s", fmt.Sprintf("In %s several events came in one read, so the gaps between tokens (ICL) are those of the path, not of the target.", counted(int64(merged), "run", "runs"))))
	}
}

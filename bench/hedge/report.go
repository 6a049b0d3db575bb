//go:build linux

package main

import (
	"fmt"
	"io"
	"time"
)

// record is a whole run.
type record struct {
	Time                   time.Time
	Took, Machine, Commit  string
	Budget, Stalls, Spread float64
	Targets                []*result // healthy, stalling, hedged
}

// ratio is how much longer the slowest in a hundred calls take at the hedged target than at the healthy one.
func (r *record) ratio() float64 { return float64(r.Targets[2].P99) / float64(r.Targets[0].P99) }

func (r *record) print(w io.Writer) {
	fmt.Fprintf(w, "%s, commit %s, %s, %g %% of calls stall, hedge budget %g %%, spread %g\n\n", r.Machine, r.Commit, r.Took, 100*r.Stalls, 100*r.Budget, r.Spread)
	fmt.Fprintf(w, "%-10s %8s %10s %10s %10s %8s %8s %10s\n", "target", "calls", "p50", "p95", "p99", "failed", "hedges", "failovers")
	for _, t := range r.Targets {
		fmt.Fprintf(w, "%-10s %8d %10s %10s %10s %8d %7.2f%% %9.2f%%\n", t.Target, t.Calls, ms(t.P50), ms(t.P95), ms(t.P99), t.Failed,
			100*t.share(t.hedged()), 100*t.share(t.failovers()))
	}
	fmt.Fprintf(w, "\nhedges: %v\n", r.Targets[2].Hedges)
	fmt.Fprintf(w, "p99 hedged / healthy: %.2f (bar: at most %g)\n", r.ratio(), maxRatio)
	fmt.Fprintf(w, "extra calls by hedging: %.2f %% (bar: at most %g %%)\n", 100*r.Targets[2].share(r.Targets[2].hedged()), 100*maxExtra)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// judge returns an error that names the bars that were missed.
func (r *record) judge() error {
	var missed string
	if got := r.ratio(); got > maxRatio {
		missed += fmt.Sprintf("; p99 is %.2f times that of the healthy target, over %g", got, maxRatio)
	}
	h := r.Targets[2]
	if got := h.share(h.hedged()); got > maxExtra {
		missed += fmt.Sprintf("; %.2f %% extra calls, over %g %%", 100*got, 100*maxExtra)
	}
	if h.failovers() < 0 || float64(h.failovers()) > float64(h.Made)*r.Stalls {
		missed += fmt.Sprintf("; the provider has seen %d requests, for %d calls and %d hedges", h.Seen, h.Made, h.hedged())
	}
	if missed != "" {
		return fmt.Errorf("bars missed%s", missed)
	}
	return nil
}

package app

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"sluice/internal/obs"
	"sluice/internal/report"
	"sluice/internal/store"
)

// baselineEvery is how often the database is asked for the baselines. It is a small query, and a baseline changes by hand.
const baselineEvery = time.Minute

// watchBaselines tells the metrics what live calls are held against, until ctx ends. A database that does not answer leaves
// what was known before in force.
func (a *App) watchBaselines(ctx context.Context) {
	var w baselineWatch
	for {
		w.update(ctx, a)
		t := time.NewTimer(baselineEvery - rand.N(baselineEvery/10))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// baselineWatch is what was seen last.
type baselineWatch struct {
	snapshot  string // of the configuration
	baselines []store.Baseline
}

// update asks for the baselines and, if they or the configuration have changed, works out the figures again.
func (w *baselineWatch) update(ctx context.Context, a *App) {
	baselines, err := a.store.Baselines(ctx)
	snapshot := a.gateway.Snapshot()
	if err == nil && slices.Equal(baselines, w.baselines) && snapshot.ID == w.snapshot {
		return
	}
	var suites []*report.Suite
	for _, b := range baselines {
		var s *report.Suite
		if s, err = a.store.Suite(ctx, b.Suite); err != nil {
			break
		}
		suites = append(suites, s)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("baselines cannot be read: those known before stay in force", "error", err)
		}
		return
	}
	var targets []place
	for _, t := range snapshot.Routes.Targets() {
		targets = append(targets, place{t.Name, t.Region})
	}
	figures := baselineFigures(suites, targets)
	a.metrics.SetBaseline(figures)
	if len(baselines) > 0 || len(w.baselines) > 0 {
		a.log.Info("baselines are in force", "suites", len(suites), "figures", len(figures))
	}
	w.baselines, w.snapshot = baselines, snapshot.ID
}

// place is a target of the configuration.
type place struct{ target, region string }

// baselineFigures takes the figures of each target from the first suite that has it.
func baselineFigures(suites []*report.Suite, targets []place) []obs.BaselineFigure {
	var figures []obs.BaselineFigure
	for _, t := range targets {
		for _, s := range suites {
			f, ok := s.Target(t.target, t.region)
			if !ok {
				continue
			}
			for _, b := range []obs.BaselineFigure{
				{Metric: obs.DriftTTFT, Quantile: 0.5, Seconds: f.TTFT50},
				{Metric: obs.DriftTTFT, Quantile: 0.95, Seconds: f.TTFT95},
				{Metric: obs.DriftTPOT, Quantile: 0.5, Seconds: f.TPOT50},
			} {
				if b.Target = t.target; b.Seconds > 0 {
					figures = append(figures, b)
				}
			}
			break
		}
	}
	return figures
}

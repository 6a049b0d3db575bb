package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/upstream"
)

// prober makes the free checks that the fleet wants, and tells people of breakers. Its goroutines are those of run.
type prober struct {
	// Set once.
	fleet   *pace.Fleet
	account func(name string) *upstream.Account // nil for one that is not configured any more
	metrics *obs.Metrics
	log     *slog.Logger
	told    atomic.Pointer[func(pace.Change)] // is told of changes too; nil for nobody
	wake    chan struct{}                     // of size one; the fleet and checks that end send, run receives; never closed
}

func newProber(f *pace.Fleet, account func(string) *upstream.Account, m *obs.Metrics, log *slog.Logger) *prober {
	p := &prober{fleet: f, account: account, metrics: m, log: log, wake: make(chan struct{}, 1)}
	f.OnTrouble(p.notify)
	f.OnChange(p.changed)
	return p
}

// notify makes run look again.
func (p *prober) notify() {
	select {
	case p.wake <- struct{}{}:
	default: // it has been told
	}
}

// run makes checks until ctx ends, and waits for those under way.
func (p *prober) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		checks, wait := p.fleet.Due()
		for _, c := range checks {
			wg.Go(func() {
				p.check(ctx, c)
				p.notify()
			})
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-p.wake:
		case <-due:
		case <-ctx.Done():
			return
		}
	}
}

// check makes one check.
func (p *prober) check(ctx context.Context, c pace.Check) {
	account := p.account(c.Account)
	if account == nil {
		p.fleet.Checked(c.Account, pace.CheckUnknown)
		return
	}
	ok, asked := account.Check(ctx, c.Unreachable)
	switch {
	case ctx.Err() != nil:
		p.fleet.Checked(c.Account, pace.CheckCanceled)
	case !asked:
		p.fleet.Checked(c.Account, pace.CheckUnknown)
	case ok:
		p.metrics.BreakerCheck(c.Account, true)
		if p.fleet.Checked(c.Account, pace.CheckPassed) {
			p.log.Info("provider answers checks again", "provider", c.Account)
		}
	default:
		p.metrics.BreakerCheck(c.Account, false)
		if p.fleet.Checked(c.Account, pace.CheckFailed) {
			p.log.Warn("provider does not answer checks", "provider", c.Account)
		}
	}
}

// changed tells of a breaker that has opened or closed.
func (p *prober) changed(c pace.Change) {
	if told := p.told.Load(); told != nil {
		(*told)(c)
	}
	what := "target"
	name := c.Target
	if name == "" {
		what, name = "provider", c.Account
	}
	if !c.Open {
		p.log.Info("breaker closed: "+what+" is in use again", what, name, "scope", c.Scope.String())
		return
	}
	p.metrics.BreakerOpened(c.Account, c.Cause.String(), c.Scope.String())
	args := []any{
		what, name, "cause", c.Cause.String(), "scope", c.Scope.String(), "error", c.Error.Code(),
		"for", c.For.Round(time.Millisecond), "until", time.Now().Add(c.For).UTC().Truncate(time.Second), "openings", c.Count,
	}
	if c.Status != 0 {
		args = append(args, "status", c.Status)
	}
	if c.Code != "" {
		args = append(args, "provider_code", c.Code)
	}
	p.log.Warn("breaker opened: "+what+" is out of use", args...)
}

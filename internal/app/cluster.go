package app

import (
	"context"
	"time"

	"sluice/internal/cluster"
	"sluice/internal/config"
	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
)

// join makes this process a replica among others, if Redis is configured.
func (a *App) join(c *config.Config) (err error) {
	if c.Redis.Empty() {
		return nil
	}
	a.cluster, err = cluster.New(cluster.Options{
		URL: c.Redis, Replicas: c.Replicas, Log: a.log,
		Quotas: a.fleet.Members,
		Keys: func() []limit.Member {
			a.keys.Divide(a.cluster.Status().Replicas, c.Database.Empty())
			return a.keys.Members()
		},
		Heard: a.heard,
	})
	if err != nil {
		return err
	}
	a.keys.Divide(c.Replicas, c.Database.Empty())
	tell := a.tell
	a.prober.told.Store(&tell)
	return nil
}

// share runs the sharing until ctx ends.
func (a *App) share(ctx context.Context) {
	if a.cluster == nil {
		return
	}
	if err := a.cluster.Run(ctx); err != nil {
		a.log.Warn("leave the cluster", "error", err) // leases end by themselves
	}
}

// tell passes a change of a breaker on to other replicas.
func (a *App) tell(c pace.Change) {
	h := cluster.Hint{
		Account: c.Account, Target: c.Target, Open: c.Open, Cause: c.Cause.String(), Scope: c.Scope.String(), Status: c.Status, Code: c.Code,
	}
	if c.Open {
		h.Until = time.Now().Add(c.For)
	}
	a.cluster.Tell(h)
}

// hintTime is how old a hint may be: trouble that is longer over says nothing.
const hintTime = 10 * time.Second

// heard takes in what another replica has told. Only fresh news counts, but for pauses that go on.
func (a *App) heard(h cluster.Hint) {
	c := pace.Change{
		Account: h.Account, Target: h.Target, Open: h.Open, Cause: pace.ParseCause(h.Cause), Status: h.Status, Code: h.Code,
		For: time.Until(h.Until),
	}
	c.Error = c.Cause.Kind()
	for _, s := range []llm.Scope{llm.ScopeModel, llm.ScopeAccount, llm.ScopeKey} {
		if s.String() == h.Scope {
			c.Scope = s
		}
	}
	if c.Cause == pace.DayQuota && c.For <= 0 || c.Cause != pace.DayQuota && time.Since(h.Told) > hintTime {
		return
	}
	a.log.Info("heard of a breaker at another replica", "provider", h.Account, "target", h.Target, "open", h.Open, "cause", h.Cause)
	a.fleet.Hear(c)
}

// degraded names what calls are doing without.
func (a *App) degraded() []string {
	if a.cluster == nil || a.cluster.Status().Connected {
		return nil
	}
	return []string{"redis"}
}

// clusterStats returns where metrics read the state of the sharing; nil without it.
func (a *App) clusterStats() func() obs.ClusterStats {
	if a.cluster == nil {
		return nil
	}
	return func() obs.ClusterStats {
		s := a.cluster.Status()
		return obs.ClusterStats{
			Connected: s.Connected, Replicas: s.Replicas, Sets: s.Sets, Refreshes: uint64(s.Refreshes), Refresh: s.Latency, Lost: uint64(s.Lost),
		}
	}
}

package app

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/config"
	"sluice/internal/console"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/ingress"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
)

// serveAdmin makes the operator's side and tells the metrics where to read.
func (a *App) serveAdmin(o Options) {
	a.health = console.NewHealth(a.notReady, a.degraded)
	a.admin = console.New(console.Options{
		AdminKey: func() llm.Secret { return a.current().Console.AdminKey },
		Version:  o.Version, Revision: o.Revision, Start: a.started, Log: a.log,
		Metrics: a.metrics.Handler(), State: a.state, Targets: a.targets,
		Config: func() ([]byte, error) { return a.current().Redacted(), nil },
		Reload: func(ctx context.Context) (string, error) {
			err := a.Reload(ctx)
			return a.gateway.Snapshot().ID, err
		},
		Usage: a.usage, Calls: a.calls,
		Queue: a.queueView, Quotas: a.quotas,
	})
	a.metrics.SetSources(obs.Sources{
		QueueDepth: func(c llm.Class) int { return int(a.queue.Stats().Waiting[c]) },
		Breakers: func(emit func(obs.Breaker)) {
			snapshot := a.gateway.Snapshot()
			for _, t := range fleetTargets(a.fleet.Snapshot(), snapshot) {
				if configured(snapshot, t.Target) {
					emit(obs.Breaker{Target: t.Target, State: breakerStates[t.Health], Cause: t.Cause.String(), Scope: t.Scope.String()})
				}
			}
		},
		Queue: a.queueStats, Quotas: a.quotaStats, Adaptive: a.adaptiveLimits,
		Ledger: func() obs.LedgerStats {
			s := a.ledger.Stats()
			return obs.LedgerStats{Backlog: int(s.Backlog), Written: uint64(s.Written), Failed: uint64(s.Failed)}
		},
		Cluster: a.clusterStats(),
	})
}

// breakerStates translates pace's states into the metric's. A pause that the provider asked for keeps calls away as an
// open breaker does.
var breakerStates = [...]obs.BreakerState{
	pace.Healthy:  obs.BreakerClosed,
	pace.Broken:   obs.BreakerOpen,
	pace.HalfOpen: obs.BreakerHalfOpen,
	pace.Paused:   obs.BreakerOpen,
}

// configured reports whether a target may be named in metrics: it is in the configuration, or in the price list.
func configured(s *gateway.Snapshot, target string) bool {
	for _, t := range s.Routes.Targets() {
		if t.Name == target {
			return true
		}
	}
	return false
}

// ingressOptions wires the clients' side. The operator's side shares its address unless it has its own.
func (a *App) ingressOptions(c *config.Config) ingress.Options {
	o := ingress.Options{
		Calls: a.gateway, Keys: a.keys, Threads: a.store, Files: a.store, Replays: a.store, Metrics: a.metrics, Log: a.log, Health: a.health, IsAdmin: console.Owns,
		Routes:  func() *route.Table { return a.gateway.Snapshot().Routes },
		Targets: func() []dialect.CapabilityTarget { return a.gateway.Snapshot().Capabilities() },
	}
	if c.Console.AdminListen == "" {
		o.Admin = a.admin
	}
	return o
}

// current returns the configuration in force.
func (a *App) current() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.config
}

// notReady returns why calls are not wanted at the moment. A database that is away is no reason as long as the ledger can
// hold its rows: all replicas would leave the load balancer at once.
func (a *App) notReady() []llm.Kind {
	var why []llm.Kind
	if a.draining.Load() {
		why = append(why, llm.KindDraining)
	}
	if a.ledger.Full() {
		why = append(why, llm.KindLedgerFull)
	}
	return why
}

// state sums up the process for the admin API.
func (a *App) state() console.State {
	st := console.State{
		Snapshot: a.gateway.Snapshot().ID, InFlight: a.metrics.InFlight(), OpenStreams: a.metrics.OpenStreams(),
		Draining: a.draining.Load(),
	}
	for _, n := range a.queue.Stats().Waiting {
		st.Queued += int(n)
	}
	return st
}

// fleetTargets returns the state of the targets that have been asked, and of those that are configured and out of use though they have
// not been: their account is in trouble.
func fleetTargets(f pace.State, s *gateway.Snapshot) []pace.TargetState {
	list := f.Targets
	known := make(map[string]bool, len(list))
	for i := range list {
		known[list[i].Target] = true
	}
	out := map[string]pace.BreakerState{}
	for i := range f.Accounts {
		if f.Accounts[i].Health != pace.Healthy {
			out[f.Accounts[i].Provider] = f.Accounts[i].BreakerState
		}
	}
	for _, t := range s.Routes.Targets() {
		if b, ok := out[t.Provider]; ok && !known[t.Name] {
			known[t.Name] = true
			b.Openings, b.Probes = 0, 0
			list = append(list, pace.TargetState{BreakerState: b, Target: t.Name, Provider: t.Provider})
		}
	}
	slices.SortFunc(list, func(a, b pace.TargetState) int { return cmp.Compare(a.Target, b.Target) })
	return list
}

// targets lists the live state of the targets.
func (a *App) targets() []console.Target {
	var list []console.Target
	for _, t := range fleetTargets(a.fleet.Snapshot(), a.gateway.Snapshot()) {
		ct := console.Target{
			Name: t.Target, Provider: t.Provider, Model: strings.TrimPrefix(t.Target, t.Provider+"/"), State: t.Health.String(), InFlight: t.InUse, Limit: t.Limit,
			Failures: t.Failures, Openings: t.Openings, Probes: t.Probes,
		}
		if !t.Until.IsZero() {
			ct.Until = &t.Until
		}
		if t.Health != pace.Healthy {
			ct.Cause, ct.Scope = t.Cause.String(), t.Scope.String()
		}
		if t.Error != llm.KindNone {
			ct.Error = &console.TargetError{Code: t.Error.Code(), ProviderStatus: t.Status, ProviderCode: t.Code}
		}
		list = append(list, ct)
	}
	return list
}

// Reload reads the configuration again. An error says what is wrong with it; then nothing has changed.
func (a *App) Reload(ctx context.Context) error {
	if a.draining.Load() {
		return errShutdown() // nobody is left to do it, and waiting would hold up the drain
	}
	r := a.watcher.Reload(ctx)
	if r.Err == nil && len(r.Changes) == 0 && len(r.Restart) == 0 {
		a.log.Info("configuration read again: nothing has changed")
	}
	return r.Err
}

// reloaded tells what became of a reload.
func (a *App) reloaded(r config.Reload) {
	a.metrics.Reloaded(r.Err == nil)
	if r.Err != nil {
		a.log.Error("configuration not reloaded: the one before stays in force", "error", r.Err)
		return
	}
	changes := make([]string, len(r.Changes))
	for i, c := range r.Changes {
		changes[i] = c.Key
	}
	a.log.Info("configuration reloaded", "snapshot", r.Config.ID(), "changes", changes)
	if len(r.Restart) > 0 {
		a.log.Warn("settings that wait for a restart have changed", "settings", r.Restart)
	}
}

// Open reports whether clients need no key.
func (a *App) Open() bool { return a.keys.Keys() == 0 }

// Access says, for a person, who may call.
func (a *App) Access() string {
	switch n := a.keys.Keys(); n {
	case 0:
		return "any program on this machine, without a key"
	case 1:
		return "with the one key there is"
	default:
		return "with one of " + strconv.Itoa(n) + " keys"
	}
}

// Database says, for a person, where records are kept.
func (a *App) Database() string { return a.store.String() }

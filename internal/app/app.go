// Package app builds Sluice from its configuration, runs it, reloads it and takes it down in order. It is the one place
// where everything is wired; it holds no policy of its own. Its goroutines are those of Run, which waits for all of
// them.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/cluster"
	"sluice/internal/config"
	"sluice/internal/console"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/ingress"
	"sluice/internal/ledger"
	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
	"sluice/internal/sim"
	"sluice/internal/store"
	"sluice/internal/upstream"
)

// Options are what an App needs besides its configuration.
type Options struct {
	Version  string
	Revision string
	Log      io.Writer // the program's log
	Env      func(string) (string, bool)
}

// App is one Sluice process. New builds it, Run runs it until its context ends.
type App struct {
	// set once
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time
	metrics *obs.Metrics
	tracer  *obs.Tracer
	store   *store.Store
	ledger  *ledger.Ledger
	keys    *auth.Directory
	fleet   *pace.Fleet
	prober  *prober
	queue   *admit.Queue[pace.Lease]
	gateway *gateway.Gateway
	ingress *ingress.Server
	health  *console.Health
	admin   *console.Console
	cluster *cluster.Cluster // nil without Redis
	public  net.Listener
	private net.Listener // admin side with an address of its own; nil if it has none

	watcher  *config.Watcher
	draining atomic.Bool

	mu       sync.Mutex // guards what follows; held while a configuration is put in force
	config   *config.Config
	accounts map[string]*gateway.Account
	sims     map[string]*simulated
	retired  []*simulated // replaced by a reload; closed by the next one
}

// simulated is a provider that runs inside this process.
type simulated struct {
	config sim.Config
	server *sim.Server
	url    string     // base URL
	served chan error // result of the goroutine that serves; sent once
}

// New builds an App and opens its database and its listeners, so that whatever cannot work is an error here. Close or
// Run must follow.
func New(ctx context.Context, c *config.Config, o Options) (_ *App, err error) {
	a := &App{
		started: time.Now(), level: new(slog.LevelVar),
		accounts: map[string]*gateway.Account{}, sims: map[string]*simulated{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	a.metrics = obs.NewMetrics(obs.MetricsOptions{Version: o.Version})
	a.log = obs.NewLogger(o.Log, obs.LogOptions{Level: a.level, Format: c.Obs.Log.Format, Metrics: a.metrics})
	tr := c.Obs.Tracing
	a.tracer, err = obs.NewTracer(ctx, obs.TraceOptions{
		Endpoint: tr.Endpoint, Sample: tr.Sample, Headers: tr.Headers, Version: o.Version, Metrics: a.metrics, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	if a.store, err = store.Open(ctx, c.Database.Reveal(), c.DataDir); err != nil {
		return nil, err
	}
	a.ledger = ledger.New(a.store, c.Ledger, a.log)
	if a.keys, err = auth.NewDirectory(ctx, c.Auth, a.store, c.Ingress.Loopback(), a.log); err != nil {
		return nil, err
	}
	if !c.Ingress.Loopback() && a.keys.Keys() == 0 {
		return nil, openError(c.Ingress.Listen)
	}
	a.fleet = pace.New(limits(c), c.Breaker.Breaker())
	a.prober = newProber(a.fleet, a.account, a.metrics, a.log)
	a.queue = admit.New(c.Queue, a.start)
	a.fleet.OnFreed(a.queue.Freed)
	a.queue.SetCapacity(a.fleet.Capacity)
	a.gateway = gateway.New(a.queue, a.estimate, a.ledger, a.metrics, a.tracer, a.log)
	a.gateway.SetNever(a.fleet.Never)
	if err = a.join(c); err != nil {
		return nil, err
	}
	if err = a.apply(c); err != nil {
		return nil, err
	}
	a.watcher = config.NewWatcher(c, o.Env, a.apply, a.reloaded)
	a.serveAdmin(o)
	a.ingress = ingress.New(c.Ingress, a.ingressOptions(c))
	if err = a.listen(c); err != nil {
		return nil, err
	}
	return a, nil
}

// openError explains how to go on where keys are missing.
func openError(listen string) error {
	return fmt.Errorf("refuse to listen on %s without keys: anybody who can reach it could spend your providers' money.\n"+
		"Either create a key (sluice keys create --name NAME), or name keys in the configuration (keys:), "+
		"or listen on this machine only (--listen 127.0.0.1:8080)", listen)
}

// start lets the queue ask the fleet.
func (a *App) start(t *llm.Target, try limit.Try) (pace.Lease, admit.Verdict, time.Time) {
	lease, refusal, until := a.fleet.TryStart(t, try)
	return lease, verdicts[refusal], until
}

// estimate lets the gateway ask the fleet.
func (a *App) estimate(t *llm.Target, c *llm.Call) llm.Need {
	return a.fleet.Estimate(t, c)
}

// verdicts translates pace's answers into admit's.
var verdicts = [...]admit.Verdict{
	pace.Started:     admit.Started,
	pace.Full:        admit.Full,
	pace.FullAccount: admit.FullAccount,
	pace.Open:        admit.Open,
	pace.Limited:     admit.Limited,
	pace.Short:       admit.Short,
}

// apply puts a configuration in force. On error everything stays as it was.
func (a *App) apply(c *config.Config) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	prices, err := model.Load(c.Prices.PricesFile)
	if err != nil {
		return err
	}
	accounts, sims, err := a.open(c)
	if err != nil {
		return err
	}
	snapshot, err := build(c, accounts, prices)
	if err == nil && a.config != nil {
		err = a.keys.Update(c.Auth)
	}
	if err != nil {
		closeNew(sims, a.sims)
		return err
	}
	_ = a.level.UnmarshalText([]byte(c.Obs.Log.Level)) // config has checked it
	a.fleet.SetBreaker(c.Breaker.Breaker())
	a.fleet.Update(limits(c))
	a.queue.Update(c.Queue)
	if a.ingress != nil {
		a.ingress.Update(c.Ingress)
	}
	a.gateway.Swap(snapshot)
	for name, old := range a.accounts {
		if now := accounts[name]; now != nil && now != old && !sameAccount(old.Settings, now.Settings) {
			a.fleet.Renew(name)
		}
	}
	a.retire(accounts, sims)
	a.config = c
	return nil
}

// build makes the snapshot of a configuration.
func build(c *config.Config, accounts map[string]*gateway.Account, prices *model.Table) (*gateway.Snapshot, error) {
	models := make(map[string]route.Model, len(c.Models))
	settings := make(map[string]*gateway.Settings, len(c.Models))
	for _, m := range c.Models {
		models[m.Name] = m.Model
		settings[m.Name] = &gateway.Settings{Timeouts: m.Timeouts, Retry: m.Retry, Rescue: m.Rescue, Parameters: policy(m.Parameters)}
	}
	providers := make([]route.Provider, 0, len(c.Providers))
	for _, p := range c.Providers {
		served := p.Models
		if p.API == "sim" && len(served) == 0 {
			served = sim.ModelNames(p.Sim)
		}
		providers = append(providers, route.Provider{
			Name: p.Name, API: accounts[p.Name].Preset().Dialect(), Region: p.Region, Models: served, PriceAs: accounts[p.Name].PriceOf,
		})
	}
	table, err := route.NewTable(models, providers, prices)
	if err != nil {
		return nil, err
	}
	return &gateway.Snapshot{
		ID: c.ID(), Routes: table, Accounts: accounts, Models: settings,
		Default:       &gateway.Settings{Timeouts: c.Timeouts, Retry: c.Retry, Rescue: c.Rescue, Parameters: policy(c.Parameters)},
		Prices:        prices,
		RequestedName: c.ResponseModel == config.ResponseModelRequested,
	}, nil
}

// policy reads a policy that the configuration has checked.
func policy(s string) dialect.Policy {
	p, err := dialect.ParsePolicy(s)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return p
}

// limits extracts what pace must know.
func limits(c *config.Config) pace.Limits {
	var l pace.Limits
	for _, p := range c.Providers {
		pl := pace.ProviderLimits{Name: p.Name, Concurrency: max(p.Concurrency, 0), Adaptive: p.Concurrency == upstream.Adaptive, MostAdaptive: p.Connections}
		for _, q := range p.Quotas {
			pl.Quotas = append(pl.Quotas, pace.QuotaLimits{Models: q.Models, Terms: q.Terms(), Adaptive: q.Concurrency == upstream.Adaptive})
		}
		l.Providers = append(l.Providers, pl)
	}
	return l
}

// tlsConfig loads the certificate of the client side; nil if it speaks plain HTTP.
func tlsConfig(c ingress.TLSConfig) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate (tls.cert_file, tls.key_file): %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}

package app

import (
	"errors"
	"fmt"
	"reflect"

	"sluice/internal/config"
	"sluice/internal/gateway"
	"sluice/internal/sim"
	"sluice/internal/upstream"
)

// open opens the accounts of a configuration. Those whose settings have not changed are kept, with their connections.
// The caller holds mu.
func (a *App) open(c *config.Config) (map[string]*gateway.Account, map[string]*simulated, error) {
	accounts := make(map[string]*gateway.Account, len(c.Providers))
	sims := make(map[string]*simulated)
	for i := range c.Providers {
		p := c.Providers[i].Provider
		if p.API == "sim" {
			s, err := a.simulate(p.Name, c.Providers[i].Sim)
			if err != nil {
				closeNew(sims, a.sims)
				return nil, nil, err
			}
			sims[p.Name] = s
			p.BaseURL = s.url
		}
		if old, ok := a.accounts[p.Name]; ok && reflect.DeepEqual(old.Settings, p) {
			accounts[p.Name] = old
			continue
		}
		account, err := upstream.Open(&p)
		if err != nil {
			closeNew(sims, a.sims)
			return nil, nil, err
		}
		accounts[p.Name] = &gateway.Account{
			Account: account, Settings: p, StreamUsage: p.InjectUsage(), PriceOf: p.PricedAs(),
			MaxAnswer: p.MaxAnswer, MaxEvent: int(p.MaxEvent),
		}
	}
	return accounts, sims, nil
}

// sameAccount reports whether two settings lead to the same account at the same place, so that what is known of its trouble still holds. What
// only says what is sent there, and how much at a time, does not matter.
func sameAccount(a, b upstream.Provider) bool {
	for _, p := range []*upstream.Provider{&a, &b} {
		p.StreamUsage, p.Responses, p.PriceAs = "", "", ""
		p.Connections, p.Concurrency, p.MaxAnswer, p.MaxEvent = 0, 0, 0, 0
		p.Models, p.Quotas = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// account returns the upstream account of a name; nil if there is none.
func (a *App) account(name string) *upstream.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.accounts[name]; account != nil {
		return account.Account
	}
	return nil
}

// simulate returns the running simulation of a provider, the present one if its settings are the same.
func (a *App) simulate(name string, c sim.Config) (*simulated, error) {
	if old, ok := a.sims[name]; ok && reflect.DeepEqual(old.config, c) {
		return old, nil
	}
	server, err := sim.New(c)
	if err != nil {
		return nil, fmt.Errorf("start simulated provider %q: %w", name, err)
	}
	url, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start simulated provider %q: %w", name, err)
	}
	s := &simulated{config: c, server: server, url: url, served: make(chan error, 1)}
	go func() { s.served <- server.Serve() }() // close waits for it
	return s, nil
}

// close ends a simulation and its calls.
func (s *simulated) close() error { return errors.Join(s.server.Close(), <-s.served) }

// closeNew closes the simulations in made that are not in kept.
func closeNew(made, kept map[string]*simulated) {
	for name, s := range made {
		if kept[name] != s {
			_ = s.close() // nobody uses it yet
		}
	}
}

// retire puts new accounts and simulations in place and lets go of the old ones. Calls under way may still use a replaced
// simulation: it is closed by the next reload. The caller holds mu.
func (a *App) retire(accounts map[string]*gateway.Account, sims map[string]*simulated) {
	for _, s := range a.retired {
		_ = s.close() // its calls had until now
	}
	a.retired = nil
	for name, s := range a.sims {
		if sims[name] != s {
			a.retired = append(a.retired, s)
		}
	}
	for name, old := range a.accounts {
		if accounts[name] != old {
			old.Close()
		}
	}
	a.accounts, a.sims = accounts, sims
}

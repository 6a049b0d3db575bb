package main

import (
	"fmt"
	"slices"
	"strings"

	"sluice/internal/config"
	"sluice/internal/doctor"
	"sluice/internal/model"
	"sluice/internal/sim"
)

// targetSet are models by provider, each once, in the order that they came in.
type targetSet map[string][]string

func (s targetSet) add(target string) {
	p, m, _ := strings.Cut(target, "/")
	if !slices.Contains(s[p], m) {
		s[p] = append(s[p], m)
	}
}

// configured returns the targets that a configuration names. Patterns name none.
func configured(c *config.Config) targetSet {
	s := targetSet{}
	for _, m := range c.Models {
		for _, t := range m.Targets {
			s.add(t.Target)
		}
	}
	for _, p := range c.Providers {
		served := p.Models
		if p.API == "sim" && len(served) == 0 && len(s[p.Name]) == 0 {
			served = sim.ModelNames(p.Sim)
		}
		for _, m := range served {
			if !strings.Contains(m, "*") {
				s.add(p.Name + "/" + m)
			}
		}
	}
	return s
}

// doctorAccounts returns the accounts with the models to be called: all, or those that names stand for.
func doctorAccounts(c *config.Config, names []string) ([]doctor.Account, error) {
	known := configured(c)
	chosen := targetSet{}
	for _, name := range names {
		if err := choose(c, name, known, chosen); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		chosen = known
	}
	var all []doctor.Account
	for _, p := range c.Providers {
		if models, there := chosen[p.Name]; there || len(names) == 0 {
			all = append(all, doctor.Account{Provider: p.Provider, Models: models, Simulated: p.API == "sim"})
		}
	}
	return all, nil
}

// choose adds what a name on the command line stands for: the targets of a model, those of a provider, or one target. The
// gateway looks names up in the same order.
func choose(c *config.Config, name string, known, chosen targetSet) error {
	var candidates []string
	for _, m := range c.Models {
		if m.Name == name {
			for _, t := range m.Targets {
				chosen.add(t.Target)
			}
			return nil
		}
		candidates = append(candidates, m.Name)
	}
	for _, p := range c.Providers {
		if p.Name == name {
			if _, there := chosen[name]; !there {
				chosen[name] = nil // the provider is wanted, even if no model is known of it
			}
			for _, m := range known[name] {
				chosen.add(name + "/" + m)
			}
			return nil
		}
		if rest, ok := strings.CutPrefix(name, p.Name+"/"); ok && rest != "" {
			chosen.add(name)
			return nil
		}
		candidates = append(candidates, p.Name)
		for _, m := range known[p.Name] {
			candidates = append(candidates, p.Name+"/"+m)
		}
	}
	hint := "known are " + strings.Join(candidates, ", ")
	if near := model.Nearest(name, candidates, 3); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return fmt.Errorf("doctor: %q is no provider, model or provider/model of the configuration; %s", name, hint)
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"

	"sluice/internal/bench"
	"sluice/internal/config"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/report"
	"sluice/internal/sim"
	"sluice/internal/upstream"
	"sluice/internal/wire/anthropic"
	"sluice/internal/wire/gemini"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// fleet is what a configuration offers to measure. It owns the simulated providers that it had to start.
type fleet struct {
	cells  []*bench.Target        // in the order of the configuration
	embeds map[*bench.Target]bool // those that only embed, and those that only answer; absent if it is not known
	closer []func() error
	exact  bool   // every server knows how to answer with an exact number of tokens
	prices string // latest day of the prices that are used, YYYY-MM-DD, or undated; "" if none is
}

// undated stands for the day of prices from a file whose rows have none.
const undated = "a day that the prices file does not state"

// via is a gateway that requests are sent through.
type via struct {
	url string // base URL with its version part; "" for none
	key llm.Secret
}

// dialectOf returns how a provider is asked for an answer; nil if the load engine does not speak its protocol. A gateway in
// between is spoken to as one speaks to OpenAI, whatever is behind it.
func dialectOf(p *config.Provider, v via) bench.Dialect {
	if v.url != "" {
		return openai.Client{}
	}
	switch p.Kind() {
	case "anthropic":
		return anthropic.Client{}
	case "gemini":
		return gemini.Client{}
	}
	preset := upstream.PresetOf(p.Kind())
	if preset == nil || preset.Auth != upstream.AuthBearer {
		return nil
	}
	chats := slices.ContainsFunc(preset.Offers, func(o upstream.Offer) bool {
		return o.Op == llm.OpChat && o.Dialect == llm.OpenAI && o.Path == "/chat/completions"
	})
	if !chats {
		return nil
	}
	return openai.Client{}
}

// newFleet lists the targets of a configuration and starts its simulated providers, unless a gateway stands in between,
// which then has its own.
func newFleet(c *config.Config, extra []string, v via, exact bool) (*fleet, error) {
	prices, err := model.Load(c.Prices.PricesFile)
	if err != nil {
		return nil, err
	}
	f := &fleet{exact: exact, embeds: map[*bench.Target]bool{}}
	for i := range c.Providers {
		p := &c.Providers[i]
		names := modelsOf(c, p, extra)
		if len(names) == 0 {
			continue
		}
		if err := f.add(p, names, prices, v); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return f, nil
}

// add appends the targets of one provider.
func (f *fleet) add(p *config.Provider, names []string, prices *model.Table, v via) error {
	dialect := dialectOf(p, v)
	if dialect == nil {
		return fmt.Errorf("measure provider %s: api %s is not asked directly (those of OpenAI, Anthropic and Gemini are); measure it through a running gateway, by --via", p.Name, p.API)
	}
	base := p.URL()
	pricedAs := p.PricedAs()
	switch {
	case v.url != "":
		base = strings.TrimRight(v.url, "/")
	case p.API == "sim":
		url, err := f.simulate(p)
		if err != nil {
			return err
		}
		base = url
	}
	if p.API == "sim" {
		pricedAs = model.PricedAs(p.Name, "") // it is at no provider's address
	}
	for _, name := range names {
		t := &bench.Target{
			Cell:    report.Cell{Target: p.Name + "/" + name, Provider: p.Name, Model: name, Region: p.Region, Dialect: dialect.Name(), Via: v.url},
			BaseURL: base, Model: name, Key: p.APIKey, Headers: headersOf(&p.Provider), Dialect: dialect, HTTP2: p.HTTP2 != "off",
			Exact: f.exact || p.API == "sim",
		}
		if v.url != "" {
			t.Model, t.Key, t.Headers = t.Cell.Target, v.key, nil
		}
		info, ok := prices.Lookup(pricedAs, name)
		if ok {
			t.Price = func(u llm.Usage) (int64, bool) { return info.Cost(u, "") }
			if f.prices == undated {
				f.prices = ""
			}
			f.prices = cmp.Or(max(f.prices, info.AsOf), undated)
		}
		if kind := kindOf(p, name, info); kind != "" {
			f.embeds[t] = kind == "embedding"
		}
		f.cells = append(f.cells, t)
	}
	return nil
}

// kindOf is what a model of a provider is for, chat or embedding; "" if it is not known.
func kindOf(p *config.Provider, name string, info *model.Info) string {
	if p.API == "sim" {
		return sim.KindOf(p.Sim, name)
	}
	if info != nil {
		return info.Kind
	}
	return ""
}

// able returns the targets that can answer a workload, and the names of the others: those that only embed where nothing is
// to be embedded, or the other way round. It is for targets that nobody has named.
func (f *fleet) able(targets []*bench.Target, w *workload.Workload) (able []*bench.Target, others []string) {
	kinds := w.Kinds()
	for _, t := range targets {
		embeds, known := f.embeds[t]
		serves := func(k workload.Kind) bool { return (k == workload.Embeddings) == embeds }
		if known && len(kinds) > 0 && !slices.ContainsFunc(kinds, serves) {
			others = append(others, t.Cell.Target)
			continue
		}
		able = append(able, t)
	}
	return able, others
}

// simulate starts a simulated provider and returns its base URL.
func (f *fleet) simulate(p *config.Provider) (string, error) {
	c := p.Sim
	c.ErrorLog = log.New(io.Discard, "", 0) // its words would fall into the live view; what fails is in the records
	server, err := sim.New(c)
	if err != nil {
		return "", fmt.Errorf("start simulated provider %q: %w", p.Name, err)
	}
	url, err := server.Listen("127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start simulated provider %q: %w", p.Name, err)
	}
	served := make(chan error, 1) // sent by the goroutine below, received by close
	go func() { served <- server.Serve() }()
	f.closer = append(f.closer, func() error { return errors.Join(server.Close(), <-served) })
	return url, nil
}

// close ends the simulated providers.
func (f *fleet) close() error {
	var errs []error
	for _, end := range f.closer {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// headersOf returns what a provider is sent with each request.
func headersOf(p *upstream.Provider) map[string]llm.Secret {
	h := map[string]llm.Secret{}
	for name, value := range p.Headers {
		h[name] = value
	}
	if p.Organization != "" {
		h["OpenAI-Organization"] = llm.NewSecret(p.Organization)
	}
	if p.Project != "" && p.Kind() == "openai" {
		h["OpenAI-Project"] = llm.NewSecret(p.Project)
	}
	return h
}

// modelsOf returns the models of a provider that the configuration names, and those of extra (provider/model) that are the
// provider's, each once. Patterns name no model.
func modelsOf(c *config.Config, p *config.Provider, extra []string) []string {
	var names []string
	add := func(name string) {
		if name != "" && !strings.Contains(name, "*") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	prefix := p.Name + "/"
	for i := range c.Models {
		for _, t := range c.Models[i].Targets {
			if name, ok := strings.CutPrefix(t.Target, prefix); ok {
				add(name)
			}
		}
	}
	for _, name := range p.Models {
		add(name)
	}
	if p.API == "sim" && len(p.Models) == 0 {
		for _, name := range sim.ModelNames(p.Sim) {
			add(name)
		}
	}
	for _, name := range extra {
		if name, ok := strings.CutPrefix(name, prefix); ok {
			add(name)
		}
	}
	return names
}

// choose returns the targets that patterns name: provider/model, a pattern with * of it, or a public model name of the
// configuration, which stands for all of its targets. Without patterns it returns all.
func (f *fleet) choose(c *config.Config, patterns []string) ([]*bench.Target, error) {
	if len(patterns) == 0 {
		return f.cells, nil
	}
	var chosen []*bench.Target
	add := func(t *bench.Target) {
		if !slices.Contains(chosen, t) {
			chosen = append(chosen, t)
		}
	}
	for _, pattern := range patterns {
		before := len(chosen)
		found := false
		for _, t := range f.cells {
			if model.Match(pattern, t.Cell.Target) || publicName(c, pattern, t.Cell.Target) {
				found = true
				add(t)
			}
		}
		if !found && len(chosen) == before {
			return nil, fmt.Errorf("target %q is not in the configuration; %s", pattern, f.near(c, pattern))
		}
	}
	return chosen, nil
}

// publicName reports whether target is one of those behind a public model name.
func publicName(c *config.Config, name, target string) bool {
	for i := range c.Models {
		if c.Models[i].Name != name {
			continue
		}
		for _, t := range c.Models[i].Targets {
			if t.Target == target {
				return true
			}
		}
	}
	return false
}

// near says what a user may have meant.
func (f *fleet) near(c *config.Config, name string) string {
	var all []string
	for _, t := range f.cells {
		all = append(all, t.Cell.Target)
	}
	for i := range c.Models {
		all = append(all, c.Models[i].Name)
	}
	if len(all) == 0 {
		return "no provider of the configuration lists models: name one as provider/model"
	}
	if near := model.Nearest(name, all, 3); len(near) > 0 {
		return "nearest: " + strings.Join(near, ", ")
	}
	return "it has: " + strings.Join(all, ", ")
}

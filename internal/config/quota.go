package config

import (
	"fmt"
	"slices"
	"strings"

	"sluice/internal/model"
	"sluice/internal/upstream"
)

// quotaNotices tells of quotas that surely do not do what their author meant: those without a limit, a second one for the same
// models, and those for models that the account never gets.
func (d *decoder) quotaNotices(c *Config) {
	for i := range c.Providers {
		p := &c.Providers[i]
		for j := range p.Quotas {
			q := &p.Quotas[j]
			at := fmt.Sprintf("providers.%s.quotas[%d]", p.Name, j)
			tell := func(message string) { d.notices = append(d.notices, Notice{d.where[at], at, message}) }
			if q.Concurrency == 0 && len(q.Terms().Limits) == 0 {
				tell("sets no limit: rpm, tpm, input_tpm, output_tpm, rpd, tpd or concurrency would")
			}
			if k := slices.IndexFunc(p.Quotas[:j], func(o upstream.Quota) bool { return slices.Equal(o.Models, q.Models) }); k >= 0 {
				tell(fmt.Sprintf("is for the same models as quotas[%d]: both hold, and the lower limits count; one quota can have them all", k))
			}
			if known := c.asked(p); known != nil && len(q.Models) > 0 && !slices.ContainsFunc(known, func(name string) bool { return overlaps(q.Models, name) }) {
				tell("holds for no model: the account is asked for " + strings.Join(first(known, 5), ", ") + " only")
			}
		}
	}
}

// asked returns the models, or patterns of them, that an account is surely asked for. It is nil if it does not say which it serves: then
// clients may ask for any.
func (c *Config) asked(p *Provider) []string {
	if len(p.Models) == 0 {
		return nil
	}
	out := slices.Clone(p.Models)
	for _, m := range c.Models {
		for _, t := range m.Targets {
			if name, ok := strings.CutPrefix(t.Target, p.Name+"/"); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// overlaps reports whether a quota's patterns may hold for a model or pattern of an account: for two patterns, whether one covers the
// other or both begin alike.
func overlaps(patterns []string, name string) bool {
	stem, _, glob := strings.Cut(name, "*")
	return slices.ContainsFunc(patterns, func(p string) bool {
		if model.Match(p, name) || glob && model.Match(name, p) {
			return true
		}
		own, _, both := strings.Cut(p, "*")
		return both && glob && (strings.HasPrefix(own, stem) || strings.HasPrefix(stem, own))
	})
}

func first(names []string, n int) []string { return names[:min(n, len(names))] }

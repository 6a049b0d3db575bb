package gateway

import (
	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// Capabilities returns what the configured targets can do in a chat: those that the configuration names, and the models that
// accounts list, by name. Aliases have those of their targets.
func (s *Snapshot) Capabilities() []dialect.CapabilityTarget {
	var all []dialect.CapabilityTarget
	for _, t := range s.Routes.Targets() {
		account := s.Accounts[t.Provider]
		if account == nil {
			continue
		}
		surface, ok := account.Surface(&upstream.Ask{Op: llm.OpChat, Front: llm.OpenAI, Model: t.Model, Path: "/chat/completions"})
		if !ok {
			continue
		}
		traits := s.Prices.Traits(account.Settings.Kind(), account.PriceOf, t.Model)
		all = append(all, dialect.CapabilityTarget{Name: t.Name, Dialect: surface.Dialect, Traits: &traits, Policy: s.Default.Parameters})
	}
	return all
}

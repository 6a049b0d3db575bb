package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Capacity says how many tokens and calls of a class a target can start: at most in a second, by the quotas of a minute that are known, and
// at once, by what is left of them. It is for estimates of waits.
func (f *Fleet) Capacity(t *llm.Target, class llm.Class) (c limit.Capacity) {
	a := (*f.accounts.Load())[t.Provider]
	if a == nil {
		return c
	}
	now := f.time(f.now())
	a.mu.Lock()
	defer a.mu.Unlock()
	tg := a.targets[t.Model]
	if tg == nil {
		return c
	}
	for _, s := range tg.sets {
		limits := s.Terms().Limits
		if len(limits) == 0 {
			continue
		}
		room := s.Room(now, class)
		for _, l := range limits {
			rate, left := float64(l.Amount)/l.Per.Seconds(), float64(room[l.Dim])
			if l.Per > time.Minute {
				continue
			}
			switch l.Dim {
			case limit.Requests:
				c.Calls, c.CallsLeft = lower(c.Calls, rate), leastLeft(c.Calls, c.CallsLeft, left)
			case limit.Tokens:
				c.Tokens, c.TokensLeft = lower(c.Tokens, rate), leastLeft(c.Tokens, c.TokensLeft, left)
			}
		}
	}
	return c
}

// lower returns the lower of two rates, of which 0 is not known.
func lower(a, b float64) float64 {
	if a == 0 || b < a {
		return b
	}
	return a
}

// leastLeft returns the lower of what is left of limits, of which those so far have a rate, if there are any.
func leastLeft(rate, a, b float64) float64 {
	if rate == 0 || b < a {
		return b
	}
	return a
}

// Misfit is why a call can never go to a target: a declared quota of its account is smaller than what the call needs.
type Misfit struct {
	Models string // that share the quota
	Limit  limit.Limit
	Need   int64
}

// Never reports whether a call needs more than a declared quota of a target ever has. What was found out of limits is not taken for that certain.
func (f *Fleet) Never(t *llm.Target, n *llm.Need) (m Misfit, never bool) {
	a := (*f.accounts.Load())[t.Provider]
	if a == nil || n.Op == llm.OpCountTokens {
		return m, false
	}
	if least := a.least.Load(); least == 0 || n.Input+n.MaxOutput <= least { // which is so for nearly all, and takes no lock
		return m, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.quotas {
		if !q.limits.covers(t.Model) {
			continue
		}
		if m.Limit, m.Need, never = q.set.Never(n); never {
			m.Models = q.limits.name()
			return m, true
		}
	}
	return m, false
}

// leastTokens returns the lowest declared limit of tokens; 0 if there is none.
func leastTokens(quotas []QuotaLimits) int64 {
	least := int64(0)
	for i := range quotas {
		for _, l := range quotas[i].Terms.Limits {
			if l.Dim != limit.Requests && l.Dim != limit.Money && l.Amount > 0 && (least == 0 || l.Amount < least) {
				least = l.Amount
			}
		}
	}
	return least
}

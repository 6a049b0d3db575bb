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

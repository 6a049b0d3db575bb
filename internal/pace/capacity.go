package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// Capacity says how many tokens and calls a target can start at most in a second, by the quotas of a minute that are known; 0 where none is.
// It is for estimates of waits: what calls under way leave of it now is not considered.
func (f *Fleet) Capacity(t *llm.Target) (tokens, calls float64) {
	a := (*f.accounts.Load())[t.Provider]
	if a == nil {
		return 0, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	tg := a.targets[t.Model]
	if tg == nil {
		return 0, 0
	}
	for _, s := range tg.sets {
		for _, l := range s.Terms().Limits {
			if l.Per > time.Minute {
				continue
			}
			rate := float64(l.Amount) / l.Per.Seconds()
			switch l.Dim {
			case limit.Requests:
				calls = lower(calls, rate)
			case limit.Tokens:
				tokens = lower(tokens, rate)
			}
		}
	}
	return tokens, calls
}

// lower returns the lower of two rates, of which 0 is not known.
func lower(a, b float64) float64 {
	if a == 0 || b < a {
		return b
	}
	return a
}

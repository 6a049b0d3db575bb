package bench

import (
	"math"
	"sync"
)

// Budget is the money that a command may spend. A request reserves what it may cost before it is sent, and settles what it
// did cost afterwards, so that the cap holds whatever is under way. Safe for concurrent use; a nil Budget has no cap.
type Budget struct {
	limit int64 // nano-dollars; set once

	mu              sync.Mutex
	spent, reserved int64
}

// NewBudget returns a budget of so many dollars; 0 for one that only counts.
func NewBudget(dollars float64) *Budget {
	return &Budget{limit: int64(math.Round(min(max(dollars, 0)*1e9, math.MaxInt64/4)))}
}

// Reserve takes nano-dollars out of the budget. It reports false, and takes none, if they are not left.
func (b *Budget) Reserve(nano int64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit > 0 && b.spent+b.reserved+nano > b.limit {
		return false
	}
	b.reserved += nano
	return true
}

// Settle gives back what was reserved and books what was spent.
func (b *Budget) Settle(reserved, spent int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= reserved
	b.spent += spent
}

// Spent returns the dollars that requests have cost so far. Those under way are not in it.
func (b *Budget) Spent() float64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(b.spent) / 1e9
}

// Cap returns the dollars that may be spent, 0 if there is no cap.
func (b *Budget) Cap() float64 {
	if b == nil {
		return 0
	}
	return float64(b.limit) / 1e9
}

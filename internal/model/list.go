package model

// ListAt returns the list price of a call whose prompt has some tokens, now: the step of a long prompt and an announced
// change included. Cached input and cache writes without a price of their own are negative or zero.
func (i *Info) ListAt(prompt int64) Price { return i.at(prompt) }

// BatchDiscount returns the part of the list price that a provider takes off for batches. known is false if the table does
// not say.
func (i *Info) BatchDiscount() (off float64, known bool) { return max(i.batch, 0), i.batch >= 0 }

package model

import (
	"math"
	"math/bits"
	"time"

	"sluice/internal/llm"
)

// Info is what is known of one model at one provider.
type Info struct {
	Provider      string
	Model         string
	Kind          string // chat or embedding
	ContextWindow int64  // tokens; 0 if unknown
	MaxOutput     int64  // tokens; 0 if unknown
	AsOf          string // day on which the price was true, YYYY-MM-DD; empty if not stated
	Source        string // id of the price's source
	Note          string

	price Price
	steps []step // by size
	next  *change
	batch float64 // fraction off for batch; negative if unknown
}

// Price is what a million tokens cost, in micro-USD: so a token costs as many pico-USD. An unknown one is negative.
type Price struct {
	Input, Output, CachedInput, CacheWrite int64
	CacheWriteLong                         int64 // kept for an hour or longer
}

// step is the price of calls with a prompt above a size. It holds for the whole call.
type step struct {
	above int64
	price Price
}

// change is a price that has been announced.
type change struct {
	from  time.Time
	price Price
}

// List returns the list price of a short prompt now.
func (i *Info) List() Price { return i.at(0) }

// at returns the price of a call with a prompt of some tokens that ends now. An announced change replaces the base price.
func (i *Info) at(prompt int64) Price {
	p := i.price
	if i.next != nil && !time.Now().Before(i.next.from) {
		p = i.next.price
	}
	for _, s := range i.steps {
		if prompt > s.above {
			p = s.price
		}
	}
	return p
}

// Cost returns the price of a call in nano-USD (1e-9 USD), rounded to the nearest. tier is the service tier that the
// provider says it used: "" or one of the names of the standard tier, "flex" or "batch"; others are not in the table.
// priced is false if the price is not known, and then cost is 0. A nil Info is not priced.
//
// Reasoning is output. The price of a long prompt holds for the whole call, and the prompt is all input, cached or not.
// Where the table has no price for cached input or for writing to a cache, or a zero one, such input costs what other
// input does: the zeros in the sources mean "not stated". Long-lived cache writes without a price of their own are charged as short
// ones. Audio has other prices than text, which the table does not have: calls with audio tokens are not priced.
func (i *Info) Cost(u llm.Usage, tier string) (nanoUSD int64, priced bool) {
	if i == nil || u.AudioInput > 0 || u.AudioOutput > 0 {
		return 0, false
	}
	keep, ok := i.discount(tier)
	if !ok {
		return 0, false
	}
	p := i.at(u.Input)
	if p.CachedInput <= 0 {
		p.CachedInput = p.Input
	}
	if p.CacheWrite <= 0 {
		p.CacheWrite = p.Input
	}
	cached := min(max(u.CachedInput, 0), max(u.Input, 0))
	if p.CacheWriteLong <= 0 {
		p.CacheWriteLong = p.CacheWrite
	}
	written := min(max(u.CacheWrite, 0), u.Input-cached)
	long := min(max(u.CacheWriteLong, 0), written)
	var pico int64
	for _, part := range [...]struct{ tokens, rate int64 }{
		{u.Input - cached - written, p.Input},
		{cached, p.CachedInput},
		{written - long, p.CacheWrite},
		{long, p.CacheWriteLong},
		{u.Output, p.Output},
	} {
		if part.tokens <= 0 {
			continue
		}
		if part.rate < 0 {
			return 0, false
		}
		pico = add(pico, mul(part.tokens, part.rate))
	}
	if keep != 1 {
		pico = int64(math.Round(float64(pico) * keep))
	}
	return pico/1000 + (pico%1000+500)/1000, true
}

// discount returns the part of the list price that a tier costs.
func (i *Info) discount(tier string) (keep float64, ok bool) {
	switch tier {
	case "", "auto", "default", "standard", "on_demand":
		return 1, true
	case "flex":
		if i.Provider == "groq" { // list price, seen 2026-07
			return 1, true
		}
		if i.Provider != "openai" && i.Provider != "google" { // theirs is the batch price, seen 2026-10
			return 0, false
		}
		return 1 - i.batch, i.batch >= 0
	case "batch":
		return 1 - i.batch, i.batch >= 0
	default:
		return 0, false
	}
}

// mul multiplies what is not negative, and stops at the largest number: a provider may send any count of tokens.
func mul(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

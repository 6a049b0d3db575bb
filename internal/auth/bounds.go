package auth

import "fmt"

// kind is one kind of limit.
type kind uint8

// The kinds of limits, by growing time until they allow again.
const (
	concurrency kind = iota
	perMinute
	tokensPerMinute
	requestsPerDay
	tokensPerDay
	moneyPerDay
	moneyPerMonth
	kindsOfLimit = iota
)

// names are the settings of the kinds.
var names = [kindsOfLimit]string{
	concurrency: "concurrency", perMinute: "rpm", tokensPerMinute: "tpm", requestsPerDay: "requests_per_day", tokensPerDay: "tokens_per_day",
	moneyPerDay: "budget", moneyPerMonth: "budget",
}

// bound is one limit and where it is set, for messages.
type bound struct {
	amount  int64 // 0 is no limit
	setting string
}

// bounds are the limits that hold for a key, or for each end user of a key. They are never changed.
type bounds struct {
	of             [kindsOfLimit]bound
	refuseUnpriced bool // calls whose price is not known
}

// any reports whether one of some kinds is limited.
func (b *bounds) any(kinds ...kind) bool {
	for _, k := range kinds {
		if b.of[k].amount > 0 {
			return true
		}
	}
	return false
}

// calendar reports whether there is a limit of a day or a month.
func (b *bounds) calendar() bool {
	return b != nil && b.any(requestsPerDay, tokensPerDay, moneyPerDay, moneyPerMonth)
}

// money reports whether there is a limit of money.
func (b *bounds) money() bool { return b != nil && b.any(moneyPerDay, moneyPerMonth) }

// source is a set of limits and where it is set: "tier free", "the key itself".
type source struct {
	limits *Limits
	prefix string // of the settings
	where  string
}

// newBounds takes each limit from the first source that sets it. It returns nil if none sets any.
func newBounds(sources ...source) *bounds {
	var b bounds
	some := false
	for _, s := range sources {
		l := s.limits
		set := func(k kind, amount int64) bool {
			if amount <= 0 || b.of[k].amount > 0 {
				return false
			}
			b.of[k] = bound{amount, fmt.Sprintf("`%s%s` of %s", s.prefix, names[k], s.where)}
			some = true
			return true
		}
		set(concurrency, int64(l.Concurrency))
		set(perMinute, int64(l.RPM))
		set(tokensPerMinute, l.TPM)
		set(requestsPerDay, int64(l.RequestsPerDay))
		set(tokensPerDay, l.TokensPerDay)
		for _, m := range l.all() {
			k := moneyPerMonth
			if m.Per == PerDay {
				k = moneyPerDay
			}
			if set(k, m.nano()) && m.Unpriced != UnpricedAllow {
				b.refuseUnpriced = true
			}
		}
	}
	if !some {
		return nil
	}
	return &b
}

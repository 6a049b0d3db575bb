package plan

import "strings"

// Money is an amount in USD, exact until it is printed. Printed in full it is rounded once, to a nano-dollar, half away from
// zero: the unit of the ledger.
type Money struct{ Exact }

// USD makes an amount of dollars.
func USD(x Exact) Money { return Money{x} }

// nanoPlaces are the decimals of a nano-dollar.
const nanoPlaces = 9

// String writes the amount in full, to a nano-dollar: "$0.000375".
func (m Money) String() string { return dollars(m.Round(nanoPlaces)) }

// Short writes the amount for tables: in whole dollars from $100 on, in cents from a cent on, in full below.
func (m Money) Short() string {
	size := m.Exact
	if size.Sign() < 0 {
		size = Exact{}.Minus(size)
	}
	switch {
	case size.Cmp(Int(100)) >= 0:
		return dollars(m.Grouped(0))
	case size.Cmp(Float(0.01)) >= 0:
		return dollars(m.rat().FloatString(2))
	}
	return m.String()
}

// MarshalJSON writes the amount in full as text, so that no reader rounds it.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(`"` + m.Round(nanoPlaces) + `"`), nil }

// dollars puts the sign of the currency after that of the number.
func dollars(s string) string {
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		return "-$" + rest
	}
	return "$" + s
}

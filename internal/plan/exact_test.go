package plan

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		x, err := Number(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is %s, want an error", text, x)
		case want != "" && (err != nil || x.String() != want):
			t.Errorf("%q is %s, %v, want %s", text, x, err, want)
		}
	}
	f("500", "500")
	f("0.15", "0.15")
	f(".5", "0.5")
	f("5.", "5")
	f("-3", "-3")
	f("10_000_000", "10000000")
	f("10,000,000", "10000000")
	f("10M", "10000000")
	f("1.5k", "1500")
	f("2B", "2000000000")
	f("2e+06", "2000000")
	f("1e-9", "0.000000001")
	f("1e30", "1000000000000000000000000000000")
	for _, bad := range []string{
		"", "M", "-", ".", "e5", "1e", "1e31", "1e999999999", "0x10", "1/3", "NaN", "Inf", "1 000", "10MM", "٣", "1e5e5", "--1", "+-1",
		strings.Repeat("9", 41),
	} {
		f(bad, "")
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		x, err := Share(text)
		if (err != nil) != (want == "") || want != "" && x.String() != want {
			t.Errorf("%q is %s, %v, want %q", text, x, err, want)
		}
	}
	f("20%", "0.2")
	f("0.2", "0.2")
	f("20 %", "0.2")
	f("0", "0")
	f("100%", "1")
	f("1", "1")
	f("20", "")
	f("101%", "")
	f("-1%", "")
	f("half", "")
}

func TestPrinting(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	third := Int(90000).Over(Int(700))
	f(third.Floor().String(), "128")
	f(third.Ceil().String(), "129")
	f(third.Over(Int(60)).Grouped(2), "2.14")
	f(Int(-7).Over(Int(2)).Floor().String(), "-4")
	f(Int(-7).Over(Int(2)).Ceil().String(), "-3")
	f(Float(0.1).Plus(Float(0.2)).String(), "0.3")
	f(Int(1234567).Grouped(0), "1,234,567")
	f(Int(-1234567).Grouped(0), "-1,234,567")
	f(Float(999.995).Grouped(2), "1,000")
	f(Float(-0.0001).Round(2), "0")
	f(Float(math.NaN()).String(), "0")
	f(Float(math.Inf(1)).String(), "0")

	usd := func(text string) Money {
		x, err := Number(text)
		if err != nil {
			t.Fatal(err)
		}
		return USD(x)
	}
	f(usd("0.000375").String(), "$0.000375")
	f(usd("0.0000000005").String(), "$0.000000001") // half a nano-dollar, away from zero
	f(usd("118.8").Short(), "$119")
	f(usd("118.8").String(), "$118.8")
	f(usd("25000").Short(), "$25,000")
	f(usd("61.64383").Short(), "$61.64")
	f(usd("5").Short(), "$5.00")
	f(usd("0.0005").Short(), "$0.0005")
	f(usd("-1584").Short(), "-$1,584")
	f(usd("-0.5").Short(), "-$0.50")
	b, err := json.Marshal(usd("118.80"))
	f(string(b), `"118.8"`)
	if err != nil {
		t.Error(err)
	}
}

// The zero value is 0, and no operation changes its operands.
func TestExactIsAValue(t *testing.T) {
	t.Parallel()
	var zero Exact
	if got := zero.Plus(Int(2)).Times(Int(3)).Minus(zero); got.String() != "6" || zero.String() != "0" || zero.Sign() != 0 {
		t.Errorf("got %s, zero is %s", got, zero)
	}
	a := Int(5)
	a.Plus(Int(1))
	a.Times(Int(9))
	a.Floor()
	if a.String() != "5" {
		t.Errorf("5 became %s", a)
	}
	if n := Float(1e300).Int64(); n != math.MaxInt64 {
		t.Errorf("Int64 of a huge number is %d", n)
	}
	if n := Float(-1e300).Int64(); n != math.MinInt64 {
		t.Errorf("Int64 of a huge negative number is %d", n)
	}
}

func TestFloorAndCeil(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := Int(rapid.Int64().Draw(t, "n")).Over(Int(rapid.Int64Range(1, 1e9).Draw(t, "d")))
		low, high := x.Floor(), x.Ceil()
		if low.Cmp(x) > 0 || high.Cmp(x) < 0 || high.Minus(low).Cmp(Int(1)) > 0 || !low.rat().IsInt() || !high.rat().IsInt() {
			t.Fatalf("%s lies between %s and %s", x, low, high)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"500", "0.15", "10M", "1e-9", "-3", "1e31", "1,000.5k", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := Number(s)
		if err != nil {
			return
		}
		if size := new(big.Int).Abs(x.rat().Num()).BitLen() + x.rat().Denom().BitLen(); size > 1000 {
			t.Errorf("%q takes %d bits", s, size)
		}
		again, err := Number(x.Round(60))
		if len(x.Round(60)) <= longestNumber && (err != nil || again.Cmp(x) != 0) {
			t.Errorf("%q is %s, which reads as %s, %v", s, x.Round(60), again, err)
		}
	})
}

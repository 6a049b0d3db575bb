package plan

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Exact is a rational number. It is never rounded until it is printed, and it cannot overflow. The zero value is 0. It is
// never changed: every operation makes a new one.
type Exact struct{ r *big.Rat }

// Int is a whole number.
func Int(n int64) Exact { return Exact{new(big.Rat).SetInt64(n)} }

// Float is the shortest decimal that reads as f: 0.1 is one tenth. NaN and infinities are 0.
func Float(f float64) Exact {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Exact{}
	}
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	return Exact{r}
}

// longestNumber bounds the text of a number: exponents and digits are memory.
const longestNumber = 40

// Number reads a number as people write it: "500", "0.15", "10_000_000", "10,000,000", "10M", "1e6". The suffixes k, M and
// B are thousands, millions and billions.
func Number(text string) (Exact, error) {
	errSyntax := errors.New("want a number such as 500, 0.15, 90_000 or 10M")
	if text == "" || len(text) > longestNumber {
		return Exact{}, errSyntax
	}
	s := strings.NewReplacer("_", "", ",", "").Replace(text)
	zeros := 0
	switch s[len(s)-min(len(s), 1):] {
	case "k", "K":
		zeros = 3
	case "m", "M":
		zeros = 6
	case "b", "B", "g", "G":
		zeros = 9
	}
	if zeros > 0 {
		s = s[:len(s)-1]
	}
	digits, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	if !decimal(digits) {
		return Exact{}, errSyntax
	}
	if hasExponent {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > 30 || n < -30 {
			return Exact{}, errSyntax
		}
		zeros += n
	}
	r, ok := new(big.Rat).SetString(digits + "e" + strconv.Itoa(zeros))
	if !ok {
		return Exact{}, errSyntax
	}
	return Exact{r}, nil
}

// decimal says whether s is a decimal number with digits and at most a sign and a point.
func decimal(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	whole, part, _ := strings.Cut(s, ".")
	if whole == "" && part == "" {
		return false
	}
	return strings.Trim(whole+part, "0123456789") == ""
}

// Share reads a share from 0 to 1: "20%" or "0.2".
func Share(text string) (Exact, error) {
	s, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	x, err := Number(strings.TrimSpace(s))
	if err != nil {
		return Exact{}, errors.New("want a share such as 20% or 0.2")
	}
	if isPercent {
		x = x.Over(Int(100))
	}
	if x.Sign() < 0 || x.Cmp(Int(1)) > 0 {
		return Exact{}, fmt.Errorf("want a share from 0%% to 100%%, or from 0 to 1")
	}
	return x, nil
}

// rat returns the number behind x, which must not be changed.
func (x Exact) rat() *big.Rat {
	if x.r == nil {
		return new(big.Rat)
	}
	return x.r
}

// Plus returns x + y.
func (x Exact) Plus(y Exact) Exact { return Exact{new(big.Rat).Add(x.rat(), y.rat())} }

// Minus returns x - y.
func (x Exact) Minus(y Exact) Exact { return Exact{new(big.Rat).Sub(x.rat(), y.rat())} }

// Times returns x × y.
func (x Exact) Times(y Exact) Exact { return Exact{new(big.Rat).Mul(x.rat(), y.rat())} }

// Over returns x ÷ y. y must not be 0.
func (x Exact) Over(y Exact) Exact {
	if y.Sign() == 0 {
		panic("BUG: plan: division by zero")
	}
	return Exact{new(big.Rat).Quo(x.rat(), y.rat())}
}

// Cmp is negative if x < y, 0 if they are equal, positive if x > y.
func (x Exact) Cmp(y Exact) int { return x.rat().Cmp(y.rat()) }

// Sign is -1, 0 or 1.
func (x Exact) Sign() int { return x.rat().Sign() }

// Max returns the larger number.
func (x Exact) Max(y Exact) Exact {
	if x.Cmp(y) < 0 {
		return y
	}
	return x
}

// Floor returns the largest whole number that is not above x.
func (x Exact) Floor() Exact {
	q := new(big.Int).Div(x.rat().Num(), x.rat().Denom()) // Euclidean: rounds down, as the denominator is positive
	return Exact{new(big.Rat).SetInt(q)}
}

// Ceil returns the smallest whole number that is not below x.
func (x Exact) Ceil() Exact {
	return Exact{}.Minus(Exact{}.Minus(x).Floor())
}

// Float64 returns the nearest floating point number.
func (x Exact) Float64() float64 { f, _ := x.rat().Float64(); return f }

// Int64 returns the whole part, no larger than an int64 holds.
func (x Exact) Int64() int64 {
	q := new(big.Int).Quo(x.rat().Num(), x.rat().Denom())
	switch {
	case q.IsInt64():
		return q.Int64()
	case q.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// Round writes x with at most so many decimals, half away from zero, without zeros at the end.
func (x Exact) Round(places int) string {
	s := x.rat().FloatString(places)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// Grouped writes x as Round does, with commas between thousands.
func (x Exact) Grouped(places int) string {
	s := x.Round(places)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, part, hasPart := strings.Cut(s, ".")
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if hasPart {
		return sign + b.String() + "." + part
	}
	return sign + b.String()
}

// String writes x with at most nine decimals.
func (x Exact) String() string { return x.Round(9) }

// MarshalJSON writes a number with at most nine decimals.
func (x Exact) MarshalJSON() ([]byte, error) { return []byte(x.Round(9)), nil }

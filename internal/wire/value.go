package wire

import (
	"bytes"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends the text of the JSON string lit, which a Scanner has passed, quotes included. Half a surrogate pair
// becomes U+FFFD.
func Unquote(dst, lit []byte) []byte { return unescape(dst, lit[1:len(lit)-1]) }

// EqualString reports whether the JSON string lit, which a Scanner has passed, quotes included, means text.
func EqualString(lit []byte, text string) bool {
	if len(lit) < 2 || lit[0] != '"' {
		return false
	}
	raw := lit[1 : len(lit)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == text
	}
	if len(raw) > 6*len(text) {
		return false
	}
	var short [128]byte
	return string(unescape(short[:0], raw)) == text
}

// unescape appends the text of a valid JSON string given without its quotes.
// Unescape appends the text that the inside of a JSON string stands for; raw is valid, as it stood between the quotes. A string that is cut
// within an escape sequence gives the text before it.
func Unescape(dst, raw []byte) []byte { return unescape(dst, raw) }

func unescape(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := unit(raw)
			raw = raw[4:]
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					pair = utf16.DecodeRune(r, unit(raw[2:]))
				}
				if r = pair; pair != utf8.RuneError {
					raw = raw[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
}

// unit reads four hexadecimal digits.
func unit(b []byte) rune {
	return rune(hex(b[0])<<12 | hex(b[1])<<8 | hex(b[2])<<4 | hex(b[3]))
}

// Int returns the value of the JSON number lit, which a Scanner has passed, however it is written: 1000, 1e3 and
// 1000.0 are the same. ok is false if it is no whole number or does not fit.
func Int(lit []byte) (v int64, ok bool) {
	negative := len(lit) > 0 && lit[0] == '-'
	if negative {
		lit = lit[1:]
	}
	if len(lit) == 0 || lit[0]-'0' > 9 {
		return 0, false
	}
	m, exp, ok := decimal(lit)
	if !ok {
		return 0, false
	}
	for ; exp < 0 && m != 0; exp++ {
		if m%10 != 0 {
			return 0, false
		}
		m /= 10
	}
	for ; exp > 0 && m != 0; exp-- {
		if m > math.MaxInt64/10 {
			return 0, false
		}
		m *= 10
	}
	if m > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(m), true
	}
	return int64(m), true
}

// decimal reads a number without sign as m times ten to the exp. Zeros at the end of a fraction do not count.
func decimal(lit []byte) (m uint64, exp int, ok bool) {
	fraction, zeros := false, 0
	for i, c := range lit {
		switch {
		case c == '.':
			fraction = true
		case c|0x20 == 'e':
			return m, exp + exponent(lit[i+1:]), true
		case fraction && c == '0':
			zeros++
		default:
			for range zeros + 1 {
				if m > math.MaxInt64/10 {
					return 0, 0, false
				}
				m *= 10
			}
			m += uint64(c - '0')
			if fraction {
				exp -= zeros + 1
			}
			zeros = 0
		}
	}
	return m, exp, true
}

// exponent reads what follows the e of a number. What is too large for any whole number is cut to a value that is too.
func exponent(lit []byte) int {
	sign, e := 1, 0
	for _, c := range lit {
		switch {
		case c == '-':
			sign = -1
		case c == '+':
		case e < 1e6:
			e = e*10 + int(c-'0')
		}
	}
	return sign * e
}

// MaxCount is more tokens than any call has. A larger number is an error of the provider, and one row with it would make the
// sums over the ledger overflow.
const MaxCount = 1 << 40

// Count reads the value ahead as a number of tokens into v and reports whether there was one. What is no whole number,
// negative, or over MaxCount counts as not there: v then keeps its value.
func (s *Scanner) Count(v *int64) bool {
	if n, ok := Int(s.Value().Of(s.buf)); ok && n >= 0 && n <= MaxCount {
		*v = n
		return true
	}
	return false
}

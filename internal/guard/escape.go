package guard

import (
	"unicode/utf16"
	"unicode/utf8"
)

const utf8Max = 2 * utf8.UTFMax // what one byte can complete: a half of a pair that stays alone, and another rune

// States of escape.
const (
	plain  uint8 = iota
	slash        // after a backslash
	digits       // within \uXXXX
)

// escape undoes the escapes of JSON strings, also of a JSON string within another one. What is no escape stays as it is.
type escape struct {
	state uint8
	count uint8  // hex digits read
	value rune   // of those
	high  uint16 // first half of a surrogate pair; 0 if none waits
}

// next appends the bytes that b completes.
func (e *escape) next(dst []byte, b byte) []byte {
	switch e.state {
	case slash:
		return e.escaped(dst, b)
	case digits:
		if v, ok := hex(b); ok {
			e.value = e.value<<4 | v
			if e.count++; e.count == 4 {
				e.state = plain
				return e.unit(dst)
			}
			return dst
		}
		e.state = plain
	}
	if b == '\\' {
		e.state = slash
		return dst
	}
	return append(dst, b)
}

// escaped takes the byte after a backslash.
func (e *escape) escaped(dst []byte, b byte) []byte {
	e.state = plain
	switch b {
	case 'n', 'r':
		return append(dst, '\n')
	case 't':
		return append(dst, '\t')
	case '"', '/':
		return append(dst, b)
	case 'u':
		e.state, e.count, e.value = digits, 0, 0
		return dst
	case '\\':
		e.state = slash // of an escape within an escaped text: \\n
		return append(dst, '\\')
	default:
		return append(dst, '\\', b)
	}
}

// unit takes a whole \uXXXX. Half a pair that stays alone becomes U+FFFD.
func (e *escape) unit(dst []byte) []byte {
	v, high := e.value, e.high
	e.high = 0
	if high != 0 {
		if r := utf16.DecodeRune(rune(high), v); r != utf8.RuneError {
			return utf8.AppendRune(dst, r)
		}
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	if v >= 0xD800 && v < 0xDC00 {
		e.high = uint16(v)
		return dst
	}
	return utf8.AppendRune(dst, v)
}

func hex(b byte) (rune, bool) {
	switch {
	case b >= '0' && b <= '9':
		return rune(b - '0'), true
	case b >= 'a' && b <= 'f':
		return rune(b-'a') + 10, true
	case b >= 'A' && b <= 'F':
		return rune(b-'A') + 10, true
	}
	return 0, false
}

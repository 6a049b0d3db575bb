package wire

import (
	"encoding/binary"
	"math/bits"
)

// This file is the grammar of RFC 8259: each method passes over what stands at index i, and returns the index behind
// it, or -1 at a fault, which it notes.

// value passes over the value at i and returns its end, -1 at a fault.
func (s *Scanner) value(i int) int {
	if i < len(s.buf) && (s.buf[i] == '{' || s.buf[i] == '[') {
		return s.container(i)
	}
	return s.scalar(i)
}

// container passes over the array or object at i.
//
//  1. Outer loop: i stands at a value. A bracket opens a level, of which one bit says whether it is an object; in an
//     object the name and colon before the first value are passed too.
//  2. Inner loop: a value has ended. Closing brackets are taken until a comma asks for the next value.
func (s *Scanner) container(i int) int {
	var objects [MaxDepth / 64]uint64
	b, depth := s.buf, s.depth
	for {
		if i < len(b) && (b[i] == '{' || b[i] == '[') {
			c := b[i]
			if depth >= MaxDepth {
				return s.fail(i, true)
			}
			bit := uint64(1) << (depth % 64)
			objects[depth/64] &^= bit
			if c == '{' {
				objects[depth/64] |= bit
			}
			depth++
			i = space(b, i+1)
			if i >= len(b) || b[i] != c+2 { // not empty: '{'+2 is '}', '['+2 is ']'
				if c == '{' {
					if i = s.member(i); i < 0 {
						return -1
					}
				}
				continue
			}
		} else if i = s.scalar(i); i < 0 {
			return -1
		}
		for {
			i = space(b, i)
			if i >= len(b) {
				return s.fail(i, false)
			}
			top := depth - 1
			object := objects[top/64]>>(top%64)&1 != 0
			if b[i] == ',' {
				i = space(b, i+1)
				if object {
					if i = s.member(i); i < 0 {
						return -1
					}
				}
				break
			}
			if object && b[i] != '}' || !object && b[i] != ']' {
				return s.fail(i, false)
			}
			i++
			if depth--; depth == s.depth {
				return i
			}
		}
	}
}

// member passes over a name and its colon and returns where the value begins, -1 at a fault.
func (s *Scanner) member(i int) int {
	b := s.buf
	if i >= len(b) || b[i] != '"' {
		return s.fail(i, false)
	}
	end := s.text(i)
	if end < 0 {
		return -1
	}
	s.name = Span{i, end}
	i = space(b, end)
	if i >= len(b) || b[i] != ':' {
		return s.fail(i, false)
	}
	return space(b, i+1)
}

// scalar passes over the string, number or literal at i.
func (s *Scanner) scalar(i int) int {
	b := s.buf
	if i >= len(b) {
		return s.fail(i, false)
	}
	switch b[i] {
	case '"':
		return s.text(i)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *Scanner) literal(i int, word string) int {
	for k := range len(word) {
		if i+k >= len(s.buf) || s.buf[i+k] != word[k] {
			return s.fail(i+k, false)
		}
	}
	return i + len(word)
}

func (s *Scanner) number(i int) int {
	b := s.buf
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || b[i]-'0' > 9:
		return s.fail(i, false)
	case b[i] == '0':
		i++
	default:
		i = digits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return s.fail(end, false)
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return s.fail(end, false)
		}
		i = end
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// space returns the index of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text passes over the string at i and notes how much shorter it is unescaped.
//
// Eight bytes are looked at at a time. A byte c without its high bit is of interest if c-0x20 borrows (a control
// character) or if c^'"' or c^'\\' is zero (then subtracting one borrows). A borrow runs only upwards, so the lowest
// mark is always a true one.
func (s *Scanner) text(i int) int {
	b := s.buf
	s.saved = 0
	i++
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			m := ((x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) &^ x & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			i++
		}
		if i >= len(b) || b[i] < 0x20 {
			return s.fail(i, false)
		}
		if b[i] == '"' {
			return i + 1
		}
		if i = s.escape(i + 1); i < 0 {
			return -1
		}
	}
}

// escape passes over what follows a backslash.
func (s *Scanner) escape(i int) int {
	if i >= len(s.buf) {
		return s.fail(i, false)
	}
	switch s.buf[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.saved++
		return i + 1
	case 'u':
		r := rune(0)
		for k := i + 1; k < i+5; k++ {
			if k >= len(s.buf) || hex(s.buf[k]) < 0 {
				return s.fail(k, false)
			}
			r = r<<4 | rune(hex(s.buf[k]))
		}
		// Half a surrogate pair is counted as half of the four bytes that the pair becomes.
		s.saved += 6 - utf8Len(r)
		return i + 5
	}
	return s.fail(i, false)
}

// utf8Len returns how many bytes of UTF-8 the UTF-16 unit r is worth.
func utf8Len(r rune) int {
	switch {
	case r < 0x80:
		return 1
	case r < 0x800, 0xd800 <= r && r < 0xe000:
		return 2
	default:
		return 3
	}
}

// hex returns the value of a hexadecimal digit, -1 if c is none.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

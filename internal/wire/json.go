package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of values. Invalid is what stands where no value can begin.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String returns the kind's name as it is used in error messages.
func (k Kind) String() string {
	return [...]string{"invalid JSON", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // index of the first byte that cannot be
	What   string
}

// Error returns what is wrong and where.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.What, e.Offset) }

// Scanner walks one JSON text from front to back, once, and validates all that it passes: the grammar of RFC 8259, with
// two notes. Nesting is limited to MaxDepth. Bytes of strings are not checked to be UTF-8, as encoding/json does not
// check them either: providers differ in what they accept, and the bytes are theirs to judge.
//
// The walker consumes each value once: by Value, which passes over it whole, or by Object or Array, which step into it.
// The first fault ends the walk: every method then returns its zero value, and Err says what was wrong. A Scanner does
// not allocate (but for the error), and does not change the text. The zero value is ready for Reset.
type Scanner struct {
	buf   []byte
	pos   int
	depth int
	first bool // the container that was entered last has had no member yet
	saved int  // bytes by which the last string gets shorter when it is unescaped
	name  Span // last member name, with its quotes
	key   [48]byte
	err   *SyntaxError
}

// Reset starts a walk over b.
func (s *Scanner) Reset(b []byte) {
	s.buf, s.pos, s.depth, s.first, s.saved, s.name, s.err = b, 0, 0, false, 0, Span{}, nil
}

// Err returns the first fault as a *SyntaxError, nil if there is none so far.
func (s *Scanner) Err() error {
	if s.err == nil {
		return nil
	}
	return s.err
}

// Depth returns how many arrays and objects have been stepped into and not left.
func (s *Scanner) Depth() int { return s.depth }

// Pos returns the index of the next byte to be read.
func (s *Scanner) Pos() int { return s.pos }

// Kind returns the kind of the value ahead, judged by its first byte.
func (s *Scanner) Kind() Kind {
	if s.err != nil {
		return Invalid
	}
	s.pos = space(s.buf, s.pos)
	if s.pos >= len(s.buf) {
		return Invalid
	}
	switch c := s.buf[s.pos]; {
	case c == '"':
		return String
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '-' || '0' <= c && c <= '9':
		return Number
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	default:
		return Invalid
	}
}

// Value passes over the value ahead, whatever it is, and returns where it stands, without white space around it.
func (s *Scanner) Value() Span {
	if s.err != nil {
		return Span{}
	}
	start := space(s.buf, s.pos)
	end := s.value(start)
	if end < 0 {
		return Span{}
	}
	s.pos = end
	return Span{start, end}
}

// StringLen returns the length in bytes that the string passed by the last call of Value has when it is unescaped.
func (s *Scanner) StringLen(v Span) int { return v.Len() - 2 - s.saved }

// Object steps into the object ahead; Member then gives its members. It reports false, and stays where it is, if the
// value ahead is none.
func (s *Scanner) Object() bool { return s.Kind() == Object && s.enter() }

// Array steps into the array ahead; Element then gives its elements. It reports false, and stays where it is, if the
// value ahead is none.
func (s *Scanner) Array() bool { return s.Kind() == Array && s.enter() }

func (s *Scanner) enter() bool {
	if s.depth >= MaxDepth {
		s.fail(s.pos, true)
		return false
	}
	s.depth++
	s.pos++
	s.first = true
	return true
}

// Member steps to the next member of the object that was entered last: the value ahead is then the member's. It returns
// the member's name, unescaped; valid until the next call. ok is false when the object has ended or at a fault. A name
// that contains escapes and is longer than any that a protocol knows is returned as it is written.
func (s *Scanner) Member() (name []byte, ok bool) {
	if !s.next('}') {
		return nil, false
	}
	start := s.pos
	end := s.member(start)
	if end < 0 {
		return nil, false
	}
	s.pos = end
	raw := s.buf[s.name.Start+1 : s.name.End-1]
	if s.saved == 0 || len(raw)-s.saved > len(s.key)-utf8.UTFMax {
		return raw, true
	}
	return unescape(s.key[:0], raw), true
}

// Name returns where the name of the last member stands, with its quotes.
func (s *Scanner) Name() Span { return s.name }

// Element steps to the next element of the array that was entered last: it is then the value ahead. It reports false
// when the array has ended or at a fault.
func (s *Scanner) Element() bool { return s.next(']') }

// next steps over the comma before a member or element. It reports false at the end of the container, which it leaves.
func (s *Scanner) next(closer byte) bool {
	if s.err != nil {
		return false
	}
	i := space(s.buf, s.pos)
	first := s.first
	s.first = false
	if i >= len(s.buf) {
		s.fail(i, false)
		return false
	}
	switch c := s.buf[i]; {
	case c == closer:
		s.depth--
		s.pos = i + 1
		return false
	case first:
		s.pos = i
		return true
	case c == ',':
		s.pos = space(s.buf, i+1)
		return true
	}
	s.fail(i, false)
	return false
}

// End reports whether nothing but white space is left and there was no fault; what else there is becomes the fault.
func (s *Scanner) End() bool {
	if s.err != nil {
		return false
	}
	s.pos = space(s.buf, s.pos)
	if s.pos < len(s.buf) {
		s.fail(s.pos, false)
		return false
	}
	return true
}

// Valid reports whether b is one JSON text, in the sense of Scanner.
func Valid(b []byte) bool {
	var s Scanner
	s.Reset(b)
	s.Value()
	return s.End()
}

// fail notes the first fault and returns -1.
func (s *Scanner) fail(i int, deep bool) int {
	if s.err != nil {
		return -1
	}
	switch {
	case deep:
		s.err = &SyntaxError{i, fmt.Sprintf("JSON is nested deeper than %d levels", MaxDepth)}
	case i >= len(s.buf):
		s.err = &SyntaxError{len(s.buf), "unexpected end of JSON"}
	default:
		s.err = &SyntaxError{i, fmt.Sprintf("unexpected character %q in JSON", s.buf[i])}
	}
	return -1
}

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

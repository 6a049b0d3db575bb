package wire

import (
	"fmt"
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

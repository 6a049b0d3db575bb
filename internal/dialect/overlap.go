package dialect

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sure is how many equal bytes are no coincidence where they stand at the cut. Further on they may well be one: a text says the same
// words again, so there it takes more of them.
const (
	sure    = 16
	surest  = 48
	maxTalk = 160 // bytes that a model says before it repeats where it stopped
)

// overlap returns how much of the beginning of next is left out where next goes on with sofar: what it repeats of sofar, and what a model
// says before it does so. exact says that the model was given sofar as its own words: it then goes on from their last letter, and a few
// equal letters are text. trimmed says that it was given them without the white space at their end.
//
//  1. All of sofar, if next begins with it: the model has begun anew.
//  2. If trimmed, white space that sofar ends with and next begins with.
//  3. Unless exact: a line of talk ("Sure, here is the rest:"), and a long end of sofar further on, with what stands before it.
//  4. The longest end of sofar that next begins with, if it is too long to be chance or, unless exact, begins at a word. What repeats
//     itself (rows of a table, zeros) says nothing, since nobody knows how often it was meant.
func overlap(sofar, next []byte, exact, trimmed bool) int {
	if len(sofar) == 0 || len(next) == 0 {
		return 0
	}
	if len(next) >= len(sofar) && len(sofar) >= sure && bytes.HasPrefix(next, sofar) {
		return len(sofar)
	}
	if exact {
		n := repeated(sofar, next, sure)
		if trimmed {
			n = max(n, blanks(sofar, next))
		}
		return n
	}
	talk := talked(sofar, next)
	return talk + repeated(sofar, next[talk:], 1)
}

// blanks returns how much of the white space that next begins with is at the end of sofar already.
func blanks(sofar, next []byte) int {
	lead := len(next) - len(bytes.TrimLeft(next, " \t\r\n"))
	for n := min(lead, len(sofar)); n > 0; n-- {
		if bytes.HasSuffix(sofar, next[:n]) {
			return n
		}
	}
	return 0
}

// talked returns how much of next is talk about going on.
func talked(sofar, next []byte) int {
	for n := min(len(sofar), 4*surest); n >= sure; n-- {
		i := bytes.Index(next, sofar[len(sofar)-n:])
		if i > 0 && i <= maxTalk && (n >= surest || talks(next[:i])) {
			return i
		}
	}
	line, _, whole := bytes.Cut(next, []byte("\n"))
	if !whole || len(line) > maxTalk || !bytes.HasSuffix(bytes.TrimRight(line, " \r*_"), []byte(":")) {
		return 0
	}
	if !talks(line) {
		return 0
	}
	return len(next) - len(bytes.TrimLeft(next[len(line):], "\r\n"))
}

// talks reports whether a model says that it goes on.
func talks(text []byte) bool {
	said := strings.ToLower(string(text))
	for _, w := range [...]string{"continu", "the rest", "remaining", "where i left off", "where it stopped", "picking up"} {
		if strings.Contains(said, w) {
			return true
		}
	}
	return false
}

// repeated returns how much of the beginning of next is the end of sofar again, of at least so many bytes.
func repeated(sofar, next []byte, least int) int {
	for n := min(len(sofar), len(next)); n >= least; n-- {
		switch {
		case !bytes.HasSuffix(sofar, next[:n]):
		case periodic(next[:n]):
			return 0
		case isRepetition(sofar, next, n):
			return n
		}
	}
	return 0
}

// isRepetition reports whether n equal bytes at the end of sofar and the beginning of next are a repetition rather than chance: a few
// letters at the place of the cut are equal easily.
func isRepetition(sofar, next []byte, n int) bool {
	switch {
	case len(bytes.TrimSpace(next[:n])) == 0:
		// A line end after another is more likely a break between paragraphs that was broken in two, and blanks before a word or a line are
		// likely to be those that are there.
		return !bytes.ContainsAny(next[:n], "\r\n")
	case n >= sure:
		return true
	case n < 2 || !wordStart(sofar, len(sofar)-n):
		return false
	case n == len(next):
		return true
	}
	// The last word again, whole, or the end of sofar is a part of a word that next begins with whole.
	return n >= 3 || !wordRune(next, n)
}

// periodic reports whether b is the same again and again, twice at least.
func periodic(b []byte) bool {
	fail := make([]int, len(b)) // lengths of the longest proper beginnings that are endings too (Knuth, Morris, Pratt)
	for i, k := 1, 0; i < len(b); i++ {
		for k > 0 && b[i] != b[k] {
			k = fail[k-1]
		}
		if b[i] == b[k] {
			k++
		}
		fail[i] = k
	}
	n := len(b)
	return n >= 6 && n-fail[n-1] <= n/2
}

// wordStart reports whether a word, or something that is none, begins at i.
func wordStart(b []byte, i int) bool {
	if i == 0 {
		return true
	}
	before, _ := utf8.DecodeLastRune(b[:i])
	after, _ := utf8.DecodeRune(b[i:])
	return !wordy(before) || !wordy(after)
}

func wordRune(b []byte, i int) bool {
	r, _ := utf8.DecodeRune(b[i:])
	return wordy(r)
}

func wordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// restOfCall returns what arguments of a tool call have besides sent, the beginning of the same call or all of it. What counts is the
// JSON, not how it is spaced or ordered: another model, or the same another time, writes it otherwise.
func restOfCall(sent string, whole []byte) (rest []byte, ok bool) {
	if after, ok := bytes.CutPrefix(whole, []byte(sent)); ok {
		return after, true
	}
	if sameJSON([]byte(sent), whole) {
		return nil, true
	}
	return bytes.CutPrefix(squeeze(whole), squeeze([]byte(sent)))
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return decodeExact(a, &x) == nil && decodeExact(b, &y) == nil && reflect.DeepEqual(x, y)
}

// decodeExact decodes JSON with its numbers as they are written.
func decodeExact(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// squeeze returns JSON, or the beginning of it, without the white space between its tokens.
func squeeze(text []byte) []byte {
	out := make([]byte, 0, len(text))
	inString, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		}
		out = append(out, c)
	}
	return out
}

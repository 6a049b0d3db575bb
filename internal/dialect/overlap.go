package dialect

import (
	"bytes"
	"encoding/json"
	"reflect"
	"unicode"
	"unicode/utf8"
)

// sure is how many equal bytes are no coincidence, wherever they stand.
const sure = 16

// overlap returns how much of the beginning of next is left out where next goes on with sofar: what it repeats of the end of sofar, and what
// a model says before it does so. exact says that next is meant to follow on directly, trimmed that the model was given sofar without the white
// space at its end.
//
//  1. The longest end of sofar that next begins with, if it begins at a word, or is too long to be chance.
//  2. All of sofar, if next begins with it: the model has begun anew.
//  3. Unless exact: a long end of sofar further on in next: what stands before it is talk.
func overlap(sofar, next []byte, exact, trimmed bool) int {
	if len(sofar) == 0 || len(next) == 0 {
		return 0
	}
	if len(next) >= len(sofar) && len(sofar) >= sure && bytes.HasPrefix(next, sofar) {
		return len(sofar)
	}
	for n := min(len(sofar), len(next)); n > 0; n-- {
		if bytes.HasSuffix(sofar, next[:n]) && repeats(sofar, next, n, exact, trimmed) {
			return n
		}
	}
	if exact {
		return 0
	}
	for n := min(len(sofar), 8*sure, len(next)); n >= sure; n-- {
		if i := bytes.Index(next, sofar[len(sofar)-n:]); i >= 0 {
			return i + n
		}
	}
	return 0
}

// repeats reports whether n equal bytes at the end of sofar and the beginning of next are a repetition rather than chance: a few
// letters at the place of the cut are equal easily.
func repeats(sofar, next []byte, n int, exact, trimmed bool) bool {
	if n >= sure {
		return true
	}
	if blank := next[:n]; len(bytes.TrimSpace(blank)) == 0 {
		// What was cut off it is written again. Else a line end after another is more likely a break between paragraphs that was
		// broken in two, and blanks before a word or a line are likely to be those that are there.
		return trimmed || !exact && !bytes.ContainsAny(blank, "\r\n")
	}
	if exact || n < 2 || !wordStart(sofar, len(sofar)-n) {
		return false
	}
	if n == len(next) {
		return true
	}
	// The last word again, whole, or the end of sofar is a part of a word that next begins with whole.
	return n >= 3 || !wordRune(next, n)
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

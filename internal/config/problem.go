package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Position        // zero when the environment is the source
	Key      string // key path, or the name of an environment variable; empty for the file as a whole
	Message  string
}

// Error is everything that is wrong with a configuration. No part of it shows a secret.
type Error struct {
	File     string // path as it was named; empty when the environment was the source
	Problems []Problem

	lines map[int][]rune // lines with problems, with secrets masked
}

// Error returns one line for each problem: file:line:column: key.path: message.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = e.place(p.Position) + joinKey(p.Key, p.Message)
	}
	return strings.Join(lines, "\n")
}

// Excerpt returns the problems for a terminal: each with its line of the file and a caret below its column.
func (e *Error) Excerpt() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.place(p.Position) + joinKey(p.Key, p.Message) + "\n")
		whole, ok := e.lines[p.Line]
		if !ok {
			continue
		}
		line, column := window(whole, p.Column)
		gutter := fmt.Sprintf("%5d | ", p.Line)
		b.WriteString(gutter + line + "\n")
		b.WriteString(strings.Repeat(" ", len(gutter)-2) + "| " + caretPad(line, column) + "^\n")
	}
	return b.String()
}

func (e *Error) place(p Position) string { return place(e.File, p) }

// Place writes where a notice is, in the form of errors.
func (c *Config) Place(n Notice) string {
	return place(c.source.file, n.Position) + joinKey(n.Key, n.Message)
}

func place(file string, p Position) string {
	switch {
	case file == "":
		return "environment: "
	case p.Line == 0:
		return file + ": "
	default:
		return fmt.Sprintf("%s:%d:%d: ", file, p.Line, p.Column)
	}
}

func joinKey(key, message string) string {
	if key == "" {
		return message
	}
	return key + ": " + message
}

// window cuts a line that is too long for a terminal to what is around a column, and returns the column in that.
func window(line []rune, column int) (string, int) {
	const before, after = 60, 60
	from, to := max(0, column-before), min(len(line), column+after)
	if len(line) <= before+after || from >= to {
		from, to = 0, min(len(line), before+after)
	}
	return string(line[from:to]), column - from
}

// caretPad is as wide as the text before a column; tabs stay tabs, so that the caret stands right.
func caretPad(line string, column int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= column-1 {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// collector gathers problems, and what must not be shown of the source.
type collector struct {
	problems []Problem
	bad      map[string]bool // key paths that have a problem
	byRef    map[string]bool // key paths of values that came from elsewhere, which messages do not repeat
	draft    bool            // what references stand for is not known: such values are not judged
	hidden   []span
}

// maxProblems bounds what is said about a file that is none of ours.
const maxProblems = 1000

// span is a part of the source that must not be shown. to is exclusive; 0 means the end of the line.
type span struct{ line, from, to int }

func (c *collector) add(at Position, key, message string) {
	if c.bad == nil {
		c.bad = make(map[string]bool)
	}
	c.bad[key] = true
	switch {
	case len(c.problems) < maxProblems:
		c.problems = append(c.problems, Problem{at, shortKey(key), message})
	case len(c.problems) == maxProblems:
		c.problems = append(c.problems, Problem{at, "", fmt.Sprintf("there are more than %d problems; only so many are named", maxProblems)})
	}
}

// shortKey cuts a key path at white space. No key has any; but what follows a forgotten colon is taken for a part of the
// key, and may be a secret. It cuts what is too long for any key too.
func shortKey(key string) string {
	const longest = 256
	if len(key) > longest {
		key = strings.ToValidUTF8(key[:longest], "") + "…"
	}
	if i := strings.IndexFunc(key, unicode.IsSpace); i >= 0 {
		return key[:i] + "…"
	}
	return key
}

// err returns the problems in the order of the file, or nil if there are none.
func (c *collector) err(file string, src []byte, parsed bool) error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	e := &Error{File: file, Problems: c.problems, lines: make(map[int][]rune)}
	all := strings.Split(string(src), "\n")
	for _, p := range c.problems {
		if _, done := e.lines[p.Line]; !done && p.Line >= 1 && p.Line <= len(all) {
			e.lines[p.Line] = []rune(c.mask(strings.TrimSuffix(all[p.Line-1], "\r"), p.Line, parsed))
		}
	}
	return e
}

// The words that a masked line does not show. A word before a colon is a key, and a reference is no secret.
var (
	// looksSecret finds what looks like a credential wherever it stands, for one that stands in the wrong place.
	looksSecret = regexp.MustCompile(`[A-Za-z0-9_+=\-]{16,}`)
	// looksKey is a word that may be shown all the same: one that could be a key of ours.
	looksKey = regexp.MustCompile(`^[a-z_]{1,16}["']?:\s?$`)
	// anyWord finds all words, for a file that could not be parsed: nothing is known of what they are.
	anyWord = regexp.MustCompile(`\$\{(?:[A-Za-z_][A-Za-z0-9_]*|file:[^}]*)\}|[^\s:,\[\]{}"']{4,}(?:["']?:(?:\s|$))?`)
)

// mask hides what may be a secret in one line of the source. Columns stay what they are.
func (c *collector) mask(line string, number int, parsed bool) string {
	runes := []rune(line)
	for _, s := range c.hidden {
		if s.line != number {
			continue
		}
		to := s.to
		if to == 0 || to > len(runes)+1 {
			to = len(runes) + 1
		}
		for i := max(s.from, 1); i < to; i++ {
			runes[i-1] = '*'
		}
	}
	line = string(runes)
	if !parsed {
		return anyWord.ReplaceAllStringFunc(line, func(w string) string {
			if strings.HasPrefix(w, "${") || looksKey.MatchString(w) {
				return w
			}
			return stars(w)
		})
	}
	return looksSecret.ReplaceAllStringFunc(line, func(w string) string {
		if !secretLike(w) {
			return w
		}
		return stars(w)
	})
}

func secretLike(s string) bool {
	return looksSecret.MatchString(s) && strings.ContainsAny(s, "0123456789")
}

func stars(s string) string { return strings.Repeat("*", utf8.RuneCountInString(s)) }

// quoted quotes a value for a message, if it can be shown: short, one word, and not looking like a credential. If not, it
// is empty.
func quoted(value string) string {
	if len(value) > 40 || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == ':' || r > '~' }) ||
		secretLike(value) {
		return ""
	}
	return fmt.Sprintf("%q", value)
}

// not ends a message that says what the value at a path must be with what it is.
func (c *collector) not(path, value string) string {
	if q := quoted(value); q != "" && !c.byRef[path] {
		return ", not " + q
	}
	return ""
}

// named names something that the value at a path means.
func (c *collector) named(kind, path, value string) string {
	if q := quoted(value); q != "" && !c.byRef[path] {
		return kind + " " + q
	}
	return kind + " of that name"
}

package guard

import (
	"unicode"
	"unicode/utf8"
)

// look is what the window is made of. Numbers are bytes unless they say otherwise.
type look struct {
	n       int
	letters int // of any script, and emoji
	foreign int // those that are not ASCII
	spaces  int // and tabs
	digits  int
	shouts  int // ! and ?
	marks   int // what stands in code, JSON and tables, and not in prose
	rules   int // dashes, dots, box drawing and other characters that lines are drawn with

	words, numbers int // how many
	commas, ends   int // how many; ends of sentences
	opens, closes  int // brackets
	joints         int // - / . _ between two letters

	alphabet uint32 // ASCII letters that occur
	upper    int
	newlines int

	lines     int // that are whole or not, and not empty
	indented  int // that begin with white space
	closed    int // that end as code does
	empties   int // empty ones
	paragraph int // in lines that read like a paragraph
}

// scan reads a text.
func scan(text []byte) look {
	l := look{n: len(text)}
	line := 0 // where the line begins
	before := look{}
	prev := byte('\n')
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case b >= utf8.RuneSelf:
			i += l.foreignRune(text[i:]) - 1
		case b == '\n':
			l.newlines++
			l.line(text[line:i], &before)
			line, before = i+1, l
		default:
			next := byte('\n')
			if i+1 < len(text) {
				next = text[i+1]
			}
			l.ascii(prev, b, next)
		}
		prev = b
	}
	l.line(text[line:], &before)
	return l
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func digit(b byte) bool { return b-'0' <= 9 }

// ascii takes a byte between two others.
func (l *look) ascii(prev, b, next byte) {
	switch {
	case letter(b):
		l.letters++
		l.alphabet |= 1 << (b&0x1F - 1)
		if b < 'a' {
			l.upper++
		}
		if !letter(prev) && prev != '\'' && prev < utf8.RuneSelf {
			l.words++
		}
	case b == ' ':
		l.spaces++
	case digit(b):
		l.digits++
		if !digit(prev) && prev != '.' && prev != ':' {
			l.numbers++
		}
	default:
		l.punctuation(prev, b, next)
	}
}

func (l *look) punctuation(prev, b, next byte) {
	space := next == ' ' || next == '\n'
	switch b {
	case '.', '!', '?':
		if b == '.' {
			l.rules++
		} else {
			l.shouts++
		}
		if space && prev != b {
			l.ends++
		}
		l.joint(prev, next)
	case ',':
		l.commas++
		if !space && next != '"' && next != '\'' {
			l.marks++
		}
	case '"':
		if jsonQuote(prev, next) {
			l.marks++
		}
	case '{', '[', '(':
		if b != '[' || !letter(prev) && prev != '\x1b' && !digit(prev) { // not that of a terminal's escape sequence, or of an index
			l.opens++
		}
		if b != '(' || letter(prev) || prev == '_' {
			l.marks++
		}
	case '}', ']', ')':
		l.closes++
		if b != ')' || next == ';' || next == '{' {
			l.marks++
		}
	case '<', '>', '|', '=', ';', '@', '$', '^', '&', '~', '%', '+':
		l.marks++
		if b == '=' || b == '~' {
			l.rules++
		}
	case '\t':
		l.spaces++
		l.marks++
	case '-', '_', '*', '#', ':':
		l.rules++
		l.joint(prev, next)
	case '/':
		l.joint(prev, next)
	}
}

// jsonQuote reports whether a quote between two bytes is one of JSON or of code rather than of speech.
func jsonQuote(prev, next byte) bool {
	switch prev {
	case '{', '[', ':', '(', '=':
		return true
	}
	switch next {
	case ':', ']', '}', ')', ';':
		return true
	}
	return false
}

func (l *look) joint(prev, next byte) {
	if letter(prev) && letter(next) {
		l.joints++
	}
}

// foreignRune takes a character that is not ASCII, and returns its length.
func (l *look) foreignRune(text []byte) int {
	r, size := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError:
		// Half a character at the edge of the window.
	case r >= 0x2500 && r <= 0x25FF, r >= 0x2800 && r <= 0x28FF, r >= 0x2010 && r <= 0x2015, r == '…', r == '·', r == '•':
		l.rules += size
	case r == '。', r == '！', r == '？', r == '．':
		l.ends++
		l.letters, l.foreign = l.letters+size, l.foreign+size
	case r == '、', r == '，':
		l.commas++
		l.letters, l.foreign = l.letters+size, l.foreign+size
	case unicode.IsLetter(r), unicode.IsMark(r), r >= 0x2600 && r <= 0x27BF, r >= 0x1F000, r == 0x200D, r == 0xFE0F, r >= 0x3000 && r <= 0x303F:
		l.letters, l.foreign = l.letters+size, l.foreign+size
	}
	return size
}

// line takes a line, of which before is what was seen ahead of it.
func (l *look) line(text []byte, before *look) {
	if len(text) == 0 {
		l.empties++
		return
	}
	l.lines++
	if text[0] == '\t' || len(text) > 1 && text[0] == ' ' && text[1] == ' ' {
		l.indented++
	}
	switch text[len(text)-1] {
	case ';', '{', '}', '(', ')', ']', '[', '|', '>', '\\', ':':
		l.closed++
	}
	if len(text) >= 100 || l.ends-before.ends >= 2 {
		l.paragraph += len(text)
	}
}

// wordCount is how many words there are; in scripts without spaces two characters of three bytes count as one.
func (l *look) wordCount() int { return l.words + l.foreign/6 }

package guard

import (
	"bytes"
	"unicode/utf8"
)

// kind is the class of a repetitive text. Each has its own limit.
type kind uint8

// The classes.
const (
	none      kind = iota
	running        // words and sentences that run on
	paragraph      // running text that empty lines divide, or in long lines
	lines          // lines of several words each
	names          // words without spaces: paths, identifiers
	rules          // dashes and other characters that lines are drawn with
	nest           // brackets that open and are not closed
	data           // digits, letters without spaces, lines of a word or two
	structure      // JSON, code, tables, markup
)

// Limits, in bytes unless they say otherwise. docs/GUARDS.md names them.
const (
	maxBlank      = 4096 // white space
	maxBlankLines = 512  // line breaks of it

	maxPeriod     = 256 // of which three copies fit well into the window
	maxTwice      = 368 // a period of which three copies are wanted; of a longer one, less
	maxLines      = 128 // equal lines
	maxCounted    = 1024
	maxThought    = 24 // equal lines of thinking
	maxCountedIn  = 128
	maxMixed      = 4096      // paragraphs that mix, without a period; running text whose numbers are data
	maxNames      = 2048      // words without spaces
	maxRules      = 2048      // one line of dashes
	maxData       = 32 << 10  // periodic data
	maxStructure  = 64 << 10  // periodic structure
	maxRepetitive = 256 << 10 // anything in which little is new, also if its numbers are
)

// check ends a block and reports whether the text repeats itself without end.
func (t *tail) check(thinking bool) bool {
	t.shift()
	if t.blank >= maxBlank || t.blankLines >= maxBlankLines {
		return true
	}
	if t.pos < window {
		return false
	}
	periodic := t.period != 0 && t.run >= t.period && t.run+t.period >= window
	if !periodic && t.news*6 > window {
		t.dull = false
		return false
	}
	if t.blank >= window {
		return false // for the limit of white space
	}
	if !t.dull {
		t.dull, t.since, t.sinceLines, t.kind = true, t.pos-window, t.allLines, none
	}
	if t.pos-t.since >= maxRepetitive || t.run >= maxStructure && !t.counted() {
		return true
	}
	return t.judge(thinking, periodic)
}

// counted reports whether the numbers of the run change: a counter, or data.
func (t *tail) counted() bool { return t.changed*t.period >= t.run/2 }

// judge reads the window, and holds it against the limit of its class.
func (t *tail) judge(thinking, periodic bool) bool {
	var buf [window]byte
	text := t.last(buf[:])
	var l look
	if !t.judged {
		if t.plainly(text[len(text)-96:], periodic) {
			return false
		}
		l = scan(text)
		k := l.kind(t.period)
		if k == running && t.said() && l.listing() && (literals(text) > l.words/2 || t.bracketed()) {
			k = data
		}
		t.become(k)
		t.judged = k != running && t.period != 0 && t.period <= window && t.run >= window
	}
	switch t.kind {
	case running:
		return t.said() || t.news*6 <= window && t.stale(&l, text)
	case paragraph:
		return t.said() || t.news*20 <= window && t.pos-t.kindSince >= maxMixed
	case lines:
		return t.listed(thinking, periodic)
	case names:
		return periodic && t.run >= maxNames
	case rules:
		return periodic && t.run >= maxRules && t.lines == 0
	case nest:
		return true
	case data:
		return t.run >= maxData && !t.counted()
	}
	return false
}

// plainly says at a glance at the end of the text that it is still what it was, if that was no language, or that it is structure.
func (t *tail) plainly(text []byte, periodic bool) bool {
	if structured(text) {
		t.become(structure)
		return true
	}
	if periodic || t.kind != data && t.kind != structure {
		return false
	}
	n := 0
	for _, b := range text {
		if letter(b) || b == ' ' || b >= utf8.RuneSelf {
			n++
		}
	}
	return n*3 < len(text)*2
}

// become notes the class of the text.
func (t *tail) become(k kind) {
	if t.kind != k {
		t.kind, t.kindSince = k, t.pos-window
		t.sinceLines = t.allLines
	}
}

// said holds a run of running text against its limit: three copies of what is short, two and a bit of what is long.
func (t *tail) said() bool {
	p, n := t.period, t.run
	switch {
	case p == 0:
		return false
	case t.changed*p*2 >= n*5: // more than two digits change each time: data rather than a counter
		return n >= maxMixed
	case t.counted():
		return n >= 4*p && n+p >= window // three sections that differ by their number are nothing unusual
	case p <= maxPeriod:
		return n+p >= window
	case p <= maxTwice:
		return n >= 2*p
	default:
		return n >= max(window, p+p/8)
	}
}

// stale says whether running text goes on without anything new, though it has no period: a few sentences that take turns, or
// one in which a word changes. A listing of words may do that, and a rhyme that says all of it again with each verse: it is
// longer each time, so that the window holds more that differs.
func (t *tail) stale(l *look, text []byte) bool {
	return l.newlines == 0 && l.commas*5 < l.wordCount()*2 && l.wordCount() >= 6*l.numbers &&
		different(text)*4 <= window
}

// different returns how many sequences of eight bytes occur in a text, about.
func different(text []byte) int {
	var seen [128]uint64
	gram, n := uint64(0), 0
	for i, b := range text {
		gram = gram<<8 | uint64(b)
		if i < 7 {
			continue
		}
		bit := gram * multiplier >> (64 - 13)
		if seen[bit/64]&(1<<(bit%64)) == 0 {
			seen[bit/64] |= 1 << (bit % 64)
			n++
		}
	}
	return n
}

// listed holds lines against their limits.
func (t *tail) listed(thinking, periodic bool) bool {
	switch {
	case thinking && t.news*20 <= window*3 && !t.counted():
		return t.allLines-t.sinceLines >= maxThought || periodic && t.lines >= maxThought
	case !periodic:
		return false
	case thinking:
		return t.lines >= maxCountedIn
	case t.counted():
		return t.lines >= maxCounted
	default:
		return t.lines >= maxLines
	}
}

// structured says at a glance that a text is structure.
func structured(text []byte) bool {
	n, opens := 0, 0
	for _, b := range text {
		switch b {
		case '{', '[':
			n++
			opens++
		case '}', ']':
			n++
			opens--
		case '<', '>', '|', '=':
			n++
		}
	}
	return n >= 8 && opens < 3
}

// kind classes a text whose tail has a period, or 0.
func (l *look) kind(period uint32) kind {
	solid := l.n - l.spaces - l.newlines
	switch {
	case l.opens >= 32 && l.opens >= 4*l.closes:
		return nest
	case l.shouts*10 >= solid*9 && period < 8:
		return running
	case l.rules*10 >= solid*9 && l.newlines == 0:
		return rules
	case !l.prose(solid):
		return l.rest(solid, period)
	case l.newlines == 0 || l.newlines*200 <= l.n:
		return running
	case l.paragraph*10 >= 7*l.n && l.empties*3 >= l.lines:
		return paragraph
	case l.wordCount() >= 3*l.lines:
		return lines
	default:
		return data
	}
}

// prose reports whether the text reads like language.
func (l *look) prose(solid int) bool {
	switch {
	case l.letters*20 < solid*11, solid*2 < l.n, l.marks*25 > l.n, l.digits*4 > solid, l.wordCount() < 2*l.numbers:
		return false
	case l.closed*2 >= l.lines && l.newlines > 0, l.indented*2 >= l.lines && l.newlines > 0:
		return false
	case l.foreign*2 >= l.letters:
		return true
	default:
		return !l.code() && l.letters <= 16*l.words && l.letters <= 20*(l.spaces+l.newlines)
	}
}

// code reports whether the letters are those of bases of DNA and RNA, or of hexadecimal digits.
func (l *look) code() bool {
	const bases, hexadecimal = 1<<0 | 1<<2 | 1<<6 | 1<<19 | 1<<20 | 1<<13, 1<<6 - 1
	return l.alphabet&^bases == 0 || l.alphabet&^hexadecimal == 0
}

// listing reports whether commas stand between the words.
func (l *look) listing() bool { return l.words > 0 && l.commas*5 >= l.words*4 }

// literals counts what programs write for truth and for nothing.
func literals(text []byte) int {
	n := 0
	for _, word := range [...]string{"null", "true", "false", "nil", "None", "True", "False", "NaN", "NULL", "undefined"} {
		n += bytes.Count(text, []byte(word))
	}
	return n
}

// rest classes what is no prose.
func (l *look) rest(solid int, period uint32) kind {
	if l.marks*25 > l.n {
		return structure
	}
	if l.spaces+l.newlines > l.n/20 || l.digits > 0 || l.code() {
		if l.indented*2 >= l.lines && l.newlines > 0 {
			return structure
		}
		return data
	}
	switch small := l.upper*4 <= l.letters; {
	case small && period <= 4 && l.letters*10 >= solid*9:
		return running // hahaha
	case small && l.joints*12 >= solid, small && l.letters*10 >= solid*9:
		return names
	}
	return data
}

package openai

import "unicode/utf8"

// ruler converts places in a text between bytes, as llm counts, and characters, as OpenAI does. It grows with the text, and
// keeps none of it as long as the two are the same.
type ruler struct {
	base  int    // characters before the text
	ascii int    // bytes up to the first that is not ASCII
	wide  []byte // the text from there on
}

// add appends to the text.
func (r *ruler) add(text []byte) {
	if len(r.wide) == 0 {
		i := 0
		for i < len(text) && text[i] < utf8.RuneSelf {
			i++
		}
		r.ascii += i
		text = text[i:]
	}
	r.wide = append(r.wide, text...)
}

// next begins another text that follows this one.
func (r *ruler) next() {
	*r = ruler{base: r.base + r.ascii + utf8.RuneCount(r.wide), wide: r.wide[:0]}
}

// size returns the length of the text in bytes.
func (r *ruler) size() int { return r.ascii + len(r.wide) }

// runes returns which character begins at a byte, counted from before the text.
func (r *ruler) runes(at int) int {
	at = min(max(at, 0), r.size())
	if at <= r.ascii {
		return r.base + at
	}
	return r.base + r.ascii + utf8.RuneCount(r.wide[:at-r.ascii])
}

// bytes returns where a character begins.
func (r *ruler) bytes(at int) int {
	at -= r.base
	if at <= r.ascii {
		return max(at, 0)
	}
	n := r.ascii
	for at -= r.ascii; at > 0 && n < r.size(); at-- {
		_, size := utf8.DecodeRune(r.wide[n-r.ascii:])
		n += size
	}
	return n
}

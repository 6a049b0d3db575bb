package sim

// The simulator's tokens. A token is a run of letters, digits, `_` and bytes above ASCII, of at most 12 bytes, or one
// other visible character. White space costs nothing and belongs to the token after it. So the words of the simulator's
// own prose and its punctuation are one token each, and a count can be checked by hand.

const maxTokenBytes = 12

func isSpace(c byte) bool { return c <= ' ' }

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// cutToken returns the length of the first token of s with the white space before it. A rest of white space only is
// returned whole, with counted false. A rune is never cut in two.
func cutToken[T ~string | ~[]byte](s T) (n int, counted bool) {
	for n < len(s) && isSpace(s[n]) {
		n++
	}
	if n == len(s) {
		return n, false
	}
	if !isWord(s[n]) {
		return n + 1, true
	}
	start := n
	for n < len(s) && isWord(s[n]) && (n-start < maxTokenBytes || s[n]&0xc0 == 0x80) {
		n++
	}
	return n, true
}

// CountTokens returns the number of tokens of a text by the simulator's own rule (docs/SIM.md).
func CountTokens[T ~string | ~[]byte](s T) int64 {
	var count int64
	for len(s) > 0 {
		n, counted := cutToken(s)
		if counted {
			count++
		}
		s = s[n:]
	}
	return count
}

// vocabulary holds the words of one language by class. Each word is one token.
type vocabulary struct {
	determiners, adjectives, nouns, verbs, places, adverbs []string
}

var english = vocabulary{
	determiners: []string{" the", " each", " every", " this"},
	adjectives: []string{
		" quiet", " narrow", " steady", " cold", " early", " deep", " patient", " bright",
		" slow", " heavy", " clear", " long", " open", " small", " wide", " careful",
	},
	nouns: []string{
		" stream", " sluice", " gate", " channel", " river", " token", " current", " keeper",
		" mill", " basin", " bank", " flood", " valley", " wheel", " answer", " question",
	},
	verbs: []string{
		" carries", " opens", " holds", " meets", " measures", " follows", " fills", " turns",
		" crosses", " keeps", " leaves", " feeds", " joins", " slows", " lifts", " finds",
	},
	places:  []string{" through", " past", " below", " into", " along", " across", " behind", " near"},
	adverbs: []string{" slowly", " again", " gently", " twice", " quietly", " soon", " often", " evenly"},
}

// manyScripts has runes of two, three and four bytes, so that a split anywhere hits the inside of some.
var manyScripts = vocabulary{
	determiners: []string{" die", " la", " 每", " ένα"},
	adjectives:  []string{" größte", " fría", " 静か", " ясная"},
	nouns:       []string{" Schleuse", " río", " 水門", " поток", " 💧", " λίμνη", " mühle", " 川"},
	verbs:       []string{" öffnet", " cruza", " 流れる", " держит"},
	places:      []string{" über", " según", " между", " 🌊"},
	adverbs:     []string{" später", " así", " тихо", " 🚪🌊"},
}

// patterns are sentences by the class of their words.
var patterns = [...]string{"DANVDN.", "DNVPDAN.", "PDNDANVR.", "DNVDN,DNVR.", "DANVPDN.", "DNVRPDN.", "DANVDANPDN."}

// prose makes text that reads like sentences, one token at a time, from a few bytes of state.
type prose struct {
	rng     rng
	words   *vocabulary
	pattern string // rest of the sentence
	begun   bool   // a first token was made
	repeat  bool   // the same word for ever, once fresh tokens are out
	fresh   int64
	noise   bool // no sentences, only debris
}

const debris = `{}[]()<>#@%&*=+~^|\/;:`

// append adds the next token to dst. last asks for the end of the text.
func (p *prose) append(dst []byte, last bool) []byte {
	if p.noise && !last {
		p.begun = true
		if n := p.rng.below(3 * len(debris)); n < len(debris) {
			return append(dst, debris[n])
		}
		return append(dst, p.words.nouns[p.rng.below(len(p.words.nouns))]...)
	}
	if p.repeat && p.fresh == 0 {
		return append(dst, p.words.nouns[0]...)
	}
	p.fresh = max(p.fresh-1, 0)
	if last && p.begun {
		return append(dst, '.')
	}
	start := p.pattern == ""
	if start {
		p.pattern = patterns[p.rng.below(len(patterns))]
	}
	class := p.pattern[0]
	p.pattern = p.pattern[1:]
	words := p.class(class)
	if words == nil {
		return append(dst, class)
	}
	word := words[p.rng.below(len(words))]
	if !p.begun {
		word = word[1:]
	}
	at := len(dst)
	dst = append(dst, word...)
	if start {
		if dst[at] == ' ' {
			at++
		}
		if c := dst[at]; c >= 'a' && c <= 'z' {
			dst[at] = c - 'a' + 'A'
		}
	}
	p.begun = true
	return dst
}

func (p *prose) class(c byte) []string {
	switch c {
	case 'D':
		return p.words.determiners
	case 'A':
		return p.words.adjectives
	case 'N':
		return p.words.nouns
	case 'V':
		return p.words.verbs
	case 'P':
		return p.words.places
	case 'R':
		return p.words.adverbs
	default:
		return nil
	}
}

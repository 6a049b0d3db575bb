package guard

import "bytes"

// multiplier spreads eight bytes over a word: 2^64 divided by the golden ratio, as in Knuth's multiplicative hashing.
const multiplier = 0x9E3779B97F4A7C15

// tail is what is known of the end of a text.
type tail struct {
	pos   uint32 // bytes so far
	gram  uint64 // the last eight, digits as '0'
	fresh uint16 // bytes since the last check that end something new

	// The run: the last run bytes equal those period before them, but for digits.
	period  uint32 // 0 if there is no run
	run     uint32
	lines   uint32 // lines that ended within the run
	changed uint32 // digits that differ within the run
	judged  bool   // kind is that of the run: all of the window was in it

	blank      uint32 // length of the white space that the text ends with
	blankLines uint32 // line breaks in it
	allLines   uint32 // lines so far

	// Of the window: new bytes by blocks of step, the oldest at block.
	blocks [window / step]uint16
	block  uint8
	news   uint16

	since      uint32 // where little new began to come; only valid if dull
	dull       bool
	kind       kind   // that the text has had
	kindSince  uint32 // since there
	sinceLines uint32 // allLines there

	// table says by a hash of eight bytes where they ended last: 16 bits of the hash, 16 of the position. It is never cleared within
	// an answer: what is older than 65536 bytes may look young again, which at times makes one byte look old.
	table [slots]uint32
	bytes [ring]byte
}

func (t *tail) reset() { *t = tail{} }

// add takes bytes, and checks at each step.
func (t *tail) add(text []byte, thinking bool) bool {
	for len(text) > 0 {
		n := min(len(text), int(step-t.pos%step))
		t.put(text[:n])
		text = text[n:]
		if t.pos%step == 0 && t.check(thinking) {
			return true
		}
	}
	return false
}

// put takes bytes up to the next check. It is what each byte costs.
func (t *tail) put(text []byte) {
	gram, pos, fresh := t.gram, t.pos, t.fresh
	for _, b := range text {
		f := b
		if b-'0' <= 9 {
			f = '0'
		}
		gram = gram<<8 | uint64(f)
		hash := gram * multiplier
		slot := &t.table[hash>>(64-11)]
		seen := *slot
		mark := uint32(hash>>21) & 0xFFFF0000
		*slot = mark | pos&0xFFFF
		age := (pos - seen) & 0xFFFF
		known := (seen^mark)>>16 == 0 && age < ring && age < pos
		if !known || age > window {
			fresh++
		}
		if t.period != 0 {
			t.extend(pos, b, f)
		}
		if t.period == 0 && known {
			t.period, t.run, t.lines, t.changed, t.judged = age, 8, 0, 0, false
		}
		if b == '\n' && t.bytes[(pos-1)%ring] != '\n' {
			t.lines++
			t.allLines++
		}
		t.bytes[pos%ring] = b
		pos++
	}
	t.gram, t.pos, t.fresh = gram, pos, fresh
}

// extend goes on with the run, or ends it.
func (t *tail) extend(pos uint32, b, f byte) {
	before := t.bytes[(pos-t.period)%ring]
	if before == b {
		t.run++
		return
	}
	if f == '0' && before-'0' <= 9 {
		t.run++
		t.changed++
		return
	}
	t.period = 0
}

// shift ends a block of the window.
func (t *tail) shift() {
	t.whiten()
	t.news += t.fresh - t.blocks[t.block]
	t.blocks[t.block] = t.fresh
	t.fresh = 0
	if t.block++; int(t.block) == len(t.blocks) {
		t.block = 0
	}
}

// whiten counts the white space at the end of the block.
func (t *tail) whiten() {
	var buf [step]byte
	block := t.last(buf[:])
	n := len(block)
	for n > 0 && block[n-1] <= ' ' {
		n--
	}
	if n > 0 {
		t.blank, t.blankLines = 0, 0
	}
	t.blank += uint32(len(block) - n)
	t.blankLines += uint32(bytes.Count(block[n:], []byte{'\n'}))
}

// bracketed reports whether the text ends within brackets, and not within quotes there, as far back as bytes are kept.
func (t *tail) bracketed() bool {
	closed, quotes := 0, 0
	for i := uint32(1); i <= min(t.pos, ring); i++ {
		switch t.bytes[(t.pos-i)%ring] {
		case '"':
			quotes++
		case ']', '}':
			closed++
		case '[', '{':
			if closed--; closed < 0 {
				return quotes%2 == 0
			}
		}
	}
	return false
}

// last copies the last bytes of the text to dst.
func (t *tail) last(dst []byte) []byte {
	n := min(uint32(len(dst)), t.pos, ring)
	start := (t.pos - n) % ring
	k := copy(dst[:n], t.bytes[start:])
	copy(dst[k:n], t.bytes[:])
	return dst[:n]
}

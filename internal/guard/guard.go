// Package guard recognises answers that have gone wrong while they are written: a model that repeats itself without end. It is pure: no
// clock, no goroutines, and no memory that grows with the answer. docs/GUARDS.md says in the user's words what counts as a loop, and what
// does not.
//
// How it works, for each channel (text, thinking, the arguments of tools) on its own:
//
//  1. The escapes of JSON are undone (escape.go), so that text may come as it stands in an event.
//  2. Each byte extends a run (tail.go): the tail of the text that equals what stood a period before. And each is counted as new unless the
//     eight bytes that it ends were seen among the last `window` bytes. Digits count as equal in both, and it is counted where
//     they differ.
//  3. Every `step` bytes, if the tail is periodic or has little that is new, the window is read (look.go) and classed (judge.go): running
//     text, paragraphs, lines, names, rules of dashes, data, structure. Each class has its limit.
//
// What is decided depends on the text only, not on how it was cut for Add: a check falls on the same byte however it came.
package guard

import (
	"bytes"

	"sluice/internal/llm"
)

// Sizes of what is looked at, in bytes.
const (
	step   = 64        // between two checks
	window = 11 * step // that a check looks at
	ring   = 4096      // that are kept; a longer period is not seen
	slots  = 2048      // of the table of what was seen; a power of two
	head   = 512       // that are only kept: what ends before, never repeats itself long enough
)

// Repetition watches one choice of an answer. The zero value is ready. It is used by one goroutine. A channel that is used takes 0.5 KiB, and
// 12 KiB more once it has more than 512 bytes.
type Repetition struct {
	channels [3]channel
}

// Add takes what was added to a channel (PartText, PartThinking or PartToolCall; any other kind counts as text) and reports whether
// that channel now repeats itself without end. text may be the inside of a JSON string, escaped; it is not kept. Once it has said so it goes
// on saying so, for that channel.
func (r *Repetition) Add(channel llm.PartKind, text []byte) bool {
	switch channel {
	case llm.PartThinking:
		c := &r.channels[1]
		c.thinking = true
		return c.add(text)
	case llm.PartToolCall:
		return r.channels[2].add(text)
	default:
		return r.channels[0].add(text)
	}
}

// Reset makes it ready for another answer. Memory is kept for it.
func (r *Repetition) Reset() {
	for i := range r.channels {
		r.channels[i].reset()
	}
}

// channel is one kind of text of one choice.
type channel struct {
	escape   escape
	thinking bool
	stopped  bool
	head     []byte // the first bytes, while tail has none
	tail     *tail  // made when head is full, and kept
	begun    bool   // tail is in use
}

func (c *channel) reset() {
	c.escape, c.thinking, c.stopped, c.begun = escape{}, false, false, false
	c.head = c.head[:0]
	if c.tail != nil {
		c.tail.reset()
	}
}

func (c *channel) add(text []byte) bool {
	for len(text) > 0 && !c.stopped {
		if c.escape.state == plain {
			n := bytes.IndexByte(text, '\\')
			if n < 0 {
				n = len(text)
			}
			c.put(text[:n])
			text = text[n:]
			if len(text) == 0 {
				break
			}
		}
		var out [utf8Max + 1]byte
		c.put(c.escape.next(out[:0], text[0]))
		text = text[1:]
	}
	return c.stopped
}

// put takes bytes without escapes.
func (c *channel) put(text []byte) {
	if !c.begun {
		if c.head == nil && len(text) > 0 {
			c.head = make([]byte, 0, head)
		}
		n := min(len(text), head-len(c.head))
		c.head = append(c.head, text[:n]...)
		text = text[n:]
		if len(c.head) < head {
			return
		}
		if c.tail == nil {
			c.tail = new(tail)
		}
		c.begun = true
		c.stopped = c.tail.add(c.head, c.thinking)
	}
	c.stopped = c.stopped || c.tail.add(text, c.thinking)
}

package sim

import (
	"fmt"
	"strings"
)

// ranged marks in the keys of a fault an after that may be a range too.
const ranged = "|LOW-HIGH|random"

// anywhere is the upTo of a position that is drawn over the whole answer.
const anywhere = -1

// position reads a number of tokens, a range of them ("3-40"), or "random".
func position(s string) (after, upTo int64, err error) {
	if s == "random" {
		return 1, anywhere, nil
	}
	low, high, found := strings.Cut(s, "-")
	if !found || low == "" {
		after, err = number(s, 0)
		return after, 0, err
	}
	if after, err = number(low, 0); err != nil {
		return 0, 0, err
	}
	if upTo, err = number(high, 1); err != nil {
		return 0, 0, err
	}
	if upTo < after {
		return 0, 0, fmt.Errorf("%s is no range", s)
	}
	return after, upTo, nil
}

// The positions that can be drawn.
const (
	atStall = iota
	atCut
	atError
	atMalformed
	positions
)

// drawn are the positions of one request that are drawn once the length of its answer is known.
type drawn struct {
	spans [positions]struct{ low, high int64 } // high 0: it is not drawn
	// share is where in a whole answer its body is broken, as a share; 0 is its middle.
	share float64
}

// at notes a position of a fault, and returns the one that holds if nothing is known of the length.
func (d *drawn) at(which int, a *args) int64 {
	if d.spans[which].high = a.upTo; a.upTo != 0 {
		d.spans[which].low = a.after
	}
	return a.after
}

// settle draws the positions within an answer of so many tokens. None is at or after its end, so that each fault strikes;
// "random" is from the first token to the one before the last.
func (e *effects) settle(length int64, r *rng) {
	for i, at := range [positions]*int64{&e.stallAfter, &e.cutAfter, &e.errorAfter, &e.malformedAfter} {
		s := e.drawn.spans[i]
		if s.high == 0 {
			continue
		}
		last := max(length-1, 0)
		low, high := min(s.low, last), s.high
		if high == anywhere || high > last {
			high = last
		}
		*at = low + int64(r.below(int(high-low)+1))
		if i <= atCut && length > 0 {
			e.drawn.share = float64(*at) / float64(length)
		}
	}
}

// brokenAt returns how much of a body is sent before a fault breaks it.
func (e *effects) brokenAt(length int) int {
	if e.drawn.share == 0 {
		return length / 2
	}
	return min(max(int(e.drawn.share*float64(length)), 1), max(length-1, 0))
}

// planned returns the number of tokens that answers will have if nothing breaks them.
func planned(choices []choice) int64 {
	var sum int64
	for i := range choices {
		c := &choices[i]
		n := c.reasoning.tokens() + c.content.tokens()
		for j := range c.calls {
			n += CountTokens(c.calls[j].name) + c.calls[j].args.tokens()
		}
		if c.left >= 0 {
			n = min(n, c.left)
		}
		sum += n
	}
	return sum
}

func (s *source) tokens() int64 { return s.want + CountTokens(s.fixed) }

package sim

import (
	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// piece is the kind of a fragment of an answer.
type piece uint8

const (
	pieceEnd piece = iota
	pieceReasoning
	pieceText
	pieceToolStart
	pieceToolArgs
)

// source is a text that is given out token by token: a fixed one, or prose of a wanted length that is made on the way.
type source struct {
	fixed []byte
	prose prose
	want  int64 // tokens of prose still to come
}

func (s *source) done() bool { return len(s.fixed) == 0 && s.want == 0 }

// append adds the next token to dst and returns how many tokens it counts.
func (s *source) append(dst []byte) ([]byte, int64) {
	if s.want > 0 {
		s.want--
		return s.prose.append(dst, s.want == 0), 1
	}
	n, counted := cutToken(s.fixed)
	if rest, more := cutToken(s.fixed[n:]); !more {
		n += rest
	}
	dst = append(dst, s.fixed[:n]...)
	s.fixed = s.fixed[n:]
	if counted {
		return dst, 1
	}
	return dst, 0
}

// all runs the source to its end and returns its text.
func (s *source) all() []byte {
	if s.want == 0 {
		return s.fixed
	}
	text := make([]byte, 0, 8*s.want)
	for !s.done() {
		text, _ = s.append(text)
	}
	return text
}

// plannedCall is one tool call that the answer will make.
type plannedCall struct {
	id, name string
	args     source
}

// choice is one of the n answers to a request, as it comes into being. It is used by one goroutine.
type choice struct {
	index     int
	reasoning source
	echo      []byte // given out first, at no cost
	content   source
	calls     []plannedCall
	stop      string // stop sequence that ends the content
	refused   bool   // the content is a refusal
	redacted  bool   // the thoughts are for the provider only
	natural   string // finish reason when nothing cuts the answer short
	left      int64  // tokens until the limit; -1 if there is none

	call      int  // index of the call being written
	at        int  // index of the call that the last fragment belongs to
	callBegun bool // its name is out
	scratch   []byte

	finish           string // set with pieceEnd
	output, reasoned int64  // tokens so far
}

// next makes the next fragment of at most max tokens. The text is valid until the next call.
func (c *choice) next(max int) (p piece, text []byte) {
	c.scratch = c.scratch[:0]
	if len(c.echo) > 0 {
		text, c.echo = c.echo, nil
		return pieceText, text
	}
	if c.left == 0 && !c.exhausted() {
		c.finish = "length"
		return pieceEnd, nil
	}
	switch {
	case !c.reasoning.done():
		before := c.output
		c.fill(&c.reasoning, max)
		c.reasoned += c.output - before
		return pieceReasoning, c.scratch
	case !c.content.done():
		c.fill(&c.content, max)
		return pieceText, c.scratch
	case c.call < len(c.calls):
		call := &c.calls[c.call]
		c.at = c.call
		if !c.callBegun {
			c.callBegun = true
			c.count(CountTokens(call.name))
			return pieceToolStart, nil
		}
		c.fill(&call.args, max)
		if call.args.done() {
			c.call++
			c.callBegun = false
		}
		return pieceToolArgs, c.scratch
	}
	c.finish = c.natural
	return pieceEnd, nil
}

// ended says why a choice that is at its end has ended, in the words of llm.
func (c *choice) ended() (why llm.Finish, stop string) {
	switch c.finish {
	case "stop":
		if c.stop != "" {
			return llm.FinishSequence, c.stop
		}
		return llm.FinishStop, ""
	case "length":
		return llm.FinishLength, ""
	case "tool_calls":
		return llm.FinishTools, ""
	case "content_filter":
		return llm.FinishFilter, ""
	default:
		return llm.FinishOther, ""
	}
}

func (c *choice) exhausted() bool {
	return c.reasoning.done() && c.content.done() && c.call >= len(c.calls)
}

func (c *choice) fill(s *source, max int) {
	for range max {
		var n int64
		c.scratch, n = s.append(c.scratch)
		c.count(n)
		if s.done() || c.left == 0 {
			return
		}
	}
}

func (c *choice) count(n int64) {
	c.output += n
	if c.left > 0 {
		c.left = max(c.left-n, 0)
	}
}

// whole runs the choice to its end and returns it as one answer.
func (c *choice) whole() openai.Choice {
	out := openai.Choice{Index: c.index, Content: []byte{}}
	for {
		p, text := c.next(64)
		switch p {
		case pieceReasoning:
			out.Reasoning = append(out.Reasoning, text...)
		case pieceText:
			out.Content = append(out.Content, text...)
		case pieceToolStart:
			call := &c.calls[c.at]
			out.Tools = append(out.Tools, openai.ToolCall{ID: call.id, Name: call.name, Arguments: []byte{}})
		case pieceToolArgs:
			last := &out.Tools[len(out.Tools)-1]
			last.Arguments = append(last.Arguments, text...)
		case pieceEnd:
			out.Finish = c.finish
			out.NullContent = len(out.Content) == 0 && len(out.Tools) > 0
			return out
		}
	}
}

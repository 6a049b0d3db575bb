package sim

import (
	"bytes"
	"net/http"
	"time"
)

// streamer writes the answer to one streamed request.
//
// Steps: open sends the headers and, at the time of the first token, what comes before it; then each step writes one
// fragment of every unfinished choice. Step k is due at the time of step k-1 plus the step's length, never at "now" plus it,
// so delays do not add up. What is due together is written together and flushed once.
type streamer struct {
	x      *exchange
	voice  voice
	rc     *http.ResponseController
	buf    []byte // events that are not written yet
	tokens int64  // output tokens of all choices that are in buf or written
	broken error  // ends the answer while it is being closed
}

// voice says what happens in a stream in the words of one dialect. It adds to the streamer's buffer.
type voice interface {
	media() string                 // content type
	open(k *streamer, choices int) // what comes before the first token
	piece(k *streamer, c *choice, p piece, text []byte)
	finish(k *streamer, c *choice) // the end of a choice
	close(k *streamer)             // the end of the answer
	ping(k *streamer)              // what means nothing
	malformed(k *streamer)         // an event that cannot be read
	fail(k *streamer)              // an error in place of the rest
	half(k *streamer)              // the beginning of an event that is cut off
}

// stream answers with a stream of events.
func (x *exchange) stream(choices []choice, v voice) error {
	x.s.book.streams(1)
	defer x.s.book.streams(-1)
	k := &streamer{x: x, voice: v, rc: http.NewResponseController(x.w), buf: make([]byte, 0, 512)}
	if x.job.eachUsage {
		x.fx.usageEach = true
	}
	if done, err := k.open(len(choices)); done || err != nil {
		return err
	}
	for live := len(choices); live > 0; {
		if err := k.untilDue(); err != nil {
			return err
		}
		for i := range choices {
			if choices[i].finish != "" {
				continue
			}
			if err := k.advance(&choices[i]); err != nil {
				return err
			}
			if choices[i].finish != "" {
				live--
			}
		}
		for range max(x.model.cfg.TokensPerEvent, 1) {
			x.due = x.due.Add(x.step(k.tokens))
		}
	}
	k.voice.close(k)
	if k.broken != nil {
		return k.broken
	}
	if x.fx.noBlank {
		k.buf = bytes.TrimRight(k.buf, "\r\n")
	}
	return k.flush()
}

// open sends the headers and what comes before the first token. done means that a fault has ended the answer.
func (k *streamer) open(n int) (done bool, err error) {
	x := k.x
	if x.fx.roleDelay == 0 {
		if err := x.until(x.due); err != nil {
			return false, err
		}
	}
	if x.fx.error200 || x.fx.emptyBody {
		return true, x.send(nil)
	}
	h := x.w.Header()
	h.Set("Content-Type", k.voice.media())
	if x.fx.wrongType {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	if x.fx.bom {
		k.buf = append(k.buf, "\ufeff"...)
	}
	k.voice.open(k, n)
	if x.fx.roleDelay > 0 {
		x.due = x.due.Add(x.fx.roleDelay)
	}
	return false, k.trip()
}

// untilDue writes out what there is if the next step is not due yet, and waits for it.
func (k *streamer) untilDue() error {
	if time.Until(k.x.due) > 0 || len(k.buf) > 16<<10 {
		if err := k.flush(); err != nil {
			return err
		}
	}
	return k.x.until(k.x.due)
}

// advance writes the next fragment of a choice, and its end if that was the last.
func (k *streamer) advance(c *choice) error {
	before, reasoned := c.output, c.reasoned
	p, text := c.next(max(k.x.model.cfg.TokensPerEvent, 1))
	if p != pieceEnd {
		if p == pieceToolStart && k.x.fx.toolOne {
			_, text = c.next(1 << 20)
		}
		k.tokens += c.output - before
		k.x.usage.Output += c.output - before
		k.x.usage.Reasoning += c.reasoned - reasoned
		k.x.watch.made(k.x.due.Sub(k.x.start))
		k.voice.piece(k, c, p, text)
		if err := k.trip(); err != nil {
			return err
		}
		if !c.exhausted() && c.left != 0 {
			return nil
		}
		c.next(1) // sets the finish reason
	}
	k.voice.finish(k, c)
	return nil
}

// trip lets the faults happen that are due at this number of tokens.
func (k *streamer) trip() error {
	x := k.x
	if x.fx.malformedAfter >= 0 && k.tokens >= x.fx.malformedAfter {
		x.fx.malformedAfter = -1
		k.voice.malformed(k)
	}
	if x.fx.stallAfter >= 0 && k.tokens >= x.fx.stallAfter {
		x.fx.stallAfter = -1
		if err := k.flush(); err != nil {
			return err
		}
		if err := x.stall(func() error { k.voice.ping(k); return k.flush() }); err != nil {
			return err
		}
	}
	if x.fx.errorAfter >= 0 && k.tokens >= x.fx.errorAfter {
		k.voice.fail(k)
		if err := k.flush(); err != nil {
			return err
		}
		return errBroken
	}
	if x.fx.cutAfter >= 0 && k.tokens >= x.fx.cutAfter {
		if x.fx.cutHow == cutMid {
			k.voice.half(k)
		}
		if err := k.flush(); err != nil {
			return err
		}
		return x.breakOff(x.fx.cutHow)
	}
	return nil
}

// event adds one SSE event with the framing that the faults ask for. name may be empty.
func (k *streamer) event(name string, data []byte) {
	if name != "" && !k.x.fx.unnamed {
		k.line("event: " + name)
	}
	field := "data: "
	if k.x.fx.noSpace {
		field = "data:"
	}
	if k.x.fx.multiline && data[0] == '{' {
		// JSON may have white space after its first brace and before its last one.
		k.line(field + "{")
		data = data[1:]
		k.line(field + string(data[:len(data)-1]))
		data = data[len(data)-1:]
	}
	k.buf = append(append(k.buf, field...), data...)
	k.line("")
	k.line("")
}

func (k *streamer) comment(text string) {
	k.line(":" + text)
	k.line("")
}

// line adds text and the end of a line.
func (k *streamer) line(text string) {
	k.buf = append(k.buf, text...)
	if k.x.fx.crlf {
		k.buf = append(k.buf, '\r')
	}
	k.buf = append(k.buf, '\n')
}

// flush writes the events out, in pieces if a fault asks for it.
func (k *streamer) flush() error {
	defer func() { k.buf = k.buf[:0] }()
	k.x.watch.sent(time.Since(k.x.start))
	size := len(k.buf)
	if k.x.fx.split > 0 {
		size = k.x.fx.split
	}
	for rest := k.buf; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := k.x.w.Write(rest[:n]); err != nil {
			return err
		}
		if err := k.rc.Flush(); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

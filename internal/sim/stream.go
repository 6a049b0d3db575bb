package sim

import (
	"bytes"
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// streamer writes the answer to one streamed request.
//
// Steps: open sends the headers and, at the time of the first token, the role chunks; then each step writes one fragment
// of every unfinished choice. Step k is due at the time of step k-1 plus the step's length, never at "now" plus it, so
// delays do not add up. What is due together is written together and flushed once.
type streamer struct {
	x       *exchange
	rc      *http.ResponseController
	buf     []byte // events that are not written yet
	data    []byte // JSON of the event that is being made
	tokens  int64  // output tokens of all choices that are in buf or written
	tool    openai.ToolDelta
	delta   openai.Delta
	running llm.Usage
}

// stream answers with a stream of events.
func (x *exchange) stream(choices []choice) error {
	k := &streamer{x: x, rc: http.NewResponseController(x.w), buf: make([]byte, 0, 512), data: make([]byte, 0, 320)}
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
			x.due = x.due.Add(x.model.engine.step(&x.rng) + x.fx.tokenDelay)
		}
	}
	return k.close()
}

// open sends the headers and the role chunks. done means that a fault has ended the answer.
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
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	if x.fx.wrongType {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	h.Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	if x.fx.bom {
		k.buf = append(k.buf, "\ufeff"...)
	}
	if x.fx.pings {
		k.comment(" SIM PROCESSING")
	}
	if x.fx.azure {
		k.event([]byte(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,` +
			`"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`))
	}
	if x.fx.nullChoices {
		k.event([]byte(`{"id":"` + x.head.ID + `","object":"` + k.object() + `","choices":null}`))
	}
	for i := range n {
		if x.job.op == llm.OpChat {
			k.delta = openai.Delta{Index: i, Role: "assistant", Content: []byte{}}
			k.chunk()
		}
	}
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
	k.delta = openai.Delta{Index: c.index}
	switch p {
	case pieceReasoning:
		k.delta.Reasoning = text
	case pieceText:
		k.delta.Content = text
		k.decorate(text)
	case pieceToolStart, pieceToolArgs:
		k.fragment(c, p, text)
	}
	if p != pieceEnd {
		k.tokens += c.output - before
		k.x.usage.Output += c.output - before
		k.x.usage.Reasoning += c.reasoned - reasoned
		k.x.watch.made(k.x.due.Sub(k.x.start))
		k.chunk()
		if err := k.trip(); err != nil {
			return err
		}
		if !c.exhausted() && c.left != 0 {
			return nil
		}
		c.next(1) // sets the finish reason
	}
	k.delta = openai.Delta{Index: c.index, Finish: c.finish}
	if k.x.job.op == llm.OpCompletion {
		k.delta.Content = []byte{}
	}
	if !k.x.fx.noFinish {
		k.chunk()
	}
	return nil
}

// decorate adds what the request or a fault wants to a piece of text.
func (k *streamer) decorate(text []byte) {
	if chat := k.x.job.chat; chat != nil && chat.Logprobs {
		k.delta.Logprobs = makeLogprobs(text, chat.TopLogprobs)
	}
	if k.x.fx.arrayContent {
		k.delta.RawContent = contentParts(text)
	}
}

// fragment makes the delta of a part of a tool call.
func (k *streamer) fragment(c *choice, p piece, text []byte) {
	i, call := c.current(p)
	k.tool = openai.ToolDelta{Index: i, NoIndex: k.x.fx.noIndex}
	if p == pieceToolStart {
		k.tool.ID, k.tool.Name = call.id, call.name
		if k.x.fx.toolOne {
			_, text = c.next(1 << 20)
		}
	}
	k.tool.Arguments = text
	k.delta.Tool = &k.tool
}

// chunk adds the event of the current delta.
func (k *streamer) chunk() {
	x := k.x
	if x.fx.roleEach && x.job.op == llm.OpChat {
		k.delta.Role = "assistant"
	}
	if x.fx.usageEach {
		k.running = x.usage
		k.delta.Usage = &k.running
	}
	if x.job.op == llm.OpCompletion {
		k.data = openai.AppendTextChunk(k.data[:0], &x.head, &k.delta)
	} else {
		k.data = openai.AppendChunk(k.data[:0], &x.head, &k.delta)
	}
	if x.fx.nullError {
		k.data = append(k.data[:len(k.data)-1], `,"error":null}`...)
	}
	k.event(k.data)
	if x.fx.pings {
		k.comment(" keep-alive")
	}
}

// trip lets the faults happen that are due at this number of tokens.
func (k *streamer) trip() error {
	x := k.x
	if x.fx.malformedAfter >= 0 && k.tokens >= x.fx.malformedAfter {
		x.fx.malformedAfter = -1
		k.event([]byte(malformedData))
	}
	if x.fx.stallAfter >= 0 && k.tokens >= x.fx.stallAfter {
		x.fx.stallAfter = -1
		if err := k.flush(); err != nil {
			return err
		}
		if err := x.stall(func() error { k.comment(" keep-alive"); return k.flush() }); err != nil {
			return err
		}
	}
	if x.fx.errorAfter >= 0 && k.tokens >= x.fx.errorAfter {
		if x.fx.errorForm == "event" {
			k.line("event: error")
		}
		k.event(errorObject(x.fx.errorForm))
		if err := k.flush(); err != nil {
			return err
		}
		return errBroken
	}
	if x.fx.cutAfter >= 0 && k.tokens >= x.fx.cutAfter {
		if x.fx.cutHow == cutMid {
			k.buf = append(k.buf, "data: "+malformedData...)
		}
		if err := k.flush(); err != nil {
			return err
		}
		return x.breakOff(x.fx.cutHow)
	}
	return nil
}

// close adds the usage chunk and the end marker.
func (k *streamer) close() error {
	x := k.x
	if x.job.usage && !x.fx.noUsage {
		k.data = openai.AppendUsageChunk(k.data[:0], &x.head, k.object(), x.usage)
		if x.fx.nullChoices {
			k.data = bytes.Replace(k.data, []byte(`"choices":[]`), []byte(`"choices":null`), 1)
		}
		k.event(k.data)
	}
	if !x.fx.noDone {
		k.event([]byte("[DONE]"))
	}
	if x.fx.noBlank {
		k.buf = bytes.TrimRight(k.buf, "\r\n")
	}
	return k.flush()
}

// object is the name that chunks of this operation have.
func (k *streamer) object() string {
	if k.x.job.op == llm.OpCompletion {
		return "text_completion"
	}
	return "chat.completion.chunk"
}

// event adds one event with the framing that the faults ask for.
func (k *streamer) event(data []byte) {
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

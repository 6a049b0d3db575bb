package openai

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// writer turns events into a stream of chunks. A chunk begins with the same bytes every time, which are made once; what is left is
// the choice's index and its delta.
type writer struct {
	head   llm.Head
	self   Head   // of every chunk
	front  []byte // of a chunk, up to the number of the choice
	usage  llm.Usage
	told   bool // usage is known
	legacy bool

	choices []written
}

// written is how far a choice has been told.
type written struct {
	index      int
	part       llm.PartKind // the open part; 0 if none
	custom     bool         // the open part is a call with free text
	calls      int          // tool calls, the open one included
	call       int          // index of the open call
	unnumbered bool         // calls have no index, as those that were forwarded
	over       bool         // the finish reason was forwarded: nothing follows
	forms      thoughtForm  // how thinking is written; 0 for reasoning_content
	images     int
	thoughts   int // entries of reasoning_details that were told
	id         string
	name       string
	thought    []byte // text of the open part, if it is thinking: a signature is told together with it
	media      *llm.Part
	rule       ruler
	probs      []llm.Logprob
}

// NewWriter returns a writer of one streamed answer: chunks of a chat, or of a legacy completion if that is what was asked for.
// Usage comes in a chunk of its own at the end, if the client asked for it, and so does [DONE].
func NewWriter(h *llm.Head) llm.EventWriter {
	w := &writer{head: *h, legacy: legacy(h)}
	w.head.Chat = nil // a stream may stay open for long
	w.self = headOf(h, "", "", 0, true)
	w.begin()
	return w
}

// begin makes the front of a chunk.
func (w *writer) begin() {
	w.front = encHead(append(w.front[:0], "data: "...), &w.self, w.object())
	w.front = append(w.front, `,"choices":[{"index":`...)
}

func (w *writer) object() string {
	if w.head.Op == llm.OpCompletion {
		return "text_completion"
	}
	return "chat.completion.chunk"
}

// Write appends the chunks of an event. For text nothing is allocated once dst has its size.
func (w *writer) Write(dst []byte, e *llm.Event) []byte {
	switch e.Kind {
	case llm.EventStart:
		w.self = headOf(&w.head, e.ID, e.Name, e.Created.Unix(), e.Created.IsZero())
		w.self.Fingerprint = e.Fingerprint
		w.take(e)
		w.begin()
	case llm.EventUsage:
		w.take(e)
		if e.ServiceTier != "" {
			w.begin()
		}
	case llm.EventPart, llm.EventDelta, llm.EventPartEnd, llm.EventFinish:
		c, fresh := w.of(e.Choice)
		if c.over {
			return dst
		}
		if w.head.Op == llm.OpCompletion {
			return w.completion(dst, c, e)
		}
		if fresh {
			dst = append(w.open(dst, c), `"role":"assistant","content":"","refusal":null`...)
			dst = w.shut(dst, c, "", "")
		}
		return w.chat(dst, c, e)
	}
	return dst
}

// take notes usage and tier.
func (w *writer) take(e *llm.Event) {
	if e.Usage != nil {
		w.usage, w.told = *e.Usage, true
	}
	if e.ServiceTier != "" {
		w.self.ServiceTier = e.ServiceTier
	}
}

// of returns the choice of an index, and whether it is the first that is heard of it.
func (w *writer) of(index int) (c *written, fresh bool) {
	for i := range w.choices {
		if w.choices[i].index == index {
			return &w.choices[i], false
		}
	}
	w.choices = append(w.choices, written{index: index})
	return &w.choices[len(w.choices)-1], true
}

func (w *writer) chat(dst []byte, c *written, e *llm.Event) []byte {
	switch e.Kind {
	case llm.EventPart:
		c.part, c.custom, c.id, c.name, c.media = e.Part, e.Custom, e.ID, e.Name, e.Media
		c.thought = c.thought[:0]
		if e.Part == llm.PartToolCall {
			return w.call(dst, c)
		}
	case llm.EventDelta:
		return w.delta(dst, c, e)
	case llm.EventPartEnd:
		dst = w.partEnd(dst, c, e)
		c.part, c.media = 0, nil
	case llm.EventFinish:
		if e.Finish == llm.FinishUnset {
			return dst
		}
		return w.shut(w.open(dst, c), c, finishWord(e.Finish, w.legacy), e.Stop)
	}
	return dst
}

// open appends a chunk up to the inside of its delta.
func (w *writer) open(dst []byte, c *written) []byte {
	dst = append(dst, w.front...)
	dst = strconv.AppendInt(dst, int64(c.index), 10)
	return append(dst, `,"delta":{`...)
}

// shut appends the rest of a chunk.
func (w *writer) shut(dst []byte, c *written, finish, stop string) []byte {
	dst = append(dst, `},"logprobs":`...)
	dst = encLogprobs(dst, c.probs)
	c.probs = nil
	return w.close(dst, finish, stop)
}

func (w *writer) close(dst []byte, finish, stop string) []byte {
	dst = encNullable(append(dst, `,"finish_reason":`...), finish)
	dst = append(member(dst, "stop_reason", stop), '}', ']')
	dst = encChunkUsage(dst, &w.self, nil)
	return append(dst, '}', '\n', '\n')
}

// call appends the beginning of a tool call.
func (w *writer) call(dst []byte, c *written) []byte {
	c.call = c.calls
	c.calls++
	if w.legacy {
		if c.calls > 1 {
			return dst // function_call holds one
		}
		dst = append(w.open(dst, c), `"function_call":{"name":`...)
		dst = append(wire.AppendString(dst, c.name), `,"arguments":""}`...)
		return w.shut(dst, c, "", "")
	}
	dst = wire.AppendString(append(w.openCall(dst, c), `"id":`...), c.id)
	if c.custom {
		dst = append(dst, `,"type":"custom","custom":{"name":`...)
		dst = append(wire.AppendString(dst, c.name), `,"input":""}}]`...)
	} else {
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = append(wire.AppendString(dst, c.name), `,"arguments":""}}]`...)
	}
	return w.shut(dst, c, "", "")
}

// openCall appends a chunk up to the index of the open call and the comma behind it.
func (w *writer) openCall(dst []byte, c *written) []byte {
	dst = append(w.open(dst, c), `"tool_calls":[{`...)
	if c.unnumbered {
		return dst
	}
	dst = append(dst, `"index":`...)
	return append(strconv.AppendInt(dst, int64(c.call), 10), ',')
}

func (w *writer) delta(dst []byte, c *written, e *llm.Event) []byte {
	c.probs = e.Logprobs
	part := c.part
	if part == 0 {
		part = e.Part
	}
	switch part {
	case llm.PartText:
		c.rule.add(e.Text)
		dst = append(w.open(dst, c), `"content":`...)
	case llm.PartRefusal:
		dst = append(w.open(dst, c), `"refusal":`...)
	case llm.PartThinking, llm.PartRedacted:
		if c.forms != 0 {
			return w.think(dst, c, e.Text)
		}
		c.thought = append(c.thought, e.Text...)
		dst = append(w.open(dst, c), `"reasoning_content":`...)
	case llm.PartToolCall:
		return w.argument(dst, c, e.Text)
	case llm.PartAudio:
		c.thought = append(c.thought, e.Text...) // the transcript, which goes with the audio
		return dst
	default:
		return dst
	}
	return w.shut(wire.AppendString(dst, e.Text), c, "", "")
}

// argument appends a piece of the open call's arguments.
func (w *writer) argument(dst []byte, c *written, text []byte) []byte {
	switch {
	case w.legacy && c.calls > 1:
		return dst
	case w.legacy:
		dst = append(w.open(dst, c), `"function_call":{"arguments":`...)
		dst = append(wire.AppendString(dst, text), '}')
	case c.custom:
		dst = append(w.openCall(dst, c), `"custom":{"input":`...)
		dst = append(wire.AppendString(dst, text), `}}]`...)
	default:
		dst = append(w.openCall(dst, c), `"function":{"arguments":`...)
		dst = append(wire.AppendString(dst, text), `}}]`...)
	}
	return w.shut(dst, c, "", "")
}

// partEnd appends what is known of a part only at its end.
func (w *writer) partEnd(dst []byte, c *written, e *llm.Event) []byte {
	switch c.part {
	case llm.PartText:
		return w.textEnd(dst, c, e)
	case llm.PartThinking, llm.PartRedacted:
		if e.Signature == "" {
			if c.forms&formDetail != 0 {
				c.thoughts++ // its entry is over
			}
			return dst
		}
		// The text is told once more: clients that send the thinking back gather these entries, and a signature without its text is
		// worth nothing.
		p := llm.Part{Kind: c.part, ID: c.id, Text: string(c.thought), Signature: e.Signature, Origin: e.Origin}
		dst = append(w.open(dst, c), `"reasoning_details":[`...)
		start := len(dst)
		dst = appendDetail(dst, &p, c.thoughts)
		if dst[start] == ',' {
			dst = append(dst[:start], dst[start+1:]...)
		}
		c.thoughts++
		return w.shut(append(dst, ']'), c, "", "")
	case llm.PartToolCall:
		if e.Signature == "" || e.Origin != llm.Gemini || w.legacy {
			return dst
		}
		dst = w.openCall(dst, c)
		start := len(dst)
		dst = appendGoogle(dst, e.Signature, e.Origin)
		dst = append(dst[:start], dst[start+1:]...) // the comma is there
		return w.shut(append(dst, `,"function":{"arguments":""}}]`...), c, "", "")
	case llm.PartImage, llm.PartAudio:
		return w.mediaEnd(dst, c, e)
	}
	return dst
}

func (w *writer) textEnd(dst []byte, c *written, e *llm.Event) []byte {
	defer c.rule.next()
	if len(e.Citations) == 0 && (e.Signature == "" || e.Origin != llm.Gemini) {
		return dst
	}
	dst = append(w.open(dst, c), `"content":""`...)
	if len(e.Citations) > 0 {
		dst = append(dst, `,"annotations":[`...)
		for i := range e.Citations {
			dst = appendCitation(dst, &e.Citations[i], &c.rule, i)
		}
		dst = append(dst, ']')
	}
	return w.shut(appendGoogle(dst, e.Signature, e.Origin), c, "", "")
}

// mediaEnd appends an image, or audio, which come whole.
func (w *writer) mediaEnd(dst []byte, c *written, e *llm.Event) []byte {
	if c.media == nil {
		return dst
	}
	p := *c.media
	p.Signature, p.Origin = e.Signature, e.Origin
	dst = w.open(dst, c)
	start := len(dst)
	if c.part == llm.PartAudio {
		dst = appendAudio(dst, &p, string(c.thought))
		dst = append(dst[:start], dst[start+1:]...) // it is the first member
		return w.shut(dst, c, "", "")
	}
	dst = append(dst, `"images":[`...)
	start = len(dst)
	dst = appendImage(dst, &p, c.images)
	if dst[start] == ',' {
		dst = append(dst[:start], dst[start+1:]...)
	}
	c.images++
	return w.shut(append(dst, ']'), c, "", "")
}

// completion appends a chunk of a legacy completion, which has text only.
func (w *writer) completion(dst []byte, c *written, e *llm.Event) []byte {
	switch {
	case e.Kind == llm.EventPart:
		c.part = e.Part
	case e.Kind == llm.EventDelta && c.part == llm.PartText:
		return w.close(w.text(dst, c, e.Text), "", "")
	case e.Kind == llm.EventFinish && e.Finish != llm.FinishUnset:
		return w.close(w.text(dst, c, nil), finishWord(e.Finish, false), e.Stop)
	}
	return dst
}

func (w *writer) text(dst []byte, c *written, text []byte) []byte {
	dst = append(dst, w.front...)
	dst = strconv.AppendInt(dst, int64(c.index), 10)
	dst = wire.AppendString(append(dst, `,"text":`...), text)
	return append(dst, `,"logprobs":null`...)
}

// End appends the usage, if the client wants it, and the end of the stream.
func (w *writer) End(dst []byte) []byte {
	if w.head.Usage && w.told {
		dst = AppendUsageChunk(append(dst, "data: "...), &w.self, w.object(), w.usage)
		dst = append(dst, '\n', '\n')
	}
	return append(dst, Done...)
}

// Fail appends an error event, which all clients of this dialect take for the stream's failure.
func (w *writer) Fail(dst []byte, e *llm.Error) []byte { return AppendStreamError(dst, e) }

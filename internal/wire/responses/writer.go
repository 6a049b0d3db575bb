package responses

import (
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxOutput bounds what a writer keeps of one answer, in bytes: its end repeats everything. An answer that is longer fails.
const maxOutput = 64 << 20

// writer writes one streamed answer. What it does with each part:
//
//  1. Texts and refusals in a row are the content of one message; every other part is an item of its own.
//  2. An item is announced, its text follows in deltas, then come the whole text and the whole item: so the text of the part under way
//     is kept, and so are all finished items, which the terminal event repeats.
//  3. A signature that proves something to another dialect's provider is sealed into a reasoning item: into that of the thinking
//     itself, or into one of its own right after the call or text that it belongs to.
type writer struct {
	head llm.Head
	echo []byte // what the answer repeats of the request
	base string // of the ids of items
	mute bool   // only the items are wanted, not the events

	// Of an answer that is gone on with; see Stream.Resume.
	given   string // the response's id, as it stands between the quotes; "" to make one of base
	next    int    // index after those of all items that were forwarded
	idle    bool   // the item under way is reasoning that was announced, and no part has begun
	trim    bool   // the next delta begins with the break after the section before, which is not part of it
	pending []byte // events that come before any other
	ended   bool   // there is nothing more to be written

	sequence int64
	model    string
	created  time.Time
	tier     string
	usage    llm.Usage
	reported bool
	begun    bool
	finish   llm.Finish
	refused  bool

	items int    // that are finished: the index of the one under way
	out   []byte // finished items, with commas between

	// The item under way.
	itemID  string
	message bool   // it is a message
	parts   int    // finished parts of its content
	content []byte // finished parts, or sections of reasoning, with commas between
	section int    // of reasoning: index of the one under way
	plain   bool   // the reasoning's sections are its content, not a summary

	// The part under way.
	kind      llm.PartKind // 0 if there is none
	id, name  string       // of a tool call
	custom    bool
	shown     bool // its text has been announced (reasoning)
	text      []byte
	logprobs  []byte
	marks     []byte // annotations
	quoted    []byte // the whole text as JSON
	markCount int
}

// NewWriter returns a writer of one streamed answer for a client.
func NewWriter(h *llm.Head) llm.EventWriter { return newWriter(h) }

func newWriter(h *llm.Head) *writer {
	w := &writer{head: *h, echo: appendEcho(nil, h), base: h.ID, model: h.Model, created: h.Created}
	w.head.Chat, w.head.Echo = nil, nil // a stream may stay open for long
	return w
}

// AppendAnswer appends a whole answer for a client: what the terminal event of its stream would repeat.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte {
	w := newWriter(h)
	w.mute = true
	each(a, func(e *llm.Event) { w.Write(nil, e) })
	w.closeMessage(nil)
	return w.appendResponse(dst, w.status())
}

// Write appends the events that e stands for.
func (w *writer) Write(dst []byte, e *llm.Event) []byte {
	if e.Choice != 0 || w.over() {
		return dst // the protocol has one choice
	}
	dst = w.catchUp(dst)
	switch e.Kind {
	case llm.EventStart:
		dst = w.start(dst, e)
	case llm.EventPart:
		dst = w.part(dst, e)
	case llm.EventDelta:
		dst = w.delta(dst, e)
	case llm.EventPartEnd:
		dst = w.partEnd(dst, e)
	case llm.EventFinish:
		dst = w.closeMessage(dst)
		w.finish = e.Finish
	case llm.EventUsage:
		w.note(e)
	}
	return dst
}

// End appends the terminal event.
func (w *writer) End(dst []byte) []byte {
	if w.ended {
		return dst
	}
	dst = w.catchUp(dst)
	if w.over() {
		return w.Fail(dst, llm.Errorf(llm.KindBadAnswer, "the answer is over %d bytes, which is the limit of what is kept of one", maxOutput))
	}
	dst = w.closeMessage(dst)
	status := w.status()
	name := "response.completed"
	if status == incomplete {
		name = "response.incomplete"
	}
	return w.lifecycle(dst, name, status)
}

// Fail appends an error event. It has the members of the documented form beside each other, which SDKs type, and once more under
// error, by which openai-go and openai-python know a failure (PROVIDERS.md 6.4, 2026-11).
func (w *writer) Fail(dst []byte, e *llm.Error) []byte {
	return appendFailure(w.catchUp(dst), e, w.sequence)
}

// catchUp appends what comes before any other event.
func (w *writer) catchUp(dst []byte) []byte {
	if len(w.pending) == 0 {
		return dst
	}
	dst = append(dst, w.pending...)
	w.pending = nil
	return dst
}

func (w *writer) over() bool { return len(w.out)+len(w.content)+len(w.text) > maxOutput }

func (w *writer) start(dst []byte, e *llm.Event) []byte {
	if w.begun {
		return dst
	}
	w.begun = true
	if w.model == "" {
		w.model = e.Name
	}
	if !e.Created.IsZero() {
		w.created = e.Created
	}
	w.note(e)
	dst = w.lifecycle(dst, "response.created", inProgress)
	return w.lifecycle(dst, "response.in_progress", inProgress)
}

// note keeps what an event says about the answer as a whole.
func (w *writer) note(e *llm.Event) {
	if e.Usage != nil {
		w.usage, w.reported = *e.Usage, true
	}
	if e.ServiceTier != "" {
		w.tier = e.ServiceTier
	}
}

// open begins an event; close ends it.
func (w *writer) open(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = append(dst, `","sequence_number":`...)
	dst = strconv.AppendInt(dst, w.sequence, 10)
	w.sequence++
	return dst
}

func (w *writer) close(dst []byte) []byte { return append(dst, "}\n\n"...) }

// within begins an event of the item under way.
func (w *writer) within(dst []byte, name string) []byte {
	dst = w.open(dst, name)
	dst = append(dst, `,"item_id":"`...)
	dst = append(dst, w.itemID...)
	dst = append(dst, `","output_index":`...)
	return strconv.AppendInt(dst, int64(w.items), 10)
}

// inContent begins an event of the part under way.
func (w *writer) inContent(dst []byte, name string) []byte {
	dst = w.within(dst, name)
	dst = append(dst, `,"content_index":`...)
	return strconv.AppendInt(dst, int64(w.parts), 10)
}

// inSection begins an event of a section of reasoning, by its name for a summary or for content. There is one section, whatever the provider
// had, unless an answer is gone on with.
func (w *writer) inSection(dst []byte, summary, content string) []byte {
	if w.plain {
		dst = append(w.within(dst, content), `,"content_index":`...)
	} else {
		dst = append(w.within(dst, summary), `,"summary_index":`...)
	}
	return strconv.AppendInt(dst, int64(w.section), 10)
}

// lifecycle appends an event with the response as it is.
func (w *writer) lifecycle(dst []byte, name string, status status) []byte {
	if w.mute {
		return dst
	}
	dst = append(w.open(dst, name), `,"response":`...)
	return w.close(w.appendResponse(dst, status))
}

// newItem gives the item under way its id.
func (w *writer) newItem(prefix string) {
	w.itemID = prefix + w.base + "_" + strconv.Itoa(w.items)
}

// added announces the item under way, whose JSON is item.
func (w *writer) added(dst []byte, item []byte) []byte {
	return w.itemEvent(dst, "response.output_item.added", item)
}

// done appends the whole item and keeps it.
func (w *writer) done(dst []byte, item []byte) []byte {
	dst = w.itemEvent(dst, "response.output_item.done", item)
	w.keep(item)
	w.items = max(w.items+1, w.next)
	return dst
}

// keep adds an item to those that the end repeats.
func (w *writer) keep(item []byte) {
	if len(w.out) > 0 {
		w.out = append(w.out, ',')
	}
	w.out = append(w.out, item...)
}

func (w *writer) itemEvent(dst []byte, name string, item []byte) []byte {
	if w.mute {
		return dst
	}
	dst = append(w.open(dst, name), `,"output_index":`...)
	dst = strconv.AppendInt(dst, int64(w.items), 10)
	dst = append(dst, `,"item":`...)
	return w.close(append(dst, item...))
}

// quote makes quoted of text.
func (w *writer) quote() { w.quoted = wire.AppendString(w.quoted[:0], w.text) }

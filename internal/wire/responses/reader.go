package responses

import (
	"bytes"
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxHeld bounds the events that are held back while another item is open, in bytes.
const maxHeld = 16 << 20

// reader reads one streamed answer of a target.
//
// Items come one after another. Should a provider interleave them, the events of those that began later are held back until the
// one that is open is done. What an item's own events have not told, its last event does, which repeats the whole item.
type reader struct {
	frame frame
	buf   []byte // text of the events that were returned last

	begun, ended bool
	items        bool // there was one
	calls        bool // there was a call of a client's tool

	open    bool // an item is
	index   int  // its output_index
	kind    string
	part    llm.PartKind // that is open within it, 0 if none
	section int          // of its content or summary
	summary bool         // the section is one of the summary
	thought bool         // the open thinking has text
	told    bool         // the open section has text
	emitted bool         // the item has been told, at least in part

	held [][]byte // data of events of other items
	size int      // of held
}

// NewReader returns a reader of one streamed answer of a target.
func NewReader() llm.EventReader { return new(reader) }

// Read appends what one event stands for.
func (r *reader) Read(dst []llm.Event, name, data []byte) ([]llm.Event, *llm.Error) {
	if r.ended || bytes.HasPrefix(data, []byte("[DONE]")) {
		return dst, nil
	}
	r.buf = r.buf[:0]
	if !r.frame.read(data) {
		if string(name) == "error" {
			return dst, faultOf(nil)
		}
		return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
	}
	if string(name) == "error" || r.frame.is(data, "error") || r.frame.kind.Len() == 0 && r.frame.error.Len() > 0 {
		return dst, faultOf(data)
	}
	return r.read(dst, data)
}

// End appends nothing: the terminal event has closed everything.
func (r *reader) End(dst []llm.Event) ([]llm.Event, *llm.Error) {
	if !r.ended {
		e := llm.Errorf(llm.KindTruncated, "the provider's stream ended before response.completed")
		e.Sent = llm.WasSent
		return dst, e
	}
	return dst, nil
}

// read takes the event in frame, whose data is data.
func (r *reader) read(dst []llm.Event, data []byte) ([]llm.Event, *llm.Error) {
	if r.frame.response.Len() > 0 {
		return r.lifecycle(dst, data)
	}
	if !r.ofItem(data) {
		return dst, nil
	}
	if r.open && r.frame.output != r.index {
		return dst, r.hold(data)
	}
	before := r.open
	dst = r.item(r.begin(dst, nil), data)
	if before && !r.open {
		return r.release(dst)
	}
	return dst, nil
}

// ofItem reports whether the event in frame adds to an item.
func (r *reader) ofItem(data []byte) bool {
	f := &r.frame
	return f.item.Len() > 0 || f.part.Len() > 0 || f.delta.Len() > 0 || f.text.Len() > 0 && bytes.HasSuffix(f.name(data), []byte(".done"))
}

// hold keeps an event for later.
func (r *reader) hold(data []byte) *llm.Error {
	if r.size += len(data); r.size > maxHeld {
		return llm.Errorf(llm.KindBadAnswer, "the provider interleaves items of more than %d bytes", maxHeld)
	}
	r.held = append(r.held, bytes.Clone(data))
	return nil
}

// release reads what was held back, now that no item is open. What belongs to a third item is held back again.
func (r *reader) release(dst []llm.Event) ([]llm.Event, *llm.Error) {
	for len(r.held) > 0 && !r.open {
		held := r.held
		r.held, r.size = nil, 0
		for i, data := range held {
			r.frame.read(data) // it could be read before
			if r.open && r.frame.output != r.index {
				if e := r.hold(data); e != nil {
					return dst, e
				}
				continue
			}
			if dst = r.item(dst, data); !r.open { // begin again at the front: others may have begun earlier
				r.held = append(r.held, held[i+1:]...)
				for _, d := range held[i+1:] {
					r.size += len(d)
				}
				break
			}
		}
	}
	return dst, nil
}

// begin appends the start of the answer, if that has not come yet.
func (r *reader) begin(dst []llm.Event, response *response) []llm.Event {
	if r.begun {
		return dst
	}
	r.begun = true
	e := llm.Event{Kind: llm.EventStart}
	if response != nil {
		e.ID, e.Name, e.Created, e.ServiceTier = response.ID, response.Model, unix(response.Created), response.Tier
	}
	return append(dst, e)
}

// lifecycle reads an event that carries the response.
func (r *reader) lifecycle(dst []llm.Event, data []byte) ([]llm.Event, *llm.Error) {
	name := string(r.frame.name(data))
	terminal := name == "response.completed" || name == "response.incomplete"
	if r.begun && !terminal && name != "response.failed" && name != "response.cancelled" {
		return dst, nil
	}
	var resp response
	if err := json.Unmarshal(r.frame.response.Of(data), &resp); err != nil {
		if terminal {
			return dst, llm.Errorf(llm.KindBadAnswer, "the end of the provider's stream cannot be read: %v", err)
		}
		return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
	}
	switch name {
	case "response.failed":
		return dst, faultOf(resp.Error)
	case "response.cancelled":
		return dst, llm.Errorf(llm.KindTruncated, "the provider cancelled the answer")
	}
	dst = r.begin(dst, &resp)
	if !terminal {
		return dst, nil
	}
	return r.finish(dst, &resp)
}

// finish reads the terminal event.
func (r *reader) finish(dst []llm.Event, resp *response) ([]llm.Event, *llm.Error) {
	for r.open || len(r.held) > 0 {
		if r.open {
			dst = r.closeItem(dst, &item{}, nil)
		}
		var e *llm.Error
		if dst, e = r.release(dst); e != nil {
			return dst, e
		}
	}
	if !r.items {
		for _, v := range resp.Output {
			dst = r.whole(dst, v)
		}
	}
	if u := raw(resp.Usage); u != "" || resp.Tier != "" {
		e := llm.Event{Kind: llm.EventUsage, ServiceTier: resp.Tier}
		if usage, ok := readUsage([]byte(u)); ok {
			e.Usage = &usage
		}
		dst = append(dst, e)
	}
	f, reason, ok := resp.finish(r.calls)
	if !ok { // the event's name says that the answer is whole, whatever its status
		f, reason = llm.FinishOther, resp.Status
	}
	r.ended = true
	return append(dst, llm.Event{Kind: llm.EventFinish, Finish: f, Name: reason}, llm.Event{Kind: llm.EventEnd}), nil
}

// whole appends an item that comes in one piece.
func (r *reader) whole(dst []llm.Event, v json.RawMessage) []llm.Event {
	var it item
	if json.Unmarshal(v, &it) != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	r.items = true
	r.calls = r.calls || isCall(it.Type)
	parts, probs := partsOf(&it, bytes.Clone(v))
	eachPart(&llm.Choice{Parts: parts, Logprobs: probs}, func(e *llm.Event) { dst = append(dst, *e) })
	return dst
}

// say appends a piece of the open part's text, given as a JSON string.
func (r *reader) say(dst []llm.Event, lit []byte) []llm.Event {
	if len(lit) <= 2 {
		return dst
	}
	start := len(r.buf)
	if r.part == llm.PartThinking {
		if r.thought && !r.told {
			r.buf = append(r.buf, partBreak...)
		}
		r.thought = true
	}
	r.told = true
	r.buf = wire.Unquote(r.buf, lit)
	return append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: r.buf[start:len(r.buf):len(r.buf)]})
}

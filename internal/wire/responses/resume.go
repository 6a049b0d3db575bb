package responses

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Resume returns a writer that goes on with the answer where the forwarded part of it ends; see wire.Resumer. The response keeps its id, its
// model's name and its time, events are numbered on, and the terminal event repeats the items that were forwarded: those that are done
// as they were, as far as the follower could keep them, the others with the texts of sofar.
//
// An item that cannot be gone on with (a provider's own tool, or a call that began before another item did) is ended before anything
// else; what is not looked into has the status incomplete then. Reasoning that was announced, and has said nothing yet, is gone on with by
// an EventPart of its kind.
func (s *Stream) Resume(h *llm.Head, sofar *llm.Answer) (llm.EventWriter, bool) {
	t := &s.track
	w := newWriter(h)
	w.given, w.sequence, w.ended = string(t.id.Of(t.kept)), s.last+1, s.Done
	w.begun = t.begun || s.last >= 0 || len(t.items) > 0
	w.tier, w.next = s.Tier, t.next
	if t.model.Len() > 0 {
		w.model = string(wire.Unescape(nil, t.model.Of(t.kept)))
	}
	if t.created > 0 {
		w.created = time.Unix(t.created, 0)
	}
	var parts []llm.Part
	if len(sofar.Choices) > 0 {
		parts = sofar.Choices[0].Parts
	}
	w.refused = slices.ContainsFunc(parts, func(p llm.Part) bool { return p.Kind == llm.PartRefusal })
	for i := range t.items {
		it, last := &t.items[i], i == len(t.items)-1
		switch {
		case it.done && it.raw.Len() > 0:
			w.repeat(it, it.raw.Of(t.kept))
		case it.kind == otherItem:
			w.leave(it, it.raw.Of(t.kept))
		default:
			t.reopen(w, it, parts, last)
			if it.done {
				w.settle()
			} else if !last {
				w.pending = w.closeMessage(w.pending)
			}
		}
	}
	if !w.begun {
		w.pending = w.start(w.pending, &llm.Event{Kind: llm.EventStart})
	}
	if w.kind == 0 && !w.idle && !w.message {
		w.items = w.next
	}
	return w, w.kind != 0
}

// repeat takes an item that is done for the end to repeat.
func (w *writer) repeat(it *tracked, raw []byte) {
	if it.kind == otherItem {
		raw = withStatus(raw, completed)
	}
	w.keep(raw)
}

// leave ends an item that is not looked into and that nothing more will be heard of.
func (w *writer) leave(it *tracked, raw []byte) {
	if len(raw) == 0 {
		return // more than could be kept
	}
	w.items = it.index
	if it.done {
		w.keep(withStatus(raw, completed))
		return
	}
	w.pending = w.done(w.pending, withStatus(raw, incomplete))
}

// settle takes the item under way as one that is done, without an event.
func (w *writer) settle() {
	w.mute = true
	w.closeMessage(nil)
	w.mute = false
}

// withStatus returns an item with a status in place of the one that says that it is under way.
func withStatus(raw []byte, s status) []byte {
	var sc wire.Scanner
	sc.Reset(raw)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return raw
		}
		is := string(name) == "status"
		v := sc.Value()
		if is && (wire.EqualString(v.Of(raw), string(inProgress)) || s == incomplete) {
			return slices.Concat(raw[:v.Start], wire.AppendString(nil, string(s)), raw[v.End:])
		}
	}
}

// reopen gives the writer the state of an item as far as it was forwarded. last says that it is the item that began last.
func (t *track) reopen(w *writer, it *tracked, parts []llm.Part, last bool) {
	w.items, w.kind, w.itemID = it.index, it.part, string(t.idOf(it))
	w.text, w.logprobs, w.marks, w.markCount = nil, nil, nil, 0
	parts = parts[min(it.first, len(parts)):min(it.first+it.parts, len(parts))]
	if it.done {
		w.kind = 0
	}
	var open string // text of the part that is not whole
	if n := len(parts); n > 0 && (w.kind != 0 || it.kind != messageItem) {
		open = parts[n-1].Text
	}
	switch it.kind {
	case messageItem:
		t.reopenMessage(w, it, parts, last)
	case reasoningItem:
		open = t.reopenReasoning(w, it, open, last)
	case functionItem, customItem:
		w.kind, w.custom = llm.PartToolCall, it.kind == customItem
		if len(parts) > 0 {
			w.id, w.name = parts[0].ID, parts[0].Name
		}
	}
	w.text = append(w.text, open...)
	if w.itemID == "" {
		w.newItem([...]string{messageItem: messageID, reasoningItem: reasoningID, functionItem: functionID, customItem: customID}[it.kind])
	}
}

// idOf returns an item's id as it stands between the quotes.
func (t *track) idOf(it *tracked) []byte { return it.id.Of(t.kept) }

// reopenMessage does so for a message. Its finished parts are as they were forwarded if they could be kept.
func (t *track) reopenMessage(w *writer, it *tracked, parts []llm.Part, last bool) {
	w.message, w.parts, w.content = true, it.section, nil
	whole := parts
	if w.kind != 0 && len(parts) > 0 {
		whole = parts[:len(parts)-1]
	}
	if last && !t.short {
		w.content = append(w.content, t.content...)
	} else {
		kind := w.kind
		for i := range whole {
			w.kind, w.text = whole[i].Kind, []byte(whole[i].Text)
			w.quote()
			if len(w.content) > 0 {
				w.content = append(w.content, ',')
			}
			w.content = w.appendContentPart(w.content)
		}
		w.kind, w.text = kind, nil
	}
	if last && w.kind == llm.PartText {
		w.logprobs, w.marks, w.markCount = append(w.logprobs, t.logprobs...), append(w.marks, t.marks...), t.marked
	}
}

// reopenReasoning does so for reasoning, and returns the text of its open section. said is all of its text.
func (t *track) reopenReasoning(w *writer, it *tracked, said string, last bool) (open string) {
	w.section, w.plain, w.shown, w.content = it.section, it.parts > 0 && !it.summary, it.shown, nil
	if it.done {
		w.kind, w.shown = llm.PartThinking, true
		return said
	}
	if last && !t.short {
		w.content = append(w.content, t.content...)
	}
	if w.kind == 0 {
		w.idle = true
		return ""
	}
	if len(w.content) == 0 {
		return said
	}
	w.trim = it.thought && !it.told
	if w.trim {
		return ""
	}
	var v item
	list := append(append([]byte{'['}, t.content...), ']')
	if json.Unmarshal(list, &v.Summary) != nil {
		return said
	}
	before, _ := thinkingOf(&v)
	return strings.TrimPrefix(strings.TrimPrefix(said, before), partBreak)
}

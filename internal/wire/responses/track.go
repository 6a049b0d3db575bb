package responses

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// What a follower remembers of one stream is bounded: of more items than maxItems the later ones are not told, and what is over maxKept
// bytes of finished items is written anew, from its text, should the answer be gone on with.
const (
	maxItems = 4096
	maxKept  = 256 << 10
	maxIDs   = maxKept + 256<<10
)

// track is what a follower remembers of a stream for its pieces, and so that the stream can be gone on with. Spans are in kept.
type track struct {
	kept     []byte
	begun    bool      // a response was there
	id       wire.Span // the response's, as it is written between the quotes
	model    wire.Span // likewise, as the client was shown it
	created  int64     // created_at; 0 if not known
	items    []tracked
	next     int    // index after those of all items
	begins   int    // parts that have begun
	again    int    // output_index, plus one, of the item of whose deltas the memory of the first piece has one, if it was the last to bring text
	content  []byte // finished parts of the message or reasoning that began last, with commas between
	short    bool   // one of them could not be kept
	logprobs []byte // of the open text, with commas between
	marks    []byte // its annotations, with commas between
	marked   int    // how many
	scanner  wire.Scanner
}

// tracked is an item.
type tracked struct {
	index int // output_index
	kind  itemClass
	id    wire.Span // as it is written between the quotes
	raw   wire.Span // the item, once it is done; of one that is not looked into as it is known
	done  bool

	part    llm.PartKind // that is open: of thinking until the item is done
	section int          // of its content or summary: the one that was announced last, or will be next
	summary bool         // the sections are those of a summary
	shown   bool         // the section has been announced, or has text
	told    bool         // it has text
	thought bool         // the thinking has text, in whatever section
	first   int          // number of the first part, of all of the answer
	parts   int          // how many there were
}

// itemClass is what matters of an item's type.
type itemClass uint8

const (
	otherItem itemClass = iota
	messageItem
	reasoningItem
	functionItem
	customItem
)

// reset forgets all, and keeps the memory.
func (t *track) reset() {
	again := func(b []byte) []byte {
		if cap(b) > keepScratch {
			return nil
		}
		return b[:0]
	}
	items := t.items[:0]
	if cap(items) > keepItems {
		items = nil
	}
	*t = track{kept: again(t.kept), items: items, content: again(t.content), logprobs: again(t.logprobs), marks: again(t.marks)}
}

// keep copies b. What would go over the limit is not kept: its span is empty.
func (t *track) keep(b []byte, limit int) wire.Span {
	if len(b) == 0 || len(t.kept)+len(b) > limit {
		return wire.Span{}
	}
	start := len(t.kept)
	t.kept = append(t.kept, b...)
	return wire.Span{Start: start, End: len(t.kept)}
}

// join appends to a list with commas, unless that would go over the limit.
func join(list, one []byte) []byte {
	if len(one) == 0 || len(list)+len(one) > maxKept {
		return list
	}
	if len(list) > 0 {
		list = append(list, ',')
	}
	return append(list, one...)
}

// inside returns what stands between the quotes of a JSON string, or between the brackets of an array.
func inside(lit []byte) []byte {
	if len(lit) <= 2 {
		return nil
	}
	return lit[1 : len(lit)-1]
}

// trackResponse remembers what the response says of itself.
func (s *Stream) trackResponse(b []byte) {
	t := &s.track
	if t.begun {
		return
	}
	t.begun = true
	sc := &t.scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		kind := sc.Kind()
		switch string(name) {
		case "id":
			t.id = t.keep(inside(only(wire.String, kind, sc.Value()).Of(b)), maxIDs)
		case "model":
			t.model = t.keep(inside(only(wire.String, kind, sc.Value()).Of(b)), maxIDs)
		case "created_at":
			sc.Count(&t.created)
		default:
			sc.Value()
		}
	}
}

// pieceIndex is the Index of the item's pieces: calls, and items that are not looked into, may be open at once.
func (it *tracked) pieceIndex() int {
	if it.kind.calls() || it.kind == otherItem {
		return it.index
	}
	return 0
}

func (c itemClass) calls() bool { return c == functionItem || c == customItem }

// takes reports whether an item has parts of a kind.
func (it *tracked) takes(kind llm.PartKind) bool {
	switch kind {
	case llm.PartText, llm.PartRefusal:
		return it.kind == messageItem
	case llm.PartThinking:
		return it.kind == reasoningItem
	}
	return false
}

// newItem begins the item of the event in frame; nil if there are too many.
func (s *Stream) newItem(class itemClass) *tracked {
	t := &s.track
	t.next = max(t.next, s.frame.output+1)
	if len(t.items) >= maxItems {
		return nil
	}
	t.items = append(t.items, tracked{index: s.frame.output, kind: class})
	if class == messageItem || class == reasoningItem {
		t.content, t.short = t.content[:0], false
	}
	return &t.items[len(t.items)-1]
}

// itemHead is what is read of an item that begins.
type itemHead struct {
	kind, id, call, name []byte // between the quotes
}

// readHead reads the beginning of the item b.
func readHead(b []byte, sc *wire.Scanner) (h itemHead) {
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return h
		}
		var to *[]byte
		switch string(name) {
		case "type":
			to = &h.kind
		case "id":
			to = &h.id
		case "call_id":
			to = &h.call
		case "name":
			to = &h.name
		default:
			sc.Value()
			continue
		}
		kind := sc.Kind()
		*to = inside(only(wire.String, kind, sc.Value()).Of(b))
	}
}

func classOf(kind []byte) itemClass {
	switch string(kind) {
	case "message":
		return messageItem
	case "reasoning":
		return reasoningItem
	case "function_call":
		return functionItem
	case "custom_tool_call":
		return customItem
	}
	return otherItem
}

// partClass returns the kind of a part of an item that begins, 0 if it is none that is looked into.
func partClass(b []byte, sc *wire.Scanner) llm.PartKind {
	switch string(inside(itemType(b, sc))) {
	case "output_text", "text":
		return llm.PartText
	case "refusal":
		return llm.PartRefusal
	case "reasoning_text":
		return llm.PartThinking
	}
	return 0
}

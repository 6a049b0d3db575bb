package anthropic

import "sluice/internal/wire"

// frame is one pass over a stream event's data: what it is, and where the parts are that matter. All places are in the data
// that was read.
type frame struct {
	kind string // one of the event names, "" for others
	typ  wire.Span

	index   int
	message wire.Span // if it is an object
	id      wire.Span // of message_start
	model   wire.Span
	usage   wire.Span // of message or of the event itself, if it is an object

	block     wire.Span // content_block as a whole
	blockType wire.Span
	blockName wire.Span
	blockID   wire.Span

	whole        wire.Span // delta as a whole
	delta        wire.Span // type of the delta
	text         wire.Span // text, thinking or partial_json
	size         int       // of text, unescaped
	signature    wire.Span
	citation     wire.Span
	stopReason   wire.Span // if it is a string that is not empty
	stopSequence wire.Span // likewise
	stopDetails  wire.Span // if it is an object
	failed       bool      // there is an object named error
}

// read validates b and reads it; name is the event's, which counts only where the data does not say what it is. It reports
// false if b is no JSON object. It allocates nothing.
func (f *frame) read(name, b []byte) bool {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return false
	}
	for {
		member, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(member) {
		case "type":
			f.typ = only(wire.String, kind, sc.Value())
		case "index":
			if n, ok := wire.Int(sc.Value().Of(b)); ok && n >= 0 {
				f.index = int(min(n, 1<<31-1))
			}
		case "message":
			f.readMessage(&sc)
		case "content_block":
			f.readBlock(&sc)
		case "delta":
			f.readDelta(&sc)
		case "usage":
			f.usage = only(wire.Object, kind, sc.Value())
		case "error":
			sc.Value()
			f.failed = kind == wire.Object
		default:
			sc.Value()
		}
	}
	if !sc.End() {
		return false
	}
	f.kind = kindOfEvent(f.typ.Of(b), name)
	return true
}

// kindOfEvent returns the event's kind by the JSON string that its data has for it, or else by its name.
func kindOfEvent(lit, name []byte) string {
	for _, k := range [...]string{blockDelta, blockStart, blockStop, messageDelta, messageStart, messageStop, ping, errorEvent} {
		if len(lit) == len(k)+2 && wire.EqualString(lit, k) || len(lit) == 0 && string(name) == k {
			return k
		}
	}
	return ""
}

// only returns v if its kind is the one wanted, otherwise an empty span.
func only(want, kind wire.Kind, v wire.Span) wire.Span {
	if kind != want {
		return wire.Span{}
	}
	return v
}

// readMessage reads the message of message_start.
func (f *frame) readMessage(sc *wire.Scanner) {
	sc.Kind()
	start := sc.Pos()
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(name) {
		case "id":
			f.id = only(wire.String, kind, sc.Value())
		case "model":
			f.model = only(wire.String, kind, sc.Value())
		case "usage":
			f.usage = only(wire.Object, kind, sc.Value())
		default:
			sc.Value()
		}
	}
	f.message = wire.Span{Start: start, End: sc.Pos()}
}

// readBlock reads content_block. What text it brings along counts as a delta's does.
func (f *frame) readBlock(sc *wire.Scanner) {
	sc.Kind()
	start := sc.Pos()
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(name) {
		case "type":
			f.blockType = only(wire.String, kind, sc.Value())
		case "name":
			f.blockName = only(wire.String, kind, sc.Value())
		case "id":
			f.blockID = only(wire.String, kind, sc.Value())
		case "text", "thinking":
			f.take(sc, kind)
		default:
			sc.Value()
		}
	}
	f.block = wire.Span{Start: start, End: sc.Pos()}
}

// readDelta reads the delta of a block or of the message.
func (f *frame) readDelta(sc *wire.Scanner) {
	sc.Kind()
	start := sc.Pos()
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			f.whole = wire.Span{Start: start, End: sc.Pos()}
			return
		}
		kind := sc.Kind()
		switch string(name) {
		case "type":
			f.delta = only(wire.String, kind, sc.Value())
		case "text", "thinking", "partial_json":
			f.take(sc, kind)
		case "signature":
			f.signature = only(wire.String, kind, sc.Value())
		case "citation":
			f.citation = only(wire.Object, kind, sc.Value())
		case "stop_reason":
			f.stopReason = notEmpty(only(wire.String, kind, sc.Value()))
		case "stop_sequence":
			f.stopSequence = notEmpty(only(wire.String, kind, sc.Value()))
		case "stop_details":
			f.stopDetails = only(wire.Object, kind, sc.Value())
		default:
			sc.Value()
		}
	}
}

// take reads the text ahead.
func (f *frame) take(sc *wire.Scanner, kind wire.Kind) {
	v := sc.Value()
	if kind == wire.String && v.Len() > 0 {
		f.text, f.size = v, sc.StringLen(v)
	}
}

// notEmpty returns the place of a string, with its quotes, if there is something between them.
func notEmpty(v wire.Span) wire.Span {
	if v.Len() <= 2 {
		return wire.Span{}
	}
	return v
}

package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// tee writes events for a client and notes what they bring, as the client sees it: for guards, and for going on where the stream
// breaks off.
type tee struct {
	w    llm.EventWriter
	p    *wire.Progress // whose Pieces are filled; nil if nobody looks
	open bool           // of the first choice: a part has begun and not ended
	kind llm.PartKind
}

func (t *tee) Write(dst []byte, e *llm.Event) []byte {
	if e.Choice == 0 {
		switch e.Kind {
		case llm.EventPart:
			t.open, t.kind = true, e.Part
		case llm.EventPartEnd:
			t.open = false
		}
	}
	if t.p != nil {
		t.piece(e)
	}
	return t.w.Write(dst, e)
}

func (t *tee) piece(e *llm.Event) {
	p := wire.Piece{Choice: e.Choice, Kind: e.Part}
	switch e.Kind {
	case llm.EventPart:
		p.Begin = true
		if e.Media != nil || !plain(e.Part) {
			p.Kind = llm.PartOther
		}
		if e.Part == llm.PartToolCall {
			p.ID, p.Name = []byte(e.ID), []byte(e.Name)
		}
	case llm.EventDelta:
		p.Text = e.Text
	case llm.EventPartEnd:
		p.End = true
	default:
		return
	}
	t.p.Pieces = append(t.p.Pieces, p)
}

// plain reports whether a part is one that is looked into.
func plain(k llm.PartKind) bool {
	switch k {
	case llm.PartText, llm.PartThinking, llm.PartRefusal, llm.PartToolCall:
		return true
	}
	return false
}

func (t *tee) End(dst []byte) []byte { return t.w.End(dst) }

func (t *tee) Fail(dst []byte, e *llm.Error) []byte { return t.w.Fail(dst, e) }

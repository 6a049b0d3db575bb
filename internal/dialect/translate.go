package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Translation is a stream on its way from a target's dialect to a client's. To the road it is a follower like any other: what
// it makes of an event stands in the event's Raw.
type Translation struct {
	wire.Progress

	reader llm.EventReader
	writer llm.EventWriter // turns back what had to be bent for the target, and writes through tee
	tee    *tee
	splice *splicer    // nil if the stream is the answer's first
	folder *llm.Folder // nil if nobody wants the answer
	model  string      // shown where the target does not name one
	signed signed
	events []llm.Event
	out    []byte
	open   map[int]bool // choices seen; true once they have their finish reason
	// opening says that usage is what the provider stated at the beginning: the input, and nothing of the output to speak of.
	opening bool
	finish  llm.Finish // of the first choice
	begun   int        // choices
	ended   int
	want    int
}

// keepOut is the size over which the buffer of a translated event is not kept for the next one.
const keepOut = 64 << 10

// TranslateOptions say what a translation is to do.
type TranslateOptions struct {
	Adapted *Adapted // turns back what had to be bent for the target; may be nil
	Model   string   // name of the target's model, for dialects whose answers have none (Bedrock)
	Choices int      // that the target was asked for
	Fold    bool     // Answer is to have the answer at the end
	Pieces  bool     // Progress.Pieces are filled, with what the client sees
	Splice  *Splice  // the stream goes on with another, whose writer is Splice.Writer; or nil
}

// Translate returns a follower that translates what reader reads into what writer writes for the client; writer is not used with
// Splice. Reset is not needed before use.
func Translate(reader llm.EventReader, writer llm.EventWriter, o *TranslateOptions) *Translation {
	t := &Translation{reader: reader, model: o.Model, want: o.Choices, open: map[int]bool{}}
	t.tee = &tee{w: writer}
	if o.Pieces {
		t.tee.p = &t.Progress
	}
	w := llm.EventWriter(t.tee)
	if s := o.Splice; s != nil {
		t.tee.w, t.tee.open = s.Writer, s.Open
		t.splice = newSplicer(s, t.tee)
		w = t.splice
	} else if o.Fold {
		t.folder = new(llm.Folder)
	}
	if o.Adapted != nil {
		w = o.Adapted.Writer(w)
	}
	t.writer = w
	return t
}

// Reset does nothing: a translation is for one stream, which Translate was told of.
func (t *Translation) Reset(wire.FollowOptions) {}

// State returns what was seen so far.
func (t *Translation) State() *wire.Progress { return &t.Progress }

// Observe translates an event. Comments and what else the client's dialect has no word for go.
func (t *Translation) Observe(ev *wire.Event) wire.Action {
	t.Pieces = t.Pieces[:0]
	if t.Done || t.Err != nil || ev.Comment && !bare(ev.Raw) {
		return wire.Drop
	}
	data := ev.Data
	if ev.Comment {
		data = ev.Raw
	}
	events, err := t.reader.Read(t.events[:0], ev.Name, data)
	t.events = events
	if cap(t.out) > keepOut {
		t.out = nil
	}
	t.out = t.write(t.out[:0], events)
	if t.opening && t.OutputBytes > 0 { // as near the truth as can be, should the stream break off
		t.Usage.Output = max(t.Usage.Output, model.EstimateTokens(t.OutputBytes))
		t.Usage.Estimated, t.HasUsage = true, true
	}
	if err != nil {
		t.Err = err
		return wire.Drop
	}
	if len(t.out) == 0 {
		return wire.Drop
	}
	ev.Raw, ev.Data, ev.At = t.out, t.out, -1
	return wire.Forward
}

// bare reports whether what stands between events is JSON: Google ends a stream that fails with an error in a line of its own
// (docs/PROVIDERS.md, 3.3).
func bare(raw []byte) bool { return len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') }

// write accounts for events and appends them in the client's words.
func (t *Translation) write(dst []byte, events []llm.Event) []byte {
	for i := range events {
		e := &events[i]
		if e.Kind == llm.EventStart && e.Name == "" {
			e.Name = t.model
		}
		t.account(e)
		t.signed.add(e)
		if t.folder != nil {
			t.folder.Add(e)
		}
		if e.Kind != llm.EventMalformed && e.Kind != llm.EventEnd {
			dst = t.writer.Write(dst, e)
		}
	}
	if t.splice != nil && t.Err == nil {
		t.Err = t.splice.err
	}
	return dst
}

func (t *Translation) account(e *llm.Event) {
	switch e.Kind {
	case llm.EventStart, llm.EventUsage:
		if e.Usage != nil {
			t.Usage, t.HasUsage = *e.Usage, e.Kind == llm.EventUsage
			t.opening = e.Kind == llm.EventStart && *e.Usage != llm.Usage{}
		}
		if e.ServiceTier != "" {
			t.Tier = e.ServiceTier
		}
	case llm.EventPart:
		t.begin(e.Choice)
		if e.Part == llm.PartToolCall || e.Media != nil {
			t.Content, t.Text = true, true
			t.OutputBytes += len(e.Name)
		}
	case llm.EventDelta:
		if len(e.Text) > 0 {
			t.Content = true
			t.Text = t.Text || e.Part != llm.PartThinking
			t.OutputBytes += len(e.Text)
		}
	case llm.EventFinish:
		t.begin(e.Choice)
		if e.Choice == 0 {
			t.finish = e.Finish
		}
		if !t.open[e.Choice] {
			t.open[e.Choice] = true
			t.ended++
		}
	case llm.EventEnd:
		t.Done = true
	case llm.EventMalformed:
		t.Malformed++
	}
}

func (t *Translation) begin(choice int) {
	if _, seen := t.open[choice]; !seen {
		t.open[choice] = false
		t.begun++
	}
}

// Finished reports whether every choice that was seen has its finish reason, and there are as many as were asked for, or
// the protocol's own end says that there are no more.
func (t *Translation) Finished() bool {
	return t.Err == nil && t.ended > 0 && t.ended == t.begun && (t.ended >= t.want || t.Done)
}

// End appends what the reader held back and what ends the client's stream.
func (t *Translation) End(dst []byte) []byte {
	events, _ := t.reader.End(t.events[:0]) // it is complete: Finished has said so
	dst = t.write(dst, events)
	return t.writer.End(dst)
}

// Fail appends an error in the client's stream.
func (t *Translation) Fail(dst []byte, e *llm.Error) []byte { return t.writer.Fail(dst, e) }

// Resume returns the client's writer as the stream has left it.
func (t *Translation) Resume(*llm.Head, *llm.Answer) (llm.EventWriter, bool) {
	return t.tee.w, t.tee.open
}

// Finish returns why the first choice has ended; FinishUnset if it has not.
func (t *Translation) Finish() llm.Finish { return t.finish }

// Answer returns what the stream has added up to; nil if Translate was not told to fold, or it goes on with another.
func (t *Translation) Answer() *llm.Answer {
	if t.folder == nil {
		return nil
	}
	return t.folder.Answer()
}

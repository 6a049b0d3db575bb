package gemini

import (
	"strconv"

	"sluice/internal/llm"
)

// writer writes one streamed answer for a client: as events of one data line each, or as a JSON array. There are no comments, no
// event names and no [DONE], which go-genai takes for errors.
//
// Text goes out at once. A call goes out whole when its part ends. The finish reasons wait for the end, where they go out in one
// chunk with the usage: the SDKs take the last usage, and a chunk of @google/genai's chats without a candidate, or with one without
// parts, makes the turn an invalid one.
type writer struct {
	head      llm.Head
	id, model string
	tail      []byte // what ends each chunk
	begun     bool   // the array's bracket has been written
	resumed   bool   // the beginning was forwarded
	usage     llm.Usage
	used      bool
	tier      string
	choices   []writing
	cites     []cite // scratch
}

// writing is one choice under way.
type writing struct {
	index  int
	id     string // of the call that is open
	name   string
	args   []byte
	media  *llm.Part // that is open; nil for none
	finish string    // reason; "" until it has ended
	over   bool      // its finish reason was forwarded: nothing follows
}

// NewWriter returns a writer of one streamed answer for a client.
func NewWriter(h *llm.Head) llm.EventWriter {
	w := &writer{head: *h}
	w.head.Chat = nil // a stream may stay open for long
	return w
}

// Write appends the bytes of the stream that an event stands for.
func (w *writer) Write(dst []byte, e *llm.Event) []byte {
	if w.resumed && e.Kind >= llm.EventPart && e.Kind <= llm.EventFinish && w.of(e.Choice).over {
		return dst
	}
	switch e.Kind {
	case llm.EventStart:
		w.id, w.model = e.ID, e.Name
		w.tail = nil
		w.take(e)
	case llm.EventUsage:
		w.take(e)
	case llm.EventPart:
		return w.part(dst, e)
	case llm.EventDelta:
		return w.delta(dst, e)
	case llm.EventPartEnd:
		return w.partEnd(dst, e)
	case llm.EventFinish:
		w.of(e.Choice).finish = reasonOf(e.Finish, e.Name)
	}
	return dst
}

func (w *writer) take(e *llm.Event) {
	if e.Usage != nil {
		w.usage, w.used = *e.Usage, true
	}
	if e.ServiceTier != "" {
		w.tier = e.ServiceTier
	}
}

// of returns the choice of an index.
func (w *writer) of(index int) *writing {
	for i := range w.choices {
		if w.choices[i].index == index {
			return &w.choices[i]
		}
	}
	w.choices = append(w.choices, writing{index: index})
	return &w.choices[len(w.choices)-1]
}

// part begins a part. Calls and media go out when it ends, with their signature.
func (w *writer) part(dst []byte, e *llm.Event) []byte {
	st := w.of(e.Choice)
	st.media = nil
	switch {
	case e.Part == llm.PartToolCall:
		st.id, st.name, st.args = e.ID, e.Name, st.args[:0]
	case e.Media != nil:
		media := *e.Media
		st.media = &media
	}
	return dst
}

func (w *writer) delta(dst []byte, e *llm.Event) []byte {
	switch {
	case e.Part == llm.PartToolCall:
		st := w.of(e.Choice)
		st.args = append(st.args, e.Text...)
		return dst
	case len(e.Text) == 0 && len(e.Logprobs) == 0:
		return dst
	}
	w.of(e.Choice)
	dst = w.open(dst)
	dst = appendText(dst, e.Text, e.Part == llm.PartThinking, "")
	return w.close(dst, e.Choice, nil, e.Logprobs)
}

func (w *writer) partEnd(dst []byte, e *llm.Event) []byte {
	if media := w.of(e.Choice).media; media != nil {
		return w.medium(dst, media, e)
	}
	signature := seal(e.Signature, e.Origin, e.Part == llm.PartRedacted)
	switch e.Part {
	case llm.PartToolCall:
		st := w.of(e.Choice)
		dst = appendCall(w.open(dst), st.id, st.name, st.args, signature)
		return w.close(dst, e.Choice, nil, nil)
	case llm.PartText, llm.PartThinking, llm.PartRedacted, llm.PartRefusal:
		if signature == "" && len(e.Citations) == 0 {
			return dst
		}
		w.cites = w.cites[:0]
		for _, c := range e.Citations {
			w.cites = append(w.cites, cite{Citation: c})
		}
		dst = appendText(w.open(dst), "", e.Part == llm.PartThinking || e.Part == llm.PartRedacted, signature)
		return w.close(dst, e.Choice, w.cites, nil)
	}
	return dst
}

// medium writes the media that end, or another part that came whole.
func (w *writer) medium(dst []byte, media *llm.Part, e *llm.Event) []byte {
	w.of(e.Choice).media = nil
	if e.Signature != "" {
		media.Signature, media.Origin = e.Signature, e.Origin
	}
	start, begun := len(dst), w.begun
	dst = w.open(dst)
	end := len(dst)
	if dst = appendPart(dst, media, true); len(dst) == end {
		w.begun = begun // nothing in it has a word here
		return dst[:start]
	}
	return w.close(dst, e.Choice, nil, nil)
}

// open begins a chunk with one part.
func (w *writer) open(dst []byte) []byte {
	dst = w.frame(dst)
	return append(dst, `{"candidates":[{"content":{"parts":[`...)
}

// close ends a chunk that open began.
func (w *writer) close(dst []byte, choice int, cites []cite, logprobs []llm.Logprob) []byte {
	dst = append(dst, `],"role":"model"},"index":`...)
	dst = strconv.AppendInt(dst, int64(choice), 10)
	dst = appendGrounding(dst, cites)
	dst = appendLogprobs(dst, logprobs)
	dst = append(dst, '}', ']')
	return w.endFrame(dst)
}

// frame begins an event or an element.
func (w *writer) frame(dst []byte) []byte {
	if !w.head.Array {
		return append(dst, "data: "...)
	}
	return append(dst, w.separator()...)
}

// separator returns what stands in front of the array's next element.
func (w *writer) separator() string {
	if !w.begun {
		w.begun = true
		return "["
	}
	return ",\n"
}

// endFrame appends the last members of a chunk, and ends it.
func (w *writer) endFrame(dst []byte) []byte {
	if w.tail == nil {
		w.tail = append(appendTail([]byte{}, w.model, w.id, &w.head), '}')
		if !w.head.Array {
			w.tail = append(w.tail, '\n', '\n')
		}
	}
	return append(dst, w.tail...)
}

// End appends the chunk with the finish reasons and the usage, and the end of the array if it is one.
func (w *writer) End(dst []byte) []byte {
	start, begun := len(dst), w.begun
	dst = append(w.frame(dst), `{"candidates":[`...)
	n := 0
	for i := range w.choices {
		st := &w.choices[i]
		if st.finish == "" {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"`...)
		dst = append(dst, st.finish...)
		dst = append(dst, `","index":`...)
		dst = append(strconv.AppendInt(dst, int64(st.index), 10), '}')
	}
	dst = append(dst, ']')
	if w.resumed && n == 0 && !w.used { // all was forwarded
		w.begun = begun
		return w.shut(dst[:start])
	}
	if w.used {
		dst = append(dst, `,"usageMetadata":`...)
		dst = appendUsage(dst, &w.usage, w.tier)
	}
	return w.shut(w.endFrame(dst))
}

// shut appends the array's end.
func (w *writer) shut(dst []byte) []byte {
	switch {
	case !w.head.Array:
		return dst
	case !w.begun:
		return append(dst, '[', ']')
	}
	return append(dst, ']')
}

// Fail appends what tells the client, within the stream, that the answer ends here with an error.
func (w *writer) Fail(dst []byte, e *llm.Error) []byte {
	if !w.head.Array {
		return appendStreamError(dst, e, w.head.ID)
	}
	dst = append(dst, w.separator()...)
	dst, _ = AppendError(dst, e, w.head.ID)
	return append(dst, ']')
}

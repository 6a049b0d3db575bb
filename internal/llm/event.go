package llm

import (
	"maps"
	"slices"
	"time"
)

// EventKind is what an event of a streamed answer says.
type EventKind uint8

// The kinds of events.
const (
	// EventStart: the answer begins. ID, Name (the model), Created, and Usage if the provider states any of it by then.
	// It comes once, first.
	EventStart EventKind = iota + 1
	// EventPart: a part of a choice begins. Part is its kind; a tool call has ID and Name; an image comes whole (Media).
	EventPart
	// EventDelta: Text adds to the choice's open part.
	EventDelta
	// EventPartEnd: the choice's open part is whole. Signature and Citations, where there are any.
	EventPartEnd
	// EventFinish: the choice ends. Finish, Stop, and Name, the provider's own word for it. No part of it is open.
	EventFinish
	// EventUsage: Usage so far; a later one counts in place of an earlier one. ServiceTier may come with it.
	EventUsage
	// EventEnd: the protocol's own end of the stream was seen. Nothing follows.
	EventEnd
	// EventMalformed: the provider sent something that cannot be read. It is counted and left out.
	EventMalformed
)

// Event is one step of a streamed answer in the words of no dialect. Slices in it are valid until the reader that made it
// is asked again.
//
// Order: EventStart; then for each choice parts one after another, each EventPart, EventDelta..., EventPartEnd, and
// EventFinish; EventUsage anywhere after EventStart; EventEnd last. Of one choice at most one part is open at a time: a reader whose
// provider interleaves parts (parallel tool calls by index) holds back the later ones. Choices may interleave.
//
// Folding the events gives the answer that the provider would have sent in one piece; see Folder.
type Event struct {
	Kind   EventKind
	Choice int
	Part   PartKind // of EventPart, EventDelta and EventPartEnd
	Text   []byte
	ID     string
	Name   string
	Custom bool // the tool call takes free text

	Created     time.Time
	Usage       *Usage
	ServiceTier string
	Fingerprint string

	Finish Finish
	Stop   string

	Signature string
	Origin    Dialect
	Citations []Citation
	Logprobs  []Logprob // of the tokens in Text
	Media     *Part     // of an image or audio part
}

// EventReader turns one provider's stream into events: the client end of a dialect. It is used by one goroutine, for one
// answer.
type EventReader interface {
	// Read appends the events that one event of the wire stands for: its name (nil if the framing has none) and its data,
	// valid during the call. An error says that the provider sent one in place of the rest; nothing may be read after it.
	// In the long run nothing is allocated for text.
	Read(dst []Event, name, data []byte) ([]Event, *Error)
	// End appends what was held back, once the connection has ended cleanly or EventEnd was seen. A stream that ended
	// before it was complete is an error of KindTruncated.
	End(dst []Event) ([]Event, *Error)
}

// EventWriter turns events into a client's stream: the server end of a dialect. It is used by one goroutine, for one
// answer.
type EventWriter interface {
	// Write appends the bytes of the stream that an event stands for, framing included. It may append none, and keep what
	// a later event completes.
	Write(dst []byte, e *Event) []byte
	// End appends what ends a complete stream.
	End(dst []byte) []byte
	// Fail appends what tells the client, within the stream, that the answer ends here with an error.
	Fail(dst []byte, e *Error) []byte
}

// Head is what an answer says about itself and the request, where the front's dialect wants that and the provider's did not say
// it.
type Head struct {
	ID      string    // made by Sluice, without the dialect's prefix; for answers whose provider gave none that fits
	Model   string    // shown in place of the provider's, if not empty
	Created time.Time // when the call came
	Op      Op        // OpChat, or OpCompletion for OpenAI's legacy completions
	// Usage says that the client asked for usage in the stream (OpenAI's include_usage).
	Usage bool
	// Array asks for the form of a stream that is no SSE (Gemini without alt=sse).
	Array bool
	// Chat is the request, for dialects that repeat it in the answer; may be nil.
	Chat *Chat
	// Echo are the members of the request that the answer repeats as the client wrote them. Where it is nil they are made of Chat.
	Echo []Member
}

// Folder adds up the events of a stream to the answer. The zero value is ready. It is the definition of what a stream
// means: for every dialect, the fold of the stream is the answer in one piece.
type Folder struct {
	answer  Answer
	choices map[int]*folding
}

// folding is one choice under way.
type folding struct {
	choice Choice
	text   []byte
	open   bool
}

// Add takes the next event.
func (f *Folder) Add(e *Event) {
	switch e.Kind {
	case EventStart:
		f.answer.ID, f.answer.Model, f.answer.Created = e.ID, e.Name, e.Created
		f.answer.Fingerprint = e.Fingerprint
		f.usage(e)
	case EventUsage:
		f.usage(e)
	case EventPart, EventDelta, EventPartEnd, EventFinish:
		f.of(e.Choice).add(e)
	}
}

func (f *Folder) usage(e *Event) {
	if e.Usage != nil {
		f.answer.Usage, f.answer.HasUsage = *e.Usage, true
	}
	if e.ServiceTier != "" {
		f.answer.ServiceTier = e.ServiceTier
	}
}

// of returns the choice of an index.
func (f *Folder) of(index int) *folding {
	if c := f.choices[index]; c != nil {
		return c
	}
	if f.choices == nil {
		f.choices = map[int]*folding{}
	}
	c := &folding{choice: Choice{Index: index}}
	f.choices[index] = c
	return c
}

func (c *folding) add(e *Event) {
	switch e.Kind {
	case EventPart:
		p := Part{Kind: e.Part, ID: e.ID, Name: e.Name, Custom: e.Custom}
		if e.Media != nil {
			p = *e.Media
		}
		c.choice.Parts = append(c.choice.Parts, p)
		c.text, c.open = c.text[:0], true
	case EventDelta:
		c.text = append(c.text, e.Text...)
		c.choice.Logprobs = append(c.choice.Logprobs, e.Logprobs...)
	case EventPartEnd:
		c.end(e)
	case EventFinish:
		c.choice.Finish, c.choice.Stop, c.choice.Reason = e.Finish, e.Stop, e.Name
	}
}

func (c *folding) end(e *Event) {
	if !c.open {
		return
	}
	p := &c.choice.Parts[len(c.choice.Parts)-1]
	p.Text += string(c.text)
	if e != nil {
		p.Signature, p.Origin = e.Signature, e.Origin
		p.Citations = append(p.Citations, e.Citations...)
	}
	c.open = false
}

// Answer returns what the events so far add up to. Choices are in order of their index.
func (f *Folder) Answer() *Answer {
	a := f.answer
	a.Choices = nil
	for _, i := range slices.Sorted(maps.Keys(f.choices)) {
		c := f.choices[i]
		c.end(nil)
		a.Choices = append(a.Choices, c.choice)
	}
	return &a
}

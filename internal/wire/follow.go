package wire

import "sluice/internal/llm"

// Action is what to do with an event of a stream.
type Action uint8

// The actions.
const (
	Forward Action = iota + 1 // send ev.Raw to the client
	Drop                      // do not: it is malformed, an error, something nobody asked for, or after the end
)

// Progress is what a follower has seen of a streamed answer. It is for reading.
type Progress struct {
	// Content is true once something that the model made has been seen: text, reasoning, a refusal, a piece of a tool
	// call, audio. Comments, pings, and events with nothing but a role are not content.
	Content bool
	// Text is Content without reasoning.
	Text bool
	// Done is true once the protocol's own end has been seen. Clients do not read past it.
	Done bool
	// Err is the error that the provider sent within the stream. Its Body, if there is one, has the form that clients of the
	// follower's dialect expect.
	Err *llm.Error
	// Malformed counts the events that were dropped because they cannot be read.
	Malformed int
	// Usage is what the last usage object said, if HasUsage.
	Usage    llm.Usage
	HasUsage bool
	// Tier is the service tier that the provider says it used, in OpenAI's words; empty if it does not.
	Tier string
	// OutputBytes is the size of text, reasoning and tool arguments so far, for an estimate where usage is missing.
	OutputBytes int
	// Final is the whole answer as the end of the stream repeats it, in dialects that do so, if FollowOptions.Keep asks for it. It is
	// valid until the follower is reset.
	Final []byte
	// Pieces are what the last event brought of the answer's content, in its order, if FollowOptions.Pieces asks for them. They are
	// valid until the next Observe, and memory that they are in is used again.
	Pieces []Piece
}

// Piece is what one event brought of one part of a choice: what a guard looks at, and what a broken answer is gone on from.
type Piece struct {
	Choice int
	// Kind is PartText, PartThinking, PartRefusal or PartToolCall, whose Text is of its arguments; PartOther for all else (images, audio,
	// tools of the provider's), which is not looked into and cannot be gone on with.
	Kind llm.PartKind
	// Index tells parts of one kind apart that are open at once (parallel tool calls); 0 where there is one at a time.
	Index int
	// Begin says that a part begins. Where a dialect does not say so for text (OpenAI), a change of kind does.
	Begin bool
	// End says that the part is whole, in dialects that say so.
	End bool
	// ID and Name are those of a tool call, with Begin.
	ID, Name []byte
	// Text adds to the part. It may be empty.
	Text []byte
	// Escaped says that Text is the inside of a JSON string as it stands on the wire; Unescape gives the text.
	Escaped bool
}

// Follower looks at the events of a streamed answer on their way to the client. It is used by one goroutine.
type Follower interface {
	// Reset begins another stream.
	Reset(o FollowOptions)
	// Observe reads an event and says what to do with it. What must change of it changes in the memory of ev.Raw, or ev.Raw and
	// ev.Data become slices of the follower's own memory, valid until the next Observe. In the long run nothing is allocated.
	// An event counts as a whole or not at all.
	Observe(ev *Event) Action
	// State returns what was seen so far; the same pointer each time.
	State() *Progress
	// Finished reports whether the answer is complete if the stream ends here, cleanly. Done is a clean end too.
	Finished() bool
	// End appends what the client is to be sent after a complete answer besides what was forwarded.
	End(dst []byte) []byte
	// Fail appends what tells the client, within the stream, that the answer ends here with an error.
	Fail(dst []byte, e *llm.Error) []byte
}

// FollowOptions say what of a stream is changed on its way.
type FollowOptions struct {
	// StripUsage is for a client that did not ask for usage while Sluice did (OpenAI).
	StripUsage bool
	// Model is the model name that the client is shown. Empty leaves the provider's.
	Model string
	// Choices is how many the client asked for; 0 is as good as 1.
	Choices int
	// Keep asks for Progress.Final.
	Keep bool
	// ID is the call's, for errors of dialects that name it.
	ID string
	// Pieces asks for Progress.Pieces.
	Pieces bool
}

// Resumer is a Follower of forwarded streams that can be gone on with, after the provider's part of it has broken off.
type Resumer interface {
	// Resume returns a writer in the state as if it had written all that was forwarded: ids, the numbers of events and parts, and what the
	// end of the stream repeats. sofar is the answer as far as it was forwarded, which the caller has added up from the pieces; its last
	// part may not be whole. open says that on the wire that part has not ended: an EventDelta of its kind goes on with it, and
	// EventPartEnd ends it. Otherwise the next event is an EventPart, or EventFinish. EventStart must not be written. FollowOptions.Pieces must
	// have been set.
	Resume(h *llm.Head, sofar *llm.Answer) (w llm.EventWriter, open bool)
}

// Fold adds up a stream to the answer that the provider would have sent whole, in the same dialect: with the members that
// nobody here knows, and numbers as they were written. It is used by one goroutine, for one answer.
type Fold interface {
	// Add takes one event that a Follower has let through: its name (nil if the framing has none) and its data, valid during the call.
	Add(name, data []byte)
	// Append appends the answer. ok is false if the events do not add up to one.
	Append(dst []byte) (answer []byte, ok bool)
}

// Answer is what is read of a whole answer that is forwarded. It belongs to the body that it was read from.
type Answer struct {
	Usage    llm.Usage
	HasUsage bool
	Tier     string // as Progress.Tier
	// Complete is true if every choice has a finish reason, and there is one; for operations without, if there is data.
	Complete bool
	// Model is where the model's name stands in the body, with its quotes; empty if there is no such string.
	Model Span
	// OutputBytes is as in Progress.
	OutputBytes int
}

// AppendAnswer appends body with its model name replaced by model; all other bytes are the same. An answer without a
// model stays without.
func (a *Answer) AppendAnswer(dst, body []byte, model string) []byte {
	if a.Model.Len() == 0 || EqualString(a.Model.Of(body), model) {
		return append(dst, body...)
	}
	dst = append(dst, body[:a.Model.Start]...)
	dst = AppendString(dst, model)
	return append(dst, body[a.Model.End:]...)
}

// Request is what the road reads of a request body, in any dialect.
type Request struct {
	Model       string
	Stream      bool
	Choices     int   // choices that the answer must have, at least 1
	MaxTokens   int64 // limit on output tokens; 0 if there is none
	User        string
	ServiceTier string // in OpenAI's words
	Inputs      int    // embeddings, moderations: number of inputs; rerank: of documents; otherwise 0
	InputBytes  int    // size of the input as text, for an estimate of its tokens; media are counted apart
	MediaTokens int64  // estimate for images and files
	// IncludeUsage says that the client wants usage in the stream, where that is a choice.
	IncludeUsage bool
}

// Fields returns r: what embeds a Request has the method too.
func (r *Request) Fields() *Request { return r }

// Change says what of a request differs for its target where both ends speak one dialect. The zero Change changes nothing.
type Change struct {
	Model   string // the provider's name for the model; "" leaves the client's
	Account string // the provider account that the request goes to; for requests that differ by account
	NoModel bool   // the model stands in the path: it is left out of the body
	// NoThinking leaves out what a model thought in earlier turns: another model would refuse it, where it is bound to its maker.
	NoThinking bool
	Usage      bool // the provider is asked for usage in the stream, where that is a choice
	Set        []llm.Member
	Drop       []string     // top-level members that are left out
	Rename     []NameChange // top-level members that get another name
}

// NameChange gives a member another name.
type NameChange struct{ From, To string }

// Plain reports whether nothing but Model and Usage changes.
func (c *Change) Plain() bool {
	return !c.NoModel && len(c.Set) == 0 && len(c.Drop) == 0 && len(c.Rename) == 0
}

package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Note is one parameter that a target cannot honour as the client wrote it.
type Note struct {
	// Param is the parameter as the client's dialect spells it: "temperature", "generationConfig.topK". Parts of messages are
	// named without their index: "messages[].content[].image_url".
	Param  string
	Reason string // for people: what the target cannot do, and what was done instead
	// Minor notes say that something was expressed otherwise, with the same meaning as far as the target can: they are never a
	// reason to refuse, and no header names them.
	Minor bool
}

// Adapted is a request as one target can express it, together with what has to be turned back in its answer. It belongs to one
// attempt.
type Adapted struct {
	// Chat is what the target's codec is to write. Parts of it may be shared with the request that it was made of: it is for reading.
	Chat *llm.Chat

	to     llm.Dialect
	traits *model.Traits
	names  map[string]string // of tools: the client's by the target's, where they differ
	custom map[string]bool   // tools, by the target's name, that take free text at the client
	schema string            // the tool whose arguments are the answer's text; "" if there is none
}

// Adapt returns the request as a target of another dialect, with a model of these traits, can express it, and what that
// leaves out or changes. c is not changed. The error is of KindBadRequest, for what no target could be sent (a result of a tool
// that was never called).
//
// t may be nil. Adapt does not fetch anything: an image given by its address, for a target that takes data only, is left out with a
// note.
func Adapt(c *llm.Chat, from, to llm.Dialect, t *model.Traits) (*Adapted, []Note, *llm.Error) {
	return &Adapted{Chat: c, to: to, traits: t}, nil, nil
}

// AppendBody appends the request in the target's dialect, with the names that its server wants.
func (a *Adapted) AppendBody(dst []byte) []byte {
	return Of(a.to).AppendChat(dst, a.Chat)
}

// Changes reports whether answers have to be turned back: if not, Writer and Answer do nothing.
func (a *Adapted) Changes() bool { return len(a.names) > 0 || len(a.custom) > 0 || a.schema != "" }

// Writer returns a writer that turns events back to what the client asked for (names of tools, free text of custom tools, the
// text of a structured answer) before w writes them; w itself where there is nothing to turn back.
func (a *Adapted) Writer(w llm.EventWriter) llm.EventWriter { return w }

// Answer turns a whole answer back, in place, as Writer does for a stream.
func (a *Adapted) Answer(x *llm.Answer) {}

// AdaptSame adds to a change what a model of these traits needs of a request in its own dialect (members that it refuses, or
// knows by another name), and returns what that leaves out. For a model without such traits the body is not looked at.
func AdaptSame(d llm.Dialect, op llm.Op, body []byte, t *model.Traits, c *wire.Change) []Note {
	return nil
}

package dialect

import (
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Policy is what becomes of a parameter that the chosen target cannot honour.
type Policy uint8

// The policies.
const (
	Warn   Policy = iota // it is left out, and a header of the answer names it
	Drop                 // it is left out
	Reject               // the call is refused, and the error names it
)

// Note is one parameter that a target cannot honour as the client wrote it.
type Note struct {
	Param  string // as the client's dialect spells it: "temperature", "messages[2].content[0]"
	Reason string // for people: what the target cannot do, and what was done instead
	// Minor notes say that something was expressed otherwise, with the same meaning as far as the target can: they are never a
	// reason to refuse.
	Minor bool
}

// Adapt returns the request as a target of another dialect, with a model of these traits, can express it, and what that
// leaves out or changes. c is not changed; what is the same is shared.
func Adapt(c *llm.Chat, from, to llm.Dialect, t *model.Traits) (*llm.Chat, []Note) {
	return c, nil
}

// AdaptSame adds to a change what a model of these traits needs of a request in its own dialect (members that it refuses, or
// knows by another name), and returns what that leaves out. For a model without such traits the body is not looked at.
func AdaptSame(d llm.Dialect, op llm.Op, body []byte, t *model.Traits, c *wire.Change) []Note {
	return nil
}

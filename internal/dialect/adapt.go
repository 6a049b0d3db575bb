package dialect

import (
	"slices"

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

// adapter makes one Adapted. Its methods are the steps, each on its part of the request.
type adapter struct {
	c        *llm.Chat // a copy: turns and parts too, but not what strings hold
	from, to llm.Dialect
	t        *model.Traits
	notes    []Note
	out      *Adapted
	wanted   model.Feature // by which the client asks for thinking
	held     []llm.Part    // media of tools' results that wait for their place
}

// Adapt returns the request as a target of a dialect, with a model of these traits, can express it, and what that leaves out or
// changes. c is not changed. The error is of KindBadRequest, for what no target could be sent (a tool's result without its call).
//
// The steps go by the table of capabilities: what the target has is kept, what it has in another form is expressed in that, with a
// Minor note, and what it has not is left out, with a note that names it as the client's dialect spells it.
//
// t may be nil. Adapt does not fetch anything: an image given by its address, for a target that takes data only, is left out.
func Adapt(c *llm.Chat, from, to llm.Dialect, t *model.Traits) (*Adapted, []Note, *llm.Error) {
	if t == nil {
		t = &model.Traits{}
	}
	a := &adapter{c: clone(c), from: from, to: to, t: t}
	a.out = &Adapted{Chat: a.c, to: to, traits: t}
	a.extra()
	if e := a.calls(); e != nil {
		return nil, nil, e
	}
	a.turns()
	if len(a.c.Messages) == 0 {
		e := llm.Errorf(llm.KindBadRequest, "%s has nothing that %s could answer", a.messages(), to)
		e.Param = a.messages()
		return nil, nil, e
	}
	a.tools()
	a.format()
	a.toolNames()
	a.output()
	a.reasoning()
	a.sampling()
	a.account()
	return a.out, a.notes, nil
}

// clone copies a request as deep as the steps change it.
func clone(c *llm.Chat) *llm.Chat {
	d := *c
	d.Messages = slices.Clone(c.Messages)
	for i := range d.Messages {
		d.Messages[i].Parts = cloneParts(d.Messages[i].Parts)
	}
	d.Tools = slices.Clone(c.Tools)
	d.ToolChoice.Names = slices.Clone(c.ToolChoice.Names)
	d.Stop = slices.Clone(c.Stop)
	return &d
}

func cloneParts(parts []llm.Part) []llm.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Parts = cloneParts(parts[i].Parts)
	}
	return parts
}

// can returns what the target makes of a feature.
func (a *adapter) can(f model.Feature) Level {
	level, _ := Can(f, a.to, a.t)
	return level
}

// note tells of a feature, with the table's reason. It is Minor if the target has another form for it.
func (a *adapter) note(f model.Feature) {
	level, how := Can(f, a.to, a.t)
	a.tell(nameOf(f, a.from), how, level == Changed)
}

// lost tells of a feature that is left out.
func (a *adapter) lost(f model.Feature, reason string) { a.tell(nameOf(f, a.from), reason, false) }

// minor tells of a feature that is expressed otherwise.
func (a *adapter) minor(f model.Feature, reason string) { a.tell(nameOf(f, a.from), reason, true) }

// tell adds a note, once.
func (a *adapter) tell(param, reason string, minor bool) {
	n := Note{Param: param, Reason: reason, Minor: minor}
	if !slices.Contains(a.notes, n) {
		a.notes = append(a.notes, n)
	}
}

// extra notes what the client's dialect has a member for, and llm has no word. Between the same dialect they go along.
func (a *adapter) extra() {
	if a.from == a.to {
		return
	}
	for i := range a.c.Extra {
		a.tell(a.c.Extra[i].Name, noParam, false)
	}
	a.c.Extra = nil
}

// AppendBody appends the request in the target's dialect, with the names that its server wants.
func (a *Adapted) AppendBody(dst []byte) []byte {
	if a.traits == nil || len(a.traits.Renames) == 0 {
		return Of(a.to).AppendChat(dst, a.Chat)
	}
	body := Of(a.to).AppendChat(nil, a.Chat)
	var c wire.Change
	rename(&c, walk(body), a.traits)
	if c.Plain() {
		return append(dst, body...)
	}
	return wire.AppendChanged(dst, body, &c)
}

// StripThinking returns the request without thinking of earlier turns, c itself if it has none. It is for a call that goes to another
// model than the conversation was had with, where that model takes only its own (model.Traits.BoundThinking).
func StripThinking(c *llm.Chat) *llm.Chat {
	thinks := func(p llm.Part) bool { return p.Kind == llm.PartThinking || p.Kind == llm.PartRedacted }
	if !slices.ContainsFunc(c.Messages, func(t llm.Turn) bool { return slices.ContainsFunc(t.Parts, thinks) }) {
		return c
	}
	d := clone(c)
	for i := range d.Messages {
		d.Messages[i].Parts = slices.DeleteFunc(d.Messages[i].Parts, thinks)
	}
	d.Messages = slices.DeleteFunc(d.Messages, func(t llm.Turn) bool { return len(t.Parts) == 0 })
	return d
}

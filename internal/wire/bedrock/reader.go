package bedrock

import (
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// NewReader returns a reader of the events of converse-stream, as Frames gives them.
func NewReader() llm.EventReader { return &reader{index: -1} }

// reader follows one streamed answer. Blocks come one after another, each with its index; texts and thinking begin with their first
// delta, tool calls and images with a start.
type reader struct {
	index int // of the block that is open; -1 if none is
	part  llm.PartKind
	wrote bool // the open tool call has had a piece of its input

	signature []byte
	citations []llm.Citation
	media     llm.Part

	scan  wire.Scanner
	piece delta
	text  []byte // unescaped text of the event under way

	usage   llm.Usage
	started bool
	stopped bool
	ended   bool
}

// Read appends the events that one frame stands for.
func (r *reader) Read(dst []llm.Event, name, data []byte) ([]llm.Event, *llm.Error) {
	if !known(name) {
		if x := exceptionOf(string(name)); x.kind != llm.KindNone || string(name) == "error" {
			return dst, streamError(name, data)
		}
		return dst, nil // events may be added to the protocol
	}
	if !wire.Valid(data) {
		return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
	}
	dst = r.start(dst)
	switch string(name) {
	case "contentBlockStart":
		return r.blockStart(dst, data), nil
	case "contentBlockDelta":
		return r.blockDelta(dst, data), nil
	case "contentBlockStop":
		return r.close(dst), nil
	case "messageStop":
		var m struct {
			Stop string `json:"stopReason"`
		}
		if json.Unmarshal(data, &m) != nil {
			return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
		}
		r.stopped = true
		return append(r.close(dst), llm.Event{Kind: llm.EventFinish, Finish: finishOf(m.Stop), Name: m.Stop}), nil
	case "metadata":
		return r.metadata(dst, data), nil
	}
	return dst, nil
}

func known(name []byte) bool {
	switch string(name) {
	case "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata":
		return true
	}
	return false
}

// start appends the start of the answer, once.
func (r *reader) start(dst []llm.Event) []llm.Event {
	if r.started {
		return dst
	}
	r.started = true
	return append(dst, llm.Event{Kind: llm.EventStart})
}

// metadata is the last event of a stream.
func (r *reader) metadata(dst []llm.Event, data []byte) []llm.Event {
	var m struct {
		Usage *usage       `json:"usage"`
		Tier  *serviceTier `json:"serviceTier"`
	}
	if json.Unmarshal(data, &m) != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	e := llm.Event{Kind: llm.EventUsage, ServiceTier: tierOf(m.Tier)}
	if m.Usage != nil {
		r.usage = m.Usage.usage()
		e.Usage = &r.usage
	}
	dst = append(dst, e)
	if r.stopped && !r.ended {
		r.ended = true
		dst = append(dst, llm.Event{Kind: llm.EventEnd})
	}
	return dst
}

// End appends nothing: nothing is held back. A stream without messageStop was cut.
func (r *reader) End(dst []llm.Event) ([]llm.Event, *llm.Error) {
	if !r.stopped {
		return dst, llm.Errorf(llm.KindTruncated, "provider's stream ended before messageStop")
	}
	return dst, nil
}

// blockStart opens a tool call or an image.
func (r *reader) blockStart(dst []llm.Event, data []byte) []llm.Event {
	var s struct {
		Index int `json:"contentBlockIndex"`
		Start struct {
			ToolUse *toolUse `json:"toolUse"`
			Image   *media   `json:"image"`
		} `json:"start"`
	}
	if json.Unmarshal(data, &s) != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	dst = r.close(dst)
	switch {
	case s.Start.ToolUse != nil:
		r.index, r.part, r.wrote = s.Index, llm.PartToolCall, false
		return append(dst, llm.Event{Kind: llm.EventPart, Part: llm.PartToolCall, ID: s.Start.ToolUse.ID, Name: s.Start.ToolUse.Name})
	case s.Start.Image != nil:
		// It is given out whole, when it is.
		r.index, r.part = s.Index, llm.PartImage
		r.media = llm.Part{Kind: llm.PartImage, MIME: mimeOf(s.Start.Image.Format, "image")}
	}
	return dst
}

// close ends the open block.
func (r *reader) close(dst []llm.Event) []llm.Event {
	if r.index < 0 {
		return dst
	}
	switch {
	case r.part == llm.PartImage:
		m := r.media
		dst = append(dst, llm.Event{Kind: llm.EventPart, Part: llm.PartImage, Media: &m})
	case r.part == llm.PartToolCall && !r.wrote:
		dst = append(dst, llm.Event{Kind: llm.EventDelta, Part: r.part, Text: append(r.text[:0], "{}"...)})
	}
	e := llm.Event{Kind: llm.EventPartEnd, Part: r.part, Citations: r.citations}
	if len(r.signature) > 0 {
		e.Signature, e.Origin = string(r.signature), llm.Converse
	}
	r.index, r.signature, r.citations = -1, r.signature[:0], nil
	return append(dst, e)
}

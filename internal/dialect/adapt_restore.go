package dialect

import (
	"encoding/json"

	"sluice/internal/llm"
)

func unmarshal(text string, v any) bool { return json.Unmarshal([]byte(text), v) == nil }

// Changes reports whether answers have to be turned back: if not, Writer and Answer do nothing.
func (a *Adapted) Changes() bool { return len(a.names) > 0 || len(a.custom) > 0 || a.schema != "" }

// Answer turns a whole answer back, in place, as Writer does for a stream.
func (a *Adapted) Answer(x *llm.Answer) {
	if !a.Changes() {
		return
	}
	for i := range x.Choices {
		c := &x.Choices[i]
		for j := range c.Parts {
			p := &c.Parts[j]
			switch {
			case p.Kind != llm.PartToolCall:
			case a.schema != "" && p.Name == a.schema:
				*p = llm.Part{Kind: llm.PartText, Text: p.Text}
			default:
				if a.custom[p.Name] {
					p.Custom, p.Text = true, unwrapInput(p.Text)
				}
				p.Name = a.clientName(p.Name)
			}
		}
		c.Finish = a.finish(c.Finish)
	}
}

// finish turns the end of an answer back whose text came as a call.
func (a *Adapted) finish(f llm.Finish) llm.Finish {
	if a.schema != "" && f == llm.FinishTools {
		return llm.FinishStop
	}
	return f
}

// clientName returns the client's name of a tool.
func (a *Adapted) clientName(name string) string {
	if n, ok := a.names[name]; ok {
		return n
	}
	return name
}

// unwrapInput returns the free text within the arguments of a function that stands for a custom tool. Arguments of another shape are
// the text themselves: it is what the model wrote.
func unwrapInput(arguments string) string {
	var in struct {
		Input *string `json:"input"`
	}
	if !unmarshal(arguments, &in) || in.Input == nil {
		return arguments
	}
	return *in.Input
}

// Writer returns a writer that turns events back to what the client asked for (names of tools, free text of custom tools, the
// text of a structured answer) before w writes them; w itself where there is nothing to turn back.
func (a *Adapted) Writer(w llm.EventWriter) llm.EventWriter {
	if !a.Changes() {
		return w
	}
	return &restorer{a: a, w: w}
}

// restorer turns the events of one stream back. The input of a custom tool is held until it is whole, since its text stands within
// JSON.
type restorer struct {
	a    *Adapted
	w    llm.EventWriter
	open map[int]*restoring // parts that are under way, by choice; nil while none has to be turned back
	e    llm.Event          // the event as it is written
}

type restoring struct {
	schema, custom bool
	input          []byte
}

func (r *restorer) Write(dst []byte, e *llm.Event) []byte {
	r.e = *e
	switch e.Kind {
	case llm.EventPart:
		r.begin(e)
	case llm.EventDelta, llm.EventPartEnd:
		if o := r.open[e.Choice]; o != nil {
			return r.within(dst, e, o)
		}
	case llm.EventFinish:
		r.e.Finish = r.a.finish(e.Finish)
	}
	return r.w.Write(dst, &r.e)
}

func (r *restorer) begin(e *llm.Event) {
	delete(r.open, e.Choice)
	if e.Part != llm.PartToolCall {
		return
	}
	o := &restoring{schema: r.a.schema != "" && e.Name == r.a.schema, custom: r.a.custom[e.Name]}
	if o.schema || o.custom {
		if r.open == nil {
			r.open = map[int]*restoring{}
		}
		r.open[e.Choice] = o
	}
	if o.schema {
		r.e.Part, r.e.ID, r.e.Name = llm.PartText, "", ""
		return
	}
	r.e.Name, r.e.Custom = r.a.clientName(e.Name), e.Custom || o.custom
}

// within writes an event of a part that has to be turned back.
func (r *restorer) within(dst []byte, e *llm.Event, o *restoring) []byte {
	switch {
	case o.schema:
		r.e.Part = llm.PartText
		if e.Kind == llm.EventPartEnd {
			r.e.Signature, r.e.Origin = "", 0
		}
	case e.Kind == llm.EventDelta:
		o.input = append(o.input, e.Text...)
		return dst
	default:
		r.e.Custom = true
		if text := unwrapInput(string(o.input)); text != "" {
			d := llm.Event{Kind: llm.EventDelta, Choice: e.Choice, Part: e.Part, Custom: true, Text: []byte(text)}
			dst = r.w.Write(dst, &d)
		}
	}
	if e.Kind == llm.EventPartEnd {
		delete(r.open, e.Choice)
	}
	return r.w.Write(dst, &r.e)
}

func (r *restorer) End(dst []byte) []byte { return r.w.End(dst) }

func (r *restorer) Fail(dst []byte, e *llm.Error) []byte { return r.w.Fail(dst, e) }

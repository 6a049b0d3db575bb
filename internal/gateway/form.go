package gateway

import (
	"bytes"
	"slices"
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/shape"
)

// marks are what a request has that demands a form of its answer, in the words of all fronts.
func marks() [][]byte {
	return [][]byte{
		[]byte(`json_object`), []byte(`schema`), []byte(`Schema`), []byte(`application/json`), []byte(`"tools"`), []byte(`"functions"`),
	}
}

// form returns what the request demands of its answer; nil if it demands nothing, or nobody is to look. It is found out once a call.
func (r *run) form() *shape.Form {
	if r.formKnown {
		return r.demand
	}
	r.formKnown = true
	s := &r.settings.Rescue.Structured
	if !isChat(r.x.Call.Op) || r.x.Upload != nil || r.x.Call.Stream && s.Stream != "check" && s.Stream != "hold" || !r.x.Call.Stream && s.Retry == 0 {
		return nil
	}
	any := false
	for _, m := range marks() {
		any = any || bytes.Contains(r.x.Body, m)
	}
	if !any || r.readFront() != nil {
		return nil
	}
	r.demand = r.g.forms.Form(&r.x.Chat.Format, r.demanded(), s.Schema)
	return r.demand
}

// demanded returns the request's tools with the schemas that their arguments are held to. A stream that is only checked cannot be tried
// again unseen, and an agent may rather tell its model what was wrong: there the arguments of tools that are not strict have only to be
// JSON.
func (r *run) demanded() []llm.Function {
	tools := r.x.Chat.Tools
	if !r.x.Call.Stream || r.settings.Rescue.Structured.Stream != "check" {
		return tools
	}
	tools = slices.Clone(tools)
	for i := range tools {
		if strict := tools[i].Strict; strict == nil || !*strict {
			tools[i].Parameters = ""
		}
	}
	return tools
}

// holds reports whether a stream is kept until it is whole, and has the form that was demanded.
func (r *run) holds() bool {
	return r.x.Call.Stream && r.settings.Rescue.Structured.Stream == "hold" && r.resc == nil && r.form() != nil
}

// checkEnd holds what was seen of a stream to the form that was demanded, when its end has come.
func (r *run) checkEnd(rl *relay) *llm.Error {
	if t, ok := rl.stream.(*dialect.Translation); ok {
		rl.why = t.Finish()
	} else {
		rl.why = dialect.FinishOf(r.x.Call.Front, rl.ev.Name, rl.ev.Data)
	}
	if rl.watch.rec.many || rl.watch.rec.over() {
		return nil
	}
	c := rl.watch.rec.answer().Choices[0]
	c.Finish = rl.why
	if e := r.form().Check(&c); e != nil {
		return r.misshapen(&c, e)
	}
	return nil
}

// misshapen notes what is wrong with a choice, and sees to it that the next request says so.
func (r *run) misshapen(c *llm.Choice, e *llm.Error) *llm.Error {
	e.Sent = llm.WasSent
	r.badForms++
	if r.badForms > r.settings.Rescue.Structured.Retry || !r.committed.IsZero() {
		r.g.metrics.Guard(e.Kind, "cancel")
		e.Advice = llm.DoNotRetry
		return e
	}
	r.g.metrics.Guard(e.Kind, "retry")
	r.stricter = stricter(c, r.form().Instruction(e))
	return e
}

// formed holds a whole answer to the form that was demanded. What stands around it is taken away; else the error asks for another
// attempt.
func (r *run) formed(body []byte, a *llm.Answer) ([]byte, *llm.Answer, *llm.Error) {
	form := r.form()
	if form == nil {
		return body, a, nil
	}
	front := dialect.Of(r.x.Call.Front)
	read, e := front.ReadAnswer(body)
	if e != nil {
		return body, a, nil // nobody has said that every answer can be read here
	}
	mended := false
	for i := range read.Choices {
		c := &read.Choices[i]
		e := form.Check(c)
		if e == nil {
			continue
		}
		if !mend(form, c) {
			return nil, nil, r.misshapen(c, e)
		}
		mended = true
	}
	if !mended {
		return body, a, nil
	}
	r.g.metrics.Guard(llm.KindInvalidOutput, "mend")
	head := r.head()
	head.Model = read.Model
	return front.AppendAnswer(nil, read, &head), read, nil // it is no longer the provider's own, and has another id
}

// mend takes away what stands around the JSON of a choice, and reports whether it then has the form.
func mend(form *shape.Form, c *llm.Choice) bool {
	at := -1
	for i := range c.Parts {
		if c.Parts[i].Kind == llm.PartText {
			if at >= 0 {
				return false
			}
			at = i
		}
	}
	if at < 0 {
		return false
	}
	text, ok := form.Mend(c.Parts[at].Text)
	if ok {
		c.Parts[at].Text = text
	}
	return ok
}

// maxQuoted bounds how much of an answer in the wrong form the model is shown again, in bytes.
const maxQuoted = 16 << 10

// stricter returns the turns that ask for an answer again: what the model has said, if it is text that is worth showing, and what is
// demanded.
func stricter(c *llm.Choice, instruction string) []llm.Turn {
	ask := llm.Turn{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: instruction}}}
	text, calls := "", false
	for i := range c.Parts {
		switch c.Parts[i].Kind {
		case llm.PartText:
			text += c.Parts[i].Text
		case llm.PartToolCall: // which would have to be followed by its result
			calls = true
		}
	}
	if strings.TrimSpace(text) == "" || calls || len(text) > maxQuoted {
		return []llm.Turn{ask}
	}
	return []llm.Turn{{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}, ask}
}

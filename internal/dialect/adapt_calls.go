package dialect

import (
	"fmt"
	"hash/fnv"
	"strconv"

	"sluice/internal/llm"
)

// calls repairs the ids that join calls of tools with their results, and refuses what cannot be joined. Afterwards:
//
//  1. each call has an id of its own within the conversation, in a form that the target takes;
//  2. each call is followed by its result before anyone else speaks, in the turns right after the call's;
//  3. each result has the id, and the name, of its call.
//
// Dialects without ids (Gemini) leave them empty: results then belong to the calls of the turn before by their name, in order.
func (a *adapter) calls() *llm.Error {
	w := callWalk{a: a, used: map[string]bool{}}
	for i := range a.c.Messages {
		t := &a.c.Messages[i]
		if t.Role == llm.RoleTool {
			if e := w.results(t); e != nil {
				return e
			}
			continue
		}
		if t.Role == llm.RoleSystem || t.Role == llm.RoleDeveloper {
			continue // it may stand between a call and its result
		}
		if e := w.unanswered(); e != nil {
			return e
		}
		if t.Role == llm.RoleAssistant {
			w.begin(t, i)
		}
	}
	return w.unanswered()
}

// callWalk goes through a conversation from call to result.
type callWalk struct {
	a    *adapter
	used map[string]bool // ids, as they are sent
	open []openCall      // calls without a result yet, in order
}

type openCall struct {
	id   string // the client's
	sent string // to the target
	name string
}

// begin takes the calls of an assistant's turn.
func (w *callWalk) begin(t *llm.Turn, turn int) {
	w.open = w.open[:0]
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.Kind != llm.PartToolCall {
			continue
		}
		id := p.ID
		if id == "" {
			id = "call_" + strconv.Itoa(turn) + "_" + strconv.Itoa(i)
		}
		sent := w.a.idFor(id)
		for n := 2; w.used[sent]; n++ {
			sent = w.a.idFor(id + "_" + strconv.Itoa(n))
		}
		w.used[sent] = true
		w.open = append(w.open, openCall{p.ID, sent, p.Name})
		p.ID = sent
		if len(w.open) == 1 {
			w.a.sign(p)
		}
	}
}

// sign gives the first call of a turn the word for one that another model made, where the model refuses calls without signature. Of calls at
// once only the first has one.
func (a *adapter) sign(p *llm.Part) {
	if a.t.CallSignature != "" && (p.Signature == "" || p.Origin != a.to) {
		p.Signature, p.Origin = a.t.CallSignature, a.to
	}
}

// results joins the results of a turn with their calls.
func (w *callWalk) results(t *llm.Turn) *llm.Error {
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.Kind != llm.PartToolResult {
			continue
		}
		at := w.find(p)
		if at < 0 {
			e := llm.Errorf(llm.KindBadRequest, "a tool's result is for call %q, but the assistant's turn before it has no such call without a result", orName(p))
			e.Param = w.a.messages()
			return e
		}
		p.ID, p.Name = w.open[at].sent, w.open[at].name
		w.open = append(w.open[:at], w.open[at+1:]...)
	}
	return nil
}

// orName returns the id that a result names, or else its tool's name.
func orName(p *llm.Part) string {
	if p.ID != "" {
		return p.ID
	}
	return p.Name
}

// find returns the place of a result's call in open; -1 if there is none.
func (w *callWalk) find(p *llm.Part) int {
	for i := range w.open {
		if p.ID != "" && w.open[i].id == p.ID {
			return i
		}
	}
	for i := range w.open { // without ids, by name
		if (p.ID == "" || w.open[i].id == "") && p.Name != "" && w.open[i].name == p.Name {
			return i
		}
	}
	if p.ID == "" && p.Name == "" && len(w.open) > 0 {
		return 0
	}
	return -1
}

// unanswered refuses a conversation that goes on without the results of some calls.
func (w *callWalk) unanswered() *llm.Error {
	if len(w.open) == 0 {
		return nil
	}
	o := w.open[0]
	if o.id == "" {
		o.id = o.sent
	}
	e := llm.Errorf(llm.KindBadRequest, "the call %q of tool %q has no result: each call of a tool must be followed by one", o.id, o.name)
	e.Param = w.a.messages()
	return e
}

// messages is the member that holds the conversation, as the client's dialect spells it.
func (a *adapter) messages() string {
	switch a.from {
	case llm.Responses:
		return "input"
	case llm.Gemini:
		return "contents"
	}
	return "messages"
}

// idFor returns an id in a form that the target takes; it depends on nothing but the id. Sources: OpenAI takes up to 64 bytes,
// Anthropic and Converse letters, digits, _ and - (Converse up to 64), Mistral exactly nine letters and digits (traits).
func (a *adapter) idFor(id string) string {
	if n := a.t.ToolIDs; n > 0 {
		if len(id) == n && only(id, "") {
			return id
		}
		return hashID(id, n)
	}
	switch a.to {
	case llm.OpenAI, llm.Responses:
		if len(id) > 64 {
			return "call_" + hashID(id, 16)
		}
	case llm.Anthropic, llm.Converse:
		if len(id) > 64 || !only(id, "_-") {
			return "call_" + hashID(id, 16)
		}
	}
	return id
}

// only reports whether s has nothing but letters, digits and the bytes of more.
func only(s, more string) bool {
	for i := range len(s) {
		if !isWord(s[i], more) {
			return false
		}
	}
	return true
}

func isWord(c byte, more string) bool {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
		return true
	}
	for i := range len(more) {
		if more[i] == c {
			return true
		}
	}
	return false
}

// hashID returns n letters and digits made of an id.
func hashID(id string, n int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out := make([]byte, 0, n)
	for round := 0; len(out) < n; round++ {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d:%s", round, id)
		v := h.Sum64()
		for range 10 { // ten digits of base 62 fit 64 bits
			if len(out) < n {
				out = append(out, digits[v%62])
				v /= 62
			}
		}
	}
	return string(out)
}

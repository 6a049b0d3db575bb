package gemini

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// chatReader reads one request.
type chatReader struct {
	decoder
	chat  *llm.Chat
	calls []asked
	made  int // ids that were made up
}

// asked is a call of the history that may still wait for its result.
type asked struct {
	id, name string
	made     bool // the id was made up
	answered bool
}

// ReadChat reads a whole generateContent request for its translation, or with OpCountTokens what a countTokens request is about. Model and Stream stand in the path: who has read that sets
// them. The error is of KindBadRequest, with the path of the field in Param.
//
// Calls and results of the API need no ids. Those that are missing are made up: call_0 for the first of the conversation, and
// so on, the same each time the conversation comes again. A result without id belongs to the first call of its name that has none
// yet.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	if _, err := ParseRequest(op, body); err != nil {
		return nil, err
	}
	r := chatReader{chat: &llm.Chat{Choices: 1, StreamUsage: true}}
	o := r.object(element{"", body})
	if op == llm.OpCountTokens {
		if inner := o.sub("generateContentRequest"); inner != nil {
			o = inner
		}
	}
	if sys := o.sub("systemInstruction"); sys != nil {
		r.content(sys, llm.RoleSystem)
	}
	for _, e := range o.list("contents") {
		c := r.object(e)
		r.content(c, r.role(c))
	}
	for _, e := range o.list("tools") {
		r.tool(r.object(e))
	}
	r.toolConfig(o.sub("toolConfig"))
	if g := o.sub("generationConfig"); g != nil {
		r.config(g)
	}
	r.chat.ServiceTier = tierOf(o.text("serviceTier"))
	o.raw("model") // of no effect: it stands in the path
	o.rest()
	if r.err == nil && len(r.chat.Messages) == 0 {
		r.fail("contents", "contents is empty")
	}
	if r.err != nil {
		return nil, r.err
	}
	r.chat.Extra = r.extra
	return r.chat, nil
}

func (r *chatReader) role(c *object) llm.Role {
	switch name := c.text("role"); name {
	case "user", "function", "tool", "":
		return llm.RoleUser
	case "model":
		return llm.RoleAssistant
	case "system":
		return llm.RoleSystem
	default:
		r.fail(c.at("role"), "%s is %q; it must be user or model", c.at("role"), wire.Clip([]byte(name), 32))
		return 0
	}
}

// content adds the turns of a content. Results of tools make turns of their own.
//
// Of a streamed answer the SDKs' chats keep each chunk as a content of its own, and send them all back. So contents of the model
// that follow each other are one turn here, and its texts and thoughts are put together again: a signature holds for all of what it
// came after.
func (r *chatReader) content(c *object, role llm.Role) {
	c.raw("role")
	all := &r.chat.Messages
	turn := llm.Turn{Role: role}
	if n := len(*all); role == llm.RoleAssistant && n > 0 && (*all)[n-1].Role == role {
		turn, *all = (*all)[n-1], (*all)[:n-1]
	}
	flush := func(next llm.Role) {
		if len(turn.Parts) > 0 {
			*all = append(*all, turn)
		}
		turn = llm.Turn{Role: next}
	}
	for _, e := range c.list("parts") {
		p, ok := r.part(e)
		if !ok {
			continue
		}
		want := role
		if p.Kind == llm.PartToolResult {
			want = llm.RoleTool
		}
		if turn.Role != want {
			flush(want)
		}
		if n := len(turn.Parts); role == llm.RoleAssistant && n > 0 && goesOn(&turn.Parts[n-1], &p) {
			last := &turn.Parts[n-1]
			last.Text += p.Text
			last.Signature, last.Origin = p.Signature, p.Origin
			continue
		}
		turn.Parts = append(turn.Parts, p)
	}
	flush(0)
	c.rest()
}

// goesOn reports whether p goes on with the text or thought that came before it.
func goesOn(before, p *llm.Part) bool {
	return before.Kind == p.Kind && (p.Kind == llm.PartText || p.Kind == llm.PartThinking) && before.Signature == ""
}

// part reads one part. ok is false if it says nothing.
func (r *chatReader) part(e element) (p llm.Part, ok bool) {
	if k := kind(e.value); k != wire.Object {
		r.fail(e.path, "%s is %s; it must be an object", e.path, k)
		return p, false
	}
	var sc wire.Scanner
	sc.Reset(e.value)
	raw := scanPart(&sc, e.value)
	if raw.empty() {
		return p, false
	}
	for _, m := range raw.rest {
		r.extra = append(r.extra, llm.Member{Name: join(e.path, m.Name), Value: m.Value})
	}
	redacted := false
	switch raw.kind {
	case llm.PartText, llm.PartThinking:
		p = llm.Part{Kind: raw.kind, Text: unquote(raw.value.Of(e.value))}
	case llm.PartToolCall:
		p = r.call(element{join(e.path, "functionCall"), raw.value.Of(e.value)})
	case llm.PartToolResult:
		p = r.result(element{join(e.path, "functionResponse"), raw.value.Of(e.value)})
	default:
		p = *raw.media(e.value)
	}
	if text := unquote(raw.signature.Of(e.value)); text != "" {
		p.Signature, p.Origin, redacted = unseal(text)
		if redacted {
			p.Kind = llm.PartRedacted
		}
	}
	return p, true
}

// call reads a functionCall of the history.
func (r *chatReader) call(e element) llm.Part {
	o := r.object(e)
	a := asked{id: o.text("id"), name: o.text("name")}
	if a.name == "" {
		r.fail(o.at("name"), "%s is missing", o.at("name"))
	}
	if a.id == "" {
		a.id, a.made = r.newID(), true
	}
	args := o.raw("args")
	if k := kind(args); args != nil && k != wire.Object {
		r.fail(o.at("args"), "%s is %s; it must be an object", o.at("args"), k)
	}
	o.rest()
	r.calls = append(r.calls, a)
	return llm.Part{Kind: llm.PartToolCall, ID: a.id, Name: a.name, Text: string(appendCompact(nil, args))}
}

// newID makes up an id.
func (r *chatReader) newID() string {
	r.made++
	return "call_" + strconv.Itoa(r.made-1)
}

// result reads a functionResponse.
func (r *chatReader) result(e element) llm.Part {
	o := r.object(e)
	id, name := o.text("id"), o.text("name")
	p := llm.Part{Kind: llm.PartToolResult, ID: r.match(id, name), Name: name}
	response := o.raw("response")
	if k := kind(response); response != nil && k != wire.Object {
		r.fail(o.at("response"), "%s is %s; it must be an object", o.at("response"), k)
		return p
	}
	text, isError := resultText(response)
	p.IsError = isError
	if text != "" {
		p.Parts = append(p.Parts, llm.Part{Kind: llm.PartText, Text: text})
	}
	for _, part := range o.list("parts") {
		if one, ok := r.part(part); ok {
			p.Parts = append(p.Parts, one)
		}
	}
	o.rest()
	return p
}

// match returns the id of the call that a result is for.
func (r *chatReader) match(id, name string) string {
	fits := func(a *asked) bool { return !a.answered && (name == "" || a.name == name) && (id == "" || a.made) }
	for i := range r.calls {
		if a := &r.calls[i]; id != "" && a.id == id && !a.answered {
			a.answered = true
			return id
		}
	}
	for i := range r.calls {
		if a := &r.calls[i]; fits(a) {
			a.answered = true
			return a.id
		}
	}
	if id != "" {
		return id
	}
	return r.newID()
}

// resultText returns the text of a tool's response. By the SDKs' documentation the result stands under output, or under error
// if there was one; many write it under result. Any other object is the result itself.
func resultText(response []byte) (text string, isError bool) {
	var sc wire.Scanner
	sc.Reset(response)
	if !sc.Object() {
		return "", false
	}
	name, ok := sc.Member()
	if !ok {
		return "{}", false
	}
	isError = string(name) == "error"
	known := isError || string(name) == "output" || string(name) == "result"
	k := sc.Kind()
	value := sc.Value().Of(response)
	if _, more := sc.Member(); more || !known {
		return string(appendCompact(nil, response)), false
	}
	if k == wire.String {
		return unquote(value), isError
	}
	return string(appendCompact(nil, value)), isError
}

// tool reads an element of tools: functions, and tools of Google's own.
func (r *chatReader) tool(o *object) {
	for _, e := range o.list("functionDeclarations") {
		f := r.object(e)
		fn := llm.Function{Name: f.text("name"), Description: f.text("description")}
		if fn.Name == "" {
			r.fail(f.at("name"), "%s is missing", f.at("name"))
		}
		if s := f.raw("parametersJsonSchema"); s != nil {
			fn.Parameters = string(s)
		} else if s := f.raw("parameters"); s != nil {
			fn.Parameters = string(appendSchema(nil, s))
		}
		f.rest()
		r.chat.Tools = append(r.chat.Tools, fn)
	}
	for i := range o.members {
		if m := &o.members[i]; !m.used && string(m.value) != "null" {
			raw := append(append(wire.AppendString([]byte{'{'}, m.as), ':'), m.value...)
			r.chat.Tools = append(r.chat.Tools, llm.Function{Name: m.name, Raw: string(append(raw, '}')), Origin: llm.Gemini})
		}
	}
}

func (r *chatReader) toolConfig(o *object) {
	if o == nil {
		return
	}
	if f := o.sub("functionCallingConfig"); f != nil {
		c := &r.chat.ToolChoice
		switch mode := f.enum("mode", ""); mode {
		case "AUTO", "VALIDATED": // VALIDATED is AUTO with arguments that are held to the schema
			c.Mode = llm.ToolsAuto
		case "ANY":
			c.Mode = llm.ToolsRequired
		case "NONE":
			c.Mode = llm.ToolsNone
		case "", "MODE_UNSPECIFIED":
		default:
			r.fail(f.at("mode"), "%s is %q; it must be AUTO, ANY, NONE or VALIDATED", f.at("mode"), wire.Clip([]byte(mode), 32))
		}
		c.Names = f.texts("allowedFunctionNames")
		f.rest()
	}
	o.rest()
}

// config reads generationConfig.
func (r *chatReader) config(g *object) {
	c := r.chat
	c.MaxTokens = g.integer("maxOutputTokens", 0)
	c.Choices = max(int(g.integer("candidateCount", 0)), 1)
	c.Stop = g.texts("stopSequences")
	c.Temperature, c.TopP, c.TopK = g.number("temperature"), g.number("topP"), g.number("topK")
	c.FrequencyPenalty, c.PresencePenalty = g.number("frequencyPenalty"), g.number("presencePenalty")
	c.Seed = g.number("seed")
	c.Logprobs, _ = g.boolean("responseLogprobs")
	c.TopLogprobs = int(g.integer("logprobs", 0))
	r.format(g)
	if t := g.sub("thinkingConfig"); t != nil {
		r.thinking(t)
	}
	g.rest()
}

// format reads the form that the answer must have.
func (r *chatReader) format(g *object) {
	f := &r.chat.Format
	if s := g.raw("responseJsonSchema"); s != nil {
		f.Kind, f.Schema = llm.FormatSchema, string(s)
	} else if s := g.raw("responseSchema"); s != nil {
		f.Kind, f.Schema = llm.FormatSchema, string(appendSchema(nil, s))
	}
	switch mime := g.text("responseMimeType"); {
	case mime == "application/json" && f.Kind == 0:
		f.Kind = llm.FormatJSON
	case mime == "text/plain" && f.Kind == 0:
		f.Kind = llm.FormatText
	case mime != "" && mime != "application/json":
		f.Kind, f.Schema = llm.FormatUnset, ""
		r.extra = append(r.extra, llm.Member{Name: g.at("responseMimeType"), Value: string(wire.AppendString(nil, mime))})
	}
}

// thinking reads thinkingConfig. A budget of 0 is no thinking, one of -1 as much as the model sees fit.
func (r *chatReader) thinking(t *object) {
	think := &r.chat.Reasoning
	if t.raw("thinkingBudget") != nil {
		switch n := t.integer("thinkingBudget", -1); {
		case n < 0:
			think.Mode = llm.ThinkAdaptive
		case n == 0:
			think.Mode = llm.ThinkOff
		default:
			think.Mode, think.Budget = llm.ThinkOn, n
		}
	}
	if level := strings.ToLower(t.enum("thinkingLevel", "THINKING_LEVEL_")); level != "" && level != "unspecified" {
		think.Mode, think.Effort = llm.ThinkOn, level
	}
	think.Summary = "none"
	if show, _ := t.boolean("includeThoughts"); show {
		think.Summary = "auto"
	}
	t.rest()
}

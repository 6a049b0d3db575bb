package gemini

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendChat appends a generateContent request for a target. The model and whether to stream stand in the path. Chat has been
// adapted: what it has that the API has no word for (logit_bias, user, verbosity) is left out. Metadata become labels, which Vertex AI has.
//
// All system and developer turns make up systemInstruction, in their order; if there is nothing else they are the user's. Turns of one side after
// one another become one content, as the API wants them to alternate. Signatures go back only if they are Google's.
func AppendChat(dst []byte, c *llm.Chat) []byte {
	e := encoder{dst: append(dst, '{'), chat: c}
	e.contents()
	e.tools()
	e.config()
	if tier := serviceTier(c.ServiceTier); tier != "" {
		e.name("serviceTier")
		e.dst = wire.AppendString(e.dst, tier)
	}
	if c.Metadata != "" {
		e.name("labels")
		e.dst = append(e.dst, c.Metadata...)
	}
	return append(e.dst, '}')
}

// encoder writes one request.
type encoder struct {
	dst  []byte
	chat *llm.Chat
}

// name appends the name of a member, with a comma in front of it unless it is the first of its object.
func (e *encoder) name(name string) {
	if e.dst[len(e.dst)-1] != '{' {
		e.dst = append(e.dst, ',')
	}
	e.dst = append(append(append(e.dst, '"'), name...), '"', ':')
}

// comma appends a comma unless the first element of an array comes next.
func (e *encoder) comma() {
	if e.dst[len(e.dst)-1] != '[' {
		e.dst = append(e.dst, ',')
	}
}

func isSystem(t *llm.Turn) bool { return t.Role == llm.RoleSystem || t.Role == llm.RoleDeveloper }

// contents appends systemInstruction and contents.
func (e *encoder) contents() {
	turns := e.chat.Messages
	system, others := 0, 0
	for i := range turns {
		if isSystem(&turns[i]) {
			system++
		} else {
			others++
		}
	}
	if system > 0 && others > 0 {
		e.system()
	}
	e.name("contents")
	e.dst = append(e.dst, '[')
	for i := 0; i < len(turns); {
		if isSystem(&turns[i]) && others > 0 {
			i++
			continue
		}
		i = e.content(i, others > 0)
	}
	e.dst = append(e.dst, ']')
}

// system appends systemInstruction, if the system says something.
func (e *encoder) system() {
	undo := len(e.dst)
	e.name("systemInstruction")
	e.dst = append(e.dst, `{"parts":[`...)
	start := len(e.dst)
	for i := range e.chat.Messages {
		if t := &e.chat.Messages[i]; isSystem(t) {
			e.parts(i)
		}
	}
	if len(e.dst) == start {
		e.dst = e.dst[:undo]
		return
	}
	e.dst = append(e.dst, ']', '}')
}

// content appends the turns from i on that one side has after one another as a content, and returns the index of the first that it
// has not. A content without parts is left out: the API refuses it.
func (e *encoder) content(i int, skipSystem bool) int {
	turns := e.chat.Messages
	model := turns[i].Role == llm.RoleAssistant
	undo := len(e.dst)
	e.comma()
	if model {
		e.dst = append(e.dst, `{"role":"model","parts":[`...)
	} else {
		e.dst = append(e.dst, `{"role":"user","parts":[`...)
	}
	start := len(e.dst)
	for ; i < len(turns); i++ {
		if isSystem(&turns[i]) && skipSystem {
			continue
		}
		if (turns[i].Role == llm.RoleAssistant) != model {
			break
		}
		e.parts(i)
	}
	if len(e.dst) == start {
		e.dst = e.dst[:undo]
		return i
	}
	e.dst = append(e.dst, ']', '}')
	return i
}

// parts appends the parts of a turn.
func (e *encoder) parts(turn int) {
	t := &e.chat.Messages[turn]
	for i := range t.Parts {
		undo := len(e.dst)
		e.comma()
		start := len(e.dst)
		switch p := &t.Parts[i]; p.Kind {
		case llm.PartToolResult:
			e.result(p, turn)
		case llm.PartToolCall:
			call := *p
			if strings.HasPrefix(call.ID, madePrefix) {
				call.ID = ""
			}
			e.dst = appendPart(e.dst, &call, false)
		default:
			e.dst = appendPart(e.dst, p, false)
		}
		if len(e.dst) == start {
			e.dst = e.dst[:undo]
		}
	}
}

// result appends the functionResponse of a tool's result. The response must be an object.
func (e *encoder) result(p *llm.Part, turn int) {
	e.dst = append(e.dst, `{"functionResponse":{`...)
	if !strings.HasPrefix(p.ID, madePrefix) {
		e.dst = appendID(e.dst, p.ID)
	}
	e.dst = append(e.dst, `"name":`...)
	e.dst = wire.AppendString(e.dst, e.nameOf(p, turn))
	var text strings.Builder
	var media []*llm.Part
	for i := range p.Parts {
		switch one := &p.Parts[i]; one.Kind {
		case llm.PartText, llm.PartRefusal:
			text.WriteString(one.Text)
		case llm.PartImage, llm.PartFile, llm.PartAudio:
			media = append(media, one)
		}
	}
	e.dst = append(e.dst, `,"response":`...)
	switch {
	case p.IsError:
		e.dst = wire.AppendString(append(e.dst, `{"error":`...), text.String())
		e.dst = append(e.dst, '}')
	case text.Len() == 0:
		e.dst = append(e.dst, `{"result":""}`...)
	default:
		e.dst = appendObject(e.dst, text.String(), "result")
	}
	if len(media) > 0 {
		e.dst = append(e.dst, `,"parts":[`...)
		for _, one := range media {
			undo := len(e.dst)
			e.comma()
			start := len(e.dst)
			if e.dst = appendMedia(e.dst, one, ""); len(e.dst) == start {
				e.dst = e.dst[:undo]
			}
		}
		e.dst = append(e.dst, ']')
	}
	e.dst = append(e.dst, '}', '}')
}

// nameOf returns the name of the function that a result is of: its own, or that of the last call before it with its id.
func (e *encoder) nameOf(p *llm.Part, turn int) string {
	if p.Name != "" {
		return p.Name
	}
	for i := turn - 1; i >= 0; i-- {
		parts := e.chat.Messages[i].Parts
		for j := len(parts) - 1; j >= 0; j-- {
			if parts[j].Kind == llm.PartToolCall && parts[j].ID == p.ID {
				return parts[j].Name
			}
		}
	}
	return p.ID // of no call that is known: the provider will judge
}

// serviceTier returns a tier of OpenAI's words in the API's.
func serviceTier(tier string) string {
	switch tier {
	case "default":
		return "standard"
	case "flex", "priority":
		return tier
	}
	return ""
}

// tools appends the tools, and which of them may or must be called.
func (e *encoder) tools() {
	c := e.chat
	if len(c.Tools) == 0 {
		return
	}
	undo := len(e.dst)
	e.name("tools")
	e.dst = append(e.dst, '[')
	start := len(e.dst)
	functions := 0
	for i := range c.Tools {
		if t := &c.Tools[i]; t.Raw == "" {
			if functions++; functions == 1 {
				e.dst = append(e.dst, `{"functionDeclarations":[`...)
			}
			e.comma()
			e.function(t)
		}
	}
	if functions > 0 {
		e.dst = append(e.dst, ']', '}')
	}
	for i := range c.Tools {
		if t := &c.Tools[i]; t.Raw != "" && t.Origin == llm.Gemini {
			e.comma()
			e.dst = append(e.dst, t.Raw...)
		}
	}
	if len(e.dst) == start {
		e.dst = e.dst[:undo]
		return
	}
	e.dst = append(e.dst, ']')
	if functions > 0 {
		e.toolChoice()
	}
}

// function appends one declaration. A tool that takes free text is one with a text named input.
func (e *encoder) function(t *llm.Function) {
	e.dst = append(e.dst, `{"name":`...)
	e.dst = wire.AppendString(e.dst, t.Name)
	if t.Description != "" {
		e.name("description")
		e.dst = wire.AppendString(e.dst, t.Description)
	}
	switch {
	case t.Custom:
		e.name("parametersJsonSchema")
		e.dst = append(e.dst, `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`...)
	case t.Parameters != "":
		e.name("parametersJsonSchema")
		e.dst = append(e.dst, t.Parameters...)
	}
	e.dst = append(e.dst, '}')
}

// toolChoice appends toolConfig. Names are allowed only with ANY and VALIDATED, which is AUTO with arguments held to the schema
// (FunctionCallingConfigMode of go-genai 1.77.0).
func (e *encoder) toolChoice() {
	c := &e.chat.ToolChoice
	mode := ""
	switch c.Mode {
	case llm.ToolsUnset:
		return
	case llm.ToolsNone:
		mode = "NONE"
	case llm.ToolsRequired:
		mode = "ANY"
	case llm.ToolsAuto:
		mode = "AUTO"
		if len(c.Names) > 0 {
			mode = "VALIDATED"
		}
	}
	e.name("toolConfig")
	e.dst = append(e.dst, `{"functionCallingConfig":{"mode":"`...)
	e.dst = append(append(e.dst, mode...), '"')
	if len(c.Names) > 0 && c.Mode != llm.ToolsNone {
		e.name("allowedFunctionNames")
		e.texts(c.Names)
	}
	e.dst = append(e.dst, '}', '}')
}

func (e *encoder) texts(all []string) {
	e.dst = append(e.dst, '[')
	for _, s := range all {
		e.comma()
		e.dst = wire.AppendString(e.dst, s)
	}
	e.dst = append(e.dst, ']')
}

func (e *encoder) integer(name string, v int64) {
	e.name(name)
	e.dst = strconv.AppendInt(e.dst, v, 10)
}

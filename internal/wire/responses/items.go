package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"sluice/internal/llm"
)

// item is one item of input, or of an answer's output: the members of all the kinds that have a word.
type item struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Role      string          `json:"role"`
	Status    string          `json:"status"`
	Name      string          `json:"name"`
	CallID    string          `json:"call_id"`
	Arguments json.RawMessage `json:"arguments"`
	Input     string          `json:"input"`
	Content   json.RawMessage `json:"content"`
	Output    json.RawMessage `json:"output"`
	Summary   []textPart      `json:"summary"`
	Encrypted string          `json:"encrypted_content"`
	Result    json.RawMessage `json:"result"`
	Format    string          `json:"output_format"`
}

// textPart is a part of a reasoning item.
type textPart struct {
	Text string `json:"text"`
}

// input reads the value of input: a text, which is a user's, or a list of items.
func (d *decoder) input(value []byte) {
	if value[0] != '"' {
		d.items(value, "input")
		return
	}
	var s string
	if d.into(value, "input", "a string or a list of items", &s) {
		d.turns.say(llm.RoleUser, llm.Part{Kind: llm.PartText, Text: s})
	}
}

func (d *decoder) items(value []byte, param string) {
	var all []json.RawMessage
	if !d.into(value, param, "a string or a list of items", &all) {
		return
	}
	for i, v := range all {
		at := index(param, i)
		var it item
		if !d.into(v, at, "an item of input", &it) {
			return
		}
		if d.item(&it, v, at); d.err != nil {
			return
		}
	}
}

// item reads one item.
func (d *decoder) item(it *item, v json.RawMessage, at string) {
	kind := itemKind(it)
	if known := knownMembers(kind); known != nil {
		d.unknown(v, at, known...)
	}
	switch kind {
	case "message":
		d.message(it, at)
	case "function_call":
		d.turns.assistant(llm.Part{Kind: llm.PartToolCall, ID: it.CallID, Name: it.Name, Text: d.arguments(it, at)})
	case "custom_tool_call":
		d.turns.assistant(llm.Part{Kind: llm.PartToolCall, ID: it.CallID, Name: it.Name, Text: it.Input, Custom: true})
	case "function_call_output", "custom_tool_call_output":
		d.result(it, at)
	case "reasoning":
		d.thought(it, at)
	case "item_reference":
		d.err = bad(at, "%s refers to the item %.60q, which is not here: send the item itself, or use previous_response_id", at, it.ID)
	case "":
		d.err = bad(at+".type", "%s has no type", at)
	default:
		p := llm.Part{Kind: llm.PartOther, Name: kind, Raw: string(v), Origin: llm.Responses}
		if strings.HasSuffix(kind, "_output") || kind == "mcp_approval_response" {
			d.turns.say(llm.RoleUser, p)
		} else {
			d.turns.assistant(p)
		}
	}
}

// knownMembers are those of the items that are read member by member; nil for others, which are kept as they are. Ids and states are of an
// answer that is sent back.
func knownMembers(kind string) []string {
	all := []string{"type", "id", "status"}
	switch kind {
	case "message":
		return append(all, "role", "content")
	case "function_call":
		return append(all, "call_id", "name", "arguments")
	case "custom_tool_call":
		return append(all, "call_id", "name", "input")
	case "function_call_output", "custom_tool_call_output":
		return append(all, "call_id", "name", "output")
	case "reasoning":
		return append(all, "content", "summary", "encrypted_content")
	}
	return nil
}

// itemKind returns an item's type. It may be left out of a message, and of a reference.
func itemKind(it *item) string {
	switch {
	case it.Type != "":
		return it.Type
	case it.Role != "":
		return "message"
	case it.ID != "":
		return "item_reference"
	}
	return ""
}

// arguments returns a call's arguments: a text that holds JSON. Objects are taken too.
func (d *decoder) arguments(it *item, at string) string {
	s, ok := argumentsOf(it.Arguments)
	if !ok {
		d.err = bad(at+".arguments", "%s.arguments must be a string; it is %.60s", at, it.Arguments)
	}
	return s
}

func argumentsOf(v json.RawMessage) (s string, ok bool) {
	switch {
	case len(v) == 0 || string(v) == "null":
		return "", true
	case v[0] == '{':
		return string(v), true
	}
	return s, json.Unmarshal(v, &s) == nil
}

// message reads a message of any role.
func (d *decoder) message(it *item, at string) {
	var role llm.Role
	switch it.Role {
	case "user":
		role = llm.RoleUser
	case "assistant":
		role = llm.RoleAssistant
	case "system":
		role = llm.RoleSystem
	case "developer":
		role = llm.RoleDeveloper
	default:
		d.err = bad(at+".role", "%s.role is %.40q; it must be user, assistant, system or developer", at, it.Role)
		return
	}
	parts := d.content(it.Content, at+".content")
	if role == llm.RoleAssistant {
		d.turns.assistant(parts...)
		return
	}
	d.turns.say(role, parts...)
}

// result reads what a tool answered.
func (d *decoder) result(it *item, at string) {
	if it.CallID == "" {
		d.err = bad(at+".call_id", "%s.call_id is missing", at)
		return
	}
	p := llm.Part{Kind: llm.PartToolResult, ID: it.CallID, Name: it.Name, Custom: it.Type == "custom_tool_call_output"}
	p.Parts = d.content(it.Output, at+".output")
	if call := d.turns.call(it.CallID); call != nil && p.Name == "" {
		p.Name = call.Name
	}
	d.turns.result(p)
}

// thought reads a reasoning item. What Sluice has sealed goes back to where it belongs.
func (d *decoder) thought(it *item, at string) {
	text, ok := thinkingOf(it)
	if !ok {
		d.err = bad(at+".content", "%s.content must be a list of reasoning_text", at)
		return
	}
	s, sealed := openSeal(it.Encrypted)
	p := llm.Part{Kind: llm.PartThinking, Text: text}
	switch {
	case !sealed && strings.HasPrefix(it.Encrypted, sealPrefix):
		d.err = bad(at+".encrypted_content", "%s.encrypted_content is not as this gateway wrote it", at)
		return
	case !sealed:
		p.Signature = joinSignature(it.ID, it.Encrypted)
		if p.Signature != "" {
			p.Origin = llm.Responses
		}
	case s.Call != "":
		d.turns.sign(d.turns.call(s.Call), &s)
		return
	case s.Text:
		d.turns.sign(d.turns.lastText(), &s)
		return
	default:
		p.Signature, p.Origin = s.Signature, dialectOf(s.Origin)
		if s.Redacted {
			p.Kind, p.Text = llm.PartRedacted, ""
		}
	}
	if p.Text != "" || p.Signature != "" {
		d.turns.assistant(p)
	}
}

// thinkingOf returns the text of a reasoning item: its parts, with a blank line between them.
func thinkingOf(it *item) (text string, ok bool) {
	var parts []textPart
	if len(it.Content) > 0 && json.Unmarshal(it.Content, &parts) != nil {
		return "", false
	}
	for _, p := range append(parts, it.Summary...) {
		if text != "" && p.Text != "" {
			text += partBreak
		}
		text += p.Text
	}
	return text, true
}

// partBreak stands between the parts of a reasoning item, which is one part of thinking.
const partBreak = "\n\n"

// turns are the messages of a conversation under way.
type turns struct {
	all []llm.Turn
}

// say adds a message.
func (t *turns) say(role llm.Role, parts ...llm.Part) {
	t.all = append(t.all, llm.Turn{Role: role, Parts: parts})
}

// assistant adds to what the assistant says: all that it says in a row is one turn.
func (t *turns) assistant(parts ...llm.Part) { t.extend(llm.RoleAssistant, parts) }

// result adds a tool's result: all in a row are one turn.
func (t *turns) result(p llm.Part) { t.extend(llm.RoleTool, []llm.Part{p}) }

func (t *turns) extend(role llm.Role, parts []llm.Part) {
	if n := len(t.all); n > 0 && t.all[n-1].Role == role {
		t.all[n-1].Parts = append(t.all[n-1].Parts, parts...)
		return
	}
	t.say(role, parts...)
}

// call returns the last tool call of an id, nil if there is none.
func (t *turns) call(id string) *llm.Part {
	return t.last(func(p *llm.Part) bool { return p.Kind == llm.PartToolCall && p.ID == id })
}

// lastText returns the assistant's last text, nil if there is none.
func (t *turns) lastText() *llm.Part {
	return t.last(func(p *llm.Part) bool { return p.Kind == llm.PartText })
}

// last returns the last part of the assistant's that fits.
func (t *turns) last(fits func(*llm.Part) bool) *llm.Part {
	for i := len(t.all) - 1; i >= 0; i-- {
		parts := t.all[i].Parts
		for j := len(parts) - 1; t.all[i].Role == llm.RoleAssistant && j >= 0; j-- {
			if fits(&parts[j]) {
				return &parts[j]
			}
		}
	}
	return nil
}

// sign gives a part the signature that a seal has kept. Without the part the seal proves nothing any more.
func (t *turns) sign(p *llm.Part, s *seal) {
	if p != nil {
		p.Signature, p.Origin = s.Signature, dialectOf(s.Origin)
	}
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

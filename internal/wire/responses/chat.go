package responses

import (
	"bytes"
	"encoding/json"
	"slices"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadChat reads a whole request for its translation. Instructions become a system turn, which stands first. What has no word in
// the vocabulary is in Extra. Members that belong to this server and not to the model (store, background) are left to the caller,
// and so is previous_response_id, for which AppendContinued has to be called before.
//
// The error is of KindBadRequest, with the path of the field at fault. State that only the provider has is one:
// previous_response_id, conversation, prompt, and references to items.
func ReadChat(_ llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	d := decoder{chat: &llm.Chat{Choices: 1, StreamUsage: true}}
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		return nil, bad("", "request body must be a JSON object")
	}
	for d.err == nil {
		name, ok := sc.Member()
		if !ok {
			break
		}
		param := string(name)
		value := sc.Value().Of(body)
		if len(value) > 0 && string(value) != "null" {
			d.member(param, value)
		}
	}
	if d.err == nil && !sc.End() {
		return nil, bad("", "request body is not valid JSON: %v", sc.Err())
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.finish()
}

// decoder is one run of ReadChat. The first error stays.
type decoder struct {
	chat         *llm.Chat
	instructions string
	turns        turns
	err          *llm.Error
}

// finish puts the instructions in front.
func (d *decoder) finish() (*llm.Chat, *llm.Error) {
	c := d.chat
	if d.instructions != "" {
		c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleSystem, Parts: []llm.Part{{Kind: llm.PartText, Text: d.instructions}}})
	}
	c.Messages = append(c.Messages, d.turns.all...)
	if c.TopLogprobs > 0 {
		c.Logprobs = true
	}
	return c, nil
}

// into reads a value of a certain form; want says which, for people.
func (d *decoder) into(value []byte, param, want string, v any) bool {
	if d.err != nil {
		return false
	}
	if err := json.Unmarshal(value, v); err != nil {
		d.err = bad(param, "%s must be %s; it is %.60s", param, want, value)
		return false
	}
	return true
}

// member reads one member of the request, which is not null.
func (d *decoder) member(name string, value []byte) {
	c := d.chat
	switch name {
	case "model":
		d.into(value, name, "a string", &c.Model)
	case "stream":
		d.into(value, name, "a boolean", &c.Stream)
	case "instructions":
		d.instruct(value)
	case "input":
		d.input(value)
	case "tools":
		d.tools(value)
	case "tool_choice":
		d.toolChoice(value)
	case "parallel_tool_calls":
		d.into(value, name, "a boolean", &c.Parallel)
	case "text":
		d.text(value)
	case "reasoning":
		d.reasoning(value)
	case "include":
		d.include(value)
	case "max_output_tokens":
		d.tokens(value, name)
	case "temperature":
		d.number(value, name, &c.Temperature)
	case "top_p":
		d.number(value, name, &c.TopP)
	case "top_logprobs":
		d.into(value, name, "a whole number", &c.TopLogprobs)
	default:
		d.setting(name, value)
	}
}

// setting reads the members that do not shape the answer.
func (d *decoder) setting(name string, value []byte) {
	c := d.chat
	switch name {
	case "metadata":
		if value[0] != '{' {
			d.err = bad(name, "metadata must be an object of strings; it is %.60s", value)
		} else if string(compact(value)) != "{}" {
			c.Metadata = string(value)
		}
	case "prompt_cache_key":
		d.into(value, name, "a string", &c.CacheKey)
	case "service_tier":
		d.into(value, name, "a string", &c.ServiceTier)
	case "user":
		d.into(value, name, "a string", &c.User)
	case "safety_identifier":
		d.into(value, name, "a string", &c.SafetyIdentifier)
	case "store", "background", "stream_options":
		// The server's own affairs.
	case "previous_response_id":
		d.err = bad(name, "previous_response_id is %.80s, which is not stored here: send the items in input", value)
	case "conversation":
		d.err = bad(name, "conversation is kept by OpenAI and cannot be read here: send the items in input, or use previous_response_id")
	case "prompt":
		d.err = bad(name, "prompt names a template that OpenAI keeps and that cannot be read here: send instructions and input")
	case "truncation":
		if string(value) != `"disabled"` {
			d.extra(name, value)
		}
	default:
		d.extra(name, value)
	}
}

func (d *decoder) extra(name string, value []byte) {
	d.chat.Extra = append(d.chat.Extra, llm.Member{Name: name, Value: string(value)})
}

// unknown names the members of an object that have no word here. Those that are null ask for nothing.
func (d *decoder) unknown(object []byte, at string, known ...string) {
	var sc wire.Scanner
	sc.Reset(object)
	if !sc.Object() {
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		member := string(name) // valid until the value is read
		if v := sc.Value().Of(object); string(v) != "null" && !slices.Contains(known, member) {
			d.extra(at+"."+member, v)
		}
	}
}

// instruct reads instructions: a text. Lists of items, which stored responses show, are taken too.
func (d *decoder) instruct(value []byte) {
	if value[0] == '[' {
		d.items(value, "instructions")
		return
	}
	d.into(value, "instructions", "a string", &d.instructions)
}

func (d *decoder) number(value []byte, param string, v *llm.Number) {
	var n json.Number
	if value[0] == '"' {
		d.err = bad(param, "%s must be a number; it is %.60s", param, value)
		return
	}
	if d.into(value, param, "a number", &n) {
		*v = llm.Number(n)
	}
}

func (d *decoder) tokens(value []byte, param string) {
	n, ok := wire.Int(value)
	if !ok {
		d.err = bad(param, "%s must be a whole number; it is %.60s", param, value)
		return
	}
	if n < 1 {
		d.err = bad(param, "%s must be at least 1; it is %d", param, n)
	}
	d.chat.MaxTokens = n
}

// text reads the form of the answer's text.
func (d *decoder) text(value []byte) {
	var t struct {
		Format    *format `json:"format"`
		Verbosity string  `json:"verbosity"`
	}
	if !d.into(value, "text", "an object with format and verbosity", &t) {
		return
	}
	d.unknown(value, "text", "format", "verbosity")
	d.chat.Verbosity = t.Verbosity
	if t.Format == nil {
		return
	}
	var inner struct {
		Format json.RawMessage `json:"format"`
	}
	d.into(value, "text", "an object", &inner)
	d.unknown(inner.Format, "text.format", "type", "name", "description", "schema", "strict")
	f := &d.chat.Format
	switch t.Format.Type {
	case "text":
		f.Kind = llm.FormatText
	case "json_object":
		f.Kind = llm.FormatJSON
	case "json_schema":
		*f = llm.Format{
			Kind: llm.FormatSchema, Name: t.Format.Name, Description: t.Format.Description, Schema: raw(t.Format.Schema),
			Strict: t.Format.Strict,
		}
	default:
		d.err = bad("text.format.type", "text.format.type is %q; it must be text, json_object or json_schema", t.Format.Type)
	}
}

// format is text.format.
type format struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Strict      *bool           `json:"strict"`
}

// reasoning reads how much to think. Its members without a word are named with their path in Extra.
func (d *decoder) reasoning(value []byte) {
	var sc wire.Scanner
	sc.Reset(value)
	if !sc.Object() {
		d.err = bad("reasoning", "reasoning must be an object; it is %.60s", value)
		return
	}
	r := &d.chat.Reasoning
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		param := "reasoning." + string(name)
		v := sc.Value().Of(value)
		switch {
		case len(v) == 0 || string(v) == "null":
		case param == "reasoning.effort":
			d.into(v, param, "a string", &r.Effort)
		case param == "reasoning.summary", param == "reasoning.generate_summary" && r.Summary == "":
			d.into(v, param, "a string", &r.Summary)
		default:
			d.extra(param, v)
		}
	}
	switch r.Effort {
	case "":
	case "none":
		r.Mode = llm.ThinkOff
	default:
		r.Mode = llm.ThinkOn
	}
}

// include reads what the answer is to contain. What is always there where a provider has it needs no word.
func (d *decoder) include(value []byte) {
	var all []string
	if !d.into(value, "include", "a list of strings", &all) {
		return
	}
	var rest []string
	for _, s := range all {
		switch s {
		case "message.output_text.logprobs":
			d.chat.Logprobs = true
		case "reasoning.encrypted_content":
		default:
			rest = append(rest, s)
		}
	}
	if len(rest) > 0 {
		b, err := json.Marshal(rest)
		if err != nil {
			panic("BUG: a list of strings cannot be written: " + err.Error())
		}
		d.extra("include", b)
	}
}

// raw returns a JSON value as text, "" for null.
func raw(v json.RawMessage) string {
	if string(v) == "null" {
		return ""
	}
	return string(v)
}

// compact returns value, which is valid, without white space between its tokens.
func compact(value []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}

package openai

import "sluice/internal/llm"

// message is one entry of messages, member by member.
type message struct {
	at                               *place
	role, name                       string
	content, refusal, audio, images  []byte
	calls, call                      []byte // tool_calls, function_call
	details, blocks, plain, thinking []byte // reasoning_details, thinking_blocks, reasoning_content, reasoning
	id                               string // tool_call_id
	ttl                              string
	signature                        string // extra_content.google.thought_signature
}

func (r *chatReader) readMessages(v []byte, at *place) {
	n := 0
	r.array(v, at, func(i int, v []byte) {
		n++
		m := r.message(v, at.element(i))
		if r.err == nil {
			r.turn(&m, i)
		}
	})
	if n == 0 {
		r.fail(at, "messages is empty; it must have at least one message")
	}
}

func (r *chatReader) message(v []byte, at *place) message {
	m := message{at: at}
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "role":
			m.role = r.oneOf(v, at, "system", "developer", "user", "assistant", "tool", "function")
		case "name":
			m.name = r.text(v, at)
		case "content":
			m.content = v
		case "refusal":
			m.refusal = v
		case "audio":
			m.audio = v
		case "images":
			m.images = v
		case "tool_calls":
			m.calls = v
		case "function_call":
			m.call = v
		case "tool_call_id":
			m.id = r.text(v, at)
		case "reasoning_details":
			m.details = v
		case "thinking_blocks":
			m.blocks = v
		case "reasoning_content":
			m.plain = v
		case "reasoning":
			m.thinking = v
		case "cache_control":
			m.ttl = r.cacheTTL(v, at, "5m")
		case "extra_content":
			m.signature = r.googleSignature(v, at)
		case "annotations", "provider_specific_fields": // of an answer that is sent back: they are not for the model
		default:
			r.extra(at.String(), v)
		}
	})
	if r.err == nil && m.role == "" {
		r.fail(at.member("role"), "%s is missing", at.member("role"))
	}
	return m
}

// turn appends a message to the chat.
func (r *chatReader) turn(m *message, i int) {
	t := llm.Turn{Name: m.name}
	switch m.role {
	case "system":
		t.Role = llm.RoleSystem
	case "developer":
		t.Role = llm.RoleDeveloper
	case "user":
		t.Role = llm.RoleUser
	case "assistant":
		t.Role = llm.RoleAssistant
		r.assistant(&t, m, i)
	case "tool", "function":
		r.result(m)
		return
	}
	if t.Role != llm.RoleAssistant {
		if m.content == nil {
			r.fail(m.at.member("content"), "%s is missing", m.at.member("content"))
			return
		}
		t.Parts = r.content(m.content, m.at.member("content"))
	}
	if n := len(t.Parts); n > 0 && m.ttl != "" {
		t.Parts[n-1].CacheTTL = m.ttl
	}
	r.c.Messages = append(r.c.Messages, t)
}

// assistant reads what a model said, in the order in which models say it: thinking, text, refusal, media, calls.
func (r *chatReader) assistant(t *llm.Turn, m *message, i int) {
	t.Parts = r.thoughts(m)
	if m.content != nil {
		text := r.content(m.content, m.at.member("content"))
		for _, p := range text {
			if p.Kind != llm.PartText || p.Text != "" {
				t.Parts = append(t.Parts, p)
			}
		}
	}
	if n := len(t.Parts); m.signature != "" && n > 0 && t.Parts[n-1].Kind == llm.PartText {
		t.Parts[n-1].Signature, t.Parts[n-1].Origin = m.signature, llm.Gemini
	}
	if m.refusal != nil {
		if s := r.text(m.refusal, m.at.member("refusal")); s != "" {
			t.Parts = append(t.Parts, llm.Part{Kind: llm.PartRefusal, Text: s})
		}
	}
	r.spoken(t, m)
	if m.calls != nil {
		at := m.at.member("tool_calls")
		r.array(m.calls, at, func(j int, v []byte) { t.Parts = append(t.Parts, r.call(v, at.element(j))) })
	}
	if m.call != nil {
		r.legacy = toolID(i)
		p := llm.Part{Kind: llm.PartToolCall, ID: r.legacy}
		r.called(&p, m.call, m.at.member("function_call"))
		t.Parts = append(t.Parts, p)
	}
}

// spoken reads media that a model made.
func (r *chatReader) spoken(t *llm.Turn, m *message) {
	if m.images != nil {
		at := m.at.member("images")
		r.array(m.images, at, func(j int, v []byte) { t.Parts = append(t.Parts, r.part(v, at.element(j))) })
	}
	if m.audio == nil {
		return
	}
	p := llm.Part{Kind: llm.PartAudio, Origin: llm.OpenAI}
	at := m.at.member("audio")
	r.object(m.audio, at, func(name string, v []byte) {
		switch name {
		case "id":
			p.FileID = r.text(v, at.member(name))
		case "data":
			p.Data = r.text(v, at.member(name))
			p.MIME = audioType(p.Data)
		case "transcript":
			p.Text = r.text(v, at.member(name))
		}
	})
	t.Parts = append(t.Parts, p)
}

// result appends the result of a call to the turn of results, which begins with the first of them.
func (r *chatReader) result(m *message) {
	p := llm.Part{Kind: llm.PartToolResult, ID: m.id, Name: m.name, CacheTTL: m.ttl}
	switch {
	case m.role == "function":
		p.ID, r.legacy = r.legacy, ""
		if p.ID == "" {
			r.fail(m.at, "%s is the result of a function, and no function_call stands before it", m.at)
			return
		}
	case m.id == "":
		r.fail(m.at.member("tool_call_id"), "%s is missing", m.at.member("tool_call_id"))
		return
	}
	if p.Name == "" {
		p.Name = r.names[p.ID]
	}
	if m.content != nil {
		p.Parts = r.content(m.content, m.at.member("content"))
	}
	all := r.c.Messages
	if n := len(all); n > 0 && all[n-1].Role == llm.RoleTool {
		all[n-1].Parts = append(all[n-1].Parts, p)
		return
	}
	r.c.Messages = append(all, llm.Turn{Role: llm.RoleTool, Parts: []llm.Part{p}})
}

// call reads an entry of tool_calls.
func (r *chatReader) call(v []byte, at *place) llm.Part {
	p := llm.Part{Kind: llm.PartToolCall}
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "id":
			p.ID = r.text(v, at)
		case "type":
			p.Custom = r.oneOf(v, at, "function", "custom") == "custom"
		case "index":
		case "function":
			r.called(&p, v, at)
		case "custom":
			p.Custom = true
			r.called(&p, v, at)
		case "extra_content":
			if p.Signature = r.googleSignature(v, at); p.Signature != "" {
				p.Origin = llm.Gemini
			}
		case "cache_control":
			p.CacheTTL = r.cacheTTL(v, at, "5m")
		default:
			r.extra(at.String(), v)
		}
	})
	switch {
	case r.err != nil:
	case p.ID == "":
		r.fail(at.member("id"), "%s is missing", at.member("id"))
	case p.Name == "":
		r.fail(at.member("function"), "%s is missing", at.member("function"))
	}
	if r.names == nil {
		r.names = map[string]string{}
	}
	r.names[p.ID] = p.Name
	return p
}

// called reads which tool is called, and with what. Arguments may be no JSON: models write such, above all where the limit on output cut
// them off, and OpenAI takes them back as they were.
func (r *chatReader) called(p *llm.Part, v []byte, at *place) {
	free := false
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "name":
			p.Name = r.text(v, at)
		case "arguments":
			p.Text = r.text(v, at)
		case "input":
			p.Text, free = r.text(v, at), true
		default:
			r.extra(at.String(), v)
		}
	})
	r.named(p.Name, at)
	if !free && !p.Custom && p.Text == "" {
		p.Text = "{}"
	}
}

// googleSignature reads the signature by which Gemini knows its own calls again
// (https://ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11).
func (r *chatReader) googleSignature(v []byte, at *place) (s string) {
	r.object(v, at, func(name string, v []byte) {
		if name != "google" {
			return
		}
		at := at.member(name)
		r.object(v, at, func(name string, v []byte) {
			if name == "thought_signature" {
				s = r.text(v, at.member(name))
			}
		})
	})
	return s
}

package dialect

import (
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// turns brings the roles, the order and the parts of messages into what the target takes.
func (a *adapter) turns() {
	c := a.c
	begun := false
	out := make([]llm.Turn, 0, len(c.Messages))
	top := 0 // where instructions before the conversation end
	for i := range c.Messages {
		t := c.Messages[i]
		system := t.Role == llm.RoleSystem || t.Role == llm.RoleDeveloper
		if t.Name != "" && a.can(model.Names) == No {
			a.note(model.Names)
			t.Name = ""
		}
		if t.Role == llm.RoleDeveloper && a.can(model.DeveloperRole) != Yes {
			a.note(model.DeveloperRole)
			t.Role = llm.RoleSystem
		}
		if system && a.t.Not.Has(model.SystemRole) {
			a.note(model.SystemRole)
			t.Role, system = llm.RoleUser, false
		}
		var after []llm.Part
		t.Parts, after = a.parts(t.Parts, t.Role == llm.RoleTool)
		if len(t.Parts) == 0 && len(c.Messages[i].Parts) > 0 {
			if system || t.Role == llm.RoleAssistant {
				continue
			}
			t.Parts = []llm.Part{{Kind: llm.PartText, Text: "(content left out)"}}
		}
		if system && begun && a.can(model.SystemMidway) != Yes {
			a.note(model.SystemMidway)
			out = slices.Insert(out, top, t)
			top++
			continue
		}
		if system && !begun {
			top = len(out) + 1
		}
		begun = begun || !system
		out = append(out, t)
		out = a.images(out, after, c.Messages, i)
	}
	c.Messages = out
	a.someone()
	a.prefill()
}

// images adds a user's turn with the images that results of tools had, after the last of these results.
func (a *adapter) images(out []llm.Turn, after []llm.Part, all []llm.Turn, i int) []llm.Turn {
	a.held = append(a.held, after...)
	if len(a.held) == 0 || i+1 < len(all) && all[i+1].Role == llm.RoleTool {
		return out
	}
	parts := append([]llm.Part{{Kind: llm.PartText, Text: "Content of the tool results above:"}}, a.held...)
	a.held = nil
	if i+1 < len(all) && all[i+1].Role == llm.RoleUser {
		all[i+1].Parts = append(parts, all[i+1].Parts...)
		return out
	}
	return append(out, llm.Turn{Role: llm.RoleUser, Parts: parts})
}

// someone makes the last instruction a user's message where there is nothing but instructions: targets that keep these apart refuse a
// conversation without messages.
func (a *adapter) someone() {
	m := a.c.Messages
	if len(m) == 0 || a.to == llm.OpenAI || a.to == llm.Responses {
		return
	}
	for i := range m {
		if m[i].Role != llm.RoleSystem && m[i].Role != llm.RoleDeveloper {
			return
		}
	}
	m[len(m)-1].Role = llm.RoleUser
	a.minor(model.SystemRole, "the target must have a message besides the instructions, so the last one is sent as a user message")
}

// prefill drops a last turn of the assistant's where the model would refuse it.
func (a *adapter) prefill() {
	m := a.c.Messages
	if len(m) == 0 || m[len(m)-1].Role != llm.RoleAssistant {
		return
	}
	switch level, how := Can(model.Prefill, a.to, a.t); level {
	case No:
		a.c.Messages = m[:len(m)-1]
		a.note(model.Prefill)
	case Changed:
		a.lost(model.Prefill, how)
	case Yes:
		if a.to != llm.Anthropic && a.to != llm.Converse {
			return
		}
		// Claude refuses white space at the end of what it is to go on with.
		if p := m[len(m)-1].Parts; len(p) > 0 && p[len(p)-1].Kind == llm.PartText {
			p[len(p)-1].Text = strings.TrimRight(p[len(p)-1].Text, " \t\r\n")
		}
	}
}

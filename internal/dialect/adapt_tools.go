package dialect

import (
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// inputSchema is the schema of a function that stands for a custom tool.
const inputSchema = `{"type":"object","properties":{"input":{"type":"string","description":"the whole input, as free text"}},"required":["input"],"additionalProperties":false}`

// tools brings tools and the choice among them into what the target takes.
func (a *adapter) tools() {
	c := a.c
	kept := c.Tools[:0]
	for _, f := range c.Tools {
		if f.Raw != "" && f.Origin != a.to {
			a.tell("tools."+f.Name, "it is a tool of another provider's, which the target cannot run", false)
			a.unname(f.Name)
			continue
		}
		if f.CacheTTL != "" {
			f.CacheTTL = a.cacheTTL(f.CacheTTL)
		}
		if f.Strict != nil && a.can(model.StrictTools) == No {
			if *f.Strict {
				a.note(model.StrictTools)
			}
			f.Strict = nil
		}
		if f.Strict != nil && *f.Strict && (a.to == llm.Anthropic || a.to == llm.Converse) {
			f.Parameters = a.narrow(model.StrictTools, f.Parameters)
		}
		if f.Raw == "" {
			f.Strict = a.loose(model.StrictTools, f.Strict, f.Parameters)
		}
		if f.Custom && a.can(model.CustomTools) != Yes {
			a.note(model.CustomTools)
			f = asFunction(f)
			if a.out.custom == nil {
				a.out.custom = map[string]bool{}
			}
			a.out.custom[f.Name] = true
		}
		kept = append(kept, f)
	}
	c.Tools = kept
	a.choice()
	a.declare()
	if len(c.Tools) == 0 {
		c.ToolChoice, c.Parallel = llm.ToolChoice{}, nil
	}
	if c.Parallel != nil && a.can(model.ParallelSwitch) == No {
		if !*c.Parallel { // several at once is how all targets do it
			a.note(model.ParallelSwitch)
		}
		c.Parallel = nil
	}
}

// unname takes a tool that is left out off the choice. Where nothing is left to choose from, the model is free.
func (a *adapter) unname(tool string) {
	ch := &a.c.ToolChoice
	if !slices.Contains(ch.Names, tool) {
		return
	}
	a.lost(model.ForcedTools, "it names a tool that the target cannot run")
	if ch.Names = slices.DeleteFunc(ch.Names, func(s string) bool { return s == tool }); len(ch.Names) == 0 {
		*ch = llm.ToolChoice{Mode: llm.ToolsAuto}
	}
}

// declare adds the tools that the conversation has calls of where the request has no tools at all: Converse ("toolConfig must be
// defined when using toolUse and toolResult content blocks") and Anthropic ("must define tools") refuse such calls. [K]
func (a *adapter) declare() {
	c := a.c
	if len(c.Tools) > 0 || a.to != llm.Anthropic && a.to != llm.Converse {
		return
	}
	seen := map[string]bool{}
	for i := range c.Messages {
		for j := range c.Messages[i].Parts {
			if p := &c.Messages[i].Parts[j]; p.Kind == llm.PartToolCall && !seen[p.Name] {
				seen[p.Name] = true
				c.Tools = append(c.Tools, llm.Function{Name: p.Name, Description: "No longer available.", Parameters: `{"type":"object"}`})
			}
		}
	}
	if len(c.Tools) == 0 {
		return
	}
	a.tell("tools", "the target refuses calls of tools that are not declared, so that those of the conversation are", true)
	c.ToolChoice, c.Parallel = llm.ToolChoice{}, nil
	if a.can(model.NoToolChoice) == Yes {
		c.ToolChoice.Mode = llm.ToolsNone
	}
}

// asFunction returns a custom tool as a function with one string.
func asFunction(f llm.Function) llm.Function {
	if f.Grammar != "" {
		f.Description += "\n\nThe input must follow this grammar: " + f.Grammar
	}
	return llm.Function{Name: f.Name, Description: f.Description, Parameters: inputSchema, CacheTTL: f.CacheTTL}
}

// choice brings the choice of tools into what the target takes.
func (a *adapter) choice() {
	ch := &a.c.ToolChoice
	single := ch.Mode == llm.ToolsRequired && len(ch.Names) == 1
	if len(ch.Names) > 0 && !single && a.can(model.NamedTools) != Yes {
		a.note(model.NamedTools)
		a.c.Tools = slices.DeleteFunc(a.c.Tools, func(f llm.Function) bool { return !slices.Contains(ch.Names, f.Name) })
		ch.Names = nil
	}
	switch {
	case ch.Mode == llm.ToolsRequired && a.can(model.ForcedTools) != Yes:
		a.lost(model.ForcedTools, "the model cannot be made to call a tool, so it is left to choose")
		*ch = llm.ToolChoice{Mode: llm.ToolsAuto}
	case ch.Mode == llm.ToolsNone && a.can(model.NoToolChoice) != Yes:
		if a.usedTools() {
			a.lost(model.NoToolChoice, "the conversation has calls of tools, so that the tools cannot be left out, and the model may call them")
			*ch = llm.ToolChoice{}
			return
		}
		a.note(model.NoToolChoice)
		a.c.Tools = nil
	}
}

// usedTools reports whether the conversation has calls of tools.
func (a *adapter) usedTools() bool {
	return slices.ContainsFunc(a.c.Messages, func(t llm.Turn) bool {
		return slices.ContainsFunc(t.Parts, func(p llm.Part) bool { return p.Kind == llm.PartToolCall })
	})
}

// toolNames gives tools names that the target takes, wherever they stand, and keeps the way back.
func (a *adapter) toolNames() {
	n := namer{a: a, sent: map[string]string{}, taken: map[string]bool{}}
	c := a.c
	for i := range c.Tools { // those that are good keep their names
		if f := &c.Tools[i]; f.Raw == "" && a.goodName(f.Name) {
			n.sent[f.Name], n.taken[f.Name] = f.Name, true
		}
	}
	custom := a.out.custom
	for i := range c.Tools {
		if f := &c.Tools[i]; f.Raw == "" {
			was := f.Name
			f.Name = n.name(was)
			if custom[was] && f.Name != was {
				delete(custom, was)
				custom[f.Name] = true
			}
		}
	}
	for i := range c.ToolChoice.Names {
		c.ToolChoice.Names[i] = n.name(c.ToolChoice.Names[i])
	}
	for i := range c.Messages {
		for j := range c.Messages[i].Parts {
			if p := &c.Messages[i].Parts[j]; (p.Kind == llm.PartToolCall || p.Kind == llm.PartToolResult) && p.Name != "" {
				p.Name = n.name(p.Name)
			}
		}
	}
}

// namer gives out names.
type namer struct {
	a     *adapter
	sent  map[string]string // by the client's
	taken map[string]bool   // of those that are sent
}

func (n *namer) name(name string) string {
	if s, ok := n.sent[name]; ok {
		return s
	}
	s := n.a.makeName(name)
	for i := 2; n.taken[s]; i++ {
		end := "_" + strconv.Itoa(i)
		base := n.a.makeName(name)
		s = base[:min(len(base), n.a.maxName()-len(end))] + end
	}
	n.sent[name], n.taken[s] = s, true
	if s != name {
		if n.a.out.names == nil {
			n.a.out.names = map[string]string{}
		}
		n.a.out.names[s] = name
		n.a.tell(n.a.toolName(), "the name of tool "+strconv.Quote(name)+" is sent as "+s+", and turned back in the answer", true)
	}
	return s
}

// toolName is where the client's dialect has the name of a tool.
func (a *adapter) toolName() string {
	switch a.from {
	case llm.OpenAI:
		return "tools[].function.name"
	case llm.Gemini:
		return "tools[].functionDeclarations[].name"
	case llm.Converse:
		return "toolConfig.tools[].toolSpec.name"
	}
	return "tools[].name"
}

// maxName is how long names of tools may be: OpenAI's FunctionObject, Bedrock's ToolSpecification and Gemini's FunctionDeclaration say
// 64, Anthropic's Tool 128.
func (a *adapter) maxName() int {
	if a.to == llm.Anthropic {
		return 128
	}
	return 64
}

// goodName reports whether the target takes a name: letters, digits, _ and -; Gemini has no digit or - in front.
func (a *adapter) goodName(name string) bool {
	return name != "" && len(name) <= a.maxName() && only(name, "_-") && (a.to != llm.Gemini || name[0] > '9')
}

// makeName returns a name as the target takes it.
func (a *adapter) makeName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !isWord(c, "_-") {
			b[i] = '_'
		}
	}
	if len(b) == 0 || a.to == llm.Gemini && b[0] <= '9' {
		b = append([]byte("_"), b...)
	}
	return string(b[:min(len(b), a.maxName())])
}

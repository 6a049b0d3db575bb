package sim

import (
	"fmt"
	"strings"

	"sluice/internal/llm"
)

// planner makes the choices of one request.
type planner struct {
	job       *job
	dialect   llm.Dialect
	model     *ModelConfig
	fx        *effects
	id        string // of the answer; ids of tool calls are made of it
	server    uint64 // its seed
	seed      uint64 // of the server, the model and the conversation
	wishes    directives
	asked     string
	afterTool bool   // the conversation ends with a tool's result
	partial   string // of an answer that is gone on with; empty if there is none, or it is not this model's
	going     string // how it is gone on with; empty is exactly
}

// newPlanner plans the answer to a request. The text depends on the server's seed, the model and the conversation, however
// that was written: the dialect makes no difference.
func newPlanner(x *exchange, id string) *planner {
	p := &planner{
		job: x.job, dialect: x.ask.dialect, model: &x.model.cfg, fx: &x.fx, id: id,
		server: mix(x.s.cfg.Seed),
	}
	said := &x.job.said
	if p.going = x.fx.going; p.going == "" {
		p.going = x.model.cfg.Continue
	}
	if t := said.partial(); t != nil && p.going != "ignore" {
		p.speakTo(t.before, t.asked, t.after)
		if _, ok := goOn(p.text(), t.text, p.going, p.fx.overlap); ok {
			p.partial = t.text
			return p
		}
	}
	p.speakTo(said.hash, said.asked, said.last.role)
	return p
}

// speakTo sets the conversation that is answered: its hash, the last text of the user, and the role of its last turn.
func (p *planner) speakTo(hash uint64, asked, last string) {
	p.seed = mix(hashString(mix(p.server^hash), p.model.Name))
	p.asked, p.wishes, p.afterTool = asked, readDirectives(asked), last == "tool"
}

// text returns the text of the first choice.
func (p *planner) text() string {
	c, r := choice{left: -1}, rng(mix(p.seed))
	if p.job.talk != nil {
		p.reason(&c, &r)
		if p.callTools(&c, &r) {
			return ""
		}
	}
	p.speak(&c, &r)
	return string(c.content.all())
}

// resume leaves out of a choice what the client has of it.
func (p *planner) resume(c *choice) {
	rest, ok := goOn(string(c.content.all()), p.partial, p.going, p.fx.overlap)
	if !ok {
		return // another of several choices
	}
	c.content, c.reasoning = source{fixed: []byte(rest)}, source{}
}

// plan returns the choices.
func (p *planner) plan() []choice {
	all := make([]choice, p.job.choices)
	for i := range all {
		c := &all[i]
		r := rng(mix(p.seed + uint64(i)))
		c.index, c.natural, c.left, c.redacted = i, "stop", -1, p.wishes.redact
		if p.job.maxTokens > 0 || p.job.op == llm.OpCompletion {
			c.left = p.job.maxTokens
		}
		if p.fx.finish != "" {
			c.natural = p.fx.finish
		} else if p.wishes.refuse {
			c.natural, c.refused = "content_filter", true
		}
		if p.job.talk != nil {
			p.reason(c, &r)
			if p.callTools(c, &r) {
				continue
			}
		}
		p.speak(c, &r)
		if p.partial != "" {
			p.resume(c)
		}
		if p.job.echo {
			c.echo = []byte(p.job.prompts[i/p.job.each].Text)
		}
	}
	return all
}

// reason gives a reasoning model its hidden thoughts: their number follows the wanted effort.
func (p *planner) reason(c *choice, r *rng) {
	if p.fx.repeat.in("thinking") && !p.job.talk.off {
		c.reasoning = p.fx.repeat.prose(rng(r.next()), &english)
		return
	}
	if p.model.Reasoning == 0 {
		return
	}
	percent := map[string]int64{"none": 0, "minimal": 20, "low": 50, "high": 200, "xhigh": 300, "max": 400}
	share, known := percent[p.job.talk.effort]
	if !known {
		share = 100
	}
	mean := int64(p.model.Reasoning) * share / 100
	if mean == 0 {
		return
	}
	c.reasoning.want = max(1, mean/2+int64(r.below(int(mean)+1)))
	c.reasoning.prose = prose{rng: rng(r.next()), words: &english}
	switch budget := p.job.talk.budget; {
	case p.job.talk.off:
		c.reasoning = source{} // drawn all the same: the text after it does not depend on whether the model thinks
	case budget > 0:
		c.reasoning.want = min(c.reasoning.want, budget)
	}
}

// speak plans the text of an answer: what the format or the prompt asks for, or prose.
func (p *planner) speak(c *choice, r *rng) {
	var min, max int64 = 24, 96
	if p.model.Output.Max > 0 {
		min, max = int64(p.model.Output.Min), int64(p.model.Output.Max)
	}
	length := min + int64(r.below(int(max-min)+1))
	switch {
	case p.fx.tokens > 0:
		length = p.fx.tokens
	case p.wishes.tokens > 0:
		length = p.wishes.tokens
	}
	length = p.atLeast(c, length)
	words := &english
	if p.fx.unicode {
		words = &manyScripts
	}
	seed := rng(r.next())
	c.content = source{want: length, prose: prose{rng: seed, words: words, noise: p.fx.gibberish}}
	if p.fx.repeat.in("text") {
		c.content = p.fx.repeat.prose(seed, words)
	}
	if fixed := p.fixed(r); fixed != nil {
		c.content.fixed, c.content.want = fixed, 0
	}
	p.stopAt(c)
}

// atLeast obeys min_tokens and ignore_eos of vLLM.
func (p *planner) atLeast(c *choice, length int64) int64 {
	least := p.job.least
	if p.job.full && p.job.maxTokens > 0 {
		least = max(p.job.maxTokens-c.reasoning.want, 1)
	}
	return max(length, least)
}

// fixed returns the text that the request asks for; nil if it leaves the text to the model.
func (p *planner) fixed(r *rng) []byte {
	if p.wishes.said {
		return []byte(p.wishes.say)
	}
	if p.wishes.refuse {
		return []byte("I cannot help with that.")
	}
	if p.job.talk == nil {
		return nil
	}
	switch p.job.talk.format {
	case "json_object":
		return distort(p.fx.badJSON, appendValue(nil, []byte(anyObject), r), []byte(anyObject))
	case "json_schema":
		return distort(p.fx.badJSON, appendValue(nil, p.job.talk.schema, r), p.job.talk.schema)
	}
	return nil
}

// stopAt ends the text before the first stop sequence. Only then is the text made in advance.
func (p *planner) stopAt(c *choice) {
	stops := p.job.stops
	if len(stops) == 0 {
		return
	}
	text := c.content.all()
	end := len(text)
	for _, s := range stops {
		if i := strings.Index(string(text), s); s != "" && i >= 0 && (i < end || c.stop == "") {
			end, c.stop = min(end, i), s
		}
	}
	c.content = source{fixed: text[:end]}
}

// callTools plans tool calls if the request or the prompt asks for them.
func (p *planner) callTools(c *choice, r *rng) bool {
	tools := p.chosenTools()
	for i, t := range tools {
		schema := t.schema
		if len(schema) == 0 {
			schema = []byte(`{"type":"object"}`)
		}
		args := p.distortCall(appendValue(nil, schema, r), schema)
		if p.fx.repeat.in("tool") && i == 0 {
			args = p.fx.repeat.arguments(schema, rng(r.next()))
		}
		c.calls = append(c.calls, plannedCall{
			id:   fmt.Sprintf("call_%s_%d_%d", strings.TrimPrefix(p.id, "chatcmpl-"), c.index, i),
			name: t.name,
			args: source{fixed: args},
		})
	}
	if len(tools) > 0 {
		if c.natural == "stop" {
			c.natural = "tool_calls"
		}
		return true
	}
	return false
}

// chosenTools decides which functions are called: the one that tool_choice names; those whose names the user's last
// message has; with `required` or a directive at least one.
func (p *planner) chosenTools() []tool {
	t := p.job.talk
	var named []tool
	for _, one := range t.tools {
		if strings.Contains(p.asked, one.name) {
			named = append(named, one)
		}
		if one.name != "" && one.name == t.named {
			return []tool{one}
		}
	}
	if len(t.tools) == 0 || t.choice == "none" || p.afterTool && t.choice != "required" {
		return nil
	}
	chosen := named
	if p.wishes.tools > 0 {
		chosen = nil
		for i := range p.wishes.tools {
			chosen = append(chosen, t.tools[i%len(t.tools)])
		}
	}
	if len(chosen) == 0 && (t.choice == "required" || p.fx.repeat.in("tool")) {
		chosen = t.tools[:1]
	}
	if !t.parallel && len(chosen) > 1 {
		chosen = chosen[:1]
	}
	return chosen
}

// anyObject is the schema that json_object stands for.
const anyObject = `{"type":"object","properties":{"answer":{"type":"string"},"gates":{"type":"integer"},` +
	`"open":{"type":"boolean"}}}`

package sim

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// job is one decoded request, with what all operations share.
type job struct {
	op        llm.Op
	model     string // as asked for
	stream    bool
	usage     bool // the usage chunk was asked for
	eachUsage bool
	input     int64  // tokens of the input
	text      []byte // all input as one text
	asked     string // the last message of the user, or the prompt
	maxTokens int64  // output limit; 0 if none
	choices   int

	chat       *openai.ChatRequest
	completion *openai.CompletionRequest
	embedding  *openai.EmbeddingRequest
}

// Tokens that each message, and the start of the answer, add to a prompt.
const (
	tokensPerMessage = 4
	tokensPerPrompt  = 3
)

func decodeJob(op llm.Op, body []byte) (*job, *openai.RequestError) {
	switch op {
	case llm.OpChat:
		r, err := openai.DecodeChat(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		return chatJob(r), nil
	case llm.OpCompletion:
		r, err := openai.DecodeCompletion(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		j := &job{
			op: op, model: r.Model, stream: r.Stream, usage: r.IncludeUsage, eachUsage: r.EachUsage,
			maxTokens: r.MaxTokens, choices: r.Choices * len(r.Prompts), completion: r,
		}
		j.addInputs(r.Prompts)
		return j, nil
	default:
		r, err := openai.DecodeEmbedding(body)
		if err != nil {
			return &job{op: op, model: r.Model}, err
		}
		j := &job{op: op, model: r.Model, choices: 1, embedding: r}
		j.addInputs(r.Inputs)
		return j, nil
	}
}

func chatJob(r *openai.ChatRequest) *job {
	j := &job{
		op: llm.OpChat, model: r.Model, stream: r.Stream, usage: r.IncludeUsage, eachUsage: r.EachUsage,
		maxTokens: r.MaxTokens, choices: r.Choices, chat: r, input: tokensPerPrompt,
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		j.input += tokensPerMessage
		j.text = append(append(j.text, m.Role...), 0)
		j.add(m.Name)
		j.add(m.Text)
		for _, c := range m.ToolCalls {
			j.add(c.Name)
			j.add(string(c.Arguments))
		}
		if m.Role == "user" {
			j.asked = m.Text
		}
	}
	j.add(string(r.ToolsText))
	j.add(string(r.Format.Schema))
	return j
}

func (j *job) add(text string) {
	j.text = append(append(j.text, text...), '\n')
	j.input += CountTokens(text)
}

func (j *job) addInputs(inputs []openai.Input) {
	for _, in := range inputs {
		if in.Tokens == nil {
			j.add(in.Text)
			j.asked = in.Text
			continue
		}
		for _, t := range in.Tokens {
			j.text = append(strconv.AppendInt(j.text, t, 10), ' ')
		}
		j.text = append(j.text, '\n')
		j.input += int64(len(in.Tokens))
	}
}

// release lets go of the input, which a stream that runs for minutes has no more use for.
func (j *job) release() {
	j.text, j.asked = nil, ""
	if j.chat != nil {
		j.chat.Messages, j.chat.Tools, j.chat.ToolsText, j.chat.Format = nil, nil, nil, openai.ResponseFormat{}
	}
	if j.completion != nil {
		j.completion.Prompts = nil
	}
}

// directives are wishes that a prompt can carry, so that a client's test needs no special parameters:
// [[sim:tokens=50]] [[sim:tools=2]] [[sim:say=any text]].
type directives struct {
	tokens int64 // length of the answer; 0 if not said
	tools  int   // number of tool calls; 0 if not said
	say    string
	said   bool
}

func readDirectives(prompt string) (d directives) {
	for {
		_, rest, ok := strings.Cut(prompt, "[[sim:")
		if !ok {
			return d
		}
		one, after, ok := strings.Cut(rest, "]]")
		if !ok {
			return d
		}
		prompt = after
		key, value, _ := strings.Cut(one, "=")
		switch n, err := strconv.Atoi(value); {
		case key == "say":
			d.say, d.said = value, true
		case key == "tools" && value == "":
			d.tools = 1
		case err != nil || n < 1:
		case key == "tokens":
			d.tokens = int64(n)
		case key == "tools":
			d.tools = min(n, 32)
		}
	}
}

// planner makes the choices of one request.
type planner struct {
	job    *job
	model  *ModelConfig
	fx     *effects
	id     string // of the answer; ids of tool calls are made of it
	seed   uint64 // of the server and the prompt
	wishes directives
}

func newPlanner(j *job, m *ModelConfig, fx *effects, seed uint64, id string) *planner {
	return &planner{
		job: j, model: m, fx: fx, id: id, wishes: readDirectives(j.asked),
		seed: mix(hashString(hashString(seed^hashStart, m.Name), j.text)),
	}
}

// plan returns the choices.
func (p *planner) plan() []choice {
	all := make([]choice, p.job.choices)
	for i := range all {
		c := &all[i]
		r := rng(mix(p.seed + uint64(i)))
		c.index, c.natural, c.left = i, "stop", -1
		if p.job.maxTokens > 0 || p.job.completion != nil {
			c.left = p.job.maxTokens
		}
		if p.fx.finish != "" {
			c.natural = p.fx.finish
		}
		if p.job.chat != nil {
			p.reason(c, &r)
			if p.callTools(c, &r) {
				continue
			}
		}
		p.speak(c, &r)
		if done := p.job.completion; done != nil && done.Echo {
			c.echo = []byte(done.Prompts[i/done.Choices].Text)
		}
	}
	return all
}

// reason gives a reasoning model its hidden thoughts: their number follows the wanted effort.
func (p *planner) reason(c *choice, r *rng) {
	if p.model.Reasoning == 0 {
		return
	}
	percent := map[string]int64{"none": 0, "minimal": 20, "low": 50, "high": 200, "xhigh": 300, "max": 400}
	share, known := percent[p.job.chat.ReasoningEffort]
	if !known {
		share = 100
	}
	mean := int64(p.model.Reasoning) * share / 100
	if mean == 0 {
		return
	}
	c.reasoning.want = max(1, mean/2+int64(r.below(int(mean)+1)))
	c.reasoning.prose = prose{rng: rng(r.next()), words: &english}
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
	c.content.prose = prose{rng: rng(r.next()), words: &english, repeat: p.fx.repeat, noise: p.fx.gibberish}
	if p.fx.unicode {
		c.content.prose.words = &manyScripts
	}
	c.content.want = length
	if fixed := p.fixed(c, r); fixed != nil {
		c.content.fixed, c.content.want = fixed, 0
	}
	p.stopAt(c)
}

// atLeast obeys min_tokens and ignore_eos of vLLM.
func (p *planner) atLeast(c *choice, length int64) int64 {
	var least int64
	var full bool
	switch {
	case p.job.chat != nil:
		least, full = p.job.chat.MinTokens, p.job.chat.IgnoreEOS
	case p.job.completion != nil:
		least, full = p.job.completion.MinTokens, p.job.completion.IgnoreEOS
	}
	if full && p.job.maxTokens > 0 {
		least = max(p.job.maxTokens-c.reasoning.want, 1)
	}
	return max(length, least)
}

// fixed returns the text that the request asks for; nil if it leaves the text to the model.
func (p *planner) fixed(c *choice, r *rng) []byte {
	if p.wishes.said {
		return []byte(p.wishes.say)
	}
	if p.job.chat != nil {
		switch p.job.chat.Format.Type {
		case "json_object":
			return appendValue(nil, []byte(anyObject), r)
		case "json_schema":
			return appendValue(nil, p.job.chat.Format.Schema, r)
		}
		return nil
	}
	return nil
}

// stopAt ends the text before the first stop sequence. Only then is the text made in advance.
func (p *planner) stopAt(c *choice) {
	var stops []string
	switch {
	case p.job.chat != nil:
		stops = p.job.chat.Stop
	case p.job.completion != nil:
		stops = p.job.completion.Stop
	}
	if len(stops) == 0 {
		return
	}
	var text []byte
	for !c.content.done() {
		text, _ = c.content.append(text)
	}
	end := len(text)
	for _, s := range stops {
		if i := strings.Index(string(text), s); s != "" && i >= 0 {
			end = min(end, i)
		}
	}
	c.content.fixed = text[:end]
}

// callTools plans tool calls if the request or the prompt asks for them.
func (p *planner) callTools(c *choice, r *rng) bool {
	tools := p.chosenTools()
	for i, t := range tools {
		schema := []byte(t.Parameters)
		if schema == nil {
			schema = []byte(`{"type":"object"}`)
		}
		c.calls = append(c.calls, plannedCall{
			id:   fmt.Sprintf("call_%s_%d_%d", strings.TrimPrefix(p.id, "chatcmpl-"), c.index, i),
			name: t.Name,
			args: source{fixed: appendValue(nil, schema, r)},
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
func (p *planner) chosenTools() []openai.Tool {
	req := p.job.chat
	var functions, named []openai.Tool
	for _, t := range req.Tools {
		if t.Type != "function" {
			continue
		}
		functions = append(functions, t)
		if strings.Contains(p.job.asked, t.Name) {
			named = append(named, t)
		}
		if t.Name != "" && t.Name == req.ToolChoice.Name {
			return []openai.Tool{t}
		}
	}
	last := req.Messages[len(req.Messages)-1].Role
	forced := req.ToolChoice.Mode == "required"
	if len(functions) == 0 || req.ToolChoice.Mode == "none" || (last == "tool" || last == "function") && !forced {
		return nil
	}
	chosen := named
	if p.wishes.tools > 0 {
		chosen = nil
		for i := range p.wishes.tools {
			chosen = append(chosen, functions[i%len(functions)])
		}
	}
	if len(chosen) == 0 && forced {
		chosen = functions[:1]
	}
	if !req.ParallelTools && len(chosen) > 1 {
		chosen = chosen[:1]
	}
	return chosen
}

// anyObject is the schema that json_object stands for.
const anyObject = `{"type":"object","properties":{"answer":{"type":"string"},"gates":{"type":"integer"},` +
	`"open":{"type":"boolean"}}}`

// Package tally counts the tokens of prompts before they are sent, and prices them: plain texts, the requests of chat, completions
// and embeddings, and files with one request a line. It says of each count whether it is exact or an estimate, and of what. It
// sends nothing. It runs no goroutines but those that Lines starts and waits for.
package tally

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The kinds of prompts.
const (
	Text       = "text"
	Chat       = "chat"
	Completion = "completion"
	Embedding  = "embedding"
)

// Prompt is what a model is asked, taken apart.
type Prompt struct {
	Kind     string
	Model    string // that the request names; "" if none
	Parts    []Part
	Messages int   // of a chat
	Output   int64 // most output tokens that the request allows, all choices together; 0 if it sets no limit
}

// Part is a piece of a prompt. It has a text, or an image, or a number of tokens that were tokens already, or none of them, and
// then it cannot be counted.
type Part struct {
	Role   string // "system", "user", …, "tools", "schema"; "prompt" or "input" outside of chats
	Text   string
	Name   bool // the text is the name of who speaks
	Image  *Image
	Tokens int64
	Other  string // type of content that cannot be counted ("input_audio", "file"); "" for what can
}

// TextPrompt is the prompt of a plain text.
func TextPrompt(text string) *Prompt {
	return &Prompt{Kind: Text, Parts: []Part{{Role: "prompt", Text: text}}}
}

// request is what is read of the requests of all operations, in the words of OpenAI and of Anthropic.
type request struct {
	Model    string          `json:"model"`
	Messages []message       `json:"messages"`
	System   json.RawMessage `json:"system"` // Anthropic's
	Prompt   json.RawMessage `json:"prompt"`
	Input    json.RawMessage `json:"input"`
	Text     *string         `json:"text"` // of a line in a corpus
	Body     json.RawMessage `json:"body"` // of a line in a batch

	Tools          json.RawMessage `json:"tools"`
	Functions      json.RawMessage `json:"functions"`
	ResponseFormat json.RawMessage `json:"response_format"`

	N                   int64  `json:"n"`
	MaxTokens           *int64 `json:"max_tokens"`
	MaxCompletionTokens *int64 `json:"max_completion_tokens"`
}

type message struct {
	Role         string          `json:"role"`
	Name         string          `json:"name"`
	Content      json.RawMessage `json:"content"`
	Refusal      string          `json:"refusal"`
	ToolCalls    json.RawMessage `json:"tool_calls"`
	FunctionCall json.RawMessage `json:"function_call"`
}

// ReadRequest reads the JSON of a request. ok is false for anything else, such as text that happens to be JSON: what is no
// request for a model is counted as text.
func ReadRequest(text string) (p *Prompt, ok bool) {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return nil, false
	}
	var r request
	if json.Unmarshal([]byte(text), &r) != nil {
		return nil, false
	}
	if len(r.Messages) == 0 && r.Model == "" { // {"input": …} may be anything
		return nil, false
	}
	p, err := r.prompt()
	return p, err == nil
}

// ReadLine reads one line of a file of requests: a line of a batch (the request is its body), a request, or an object with a
// text.
func ReadLine(line []byte) (*Prompt, error) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if len(r.Body) > 0 {
		body := r.Body
		r = request{}
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, fmt.Errorf("read body: %w", err)
		}
	}
	return r.prompt()
}

func (r *request) prompt() (*Prompt, error) {
	p := &Prompt{Model: r.Model}
	for _, limit := range []*int64{r.MaxTokens, r.MaxCompletionTokens} {
		if limit != nil && *limit > 0 {
			p.Output = min(*limit, maxOutput) * min(max(r.N, 1), maxChoices)
		}
	}
	var err error
	switch {
	case len(r.Messages) > 0:
		p.Kind, p.Messages = Chat, len(r.Messages)
		r.chat(p)
	case present(r.Prompt):
		p.Kind = Completion
		p.Parts, err = inputs("prompt", r.Prompt)
	case present(r.Input):
		p.Kind = Embedding
		p.Output = 0
		p.Parts, err = inputs("input", r.Input)
	case r.Text != nil:
		p.Kind, p.Parts = Text, []Part{{Role: "prompt", Text: *r.Text}}
	default:
		err = fmt.Errorf("no request: it has none of messages, prompt, input and text (nor a body that has)")
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Bounds on what a request may ask for, so that sums over a file cannot overflow.
const (
	maxOutput  = 1 << 30
	maxChoices = 1 << 10
)

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func (r *request) chat(p *Prompt) {
	if present(r.System) {
		p.Messages++
		p.content("system", r.System)
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		p.add(Part{Role: m.Role, Text: m.Role})
		if m.Name != "" {
			p.add(Part{Role: m.Role, Text: m.Name, Name: true})
		}
		p.content(m.Role, m.Content)
		if m.Refusal != "" {
			p.add(Part{Role: m.Role, Text: m.Refusal})
		}
		for _, raw := range []json.RawMessage{m.ToolCalls, m.FunctionCall} {
			if present(raw) {
				p.add(Part{Role: m.Role, Text: string(raw)})
			}
		}
	}
	// What a provider makes of tools and schemas is its secret. Their JSON is near enough for an estimate.
	for _, x := range []struct {
		role string
		raw  json.RawMessage
	}{{"tools", r.Tools}, {"tools", r.Functions}, {"schema", r.ResponseFormat}} {
		if present(x.raw) {
			p.add(Part{Role: x.role, Text: string(x.raw)})
		}
	}
}

func (p *Prompt) add(part Part) { p.Parts = append(p.Parts, part) }

// block is a piece of a message's content, in the words of OpenAI or Anthropic.
type block struct {
	Type     string          `json:"type"`
	Text     *string         `json:"text"`
	Refusal  *string         `json:"refusal"`
	Thinking *string         `json:"thinking"`
	Name     string          `json:"name"`
	Input    json.RawMessage `json:"input"`
	Content  json.RawMessage `json:"content"`
	ImageURL json.RawMessage `json:"image_url"`
	Detail   string          `json:"detail"`
	Source   struct {
		Type, Data, URL string
	} `json:"source"`
}

// content adds a message's content: a string, or an array of blocks.
func (p *Prompt) content(role string, raw json.RawMessage) {
	if !present(raw) {
		return
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		p.add(Part{Role: role, Text: text})
		return
	}
	var blocks []block
	if json.Unmarshal(raw, &blocks) != nil {
		p.add(Part{Role: role, Other: "content of an unknown form"})
		return
	}
	for i := range blocks {
		p.block(role, &blocks[i])
	}
}

func (p *Prompt) block(role string, b *block) {
	for _, text := range []*string{b.Text, b.Refusal, b.Thinking} {
		if text != nil {
			p.add(Part{Role: role, Text: *text})
			return
		}
	}
	switch b.Type {
	case "image_url", "input_image":
		p.add(Part{Role: role, Image: readImageURL(b.ImageURL, b.Detail)})
	case "image":
		p.add(Part{Role: role, Image: readImage(b.Source.Data, "")})
	case "tool_use":
		p.add(Part{Role: role, Text: b.Name + string(b.Input)})
	case "tool_result":
		p.content(role, b.Content)
	default:
		p.add(Part{Role: role, Other: b.Type})
	}
}

// inputs reads the prompt of a completion or the input of an embedding: a text, texts, tokens, or lists of tokens.
func inputs(role string, raw json.RawMessage) ([]Part, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []Part{{Role: role, Text: text}}, nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		parts := make([]Part, len(texts))
		for i, t := range texts {
			parts[i] = Part{Role: role, Text: t}
		}
		return parts, nil
	}
	var tokens []int64
	if json.Unmarshal(raw, &tokens) == nil {
		return []Part{{Role: role, Tokens: int64(len(tokens))}}, nil
	}
	var lists [][]int64
	if json.Unmarshal(raw, &lists) == nil {
		parts := make([]Part, len(lists))
		for i, l := range lists {
			parts[i] = Part{Role: role, Tokens: int64(len(l))}
		}
		return parts, nil
	}
	return nil, fmt.Errorf("%s is neither text nor tokens, nor a list of either", role)
}

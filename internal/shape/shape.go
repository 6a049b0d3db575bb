// Package shape says whether an answer has the form that its request demands: JSON, a JSON schema, or the arguments of a tool. It is pure:
// a schema that refers to others by network or file is not used. What a client's schema may cost is bounded: its size and depth, the number
// of schemas kept, and the steps of one validation.
package shape

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sluice/internal/llm"
)

// Form is what a request demands of the text of its answer and of the arguments of its tools. It is safe for concurrent use.
type Form struct {
	cache  *Cache
	text   demand
	tools  map[string]demand
	schema bool // schemas count
}

// demand is what one JSON value must be. The zero demand is none.
type demand struct {
	json   bool
	object bool
	schema string // "" if none counts
}

// New returns the form that a request demands; nil if it demands none. With schema, JSON schemas count, otherwise only that the text can be
// parsed. A schema that cannot be used itself is left out: that is for the provider to judge. What it compiles it keeps for itself; see
// Cache.
func New(format *llm.Format, tools []llm.Function, schema bool) *Form {
	return new(Cache).Form(format, tools, schema)
}

// Form returns the form that a request demands, as New does. The form uses the cache; schemas are compiled when they are first needed.
func (c *Cache) Form(format *llm.Format, tools []llm.Function, schema bool) *Form {
	f := &Form{cache: c, schema: schema}
	if format != nil {
		switch format.Kind {
		case llm.FormatJSON:
			f.text = demand{json: true, object: true}
		case llm.FormatSchema:
			f.text = demand{json: true}
			if schema {
				f.text.schema = format.Schema
			}
		}
	}
	for i := range tools {
		t := &tools[i]
		if t.Custom || t.Raw != "" {
			continue // free text, or the provider's own
		}
		if f.tools == nil {
			f.tools = make(map[string]demand, len(tools))
		}
		d := demand{json: true, object: true}
		if schema {
			d.schema = t.Parameters
		}
		f.tools[t.Name] = d
	}
	if !f.text.json && len(f.tools) == 0 {
		return nil
	}
	return f
}

// Text reports whether the form demands anything of the answer's text.
func (f *Form) Text() bool { return f != nil && f.text.json }

// Check returns what is wrong with a choice that the model has ended by itself (FinishStop, FinishTools): an error of KindInvalidOutput
// whose message names the place. A refusal, an answer cut at its length, and text next to tool calls are let through. So are the arguments
// of custom tools, and of tools that the request does not know. Empty arguments count as {}.
func (f *Form) Check(c *llm.Choice) *llm.Error {
	if f == nil || c.Finish != llm.FinishStop && c.Finish != llm.FinishTools {
		return nil
	}
	var text strings.Builder
	called := false
	for i := range c.Parts {
		p := &c.Parts[i]
		switch p.Kind {
		case llm.PartRefusal:
			return nil
		case llm.PartText:
			text.WriteString(p.Text)
		case llm.PartToolCall:
			called = true
			if e := f.call(p); e != nil {
				return e
			}
		}
	}
	if called || !f.text.json || c.Finish == llm.FinishTools {
		return nil
	}
	return f.fault("the text", f.text, text.String())
}

// call checks the arguments of a tool call.
func (f *Form) call(p *llm.Part) *llm.Error {
	d, known := f.tools[p.Name]
	if p.Custom || !known {
		return nil
	}
	args := p.Text
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	return f.fault(argumentsOf(p.Name), d, args)
}

// argumentsOf names the arguments of a tool in messages.
func argumentsOf(name string) string { return fmt.Sprintf("the arguments of tool %q", clip(name, 64)) }

// fault returns what is wrong with a JSON value that stands at what, as an error for the caller.
func (f *Form) fault(what string, d demand, text string) *llm.Error {
	if err := f.holds(d, text); err != nil {
		return &llm.Error{Kind: llm.KindInvalidOutput, Message: fmt.Sprintf("the model's answer is not in the form that was asked for: %s: %v", what, err)}
	}
	return nil
}

// holds reports what is wrong with a text of which something is demanded.
func (f *Form) holds(d demand, text string) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	if _, ok := value.(map[string]any); d.object && !ok {
		return fmt.Errorf("$: want object, got %s", typeName(value))
	}
	if d.schema == "" {
		return nil
	}
	return f.cache.schema(d.schema).check(value)
}

// parse reads one JSON value with white space around it. Its errors name the place and quote one character at most.
func parse(text string) (any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("it is empty, want JSON")
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, fmt.Errorf("no whole JSON: it ends at byte %d, within a value", len(text))
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("no JSON: %s at byte %d", clip(syntax.Error(), 80), syntax.Offset)
		default:
			return nil, fmt.Errorf("no JSON: %s", clip(err.Error(), 80))
		}
	}
	at := int(d.InputOffset())
	if rest := strings.TrimLeft(text[at:], " \t\r\n"); rest != "" {
		return nil, fmt.Errorf("more than one JSON value: there is more after byte %d", at)
	}
	return value, nil
}

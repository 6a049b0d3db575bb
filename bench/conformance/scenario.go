//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/bench/caller"
	"sluice/internal/llm"
)

// The limits that the gateway under test has, unless a scenario sets others. They are short so that faults cost little time.
const (
	headerLimit = 700 * time.Millisecond
	firstLimit  = 700 * time.Millisecond
	idleLimit   = 500 * time.Millisecond
	answerTime  = 800 * time.Millisecond // of an answer without any fault, on a busy machine
	timing      = 300 * time.Millisecond // by which a limit may be overrun
)

// settings are the gateway's, for all models. Limits are longer by a factor where the machine may be busy.
func settings(scale time.Duration) string {
	return fmt.Sprintf(`
timeouts: {connect: 1s, headers: %v, first_token: %v, idle: %v, total: 20s}
retry: {attempts: 4, base: 20ms, max: 100ms, budget: 100%%}
log: {level: warn}
`, scale*headerLimit, scale*firstLimit, scale*idleLimit)
}

// asking is what a scenario asks the model for.
type asking uint8

const (
	forText asking = iota
	forTool
	forJSON
)

// outcome is what a scenario shall end with.
type outcome uint8

const (
	answered outcome = iota // the whole right answer
	refused                 // an error in the client's dialect, before anything else
	filtered                // an answer that says that a content filter ended it
	blocked                 // as refused; or as filtered, in Gemini's dialect, where a prompt that is refused is an answer
	either                  // answered, or broken, or refused
	fitting                 // structured output or a tool call that fits the schema, whatever it says
	broken                  // part of the right answer, and an error in the stream
	marked                  // an error of that code in the stream, whatever came before it
)

// span is an allowed range, both ends included.
type span struct{ low, high int }

func exactly(n int) span { return span{n, n} }

// want is what is right.
type want struct {
	end    outcome
	status int    // of a refusal; 0 for any
	code   string // of a refusal, in Sluice's words; "" for any
	by     string // who answers: a, b, or ab for one after the other
	a, b   span   // requests that each target sees
	// wait is the time between the first target's refusal and its next request.
	waitLow, waitHigh time.Duration
	first             time.Duration // longest time to the first content of a stream; 0 for no limit
	gap               time.Duration // longest silence in a stream; 0 for no limit
	wall              time.Duration // longest time in all; 0 for no limit
	retry             string        // value of X-Should-Retry; "" for any
	loop              int64         // longest loop, in tokens
}

// scenario is one row of the matrix.
type scenario struct {
	name string
	row  string // of table F, or where else it comes from
	doc  string // what happens, and what is right

	only    string        // stream or whole; "" for both
	fronts  []llm.Dialect // nil for all
	ask     asking
	one     bool   // there is no second target
	a, b    string // faults of the first and the second target, in the grammar of sluice sim
	set     string // settings of the gateway's model, in YAML's flow style
	windows [2]int // of the targets' models, in tokens, as the gateway is told; 0 for unknown
	strict  bool   // the second target's model refuses to go on with its own words
	outage  string // the first target is at a simulator that is down for a while, in this form
	header  [2]string

	want  want
	whole *want // of the form that is not streamed, where it differs
	quick bool  // belongs to the subset that CI runs
	play  func(ctx context.Context, l *lab, c *cell) *played
}

// wants returns what is right for a form.
func (s *scenario) wants(stream bool) *want {
	if !stream && s.whole != nil {
		return s.whole
	}
	return &s.want
}

// schema is that of tools and of structured output.
const schema = `{"type":"object","properties":{"river":{"type":"string"},"gate":{"type":"string"},"level":{"type":"integer"},"keeper":{"type":"string"}},` +
	`"required":["river","gate","level","keeper"],"additionalProperties":false}`

// fits says how JSON does not fit the schema; it is empty if it does.
func fits(text string) string {
	var v struct {
		River, Gate, Keeper *string
		Level               *int
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	switch err := d.Decode(&v); {
	case err != nil:
		return err.Error()
	case d.More():
		return "there is more than one value"
	case v.River == nil || v.Gate == nil || v.Keeper == nil || v.Level == nil:
		return "a member is missing"
	}
	return ""
}

// chat returns the request of a scenario.
func (s *scenario) chat(model string, stream bool) *llm.Chat {
	c := &llm.Chat{
		Model: model, Stream: stream, StreamUsage: true, MaxTokens: 4000, Choices: 1,
		Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "Scenario " + s.name + ": what does a sluice do?"}}}},
	}
	strict := true
	switch s.ask {
	case forTool:
		c.Tools = []llm.Function{{Name: "open_gate", Description: "Opens a gate.", Parameters: schema, Strict: &strict}}
		c.ToolChoice = llm.ToolChoice{Mode: llm.ToolsRequired}
	case forJSON:
		c.Format = llm.Format{Kind: llm.FormatSchema, Name: "gate", Schema: schema, Strict: &strict}
	}
	return c
}

// fits reports whether a scenario is run at a front.
func (s *scenario) fits(d llm.Dialect) bool {
	return len(s.fronts) == 0 || slices.Contains(s.fronts, d)
}

// cell is a scenario in one form, at one front.
type cell struct {
	*scenario
	id     string // also the model's public name, and its name at the first target; the second target's has a b behind it
	front  caller.Front
	stream bool
	target llm.Dialect // that the first target speaks
	other  llm.Dialect // that the second speaks
	glob   string      // of the ids of the scenario's cells
}

// form names the cell's form.
func (c *cell) form() string {
	if c.stream {
		return "stream"
	}
	return "whole"
}

// name names the cell.
func (c *cell) fullName() string {
	n := c.scenario.name + "/" + c.front.Name
	if c.target != c.front.Dialect {
		n += ">" + c.target.String()
	}
	if c.other != c.target {
		n += "+" + c.other.String()
	}
	return n + "/" + c.form()
}

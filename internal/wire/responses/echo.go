package responses

import (
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// echoed are the members of a request that an answer repeats, in the order in which they stand there, with what they are if the
// request does not have them; "" leaves them out then.
var echoed = [...]llm.Member{
	{Name: "instructions", Value: "null"},
	{Name: "max_output_tokens", Value: "null"},
	{Name: "max_tool_calls", Value: "null"},
	{Name: "metadata", Value: "{}"},
	{Name: "parallel_tool_calls", Value: "true"},
	{Name: "previous_response_id", Value: "null"},
	{Name: "prompt_cache_key"},
	{Name: "prompt_cache_options"},
	{Name: "prompt_cache_retention"},
	{Name: "reasoning", Value: `{"effort":null,"summary":null}`},
	{Name: "safety_identifier"},
	{Name: "store", Value: "true"},
	{Name: "temperature", Value: "1"},
	{Name: "text", Value: `{"format":{"type":"text"}}`},
	{Name: "tool_choice", Value: `"auto"`},
	{Name: "tools", Value: "[]"},
	{Name: "top_logprobs", Value: "0"},
	{Name: "top_p", Value: "1"},
	{Name: "truncation", Value: `"disabled"`},
	{Name: "user", Value: "null"},
}

// Echo returns the members of a valid request that its answer repeats, for llm.Head.
func Echo(body []byte) []llm.Member {
	all := []llm.Member{}
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		return all
	}
	for {
		member, ok := sc.Member()
		if !ok {
			return all
		}
		name := string(member)
		value := sc.Value().Of(body)
		if string(value) == "null" || !slices.ContainsFunc(echoed[:], func(m llm.Member) bool { return m.Name == name }) {
			continue
		}
		all = append(all, llm.Member{Name: name, Value: string(compact(value))}) // an event's data is one line
	}
}

// appendEcho appends what an answer repeats of its request, each member with a comma in front.
func appendEcho(dst []byte, h *llm.Head) []byte {
	echo := h.Echo
	if echo == nil && h.Chat != nil {
		echo = echoOf(h.Chat)
	}
	for _, m := range echoed {
		value := m.Value
		if i := slices.IndexFunc(echo, func(e llm.Member) bool { return e.Name == m.Name }); i >= 0 {
			value = echo[i].Value
		}
		if value == "" {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, m.Name...)
		dst = append(dst, `":`...)
		dst = append(dst, value...)
	}
	return dst
}

// echoOf makes of a request in neutral words what the client has written, or something that means the same.
func echoOf(c *llm.Chat) (all []llm.Member) {
	add := func(name string, value []byte) {
		if len(value) > 0 {
			all = append(all, llm.Member{Name: name, Value: string(compact(value))})
		}
	}
	text := func(name, value string) {
		if value != "" {
			add(name, wire.AppendString(nil, value))
		}
	}
	instructions, _ := leading(c.Messages)
	text("instructions", instructions)
	if c.MaxTokens > 0 {
		add("max_output_tokens", strconv.AppendInt(nil, c.MaxTokens, 10))
	}
	add("metadata", []byte(c.Metadata))
	if c.Parallel != nil {
		add("parallel_tool_calls", strconv.AppendBool(nil, *c.Parallel))
	}
	text("prompt_cache_key", c.CacheKey)
	add("reasoning", appendReasoningSetting(nil, &c.Reasoning))
	text("safety_identifier", c.SafetyIdentifier)
	add("temperature", []byte(c.Temperature))
	add("text", appendTextSetting(nil, c))
	add("tool_choice", appendToolChoice(nil, c))
	if len(c.Tools) > 0 {
		add("tools", appendTools(nil, c.Tools))
	}
	if c.TopLogprobs > 0 {
		add("top_logprobs", strconv.AppendInt(nil, int64(c.TopLogprobs), 10))
	}
	add("top_p", []byte(c.TopP))
	text("user", c.User)
	return all
}

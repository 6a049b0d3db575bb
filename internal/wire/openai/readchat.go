package openai

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Server's end, for calls that go to another dialect: a request in OpenAI's words becomes one in llm's. It is read once a
// call, and allocates. Beside what OpenAI documents (PROVIDERS.md 1.2, 2026-11), what clients of OpenAI-compatible servers
// commonly send is understood: OpenRouter's reasoning, reasoning_details and images, LiteLLM's thinking_blocks, thinking and
// cache_control, top_k.

// ReadChat reads a chat request, or a legacy completion's with one text as prompt. Members that have no word in llm.Chat are
// in its Extra, those of a message under the path of the member. The error is of KindBadRequest, with the path of the field in Param.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	var sc wire.Scanner
	sc.Reset(body)
	if sc.Value(); !sc.End() {
		return nil, bad("", "request body is not valid JSON: %v", sc.Err())
	}
	r := chatReader{c: &llm.Chat{Choices: 1}, op: op}
	if k := kindOfValue(body); k != wire.Object {
		return nil, bad("", "request body is %s; it must be a JSON object", k)
	}
	r.object(body, nil, func(name string, v []byte) { r.member(name, v, &place{name: name}) })
	r.finish()
	if r.err != nil {
		return nil, r.err
	}
	return r.c, nil
}

// chatReader is one run of ReadChat.
type chatReader struct {
	decoder
	op       llm.Op
	c        *llm.Chat
	messages bool
	oldMax   int64             // max_tokens
	names    map[string]string // of the tools that were called, by the call's id
	legacy   string            // id of the last call in the form of function_call, which has none
}

// finish checks what can be said only when all members are known.
func (r *chatReader) finish() {
	switch {
	case r.err != nil:
	case r.c.Model == "":
		r.err = bad("model", "model is missing")
	case !r.messages && r.op == llm.OpCompletion:
		r.err = bad("prompt", "prompt is missing")
	case !r.messages:
		r.err = bad("messages", "messages is missing")
	}
	if r.c.MaxTokens == 0 {
		r.c.MaxTokens = r.oldMax
	}
}

func (r *chatReader) member(name string, v []byte, at *place) {
	if r.op == llm.OpCompletion {
		switch name {
		case "prompt":
			r.prompt(v, at)
			return
		case "logprobs": // here it is how many alternatives are wanted
			r.c.Logprobs, r.c.TopLogprobs = true, int(r.integer(v, at))
			return
		case "messages", "tools", "tool_choice", "functions", "function_call":
			r.extra(name, v)
			return
		}
	}
	if !r.basic(name, v, at) && !r.sampling(name, v, at) && !r.steering(name, v, at) && !idle(name, v) {
		r.extra(name, v)
	}
}

// idle reports whether a member asks for what happens anyway, so that nothing is lost without it.
func idle(name string, v []byte) bool {
	switch name {
	case "store":
		return string(v) == "false"
	case "modalities":
		return string(v) == `["text"]`
	}
	return false
}

func (r *chatReader) extra(name string, v []byte) {
	r.c.Extra = append(r.c.Extra, llm.Member{Name: name, Value: string(v)})
}

// basic reads what says which answer is wanted, and of what.
func (r *chatReader) basic(name string, v []byte, at *place) bool {
	c := r.c
	switch name {
	case "model":
		c.Model = r.text(v, at)
	case "messages":
		r.messages = true
		r.readMessages(v, at)
	case "stream":
		c.Stream = r.flag(v, at)
	case "stream_options":
		r.streamOptions(v, at)
	case "tools":
		r.array(v, at, func(i int, v []byte) { r.tool(v, at.element(i)) })
	case "functions":
		c.LegacyFunctions = true
		r.array(v, at, func(i int, v []byte) {
			c.Tools = append(c.Tools, r.function(v, at.element(i)))
		})
	case "tool_choice":
		c.ToolChoice = r.toolChoice(v, at)
	case "function_call":
		c.ToolChoice = r.functionChoice(v, at)
	case "parallel_tool_calls":
		c.Parallel = r.boolean(v, at)
	case "response_format":
		c.Format = r.format(v, at)
	case "user":
		c.User = r.text(v, at)
	case "safety_identifier":
		c.SafetyIdentifier = r.text(v, at)
	case "service_tier":
		c.ServiceTier = knownTier(r.text(v, at))
	case "metadata":
		c.Metadata = r.json(v, wire.Object, at)
	case "prompt_cache_key":
		c.CacheKey = r.text(v, at)
	default:
		return false
	}
	return true
}

// limit reads a limit of tokens. -1 is none, as servers of open models have it (llama.cpp, LM Studio); to take 0 for none would cost a
// client that wants next to nothing a long answer.
func (r *chatReader) limit(v []byte, at *place) int64 {
	n := r.integer(v, at)
	if given, ok := wire.Int(v); r.err == nil && ok && given < 1 && given != -1 {
		r.fail(at, "%s is %d; it must be at least 1", at, given)
	}
	return n
}

// sampling reads what says how tokens are drawn, and how many.
func (r *chatReader) sampling(name string, v []byte, at *place) bool {
	c := r.c
	switch name {
	case "max_completion_tokens":
		c.MaxTokens = r.limit(v, at)
	case "max_tokens":
		r.oldMax = r.limit(v, at)
	case "n":
		n := r.integer(v, at)
		if r.err == nil && (n < 1 || n > maxChoices) {
			r.fail(at, "n is %d; it must be from 1 to %d", n, maxChoices)
		}
		c.Choices = int(n)
	case "stop":
		r.stop(v, at)
	case "temperature":
		c.Temperature = r.number(v, at)
	case "top_p":
		c.TopP = r.number(v, at)
	case "top_k":
		c.TopK = r.number(v, at)
	case "frequency_penalty":
		c.FrequencyPenalty = r.number(v, at)
	case "presence_penalty":
		c.PresencePenalty = r.number(v, at)
	case "seed":
		c.Seed = r.number(v, at)
	case "logprobs":
		c.Logprobs = r.flag(v, at)
	case "top_logprobs":
		c.TopLogprobs = int(min(r.integer(v, at), maxChoices))
	case "logit_bias":
		c.LogitBias = r.json(v, wire.Object, at)
	default:
		return false
	}
	return true
}

// steering reads what says how much the model is to think and to say.
func (r *chatReader) steering(name string, v []byte, at *place) bool {
	switch name {
	case "reasoning_effort":
		r.effort(v, at)
	case "reasoning":
		r.reasoning(v, at)
	case "thinking":
		r.thinking(v, at)
	case "verbosity":
		r.c.Verbosity = r.text(v, at)
	default:
		return false
	}
	return true
}

// prompt reads a legacy completion's prompt, which becomes what a user says. Chats have one answer to one text.
func (r *chatReader) prompt(v []byte, at *place) {
	r.messages = true
	if kindOfValue(v) == wire.Array {
		var texts [][]byte
		tokens := false
		r.array(v, at, func(_ int, v []byte) {
			texts, tokens = append(texts, v), tokens || kindOfValue(v) != wire.String
		})
		if tokens {
			r.fail(at, "prompt has token numbers, which only a server of OpenAI's completions can read; send a text, or route to one")
			return
		}
		if len(texts) != 1 {
			r.fail(at, "prompt has %d texts; a target that speaks another dialect than OpenAI's completions can answer one", len(texts))
			return
		}
		v = texts[0]
	}
	r.c.Messages = []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: r.text(v, at)}}}}
}

func (r *chatReader) stop(v []byte, at *place) {
	if kindOfValue(v) == wire.String {
		r.c.Stop = []string{r.text(v, at)}
		return
	}
	r.array(v, at, func(i int, v []byte) { r.c.Stop = append(r.c.Stop, r.text(v, at.element(i))) })
}

func (r *chatReader) streamOptions(v []byte, at *place) {
	r.object(v, at, func(name string, v []byte) {
		switch name {
		case "include_usage":
			r.c.StreamUsage = r.flag(v, at.member(name))
		case "include_obfuscation": // of what a translation sends nothing is padded
		default:
			r.extra("stream_options."+name, v)
		}
	})
}

// effort reads a grade of thinking, which servers of this dialect call none to max.
func (r *chatReader) effort(v []byte, at *place) {
	think := &r.c.Reasoning
	think.Effort = r.oneOf(v, at, "none", "minimal", "low", "medium", "high", "xhigh", "max")
	think.Mode = llm.ThinkOn
	if think.Effort == "none" {
		think.Mode = llm.ThinkOff
	}
}

// reasoning reads OpenRouter's form (https://openrouter.ai/docs/use-cases/reasoning-tokens, read 2026-11), with summary as in
// OpenAI's Responses.
func (r *chatReader) reasoning(v []byte, at *place) {
	think := &r.c.Reasoning
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "effort":
			r.effort(v, at)
		case "max_tokens":
			if think.Budget = r.integer(v, at); think.Budget > 0 {
				think.Mode = llm.ThinkOn
			}
		case "enabled":
			switch on := r.flag(v, at); {
			case !on:
				think.Mode = llm.ThinkOff
			case think.Mode == llm.ThinkUnset:
				think.Mode = llm.ThinkOn
			}
		case "exclude":
			if r.flag(v, at) {
				think.Summary = "none"
			}
		case "summary":
			think.Summary = r.oneOf(v, at, "none", "auto", "concise", "detailed")
		default:
			r.extra("reasoning."+name, v)
		}
	})
}

// thinking reads Anthropic's form, which DeepSeek's and Z.ai's servers and LiteLLM's clients use with this dialect.
func (r *chatReader) thinking(v []byte, at *place) {
	think := &r.c.Reasoning
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case "type":
			switch r.oneOf(v, at, "enabled", "disabled", "adaptive") {
			case "enabled":
				think.Mode = llm.ThinkOn
			case "disabled":
				think.Mode = llm.ThinkOff
			case "adaptive":
				think.Mode = llm.ThinkAdaptive
			}
		case "budget_tokens":
			think.Budget = r.integer(v, at)
		default:
			r.extra("thinking."+name, v)
		}
	})
}

// toolID makes the id of a call that the client's form has none for, the same for a call and its result.
func toolID(message int) string { return "call_" + strconv.Itoa(message) }

// dataURI takes a data URI apart. ok is false for any other text, and for data that is not in base64.
func dataURI(s string) (mime, data string, ok bool) {
	if len(s) < 5 || !strings.EqualFold(s[:5], "data:") {
		return "", "", false
	}
	head, data, found := strings.Cut(s[5:], ",")
	mime, params, _ := strings.Cut(head, ";")
	if !found || params != "base64" && !strings.HasSuffix(params, ";base64") {
		return "", "", false
	}
	return strings.ToLower(mime), data, true
}

package anthropic

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// counts are the numbers of a usage object as they stand there: input excludes what was read from the cache or written to
// it. A stream states them in pieces, each a total so far; the ones that are not there keep their values.
type counts struct {
	input, read, written, long, output, thinking int64
	hasInput, hasOutput                          bool
	tier, speed                                  string
}

// merge takes what the usage object b, which has been validated, states. It allocates nothing.
func (c *counts) merge(b []byte) {
	var sc wire.Scanner
	sc.Reset(b)
	if !sc.Object() {
		return
	}
	for {
		name, more := sc.Member()
		if !more {
			return
		}
		switch string(name) {
		case "input_tokens":
			c.hasInput = sc.Count(&c.input) || c.hasInput
		case "output_tokens":
			c.hasOutput = sc.Count(&c.output) || c.hasOutput
		case "cache_creation_input_tokens":
			sc.Count(&c.written)
		case "cache_read_input_tokens":
			sc.Count(&c.read)
		case "cache_creation", "output_tokens_details":
			c.details(&sc, b)
		case "service_tier":
			word(&sc, b, &c.tier, "standard", "priority", "batch")
		case "speed":
			word(&sc, b, &c.speed, "standard", "fast")
		default:
			sc.Value()
		}
	}
}

// details reads cache_creation or output_tokens_details; their names do not clash.
func (c *counts) details(sc *wire.Scanner, b []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, more := sc.Member()
		if !more {
			return
		}
		switch string(name) {
		case "ephemeral_1h_input_tokens":
			sc.Count(&c.long)
		case "thinking_tokens":
			sc.Count(&c.thinking)
		default:
			sc.Value()
		}
	}
}

// word reads one of a few words into v, without allocating.
func word(sc *wire.Scanner, b []byte, v *string, words ...string) {
	lit := sc.Value().Of(b)
	for _, w := range words {
		if wire.EqualString(lit, w) {
			*v = w
		}
	}
}

// usage returns the counts in the words of llm, where input is all of it.
func (c *counts) usage() llm.Usage {
	return llm.Usage{
		Input: c.input + c.read + c.written, CachedInput: c.read, CacheWrite: c.written, CacheWriteLong: min(c.long, c.written),
		Output: c.output, Reasoning: min(c.thinking, c.output),
	}
}

// stated reports whether the provider has said anything that a call can be billed by.
func (c *counts) stated() bool { return c.hasInput || c.hasOutput }

// tierUsed is the tier in OpenAI's words, "" if not said.
func (c *counts) tierUsed() string { return tierOf(c.tier, c.speed) }

// appendInput appends the members of usage that are about the input.
func appendInput(dst []byte, u *llm.Usage) []byte {
	long := min(u.CacheWriteLong, u.CacheWrite)
	dst = append(dst, `"input_tokens":`...)
	dst = strconv.AppendInt(dst, max(u.Input-u.CachedInput-u.CacheWrite, 0), 10)
	dst = append(dst, `,"cache_creation_input_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	dst = append(dst, `,"cache_read_input_tokens":`...)
	dst = strconv.AppendInt(dst, u.CachedInput, 10)
	if u.CacheWrite == 0 {
		return append(dst, `,"cache_creation":null`...)
	}
	dst = append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite-long, 10)
	dst = append(dst, `,"ephemeral_1h_input_tokens":`...)
	dst = strconv.AppendInt(dst, long, 10)
	return append(dst, '}')
}

// appendOutput appends the members of usage that are about the output.
func appendOutput(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, `,"output_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"output_tokens_details":`...)
	if u.Reasoning == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, `{"thinking_tokens":`...)
		dst = append(strconv.AppendInt(dst, u.Reasoning, 10), '}')
	}
	return append(dst, `,"server_tool_use":null`...)
}

// appendUsage appends the usage object of a message; tier is in OpenAI's words.
func appendUsage(dst []byte, u *llm.Usage, tier string) []byte {
	dst = appendInput(append(dst, '{'), u)
	dst = appendOutput(dst, u)
	dst = appendTier(dst, tier)
	return append(dst, `,"inference_geo":null}`...)
}

// appendTier appends the members of usage that say at which tier the call was served, in OpenAI's words.
func appendTier(dst []byte, tier string) []byte {
	dst = append(dst, `,"service_tier":`...)
	dst = appendNullable(dst, tierName(tier))
	if tier == "fast" {
		return append(dst, `,"speed":"fast"`...)
	}
	return append(dst, `,"speed":null`...)
}

// appendNullable appends a JSON string, or null for an empty one.
func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, s)
}

// Package anthropic is the codec of Anthropic's Messages protocol: both directions, both ends. It reads what Sluice has to
// know of a request, a stream, an answer or an error, names or changes the places that must differ where both ends speak the
// protocol, and translates from and to the vocabulary of llm where they do not. It opens no connections, runs no goroutines
// and keeps no state beyond one call.
//
// The facts are those of PROVIDERS.md sections 2 and 6.4 (2026-11-20) and of the official SDKs' types (npm 0.137 and
// 1.11, Go 1.84 and v2 2.12). The wire form of answers is the same in both API versions.
package anthropic

import "sluice/internal/llm"

// The API versions that there are, by the header anthropic-version. With the later one the sampling parameters are refused,
// so what is translated goes out under the earlier one, unless the target wants the other (PROVIDERS.md 0.1).
const (
	Version = "2023-06-01"
	Latest  = "2026-10-21"
)

// Names of stream events.
const (
	messageStart = "message_start"
	blockStart   = "content_block_start"
	blockDelta   = "content_block_delta"
	blockStop    = "content_block_stop"
	messageDelta = "message_delta"
	messageStop  = "message_stop"
	ping         = "ping"
	errorEvent   = "error"
)

// finishOf reads a stop_reason.
func finishOf(reason string) llm.Finish {
	switch reason {
	case "":
		return llm.FinishUnset
	case "end_turn":
		return llm.FinishStop
	case "stop_sequence":
		return llm.FinishSequence
	case "max_tokens":
		return llm.FinishLength
	case "model_context_window_exceeded":
		return llm.FinishContext
	case "tool_use":
		return llm.FinishTools
	case "refusal":
		return llm.FinishFilter
	case "pause_turn":
		return llm.FinishPause
	default:
		return llm.FinishOther
	}
}

// stopReason is the stop_reason for a finish. An answer with tool calls that ended normally waits for their results, whatever
// the provider called it (OpenAI says "stop" where a function was forced): clients of this protocol go by the reason. A
// refusal in words is one.
func stopReason(f llm.Finish, tools, refused bool) string {
	switch f {
	case llm.FinishSequence:
		return "stop_sequence"
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishContext:
		return "model_context_window_exceeded"
	case llm.FinishTools:
		return "tool_use"
	case llm.FinishFilter:
		return "refusal"
	case llm.FinishPause:
		return "pause_turn"
	}
	switch {
	case refused:
		return "refusal"
	case tools:
		return "tool_use"
	default:
		return "end_turn"
	}
}

// tierOf is a tier that was used, in OpenAI's words. A call at higher speed has a price of its own, so it is a tier too.
func tierOf(tier, speed string) string {
	switch {
	case speed == "fast":
		return "fast"
	case tier == "standard":
		return "default"
	default:
		return tier // priority, batch, or nothing
	}
}

// tierName is the usage's service_tier for one in OpenAI's words, "" for null.
func tierName(tier string) string {
	switch tier {
	case "":
		return ""
	case "priority", "batch":
		return tier
	default:
		return "standard"
	}
}

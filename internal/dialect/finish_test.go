package dialect_test

import (
	"testing"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

func TestFinishOf(t *testing.T) {
	f := func(d llm.Dialect, name, data string, want llm.Finish) {
		t.Helper()
		var n []byte
		if name != "" {
			n = []byte(name)
		}
		if got := dialect.FinishOf(d, n, []byte(data)); got != want {
			t.Errorf("%v %s: got %d, want %d", d, data, got, want)
		}
	}
	f(llm.OpenAI, "", `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, llm.FinishStop)
	f(llm.OpenAI, "", `{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`, llm.FinishLength)
	f(llm.OpenAI, "", `{"choices":[{"index":0,"delta":{"content":"x"}}]}`, llm.FinishUnset)
	f(llm.OpenAI, "", `not json`, llm.FinishUnset)
	f(llm.Anthropic, "message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}`, llm.FinishStop)
	f(llm.Anthropic, "message_delta", `{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":2}}`, llm.FinishLength)
	f(llm.Anthropic, "message_delta", `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}`, llm.FinishTools)
	f(llm.Gemini, "", `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","index":0}]}`, llm.FinishStop)
	f(llm.Gemini, "", `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"MAX_TOKENS","index":0}]}`, llm.FinishLength)
	f(llm.Responses, "response.completed", `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"a"}]}]}}`, llm.FinishStop)
	f(llm.Responses, "response.incomplete", `{"type":"response.incomplete","response":{"id":"resp_1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}}`, llm.FinishLength)
}
